"""Noise or texture: looked at before anything is smoothed.

Noise is as strong in every window of one brightness; texture is not.  White noise is as strong at every
scale; texture grows with the scale, and so does correlated noise.  Where much of an image is black, additive
noise shows there too: half of its pixels are clipped, and not all or none as in a clean image.  And where
slices lie near one another, texture goes on from one to the next (:func:`goes_on`), and noise does not.

The limits were drawn from the clean pairs of `benchmarks/noise_cases.py` at 256², 128² and 64² pixels and
the same with noise of 0.02 to 0.10.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .flatness import LOW, Windows, persistence

__all__ = ["CLEAR", "GRAINY", "Signs", "goes_on", "is_noise", "signs_of"]

Array = npt.NDArray[np.float64]

_LEVELS, _FEWEST = 6, 12
_TOUCHED, _ALL = 0.2, 0.8  # clipped shares between which a window is grainy
_BLACK = 0.1  # share of windows from which black tells of noise
_NEAR, _FAR = 0.25, 1.6  # correlation of grain from which, pixels up to which the next slice is near
_PERSISTS = 0.5  # share of the correlation of grain from which it is grain
CLEAR = 0.3
"""Clipped share up to which a window tells of scales."""

GRAINY = 0.9
"""Share of grainy windows among black ones from which additive noise lies on black."""


class Signs(NamedTuple):
    """What tells noise from texture.

    Parameters
    ----------
    low:
        Standard deviation of the answers at each step where the image is flat.
    even:
        How alike the windows of one brightness are at steps 1 to 3: the 10 % quantile of the deviation over
        its median.
    black:
        Share of windows with clipped pixels.
    grainy:
        Share of these in which some pixels are clipped and some are not.
    """

    low: Array
    even: Array
    black: float
    grainy: float


def signs_of(windows: Windows) -> Signs | None:
    """The signs in ``windows``; None where too few of them are clear."""
    clear = windows.where(windows.clipped < CLEAR)
    if len(clear) < 4 * _FEWEST:
        return None
    levels = clear.by_brightness(_LEVELS if len(clear) > 300 else 3, _FEWEST)
    quantiles = np.stack([np.quantile(one.variances, (0.1, LOW, 0.5), axis=0) for one in levels])
    tenth, low, half = np.sqrt(quantiles).swapaxes(0, 1)
    even = np.median(tenth[:, :3] / np.maximum(half[:, :3], 1e-9), axis=0)
    touched = windows.clipped > _TOUCHED
    grainy = (windows.clipped[touched] < _ALL).mean() if touched.any() else 0.0
    return Signs(np.median(low, axis=0), even, float(touched.mean()), float(grainy))


def is_noise(signs: Signs) -> bool:
    """Whether what varies is noise, not texture."""
    growth = signs.low[1:3] / np.maximum(signs.low[:2], 1e-9)
    if growth[0] <= 1.75:  # as strong at every scale
        return bool(signs.even[0] >= 0.66)
    if signs.black >= _BLACK:
        enough = 0.5 if signs.black >= 0.25 else 0.62
        return bool(signs.grainy >= GRAINY and signs.even[1] >= enough)
    return bool(signs.even[0] >= 0.75 and (growth[1] <= 1.25 or signs.even[2] >= 0.7))


def goes_on(slices: Array, widths: tuple[float, float], distance: float) -> bool:
    """Whether what varies goes on from slice (z, y, x) to slice, as texture does.

    Grain as wide across the slices as within them would be correlated from one slice to the next; where that
    is little, slices tell nothing.  Noise that is correlated across slices as within them, such as that of a
    volume that was interpolated before, cannot be told from texture so, and is left alone too.

    Parameters
    ----------
    slices:
        In [0, 1].
    widths:
        How far what varies is correlated within the slices: see :class:`~medfuse.noise.NoiseModel`.
    distance:
        Of the slices, in pixels.
    """
    width = (widths[0] + widths[1]) / 2
    expected = float(np.exp(-(distance**2) / (4 * width**2))) if width else 1.0
    if expected < _NEAR or distance > _FAR:
        return False
    found = persistence(slices, 1 if width else 0)
    return found is not None and found >= _PERSISTS * expected
