"""MetaImage: header and numbers in one ``.mha``, or a ``.mhd`` with its numbers beside it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path

import numpy as np

from ...errors import ReadError, WriteError
from ...volume import Volume
from ..files import one_line, reading, regular_file_beside, replacing
from .metaimage_header import header_fields
from .raster import Encoding, Raster, deflated
from .stored import Stored, check_sizes, numbers, stored_array, volume_of, whole_numbers

__all__ = ["other_half", "read", "write"]

_DTYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
_WRITTEN_TYPES = {"u1": "MET_UCHAR", "i4": "MET_INT", "f4": "MET_FLOAT"}
_MM_PER_UNIT = {"mm": 1.0, "?": 1.0, "um": 1e-3, "cm": 10.0}
_COLOURS = 3


def read(path: Path, volume: int | None = None) -> Volume:
    """Read a ``.mha`` or ``.mhd``, grey or RGB of 8 bits; of several volumes the one ``volume``, from 1."""
    with reading(path):
        fields, length = header_fields(path)
        return volume_of(path, _stored(path, fields, length), volume)


def other_half(path: Path) -> Path:
    """The file with the numbers of a ``.mhd``.

    Raises
    ------
    ReadError
        If the header is damaged, or names anything but a regular file in its own folder.
    """
    with reading(path):
        return _data_file(path, header_fields(path)[0])


def _stored(path: Path, fields: Mapping[str, str], header_bytes: int) -> Stored:
    sizes = whole_numbers(path, "DimSize", fields.get("DimSize", ""))
    dimension = whole_numbers(path, "NDims", fields.get("NDims", ""))
    if dimension != (len(sizes),):
        raise ReadError(f"{path}: {len(sizes)} sizes of NDims {dimension[0]}; the header is damaged")
    kind = fields.get("ElementType", "")
    if kind not in _DTYPES:
        raise ReadError(
            f"{path}: ElementType {one_line(kind)!r}; expected one such as MET_SHORT or MET_FLOAT"
        )
    (channels,) = whole_numbers(path, "channels", fields.get("ElementNumberOfChannels", "1"))[:1]
    all_sizes = (channels, *sizes) if channels != 1 else sizes
    check_sizes(path, sizes, min(3, len(sizes)))
    check_sizes(path, all_sizes, 3)
    affine, notes = _affine(path, fields, len(sizes))
    _check_values(path, fields)
    shift = len(all_sizes) - len(sizes)
    colour = 0 if channels == _COLOURS and kind == "MET_UCHAR" else None
    raster = _raster(path, fields, _DTYPES[kind], prod(all_sizes), header_bytes)
    return Stored(all_sizes, (shift, shift + 1, shift + 2), colour, affine, raster, notes)


def _affine(path: Path, fields: Mapping[str, str], dimension: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Index to LPS mm of the first three axes; each row of TransformMatrix is the direction of one."""
    spacing = fields.get("ElementSpacing", fields.get("ElementSize"))
    if spacing is None:
        raise ReadError(f"{path}: says no voxel spacing; add a line 'ElementSpacing = x y z' in mm")
    steps = numbers(path, "ElementSpacing", spacing.split(), dimension)[:3]
    affine, notes = np.eye(4), []
    if "TransformMatrix" in fields:
        words = fields["TransformMatrix"].split()
        matrix = np.reshape(numbers(path, "TransformMatrix", words, dimension**2), (dimension, dimension))
        if matrix[:3, 3:].any() or matrix[3:, :3].any():
            raise ReadError(f"{path}: an axis in space and time at once: the header is damaged")
        affine[:3, :3] = matrix[:3, :3].T
    else:
        notes.append("no orientation in the header: axes taken as left, back, head")
    affine[:3, :3] *= steps
    if "Offset" in fields:
        affine[:3, 3] = numbers(path, "Offset", fields["Offset"].split(), dimension)[:3]
    unit = fields.get("DistanceUnits", "?") or "?"
    if unit not in _MM_PER_UNIT:
        raise ReadError(f"{path}: DistanceUnits {one_line(unit)!r}; expected mm, um or cm")
    scale = _MM_PER_UNIT[unit]
    if scale != 1:
        notes.append(f"lengths converted from {unit} to millimetres")
    return np.diag([scale, scale, scale, 1.0]) @ affine, tuple(notes)


