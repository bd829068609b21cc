"""Transform files, as ITK and 3D Slicer read and write them.

A transform maps points of the fixed volume to points of the moving one, in LPS millimetres.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ReadError, WriteError
from .files import existing, reading, replacing
from .itk import first_reason

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["read_transform", "write_transform"]

_SUFFIXES = (".tfm", ".txt", ".h5")
_TEXT_START = b"#Insight Transform File"
_HDF5_START = b"\x89HDF"


def read_transform(path: str | Path) -> SimpleITK.Transform:
    """Read a 3-D transform from an ITK transform file: ``.tfm`` or ``.txt`` (text), ``.h5``.

    Raises
    ------
    ReadError
        If the file does not exist, is no ITK transform file, is damaged or holds a 2-D transform.
    """
    import SimpleITK

    path = existing(path)
    with reading(path):
        with path.open("rb") as stream:
            start = stream.read(len(_TEXT_START))
        if path.suffix.lower() not in _SUFFIXES or not start.startswith((_TEXT_START, _HDF5_START)):
            raise ReadError(
                f"{path}: not an ITK transform file; expected {', '.join(_SUFFIXES)} as SimpleITK "
                "and 3D Slicer write them (in Slicer: save the transform node as .tfm)"
            )
        try:
            transform = SimpleITK.ReadTransform(str(path))
        except RuntimeError as error:
            raise ReadError(f"{path}: cannot be read as a transform: {first_reason(error)}") from error
        if transform.GetDimension() != 3:
            raise ReadError(f"{path}: a {transform.GetDimension()}-D transform; expected one of 3-D space")
        return transform


def write_transform(transform: SimpleITK.Transform, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a transform, whole or not at all, as ``.tfm``, ``.txt`` or ``.h5``.

    Raises
    ------
    WriteError
        If the suffix is another, the file exists, or its place cannot be written.
    """
    import SimpleITK

    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise WriteError(
            f"{path}: transforms are written as {', '.join(_SUFFIXES)}; choose one of these suffixes"
        )
    with replacing(path, overwrite) as temporary:
        SimpleITK.WriteTransform(transform, str(temporary))
