"""NRRD and MHA by SimpleITK, after a look of our own at the text of the header.

ITK opens any data file that a header names and allots what it claims; so names and sizes are
checked first.  A tracked ultrasound sweep, which ITK reads as if it were a volume, is refused.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ReadError
from ..volume import Volume
from .files import reading, replacing
from .itk_header import read_header

__all__ = ["first_reason", "read", "write"]

_IMAGE_IO = {".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO", ".mha": "MetaImageIO", ".mhd": "MetaImageIO"}


def read(path: Path) -> Volume:
    """Read a 3-D ``.nrrd``, ``.nhdr``, ``.mha`` or ``.mhd``, grey or of three channels."""
    import SimpleITK

    with reading(path):
        header = read_header(path)
        try:
            image = SimpleITK.ReadImage(str(path), imageIO=_IMAGE_IO[path.suffix.lower()])
        except RuntimeError as error:
            raise ReadError(f"{path}: cannot be read: {first_reason(error)}") from error
        if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() not in (1, 3):
            raise ReadError(
                f"{path}: {image.GetDimension()}-D with {image.GetNumberOfComponentsPerPixel()} values per "
                "voxel; expected a volume of grey values, or of three for colour"
            )
        if "complex" in image.GetPixelIDTypeAsString():
            raise ReadError(f"{path}: complex voxels; save the magnitude and read that")
        return Volume.from_sitk(image).with_notes(*header.notes)


def write(volume: Volume, path: Path, overwrite: bool) -> None:
    """Write float32, compressed."""
    import SimpleITK

    with replacing(path, overwrite) as temporary:
        SimpleITK.WriteImage(volume.to_sitk(), str(temporary), useCompression=True)


def first_reason(error: RuntimeError) -> str:
    """The last sentence of ITK's report, which says what failed, without its own source paths."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else "ITK gave no reason"
