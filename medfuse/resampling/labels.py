"""Label maps: the label with the largest share of a voxel wins; no label comes out that did not go in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..volume import Volume

__all__ = ["box_around", "check_labels", "majority"]

_LARGEST = 1 << 24  # float32 holds whole numbers up to here


def check_labels(volume: Volume) -> None:
    """Refuse what is no label map.

    Raises
    ------
    ParameterError
        For colour, values that are not whole, or beyond what float32 tells apart.
    """
    values = volume.measured()
    if volume.is_colour:
        raise ParameterError("interpolation 'label': a colour volume holds no labels; take linear or nearest")
    if not np.array_equal(values, np.rint(values)) or (values.size and np.abs(values).max() > _LARGEST):
        raise ParameterError(
            "interpolation 'label': the volume holds values that are no whole numbers up to 16777216; "
            "take linear or bspline for pictures"
        )


def majority(
    labels: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_] | None,
    share_of: Callable[[npt.NDArray[np.bool_]], npt.NDArray[np.float32]],
) -> npt.NDArray[np.float32]:
    """The winning label of each new voxel; of equal shares the smaller label's.

    Parameters
    ----------
    labels:
        Whole numbers (z, y, x).
    valid:
        Voxels that were measured; None for all.
    share_of:
        From a label's mask (z, y, x) to its share of each voxel of the new grid.
    """
    there = np.unique(labels if valid is None else labels[valid])
    if not len(there):
        return share_of(np.zeros(labels.shape, bool))
    best = share_of(labels == there[0])
    winner = np.full(best.shape, there[0], np.float32)
    for label in there[1:]:
        share = share_of(labels == label)
        better = share > best
        winner[better], best[better] = label, share[better]
    return winner


def box_around(mask: npt.NDArray[np.bool_], margins: Sequence[int]) -> tuple[slice, slice, slice]:
    """Slices (z, y, x) around what is True, ``margins`` voxels (along x, y, z) wider where there is room.

    Of a mask without any True: a single voxel.
    """
    slices = []
    for axis, margin in zip((0, 1, 2), margins[::-1], strict=True):
        there = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        first, last = (int(there[0]), int(there[-1])) if len(there) else (0, 0)
        slices.append(slice(max(0, first - margin), min(mask.shape[axis], last + margin + 1)))
    z, y, x = slices
    return z, y, x
