"""Poses: 4×4 matrices that map world points of the fixed volume to those of the moving one (LPS mm)."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError

if TYPE_CHECKING:
    import SimpleITK

__all__ = [
    "Pose",
    "apply",
    "distance",
    "inverse",
    "is_rigid",
    "nearest_rigid",
    "pose_of",
    "rotation_about",
    "rotation_angle",
    "rotation_grid",
    "shear_angle",
    "stretches",
    "to_affine",
    "to_euler",
    "turn",
]

_GIMBAL_LOCK = 1e-9

Pose = npt.NDArray[np.float64]


def apply(pose: Pose, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """World points (…, 3) mapped by ``pose``."""
    return points @ pose[:3, :3].T + pose[:3, 3]


def inverse(pose: Pose) -> Pose:
    """From the moving volume back to the fixed one."""
    return np.asarray(np.linalg.inv(pose), dtype=np.float64)


def rotation_about(
    rotation: npt.NDArray[np.float64], centre: npt.NDArray[np.float64], target: npt.NDArray[np.float64]
) -> Pose:
    """The pose that turns about ``centre`` and takes it to ``target``."""
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = target - rotation @ centre
    return pose


def rotation_grid(angles: tuple[float, ...]) -> list[npt.NDArray[np.float64]]:
    """Every combination of turns by ``angles`` (degrees) about x, y and z, the smallest turns first."""
    triples = sorted(product(angles, repeat=3), key=lambda triple: (np.square(triple).sum(), triple))
    return [turn(2, c) @ turn(1, b) @ turn(0, a) for a, b, c in triples]


def turn(axis: int, degrees: float) -> npt.NDArray[np.float64]:
    """Turn by ``degrees`` about axis 0, 1 or 2 (x, y, z)."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    one, two = (axis + 1) % 3, (axis + 2) % 3
    matrix[one, one] = matrix[two, two] = cosine
    matrix[two, one], matrix[one, two] = sine, -sine
    return matrix


def nearest_rigid(pose: Pose, centre: npt.NDArray[np.float64]) -> Pose:
    """``pose`` without its scales and shears: it takes ``centre`` to the same place.

    Its rotation is the nearest one (least squares) to the matrix, by singular values.
    """
    left, _, right = np.linalg.svd(pose[:3, :3])
    return rotation_about(
        left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right, centre, apply(pose, centre)
    )


def stretches(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """By how much a matrix (2×2 or 3×3) lengthens along its principal directions, the most first."""
    return np.asarray(np.linalg.svd(matrix, compute_uv=False), dtype=np.float64)


def shear_angle(matrix: npt.NDArray[np.float64]) -> float:
    """By how many degrees the angles between the mapped axes differ from 90°, at most."""
    axes = matrix / np.linalg.norm(matrix, axis=0)
    cosines = np.abs(axes.T @ axes - np.eye(len(axes)))
    return float(np.degrees(np.arcsin(min(1.0, cosines.max()))))


def rotation_angle(pose: Pose) -> float:
    """The angle in degrees by which ``pose`` turns about its axis, 0 to 180; scales and shears left out."""
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
    """Whether ``pose`` only turns and shifts: its matrix is a proper rotation."""
    rotation = pose[:3, :3]
    return bool(np.abs(rotation @ rotation.T - np.eye(3)).max() <= tolerance and np.linalg.det(rotation) > 0)


def pose_of(transform: SimpleITK.Transform) -> Pose:
    """The matrix of a linear 3-D transform of any class, nested or inverted ones included.

    Raises
    ------
    ParameterError
        If the transform bends space, so that no matrix describes it.
    """
    if not transform.IsLinear():
        raise ParameterError(
            f"the initial transform is a {transform.GetName()}, which bends space: a search can only "
            "start from a linear transform; use kind 'none' to apply it as it stands"
        )
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    pose = np.eye(4)
    pose[:3, 3] = origin
    for axis, unit in enumerate(np.eye(3)):
        pose[:3, axis] = np.array(transform.TransformPoint(unit.tolist())) - origin
    return pose


def to_affine(pose: Pose, centre: npt.NDArray[np.float64] | None = None) -> SimpleITK.AffineTransform:
    """``pose`` as an ITK transform that turns about ``centre``, by default the origin."""
    import SimpleITK

    centre = np.zeros(3) if centre is None else centre
    transform = SimpleITK.AffineTransform(3)
    transform.SetCenter(centre.tolist())
    transform.SetMatrix(pose[:3, :3].ravel().tolist())
    transform.SetTranslation((apply(pose, centre) - centre).tolist())
    return transform


def to_euler(pose: Pose, centre: npt.NDArray[np.float64]) -> SimpleITK.Euler3DTransform:
    """A rigid ``pose`` as an ITK transform that turns about ``centre``."""
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
