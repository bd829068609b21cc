"""Transforms that ITK reads: its text and HDF5 files, MATLAB files of ANTs, displacement fields.

They are known by their content.  SimpleITK chooses its reader by the suffix, so that a file with another
suffix, in upper case, or with a mark of its encoding is read from a copy.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from ...errors import ReadError
from ..formats.gzipped import open_content
from ..formats.nifti_header import HEADER_BYTES, parse_header
from ..sitk_files import first_reason, to_read

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["ITK_TEXT", "is_displacement_field", "itk_suffix", "read_displacement_field", "read_itk"]

ITK_TEXT = "#Insight Transform File"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MARK = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_NIFTI_BYTES = 348
_FIVE_D, _INTENTS = 5, (1006, 1007)  # displacement vectors, vectors


def itk_suffix(path: Path, start: bytes) -> str:
    """``.tfm``, ``.h5`` or ``.mat`` for a file of these kinds by its first bytes; "" for any other."""
    if start.removeprefix(_MARK).lstrip().startswith(ITK_TEXT.encode()):
        return ".tfm"
    if start.startswith(_HDF5):
        return ".h5"
    matlab = path.suffix.lower() == ".mat" and b"\0" in start[:64] and not start.startswith(b"MATLAB 5.0")
    return ".mat" if matlab else ""  # MATLAB 4, as ANTs writes it


def read_itk(path: Path, suffix: str, start: bytes) -> SimpleITK.Transform:
    """Read a transform file that is what ``suffix`` says.

    Raises
    ------
    ReadError
        If it is damaged, or no 3-D transform.
    """
    import SimpleITK

    with _with_suffix(path, suffix, start) as file:
        try:
            transform = SimpleITK.ReadTransform(file)
        except RuntimeError as error:
            raise ReadError(f"{path}: cannot be read as a transform: {first_reason(error)}") from error
    if transform.GetDimension() != 3:
        raise ReadError(f"{path}: a {transform.GetDimension()}-D transform; expected one of 3-D space")
    return transform


@contextmanager
def _with_suffix(path: Path, suffix: str, start: bytes) -> Iterator[str]:
    """A name of the file with ``suffix``, by which SimpleITK tells the format."""
    if path.name.endswith(suffix) and not start.startswith(_MARK):
        with to_read(path) as name:
            yield name
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / f"transform{suffix}"
        copy.write_bytes(path.read_bytes().removeprefix(_MARK))
        yield str(copy)


def is_displacement_field(start: bytes) -> bool:
    """Whether a NIfTI file, compressed or not, holds one vector of three numbers for each voxel."""
    if start[:2] == _GZIP:
        try:
            start = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(start, _NIFTI_BYTES)
        except zlib.error:
            return False
    if len(start) < _NIFTI_BYTES or start[344:347] not in (b"n+1", b"ni1"):
        return False
    for order in "<>":
        shape = np.frombuffer(start, f"{order}i2", 8, 40)
        intent = int(np.frombuffer(start, f"{order}i2", 1, 68)[0])
        if shape[0] == _FIVE_D:
            return shape[4] == 1 and shape[5] == 3 and intent in _INTENTS
    return False


def read_displacement_field(path: Path, start: bytes) -> SimpleITK.DisplacementFieldTransform:
    """Read a field as ANTs writes it (``1Warp.nii.gz``): displacements of fixed points in LPS mm.

    Raises
    ------
    ReadError
        If it is damaged or cut off.
    """
    import SimpleITK

    with open_content(path) as content:  # ITK reads a file that is cut off without a word
        header = parse_header(path, content.start(HEADER_BYTES), pair=False)
        end = header.offset + header.data_bytes
        vectors = np.frombuffer(content.part(header.offset, header.data_bytes, end), header.dtype)
    if not np.isfinite(vectors).all():  # ITK takes them for 0
        raise ReadError(f"{path}: a displacement field with values that are not finite")
    try:
        suffix = ".nii.gz" if start[:2] == _GZIP else ".nii"
        with _with_suffix(path, suffix, start) as file:
            field = SimpleITK.ReadImage(file, SimpleITK.sitkVectorFloat64)
    except RuntimeError as error:
        raise ReadError(f"{path}: cannot be read as a displacement field: {first_reason(error)}") from error
    if field.GetDimension() != 3 or field.GetNumberOfComponentsPerPixel() != 3:
        raise ReadError(f"{path}: no displacement field of 3-D space")
    return SimpleITK.DisplacementFieldTransform(field)