def _check_values(path: Path, fields: Mapping[str, str]) -> None:
    """ITK passes over this function from stored numbers to intensities; so it must be that of no change."""
    slope, shift = (fields.get(f"ElementToIntensityFunction{name}") for name in ("Slope", "Offset"))
    if (slope is not None and numbers(path, "slope", [slope], 1) != [1.0]) or (
        shift is not None and numbers(path, "offset", [shift], 1) != [0.0]
    ):
        raise ReadError(
            f"{path}: ElementToIntensityFunctionSlope {slope}, …Offset {shift}: often passed over; "
            "save the values themselves"
        )


def _raster(path: Path, fields: Mapping[str, str], dtype: str, count: int, header_bytes: int) -> Raster:
    zipped = _flag(path, fields, "CompressedData", False)
    encoding: Encoding = "gz" if zipped else "raw" if _flag(path, fields, "BinaryData", True) else "text"
    data = _data_file(path, fields)
    local = data == path
    stored = fields.get("CompressedDataSize") if zipped else None
    if zipped and local and stored is None:
        # ITK would return what was in memory, without an error.
        raise ReadError(
            f"{path}: compressed, but without CompressedDataSize; save it again, e.g. with 3D Slicer"
        )
    (skipped,) = whole_numbers(path, "HeaderSize", fields.get("HeaderSize", "0"))
    if skipped < -1 or (skipped and (local or encoding != "raw")):
        raise ReadError(f"{path}: HeaderSize {skipped} of {encoding} voxels; save it again as .mha")
    order = ">" if _flag(path, fields, "BinaryDataByteOrderMSB", False) else "<"
    return Raster(
        path,
        data,
        header_bytes if local else skipped,
        encoding,
        np.dtype(order + dtype),
        count,
        None if stored is None else whole_numbers(path, "CompressedDataSize", stored)[0],
    )


def _data_file(path: Path, fields: Mapping[str, str]) -> Path:
    name = fields["ElementDataFile"]
    return path if name in ("LOCAL", "Local", "local") else regular_file_beside(path, name)


def _flag(path: Path, fields: Mapping[str, str], key: str, default: bool) -> bool:
    """True or False, by its first letter as MetaIO takes it."""
    text = fields.get(key)
    if text is None:
        return default
    if text.lower() not in ("true", "false", "1", "0"):
        raise ReadError(f"{path}: {key} is {one_line(text)!r}; expected True or False: the header is damaged")
    return text.lower() in ("true", "1")


def write(volume: Volume, path: Path, overwrite: bool, integers: bool = False) -> None:
    """Write float32 (int32 with ``integers``; whole colours of 8 bits as such), compressed."""
    array = stored_array(volume, integers)
    if volume.is_colour and array.dtype != np.uint8:
        raise WriteError(
            f"{path}: colours that are no whole numbers from 0 to 255; three numbers would be read as three "
            "volumes: write .nrrd instead"
        )
    packed = b"".join(deflated(array, zlib.MAX_WBITS))
    grid = volume.geometry
    lines = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = True",
        f"CompressedDataSize = {len(packed)}",
        f"TransformMatrix = {_row(np.asarray(grid.direction).T.ravel())}",
        f"Offset = {_row(grid.origin)}",
        "CenterOfRotation = 0 0 0",
        f"ElementSpacing = {_row(grid.spacing)}",
        f"DimSize = {' '.join(map(str, grid.size))}",
        *(["ElementNumberOfChannels = 3"] if volume.is_colour else []),
        f"ElementType = {_WRITTEN_TYPES[array.dtype.str[1:]]}",
        "ElementDataFile = LOCAL",
    ]
    with replacing(path, overwrite) as temporary:
        temporary.write_bytes(("\n".join(lines) + "\n").encode("ascii") + packed)


def _row(values: Iterable[float]) -> str:
    return " ".join(repr(float(value)) for value in values)
