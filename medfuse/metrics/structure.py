"""Metrics of structure: local similarity of the fused image to its sources."""

from __future__ import annotations

import numpy as np

from ._gradient import sobel
from ._windows import box_sums
from .metric import Metric, Undefined, check_images

__all__ = ["CV", "Q"]

_EPS = np.finfo(float).eps


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
        At most 1; higher is better.  Undefined for images under 8 pixels, where all sources are
        flat, and where Q_W is negative (its power is not a real number).

    Notes
    -----
    Piella and Heijmans 2003 have Q_W · Q_W(edges)^α; the exponents are those of the code.
    """
    sources, fused = check_images(sources, fused)
    if min(fused.shape) < 8:
        return Undefined("an image side is under 8 pixels")
    plain = _weighted_quality(sources, fused)
    edges = _weighted_quality(sobel(sources / 8).strength, sobel(fused / 8).strength)
    if np.isnan(plain) or np.isnan(edges):
        return Undefined("all sources are flat")
    if plain < 0 or edges < 0:
        return Undefined("the weighted quality is negative, its power is not a real number")
    return float(plain**0.8 * edges**0.2)


def _weighted_quality(sources: np.ndarray, fused: np.ndarray) -> float:
    """Q_W of Piella & Heijmans over 8×8 windows; NaN where no source varies."""
    count = 64
    sum_s, sum_f = box_sums(sources, 8), box_sums(fused, 8)
    squares_s, squares_f = box_sums(sources**2, 8), box_sums(fused**2, 8)
    product = sum_s * sum_f
    power = sum_s**2 + sum_f**2
    spread = count * (squares_s + squares_f) - power
    quality = np.ones_like(product)
    flat = (spread == 0) & (power != 0)
    quality[flat] = 2 * product[flat] / (power[flat] + _EPS)
    rest = spread * power != 0
    covariance = count * box_sums(sources * fused, 8) - product
    quality[rest] = (4 * covariance * product)[rest] / ((spread * power)[rest] + _EPS)
    variance = squares_s / count - (sum_s / count) ** 2
    weight = variance.max(axis=0)
    if not weight.sum() > 0:
        return float("nan")
    share = variance / (variance.sum(axis=0) + _EPS)
    return float(np.sum(weight / weight.sum() * np.sum(share * quality, axis=0)))


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
        In [−1, 1] for two sources, in practice in [0, 1]; higher is better.  Undefined for images
        under 4 pixels.

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


Q = Metric(
    key="q",
    name="Edge-dependent quality (Piella)",
    function=q,
    higher_is_better=True,
    range=(0.0, 1.0),
    reference="Piella & Heijmans 2003, 10.1109/ICIP.2003.1247209; code of the Bristol group: imqmet.m",
    notes="Exponents 0.8 and 0.2 of the code; the edge images hold the zero-padded frame.",
)

CV = Metric(
    key="cv",
    name="Similarity by covariance (Cvejic)",
    function=cv,
    higher_is_better=True,
    range=(-1.0, 1.0),
    reference="Cvejic, Loza, Bull & Canagarajah 2005; code of the Bristol group: Cvejic_metric.m",
    notes="Blocks of 4×4 without overlap; flat blocks score 0, so values depend on the background's share.",
)
