"""What resampling leaves of noise: its variance and its correlation on the new grid.

Between voxels k the value is Σ_k w_k v_k, a product of weights along each axis.  Noise of correlation R so
has the covariance Σ_kl w_k w'_l R(k − l) at two voxels of the new grid, a product of one sum along each axis
too.  It differs with where a voxel lies between those of the old grid: linear interpolation leaves ½ of
the variance of white noise along an axis half-way, all of it at a voxel and ⅔ on average.  The mean over
voxels of the new grid is taken, of those where they really lie.

Source: the variance of a linear combination; Thévenaz, Blu, Unser, "Interpolation revisited", TMI 19 (2000),
doi:10.1109/42.875199, for the weights of cubic B-splines, recursive filter included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError, UnknownNameError
from ..transforms import transform_points
from ..volume import Geometry
from .labels import box_around
from .smoothing import kernel, variances

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["LAGS", "KeptNoise", "kept_noise"]

LAGS = 3
"""Voxels apart, up to which correlations are told."""

Array = npt.NDArray[np.float64]

_VOXELS = 2000  # of the new grid that are looked at
_POLE = math.sqrt(3) - 2  # of the recursive filter of cubic B-splines
_REACH = 8  # voxels; the weights of a cubic spline fall by 0.27 from one to the next


class KeptNoise(NamedTuple):
    """What resampling leaves of noise.

    Parameters
    ----------
    variance:
        Share of the variance, mean over the voxels; of white noise 1 where no voxel is moved between others.
    correlations:
        Along z, y and x of the new grid, each (LAGS,), between voxels 1, 2, … apart; 0 along an
        axis of too few voxels.
    """

    variance: float
    correlations: tuple[Array, Array, Array]


def kept_noise(
    geometry: Geometry,
    onto: Geometry,
    transform: SimpleITK.Transform | None = None,
    interpolation: str = "linear",
    correlations: Sequence[npt.ArrayLike] = ((1.0,), (1.0,), (1.0,)),
    measured: npt.NDArray[np.bool_] | None = None,
) -> KeptNoise:
    """What :func:`medfuse.resample` leaves of the noise of a volume.

    Parameters
    ----------
    geometry, onto, transform, interpolation:
        As there; "label" has no noise.
    correlations:
        Of the noise along z, y and x of ``geometry`` between voxels 0, 1, 2, … apart, 0 beyond what is given.
    measured:
        Voxels (z, y, x) of ``onto`` that matter, some of them at least: the smallest box about them is
        looked at.  None: all.

    Raises
    ------
    UnknownNameError
        For another ``interpolation``.
    ParameterError
        If nothing is ``measured``.
    """
    if interpolation not in _WEIGHTS:
        raise UnknownNameError("interpolation", interpolation, tuple(_WEIGHTS))
    if measured is not None and not measured.any():
        raise ParameterError("no voxel of the new grid was measured: there is no noise on it")
    spread = variances(geometry, onto, transform) if interpolation != "nearest" else (0.0, 0.0, 0.0)
    known = [
        _smoothed(np.asarray(one, dtype=float), variance)
        for one, variance in zip(correlations, reversed(spread), strict=True)
    ]
    voxels = _voxels(onto, measured)

    def covariance(moved_by: Array) -> float:
        """Mean covariance between the voxels and those ``moved_by`` (x, y, z) farther on."""
        ends = [_indices(geometry, onto, transform, voxels + step) for step in (0 * moved_by, moved_by)]
        product = np.ones(len(voxels))
        for axis, (size, one) in enumerate(zip(geometry.size, reversed(known), strict=True)):
            if size > 1:
                product *= _covariance(ends[0][:, axis], ends[1][:, axis], one, interpolation)
        return float(product.mean())

    variance = covariance(np.zeros(3))
    x, y, z = (
        np.array([covariance(lag * step) / variance if lag < size else 0.0 for lag in range(1, LAGS + 1)])
        for step, size in zip(np.eye(3), onto.size, strict=True)
    )
    return KeptNoise(variance, (z, y, x))


def _voxels(onto: Geometry, measured: npt.NDArray[np.bool_] | None) -> Array:
    """Some voxels (n, 3) of ``onto`` in the order x, y, z, within the box about what was ``measured``."""
    box = (slice(None),) * 3 if measured is None else box_around(measured, (0, 0, 0))
    rng = np.random.default_rng(0)
    ends = [part.indices(size)[:2] for part, size in zip(reversed(box), onto.size, strict=True)]
    return np.stack([rng.integers(first, end, _VOXELS) for first, end in ends], axis=1).astype(float)


def _indices(
    geometry: Geometry, onto: Geometry, transform: SimpleITK.Transform | None, voxels: Array
) -> Array:
    points = onto.world(voxels)
    return geometry.index(points if transform is None else transform_points(transform, points))


def _smoothed(correlation: Array, variance: float) -> Array:
    """Correlations at lags −n … n along one axis after the smoothing of :mod:`.smoothing`."""
    both = np.concatenate([correlation[:0:-1], correlation])
    if not variance:
        return both
    weights = kernel(variance)
    return np.convolve(both, np.convolve(weights, weights[::-1]))


def _covariance(first: Array, second: Array, correlation: Array, interpolation: str) -> Array:
    """Covariances (n,) of the values at the indices ``first`` and ``second`` (n,) along one axis."""
    (places, weights), (others, other_weights) = (_WEIGHTS[interpolation](one) for one in (first, second))
    reach = correlation.size // 2
    lags = places[:, :, None] - others[:, None, :]
    known = np.where(np.abs(lags) <= reach, correlation[np.clip(lags + reach, 0, 2 * reach)], 0.0)
    return np.asarray(np.einsum("ni,nij,nj->n", weights, known, other_weights))


Taps = tuple[npt.NDArray[np.intp], Array]
"""Voxels (n, k) and their weights (n, k)."""


def _nearest(index: Array) -> Taps:
    return np.floor(index + 0.5).astype(np.intp)[:, None], np.ones((index.size, 1))


def _linear(index: Array) -> Taps:
    below = np.floor(index).astype(np.intp)
    share = index - below
    return below[:, None] + np.arange(2), np.stack([1 - share, share], axis=1)


def _bspline(index: Array) -> Taps:
    places = np.floor(index).astype(np.intp)[:, None] + np.arange(1 - _REACH, _REACH + 1)
    far = np.arange(-_REACH - 4, _REACH + 5)
    filtered = -6 * _POLE / (1 - _POLE**2) * _POLE ** np.abs(far)
    distances = index[:, None] - places
    return places, np.asarray((_cubic(distances[..., None] - far) * filtered).sum(axis=-1))


def _cubic(x: Array) -> Array:
    """The centred cubic B-spline."""
    x = np.abs(x)
    return np.where(x < 1, 2 / 3 - x**2 + x**3 / 2, np.clip(2 - x, 0, None) ** 3 / 6)


_WEIGHTS = {"linear": _linear, "nearest": _nearest, "bspline": _bspline}
