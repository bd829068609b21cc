"""How strong the variation of an image is at several scales, window by window.

Noise is everywhere, structure is not: a low quantile of the local variance of an image is nearly that of
its noise.  The operator is a second difference along both axes, blind to slopes (Immerkær 1996,
doi:10.1006/cviu.1996.0060), between pixels ``d`` apart.  White noise answers alike at every d; noise that
is correlated answers little at d = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .drawing import correlated_normal, kept_by_smoothing

__all__ = ["LOW", "STEPS", "Windows", "gain", "low_quantile", "persistence", "windows_of"]

Array = npt.NDArray[np.float64]

STEPS = ((1, 1), (2, 2), (3, 3), (1, 3), (3, 1))
"""Distances d along y and x."""

LOW = 0.2
"""The quantile of the local variances that stands for the noise."""

_SIDE = 9  # pixels of a window
_RIM = _SIDE // 2 + 3
_FLAT, _UNCLIPPED, _FEWEST_PAIRS = (
    0.4,
    0.05,
    48,
)  # share of the windows, of pixels, windows: of slices compared
_MOST_SLICES = 12
_LIMIT = 1e-6  # how near to 0 or 1 a pixel counts as clipped


@dataclass(frozen=True, eq=False)
class Windows:
    """What is known of some windows of 9×9 pixels.

    Parameters
    ----------
    means:
        Local mean of the pixels (windows,).
    variances:
        Local variance of the answers at each of :data:`STEPS` (windows, steps).
    clipped:
        Share of pixels at 0 or 1 (windows,).
    moments:
        Second and third central moment of the pixels (windows, 2).
    """

    means: Array
    variances: Array
    clipped: Array
    moments: Array

    def __len__(self) -> int:
        return self.means.size

    def where(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Windows:
        """Some of them."""
        return Windows(*(getattr(self, one.name)[which] for one in fields(self)))

    def by_brightness(self, count: int, fewest: int) -> list[Windows]:
        """``count`` parts from dark to bright, as many windows in each; one part where they are too few."""
        order = np.argsort(self.means)
        return [self.where(part) for part in np.array_split(order, count) if part.size >= fewest] or [self]


def windows_of(slices: Array) -> Windows:
    """The windows inside slices (z, y, x) in [0, 1], at most 12 of them; none if slices are too small."""
    chosen = np.linspace(0, len(slices) - 1, min(len(slices), _MOST_SLICES)).round().astype(int)
    parts = [_windows(image) for image in slices[chosen]]
    return Windows(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Windows)))


def persistence(slices: Array, step: int) -> float | None:
    """How far what varies in flat windows goes on from a slice (z, y, x) to the next: their correlation.

    0 for noise of its own in each slice, 1 where slices are alike; at ``step`` of :data:`STEPS`.  None where
    nothing can be told.
    """
    if len(slices) < 2 or min(slices.shape[1:]) <= 2 * _RIM:
        return None
    chosen = np.linspace(0, len(slices) - 2, min(len(slices) - 1, _MOST_SLICES)).round().astype(int)
    parts = [_products(slices[z], slices[z + 1], STEPS[step]) for z in chosen]
    first, second, both = np.concatenate(parts, axis=1)
    if first.size < _FEWEST_PAIRS:
        return None
    flat = first + second <= np.quantile(first + second, _FLAT)
    return float(both[flat].sum() / max(math.sqrt(first[flat].sum() * second[flat].sum()), 1e-12))


def _products(one: Array, next_one: Array, steps: tuple[int, int]) -> Array:
    """Local variance of the answers in a slice and in the next, and their covariance (3, windows)."""
    clear = (_local(_limited(one)) < _UNCLIPPED) & (_local(_limited(next_one)) < _UNCLIPPED)
    first, second = _second_difference(one, steps), _second_difference(next_one, steps)
    return np.stack([_local(first**2), _local(second**2), _local(first * second)])[:, clear]


def _windows(image: Array) -> Windows:
    if min(image.shape) <= 2 * _RIM:
        return Windows(np.empty(0), np.empty((0, len(STEPS))), np.empty(0), np.empty((0, 2)))
    answers = [np.maximum(_local(_second_difference(image, steps) ** 2), 0) for steps in STEPS]
    mean, square, cube = _local(image), _local(image**2), _local(image**3)
    moments = [np.maximum(square - mean**2, 0), cube - 3 * mean * square + 2 * mean**3]
    return Windows(mean, np.stack(answers, axis=1), _local(_limited(image)), np.stack(moments, axis=1))


def _local(values: Array) -> Array:
    """Means over windows; every second one, since neighbours say nearly the same."""
    from scipy.ndimage import uniform_filter

    return np.asarray(uniform_filter(values, _SIDE)[_RIM:-_RIM:2, _RIM:-_RIM:2].ravel())


def _limited(image: Array) -> Array:
    """1 where a pixel is clipped, else 0."""
    return ((image <= _LIMIT) | (image >= 1 - _LIMIT)).astype(float)


def _second_difference(image: Array, steps: tuple[int, int]) -> Array:
    """The answer, scaled to leave the variance of white noise as it is."""
    from scipy.ndimage import convolve1d

    for axis, d in enumerate(steps):
        weights = np.zeros(2 * d + 1)
        weights[[0, d, 2 * d]] = 1, -2, 1
        image = convolve1d(image, weights / np.sqrt(6), axis=axis, mode="nearest")
    return image


def gain(width: float, d: int) -> float:
    """Variance of the answer along one axis to noise of variance 1, smoothed by a Gaussian of this width."""
    from scipy.ndimage import gaussian_filter1d

    reach = 2 * d + math.ceil(4 * width)
    answer = np.zeros(2 * reach + 1)
    answer[[reach - d, reach, reach + d]] = np.array([1, -2, 1]) / np.sqrt(6)
    if width:
        answer = gaussian_filter1d(answer, width, mode="constant")
    return float(np.square(answer).sum() / kept_by_smoothing((width,)) ** 2)


def low_quantile(widths: tuple[float, float]) -> Array:
    """The quantile ``LOW`` of the local variances of the answers to pure noise, as shares of their means."""
    return _low_quantile(*(round(4 * width) / 4 for width in widths))


@lru_cache(maxsize=64)
def _low_quantile(*widths: float) -> Array:
    noise = correlated_normal((200, 200), widths, np.random.default_rng(0))
    local = _windows(0.5 + 0.01 * noise).variances
    return np.asarray(np.quantile(local, LOW, axis=0) / local.mean(axis=0))
