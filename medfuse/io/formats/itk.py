"""NRRD and MHA by SimpleITK, after a look of our own at the text of the header.

ITK opens any data file that a header names and allots what it claims; so names and sizes are
checked first.  A tracked ultrasound sweep, which ITK reads as if it were a volume, is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ReadError
from ...volume import Volume
from ..files import reading, replacing
from .four_d import choice
from .itk_header import read_header

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["first_reason", "read", "write"]

_IMAGE_IO = {".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO", ".mha": "MetaImageIO", ".mhd": "MetaImageIO"}


def read(path: Path, volume: int | None = None) -> Volume:
    """Read a ``.nrrd``, ``.nhdr``, ``.mha`` or ``.mhd``, grey or of three channels.

    Of a 4-D file, and of one with several values for each voxel (but three, which are colour), the
    volume ``volume``, from 1.
    """
    import SimpleITK

    with reading(path):
        header = read_header(path)
        try:
            image = SimpleITK.ReadImage(str(path), imageIO=_IMAGE_IO[path.suffix.lower()])
        except RuntimeError as error:
            raise ReadError(f"{path}: cannot be read: {first_reason(error)}") from error
        if "complex" in image.GetPixelIDTypeAsString():
            raise ReadError(f"{path}: complex voxels; save the magnitude and read that")
        image, notes = _one_volume(path, image, volume)
        return Volume.from_sitk(image).with_notes(*header.notes, *notes)


def _one_volume(
    path: Path, image: SimpleITK.Image, wanted: int | None
) -> tuple[SimpleITK.Image, tuple[str, ...]]:
    import SimpleITK

    dimension, values = image.GetDimension(), image.GetNumberOfComponentsPerPixel()
    if dimension == 4 and values == 1:
        index, notes = choice(path, image.GetSize()[3], wanted)
        return image[:, :, :, index], notes
    if dimension != 3:
        raise ReadError(f"{path}: {dimension}-D with {values} values per voxel; expected a volume")
    index, notes = choice(path, 1 if values in (1, 3) else values, wanted)
    if values in (1, 3):
        return image, notes
    return SimpleITK.VectorIndexSelectionCast(image, index), notes


def write(volume: Volume, path: Path, overwrite: bool, integers: bool = False) -> None:
    """Write float32 (int32 with ``integers``), compressed."""
    import SimpleITK

    image = volume.to_sitk()
    if integers:
        image = SimpleITK.Cast(image, SimpleITK.sitkInt32)
    with replacing(path, overwrite) as temporary:
        SimpleITK.WriteImage(image, str(temporary), useCompression=True)


def first_reason(error: RuntimeError) -> str:
    """The last sentence of ITK's report, which says what failed, without its own source paths."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else "ITK gave no reason"
