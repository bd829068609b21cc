"""Label maps: the label with the largest share of a voxel wins; no label comes out that did not go in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..volume import Volume

__all__ = ["check_labels", "majority"]

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
    share_of: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
) -> npt.NDArray[np.float32]:
    """The winning label of each new voxel; of equal shares the smaller label's.

    Parameters
    ----------
    labels:
        Whole numbers (z, y, x).
    valid:
        Voxels that were measured; None for all.
    share_of:
        From a label's mask (0 or 1) to its share of each voxel of the new grid.
    """
    there = np.unique(labels if valid is None else labels[valid])
    if not len(there):
        return share_of(np.zeros_like(labels))
    best = share_of((labels == there[0]).astype(np.float32))
    winner = np.full(best.shape, there[0], np.float32)
    for label in there[1:]:
        share = share_of((labels == label).astype(np.float32))
        better = share > best
        winner[better], best[better] = label, share[better]
    return winner
