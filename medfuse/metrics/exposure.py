"""MEF-SSIM: similarity to the patch that the sources would agree on."""

from __future__ import annotations

import numpy as np

from ._windows import box_sums, filter_valid, gaussian_taps
from .metric import Metric, Undefined, check_images

__all__ = ["MEF_SSIM"]

_EPS = np.finfo(float).eps
_SIDE = 11
_PIXELS = _SIDE**2
_WEIGHTS = np.array([0.0448, 0.2856, 0.3001]) / 0.6305
_C = (0.03 * 255) ** 2


def mef_ssim(sources: np.ndarray, fused: np.ndarray) -> float:
    """Multi-exposure fusion SSIM, over three scales.

    In each 11×11 patch the sources' structures (patch minus mean, over its norm) are averaged, with
    weights that favour strong contrast the more the sources agree, and given the contrast of the
    strongest source; the fused image is compared with that patch: (2 cov + C) / (var + var + C), with
    Gaussian weights (σ 1.5).  Π_l Q_l^w_l over the scales' means.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; y and x of 44 or more.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        0 to 1; higher is better.  Undefined for images under 44 pixels, and where a scale's mean is
        negative (its power is not a real number).

    Notes
    -----
    Made for exposures of one scene: brightness does not count, and sources of opposite contrast, as
    CT and MR of bone, cancel in the patch that they "agree" on.
    """
    sources, fused = check_images(sources, fused)
    if min(fused.shape) < 4 * _SIDE:
        return Undefined("an image side is under 44 pixels")
    images = 255 * np.concatenate([sources, fused[None]])
    quality = []
    for _ in _WEIGHTS:
        quality.append(_similarity(images[:-1], images[-1]))
        images = _half(images)
    if min(quality) < 0:
        return Undefined("the similarity at a scale is negative, and its power not a real number")
    return float(np.prod(np.array(quality) ** _WEIGHTS))


def _half(images: np.ndarray) -> np.ndarray:
    """Means of 2×2 pixels, every second one; the last row and column are repeated where one is missing."""
    padded = np.pad(images, [(0, 0), (0, 1), (0, 1)], mode="symmetric")
    return box_sums(padded, 2)[:, ::2, ::2] / 4


def _similarity(sources: np.ndarray, fused: np.ndarray) -> float:
    """Mean over patches, without building any of them.

    The patch r that the sources agree on is a weighted sum of their patches minus a constant, so that
    its norm, variance and covariance follow from the sources' own moments.
    """
    count = len(sources)
    coefficient, contrast = _agreement(sources)
    taps = gaussian_taps(_SIDE, 1.5)
    mean = filter_valid(np.concatenate([sources, fused[None]]), taps)

    def moment(x: np.ndarray, y: np.ndarray, mean_x: np.ndarray, mean_y: np.ndarray) -> np.ndarray:
        result: np.ndarray = filter_valid(x * y, taps) - mean_x * mean_y
        return result

    shared = np.zeros_like(contrast)
    variance = np.zeros_like(contrast)
    for i in range(count):
        shared += coefficient[i] * moment(sources[i], fused, mean[i], mean[-1])
        for j in range(i + 1):
            twice = 1 if i == j else 2
            product = moment(sources[i], sources[j], mean[i], mean[j])
            variance += twice * coefficient[i] * coefficient[j] * product
    variance_f = moment(fused, fused, mean[-1], mean[-1])
    return float(np.mean((2 * shared + _C) / (variance + variance_f + _C)))


def _agreement(sources: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The coefficients (n, y, x) of the patch that the sources agree on, and its contrast (y, x)."""
    count = len(sources)
    sums = box_sums(sources, _SIDE)

    def inner(i: int, j: int) -> np.ndarray:
        result: np.ndarray = box_sums(sources[i] * sources[j], _SIDE) - sums[i] * sums[j] / _PIXELS
        return result

    norms = np.sqrt(np.maximum([inner(i, i) for i in range(count)], 0))
    crossed = {(i, j): inner(i, j) for i in range(count) for j in range(i)}
    of_sum = np.sqrt(np.maximum(np.sum(norms**2, axis=0) + 2 * sum(crossed.values()), 0))
    consistency = (of_sum + _EPS) / (norms.sum(axis=0) + _EPS)
    exponent = np.minimum(np.tan(np.pi / 2 * np.minimum(consistency, 1 - _EPS)), 10)
    contrast = norms + 0.001
    weight = (contrast / _SIDE) ** exponent + _EPS
    coefficient = weight / weight.sum(axis=0) / contrast
    squared = np.sum((coefficient * norms) ** 2, axis=0)
    squared += 2 * sum(coefficient[i] * coefficient[j] * product for (i, j), product in crossed.items())
    strongest = contrast.max(axis=0)
    norm = np.sqrt(np.maximum(squared, 0))
    return coefficient * np.where(norm > 0, strongest / np.where(norm > 0, norm, 1), 1), strongest


MEF_SSIM = Metric(
    key="mef_ssim",
    name="Multi-exposure fusion SSIM, three scales",
    function=mef_ssim,
    higher_is_better=True,
    range=(0.0, 1.0),
    reference="Ma, Zeng & Wang 2015, 10.1109/TIP.2015.2442920",
    code="the authors' mef_ms_ssim.m, as in xingchenzhang/MEFB",
    notes="Brightness does not count; made for exposures of one scene.",
)
