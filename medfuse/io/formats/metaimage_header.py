"""MetaImage headers, parsed as MetaIO, ITK's library, does (https://itk.org/Wiki/MetaIO/Documentation).

A line is ``Key = Value`` (or ``Key : Value``) up to ElementDataFile, behind which the voxels may begin.  Keys
are told apart by case, and MetaIO takes one that it does not know as a note of the user's: a misspelt
ElementSpacing is lost without a word.  Here a key that differs from a known one by its case alone is
refused, and so is one that is there twice (MetaIO keeps the last) or has another name twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ...errors import ReadError
from ..files import one_line
from .stored import check_no_sweep

__all__ = ["header_fields"]

_MAX_BYTES = 1 << 20  # a sweep of thousands of frames may exceed it; its first key is enough
_END = re.compile(rb"^[ \t]*ElementDataFile[ \t]*[=:][^\n]*(\n|\Z)", re.MULTILINE)
_ALIASES = {"Position": "Offset", "Origin": "Offset", "Rotation": "TransformMatrix"}
_ALIASES |= {"Orientation": "TransformMatrix", "ElementByteOrderMSB": "BinaryDataByteOrderMSB"}
_KNOWN = {
    *_ALIASES, *_ALIASES.values(), "ObjectType", "ObjectSubType", "NDims", "DimSize", "HeaderSize",
    "BinaryData",     "CompressedData", "CompressedDataSize", "ElementSpacing", "ElementSize", "ElementType",
    "ElementNumberOfChannels", "ElementDataFile", "DistanceUnits", "ElementToIntensityFunctionSlope",
    "ElementToIntensityFunctionOffset", "CenterOfRotation", "AnatomicalOrientation", "Modality",
}  # fmt: skip
"""Keys that say something of the voxels, or that ITK writes."""

_OF_LOWER_CASE = {key.lower(): key for key in _KNOWN}
_NEED_DIMENSION = (
    "DimSize",
    "ElementSpacing",
    "ElementSize",
    "Offset",
    "TransformMatrix",
    "CenterOfRotation",
)


def header_fields(path: Path) -> tuple[Mapping[str, str], int]:
    """The fields of a header by their keys, and its length in bytes.

    Raises
    ------
    ReadError
        Naming the line that is none, is doubled or stands too early.
    """
    with path.open("rb") as stream:
        content = stream.read(_MAX_BYTES)
    end = _END.search(content)
    length = end.end() if end else len(content)
    text = content[:length].decode("utf-8", "surrogateescape")  # as the names of files
    check_no_sweep(path, text)
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        if not line.strip():
            continue
        parts = re.fullmatch(r"\s*([^=:]*?)\s*[=:][=:\s]*(.*?)\s*", line)
        if parts is None:
            raise ReadError(
                f"{path}: {one_line(line, 60)!r} is no line of a MetaImage header; expected 'Key = Value': "
                "the file is damaged"
            )
        key = _known_key(path, parts[1])
        if not key:
            continue
        if key in fields:
            raise ReadError(
                f"{path}: the key {one_line(key, 60)!r} is there twice: which of them holds is unknown"
            )
        if key in _NEED_DIMENSION and "NDims" not in fields:
            raise ReadError(f"{path}: the key {key} stands before NDims, which must come first")
        fields[key] = parts[2]
    if end is None:
        raise ReadError(f"{path}: no ElementDataFile: its header is cut off or damaged; copy it again")
    return fields, length


def _known_key(path: Path, key: str) -> str:
    """The one name of a key that has several, "" for a note of the user's; refused if its case is wrong."""
    usual = _OF_LOWER_CASE.get(key.lower())
    if usual is None:
        return ""
    if key != usual:
        raise ReadError(f"{path}: the key {one_line(key, 60)!r} is not known (case matters); write {usual}")
    return _ALIASES.get(key, key)
