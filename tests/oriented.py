"""One grid in several orientations, for spatial tests."""

from __future__ import annotations

import numpy as np

from medfuse.volume import Geometry


def _rotation(x: float, y: float, z: float) -> np.ndarray:
    """Rotation by angles in degrees about x, then y, then z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians([x, y, z])), np.sin(np.radians([x, y, z]))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


# Columns: where the indices x, y, z grow to, in LPS.
_DIRECTIONS = {
    "LPS": np.diag([1.0, 1, 1]),
    "RAS": np.diag([-1.0, -1, 1]),
    "LAS": np.diag([1.0, -1, 1]),  # left-handed
    "PIR": np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]]),  # sagittal slices
    "oblique": _rotation(17, -29, 41),
}

ORIENTED = {
    name: Geometry((7, 6, 5), (0.9, 1.25, 2.4), (-71.3, 38.25, 112.7), direction)
    for name, direction in _DIRECTIONS.items()
}
"""Name -> a grid of 7×6×5 voxels, all sides and spacings different, its origin far from 0."""
