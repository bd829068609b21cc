"""A model of a source's noise, and what clipping to [0, 1] does to it.

Windows and percentiles clip: of the noise about a black background only the positive half is left, so
that the background is too bright on average, and varies less than the rest.  A model that knows this
tells the noise from the image better, and takes the brightness back after averaging.

Source: Foi, "Clipped noisy images: heteroskedastic modeling and practical denoising", Signal Processing
89 (2009), doi:10.1016/j.sigpro.2009.04.018; here the variance grows with the square of the signal,
as in speckle, and not with the signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

__all__ = ["NoiseModel"]

Array = npt.NDArray[np.float64]

_SIGNALS = np.linspace(-1.5, 2.5, 1601)  # where the model of clipping is tabulated
_LEAST_VARIANCE = 1e-10


@dataclass(frozen=True)
class NoiseModel:
    """Noise of variance ``additive`` + ``multiplicative`` · signal², before clipping to [0, 1].

    ``additive`` alone is white noise, ``multiplicative`` alone speckle; both are variances, ≥ 0.
    """

    additive: float
    multiplicative: float

    def variance(self, signal: npt.ArrayLike) -> Array:
        """Variance of the noise about ``signal`` before clipping."""
        return self.additive + self.multiplicative * np.clip(signal, 0, None) ** 2

    def deviation(self, mean: npt.ArrayLike) -> Array:
        """Standard deviation of clipped noise, where the mean of what is observed is ``mean``."""
        means, variances = self.clipped_moments
        return np.asarray(np.interp(np.asarray(mean), means, np.sqrt(variances)))

    def unclip(self, mean: npt.ArrayLike) -> Array:
        """The signal in [0, 1] whose clipped observations have this ``mean``; Foi 2009, section 5."""
        means, _ = self.clipped_moments
        return np.asarray(np.interp(np.asarray(mean), means, _SIGNALS).clip(0, 1))

    @cached_property
    def clipped_moments(self) -> tuple[Array, Array]:
        """Mean (strictly growing) and variance of clip(signal + noise, 0, 1), for signals of −1.5 to 2.5."""
        signal, sigma = _SIGNALS, np.sqrt(np.maximum(self.variance(_SIGNALS), _LEAST_VARIANCE))
        low, high = -signal / sigma, (1 - signal) / sigma
        within, above = ndtr(high) - ndtr(low), ndtr(-high)
        density_low, density_high = _density(low), _density(high)
        mean = signal * within + sigma * (density_low - density_high) + above
        square = (signal**2 + sigma**2) * within + above
        square += sigma * (signal * density_low - (signal + 1) * density_high)
        growing = np.maximum.accumulate(mean) + 1e-12 * np.arange(mean.size)
        return growing, np.maximum(square - mean**2, 0)


def _density(z: Array) -> Array:
    """The standard normal density."""
    return np.asarray(np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))
