"""Metrics of similarity: SSIM and the universal quality index between the sources and the fused image."""

from __future__ import annotations

import numpy as np

from ._windows import LocalMoments, filter_same, gaussian_taps, similarity
from .metric import Metric, Undefined, check_images, two_sources

__all__ = ["CV", "QC", "QY", "SSIM_A"]

_EPS = np.finfo(float).eps
_C = 2e-16  # both constants of SSIM in Liu's code, on grey values of 0 to 255
_WINDOW = 7


def ssim_a(sources: np.ndarray, fused: np.ndarray) -> float:
    """SSIM of the fused image with each source, the mean over the sources.

    Gaussian window of 11×11 (σ 1.5), the border pixel repeated outside, C1 = 0.01², C2 = 0.03².

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        −1 to 1; higher is better.

    Notes
    -----
    MATLAB's ``ssim``.  For sources that differ no image reaches 1, and their mean may score higher
    than an image that keeps the detail of both.
    """
    sources, fused = check_images(sources, fused)
    taps = gaussian_taps(11, 1.5)
    images = np.stack([*sources, fused])
    mean = filter_same(images, taps, "nearest")
    variance = filter_same(images**2, taps, "nearest") - mean**2
    covariance = filter_same(sources * fused, taps, "nearest") - mean[:-1] * mean[-1]
    return float(
        similarity((mean[:-1], mean[-1]), (variance[:-1], variance[-1]), covariance, (1e-4, 9e-4)).mean()
    )


def qy(sources: np.ndarray, fused: np.ndarray) -> float:
    """Yang's similarity: SSIM to both sources where they agree, to the better one where they do not.

    In Gaussian windows of 7×7 (σ 1.5), with λ the share of A in the variances: λ SSIM(A, F) +
    (1 − λ) SSIM(B, F) where SSIM(A, B) ≥ 0.75, else the larger of the two; the mean over windows.

    Parameters
    ----------
    sources:
        (2, y, x) in [0, 1]; y and x of 11 or more.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        −1 to 1; higher is better.  Undefined for images under 11 pixels.

    Raises
    ------
    ParameterError
        For other than two sources: the rule compares one with the other.

    Notes
    -----
    The code's SSIM has constants of 2e-16, so that in a flat window rounding decides, and its λ is 0/0
    where both sources are flat.  Guarded: the variance of a flat window is 0, and so is a covariance
    with it; λ is then ½.
    """
    sources, fused = check_images(sources, fused)
    two_sources("qy", sources)
    if min(fused.shape) < 11:
        return Undefined("an image side is under 11 pixels")
    moments = LocalMoments(255 * np.stack([*sources, fused]), _WINDOW, 1.5)
    variance_a, variance_b, _ = moments.variance
    share = _share(variance_a, variance_b)
    a, b = (moments.ssim(i, -1, _C, _C) for i in (0, 1))
    alike = moments.ssim(0, 1, _C, _C) >= 0.75
    return float(np.where(alike, share * a + (1 - share) * b, np.maximum(a, b)).mean())


def qc(sources: np.ndarray, fused: np.ndarray) -> float:
    """Cvejic's similarity Q_C: SSIM to the sources, weighted by their covariance with the fused image.

    In Gaussian windows of 7×7 (σ 1.5), with w the covariance of A with F as a share of both sources':
    w SSIM(A, F) + (1 − w) SSIM(B, F), but 0 where w < 0 and 1 where w > 1; the mean over windows.

    Parameters
    ----------
    sources:
        (2, y, x) in [0, 1]; y and x of 11 or more.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        −1 to 1; higher is better.  Undefined for images under 11 pixels.

    Raises
    ------
    ParameterError
        For other than two sources: the rule for w outside [0, 1] is defined for two sources.

    Notes
    -----
    A fault of the code, kept: where w > 1 it sets the *quality* to 1 instead of the weight, and where
    w < 0 to 0, so that the order of the sources matters.  Guarded as ``qy``: w is ½ where both
    covariances are 0.
    """
    sources, fused = check_images(sources, fused)
    two_sources("qc", sources)
    if min(fused.shape) < 11:
        return Undefined("an image side is under 11 pixels")
    moments = LocalMoments(255 * np.stack([*sources, fused]), _WINDOW, 1.5)
    share = _share(moments.covariance(0, -1), moments.covariance(1, -1))
    a, b = (moments.ssim(i, -1, _C, _C) for i in (0, 1))
    inside = np.clip(share, 0, 1)
    quality = inside * a + (1 - inside) * b
    return float(np.where(share < 0, 0, np.where(share > 1, 1, quality)).mean())


