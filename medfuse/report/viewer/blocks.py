"""Volumes as compressed blocks of whole numbers inside a page.

Code 0 stands for a voxel that was not measured, code c for the value ``lower + (c - 1) · step``.  Codes of
two bytes are stored as all low bytes, then all high bytes, which packs better.
"""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass
from math import prod

import numpy as np

__all__ = ["BUDGET", "Block", "Codes", "encoded", "packed", "packed_size", "shrunk"]

BUDGET = 19_000_000
"""Bytes of all blocks of a page, as text; a page stays below 20 MB with it."""

_LEVEL = 5  # of gzip: 9 gains 2 % and takes four times as long
_SAMPLE = 6  # every how many slices are packed to know about how large a volume will be


@dataclass(frozen=True, eq=False)
class Codes:
    """A volume as whole numbers: uint8 or uint16 (z, y, x), or uint8 (z, y, x, 3) of colour."""

    array: np.ndarray
    lower: float
    step: float


@dataclass(frozen=True)
class Block:
    """A packed volume: text of base64, and what its codes mean."""

    text: str
    lower: float
    step: float
    wide: bool
    colour: bool


def encoded(array: np.ndarray, valid: np.ndarray | None, levels: int, whole: bool = False) -> Codes:
    """``array`` (z, y, x) as codes.

    Parameters
    ----------
    array:
        Values.
    valid:
        bool (z, y, x): what was measured; None: all was.
    levels:
        How many values are told apart between the lowest and the highest that was measured; 255 or fewer
        take one byte.
    whole:
        The values are whole numbers, kept exactly if there are few enough.
    """
    measured = array if valid is None else array[valid]
    lower, upper = (float(measured.min()), float(measured.max())) if measured.size else (0.0, 0.0)
    if whole and 1 <= upper - lower <= 65_000:
        lower, upper = float(np.floor(lower)), float(np.ceil(upper))
        levels = round(upper - lower) + 1
    step = (upper - lower) / (levels - 1) or 1.0
    codes = np.rint((array - np.float32(lower)) / np.float32(step)).clip(0, levels - 1) + 1
    if valid is not None:
        codes[~valid] = 0
    return Codes(codes.astype(np.uint8 if levels <= 255 else np.uint16), lower, step)


def shrunk(array: np.ndarray, factor: int) -> np.ndarray:
    """Means of blocks of ``factor``³ voxels, fewer along axes that are shorter; ``array`` for factor 1."""
    if factor == 1:
        return array
    for axis in range(3):
        length = array.shape[axis]
        starts = np.arange(0, length, factor)
        counts = np.diff([*starts, length]).reshape([-1 if i == axis else 1 for i in range(array.ndim)])
        array = np.add.reduceat(array.astype(np.float32), starts, axis=axis) / counts
    return array


def packed(codes: Codes) -> Block:
    """``codes`` as the text that stands in the page."""
    held = gzip.compress(_bytes(codes.array), _LEVEL, mtime=0)
    text = base64.b64encode(held).decode("ascii")
    return Block(text, codes.lower, codes.step, codes.array.dtype == np.uint16, codes.array.ndim == 4)


def packed_size(codes: Codes) -> float:
    """About how many bytes of text ``codes`` will take, from every sixth slice."""
    sample = codes.array[::_SAMPLE]
    held = len(gzip.compress(_bytes(sample), _LEVEL))
    return held * 4 / 3 * prod(codes.array.shape) / max(prod(sample.shape), 1)


def _bytes(array: np.ndarray) -> bytes:
    if array.dtype == np.uint8:
        return array.tobytes()
    return (array & 255).astype(np.uint8).tobytes() + (array >> 8).astype(np.uint8).tobytes()
