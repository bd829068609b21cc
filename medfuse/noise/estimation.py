"""How noisy a source is: the estimate of its :class:`~medfuse.noise.NoiseModel` from its pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import convolve, uniform_filter
from scipy.optimize import least_squares

from .model import NoiseModel

__all__ = ["estimate_noise"]

Array = npt.NDArray[np.float64]

_NEGLIGIBLE = 1e-7  # a variance far below that of 8-bit quantisation, 1.3e-6

# The difference of two Laplacians, blind to slopes, scaled to leave the variance of white noise as it is.
_BLIND_TO_SLOPES = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6
_NEIGHBOURHOOD = 5  # pixels over which the local mean is taken
_MOSTLY_CLIPPED = 0.9
_LEVELS = 24  # of brightness, in which the noise is measured
_FEWEST_PIXELS = 10
_MOST_SLICES = 16
_MAD = 1.4826  # standard deviation of a normal variable from its median absolute value
_SIMPLER = 2.0  # how much worse a model of one number may fit than one of two


class _Measured(NamedTuple):
    """The noise at several levels of brightness."""

    means: Array
    variances: Array


def estimate_noise(slices: npt.ArrayLike) -> NoiseModel:
    """The noise model of one source, slices (z, y, x) or one slice (y, x) in [0, 1].

    The pixels are sorted by their local mean; at each level of brightness the noise is the median
    absolute response to an operator that is blind to slopes (Immerkær 1996, doi:10.1006/cviu.1996.0060).
    The model is fitted to these levels, clipping included: purely additive or purely multiplicative,
    unless a mixed model fits much better.

    Texture finer than two pixels passes for noise, and noise that interpolation has smoothed is
    underestimated.  No noise is found in slices too small or too uniform to measure any.
    """
    measured = _measure(np.asarray(slices, dtype=float))
    if measured is None:
        return NoiseModel(0.0, 0.0)
    start = float(np.median(measured.variances)) + 1e-9
    additive = _fit(measured, [start, None])
    multiplicative = _fit(measured, [None, 0.02])
    mixed = min(
        (_fit(measured, [0.8 * additive[1].additive, 1e-3]), _fit(measured, [1e-6, 0.02])),
        key=lambda found: found[0],
    )
    cost, simple = min((additive, multiplicative), key=lambda found: found[0])
    return simple if cost <= _SIMPLER * mixed[0] + 0.002 * measured.means.size else mixed[1]


def _measure(slices: Array) -> _Measured | None:
    pixels = [_responses(one) for one in _spread_over(slices.reshape(-1, *slices.shape[-2:]))]
    mean, response = (np.concatenate(values) for values in zip(*pixels, strict=True))
    if mean.size < _LEVELS * _FEWEST_PIXELS:
        return None
    edges = np.quantile(mean, np.linspace(0, 1, _LEVELS + 1))
    level = np.clip(np.searchsorted(edges, mean, side="right") - 1, 0, _LEVELS - 1)
    filled = [level == k for k in range(_LEVELS) if (level == k).sum() >= _FEWEST_PIXELS]
    means = np.array([mean[which].mean() for which in filled])
    deviations = np.array([_MAD * np.median(response[which]) for which in filled])
    return _Measured(means, deviations**2)


def _spread_over(slices: Array) -> Array:
    """At most 16 slices, evenly spread over the stack."""
    chosen = np.linspace(0, len(slices) - 1, min(len(slices), _MOST_SLICES)).round().astype(int)
    return slices[chosen]


def _responses(image: Array) -> tuple[Array, Array]:
    """Local means and absolute responses of the pixels that can tell of noise."""
    if min(image.shape) < _NEIGHBOURHOOD:
        return np.empty(0), np.empty(0)
    response = np.abs(convolve(image, _BLIND_TO_SLOPES, mode="nearest"))
    mean = uniform_filter(image, _NEIGHBOURHOOD, mode="nearest")
    clipped = uniform_filter(((image <= 1e-6) | (image >= 1 - 1e-6)).astype(float), _NEIGHBOURHOOD)
    rim = _NEIGHBOURHOOD // 2
    inside = (slice(rim, -rim), slice(rim, -rim))
    tells = clipped[inside] < _MOSTLY_CLIPPED
    return mean[inside][tells], response[inside][tells]


def _fit(measured: _Measured, start: list[float | None]) -> tuple[float, NoiseModel]:
    """Cost and model of the best fit from ``start``; None in it for a variance that is kept at 0."""
    free = [value is not None for value in start]

    def model(logs: Array) -> NoiseModel:
        values = iter(np.exp(logs))
        return NoiseModel(*(float(next(values)) if is_free else 0.0 for is_free in free))

    def residuals(logs: Array) -> Array:
        means, variances = model(logs).clipped_moments
        expected = np.interp(measured.means, means, variances)
        return np.asarray(np.log((expected + _NEGLIGIBLE) / (measured.variances + _NEGLIGIBLE)))

    found = least_squares(
        residuals,
        np.log([max(value, 1e-9) for value in start if value is not None]),
        bounds=(np.log(1e-10), np.log(0.5)),
        loss="soft_l1",
        f_scale=0.3,
    )
    return float(found.cost), model(found.x)
