"""Anti-aliasing: what a coarser grid cannot show is smoothed away before it is sampled.

The Gaussian that brings the resolution of one grid to that of another has the difference of their
variances, σ² = (new² − old²)/4 along each axis of the volume.  (With the widths at half maximum matched
to the voxels, Cardoso et al. 2015, 10.1007/978-3-319-24571-3_81, have 0.18 for ¼; ours leaves 0.29 of what
oscillates at the new grid's limit.)  Where the new grid lies obliquely, ``new²`` is the diagonal of its
steps' covariance along the volume's axes: exact for cubic voxels at any angle and for any voxels at
right angles.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..padding import masked_mean
from ..volume import Geometry
from .interpolation import linear_part

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["kernel", "reach", "smooth", "variances"]

_NEGLIGIBLE = 0.01  # voxel²: the neighbours would get half a percent each


def variances(
    geometry: Geometry, onto: Geometry, transform: SimpleITK.Transform | None
) -> tuple[float, float, float]:
    """The variance of the smoothing along x, y, z of ``geometry`` in voxels²; 0 where ``onto`` is as fine.

    Of a deformable transform, the derivative at the centre of ``onto`` counts.
    """
    steps = linear_part(transform, onto) @ (np.asarray(onto.direction) * onto.spacing)
    along = np.square(np.asarray(geometry.direction).T @ steps).sum(axis=1)
    wanted = (along / np.square(geometry.spacing) - 1) / 4
    x, y, z = np.where(wanted > _NEGLIGIBLE, wanted, 0.0).tolist()
    return x, y, z


def smooth(
    array: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_] | None,
    spread: tuple[float, float, float],
) -> npt.NDArray[np.float32]:
    """``array`` (z, y, x) with Gaussians of the variances ``spread`` (voxels², along x, y, z).

    Padding and what lies outside take no part (:func:`medfuse.padding.masked_mean`); padding stays as it is.
    """
    if not any(spread):
        return array
    measured = np.ones(array.shape, bool) if valid is None else valid
    return np.where(measured, masked_mean(partial(_convolved, spread=spread), array, measured), array)


def reach(spread: tuple[float, float, float]) -> tuple[int, int, int]:
    """How many voxels along x, y, z away a value still counts."""
    x, y, z = (_reach(variance) for variance in spread)
    return x, y, z


def _reach(variance: float) -> int:
    return int(np.ceil(4 * np.sqrt(variance))) + 1 if variance else 0


def _convolved(array: npt.NDArray[np.float32], spread: tuple[float, float, float]) -> npt.NDArray[np.float32]:
    from scipy.ndimage import correlate1d

    for axis, variance in zip((2, 1, 0), spread, strict=True):
        if variance and array.shape[axis] > 1:
            array = correlate1d(array, kernel(variance), axis, mode="constant")
    return array


def kernel(variance: float) -> npt.NDArray[np.float64]:
    """Lindeberg's discrete Gaussian (1990, 10.1109/34.49051): its variance is exact even below a voxel."""
    from scipy.special import ive

    far = _reach(variance)
    kernel = ive(np.abs(np.arange(-far, far + 1)), variance)
    return np.asarray(kernel / kernel.sum())
