"""Metrics after human contrast sensitivity: what an observer would notice."""

from __future__ import annotations

import numpy as np
from scipy.fft import fftfreq, irfft2, rfft2, rfftfreq

from ._gradient import sobel
from ._histogram import stretch
from ._windows import filter_same
from .metric import Metric, Undefined, check_images

__all__ = ["QCB", "QCV"]

_BLOCK = 16


def qcb(sources: np.ndarray, fused: np.ndarray) -> float:
    """Chen and Blum's quality Q_CB: how much of each source's visible contrast is preserved.

    Images pass a contrast-sensitivity filter (difference of Gaussians); the contrast C is that of
    Gaussians of σ 2 and 4, masked as C' = C³ / (C² + 10⁻⁴); in each pixel the ratio of the smaller to
    the larger of C'_s and C'_F, weighted over the sources by C'_s²; the mean over pixels.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; stretched to their own range and quantised to 256 levels here.
    fused:
        (y, x) in [0, 1]; likewise.

    Returns
    -------
    float
        0 to 1; higher is better.  Undefined where an image is flat, or a pixel has no contrast at all.

    Notes
    -----
    The contrast is a ratio, so that black areas, where both Gaussians are next to 0, count with what
    the filter's ringing leaves there: values over wide black backgrounds are good to about 1e-4.
    The sensitivity depends on the image's size in pixels, not on its size on the screen.
    """
    sources, fused = check_images(sources, fused)
    images = np.stack([*sources, fused])
    if np.any(images.max(axis=(1, 2)) == images.min(axis=(1, 2))):
        return Undefined("an image is flat and has no contrast")
    grey = np.stack([stretch(image) for image in images]).astype(float)
    radius = _frequency_radius(fused.shape, 1 / 30)
    sensitivity = np.exp(-((radius / 15.387) ** 2)) - 0.7622 * np.exp(-((radius / 1.3456) ** 2))
    contrast = _masked_contrast(_filter(grey, sensitivity))
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = contrast[:-1] ** 2 / np.sum(contrast[:-1] ** 2, axis=0)
        kept = np.minimum(contrast[:-1], contrast[-1]) / np.maximum(contrast[:-1], contrast[-1])
        score = float(np.mean(np.sum(weight * kept, axis=0)))
    return Undefined("a pixel has no contrast in any source") if np.isnan(score) else score


def _masked_contrast(images: np.ndarray) -> np.ndarray:
    offsets = np.arange(-15, 16)
    fine, coarse = (
        filter_same(images, np.exp(-(offsets**2) / (2 * s**2)) / (np.sqrt(2 * np.pi) * s)) for s in (2, 4)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        contrast = np.abs(fine / coarse - 1)
        result: np.ndarray = contrast * contrast**2 / (contrast**2 + 1e-4)
        return result


def qcv(sources: np.ndarray, fused: np.ndarray) -> float:
    """Chen and Varshney's quality Q_CV: the visible difference to the sources, by salient region.

    Over blocks of 16×16: D_s = mean of (s − F)² after the contrast-sensitivity filter of Mannos and
    Sakrison; λ_s = sum of Sobel strengths to the fifth power; Σ λ_s D_s / Σ λ_s.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; stretched to their own range and quantised to 256 levels here.
    fused:
        (y, x) in [0, 1]; likewise.

    Returns
    -------
    float
        0 and more, in grey levels² (of 255); lower is better.  Undefined where an image is flat.

    Notes
    -----
    The fifth power lets the few strongest edges decide.  Blocks that pass the border are filled with 0.
    The sensitivity depends on the image's size in pixels, not on its size on the screen.
    """
    sources, fused = check_images(sources, fused)
    images = np.stack([*sources, fused])
    if np.any(images.max(axis=(1, 2)) == images.min(axis=(1, 2))):
        return Undefined("an image is flat and cannot be stretched")
    grey = np.stack([stretch(image) for image in images]).astype(float)
    strength = sobel(grey[:-1]).strength
    saliency = _block_sums(strength**2 * strength**2 * strength)
    radius = 0.144 * _frequency_radius(fused.shape, 1 / 8)
    sensitivity = 2.6 * (0.0192 + radius) * np.exp(-(radius**1.1))
    difference = _block_sums(_filter(grey[:-1] - grey[-1], sensitivity) ** 2) / _BLOCK**2
    return float(np.sum(saliency * difference) / np.sum(saliency))


def _frequency_radius(shape: tuple[int, ...], scale: float) -> np.ndarray:
    """Radius of each frequency of ``rfft2``, in units in which ``scale`` times the size is the highest."""
    height, width = shape
    v = 2 * fftfreq(height) * height * scale
    u = 2 * rfftfreq(width) * width * scale
    result: np.ndarray = np.hypot(v[:, None], u)
    return result


def _filter(images: np.ndarray, response: np.ndarray) -> np.ndarray:
    return np.asarray(irfft2(rfft2(images) * response, s=images.shape[-2:]))


def _block_sums(images: np.ndarray) -> np.ndarray:
    """Sums over blocks of 16×16 side by side; the last are filled with 0."""
    pad = [(0, -n % _BLOCK) for n in images.shape[-2:]]
    padded = np.pad(images, [(0, 0), *pad])
    rows, columns = (n // _BLOCK for n in padded.shape[-2:])
    result: np.ndarray = padded.reshape(len(images), rows, _BLOCK, columns, _BLOCK).sum(axis=(2, 4))
    return result


QCB = Metric(
    key="qcb",
    name="Contrast preservation Q_CB (Chen & Blum)",
    function=qcb,
    higher_is_better=True,
    range=(0.0, 1.0),
    reference="Chen & Blum 2009, 10.1016/j.imavis.2007.12.002",
    code="zhengliu6699/imageFusionMetrics: metricChenBlum.m",
    notes="Black areas count with what the filter's ringing leaves there.",
)

QCV = Metric(
    key="qcv",
    name="Visible difference Q_CV (Chen & Varshney)",
    function=qcv,
    higher_is_better=False,
    range=(0.0, float("inf")),
    reference="Chen & Varshney 2007, 10.1016/j.inffus.2005.10.001",
    unit="grey level²",
    code="zhengliu6699/imageFusionMetrics: metricChen.m",
    notes="The few strongest edges decide (fifth power).",
)
