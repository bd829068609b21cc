"""Denoising of one source by its own noise model, before anything is fused.

For non-local means and total variation the noise is first made uniform: f(x) = asinh(x √(b/a)) / √b has
noise of variance 1 where x has a + b x² (Bartlett, "The use of transformations", Biometrics 3 (1947),
doi:10.2307/3001536).  Without speckle that is x / √a, and without additive noise the logarithm that speckle
is denoised in.  The trained prior is told the noise instead (:mod:`.network`).
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import UnknownNameError
from .model import NoiseModel

__all__ = ["DENOISERS", "denoise"]

DENOISERS = ("none", "nlm", "tv", "prior")
"""none; non-local means; total variation; the trained prior that medfuse ships."""

_QUANTISATION = (1 / 255) ** 2 / 12  # variance of rounding to 8 bits: below it there is nothing to remove
_PURELY_ADDITIVE = 1e-6


def denoise(image: np.ndarray, how: str, noise: NoiseModel, *, unclip: bool = False) -> np.ndarray:
    """``image`` (y, x) in [0, 1] without its noise, as far as ``how`` can tell them apart.

    Parameters
    ----------
    image:
        One slice of one source.
    how:
        One of :data:`DENOISERS`.  "nlm": non-local means (Buades et al. 2005,
        doi:10.1109/CVPR.2005.38), patches of 5×5 within 6 pixels, h = 0.8 σ.  "tv": total variation
        (Chambolle 2004, doi:10.1023/B:JMIV.0000011325.36760.1e) of weight 0.6 σ.  "prior": the network
        that medfuse ships; it always undoes what clipping or the magnitude did to the mean.
    noise:
        Its noise; where there is none, the image is returned as it is.
    unclip:
        Undo what clipping to [0, 1] or the magnitude of an MR signal did to the mean of the noise.

    Raises
    ------
    UnknownNameError
        If there is no such denoiser.
    """
    if how not in DENOISERS:
        raise UnknownNameError("denoiser", how, DENOISERS)
    if how == "none" or noise.additive + noise.multiplicative <= _QUANTISATION:
        return image
    if how == "prior":
        from .network import apply_prior, shipped_network

        return apply_prior(image, noise, shipped_network())
    smooth = _averaged(np.asarray(image, dtype=float), how, noise)
    return noise.unclip(smooth) if unclip else smooth


def _averaged(image: np.ndarray, how: str, noise: NoiseModel) -> np.ndarray:
    from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

    uniform = _stabilise(image, noise)
    if how == "nlm":
        smooth = denoise_nl_means(uniform, patch_size=5, patch_distance=6, h=0.8, sigma=1.0)
    else:
        smooth = denoise_tv_chambolle(uniform, weight=0.6)
    return _restore(smooth, noise).clip(0, 1)


def _coefficients(noise: NoiseModel) -> tuple[float, float]:
    """The a and b of the variance a + b x², with at least the noise of rounding."""
    return max(noise.additive, _QUANTISATION), noise.multiplicative


def _stabilise(image: np.ndarray, noise: NoiseModel) -> np.ndarray:
    a, b = _coefficients(noise)
    if b <= _PURELY_ADDITIVE:
        return image / math.sqrt(a)
    return np.arcsinh(image * math.sqrt(b / a)) / math.sqrt(b)


def _restore(uniform: np.ndarray, noise: NoiseModel) -> np.ndarray:
    a, b = _coefficients(noise)
    if b <= _PURELY_ADDITIVE:
        return uniform * math.sqrt(a)
    return np.sinh(uniform * math.sqrt(b)) * math.sqrt(a / b)
