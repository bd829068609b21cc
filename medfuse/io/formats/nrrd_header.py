"""NRRD headers, parsed as strictly as their definition (https://teem.sourceforge.net/nrrd/format.html) does.

A line is a comment (#), a field (``identifier: value``, a colon and a space, of the identifiers below) or
else a pair ``key:=value`` of free text, which says nothing of the volume whatever its key is.  A field
that is there twice, an unknown one, or one before what it rests on is refused, as by teem and ITK.
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
_START = re.compile(rb"NRRD000[1-5]\r?\n")
_END = re.compile(rb"\r?\n\r?\n")
_FIELDS = (
    "content", "number", "type", "block size", "dimension", "space", "space dimension", "sizes", "spacings",
    "thicknesses", "axis mins", "axis maxs", "space directions", "centers", "kinds", "labels", "units",
    "min", "max", "old min", "old max", "endian", "encoding", "line skip", "byte skip", "sample units",
    "space units", "space origin", "measurement frame", "data file",
)  # fmt: skip
_IDENTIFIERS = {
    "centerings": "centers",
    **{field: field for field in _FIELDS},
    **{field.replace(" ", ""): field for field in _FIELDS},
}
"""What may stand before the colon, in any case -> the field."""

_NEEDS_DIMENSION = (
    "sizes", "spacings", "thicknesses", "axis mins", "axis maxs", "space directions", "centers", "kinds",
    "labels", "units",
)  # fmt: skip
_NEEDS_SPACE = ("space directions", "space units", "space origin", "measurement frame")


def header_fields(path: Path) -> tuple[Mapping[str, str], int]:
    """The fields of a header by their names, and its length in bytes.

    Raises
    ------
    ReadError
        Naming the line that is none, is doubled or stands too early.
    """
    with path.open("rb") as stream:
        content = stream.read(_MAX_BYTES)
    start = _START.match(content)
    if start is None:
        raise ReadError(f"{path}: not an NRRD file (it does not begin with NRRD0001 to NRRD0005)")
    end = _END.search(content, start.end() - 2)
    length = end.end() if end else len(content)
    text = content[start.end() : length].decode("utf-8", "surrogateescape")  # as the names of files
    check_no_sweep(path, text)
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        name, value = _field(path, line.rstrip("\r"))
        if not name:
            continue
        if name in fields:
            raise ReadError(f"{path}: the field {name!r} is there twice: which of them holds is unknown")
        _check_order(path, name, fields)
        fields[name] = value
    if end is None and "data file" not in fields:
        raise ReadError(f"{path}: its header does not end with an empty line: it is cut off or damaged")
    return fields, length


def _field(path: Path, line: str) -> tuple[str, str]:
    """Name and value of a line; ("", "") for a comment, a pair of free text, or nothing."""
    identifier, separator, value = line.partition(": ")
    name = _IDENTIFIERS.get(identifier.lower()) if separator else None
    if name is not None:
        return name, value.strip(" \t")
    if not line or line.startswith("#") or ":=" in line:
        return "", ""
    raise ReadError(
        f"{path}: {one_line(line, 60)!r} is no line of an NRRD header; expected 'field: value' "
        "of the format, or 'key:=value'"
    )


def _check_order(path: Path, name: str, before: Mapping[str, str]) -> None:
    missing = "dimension" if name in _NEEDS_DIMENSION and "dimension" not in before else ""
    if name in _NEEDS_SPACE and not {"space", "space dimension"} & set(before):
        missing = missing or "space"
    if missing:
        raise ReadError(f"{path}: the field {name!r} stands before {missing!r}, which must come first")
    if name in ("space", "space dimension") and {"space", "space dimension"} & set(before):
        raise ReadError(f"{path}: both 'space' and 'space dimension'; expected one of them")
