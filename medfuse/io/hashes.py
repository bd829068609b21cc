"""Fingerprints of inputs, for the provenance."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..errors import ReadError
from .files import existing, files_below

__all__ = ["sha256_of"]

_CHUNK = 1 << 20


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file, or of all files of a folder, as 64 hexadecimal digits.

    For a folder it is the SHA-256 of the text that ``sha256sum`` prints for its files, named by
    their paths inside the folder and sorted by the bytes of these names, so that it can be checked
    without medfuse::

        cd FOLDER && find * -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

    Links that lead out of the folder do not count.

    Raises
    ------
    ReadError
        If the path does not exist or cannot be read.
    """
    path = existing(path)
    try:
        if path.is_file():
            return _sha256(path)
        named = {file.relative_to(path).as_posix(): file for file in files_below(path)}
        lines = (f"{_sha256(named[name])}  {name}\n" for name in sorted(named, key=str.encode))
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    except OSError as error:
        raise ReadError(f"{path}: cannot be read: {error.strerror}") from error


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
