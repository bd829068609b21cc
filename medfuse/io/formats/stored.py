"""What a NRRD or MetaImage header declares, in one form for both, and the volume that it describes.

The one parser of each format is ours, and what it understood is what is read: a second parser, such
as that of ITK, could take another line of the same header for the size or the data file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...errors import ReadError
from ...volume import Volume
from ..files import check_voxels, one_line
from .four_d import choice
from .placing import place
from .raster import Raster

__all__ = [
    "Stored",
    "check_no_sweep",
    "check_sizes",
    "numbers",
    "stored_array",
    "volume_of",
    "whole_numbers",
]


@dataclass(frozen=True, eq=False)
class Stored:
    """Axes in the order of the file, the fastest first.

    Parameters
    ----------
    sizes:
        Of all axes.
    spatial:
        Which three of them run through space.
    colour:
        Which of them holds red, green and blue; None: none does.
    affine:
        4×4 from index along ``spatial`` to LPS mm.
    raster:
        The numbers.
    notes:
        What had to be assumed or converted.
    """

    sizes: tuple[int, ...]
    spatial: tuple[int, int, int]
    colour: int | None
    affine: npt.NDArray[np.float64]
    raster: Raster
    notes: tuple[str, ...]


def volume_of(path: Path, stored: Stored, wanted: int | None) -> Volume:
    """The volume ``wanted``, from 1, of those along the axis that is neither in space nor colour."""
    lists = [i for i in range(len(stored.sizes)) if i not in stored.spatial and i != stored.colour]
    if sum(stored.sizes[i] > 1 for i in lists) > 1:
        text = "×".join(map(str, stored.sizes))
        raise ReadError(
            f"{path}: several axes of {text} are not in space; save the volume you need as a file of its "
            "own, for instance with 3D Slicer"
        )
    index, notes = choice(path, prod(stored.sizes[i] for i in lists), wanted)
    colours = [] if stored.colour is None else [stored.colour]
    values = stored.raster.read().reshape(stored.sizes[::-1])
    last = len(stored.sizes) - 1  # numpy counts the axes from the slowest
    order = [last - i for i in (*lists, *reversed(stored.spatial), *colours)]
    x, y, z = (stored.sizes[i] for i in stored.spatial)
    array = values.transpose(order).reshape(-1, z, y, x, *((3,) if colours else ()))[index]
    return place(path, array.astype(np.float32), stored.affine, (*stored.notes, *notes))


def check_no_sweep(path: Path, text: str) -> None:
    """Refuse a tracked ultrasound sweep, whose frames lie nowhere near a grid."""
    if ".igs." in path.name.lower() or "Seq_Frame0" in text:
        raise ReadError(
            f"{path}: a tracked sweep, not a volume: reconstruct it first (for instance with "
            "PLUS or 3D Slicer's Volume Reconstruction module) and read the result"
        )


def check_sizes(path: Path, sizes: tuple[int, ...], spatial: int) -> None:
    """Refuse a size beyond the limit, and what has fewer than three axes in space."""
    check_voxels(path, sizes)
    if spatial < 3:
        text = "×".join(map(str, sizes))
        raise ReadError(f"{path}: a 2-D image of {text} pixels where a volume is asked for")


def whole_numbers(path: Path, name: str, text: str) -> tuple[int, ...]:
    """The whole numbers of a field."""
    words = text.split()
    if not words or not all(re.fullmatch(r"-?\d{1,18}", word) for word in words):
        raise ReadError(
            f"{path}: {name} is {one_line(text)!r}; expected whole numbers: the header is damaged"
        )
    return tuple(int(word) for word in words)


def numbers(path: Path, name: str, words: list[str], count: int) -> list[float]:
    """``count`` finite numbers of a field."""
    try:
        found = [float(word) for word in words]
    except ValueError:
        found = []
    if len(found) != count or not np.all(np.isfinite(found)):
        raise ReadError(
            f"{path}: {name} is {one_line(' '.join(words))!r}; expected {count} numbers: the header is "
            "damaged"
        )
    return found


def stored_array(volume: Volume, integers: bool) -> np.ndarray:
    """What is written of a volume: float32; int32 if asked for; whole colours from 0 to 255 in 8 bits."""
    array = volume.array
    if volume.is_colour and np.array_equal(array, np.rint(array)) and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8)
    return array.astype("<i4" if integers else "<f4", copy=False)
