"""Poses: 4×4 matrices that map world points of the fixed volume to those of the moving one (LPS mm)."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..transforms import Matrix, apply, matrix_of

if TYPE_CHECKING:
    import SimpleITK

__all__ = [
    "Pose",
    "axis_rotation",
    "distance",
    "is_rigid",
    "nearest_rigid",
    "pose_of",
    "principal_stretches",
    "rotation_about",
    "rotation_angle",
    "rotation_grid",
    "rotation_vector",
    "shear_angle",
    "to_euler",
]

_GIMBAL_LOCK = 1e-9

Pose = Matrix


def rotation_about(
    rotation: npt.NDArray[np.float64], centre: npt.NDArray[np.float64], target: npt.NDArray[np.float64]
) -> Pose:
    """The pose that rotates about ``centre`` and translates it to ``target``."""
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = target - rotation @ centre
    return pose


def rotation_grid(angles: tuple[float, ...]) -> list[npt.NDArray[np.float64]]:
    """Every combination of rotations by ``angles`` (degrees) about x, y and z, the smallest first."""
    triples = sorted(product(angles, repeat=3), key=lambda triple: (np.square(triple).sum(), triple))
    return [axis_rotation(2, c) @ axis_rotation(1, b) @ axis_rotation(0, a) for a, b, c in triples]


def axis_rotation(axis: int, degrees: float) -> npt.NDArray[np.float64]:
    """3×3 rotation by ``degrees`` about axis 0, 1 or 2 (x, y, z), right-handed."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    one, two = (axis + 1) % 3, (axis + 2) % 3
    matrix[one, one] = matrix[two, two] = cosine
    matrix[two, one], matrix[one, two] = sine, -sine
    return matrix


def rotation_vector(degrees: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """3×3 rotation about the axis ``degrees`` (3,), by its length in degrees (Rodrigues)."""
    angle = np.radians(np.linalg.norm(degrees))
    if angle == 0:
        return np.eye(3)
    x, y, z = np.radians(degrees) / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def nearest_rigid(pose: Pose, centre: npt.NDArray[np.float64]) -> Pose:
    """``pose`` without its scales and shears: it takes ``centre`` to the same place.

    Its rotation is the nearest one (least squares) to the matrix, by singular values.
    """
    left, _, right = np.linalg.svd(pose[:3, :3])
    return rotation_about(
        left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right, centre, apply(pose, centre)
    )


def principal_stretches(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Scale factors of a matrix (2×2 or 3×3) along its principal directions, the largest first."""
    return np.asarray(np.linalg.svd(matrix, compute_uv=False), dtype=np.float64)


def shear_angle(matrix: npt.NDArray[np.float64]) -> float:
    """By how many degrees the angles between the mapped axes differ from 90°, at most."""
    axes = matrix / np.linalg.norm(matrix, axis=0)
    cosines = np.abs(axes.T @ axes - np.eye(len(axes)))
    return float(np.degrees(np.arcsin(min(1.0, cosines.max()))))


def rotation_angle(pose: Pose) -> float:
    """The angle of the rotation of ``pose`` about its axis, 0 to 180°; scales and shears left out."""
    rotation = nearest_rigid(pose, np.zeros(3))[:3, :3]
    # Of the antisymmetric part and the trace together: the arc cosine alone loses half its digits at 0.
    sine = np.linalg.norm(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    return float(np.degrees(np.arctan2(sine, np.trace(rotation) - 1)))


def distance(one: Pose, two: Pose, points: npt.NDArray[np.float64]) -> float:
    """Mean distance in mm between where two poses take ``points`` (n, 3)."""
    return float(np.linalg.norm(apply(one, points) - apply(two, points), axis=1).mean())


def is_rigid(pose: Pose, tolerance: float = 1e-5) -> bool:
    """Whether ``pose`` is a rotation and a translation only: its matrix is a proper rotation."""
    rotation = pose[:3, :3]
    return bool(np.abs(rotation @ rotation.T - np.eye(3)).max() <= tolerance and np.linalg.det(rotation) > 0)


def pose_of(transform: SimpleITK.Transform) -> Pose:
    """The pose of an initial transform, which must be linear.

    Raises
    ------
    ParameterError
        If it is deformable, so that no matrix describes it.
    """
    if not transform.IsLinear():
        raise ParameterError(
            f"the initial transform is a {transform.GetName()}, which is deformable: a search can only "
            "start from a linear transform; use kind 'none' to apply it as it stands"
        )
    return matrix_of(transform)


def to_euler(pose: Pose, centre: npt.NDArray[np.float64]) -> SimpleITK.Euler3DTransform:
    """A rigid ``pose`` as an ITK transform whose centre of rotation is ``centre``."""
    import SimpleITK

    transform = SimpleITK.Euler3DTransform()
    transform.SetCenter(centre.tolist())
    transform.SetRotation(*_euler_angles(pose[:3, :3]))
    transform.SetTranslation((apply(pose, centre) - centre).tolist())
    return transform


def _euler_angles(rotation: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Angles x, y, z in radians with ``rotation`` = Rz Rx Ry, ITK's order.

    Not by ITK's ``SetMatrix``, which gives another rotation where x is −90° (coronal against axial).
    """
    x = math.atan2(rotation[2, 1], math.hypot(rotation[2, 0], rotation[2, 2]))
    if math.cos(x) < _GIMBAL_LOCK:  # only the sum or difference of y and z is determined
        return x, 0.0, math.atan2(rotation[1, 0], rotation[0, 0])
    return x, math.atan2(-rotation[2, 0], rotation[2, 2]), math.atan2(-rotation[0, 1], rotation[1, 1])
