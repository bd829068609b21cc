"""How near a fused volume is to the one that sources without noise would have given.

These are no metrics of fusion, which know no right answer, but of restoration: they need a truth, which
generated and simulated data have.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..errors import ParameterError
from ..sources import Sources
from .scores import evaluate

__all__ = ["Likeness", "compare_with_truth", "psnr"]


class Likeness(NamedTuple):
    """How alike a volume and its truth are.

    Parameters
    ----------
    psnr:
        See :func:`psnr`.
    ssim:
        Structural similarity (Wang et al. 2004, doi:10.1109/TIP.2003.819861), the mean over the slices that
        show something, −1 to 1; higher is better.  Gaussian window of 11×11 pixels.
    """

    psnr: float
    ssim: float


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB: −10 log₁₀ of the mean squared difference; higher is better.

    Parameters
    ----------
    image, truth:
        Of one shape, in [0, 1]: the peak is 1.

    Returns
    -------
    float
        Infinite where they are equal.

    Raises
    ------
    ParameterError
        If the shapes differ, or there is nothing in them.
    """
    image, truth = np.asarray(image, dtype=float), np.asarray(truth, dtype=float)
    if image.shape != truth.shape or image.size == 0:
        raise ParameterError(
            f"an image of shape {image.shape}, its truth of {truth.shape}: expected one shape"
        )
    error = float(np.mean((image - truth) ** 2))
    return -10 * math.log10(error) if error > 0 else math.inf


def compare_with_truth(image: np.ndarray, truth: np.ndarray, sources: Sources) -> Likeness:
    """Compare ``image`` (z, y, x) with ``truth``, likewise, over what all ``sources`` measured.

    Beyond the common field a fused volume is the one source that was measured there, noise and all.
    """
    common = sources.common
    inside = np.ones(image.shape, bool) if common is None else common
    twice = Sources.of([truth, truth], [common, common])  # SSIM_A is the mean over two sources: here of one
    return Likeness(psnr(image[inside], truth[inside]), evaluate(twice, image, ("ssim_a",)).whole["ssim_a"])
