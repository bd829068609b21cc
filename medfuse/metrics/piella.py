"""Piella and Heijmans' family: local similarity to the sources, weighted by what is salient in them."""

from __future__ import annotations

import numpy as np

from ._gradient import prewitt_strength, sobel
from ._windows import LocalMoments, box_sums
from .metric import Metric, Undefined, check_images

__all__ = ["QE", "QS", "QW", "Q"]

_EPS = np.finfo(float).eps
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_WINDOW = 11


def q(sources: np.ndarray, fused: np.ndarray) -> float:
    """Piella's edge-dependent quality index, as the Bristol group computes it.

    Q = Q_W^0.8 · Q_W(edges)^0.2, where edges are Sobel strengths.  Q_W = Σ w Σ_s λ_s Q0(s, F) over
    all 8×8 windows: Q0 the universal quality index, λ_s the variance of s as a share of all
    sources', w the largest variance as a share of its sum over the image.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; y and x of 8 or more.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        0 to 1; higher is better.  Undefined for images under 8 pixels, where all sources are flat,
        and where Q_W is negative (its power is not a real number).

    Notes
    -----
    Piella and Heijmans 2003 have Q_W · Q_W(edges)^α; the exponents are those of the code.  Outside
    the image lies 0, so that the frame counts as an edge.
    """
    sources, fused = check_images(sources, fused)
    if min(fused.shape) < 8:
        return Undefined("an image side is under 8 pixels")
    plain = _weighted_index(sources, fused)
    edges = _weighted_index(sobel(sources / 8).strength, sobel(fused / 8).strength)
    if np.isnan(plain) or np.isnan(edges):
        return Undefined("all sources are flat")
    if plain < 0 or edges < 0:
        return Undefined("the weighted index is negative, and its power not a real number")
    return float(plain**0.8 * edges**0.2)


def _weighted_index(sources: np.ndarray, fused: np.ndarray) -> float:
    """Q_W with the universal quality index over 8×8 windows; NaN where no source varies."""
    count = 64
    sum_s, sum_f = box_sums(sources, 8), box_sums(fused, 8)
    squares_s, squares_f = box_sums(sources**2, 8), box_sums(fused**2, 8)
    product = sum_s * sum_f
    power = sum_s**2 + sum_f**2
    spread = count * (squares_s + squares_f) - power
    covariance = count * box_sums(sources * fused, 8) - product
    structure = 4 * covariance * product / (np.where(spread * power == 0, 1, spread * power) + _EPS)
    flat = np.where(power == 0, 1, 2 * product / (power + _EPS))
    quality = np.where(spread * power == 0, flat, structure)
    variance = squares_s / count - (sum_s / count) ** 2
    weight = variance.max(axis=0)
    if not weight.sum() > 0:
        return float("nan")
    share = variance / (variance.sum(axis=0) + _EPS)
    return float(np.sum(weight / weight.sum() * np.sum(share * quality, axis=0)))


def qs(sources: np.ndarray, fused: np.ndarray) -> float:
    """Piella's quality index Q_S: mean over windows of Σ_s λ_s SSIM(s, F).

    λ_s is the variance of s in a Gaussian window of 11×11 (σ 1.5) as a share of all sources'; equal
    shares where all are flat.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; y and x of 11 or more.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        −1 to 1; higher is better.  Undefined for images under 11 pixels.

    Notes
    -----
    SSIM where the paper has the universal quality index.  A flat window's variance is exactly 0 here;
    in the code it is rounding, unless the window is black.
    """
    sources, fused = check_images(sources, fused)
    if min(fused.shape) < _WINDOW:
        return Undefined("an image side is under 11 pixels")
    quality, _ = _salient_similarity(255 * sources, 255 * fused)
    return float(quality.mean())


def qw(sources: np.ndarray, fused: np.ndarray) -> float:
    """Piella's weighted quality index Q_W: as ``qs``, a window counting by its largest variance.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; y and x of 11 or more.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        −1 to 1; higher is better.  Undefined for images under 11 pixels.

    Notes
    -----
    Windows that are flat in all sources enter with a weight of 0.5 grey levels², as in the code.
    """
    sources, fused = check_images(sources, fused)
    if min(fused.shape) < _WINDOW:
        return Undefined("an image side is under 11 pixels")
    return _weighted_similarity(255 * sources, 255 * fused)


def qe(sources: np.ndarray, fused: np.ndarray) -> float:
    """Piella's edge-dependent quality index Q_E: Q_W of the images times Q_W of their edges.

    Edges are strengths of Prewitt gradients, with 0 outside the image.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; y and x of 11 or more.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        −1 to 1; higher is better.  Undefined for images under 11 pixels.

    Notes
    -----
    The code as published stops with an error here; this is the product that it sets out to compute.
    """
    sources, fused = check_images(sources, fused)
    if min(fused.shape) < _WINDOW:
        return Undefined("an image side is under 11 pixels")
    sources, fused = 255 * sources, 255 * fused
    plain = _weighted_similarity(sources, fused)
    return plain * _weighted_similarity(prewitt_strength(sources), prewitt_strength(fused))


def _salient_similarity(sources: np.ndarray, fused: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Σ_s λ_s SSIM(s, F) in each window, and the largest variance there; grey values of 0 to 255."""
    moments = LocalMoments(np.stack([*sources, fused]), _WINDOW, 1.5)
    variance = moments.variance[:-1]
    variance = np.where(variance.sum(axis=0) == 0, 0.5, variance)
    share = variance / variance.sum(axis=0)
    quality = sum(share[i] * moments.ssim(i, -1, _C1, _C2) for i in range(len(sources)))
    return np.asarray(quality), variance.max(axis=0)


def _weighted_similarity(sources: np.ndarray, fused: np.ndarray) -> float:
    quality, weight = _salient_similarity(sources, fused)
    return float(np.sum(quality * weight) / np.sum(weight))


_PIELLA = "Piella & Heijmans 2003, 10.1109/ICIP.2003.1247209"

Q = Metric(
    key="q",
    name="Edge-dependent quality (Piella, Bristol)",
    function=q,
    higher_is_better=True,
    range=(0.0, 1.0),
    reference=f"Ma, Hill, Anantrasirichai & Achim 2021; {_PIELLA}",
    code="pui-nantheera/Image-Fusion-via-Sparse-Regularization: imqmet.m",
    notes="Exponents 0.8 and 0.2 of the code; the edge images hold the zero-padded frame.",
)

QS = Metric(
    key="qs",
    name="Quality index Q_S (Piella)",
    function=qs,
    higher_is_better=True,
    range=(-1.0, 1.0),
    reference=_PIELLA,
    code="zhengliu6699/imageFusionMetrics: metricPeilla.m, 1",
    notes="SSIM in place of the paper's universal quality index.",
)

QW = Metric(
    key="qw",
    name="Weighted quality index Q_W (Piella)",
    function=qw,
    higher_is_better=True,
    range=(-1.0, 1.0),
    reference=_PIELLA,
    code="zhengliu6699/imageFusionMetrics: metricPeilla.m, 2",
    notes="SSIM in place of the paper's index; windows flat in all sources keep a small weight.",
)

QE = Metric(
    key="qe",
    name="Edge-dependent quality index Q_E (Piella)",
    function=qe,
    higher_is_better=True,
    range=(-1.0, 1.0),
    reference=_PIELLA,
    code="zhengliu6699/imageFusionMetrics: metricPeilla.m, 3, mended",
    notes="The published code stops with an error; Prewitt edges.",
)
