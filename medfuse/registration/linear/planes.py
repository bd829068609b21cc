"""The frames in which two volumes are searched: the world's, or for single slices their own planes.

Each of two single slices is brought to the plane z = 0 of a frame of its own, and the same search as for
volumes keeps to that plane.  Where the planes are parallel, the frames are chosen so that the identity is
what the headers say.  Slices are seen from the side from which the headers show them: a search that flipped
them as well would find a brain's mirror image nearly as good.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...errors import ParameterError, RegistrationError
from ...transforms import apply, inverse
from ...volume import Geometry, Volume
from ..poses import Pose, nearest_rigid

__all__ = ["Pair", "pair_of"]

_PARALLEL = np.cos(np.radians(15))  # planes nearer than this to parallel are compared by their headers
_IN_PLANE = np.cos(np.radians(1))


@dataclass(frozen=True, eq=False)
class Pair:
    """Two volumes as the search sees them.

    Parameters
    ----------
    fixed, moving:
        The volumes, or two slices of 1 mm in the plane z = 0.
    to_fixed, to_moving:
        Poses from the world to the frames of the two.
    header:
        What the headers say in these frames; None: two slices whose planes are not parallel.
    planar:
        Whether they are single slices.
    """

    fixed: Volume
    moving: Volume
    to_fixed: Pose
    to_moving: Pose
    header: Pose | None
    planar: bool

    def in_frames(self, pose: Pose) -> Pose:
        """A rigid ``pose`` of the world, in the frames.

        Raises
        ------
        ParameterError
            If it tilts the fixed slice by more than 1° out of the plane of the moving one.
        """
        if not self.planar:
            return pose
        seen = self.to_moving @ pose @ inverse(self.to_fixed)
        if seen[2, 2] < _IN_PLANE:
            raise ParameterError(
                "the initial transform tilts one slice out of the plane of the other: two slices can only be "
                "rotated and translated within their plane; leave it out, or give one that stays in the plane"
            )
        flat = np.eye(4)
        flat[:2, :2], flat[:2, 3] = seen[:2, :2], seen[:2, 3]
        return nearest_rigid(flat, np.zeros(3))

    def in_world(self, pose: Pose) -> Pose:
        """A pose in the frames, in the world."""
        return inverse(self.to_moving) @ pose @ self.to_fixed


def pair_of(fixed: Volume, moving: Volume) -> Pair:
    """Two volumes as they are, or two single slices in a common plane.

    Raises
    ------
    RegistrationError
        For a single slice against a volume.
    """
    single = [one.geometry.size[2] == 1 for one in (fixed, moving)]
    if not any(single):
        return Pair(fixed, moving, np.eye(4), np.eye(4), np.eye(4), False)
    if not all(single):
        role, other = ("fixed", "moving") if single[0] else ("moving", "fixed")
        slice_, stack = (fixed, moving) if single[0] else (moving, fixed)
        raise RegistrationError(
            f"the {role} volume has a single slice ({slice_.geometry.describe()}) and the {other} one has "
            f"{stack.geometry.size[2]}: a slice cannot be placed in a volume; give the slice of the {other} "
            "volume that shows the same, or skip registration (kind 'none')"
        )
    to_fixed = _frame(fixed.geometry)
    beside = _beside(moving.geometry, fixed.geometry.centre, to_fixed)
    to_moving = _frame(moving.geometry) if beside is None else beside
    header = None if beside is None else np.eye(4)
    return Pair(_flat(fixed, to_fixed), _flat(moving, to_moving), to_fixed, to_moving, header, True)


def _frame(geometry: Geometry) -> Pose:
    """The pose that takes the slice to the plane z = 0, its own axes along x and y, its centre to 0."""
    x, y = np.asarray(geometry.direction).T[:2]
    return _to_axes(x, np.cross(x, y), geometry.centre)


def _beside(geometry: Geometry, centre: np.ndarray, other: Pose) -> Pose | None:
    """The fixed slice's frame, moved along its normal to the moving slice; None if not parallel."""
    normal = _frame(geometry)[2, :3]
    normal = normal * (1.0 if normal @ other[2, :3] >= 0 else -1.0)
    if normal @ other[2, :3] < _PARALLEL:
        return None
    return _to_axes(other[0, :3], normal, centre + normal * (normal @ (geometry.centre - centre)))


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
