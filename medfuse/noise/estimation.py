"""What noise a source has: the estimate of its :class:`~medfuse.noise.NoiseModel` from its pixels.

The noise is measured where the image is flattest, at several scales and levels of brightness
(:mod:`.flatness`).  The scales tell how far it is correlated, the levels of brightness what kind it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError, UnknownNameError
from .flatness import LOW, STEPS, Windows, gain, low_quantile, windows_of
from .model import NoiseModel, scaled
from .verdict import CLEAR, GRAINY, goes_on, is_noise, signs_of

__all__ = [
    "CHOICES",
    "WORTH_REMOVING",
    "Assessment",
    "assess_noise",
    "estimate_noise",
    "in_words",
    "is_worth_denoising",
    "worth_removing",
]

Array = npt.NDArray[np.float64]

CHOICES = ("auto", "gauss", "rice", "speckle", "none")
"""What may be said of the noise; "speckle" stands for log-compressed speckle too."""

_NEGLIGIBLE = 1e-7  # a variance far below that of 8-bit quantisation, 1.3e-6
_MOSTLY_CLIPPED, _CLEAR = 0.9, 0.05  # clipped shares of windows
_LEVELS, _FEWEST = 16, 12  # of brightness, in which the noise is measured, and windows in each
_SIMPLER = 3.0  # how much worse a simpler model may fit: additive than speckle, one number than two
_ALIKE = 0.002  # costs a level that differ by less are alike
_WIDTHS = np.linspace(0, 1.8, 37)
UNCORRELATED = 0.37  # widths below this are errors of the estimate
_AS_STRONG = 1.3  # growth of the deviation from step 1 to 2 up to which noise is white; structure adds some
_SPECKLE_SKEW = -0.5  # log-compressed speckle has −1.14, normal noise 0
_WHITE_COSTS = 0.5
_ALIKE_TEXTURE = ("gauss", "speckle")  # kinds that nothing but their strength tells from texture
WORTH_REMOVING = 0.015
"""Level from which white noise is worth removing; see :func:`is_worth_denoising`."""

_WORTH = WORTH_REMOVING, 0.04  # the same for white and correlated noise
_STRUCTURE = 0.7  # weight of a brightness that varies more than the model says: structure adds to noise

_BACKGROUND = 0.1  # share of windows from which a background without signal tells the level
_NEAR_HALF, _DARK = 0.15, 1.5  # how far its clipped share is from ½; how much brighter dark windows may be
_RAYLEIGH_MEAN = math.sqrt(math.pi / 2)
_RAYLEIGH_OFF = 1.4  # how far the mean² over the variance may be from that of a Rayleigh variable, 3.66
_LOW_MEAN = 0.951  # the low quantile of the means of windows of Rayleigh noise, as a share of their mean

_NONE = NoiseModel(0.0, 0.0)


class Assessment(NamedTuple):
    """The noise of a source: its model (of variance 0 where there is none), and in words what was found."""

    model: NoiseModel
    finding: str


class _Measured(NamedTuple):
    """The noise at several levels of brightness."""

    means: Array
    variances: Array


def estimate_noise(slices: npt.ArrayLike, kind: str = "auto", level: float = 0.0) -> NoiseModel:
    """The noise model of one source, slices (z, y, x) or one slice (y, x) in [0, 1].

    See :func:`assess_noise`, which also says in words what was found.
    """
    return assess_noise(slices, kind, level).model


def assess_noise(
    slices: npt.ArrayLike, kind: str = "auto", level: float = 0.0, distance: float = math.inf
) -> Assessment:
    """The noise of one source, slices (z, y, x) or one slice (y, x) in [0, 1].

    Parameters
    ----------
    slices:
        At most 12 of them are looked at.
    kind:
        One of :data:`CHOICES`: what is known of it.  "auto" finds out, and takes texture for no noise;
        where a kind is given there is noise.
    level:
        Its standard deviation about a signal of ½, where that is known; 0: it is measured.
    distance:
        Of the slices in pixels, where that is known: near ones tell noise from texture.

    Raises
    ------
    UnknownNameError, ParameterError
        If there is no such kind, or the level is negative.
    """
    if kind not in CHOICES:
        raise UnknownNameError("kind of noise", kind, CHOICES)
    if level < 0:
        raise ParameterError(f"noise level {level:g}: expected 0 (to measure it) or more")
    if kind == "none":
        return Assessment(_NONE, "none, as given")
    array = np.asarray(slices, dtype=float)
    windows = windows_of(_stack(array))
    tell = windows.where(windows.clipped < _MOSTLY_CLIPPED)
    signs = signs_of(windows)
    if signs is None or len(tell) < 4 * _FEWEST:
        return _as_given(kind, level) or Assessment(
            _NONE, "none: the image is too small or too uniform to tell"
        )
    if kind == "auto" and not is_noise(signs):
        return _as_given(kind, level) or Assessment(_NONE, "none: what varies is texture")
    widths = _widths(windows, signs.grainy)
    if signs.grainy < GRAINY:  # black is free of noise: at its rim nothing is to be measured
        tell = tell.where(tell.clipped < _CLEAR)
        if len(tell) < _FEWEST:
            return _as_given(kind, level) or Assessment(_NONE, "none: too little of the image is not clipped")
    model = replace(_best_model(tell, kind, widths), widths=widths)
    if kind == "auto" and model.kind in _ALIKE_TEXTURE and goes_on(_stack(array), widths, distance):
        return _as_given(kind, level) or Assessment(
            _NONE, "none: what varies goes on from slice to slice, as texture does"
        )
    model = scaled(model, _background_level(windows, model) / model.level)
    if level:
        model = scaled(model, level / model.level)
    return Assessment(model, in_words(model))


def _stack(array: Array) -> Array:
    """Slices (z, y, x) of slices or of one slice."""
    return array.reshape(-1, *array.shape[-2:])


def _background_level(windows: Windows, model: NoiseModel) -> float:
    """The level as a background with hardly any signal tells it, where there is one; else that of the model.

    No structure disturbs it, and no correlation.  The mean of a magnitude without signal is σ √(π/2), that of
    normal noise of which a share c is clipped at 0 is σ (φ(z) + z Φ(z)) with Φ(−z) = c.  Variances about so
    dark a signal tell less: they depend on signal and level alike.
    """
    from scipy.special import ndtr, ndtri

    if model.kind == "rice":
        dark = windows.where(windows.means < _DARK * _RAYLEIGH_MEAN * model.level)
        if not _is_rayleigh(dark):
            return model.level
        levels = dark.means / _RAYLEIGH_MEAN / _LOW_MEAN
    elif model.kind == "gauss":
        black = windows.where((np.abs(windows.clipped - 0.5) < _NEAR_HALF) & (windows.means < model.level))
        z = -ndtri(black.clipped)
        levels = black.means / (np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi) + z * ndtr(z))
    else:
        return model.level
    if levels.size < _BACKGROUND * len(windows):
        return model.level
    return float(np.quantile(levels, LOW if model.kind == "rice" else 0.5))


def _is_rayleigh(dark: Windows) -> bool:
    """Whether mean and variance belong together as without signal; those of interpolated noise do not."""
    if not len(dark):
        return False
    ratio = np.median(dark.means) ** 2 / max(float(np.median(dark.moments[:, 0])), 1e-12)
    return bool(1 / _RAYLEIGH_OFF <= ratio * (2 - math.pi / 2) / (math.pi / 2) <= _RAYLEIGH_OFF)


def _as_given(kind: str, level: float) -> Assessment | None:
    """White noise of the level that is known, where pixels do not tell; None where none is known."""
    if not level:
        return None
    model = NoiseModel(0.0, 4 * level**2, "speckle") if kind == "speckle" else NoiseModel(level**2, 0.0)
    model = replace(model, kind="rice") if kind == "rice" else model
    return Assessment(model, f"{in_words(model)}, as given")


def is_worth_denoising(models: Sequence[NoiseModel], factor: float = 1.0) -> bool:
    """Whether the noise of any source is strong enough that removing it gains more than it costs.

    From a level of 0.015 of the range on, from 0.04 where it is correlated: weaker noise is hard to tell from
    texture, and what denoising would gain is less than what it might take away.  ``factor`` leads from
    the levels of the models to those of the range that is looked at.
    """
    return any(factor * one.level >= _WORTH[max(one.widths) > 0] for one in models)


def worth_removing(model: NoiseModel) -> NoiseModel:
    """The model, or that of no noise where :func:`is_worth_denoising` says so."""
    return model if is_worth_denoising([model]) else _NONE


def in_words(model: NoiseModel) -> str:
    """What a reader should know of the noise, such as "Rician noise of 0.071, correlated over 0.5 pixels"."""
    if model.level == 0:
        return "none"
    deviation = math.sqrt(model.kept * model.additive)
    words = {
        "gauss": f"noise of {deviation:.3f}",
        "rice": f"Rician noise of {deviation:.3f}",
        "speckle": f"speckle of {math.sqrt(model.kept * model.multiplicative):.2f} of the signal",
        "log-speckle": f"log-compressed speckle of {deviation:.3f}",
    }[model.kind]
    if model.kind == "speckle" and model.additive:
        words += f" and noise of {deviation:.3f}"
    if max(model.widths) > 0:
        words += ", correlated as by a Gaussian of " + "×".join(f"{width:.1f}" for width in model.widths)
        words += " pixels"
    return words


def _widths(windows: Windows, grainy: float) -> tuple[float, float]:
    """How far the noise is correlated along y and x, from how its variance grows with the scale.

    That of structure grows too, so that the flattest levels of brightness tell.  Among these is a black
    background with noise on it: clipping leaves white noise white, but weakens the correlation of other
    noise, whose widths are therefore taken where nothing is black.
    """
    clear = windows.where(windows.clipped < CLEAR)
    everywhere = windows.where(windows.clipped < _MOSTLY_CLIPPED) if grainy >= GRAINY else clear
    flat = _where_flattest(everywhere)
    if flat[1] <= _AS_STRONG * flat[0]:
        return 0.0, 0.0
    low = np.square(_where_flattest(clear))
    second = _fitted_widths(low / low_quantile(_fitted_widths(low)))
    return tuple(0.0 if width < UNCORRELATED else width for width in second)  # type: ignore[return-value]


def _where_flattest(windows: Windows) -> Array:
    """Deviation of the answers at each step, in the quarter of the brightnesses where structure is least."""
    levels = windows.by_brightness(min(_LEVELS, len(windows) // _FEWEST), _FEWEST)
    low = np.sqrt([np.quantile(one.variances, LOW, axis=0) for one in levels])
    flattest = np.argsort(low[:, 2])[: math.ceil(len(low) / 4)]
    return np.asarray(np.median(low[flattest], axis=0))


def _fitted_widths(variances: Array) -> tuple[float, float]:
    """The widths that explain the variances at each step best, with a little white noise added.

    The white part stands for edges and clipping, which answer at every scale; without it the weak answer of
    widely correlated noise at the finest scale would be taken for narrower noise.
    """
    gains = np.array([[gain(width, d) for d in (1, 2, 3)] for width in _WIDTHS])
    pairs = [gains[:, None, dy - 1] * gains[None, :, dx - 1] for dy, dx in STEPS]
    coloured = np.stack(pairs, axis=-1) / (variances + _NEGLIGIBLE)  # (y, x, steps)
    white = np.broadcast_to(1 / (variances + _NEGLIGIBLE), coloured.shape)
    cost = _misfit(coloured, white)
    y, x = np.unravel_index(np.argmin(cost), cost.shape)
    return float(_WIDTHS[y]), float(_WIDTHS[x])


def _misfit(coloured: Array, white: Array) -> Array:
    """Least Σ (s · coloured + t · white − 1)² over s, t ≥ 0 along the last axis; a share of white costs."""
    cc, ww, cw = (coloured**2).sum(-1), (white**2).sum(-1), (coloured * white).sum(-1)
    c, w = coloured.sum(-1), white.sum(-1)
    t = np.clip((cc * w - cw * c) / np.maximum(cc * ww - cw**2, 1e-12), 0, None)
    s = np.clip((c - t * cw) / cc, 0, None)
    left = np.square(s[..., None] * coloured + t[..., None] * white - 1).sum(-1)
    return np.asarray(left + _WHITE_COSTS * t / np.maximum(s + t, 1e-12))


def _best_model(tell: Windows, kind: str, widths: tuple[float, float]) -> NoiseModel:
    measured = _measure(tell, widths)
    start = float(np.median(measured.variances)) + 1e-9
    additive = _fit(measured, [start, None])
    if kind in ("auto", "speckle") and _skewness(tell) < _SPECKLE_SKEW:
        return replace(additive[1], kind="log-speckle")
    if kind == "rice" or (kind == "auto" and _is_rician(tell, additive[1].level)):
        return _fit(measured, [start, None], "rice")[1]
    if kind == "gauss":
        return additive[1]
    multiplicative = _fit(measured, [None, 0.02], "speckle")
    starts: list[list[float | None]] = [[0.8 * additive[1].additive, 1e-3], [1e-6, 0.02]]
    mixed = min((_fit(measured, one, "speckle") for one in starts), key=lambda found: found[0])
    cost, simple = multiplicative
    if kind == "auto" and additive[0] <= _SIMPLER * cost + _ALIKE * measured.means.size:
        cost, simple = additive
    return simple if cost <= _SIMPLER * mixed[0] + _ALIKE * measured.means.size else mixed[1]


def _measure(tell: Windows, widths: tuple[float, float]) -> _Measured:
    """The noise by brightness, at the finest scale at which it is not much weakened by its correlation."""
    widest = max(widths)
    step = 0 if widest == 0 else (1 if widest < 0.9 else 2)
    dy, dx = STEPS[step]
    scale = low_quantile(widths)[step] * gain(widths[0], dy) * gain(widths[1], dx)
    levels = tell.by_brightness(min(_LEVELS, len(tell) // _FEWEST), _FEWEST)
    low = np.array([np.quantile(one.variances[:, step], LOW) for one in levels])
    return _Measured(np.array([one.means.mean() for one in levels]), low / scale)


def _skewness(tell: Windows) -> float:
    """That of the pixels in flat windows in which nothing is clipped; 0 where there are too few."""
    clear = tell.where(tell.clipped == 0)
    if len(clear) < 2 * _FEWEST:
        return 0.0
    flat = clear.where(clear.moments[:, 0] <= np.quantile(clear.moments[:, 0], 0.4))
    variance, third = flat.moments.mean(axis=0)
    return float(third / max(variance, 1e-12) ** 1.5)


def _is_rician(tell: Windows, level: float) -> bool:
    """Whether the dark background is noise about a mean above 0 that nothing clips, as a magnitude is."""
    dark = tell.where(tell.means < 2 * level)
    return len(dark) >= 0.03 * len(tell) and float(dark.clipped.mean()) < 0.03


def _fit(measured: _Measured, start: list[float | None], kind: str = "gauss") -> tuple[float, NoiseModel]:
    """Cost and model of the best fit from ``start``; None in it for a variance that is kept at 0."""
    from scipy.optimize import least_squares

    free = [value is not None for value in start]

    def model(logs: Array) -> NoiseModel:
        values = iter(np.exp(logs))
        additive, multiplicative = (float(next(values)) if is_free else 0.0 for is_free in free)
        return NoiseModel(additive, multiplicative, kind)

    def residuals(logs: Array) -> Array:
        means, variances = model(logs).clipped_moments
        expected = np.interp(measured.means, means, variances)
        off = np.log((expected + _NEGLIGIBLE) / (measured.variances + _NEGLIGIBLE))
        return np.where(off < 0, _STRUCTURE * off, off)

    found = least_squares(
        residuals,
        np.log([max(value, 1e-9) for value in start if value is not None]),
        bounds=(np.log(1e-10), np.log(0.5)),
        loss="soft_l1",
        f_scale=0.3,
    )
    return float(found.cost), model(found.x)
