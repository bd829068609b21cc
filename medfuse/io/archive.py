"""DICOM files in a zip, unpacked for as long as they are read.

Only members that begin as DICOM does are unpacked, each under a number and what is harmless of its
name, and only as many bytes as the limits allow: a zip may claim any name, and swell a thousandfold.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..errors import MedfuseError, ReadError
from .files import max_voxels, reading

__all__ = ["is_zip", "unpacked"]

_MOST_MEMBERS = 100_000
_CHUNK = 1 << 20
_START = 132
_BYTES_PER_VOXEL = 4  # what the limit on voxels allows in memory is allowed on the disk


def is_zip(path: Path) -> bool:
    """Whether it is a zip file by name and content."""
    return path.is_file() and path.suffix.lower() == ".zip" and zipfile.is_zipfile(path)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A temporary folder with the DICOM files of a zip; errors name the zip instead of the folder.

    Raises
    ------
    ReadError
        If the zip is damaged or encrypted, has too many members, or swells beyond the limit.
    """
    with tempfile.TemporaryDirectory(prefix="medfuse-") as name:
        folder = Path(name)
        try:
            with reading(path), zipfile.ZipFile(path) as archive:
                _unpack(path, archive, folder)
            yield folder
        except MedfuseError as error:
            raise type(error)(str(error).replace(name, str(path))) from error


def _unpack(path: Path, archive: zipfile.ZipFile, folder: Path) -> None:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > _MOST_MEMBERS:
        raise ReadError(f"{path}: holds {len(members)} files; expected at most {_MOST_MEMBERS}")
    left = max_voxels() * _BYTES_PER_VOXEL
    for number, member in enumerate(members):
        with archive.open(member) as stream:
            start = stream.read(_START)
            if start[128:] != b"DICM" or Path(member.filename).name.upper() == "DICOMDIR":
                continue
            left = _copy(path, stream, start, folder / f"{number:06d}-{_safe(member.filename)}", left)


def _safe(name: str) -> str:
    """The member's own name, for messages, without what could lead elsewhere."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name.rpartition("/")[2])[-60:]


def _copy(path: Path, stream: IO[bytes], start: bytes, target: Path, left: int) -> int:
    """Write what is left of a member; returns how many bytes may still come."""
    with target.open("wb") as out:
        chunk = start
        while chunk:
            left -= len(chunk)
            if left < 0:
                raise ReadError(
                    f"{path}: unpacks to more than MEDFUSE_MAX_VOXELS allows ({max_voxels()} voxels of "
                    f"{_BYTES_PER_VOXEL} bytes); unpack it yourself and give the folder"
                )
            out.write(chunk)
            chunk = stream.read(_CHUNK)
    return left
