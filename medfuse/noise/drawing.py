"""Noise as a model describes it, drawn at random."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .model import NoiseModel

__all__ = ["correlated_normal", "correlation", "kept_by_smoothing", "observe"]

Array = npt.NDArray[np.float64]


def correlated_normal(shape: tuple[int, ...], widths: Sequence[float], rng: np.random.Generator) -> Array:
    """Normal noise of mean 0 and variance 1, smoothed by a Gaussian of ``widths`` pixels."""
    from scipy.ndimage import gaussian_filter

    along = [0.0] * (len(shape) - len(widths)) + list(widths)
    margins = [math.ceil(4 * width) for width in along]  # noise must not reflect at the rim
    white = rng.standard_normal(tuple(n + 2 * m for n, m in zip(shape, margins, strict=True)))
    smooth = gaussian_filter(white, along) if any(along) else white
    inside = tuple(slice(m, m + n) for n, m in zip(shape, margins, strict=True))
    return np.asarray(smooth[inside] / kept_by_smoothing(widths))


def kept_by_smoothing(widths: Sequence[float]) -> float:
    """Standard deviation that is left of white noise of 1 after a Gaussian of ``widths`` pixels."""
    return math.prod(float(np.linalg.norm(_kernel(width))) for width in widths)


def correlation(width: float) -> Array:
    """That of noise between pixels 0, 1, 2, … apart along an axis on which a Gaussian smoothed it."""
    kernel = _kernel(width)
    both = np.convolve(kernel, kernel)
    return np.asarray(both[kernel.size - 1 :] / both[kernel.size - 1])


def _kernel(width: float) -> Array:
    """The Gaussian of ``width`` pixels as it smooths; 1 for a width of 0."""
    from scipy.ndimage import gaussian_filter

    impulse = np.zeros(2 * math.ceil(4 * width) + 1)
    impulse[impulse.size // 2] = 1
    return np.asarray(gaussian_filter(impulse, width)) if width else impulse


def observe(signal: npt.ArrayLike, noise: NoiseModel, rng: np.random.Generator) -> Array:
    """``signal`` (…, y, x) as it would be observed: with noise drawn from ``noise``, clipped to [0, 1]."""
    signal = np.asarray(signal, dtype=float)
    seen = _observed(signal, noise, rng)
    if noise.kept == 1:
        return seen
    mean = noise.mean(signal)
    return mean + math.sqrt(noise.kept) * (seen - mean)


def _observed(signal: Array, noise: NoiseModel, rng: np.random.Generator) -> Array:
    """The same before any interpolation."""
    sigma = np.sqrt(noise.variance(signal) / noise.kept)
    real = correlated_normal(signal.shape, noise.widths, rng)
    if noise.kind in ("gauss", "speckle"):
        return (signal + sigma * real).clip(0, 1)
    imaginary = correlated_normal(signal.shape, noise.widths, rng)
    if noise.kind == "rice":
        return np.hypot(signal + sigma * real, sigma * imaginary).clip(0, 1)
    return (signal + sigma * _log_speckle(real, imaginary)).clip(0, 1)


def _log_speckle(real: Array, imaginary: Array) -> Array:
    """Ln of a Rayleigh amplitude of mean square 1, scaled to variance 1; its mean is not 0."""
    log_amplitude = 0.5 * np.log(np.maximum((real**2 + imaginary**2) / 2, 1e-12))
    return log_amplitude * (math.sqrt(24) / math.pi)