def _share(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The share a / (a + b); ½ where both are 0, infinite where they cancel."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((a == 0) & (b == 0), 0.5, a / (a + b))


def cv(sources: np.ndarray, fused: np.ndarray) -> float:
    """Cvejic's similarity, as the Bristol group computes it.

    Mean over 4×4 blocks of Σ_s w_s Q0(s, F): w_s the covariance of s with F as a share of all
    sources', clipped to [0, 1]; Q0 the universal quality index.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; y and x of 4 or more.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        −1 to 1 for two sources, in practice 0 to 1; higher is better.  Undefined for images under
        4 pixels.

    Notes
    -----
    Cvejic et al. 2005 slide an 8×8 window; the code has blocks of 4×4 side by side and drops what
    does not fill one.  A flat block scores 0, so that a black background pulls the mean down.
    """
    sources, fused = check_images(sources, fused)
    if min(fused.shape) < 4:
        return Undefined("an image side is under 4 pixels")
    blocks, blocks_f = _blocks(sources), _blocks(fused)
    mean, mean_f = blocks.mean(axis=-1), blocks_f.mean(axis=-1)
    residue, residue_f = blocks - mean[..., None], blocks_f - mean_f[..., None]
    covariance = np.sum(residue * residue_f, axis=-1) / 15
    variance = np.sum(residue**2, axis=-1) / 15
    variance_f = np.sum(residue_f**2, axis=-1) / 15
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.clip(covariance / covariance.sum(axis=0, initial=_EPS), 0, 1)
    quality = 4 * covariance * mean * mean_f / ((variance + variance_f) * (mean**2 + mean_f**2) + _EPS)
    return float(np.mean(np.sum(np.nan_to_num(weight) * quality, axis=0)))


def _blocks(images: np.ndarray) -> np.ndarray:
    """4×4 blocks side by side as (…, rows, columns, 16); the remainder is dropped."""
    rows, columns = (n // 4 for n in images.shape[-2:])
    cut = images[..., : 4 * rows, : 4 * columns]
    split = cut.reshape(*images.shape[:-2], rows, 4, columns, 4)
    return np.moveaxis(split, -3, -2).reshape(*images.shape[:-2], rows, columns, 16)


_CVEJIC = "Cvejic, Łoza, Bull & Canagarajah 2005, Int. J. Signal Process. 2(3), 178–182"

SSIM_A = Metric(
    key="ssim_a",
    name="Structural similarity, mean over sources",
    function=ssim_a,
    higher_is_better=True,
    range=(-1.0, 1.0),
    reference="Li, Wu & Kittler 2018, 10.1109/ICPR.2018.8546006; Wang et al. 2004, 10.1109/TIP.2003.819861",
    code="hli1221/imagefusion_deeplearning: analysis_Reference.m; MATLAB's ssim",
)

QY = Metric(
    key="qy",
    name="Similarity Q_Y (Yang)",
    function=qy,
    higher_is_better=True,
    range=(-1.0, 1.0),
    reference="Yang, Zhang, Wang & Liu 2008, 10.1016/j.inffus.2006.09.001",
    code="zhengliu6699/imageFusionMetrics: metricYang.m, guarded",
    notes="Guarded in flat windows, where the code divides 0 by 0 or rounding by rounding.  Two sources.",
    two_sources=True,
)

QC = Metric(
    key="qc",
    name="Similarity Q_C (Cvejic)",
    function=qc,
    higher_is_better=True,
    range=(-1.0, 1.0),
    reference=_CVEJIC,
    code="zhengliu6699/imageFusionMetrics: metricCvejic.m, 2, guarded",
    notes="Kept: the quality, not the weight, becomes 0 or 1 where the weight leaves [0, 1].  Two sources.",
    two_sources=True,
)

CV = Metric(
    key="cv",
    name="Similarity by covariance (Cvejic, Bristol)",
    function=cv,
    higher_is_better=True,
    range=(-1.0, 1.0),
    reference=f"Ma, Hill, Anantrasirichai & Achim 2021; {_CVEJIC}",
    code="pui-nantheera/Image-Fusion-via-Sparse-Regularization: Cvejic_metric.m",
    notes="Blocks of 4×4 without overlap; flat blocks score 0, so values depend on the background's share.",
)
