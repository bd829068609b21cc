"""Grey levels, joint histograms and entropies, shared by the metrics of information."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LEVELS = 256

Levels = npt.NDArray[np.intp]


def quantize(image: np.ndarray) -> Levels:
    """The nearest of 256 grey levels, halves upwards; exact for 8-bit images divided by 255."""
    return _rounded(255 * np.asarray(image))


def stretch(image: np.ndarray) -> Levels:
    """256 grey levels over the image's own minimum to maximum; a constant image is left unstretched."""
    grey = 255 * np.asarray(image)  # whole numbers for 8-bit images, so that halves are halves
    low, high = grey.min(), grey.max()
    return _rounded((grey - low) / (high - low) * 255) if high > low else _rounded(grey)


def _rounded(values: np.ndarray) -> Levels:
    """Halves upwards, which ``floor(x + 0.5)`` does not do for the number just below ½."""
    below = np.floor(values)
    result: Levels = (below + (values - below >= 0.5)).astype(np.intp)
    return result


def own_bins(image: np.ndarray) -> Levels:
    """The index among 256 equal bins that span the image's own minimum to maximum (``hist3``)."""
    low, high = image.min(), image.max()
    if high == low:
        return np.zeros(image.shape, dtype=np.intp)
    result: Levels = np.minimum((image - low) * (LEVELS / (high - low)), LEVELS - 1).astype(np.intp)
    return result


def probabilities(levels: Levels) -> npt.NDArray[np.float64]:
    """How often each of the 256 levels occurs, (256,), adding to 1."""
    return np.bincount(levels.ravel(), minlength=LEVELS) / levels.size


def joint_probabilities(first: Levels, second: Levels) -> npt.NDArray[np.float64]:
    """How often each pair of levels occurs, (256, 256), adding to 1."""
    pairs = np.bincount((LEVELS * first + second).ravel(), minlength=LEVELS**2)
    return pairs.reshape(LEVELS, LEVELS) / first.size


def shannon(p: np.ndarray) -> float:
    """Shannon entropy −Σ p log2 p in bits."""
    p = p[p > 0]
    return float(-np.sum(p * np.log2(p)))


def renyi(p: np.ndarray) -> float:
    """Rényi entropy of order ½, 2 log2 Σ √p, in bits."""
    return float(2 * np.log2(np.sum(np.sqrt(p))))
