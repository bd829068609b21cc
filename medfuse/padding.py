"""Averages and interpolation in which padding takes no part.

One rule for all of medfuse: a voxel that would take any part of its value from padding, or from outside
the field of view, is padding itself and holds the smallest measured value.  (Dividing by the weight of the
measured part would keep half a voxel more at the rim, but values there would be extrapolated.)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["interpolate_measured", "masked_mean", "smallest_measured", "touching_the_border"]

_PADDING_SHARE = 1e-4  # rounding gives voxels beside padding a share of this order
_LEAST_WEIGHT = 1e-6  # of measured voxels in a mean; below it there is none

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def smallest_measured(array: Array, valid: Mask | None) -> float:
    """The smallest value of ``array`` (z, y, x[, 3]) where ``valid`` (z, y, x); 0 if nothing was measured."""
    measured = array if valid is None else array[valid]
    return float(measured.min()) if measured.size else 0.0


def interpolate_measured(
    array: Array,
    valid: Mask | None,
    values_at: Callable[[Array], Array],
    share_at: Callable[[Array], Array],
) -> tuple[Array, Mask]:
    """``array`` on another grid, and which of its voxels there depend on measured voxels alone.

    Parameters
    ----------
    array:
        float32 (z, y, x), or (z, y, x, 3) for colour.
    valid:
        bool (z, y, x): what was measured; None: everywhere.
    values_at:
        From one channel (z, y, x), its padding filled with the smallest measured value, to the new grid.
    share_at:
        From the measured part of each voxel (z, y, x), 0 or 1, to that of each voxel of the new grid.

    Returns
    -------
    array, valid
        float32 and bool on the new grid; where ``valid`` is False, the smallest measured value.
    """
    smallest = np.float32(smallest_measured(array, valid))
    mask = np.ones(array.shape[:3], np.float32) if valid is None else valid.astype(np.float32)
    measured = share_at(mask) >= 1 - _PADDING_SHARE
    if valid is not None:  # whatever stood in the padding (−2048, NaN) must not spread
        array = array.copy()
        array[~valid] = smallest
    channels = np.moveaxis(array, -1, 0) if array.ndim == 4 else array[np.newaxis]
    moved = [np.where(measured, values_at(channel), smallest) for channel in channels]
    result = np.stack(moved, axis=-1) if array.ndim == 4 else moved[0]
    return result.astype(np.float32, copy=False), measured


def masked_mean(average: Callable[[Array], Array], array: Array, valid: Array | Mask) -> Array:
    """A weighted average of which only the ``valid`` voxels are part.

    Normalised convolution (Knutsson & Westin 1993, 10.1109/CVPR.1993.341081): the weights of what takes
    part add up to 1.

    Parameters
    ----------
    average:
        Linear, from (z, y, x) to the averages, perhaps on another grid.
    array, valid:
        float32 and bool (z, y, x).

    Returns
    -------
    float32, as ``average`` returns it; 0 where nothing takes part.
    """
    weight = np.asarray(valid, np.float32)
    total, share = average(array * weight), average(weight)
    return np.divide(total, share, out=np.zeros_like(total), where=share > _LEAST_WEIGHT)


def touching_the_border(mask: Mask) -> Mask:
    """The connected parts of ``mask`` (z, y, x) that reach a face of the volume (of a slice: an edge)."""
    from scipy.ndimage import label

    parts, _ = label(mask)
    faces = [
        np.take(parts, end, axis).ravel() for axis in range(3) for end in (0, -1) if mask.shape[axis] > 1
    ]
    found = np.unique(np.concatenate(faces))
    return np.isin(parts, found[found > 0])
