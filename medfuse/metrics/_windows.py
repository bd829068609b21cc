"""Sums and statistics in local windows, shared by the metrics of structure."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import correlate1d

Image = npt.NDArray[np.float64]


def box_sums(images: np.ndarray, size: int) -> Image:
    """Sums over all ``size``×``size`` windows that lie inside images (…, y, x).

    By doubling and not by running sums, whose rounding grows along the image.
    """
    return _run(_run(images, size, np.add).swapaxes(-1, -2), size, np.add).swapaxes(-1, -2)


def _run(values: np.ndarray, size: int, combine: np.ufunc) -> np.ndarray:
    """``size`` neighbours along the last axis combined."""
    if size == 1:
        return values
    half = size // 2
    runs = _run(values, half, combine)
    runs = combine(runs[..., :-half], runs[..., half:])
    result: np.ndarray = runs if size % 2 == 0 else combine(runs[..., :-1], values[..., size - 1 :])
    return result


@lru_cache(maxsize=16)
def gaussian_taps(size: int, sigma: float) -> Image:
    """``size`` samples of a Gaussian, adding to 1; two such factors are MATLAB's ``fspecial``."""
    offsets = np.arange(size) - (size - 1) / 2
    taps = np.exp(-(offsets**2) / (2 * sigma**2))
    result: Image = taps / taps.sum()
    return result


def filter_same(images: np.ndarray, taps: np.ndarray, border: str = "constant") -> Image:
    """Images (…, y, x) filtered by a symmetric odd kernel; outside lies 0, or the ``"nearest"`` pixel."""
    margin = len(taps) // 2
    pad = [(0, 0)] * (images.ndim - 2) + [(margin, margin), (0, 0)]
    padded = np.pad(images, pad, mode="edge" if border == "nearest" else "constant")
    return _filter(padded, taps, border)


def filter_valid(images: np.ndarray, taps: np.ndarray) -> Image:
    """Images (…, y, x) filtered by a symmetric odd kernel, where it lies inside the image."""
    margin = len(taps) // 2
    return _filter(images, taps, "constant")[..., margin:-margin]


def _filter(images: np.ndarray, taps: np.ndarray, border: str) -> Image:
    """Filter along y inside the image, and along x with a border."""
    height = images.shape[-2] - len(taps) + 1
    result = np.empty((*images.shape[:-2], height, images.shape[-1]))
    for index in np.ndindex(images.shape[:-2]):  # one by one, so that each stays in the cache
        correlate1d(_filter_along_y(images[index], taps), taps, axis=-1, mode=border, output=result[index])
    return result


def _filter_along_y(image: Image, taps: np.ndarray) -> Image:
    """By whole rows, which is faster along y than line by line."""
    margin = len(taps) // 2
    height = len(image) - 2 * margin
    result: Image = taps[margin] * image[margin : margin + height]
    pair = np.empty_like(result)
    for k in range(margin):
        np.add(image[k : k + height], image[2 * margin - k : 2 * margin - k + height], out=pair)
        pair *= taps[k]
        result += pair
    return result


def flat_windows(images: np.ndarray, size: int) -> npt.NDArray[np.bool_]:
    """Where all pixels of a ``size``×``size`` window inside images (…, y, x) are equal."""
    along_x = _run(images[..., 1:] == images[..., :-1], size - 1, np.logical_and)
    along_y = _run((images[..., 1:, :] == images[..., :-1, :]).swapaxes(-1, -2), size - 1, np.logical_and)
    rows = _run(along_x.swapaxes(-1, -2), size, np.logical_and).swapaxes(-1, -2)
    result: npt.NDArray[np.bool_] = rows & along_y.swapaxes(-1, -2)[..., : rows.shape[-1]]
    return result


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
        self._covariances: dict[tuple[int, int], Image] = {}

    def covariance(self, i: int, j: int) -> Image:
        """Covariance of images ``i`` and ``j`` in each window."""
        if (i, j) not in self._covariances:
            product = filter_valid(self._images[i] * self._images[j], self._taps)
            covariance = product - self.mean[i] * self.mean[j]
            self._covariances[i, j] = np.where(self._flat[i] | self._flat[j], 0, covariance)
        return self._covariances[i, j]

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
    result: Image = luminance * (2 * covariance + c2) / (vx + vy + c2)
    return result
