"""The text headers of NRRD and MetaImage (MHA), read only as far as the checks need.

Formats: https://teem.sourceforge.net/nrrd/format.html and https://itk.org/Wiki/MetaIO/Documentation.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from ...errors import ReadError
from ..files import DEFLATE_RATIO, check_voxels, one_line, regular_file_beside

__all__ = ["Header", "data_file", "read_header"]

_MAX_HEADER_BYTES = 1 << 20  # a sweep of thousands of frames may exceed it; its first key is enough
_CHUNK = 1 << 20
_METAIMAGE_BYTES = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4,
    "MET_LONG": 4, "MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8,
}  # fmt: skip
_NRRD_BYTES = {
    1: "signed char, int8, int8_t, uchar, unsigned char, uint8, uint8_t",
    2: "short, short int, signed short, signed short int, int16, int16_t, ushort, unsigned short, "
    "unsigned short int, uint16, uint16_t",
    4: "int, signed int, int32, int32_t, uint, unsigned int, uint32, uint32_t, float",
    8: "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t, "
    "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t, double",
}
_BYTES_OF_NRRD_TYPE = {name: size for size, names in _NRRD_BYTES.items() for name in names.split(", ")}
_NRRD_PATIENT_SPACE = re.compile(r"(right|left)-(anterior|posterior)-superior|RAS|LAS|LPS", re.IGNORECASE)
_NRRD_VALUE_KINDS = re.compile(r"\b(vector|list|RGB-color|3-color|4-color|RGBA-color|\S+-vector|complex)\b")


@dataclass(frozen=True)
class Header:
    """What a header declares, checked against the file."""

    size: tuple[int, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Declared:
    """The header's facts in one form for both formats."""

    size: tuple[int, ...]
    values_per_voxel: int
    bytes_per_value: int
    encoding: str  # raw, gz, bz2 or text
    compressed_bytes: int | None  # None: all that is there
    data_file: str | None  # None: behind the header
    spacing_line: str  # what to add where no spacing is said; empty where it is
    notes: tuple[str, ...]


def read_header(path: Path) -> Header:
    """Read and check the header of a ``.nrrd``, ``.nhdr``, ``.mha`` or ``.mhd`` file.

    Raises
    ------
    ReadError
        For a tracked sweep, a 2-D or 5-D image, a data file outside the folder, a size beyond the
        limit or beyond the file.
    """
    declared, header_bytes = _declared(path)
    _check_size(path, declared)
    data = _data_of(path, declared)
    _check_bytes(path, declared, data, header_bytes if data == path else 0)
    return Header(declared.size, declared.notes)


def data_file(path: Path) -> Path:
    """The file with the voxels: ``path`` itself, or the one beside it that its header names.

    Raises
    ------
    ReadError
        If the header is damaged, or names anything but a regular file in its own folder.
    """
    declared, _ = _declared(path)
    return _data_of(path, declared)


def _data_of(path: Path, declared: _Declared) -> Path:
    return path if declared.data_file is None else regular_file_beside(path, declared.data_file)


def _declared(path: Path) -> tuple[_Declared, int]:
    """What the header says, and its length in bytes."""
    with path.open("rb") as stream:
        content = stream.read(_MAX_HEADER_BYTES)
    nrrd = path.suffix.lower() in (".nrrd", ".nhdr")
    text, header_bytes = _text(path, content, nrrd)
    if ".igs." in path.name.lower() or "Seq_Frame0" in text:
        raise ReadError(
            f"{path}: a tracked sweep, not a volume: reconstruct it first (for instance with "
            "PLUS or 3D Slicer's Volume Reconstruction module) and read the result"
        )
    return (_nrrd if nrrd else _metaimage)(path, _fields(text)), header_bytes


def _text(path: Path, content: bytes, nrrd: bool) -> tuple[str, int]:
    """The header's text and its length in bytes."""
    if nrrd:
        if not content.startswith(b"NRRD"):
            raise ReadError(f"{path}: not an NRRD file (it does not begin with NRRD)")
        end = re.search(rb"\r?\n\r?\n", content)
    else:
        end = re.search(rb"^\s*ElementDataFile\s*=[^\n]*\n?", content, re.MULTILINE)
    length = end.end() if end else len(content)
    return content[:length].decode("latin-1"), length


