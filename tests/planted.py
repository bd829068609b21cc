"""Names planted in inputs, and the search for them in every byte that was written."""

from __future__ import annotations

import base64
import gzip
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np

__all__ = ["IN_HEADERS", "IN_NAMES", "found_in", "plant"]

IN_NAMES, IN_HEADERS = "QUILLFEATHER", "ZEPHYRINE"
"""A surname in names of files and folders, and a first name in headers."""

_TEXTS = ("PN", "LO", "SH", "LT", "ST", "UT", "UC")


def plant(dataset, keep=()) -> None:
    """Write a name into every attribute of DICOM that holds free text, and into two private ones."""
    from pydicom.datadict import DicomDictionary

    for tag, (kind, many, _, retired, keyword) in DicomDictionary.items():
        if kind in _TEXTS and many[0] == "1" and not retired and keyword not in keep and tag >> 16 > 8:
            setattr(dataset, keyword, IN_HEADERS)
    for keyword in ("PatientName", "PatientID", "StudyDescription", "SeriesDescription", "InstitutionName"):
        setattr(dataset, keyword, IN_HEADERS)
    block = dataset.private_block(0x11, IN_HEADERS, create=True)
    block.add_new(1, "LO", IN_HEADERS)


def found_in(folder: Path, name: str) -> list[str]:
    """Where a name stands in a folder: in names of files, in contents, in what these hold compressed."""
    places = []
    for path in sorted(folder.rglob("*")):
        where = path.relative_to(folder).as_posix()
        if _holds(where.encode(), name):
            places.append(f"the name {where}")
        if path.is_file() and any(_holds(content, name) for content in _contents(path.read_bytes())):
            places.append(where)
    return places


def _holds(content: bytes, name: str) -> bool:
    folded = content.lower()
    codes = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le")
    return any(name.lower().encode(code) in folded for code in codes)


def _contents(content: bytes) -> Iterator[bytes]:
    """The bytes of a file, and all that is packed in them."""
    yield content
    if content[:2] == b"\x1f\x8b":
        yield from _contents(gzip.decompress(content))
    elif content[:4] == b"PK\3\4":
        with zipfile.ZipFile(BytesIO(content)) as archive:
            for member in archive.infolist():
                yield member.filename.encode()
                yield from _contents(archive.read(member))
    elif content[:8] == b"\x89PNG\r\n\x1a\n":
        yield from _texts_of_png(content)
    for data in re.findall(rb"base64,([A-Za-z0-9+/=]{8,})", content):
        yield from _contents(base64.b64decode(data))


def _texts_of_png(content: bytes) -> Iterator[bytes]:
    at = 8
    while at + 8 <= len(content):
        length, kind = struct.unpack(">L4s", content[at : at + 8])
        chunk = content[at + 8 : at + 8 + length]
        if kind in (b"zTXt", b"iTXt"):
            for start in range(len(chunk)):
                try:
                    yield zlib.decompress(chunk[start:])
                    break
                except zlib.error:
                    continue
        at += 12 + length


def head(value: float = 1.0) -> np.ndarray:
    """Whole numbers (6, 8, 7) with some shape, for small volumes."""
    rng = np.random.default_rng(5)
    return np.rint(1000 * value * rng.random((6, 8, 7))).astype(np.int16)
