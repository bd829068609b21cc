"""Where a picture has edges: thin lines to be drawn on another picture.

Canny 1986, 10.1109/TPAMI.1986.4767851: smooth, keep what is steepest across its own direction, and of that
the lines that are strong somewhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["edges"]

_STRONG, _WEAK = 0.25, 0.1  # of the 99th percentile of the steepness where there is any
_NEGLIGIBLE = 0.01  # of the grey scale a pixel: below it there is nothing to see


def edges(picture: npt.NDArray[np.floating], smoothing: float = 1.5) -> npt.NDArray[np.bool_]:
    """Pixels of a picture (rows, columns) in [0, 1], with square pixels, that lie on an edge.

    Parameters
    ----------
    picture:
        Grey values; a constant picture has no edges.
    smoothing:
        Standard deviation of the Gaussian in pixels.
    """
    from scipy.ndimage import gaussian_filter, label

    image = np.asarray(picture, dtype=np.float64)
    down, right = (gaussian_filter(image, smoothing, order=order) for order in ((1, 0), (0, 1)))
    steepness = np.hypot(down, right)
    there = steepness[steepness > _NEGLIGIBLE]
    if not there.size:
        return np.zeros(image.shape, bool)
    top = np.percentile(there, 99)
    lines = _is_crest(steepness, down, right) & (steepness > max(_WEAK * top, _NEGLIGIBLE))
    numbered, _ = label(lines, np.ones((3, 3)))
    strong = np.unique(numbered[lines & (steepness > _STRONG * top)])
    return np.isin(numbered, strong[strong > 0])


def _is_crest(
    steepness: npt.NDArray[np.float64], down: npt.NDArray[np.float64], right: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Where no neighbour across the edge is steeper; directions are taken in steps of 45°."""
    sector = np.rint(np.arctan2(down, right) / (np.pi / 4)).astype(int) % 4
    padded = np.pad(steepness, 1)
    rows, columns = np.indices(steepness.shape) + 1
    step_down, step_right = np.array([0, 1, 1, 1])[sector], np.array([1, 1, 0, -1])[sector]
    ahead = padded[rows + step_down, columns + step_right]
    behind = padded[rows - step_down, columns - step_right]
    result: npt.NDArray[np.bool_] = (steepness >= ahead) & (steepness > behind)
    return result