def _fields(text: str) -> dict[str, str]:
    """``Key = value`` and ``key: value`` lines; a key is lower case, for NRRD ignores it and spaces."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = re.match(r"\s*([^#:=][^:=]*?)\s*(?::=|:|=)\s*(.*?)\s*$", line)
        if match:
            found.setdefault(match[1].lower(), match[2])
    return found


def _metaimage(path: Path, fields: Mapping[str, str]) -> _Declared:
    kind = fields.get("elementtype", "").upper()
    if kind not in _METAIMAGE_BYTES:
        raise ReadError(
            f"{path}: ElementType {one_line(kind)!r}; expected one such as MET_SHORT or MET_FLOAT"
        )
    oriented = {"transformmatrix", "rotation", "orientation"} & set(fields)
    zipped = fields.get("compresseddata", "").lower() == "true"
    text = fields.get("binarydata", "true").lower() == "false"
    data_file = fields.get("elementdatafile", "")
    local = data_file.upper() == "LOCAL"
    if zipped and local and "compresseddatasize" not in fields:
        # ITK would return what was in memory, without an error.
        raise ReadError(
            f"{path}: compressed, but without CompressedDataSize; save it again, e.g. with 3D Slicer"
        )
    compressed = fields.get("compresseddatasize")
    return _Declared(
        size=_whole_numbers(path, "DimSize", fields.get("dimsize", "")),
        values_per_voxel=_whole_numbers(path, "channels", fields.get("elementnumberofchannels", "1"))[0],
        bytes_per_value=_METAIMAGE_BYTES[kind],
        encoding="gz" if zipped else "text" if text else "raw",
        compressed_bytes=_whole_numbers(path, "CompressedDataSize", compressed)[0] if compressed else None,
        data_file=None if local else data_file,
        spacing_line="" if {"elementspacing", "elementsize"} & set(fields) else "ElementSpacing = x y z",
        notes=() if oriented else ("no orientation in the header: axes taken as left, back, head",),
    )


def _nrrd(path: Path, fields: Mapping[str, str]) -> _Declared:
    kind = fields.get("type", "").lower()
    if kind not in _BYTES_OF_NRRD_TYPE:
        raise ReadError(f"{path}: type {one_line(kind)!r}; expected one such as short or float")
    sizes = _whole_numbers(path, "sizes", fields.get("sizes", ""))
    value_axes = [_is_value_axis(word) for word in fields.get("kinds", "").split()] or [False] * len(sizes)
    if len(value_axes) != len(sizes):
        raise ReadError(f"{path}: {len(sizes)} sizes but {len(value_axes)} kinds; the header is damaged")
    encoding = fields.get("encoding", "raw").lower()
    if fields.get("line skip", fields.get("lineskip", "0")) != "0":
        raise ReadError(f"{path}: lines to skip before the voxels are not supported; save it again as .nrrd")
    space = fields.get("space", "")
    return _Declared(
        size=tuple(n for n, is_value in zip(sizes, value_axes, strict=True) if not is_value),
        values_per_voxel=prod(n for n, is_value in zip(sizes, value_axes, strict=True) if is_value),
        bytes_per_value=_BYTES_OF_NRRD_TYPE[kind],
        encoding={"gzip": "gz", "bzip2": "bz2", "raw": "raw", "gz": "gz", "bz2": "bz2"}.get(encoding, "text"),
        compressed_bytes=None,
        data_file=fields.get("data file", fields.get("datafile")),
        spacing_line="" if {"spacings", "space directions"} & set(fields) else "spacings: x y z",
        notes=() if _NRRD_PATIENT_SPACE.fullmatch(space) else (_no_space(space),),
    )


def _is_value_axis(kind: str) -> bool:
    return bool(_NRRD_VALUE_KINDS.fullmatch(kind))


def _no_space(space: str) -> str:
    said = f"space {one_line(space)!r} in the header" if space else "no space in the header"
    return f"{said}: axes taken as left, back, head"


def _whole_numbers(path: Path, name: str, text: str) -> tuple[int, ...]:
    words = text.split()
    if not words or not all(re.fullmatch(r"-?\d{1,18}", word) for word in words):
        raise ReadError(
            f"{path}: {name} is {one_line(text)!r}; expected whole numbers: the header is damaged"
        )
    return tuple(int(word) for word in words)


def _check_size(path: Path, declared: _Declared) -> None:
    text = "×".join(str(n) for n in declared.size)
    if len(declared.size) < 3:
        raise ReadError(f"{path}: a 2-D image of {text} pixels where a volume is asked for")
    if len(declared.size) > 4 or (len(declared.size) == 4 and declared.values_per_voxel != 1):
        raise ReadError(
            f"{path}: {len(declared.size)}-D ({text}) with {declared.values_per_voxel} values per voxel; "
            "save the volume you need as a file of its own, for instance with 3D Slicer"
        )
    check_voxels(path, (declared.values_per_voxel,))
    if declared.spacing_line:
        raise ReadError(f"{path}: says no voxel spacing; add a line '{declared.spacing_line}' in mm")
    several = (declared.values_per_voxel,) if declared.values_per_voxel > 3 else ()
    check_voxels(path, (*declared.size, *several))


def _check_bytes(path: Path, declared: _Declared, data: Path, offset: int) -> None:
    values = prod(declared.size) * declared.values_per_voxel
    needed = values * declared.bytes_per_value
    there = data.stat().st_size - offset
    compressed = min(there, there if declared.compressed_bytes is None else declared.compressed_bytes)
    least = {
        "raw": needed,
        "gz": needed // DEFLATE_RATIO,
        "bz2": 0,  # bzip2 knows no bound; ITK stops at the declared size
        "text": values,  # a digit each
    }[declared.encoding]
    if there < least or (declared.encoding == "gz" and not _inflates_to(data, offset, compressed, needed)):
        raise ReadError(
            f"{path}: the header declares {needed} bytes of voxels, the file holds fewer: "
            "it is cut off or damaged; copy or export it again"
        )


def _inflates_to(data: Path, offset: int, compressed: int, needed: int) -> bool:
    """Whether ``compressed`` bytes at ``offset`` are a whole zlib or gzip stream of ``needed`` bytes.

    ITK does not say when a compressed MetaImage ends early; it returns what was in memory.
    """
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: zlib or gzip, as the stream says
    total = 0
    with data.open("rb") as stream:
        stream.seek(offset)
        while not inflater.eof and total <= needed:
            chunk = inflater.unconsumed_tail
            if not chunk:
                chunk = stream.read(min(_CHUNK, compressed))
                compressed -= len(chunk)
            if not chunk:
                return False
            total += len(inflater.decompress(chunk, _CHUNK))
    return total >= needed
