"""Signed distances in mm, negative inside, of points held as three arrays (3, n)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

__all__ = ["Points", "amount", "ellipsoid", "mirror", "smooth_intersection", "smooth_union", "tube"]

Points = npt.NDArray[np.float32]
_TINY = np.float32(1e-6)


def amount(distance: np.ndarray, width: float) -> np.ndarray:
    """The part of a cell of ``width`` mm that lies inside: 1 well inside, 0.5 on the surface, 0 outside."""
    result: np.ndarray = np.clip(np.float32(0.5) - distance * np.float32(1 / width), 0, 1)
    return result


def ellipsoid(
    p: Points, centre: Sequence[float], radii: Sequence[float], power: float = 2.0
) -> npt.NDArray[np.float32]:
    """Distance to a (super-)ellipsoid along the axes, exact to first order at its surface.

    ``power`` above 2 makes it boxier.  The estimate is the implicit function over its gradient.
    """
    q = [np.abs(p[i] - np.float32(centre[i])) * np.float32(1 / radii[i]) for i in range(3)]
    total = sum(component**power for component in q)
    size = np.maximum(total, _TINY) ** np.float32(1 / power)
    slope = np.sqrt(sum((c ** (power - 1) * np.float32(1 / r)) ** 2 for c, r in zip(q, radii, strict=True)))
    # size is homogeneous of degree one, so its gradient is slope / size**(power - 1)
    result: npt.NDArray[np.float32] = (size - 1) * size ** np.float32(power - 1) / np.maximum(slope, _TINY)
    return result


def tube(p: Points, path: Sequence[tuple[float, float, float, float]]) -> npt.NDArray[np.float32]:
    """Distance to a chain of rods through points (x, y, z) of radius r, given as (x, y, z, r)."""
    distances = []
    for start, stop in pairwise(path):
        axis = np.asarray(stop, dtype=np.float32) - np.asarray(start, dtype=np.float32)
        offset = [p[i] - np.float32(start[i]) for i in range(3)]
        along = sum(offset[i] * axis[i] for i in range(3)) / np.float32((axis[:3] ** 2).sum())
        along = np.clip(along, 0, 1)
        gap = sum((offset[i] - along * axis[i]) ** 2 for i in range(3))
        distances.append(np.sqrt(gap) - (np.float32(start[3]) + along * axis[3]))
    result: npt.NDArray[np.float32] = np.minimum.reduce(distances)
    return result


def smooth_union(a: np.ndarray, b: np.ndarray, rounding: float) -> np.ndarray:
    """The union of two shapes, the seam between them filled over ``rounding`` mm."""
    overlap = np.maximum(np.float32(rounding) - np.abs(a - b), 0)
    result: np.ndarray = np.minimum(a, b) - overlap * overlap * np.float32(0.25 / rounding)
    return result


def smooth_intersection(a: np.ndarray, b: np.ndarray, rounding: float) -> np.ndarray:
    """What lies in both shapes, the edge between them rounded over ``rounding`` mm."""
    return -smooth_union(-a, -b, rounding)


def mirror(p: Points) -> Points:
    """The left half for both: shapes drawn at x > 0 then appear on either side."""
    return np.stack([np.abs(p[0]), p[1], p[2]])
