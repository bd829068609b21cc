"""Poses of the head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["Matrix", "rigid", "to_frame"]

Matrix = npt.NDArray[np.float64]

_CENTRE = np.array([0.0, 14.0, 12.0])  # about the middle of the brain, in the head frame


def rigid(degrees: Sequence[float] = (0, 0, 0), translation: Sequence[float] = (0, 0, 0)) -> Matrix:
    """A 4×4 pose: rotate about the middle of the brain, then translate.

    Parameters
    ----------
    degrees:
        Angles about x, y and z (LPS), applied in this order.
    translation:
        How far the middle of the brain moves, in mm.
    """
    pose = np.eye(4)
    for axis, angle in enumerate(np.radians(degrees)):
        rotation = np.eye(3)
        one, two = (axis + 1) % 3, (axis + 2) % 3
        rotation[one, one] = rotation[two, two] = np.cos(angle)
        rotation[two, one], rotation[one, two] = np.sin(angle), -np.sin(angle)
        pose[:3, :3] = rotation @ pose[:3, :3]
    pose[:3, 3] = _CENTRE + translation - pose[:3, :3] @ _CENTRE
    return pose


def to_frame(matrix: Matrix, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Points (…, 3) mapped by a 4×4 ``matrix``."""
    return np.asarray(points, dtype=float) @ matrix[:3, :3].T + matrix[:3, 3]
