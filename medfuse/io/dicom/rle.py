"""DICOM's run-length encoding of grey pixels (PS3.5 annex G).

An RLE frame states no size of its own.  pydicom decodes one that does not fit Rows and Columns, cuts it
off and says so by a Python warning, which cannot be caught without touching the filters of the whole
process; here it is refused.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

__all__ = ["decode_rle"]

_HEADER_BYTES = 64
_MOST_SEGMENTS = 15
_NO_OPERATION = 128


def decode_rle(frame: bytes, shape: tuple[int, int], allocated_bytes: int) -> npt.NDArray[np.unsignedinteger]:
    """The cells (y, x) of one frame, unsigned.

    Parameters
    ----------
    frame:
        Header and segments, one for each byte of a cell, the most significant first.
    shape:
        Rows and columns.
    allocated_bytes:
        Bytes of a cell: 1, 2 or 4.

    Raises
    ------
    ValueError
        If the number or the length of the segments is not what ``shape`` and ``allocated_bytes`` need.
    """
    if len(frame) < _HEADER_BYTES:
        raise ValueError(f"an RLE header of {len(frame)} bytes; expected {_HEADER_BYTES}")
    count, *offsets = struct.unpack(f"<{_MOST_SEGMENTS + 1}L", frame[:_HEADER_BYTES])
    if count != allocated_bytes:
        raise ValueError(f"{count} RLE segments; expected {allocated_bytes}")
    needed = shape[0] * shape[1]
    ends = [*offsets[1:count], len(frame)]
    cells = np.empty((needed, allocated_bytes), np.uint8)
    for byte, (start, end) in enumerate(zip(offsets[:count], ends, strict=True)):
        segment = _unpacked(frame[start:end], needed)
        if len(segment) != needed:
            there = f"{len(segment)} bytes" if len(segment) < needed else "more bytes"
            raise ValueError(f"an RLE segment of {there}; expected {needed}")
        cells[:, byte] = np.frombuffer(segment, np.uint8)
    return cells.view(f">u{allocated_bytes}").reshape(shape)


def _unpacked(segment: bytes, needed: int) -> bytearray:
    """The bytes of one segment, up to the first run that leads beyond those needed."""
    result, at = bytearray(), 0
    while at < len(segment) and len(result) <= needed:
        head = segment[at]
        if head < _NO_OPERATION:
            result += segment[at + 1 : at + 2 + head]
            at += 2 + head
        else:
            # 257 - head repeats; 128 says nothing
            result += segment[at + 1 : at + 2] * (257 - head) if head > _NO_OPERATION else b""
            at += 2 if head > _NO_OPERATION else 1
    return result
