"""How much noise is left in a fused volume, where its sources had some.

Metrics of fusion compare with the sources, noise and all: a method that removes noise scores lower for it.
These two look at the fused volume alone, in places where the sources show nothing but noise.  They
are measures of this project, not of a paper, and no :class:`Metric`: a slice alone does not say where it
is flat.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import convolve1d, uniform_filter

from ..sources import Sources
from .metric import Undefined, check_shapes

__all__ = ["Residual", "flat_places", "residual_noise"]

_SIDE = 9  # pixels of a window
_FLATTEST = 0.25  # share of the windows that count
_DARKEST, _BRIGHTEST = 0.03, 0.97  # means of the brightest source; beyond them clipping hides noise
_CONTRAST = (0.1, 0.9)  # quantiles of the means of flat windows


class Residual(NamedTuple):
    """What is left of the noise in a fused volume.

    Parameters
    ----------
    noise:
        Standard deviation of the noise in flat windows of 9×9 pixels, in grey values of [0, 1]; lower is
        better.  Measured by a second difference along both axes, which is blind to slopes and nearly so to
        soft texture (Immerkær 1996, doi:10.1006/cviu.1996.0060).
    contrast_to_noise:
        Difference of the 90 % and the 10 % quantile of the means of these windows, as a multiple of that;
        higher is better.  Unlike ``noise`` it does not gain where a method makes everything darker or paler.
    """

    noise: float
    contrast_to_noise: float


def flat_places(denoised: Sources, step: int = 1) -> npt.NDArray[np.bool_]:
    """Centres (z, y, x) of windows of 9×9 pixels in which no denoised source shows structure.

    Of the windows inside the common field in which the brightest source is neither black nor white, the
    quarter with the least sum of the sources' variances; none, if no window lies in the field.  All that
    :func:`residual_noise` compares at this ``step`` is looked at, and lies in the field.
    """
    array, common = denoised.array, denoised.common
    whole = np.ones(array.shape[1:], np.float32) if common is None else common.astype(np.float32)
    side = _SIDE + 2 * step
    inside = np.stack([_means(one, side, outside=0.0) > 1 - 0.5 / side**2 for one in whole])
    spread = np.stack([sum(_variances(source, side) for source in images) for images in array.swapaxes(0, 1)])
    bright = np.stack([_means(image, _SIDE) for image in array.max(axis=0)])
    inside &= (bright > _DARKEST) & (bright < _BRIGHTEST)
    least = np.quantile(spread[inside], _FLATTEST) if inside.any() else 0.0
    return np.asarray(inside & (spread <= least))


def residual_noise(fused: np.ndarray, flat: npt.NDArray[np.bool_], step: int = 1) -> Residual:
    """What is left of the noise in a fused volume.

    Parameters
    ----------
    fused:
        (z, y, x) in [0, 1].
    flat:
        Its :func:`flat_places`; the result is undefined where there are none.
    step:
        Distance in pixels of what is compared: 1 for white noise; 3 for noise that is correlated, which
        neighbours share (of noise smoothed by a Gaussian of one pixel it finds 86 %).
    """
    check_shapes(flat[None], fused)
    if not flat.any():
        why = "no window in the common field is flat"
        return Residual(Undefined(why), Undefined(why))
    images = [(image, where) for image, where in zip(fused, flat, strict=True) if where.any()]
    means = np.concatenate([_means(image, _SIDE)[where] for image, where in images])
    variances = np.concatenate([_answers(image, step)[where] for image, where in images])
    noise = float(np.sqrt(variances.mean()))
    low, high = np.quantile(means, _CONTRAST)
    if noise == 0:
        return Residual(noise, Undefined("no noise is left"))
    return Residual(noise, float(high - low) / noise)


def _means(image: np.ndarray, side: int, outside: float | None = None) -> npt.NDArray[np.float64]:
    """Over windows round each pixel; beyond the border lies the nearest pixel, or ``outside``."""
    mode, value = ("nearest", 0.0) if outside is None else ("constant", outside)
    return np.asarray(uniform_filter(image.astype(float), side, mode=mode, cval=value))


def _variances(image: np.ndarray, side: int) -> npt.NDArray[np.float64]:
    """Over windows round each pixel."""
    centred = image.astype(float) - image.mean()  # against rounding in the difference below
    return np.maximum(_means(centred**2, side) - _means(centred, side) ** 2, 0)


def _answers(image: np.ndarray, step: int) -> npt.NDArray[np.float64]:
    """Mean square of the second difference over windows, scaled to be the variance of white noise."""
    weights = np.zeros(2 * step + 1)
    weights[[0, step, 2 * step]] = np.array([1, -2, 1]) / np.sqrt(6)
    answer = image.astype(float)
    for axis in (0, 1):
        answer = convolve1d(answer, weights, axis=axis, mode="nearest")
    return _means(answer**2, _SIDE)
