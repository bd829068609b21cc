"""Transforms of points as 4×4 matrices and as ITK's objects.

Inside medfuse a transform maps points of the fixed volume to points of the moving one, in LPS
millimetres.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import SimpleITK

__all__ = [
    "RAS_FROM_LPS",
    "Matrix",
    "apply",
    "flipped",
    "inverse",
    "matrix_of",
    "to_affine",
    "transform_points",
]

Matrix = npt.NDArray[np.float64]
"""4×4, maps points as columns (x, y, z, 1)."""

Points = npt.NDArray[np.float64]

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Takes LPS points to RAS points, and the other way round."""


def apply(matrix: Matrix, points: Points) -> Points:
    """Points (…, 3) mapped by ``matrix``."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def inverse(matrix: Matrix) -> Matrix:
    """The matrix of the other direction."""
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def flipped(matrix: Matrix) -> Matrix:
    """A matrix between RAS points as one between LPS points, and the other way round."""
    return RAS_FROM_LPS @ matrix @ RAS_FROM_LPS


def transform_points(transform: SimpleITK.Transform, points: Points) -> Points:
    """Points (n, 3) mapped by an ITK transform of any kind."""
    return np.array([transform.TransformPoint(point) for point in points.tolist()]).reshape(-1, 3)


def matrix_of(transform: SimpleITK.Transform) -> Matrix:
    """The matrix of a linear 3-D transform of any class, nested or inverted ones included.

    Of a transform that is not linear (``transform.IsLinear()``) there is none, and the result means nothing.
    """
    origin, *axes = transform_points(transform, np.concatenate([np.zeros((1, 3)), np.eye(3)]))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = np.column_stack(axes) - origin[:, np.newaxis], origin
    return matrix


def to_affine(matrix: Matrix, centre: Points | None = None) -> SimpleITK.AffineTransform:
    """``matrix`` as an ITK transform whose centre of rotation is ``centre``, by default the origin."""
    import SimpleITK

    centre = np.zeros(3) if centre is None else centre
    transform = SimpleITK.AffineTransform(3)
    transform.SetCenter(centre.tolist())
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation((apply(matrix, centre) - centre).tolist())
    return transform
