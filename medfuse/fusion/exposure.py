"""Exposure of a fused image: the curve that brings the values of the closed form into [0, 1].

With gains of unit norm the closed form T = Σ β_i X_i is X_i where one source alone shows something, and
reaches √n where all n are bright together.  Cutting it at 1 burns the latter to white; dividing by √n leaves
the former dull.  ``measured`` looks at how far T goes and at what the sources show.  It is half the sum of

- a line: the 2nd percentile of T goes to the least that any source has there, so that the black of one
  source is not lifted by the grey background of another, and the 99.5th percentile of the foreground to the
  most that any source has there, so that a dim pair is not stretched;
- a matching of histograms: the values of T in the foreground, by rank, get those of the brightest
  source at each voxel, with the same black.

The second spreads what T has crowded together where sources of opposite contrast are bright; the first keeps
every slope above half of its own, so that nothing is flattened.  On identical sources both are the
source itself.  There is one curve for all slices; it grows, and 0 stays 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .saturation import TOLERATED, foreground, saturation
from .types import Fused

__all__ = ["EXPOSURES", "Curve", "expose", "fixed_curve", "measured_curve"]

EXPOSURES = ("measured", "clip", "rescale", "shoulder")
"""measured: see above; clip: as the paper's sigmoid does; rescale: divide by √n; shoulder: compress what
is above 0.8."""

Array = npt.NDArray[np.float64]

_KNEE = 0.8
_BLACK, _BRIGHT = 0.02, 0.995  # shares of the voxels below black, of the foreground below bright
_PIECES = 64
_STEEPEST = 2.0
_MOST_VOXELS = 1_000_000  # that are ranked; more change nothing that can be seen
_BELOW_WHITE = 254 / 255


@dataclass(frozen=True, eq=False)
class Curve:
    """A growing curve through ``knots`` (k,) at ``values`` (k,), straight between them."""

    knots: Array
    values: Array

    def __call__(self, image: np.ndarray) -> Array:
        """The image by the curve."""
        return np.asarray(np.interp(image, self.knots, self.values))

    def slope(self, image: np.ndarray) -> Array:
        """Its steepness at each value, by which small differences of the image grow."""
        steepness = np.diff(self.values) / np.diff(self.knots)
        piece = np.searchsorted(self.knots, image, side="left") - 1
        inside = (piece < len(steepness)) & (image >= self.knots[0])
        return np.where(inside, steepness[np.clip(piece, 0, len(steepness) - 1)], 0.0)


def expose(
    fused: Fused, how: str, sources: np.ndarray, given: np.ndarray, measured: np.ndarray | None = None
) -> Fused:
    """The same fused image in [0, 1], its uncertainty by the slope of the curve.

    Parameters
    ----------
    fused:
        Its array (z, y, x) is in [0, √n].
    how:
        One of :data:`EXPOSURES`.
    sources:
        (n, z, y, x): what the array was made from, after denoising.
    given:
        The same before it: their share of pure white is what the result may have.
    measured:
        (z, y, x): the closed form of ``sources``, where the array is not near it.
    """
    if how == "measured":
        curve = measured_curve(fused.array if measured is None else measured, sources)
        curve = _less_white(curve, fused.array, given)
    else:
        curve = fixed_curve(how, len(sources))
    maps = dict(fused.maps)
    if "uncertainty" in maps:
        maps["uncertainty"] = (maps["uncertainty"] * curve.slope(fused.array)).astype(np.float32)
    facts = {**fused.info, "brightest_before_exposure": float(fused.array.max())}
    return replace(fused, array=curve(fused.array).astype(np.float32), maps=maps, info=facts)


def fixed_curve(how: str, n_sources: int) -> Curve:
    """The curve "clip", "rescale" or "shoulder" for values in [0, √n].

    "clip" keeps the brightness and loses the texture where several sources are bright; "rescale" keeps the
    texture and loses 1 − 1/√n of the brightness everywhere; "shoulder" keeps both below 0.8 and maps
    0.8…√n to 0.8…1 by a rational curve that begins with slope 1.
    """
    top = math.sqrt(n_sources)
    if how == "rescale":
        return Curve(np.array([0.0, top]), np.array([0.0, 1.0]))
    if how == "clip":
        return Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    bend = 1 / ((top - _KNEE) / (1 - _KNEE) - 1)
    share = np.linspace(0, 1, 513)
    bent = _KNEE + (1 - _KNEE) * (1 + bend) * share / (share + bend)
    return Curve(np.append(0.0, _KNEE + (top - _KNEE) * share), np.append(0.0, bent))


def measured_curve(image: np.ndarray, sources: np.ndarray) -> Curve:
    """The curve "measured" for ``image`` (z, y, x) ≥ 0 made from ``sources`` (n, z, y, x) in [0, 1]."""
    where = foreground(sources)
    if not where.any() or image.max() <= 0:
        return Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    ends = _ends(image, sources, where)
    line, match = _line(ends), _matching(image, sources.max(axis=0), where, ends)
    knots = np.union1d(line.knots, match.knots)
    return Curve(knots, (line(knots) + match(knots)) / 2)


class _Ends(NamedTuple):
    """Black and bright of the image, and what they shall become."""

    black: float
    bright: float
    to_black: float
    to_bright: float


def _ends(image: np.ndarray, sources: np.ndarray, where: npt.NDArray[np.bool_]) -> _Ends:
    black = _quantile(image.ravel(), _BLACK)
    bright = _quantile(image[where], _BRIGHT)
    to_black = min(black, *(_quantile(source.ravel(), _BLACK) for source in sources))
    to_bright = max(_quantile(source[where], _BRIGHT) for source in sources)
    if bright <= black:  # an image without contrast
        black, to_black = 0.0, 0.0
    return _Ends(black, bright, to_black, to_bright)


def _line(ends: _Ends) -> Curve:
    """Through 0, black and bright, and on with the same slope up to 1."""
    slope = (ends.to_bright - ends.to_black) / (ends.bright - ends.black)
    white = ends.bright + (1 - ends.to_bright) / slope
    return _through([0.0, ends.black, ends.bright, white], [0.0, ends.to_black, ends.to_bright, 1.0])


def _matching(image: np.ndarray, brightest: np.ndarray, where: npt.NDArray[np.bool_], ends: _Ends) -> Curve:
    """The values of the image in the foreground to those of the brightest source, rank by rank.

    Both are averaged over a 64th of the range, so that sources of few grey levels make no staircase, and
    what is steeper than twice the line is flattened, from black on.
    """
    values, wanted = np.sort(_some(image[where])), np.sort(_some(brightest[where]))
    black = _quantile(brightest.ravel(), _BLACK)
    if wanted[-1] > black:
        wanted = ends.to_black + (wanted - black) * (wanted[-1] - ends.to_black) / (wanted[-1] - black)
    starts = np.unique(np.searchsorted(values, np.linspace(0, values[-1], _PIECES + 1)[:-1]))
    counts = np.diff(np.append(starts, len(values)))
    wanted = wanted.clip(0, 1)
    knots, means = (np.add.reduceat(one, starts) / counts for one in (values, wanted))
    steepest = _STEEPEST * (ends.to_bright - ends.to_black) / (ends.bright - ends.black)
    knots, means = (np.array([0.0, *inner, end[-1]]) for inner, end in ((knots, values), (means, wanted)))
    for i, step in enumerate(np.diff(knots), 1):
        means[i] = min(means[i], means[i - 1] + steepest * step)
    return _through(knots, means)


def _through(knots: npt.ArrayLike, values: npt.ArrayLike) -> Curve:
    """The growing curve through points in order; where several have one knot, through their mean."""
    unique, which = np.unique(np.asarray(knots, dtype=float), return_inverse=True)
    means = np.bincount(which, values) / np.bincount(which)
    means[unique <= 0] = 0.0
    return Curve(unique, np.maximum.accumulate(means))


def _quantile(values: np.ndarray, share: float) -> float:
    return float(np.quantile(_some(values), share))


def _some(values: np.ndarray) -> Array:
    """Enough of ``values`` (k,) for their distribution."""
    step = values.size // _MOST_VOXELS | 1  # odd, so as not to fall into step with the rows
    return values[::step].astype(float)


def _less_white(curve: Curve, image: np.ndarray, given: np.ndarray) -> Curve:
    """The curve, or the same one grey level below white where it would whiten more than the sources allow."""
    where = foreground(given)
    allowed = max(saturation(source, where) for source in given) + TOLERATED
    if saturation(curve(image), where) <= allowed:
        return curve
    return Curve(curve.knots, _BELOW_WHITE * curve.values)
