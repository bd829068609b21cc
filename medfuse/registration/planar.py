"""Single slices: two of them are registered within their planes, by the same search as volumes.

Each slice is brought to the plane z = 0 of a frame of its own, and the search keeps to that plane.  Where
the planes are parallel, the frames are chosen so that the identity is what the headers say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import ParameterError, RegistrationError
from ..volume import Geometry, Volume
from .poses import Pose, apply, inverse, nearest_rigid

__all__ = ["Slices", "slices_of"]

_PARALLEL = np.cos(np.radians(15))  # planes nearer than this to parallel are compared by their headers
_IN_PLANE = np.cos(np.radians(1))


@dataclass(frozen=True, eq=False)
class Slices:
    """Two slices in the plane z = 0, 1 mm thick, and the poses that brought them there."""

    fixed: Volume
    moving: Volume
    to_fixed: Pose
    to_moving: Pose

    def in_plane(self, pose: Pose) -> Pose:
        """A rigid ``pose`` of the slices in the world, seen in the frames.

        Raises
        ------
        ParameterError
            If it tilts the fixed slice by more than 1° out of the plane of the moving one.
        """
        seen = self.to_moving @ pose @ inverse(self.to_fixed)
        if seen[2, 2] < _IN_PLANE:
            raise ParameterError(
                "the initial transform tilts one slice out of the plane of the other: two slices can only be "
                "turned and shifted within their plane; leave it out, or give one that stays in the plane"
            )
        flat = np.eye(4)
        flat[:2, :2], flat[:2, 3] = seen[:2, :2], seen[:2, 3]
        return nearest_rigid(flat, np.zeros(3))

    def in_world(self, pose: Pose) -> Pose:
        """A pose in the frames, seen in the world."""
        return inverse(self.to_moving) @ pose @ self.to_fixed


def slices_of(fixed: Volume, moving: Volume) -> Slices | None:
    """Two single slices in a common plane; None for two volumes.

    Raises
    ------
    RegistrationError
        For a single slice against a volume.
    """
    single = [one.geometry.size[2] == 1 for one in (fixed, moving)]
    if not any(single):
        return None
    if not all(single):
        role, other = ("fixed", "moving") if single[0] else ("moving", "fixed")
        slice_, stack = (fixed, moving) if single[0] else (moving, fixed)
        raise RegistrationError(
            f"the {role} volume has a single slice ({slice_.geometry.describe()}) and the {other} one has "
            f"{stack.geometry.size[2]}: a slice cannot be placed in a volume; give the slice of the {other} "
            "volume that shows the same, or skip registration (kind 'none')"
        )
    to_fixed = _frame(fixed.geometry)
    to_moving = _beside(moving.geometry, fixed.geometry.centre, to_fixed)
    return Slices(_flat(fixed, to_fixed), _flat(moving, to_moving), to_fixed, to_moving)


def _frame(geometry: Geometry) -> Pose:
    """The pose that takes the slice to the plane z = 0, its own axes along x and y, its centre to 0."""
    x, y = np.asarray(geometry.direction).T[:2]
    return _to_axes(x, np.cross(x, y), geometry.centre)


def _beside(geometry: Geometry, centre: np.ndarray, other: Pose) -> Pose:
    """The frame of the moving slice: the fixed one's, moved along its normal, if the planes are parallel."""
    own = _frame(geometry)
    normal = own[2, :3] * np.sign(own[2, :3] @ other[2, :3] or 1.0)
    if normal @ other[2, :3] < _PARALLEL:
        return own
    x = other[0, :3] - (other[0, :3] @ normal) * normal
    return _to_axes(x, normal, centre + normal * (normal @ (geometry.centre - centre)))


def _to_axes(x: np.ndarray, normal: np.ndarray, origin: np.ndarray) -> Pose:
    """The rigid pose that takes ``origin`` to 0, ``x`` to the first and ``normal`` to the third axis."""
    x, z = x / np.linalg.norm(x), normal / np.linalg.norm(normal)
    axes = np.stack([x - (x @ z) * z, np.cross(z, x), z])
    pose = np.eye(4)
    pose[:3, :3] = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    pose[:3, 3] = -pose[:3, :3] @ origin
    return pose


def _flat(volume: Volume, frame: Pose) -> Volume:
    old = volume.geometry
    x, y, _ = old.spacing
    origin = apply(frame, np.asarray(old.origin)) * (1, 1, 0)
    geometry = Geometry(old.size, (x, y, 1.0), tuple(origin), frame[:3, :3] @ np.asarray(old.direction))
    return replace(volume, geometry=geometry)
