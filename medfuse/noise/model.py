"""A model of a source's noise, and what it and clipping to [0, 1] do to the mean of what is observed.

Interpolation between voxels averages what was clipped or made a magnitude before: of the noise less is left,
and of what it did to the mean all.  So a model holds the noise as it was and the share of its variance that
is kept.

Windows and percentiles clip: of the noise about a black background only the positive half is left, so
that the background is too bright on average, and varies less than the rest.  The magnitude of an MR signal
does the same to its noise.  A model that knows this tells the noise from the image better, and takes the
brightness back after averaging.

Sources: Foi, "Clipped noisy images: heteroskedastic modeling and practical denoising", Signal Processing
89 (2009), doi:10.1016/j.sigpro.2009.04.018; here the variance grows with the square of the signal, as in
speckle, and not with the signal.  Gudbjartsson, Patz, "The Rician distribution of noisy MRI data", MRM 34
(1995), doi:10.1002/mrm.1910340618.  Log-compressed speckle: Tuthill, Sperry, Parker, "Deviations from
Rayleigh statistics in ultrasonic speckle", Ultrasonic Imaging 10 (1988), doi:10.1177/016173468801000201.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError, UnknownNameError

__all__ = ["KINDS", "NoiseModel", "scaled"]

Array = npt.NDArray[np.float64]

KINDS = ("gauss", "rice", "speckle", "log-speckle")
"""Normal; the magnitude of a complex signal (MR); growing with the signal; log-compressed (ultrasound)."""

_SIGNALS = np.linspace(-1.5, 2.5, 1601)  # where the model is tabulated
_LEAST_VARIANCE = 1e-10
# ln of a Rayleigh amplitude whose mean square is 1: mean −γ/2, standard deviation π/√24.
LOG_SPECKLE_SHIFT = 0.5 * float(np.euler_gamma) / (math.pi / math.sqrt(24))


@dataclass(frozen=True)
class NoiseModel:
    """Noise of variance ``additive`` + ``multiplicative`` · signal², before clipping to [0, 1].

    Parameters
    ----------
    additive, multiplicative:
        Variances, ≥ 0.  For "rice" ``additive`` is that of each of the two channels.
    kind:
        One of :data:`KINDS`.  "rice" and "log-speckle" are additive only.
    widths:
        How far the noise is correlated along each axis, (y, x) or (z, y, x): the standard deviation in
        pixels of the Gaussian kernel that white noise was smoothed with; 0 for none.
    kept:
        Share of the variance that interpolation has left of what was observed, in (0, 1].
    """

    additive: float
    multiplicative: float
    kind: str = "gauss"
    widths: tuple[float, ...] = (0.0, 0.0)
    kept: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownNameError("kind of noise", self.kind, KINDS)
        if min(self.additive, self.multiplicative, *self.widths) < 0:
            raise ParameterError(f"{self}: expected variances and widths of at least 0")
        if not 0 < self.kept <= 1:
            raise ParameterError(f"{self}: expected a kept share of more than 0 and at most 1")
        if self.kind in ("rice", "log-speckle") and self.multiplicative:
            raise ParameterError(f"{self}: noise of kind {self.kind} has no multiplicative part; expected 0")

    @property
    def level(self) -> float:
        """One number for how strong it is: the standard deviation about a signal of ½."""
        return math.sqrt(self.kept * (self.additive + self.multiplicative / 4))

    def variance(self, signal: npt.ArrayLike) -> Array:
        """Variance of the noise about ``signal`` before clipping, of one channel for "rice"; what is kept."""
        return np.asarray(self.kept * self._variance(signal))

    def _variance(self, signal: npt.ArrayLike) -> Array:
        """The same before any interpolation."""
        return self.additive + self.multiplicative * np.clip(signal, 0, None) ** 2

    def deviation(self, mean: npt.ArrayLike) -> Array:
        """Standard deviation of what is observed, where its mean is ``mean``."""
        means, variances = self.clipped_moments
        return np.asarray(np.interp(np.asarray(mean), means, np.sqrt(variances)))

    def unclip(self, mean: npt.ArrayLike) -> Array:
        """The signal in [0, 1] whose observations have this ``mean``; Foi 2009, section 5."""
        means, _ = self.clipped_moments
        return np.asarray(np.interp(np.asarray(mean), means, _SIGNALS).clip(0, 1))

    def mean(self, signal: npt.ArrayLike) -> Array:
        """Mean of what is observed of ``signal``: the inverse of :meth:`unclip`."""
        return np.asarray(np.interp(np.asarray(signal), _SIGNALS, self.clipped_moments[0]))

    def slope(self, signal: npt.ArrayLike) -> Array:
        """How fast that mean grows with the signal: 1 where nothing is clipped, less where little is told."""
        slopes = np.gradient(self.clipped_moments[0], _SIGNALS)
        return np.asarray(np.interp(np.asarray(signal), _SIGNALS, slopes))

    @cached_property
    def clipped_moments(self) -> tuple[Array, Array]:
        """Mean (strictly growing) and variance of what is observed, for signals of −1.5 to 2.5."""
        sigma = np.sqrt(np.maximum(self._variance(_SIGNALS), _LEAST_VARIANCE))
        if self.kind == "rice":
            mean, variance = _rician_moments(_SIGNALS, sigma)
        elif self.kind == "log-speckle":
            mean, variance = _clipped_moments(_SIGNALS - LOG_SPECKLE_SHIFT * sigma, sigma)
        else:
            mean, variance = _clipped_moments(_SIGNALS, sigma)
        return np.maximum.accumulate(mean) + 1e-12 * np.arange(mean.size), self.kept * variance


def scaled(model: NoiseModel, factor: float) -> NoiseModel:
    """The same noise, this many times as strong."""
    additive, multiplicative = model.additive * factor**2, model.multiplicative * factor**2
    return replace(model, additive=additive, multiplicative=multiplicative)


def _clipped_moments(signal: Array, sigma: Array) -> tuple[Array, Array]:
    """Mean and variance of a normal variable that is clipped to [0, 1]."""
    from scipy.special import ndtr

    low, high = -signal / sigma, (1 - signal) / sigma
    within, above = ndtr(high) - ndtr(low), ndtr(-high)
    density_low, density_high = _density(low), _density(high)
    mean = signal * within + sigma * (density_low - density_high) + above
    square = (signal**2 + sigma**2) * within + above
    square += sigma * (signal * density_low - (signal + 1) * density_high)
    return mean, np.maximum(square - mean**2, 0)


def _rician_moments(signal: Array, sigma: Array) -> tuple[Array, Array]:
    """Mean and variance of a Rician variable, clipped at 1 above; below 0 the signal counts as 0.

    E[M] = σ √(π/2) e^(−t) ((1 + 2t) I₀(t) + 2t I₁(t)) with t = S² / 4σ², and E[M²] = S² + 2σ².
    """
    from scipy.special import ive

    positive = np.maximum(signal, 0)
    t = positive**2 / (4 * sigma**2)
    mean = sigma * math.sqrt(math.pi / 2) * ((1 + 2 * t) * ive(0, t) + 2 * t * ive(1, t))
    variance = np.maximum(positive**2 + 2 * sigma**2 - mean**2, 0)
    # Where 1 clips, the distribution is normal to a good approximation.
    return _clipped_from_above(mean, np.sqrt(np.maximum(variance, _LEAST_VARIANCE)))


def _clipped_from_above(mean: Array, sigma: Array) -> tuple[Array, Array]:
    near = mean > 0.5
    clipped, variance = _clipped_moments(mean, sigma)
    return np.where(near, clipped, mean), np.where(near, variance, sigma**2)


def _density(z: Array) -> Array:
    """The standard normal density."""
    return np.asarray(np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))
