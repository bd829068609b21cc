"""Denoising of one source by its own noise model, before anything is fused.

For non-local means and total variation the noise is first made uniform: f(x) = asinh(x √(b/a)) / √b has
noise of variance 1 where x has a + b x² (Bartlett, "The use of transformations", Biometrics 3 (1947),
doi:10.2307/3001536).  Without speckle that is x / √a, and without additive noise the logarithm that speckle
is denoised in.  The trained prior is told the noise instead (:mod:`.network`).

Every denoiser takes away a part of what is small and faint: of a lesion of 4 pixels half its contrast and
more.  What was taken out is therefore looked at again: smoothed by a Gaussian of 0.9 pixels it has
lost most of its noise and little of a lesion, and that is put back (:func:`put_back`).

Source: putting back what a denoiser took away is the twicing of Tukey, "Exploratory data analysis" (1977),
and the iterative regularisation of Osher et al. 2005, doi:10.1137/040605412; smoothing it first is ours.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..errors import UnknownNameError
from .drawing import kept_by_smoothing
from .model import NoiseModel

__all__ = ["DENOISERS", "denoise", "put_back"]

Array = npt.NDArray[np.float64]

DENOISERS = ("none", "nlm", "tv", "prior", "both")
"""none; non-local means; total variation; the trained prior that medfuse ships; the mean of non-local means
and the prior, whose errors have little in common."""

_QUANTISATION = (1 / 255) ** 2 / 12  # variance of rounding to 8 bits: below it there is nothing to remove
_PURELY_ADDITIVE = 1e-6
_GAUSSIAN = 0.9  # pixels; wider ones put back less noise and less of a lesion


def denoise(
    image: np.ndarray, how: str, noise: NoiseModel, *, unclip: bool = False, share: float = 1.0
) -> np.ndarray:
    """``image`` (y, x) in [0, 1] without its noise, as far as ``how`` can tell them apart.

    Parameters
    ----------
    image:
        One slice of one source.
    how:
        One of :data:`DENOISERS`.  "nlm": non-local means (Buades et al. 2005,
        doi:10.1109/CVPR.2005.38), patches of 5×5 within 6 pixels, h = 0.8 σ.  "tv": total variation
        (Chambolle 2004, doi:10.1023/B:JMIV.0000011325.36760.1e) of weight 0.6 σ.  "prior": the network
        that medfuse ships.
    noise:
        Its noise; where there is none, the image is returned as it is.
    unclip:
        Undo what clipping to [0, 1] or the magnitude of an MR signal did to the mean of the noise.
    share:
        How much of the smoothed residual is put back, 0 to 1: see :func:`put_back`.

    Raises
    ------
    UnknownNameError
        If there is no such denoiser.
    """
    if how not in DENOISERS:
        raise UnknownNameError("denoiser", how, DENOISERS)
    if how == "none" or noise.kept * (noise.additive + noise.multiplicative) <= _QUANTISATION:
        return image
    observed = np.asarray(image, dtype=float)
    signal = put_back(_signal(observed, how, noise), observed, noise, share)
    return signal if unclip else noise.mean(signal)


def put_back(signal: Array, image: np.ndarray, noise: NoiseModel, share: float = 1.0) -> Array:
    """``signal`` (y, x), denoised from ``image``, with ``share`` of the smoothed residual added again.

    The more the noise is correlated the more of it survives the smoothing, and the less is put back.  Where
    an observation tells little of the signal, as below the noise of a magnitude, less is put back too.
    """
    from scipy.ndimage import gaussian_filter

    if not share:
        return signal
    widths = noise.widths[-2:]
    survives = math.prod(
        kept_by_smoothing((math.hypot(_GAUSSIAN, width),)) / kept_by_smoothing((width,)) for width in widths
    )
    share *= min(1.0, kept_by_smoothing((_GAUSSIAN, _GAUSSIAN)) / survives)
    residual = noise.slope(signal) * (image - noise.mean(signal))
    return np.asarray((signal + share * gaussian_filter(residual, _GAUSSIAN)).clip(0, 1))


def _signal(image: Array, how: str, noise: NoiseModel) -> Array:
    if how == "both":
        return 0.5 * (_signal(image, "prior", noise) + _signal(image, "nlm", noise))
    if how == "prior":
        from .network import apply_prior, shipped_network

        return apply_prior(image, noise, shipped_network())
    from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

    uniform = _stabilise(image, noise)
    if how == "nlm":
        smooth = denoise_nl_means(uniform, patch_size=5, patch_distance=6, h=0.8, sigma=1.0)
    else:
        smooth = denoise_tv_chambolle(uniform, weight=0.6)
    return noise.unclip(_restore(smooth, noise).clip(0, 1))


def _coefficients(noise: NoiseModel) -> tuple[float, float]:
    """The a and b of the variance a + b x², with at least the noise of rounding."""
    return max(noise.kept * noise.additive, _QUANTISATION), noise.kept * noise.multiplicative


def _stabilise(image: Array, noise: NoiseModel) -> Array:
    a, b = _coefficients(noise)
    if b <= _PURELY_ADDITIVE:
        return image / math.sqrt(a)
    return np.asarray(np.arcsinh(image * math.sqrt(b / a)) / math.sqrt(b))


def _restore(uniform: Array, noise: NoiseModel) -> Array:
    a, b = _coefficients(noise)
    if b <= _PURELY_ADDITIVE:
        return uniform * math.sqrt(a)
    return np.asarray(np.sinh(uniform * math.sqrt(b)) * math.sqrt(a / b))
