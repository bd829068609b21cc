"""A smooth displacement field on top of the rigid result.

The descriptors of :mod:`.mind` are matched by the steps of Lucas and Kanade (1981), their normal equations
summed over a wide Gaussian window and damped; updates are composed, and the whole field is smoothed a
little after each (as in diffeomorphic demons, Vercauteren et al. 2009, 10.1016/j.neuroimage.2008.10.040).
What else was tried, and why CT–MR has no deformable kind: ``docs/registration.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...progress import Progress, subrange
from ...transforms import inverse, to_affine
from ..poses import Pose
from ..pyramid.search_volume import SearchVolume
from .mind import describe

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["Deformation", "deform"]

_COARSE, _FINE = 5.0, 3.5  # mm of the grids
_STEPS = 20  # on each
_WINDOW = 5.0  # voxels: standard deviation of the window of the normal equations
_DAMPING = 1.0  # of their mean diagonal
_SMOOTHING = 1.0  # voxels: of the whole field after each step
_LONGEST_STEP = 0.7  # voxels
_MOST_VOXELS = 400_000  # of the finest grid: a torso gets a coarser one

Field = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Deformation:
    """A displacement field (z, y, x, 3) in mm along the world's axes, on the grid of ``image``."""

    field: npt.NDArray[np.float64]
    image: SimpleITK.Image

    def transform(self) -> SimpleITK.DisplacementFieldTransform:
        """The same as ITK's transform of points of the fixed volume."""
        import SimpleITK

        image = SimpleITK.GetImageFromArray(self.field, isVector=True)
        image.CopyInformation(self.image)
        return SimpleITK.DisplacementFieldTransform(image)

    def jacobian(self) -> npt.NDArray[np.float64]:
        """Determinant of the Jacobian (z, y, x): the change of a voxel's volume; negative where it folds."""
        local = self.field @ np.reshape(self.image.GetDirection(), (3, 3))  # along the grid's axes x, y, z
        spacing = self.image.GetSpacing()[::-1]
        slopes = [np.stack(tuple(np.gradient(local[..., i], *spacing))[::-1], axis=-1) for i in range(3)]
        return np.asarray(np.linalg.det(np.stack(slopes, axis=-2) + np.eye(3)))


def deform(
    fixed: SearchVolume, moving: SearchVolume, rigid: Pose, scale: float, progress: Progress
) -> Deformation:
    """The field that, before ``rigid``, brings points of the fixed volume to those of the moving one.

    Parameters
    ----------
    fixed, moving:
        The volumes on their finest grids.
    rigid:
        The rigid pose, applied after the field.
    scale:
        Factor of the lengths for small bodies.
    progress:
        Called at every step.
    """
    coarse, fine = (max(level * scale, _least_spacing(fixed) * level / _FINE) for level in (_COARSE, _FINE))
    one = fixed.coarser(coarse)
    field = np.zeros((3, *one.array.shape), np.float32)
    field = _matched(one, moving.coarser(coarse), rigid, field, subrange(progress, 0.0, 0.4))
    two = fixed.coarser(fine)
    field = _regridded(field, one, two)
    field = _matched(two, moving.coarser(fine), rigid, field, subrange(progress, 0.4, 1.0))
    # From voxels along z, y, x to mm along the world's axes.
    local = np.moveaxis(field[::-1], 0, -1).astype(np.float64) * two.image.GetSpacing()
    return Deformation(local @ np.reshape(two.image.GetDirection(), (3, 3)).T, two.image)


def _least_spacing(sampled: SearchVolume) -> float:
    extent = np.multiply(sampled.image.GetSize(), sampled.image.GetSpacing())
    return float(np.cbrt(np.prod(extent) / _MOST_VOXELS))


def _regridded(field: Field, old: SearchVolume, new: SearchVolume) -> Field:
    """A field in voxels of one grid, in voxels of another one."""
    from scipy.ndimage import map_coordinates

    there = old.to_index @ inverse(new.to_index)
    z, y, x = _places(new.array.shape)
    index = np.tensordot(there[:3, :3], np.stack([x, y, z]), axes=1) + there[:3, 3, None, None, None]
    factor = np.divide(old.image.GetSpacing(), new.image.GetSpacing())[::-1]
    resampled = [map_coordinates(one, index[::-1], order=1, mode="nearest") for one in field]
    return np.stack([one * k for one, k in zip(resampled, factor, strict=True)]).astype(np.float32)


def _places(shape: tuple[int, ...]) -> Field:
    return np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).astype(np.float32)


def _matched(
    fixed: SearchVolume, moving: SearchVolume, rigid: Pose, field: Field, progress: Progress
) -> Field:
    """``field`` (3, z, y, x) in voxels, improved until the descriptors match."""
    from scipy.ndimage import map_coordinates

    image, common = moving.onto(fixed, to_affine(rigid))
    target, structure = describe(fixed.array)
    given, other = describe(image)
    weight = structure * other * (common & fixed.measured)
    places = _places(image.shape)
    for step in range(_STEPS):
        progress(step / _STEPS, "searching for the deformation")
        seen = np.stack([map_coordinates(one, places + field, order=1, mode="nearest") for one in given])
        update = _update(target, seen, weight)
        # Composed, not added: the update moves points that the field then moves on.
        moved = [map_coordinates(one, places + update, order=1, mode="nearest") for one in field]
        field = _smooth(np.stack(moved) + update, _SMOOTHING)
    return field


def _update(target: Field, seen: Field, weight: Field) -> Field:
    """One step of Lucas and Kanade: (3, z, y, x) in voxels, at most ``_LONGEST_STEP`` long."""
    upper = [(i, j) for i in range(3) for j in range(i, 3)]
    right = np.zeros((3, *weight.shape), np.float32)
    left = np.zeros((6, *weight.shape), np.float32)
    for one, two in zip(target, seen, strict=True):
        slope = np.gradient(two)
        misfit = weight * (one - two)
        for i in range(3):
            right[i] += misfit * slope[i]
        for k, (i, j) in enumerate(upper):
            left[k] += weight * slope[i] * slope[j]
    right, left = _smooth(right, _WINDOW), _smooth(left, _WINDOW)
    matrix = np.empty((*weight.shape, 3, 3), np.float32)
    for k, (i, j) in enumerate(upper):
        matrix[..., i, j] = matrix[..., j, i] = left[k]
    damping = _DAMPING * float((left[0] + left[3] + left[5]).mean()) + np.finfo(np.float32).tiny
    matrix += damping * np.eye(3, dtype=np.float32)
    solved = np.linalg.solve(matrix, np.moveaxis(right, 0, -1)[..., np.newaxis])
    update = np.moveaxis(solved[..., 0], -1, 0)
    longest = float(np.sqrt(np.square(update).sum(axis=0)).max())
    return np.asarray(update * min(1.0, _LONGEST_STEP / max(longest, 1e-9)), dtype=np.float32)


def _smooth(fields: Field, sigma: float) -> Field:
    from scipy.ndimage import gaussian_filter

    return np.stack([gaussian_filter(one, sigma, truncate=3.0) for one in fields])
