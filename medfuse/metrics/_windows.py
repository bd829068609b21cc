"""Sums and statistics in local windows, shared by the metrics of structure."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import correlate1d, maximum_filter1d, minimum_filter1d

Image = npt.NDArray[np.float64]


def box_sums(images: np.ndarray, size: int) -> Image:
    """Sums over all ``size``×``size`` windows that lie inside images (…, y, x).

    By doubling and not by running sums, whose rounding grows along the image.
    """
    return _run_sums(_run_sums(images, size).swapaxes(-1, -2), size).swapaxes(-1, -2)


def _run_sums(images: np.ndarray, size: int) -> Image:
    """Sums of ``size`` neighbours along the last axis."""
    if size == 1:
        return images
    half = size // 2
    sums = _run_sums(images, half)
    sums = sums[..., :-half] + sums[..., half:]
    return sums if size % 2 == 0 else sums[..., :-1] + images[..., size - 1 :]


@lru_cache(maxsize=16)
def gaussian_taps(size: int, sigma: float) -> Image:
    """``size`` samples of a Gaussian, adding to 1; two such factors are MATLAB's ``fspecial``."""
    offsets = np.arange(size) - (size - 1) / 2
    taps = np.exp(-(offsets**2) / (2 * sigma**2))
    return taps / taps.sum()


def filter_same(images: np.ndarray, taps: np.ndarray, border: str = "constant") -> Image:
    """Images (…, y, x) filtered by an odd kernel along y and x; outside lies 0, or the nearest pixel."""
    rows = correlate1d(images, taps, axis=-2, mode=border)
    return correlate1d(rows, taps, axis=-1, mode=border)


def filter_valid(images: np.ndarray, taps: np.ndarray) -> Image:
    """Images (…, y, x) filtered by an odd kernel, where it lies inside the image."""
    margin = len(taps) // 2
    inside = slice(margin, -margin)
    rows = correlate1d(images, taps, axis=-2, mode="constant")[..., inside, :]
    return correlate1d(rows, taps, axis=-1, mode="constant")[..., inside]


def flat_windows(images: np.ndarray, size: int) -> npt.NDArray[np.bool_]:
    """Where all pixels of a ``size``×``size`` window inside images (…, y, x) are equal."""
    margin = size // 2
    inside = slice(margin, -margin)
    high = maximum_filter1d(maximum_filter1d(images, size, axis=-2), size, axis=-1)
    low = minimum_filter1d(minimum_filter1d(images, size, axis=-2), size, axis=-1)
    return (high == low)[..., inside, inside]


class LocalMoments:
    """Means, variances and covariances of images (n, y, x) in Gaussian windows inside them.

    In a flat window the variance is exactly 0, and so is a covariance with it: computed as
    E[x²] − E[x]² they are rounding noise, which metrics divide by one another.
    """

    def __init__(self, images: np.ndarray, size: int, sigma: float):
        self._images = images
        self._taps = gaussian_taps(size, sigma)
        self.mean = filter_valid(images, self._taps)
        self._flat = flat_windows(images, size)
        variance = np.maximum(filter_valid(images**2, self._taps) - self.mean**2, 0)
        self.variance = np.where(self._flat, 0, variance)

    def covariance(self, i: int, j: int) -> Image:
        """Covariance of images ``i`` and ``j`` in each window."""
        product = filter_valid(self._images[i] * self._images[j], self._taps)
        covariance = product - self.mean[i] * self.mean[j]
        return np.where(self._flat[i] | self._flat[j], 0, covariance)

    def ssim(self, i: int, j: int, c1: float, c2: float) -> Image:
        """Structural similarity of images ``i`` and ``j`` in each window."""
        return similarity(
            (self.mean[i], self.mean[j]),
            (self.variance[i], self.variance[j]),
            self.covariance(i, j),
            (c1, c2),
        )


def similarity(
    means: tuple[np.ndarray, np.ndarray],
    variances: tuple[np.ndarray, np.ndarray],
    covariance: np.ndarray,
    constants: tuple[float, float],
) -> Image:
    """The SSIM index (Wang et al. 2004, 10.1109/TIP.2003.819861, equation 13)."""
    (mx, my), (vx, vy), (c1, c2) = means, variances, constants
    luminance = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
    return luminance * (2 * covariance + c2) / (vx + vy + c2)
