"""Visual information fidelity: what an eye could still learn about the sources from the fused image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ._windows import filter_valid, gaussian_taps
from .metric import Metric, Undefined, check_images

__all__ = ["VIF", "VIFF", "pixel_fidelity"]

_SMALLEST_SIDE = 41  # below, the last of the four scales is smaller than its window
_TINY = 1e-10


class _Scale(NamedTuple):
    """The model F = g s + noise of the sources at one scale, (n, y, x) each."""

    gain: np.ndarray
    variance: np.ndarray  # of the source
    noise: np.ndarray  # variance of what the gain does not explain


def viff(sources: np.ndarray, fused: np.ndarray) -> float:
    """Visual information fidelity for fusion.

    At each of four scales, with the local model F = g s + noise: in each pixel the source of the
    smallest gain g is kept, and F_k = Σ log(1 + g² σ² / (σ_v² + σ_n²)) / Σ log(1 + σ² / σ_n²).  The
    score is (F_1 + 0.15 F_3 + F_4) / 2.15.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; y and x of 41 or more.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        0 to about 1, above it where the fused image has more contrast than its sources; higher is
        better.  Undefined for images under 41 pixels.

    Notes
    -----
    As the author's code: noise variance 0.005 · 255² on grey values of 0 to 255; the second scale has
    weight 0; of equal gains the last source's is kept.
    """
    sources, fused = check_images(sources, fused)
    if min(fused.shape) < _SMALLEST_SIDE:
        return Undefined("an image side is under 41 pixels")
    noise, offset = 0.005 * 255**2, 1e-7 * np.log(10)  # the code's logarithm has base 10
    fidelity = []
    for scale in _scales(255 * sources, 255 * fused):
        with_distortion = np.log(1 + scale.gain**2 * scale.variance / (scale.noise + noise))
        without = np.log(1 + scale.variance / noise)
        last = len(sources) - 1 - np.argmin(scale.gain[::-1], axis=0)[None]
        kept, possible = (np.take_along_axis(x, last, axis=0) for x in (with_distortion, without))
        fidelity.append(np.sum(kept + offset) / np.sum(possible + offset))
    return float(np.dot(fidelity, [1, 0, 0.15, 1]) / 2.15)


def vif(sources: np.ndarray, fused: np.ndarray) -> float:
    """Visual information fidelity in the pixel domain, the sum over the sources of VIF(s, F).

    VIF(s, F) = Σ log(1 + g² σ² / (σ_v² + 2)) / Σ log(1 + σ² / 2) over four scales, with the local model
    F = g s + noise of variance σ_v².

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; y and x of 41 or more.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        0 to about 2 for two sources (n for n), above it where the fused image has more contrast;
        higher is better.  Undefined for images under 41 pixels and where a source is flat.

    Notes
    -----
    What papers after SeAFusion call VIF; ``viff`` is another measure.
    """
    sources, fused = check_images(sources, fused)
    return pixel_fidelity(255 * sources, 255 * fused)


def pixel_fidelity(sources: np.ndarray, fused: np.ndarray) -> float:
    """Σ_s VIF(s, F) of images with grey values of 0 to 255."""
    if min(fused.shape) < _SMALLEST_SIDE:
        return Undefined("an image side is under 41 pixels")
    if any(source.max() == source.min() for source in sources):
        return Undefined("a source is flat")
    kept, possible = np.zeros(len(sources)), np.zeros(len(sources))
    for scale in _scales(sources, fused):
        kept += np.log(1 + scale.gain**2 * scale.variance / (scale.noise + 2)).sum(axis=(1, 2))
        possible += np.log(1 + scale.variance / 2).sum(axis=(1, 2))
    return float(np.sum(kept / possible))


def _scales(sources: np.ndarray, fused: np.ndarray) -> Iterator[_Scale]:
    """The local models at four scales, windows of 17, 9, 5 and 3 pixels."""
    images = np.concatenate([sources, fused[None]])
    for size in (17, 9, 5, 3):
        taps = gaussian_taps(size, size / 5)
        if size < 17:
            images = filter_valid(images, taps)[:, ::2, ::2]
        yield _model(images, taps)


def _model(images: np.ndarray, taps: np.ndarray) -> _Scale:
    mean = filter_valid(images, taps)
    variance = np.maximum(filter_valid(images**2, taps) - mean**2, 0)
    covariance = filter_valid(images[:-1] * images[-1], taps) - mean[:-1] * mean[-1]
    source, fused = variance[:-1], np.broadcast_to(variance[-1], covariance.shape)
    gain = covariance / (source + _TINY)
    noise = fused - gain * covariance
    # In this order, as Sheikh and Bovik's code cleans up after a division by almost nothing.
    silent = source < _TINY
    gain, noise, source = (
        np.where(silent, 0, gain),
        np.where(silent, fused, noise),
        np.where(silent, 0, source),
    )
    blank = fused < _TINY
    gain, noise = np.where(blank, 0, gain), np.where(blank, 0, noise)
    inverted = gain < 0
    noise, gain = np.where(inverted, fused, noise), np.where(inverted, 0, gain)
    return _Scale(gain, source, np.maximum(noise, _TINY))


VIFF = Metric(
    key="viff",
    name="Visual information fidelity for fusion",
    function=viff,
    higher_is_better=True,
    range=(0.0, float("inf")),
    reference="Han, Cai, Cao & Xu 2013, 10.1016/j.inffus.2011.08.002",
    code="HarrisXia/image-fusion-evaluation: VIFF_Public.m",
    notes="The second scale has weight 0; contrast beyond the sources' is rewarded.",
)

VIF = Metric(
    key="vif",
    name="Visual information fidelity (pixel domain), sum over sources",
    function=vif,
    higher_is_better=True,
    range=(0.0, float("inf")),
    reference="Sheikh & Bovik 2006, 10.1109/TIP.2005.859378",
    code="Linfeng-Tang/Image-Fusion: vifp_mscale.m",
    notes="Contrast beyond the sources' is rewarded.",
)
