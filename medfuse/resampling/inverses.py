"""Inverses of transforms, also of those that have none in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..transforms import transform_points
from ..volume import Geometry
from .interpolation import linear_part

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["inverted"]

_LATTICE_MM = 4.0
_MOST_POINTS = 200_000
_STEPS = 60
_CONVERGED_MM = 0.01
_TOLERATED_MM = 0.5


def inverted(transform: SimpleITK.Transform, grid: Geometry) -> SimpleITK.Transform:
    """The transform from where ``transform`` leads back to where it came from.

    Parameters
    ----------
    transform:
        Linear ones are inverted exactly.  Of others the inverse is sought at points 4 mm apart (more in a
        large field of view) by quasi-Newton steps p ← p + J⁻¹(q − T(p)), J being the derivative at the
        centre, and is interpolated linearly between them.
    grid:
        Where the inverse is needed; elsewhere it is not valid.

    Raises
    ------
    ParameterError
        If there is no inverse, for the transform folds space, or it is missed by more than 0.5 mm at more
        than one in a hundred points.
    """
    import SimpleITK

    if transform.IsLinear():
        return transform.GetInverse()
    lattice = _lattice(grid)
    index = np.stack(np.meshgrid(*map(np.arange, lattice.size), indexing="ij"), axis=-1)
    targets = lattice.world(index.reshape(-1, 3))
    found = _solve(transform, lattice, targets)
    missed = np.linalg.norm(transform_points(transform, found) - targets, axis=1)
    if np.percentile(missed, 99) > _TOLERATED_MM:
        raise ParameterError(
            f"the transform cannot be inverted: at one in a hundred points the inverse misses by "
            f"{np.percentile(missed, 99):.1f} mm or more; register with the volumes exchanged instead"
        )
    field = (found - targets).reshape(*lattice.size, 3).transpose(2, 1, 0, 3)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(field), isVector=True)
    image.SetSpacing(lattice.spacing)
    image.SetOrigin(lattice.origin)
    image.SetDirection([value for row in lattice.direction for value in row])
    return SimpleITK.DisplacementFieldTransform(SimpleITK.Cast(image, SimpleITK.sitkVectorFloat64))


def _lattice(grid: Geometry) -> Geometry:
    """Points over the field of view of ``grid`` and one step beyond, not finer than it and not too many."""
    extent = np.multiply(grid.size, grid.spacing)
    step = max(_LATTICE_MM, float(np.cbrt(extent.prod() / _MOST_POINTS)), min(grid.spacing))
    size = np.ceil(extent / step).astype(int) + 3
    origin = grid.centre - np.asarray(grid.direction) @ ((size - 1) / 2 * step)
    x, y, z = size.tolist()
    return Geometry((x, y, z), (step, step, step), tuple(origin), grid.direction)


def _solve(
    transform: SimpleITK.Transform, lattice: Geometry, targets: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    middle = _middle(transform, lattice)
    step = np.linalg.inv(linear_part(transform, middle)).T
    points = middle.centre + (targets - lattice.centre) @ step
    left = np.arange(len(points))
    for _ in range(_STEPS):
        missing = targets[left] - transform_points(transform, points[left])
        far = np.linalg.norm(missing, axis=1) > _CONVERGED_MM
        left = left[far]
        if not len(left):
            break
        points[left] += missing[far] @ step
    return points


def _middle(transform: SimpleITK.Transform, lattice: Geometry) -> Geometry:
    """``lattice`` moved so that its centre is mapped to where the centre was."""
    centre = lattice.centre
    for _ in range(_STEPS):
        here = _around(lattice, centre)
        missing = lattice.centre - transform_points(transform, centre[None])[0]
        if np.linalg.norm(missing) <= _CONVERGED_MM:
            break
        centre = centre + np.linalg.inv(linear_part(transform, here)) @ missing
    return _around(lattice, centre)


def _around(lattice: Geometry, centre: npt.NDArray[np.float64]) -> Geometry:
    origin = np.asarray(lattice.origin) + centre - lattice.centre
    return Geometry(lattice.size, lattice.spacing, tuple(origin), lattice.direction)
