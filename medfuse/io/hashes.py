"""Fingerprints of inputs, for the provenance and for what a batch keeps."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import ReadError
from .files import existing, files_below
from .formats import format_of_file, is_picture

__all__ = ["sha256_of", "sha256_of_input"]

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
        return _sha256(path) if path.is_file() else _listing(path, files_below(path))
    except OSError as error:
        raise ReadError(f"{path}: cannot be read: {error.strerror}") from error


def sha256_of_input(path: str | Path) -> str:
    """SHA-256 of all files that :func:`medfuse.read_volume` may take voxels from when it is given ``path``.

    Where ``path`` is a folder, or a file that holds all itself, it is that of :func:`sha256_of`.  A file
    that stands for others counts with them: the data file beside a ``.mhd`` or ``.nhdr``, the other half of
    a ``.hdr`` and ``.img``, the whole series of one DICOM file, the images that a DICOMDIR lists.  It is
    then the SHA-256 of the text that ``sha256sum`` prints for these files, named from the file's folder and
    sorted by the bytes of the names::

        cd FOLDER && printf '%s\\0' FILES | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

    Raises
    ------
    ReadError
        If the path does not exist or cannot be read.
    """
    path = existing(path)
    files = {path} if path.is_dir() else {path, *_others(path)}
    if len(files) == 1:
        return sha256_of(path)
    try:
        return _listing(path.parent, files)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read: {error.strerror}") from error


def _others(path: Path) -> Iterable[Path]:
    """The files that are read with a file."""
    known = format_of_file(path)
    if known is not None:
        return (known[1].function("other_half")(path),) if known[1].halves else ()
    from . import dicom

    if is_picture(path) or not dicom.looks_like_dicom(path):
        return ()
    return dicom.files_of(path)


def _listing(folder: Path, files: Iterable[Path]) -> str:
    """SHA-256 of what ``sha256sum`` prints for files below a folder."""
    named = {file.relative_to(folder).as_posix(): file for file in files}
    lines = (f"{_sha256(named[name])}  {name}\n" for name in sorted(named, key=os.fsencode))
    return hashlib.sha256(os.fsencode("".join(lines))).hexdigest()


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
