"""NRRD: header and numbers in one file, or a ``.nhdr`` with its numbers beside it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path

import numpy as np

from ...errors import ReadError
from ...volume import Volume
from ..files import one_line, reading, regular_file_beside, replacing
from .nrrd_axes import axes_of, words_of
from .nrrd_header import header_fields
from .raster import Encoding, Raster, deflated
from .stored import Stored, check_sizes, stored_array, volume_of, whole_numbers

__all__ = ["other_half", "read", "write"]

_TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
_DTYPES = {name: dtype for dtype, names in _TYPES.items() for name in names.split(", ")}
_ENCODINGS: dict[str, Encoding] = {
    "raw": "raw", "gz": "gz", "gzip": "gz", "bz2": "bz2", "bzip2": "bz2", "txt": "text", "text": "text",
    "ascii": "text", "hex": "hex",
}  # fmt: skip
_WRITTEN_TYPES = {"u1": "uchar", "i4": "int", "f4": "float"}
_COLOURS = ("rgb-color", "rgbcolor", "3-color", "3color")
_VECTORS = ("none", "???", "", "vector", "3-vector", "3vector", "covariant-vector", "normal", "point")
"""Kinds of which three numbers of 8 bits are colour, as ITK and others write it."""


def read(path: Path, volume: int | None = None) -> Volume:
    """Read a ``.nrrd`` or ``.nhdr``, grey or colour; of several volumes the one ``volume``, from 1."""
    with reading(path):
        fields, length = header_fields(path)
        return volume_of(path, _stored(path, fields, length), volume)


def other_half(path: Path) -> Path:
    """The file with the numbers of a ``.nhdr``.

    Raises
    ------
    ReadError
        If the header is damaged, or names anything but a regular file in its own folder.
    """
    with reading(path):
        return _data_file(path, header_fields(path)[0])


def _stored(path: Path, fields: Mapping[str, str], header_bytes: int) -> Stored:
    sizes = whole_numbers(path, "sizes", fields.get("sizes", ""))
    check_sizes(path, sizes, min(3, len(sizes)))
    dimension = whole_numbers(path, "dimension", fields.get("dimension", ""))
    if dimension != (len(sizes),):
        raise ReadError(f"{path}: {len(sizes)} sizes of dimension {dimension[0]}; the header is damaged")
    kinds = words_of(path, fields, "kinds", len(sizes))
    axes = axes_of(path, fields, kinds)
    check_sizes(path, sizes, len(axes.spatial))
    if len(axes.spatial) > 3:
        raise ReadError(
            f"{path}: {len(axes.spatial)} axes in space ({'×'.join(map(str, sizes))}); expected three: save "
            "the volume you need as a file of its own, for instance with 3D Slicer"
        )
    raster = _raster(path, fields, prod(sizes), header_bytes)
    spatial = (axes.spatial[0], axes.spatial[1], axes.spatial[2])
    colour = _colour(path, sizes, kinds, spatial, raster.dtype)
    return Stored(sizes, spatial, colour, axes.affine, raster, axes.notes)


def _colour(
    path: Path, sizes: tuple[int, ...], kinds: list[str], spatial: tuple[int, ...], dtype: np.dtype
) -> int | None:
    """The axis of red, green and blue: by its kind, or three numbers of 8 bits that are no list."""
    for i, (size, kind) in enumerate(zip(sizes, kinds, strict=True)):
        if i in spatial:
            continue
        if kind == "complex":
            raise ReadError(f"{path}: complex voxels; save the magnitude and read that")
        if size == 3 and (kind in _COLOURS or (kind in _VECTORS and dtype == np.uint8 and i == 0)):
            return i
    return None


def _raster(path: Path, fields: Mapping[str, str], count: int, header_bytes: int) -> Raster:
    kind = fields.get("type", "").lower()
    if kind not in _DTYPES:
        raise ReadError(f"{path}: type {one_line(kind)!r}; expected one such as short or float")
    encoding = _ENCODINGS.get(fields.get("encoding", "").lower())
    if encoding is None:
        raise ReadError(f"{path}: encoding {one_line(fields.get('encoding', ''))!r}; expected raw or gzip")
    order = {"little": "<", "big": ">"}.get(fields.get("endian", "").lower())
    if order is None and encoding != "text" and not _DTYPES[kind].endswith("1"):
        raise ReadError(f"{path}: endian {one_line(fields.get('endian', ''))!r}; expected little or big")
    dtype = np.dtype((order or "") + _DTYPES[kind])
    if fields.get("line skip", "0") != "0":
        raise ReadError(f"{path}: lines to skip before the voxels are not supported; save it again as .nrrd")
    (skipped,) = whole_numbers(path, "byte skip", fields.get("byte skip", "0"))
    if skipped < -1 or (skipped and encoding != "raw"):
        raise ReadError(f"{path}: byte skip {skipped} of {encoding} voxels; save it again as .nrrd")
    data = _data_file(path, fields)
    offset = -1 if skipped == -1 else skipped + (header_bytes if data == path else 0)
    return Raster(path, data, offset, encoding, dtype, count)


def _data_file(path: Path, fields: Mapping[str, str]) -> Path:
    name = fields.get("data file")
    return path if name is None else regular_file_beside(path, name)


def write(volume: Volume, path: Path, overwrite: bool, integers: bool = False) -> None:
    """Write float32 (int32 with ``integers``; whole colours of 8 bits as such), compressed."""
    array = stored_array(volume, integers)
    colour = ["3"] if volume.is_colour else []
    steps = volume.geometry.affine[:3, :3].T
    lines = [
        "NRRD0004",
        f"type: {_WRITTEN_TYPES[array.dtype.str[1:]]}",
        f"dimension: {3 + len(colour)}",
        "space: left-posterior-superior",
        f"sizes: {' '.join([*colour, *map(str, volume.geometry.size)])}",
        f"space directions: {' '.join(['none'] * len(colour) + [_bracketed(step) for step in steps])}",
        f"kinds: {' '.join(['RGB-color'] * len(colour) + ['domain'] * 3)}",
        "endian: little",
        "encoding: gzip",
        f"space origin: {_bracketed(volume.geometry.origin)}",
    ]
    with replacing(path, overwrite) as temporary, temporary.open("wb") as stream:
        stream.write(("\n".join(lines) + "\n\n").encode("ascii"))
        stream.writelines(deflated(array, zlib.MAX_WBITS | 16))


def _bracketed(vector: Iterable[float]) -> str:
    return "(" + ",".join(repr(float(value)) for value in vector) + ")"
