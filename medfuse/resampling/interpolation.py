"""One array from one grid to another, by ITK."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..transforms import transform_points
from ..volume import Geometry, Volume

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["cropped", "interpolate", "linear_part"]


def interpolate(
    array: npt.NDArray[np.float32],
    geometry: Geometry,
    onto: Geometry,
    transform: SimpleITK.Transform | None,
    how: str,
) -> npt.NDArray[np.float32]:
    """``array`` (z, y, x) of ``geometry`` on ``onto``, 0 outside; ``how``: linear, nearest, bspline."""
    import SimpleITK

    interpolators = {
        "linear": SimpleITK.sitkLinear,
        "nearest": SimpleITK.sitkNearestNeighbor,
        "bspline": SimpleITK.sitkBSpline,
    }
    resampler = SimpleITK.ResampleImageFilter()
    resampler.SetSize(onto.size)
    resampler.SetOutputSpacing(onto.spacing)
    resampler.SetOutputOrigin(onto.origin)
    resampler.SetOutputDirection([value for row in onto.direction for value in row])
    resampler.SetInterpolator(interpolators[how])
    if transform is not None:
        resampler.SetTransform(transform)
    image = Volume(np.ascontiguousarray(array), geometry).to_sitk()
    return np.asarray(SimpleITK.GetArrayFromImage(resampler.Execute(image)))


def cropped(geometry: Geometry, box: tuple[slice, slice, slice]) -> Geometry:
    """The grid of the voxels in ``box`` (z, y, x)."""
    z, y, x = box
    size = (x.stop - x.start, y.stop - y.start, z.stop - z.start)
    origin = geometry.world((x.start, y.start, z.start))
    return Geometry(size, geometry.spacing, tuple(origin), geometry.direction)


def linear_part(transform: SimpleITK.Transform | None, grid: Geometry) -> npt.NDArray[np.float64]:
    """3×3 derivative of a transform, by differences over one voxel at the centre of ``grid``."""
    if transform is None:
        return np.eye(3)
    step = max(grid.spacing)
    ends = grid.centre + step * np.concatenate([np.eye(3), -np.eye(3)]) / 2
    mapped = transform_points(transform, ends)
    return np.asarray((mapped[:3] - mapped[3:]).T / step)
