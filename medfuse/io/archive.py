"""DICOM files in a zip, unpacked for as long as they are read.

Each member gets a folder of its own, under a number, and what is harmless of its name; only those that
begin as DICOM does are unpacked whole, and only as many bytes as the limits allow: a zip may claim any
name, and swell a thousandfold.
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
from .dicom.folder import START_BYTES
from .dicom.parse import is_dicom_start
from .files import max_voxels, reading

__all__ = ["is_zip", "unpacked"]

_MOST_MEMBERS = 100_000
_CHUNK = 1 << 20
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
        place = folder / f"{number:06d}"  # a folder each: names may be there twice
        place.mkdir()
        with archive.open(member) as stream:
            start = stream.read(START_BYTES)
            # Of what is no DICOM its beginning is enough for the reader to say what was passed over.
            rest = stream if is_dicom_start(start) else None
            left = _copy(path, rest, start, place / _safe(member.filename), left)


def _safe(name: str) -> str:
    """The member's own name, for messages, without what could lead elsewhere."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name.rpartition("/")[2])[-60:]


def _copy(path: Path, stream: IO[bytes] | None, start: bytes, target: Path, left: int) -> int:
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
            chunk = stream.read(_CHUNK) if stream is not None else b""
    return left
