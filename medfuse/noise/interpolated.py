"""The noise of a source after interpolation, from what it was before: nothing is estimated again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from .drawing import correlation
from .estimation import UNCORRELATED
from .model import NoiseModel, scaled

__all__ = ["interpolated"]

_WIDTHS = np.linspace(0, 6, 241)


def interpolated(
    model: NoiseModel, kept: float, correlations: Sequence[npt.ArrayLike], *, clipped: bool
) -> NoiseModel:
    """The noise ``model`` of a source after its interpolation.

    Parameters
    ----------
    model:
        Before.
    kept:
        Share of the variance that is left; more than 1, as splines may leave, counts for noise that
        nothing clipped.
    correlations:
        Along y and x of the new grid, each between pixels 1, 2, … apart: what the Gaussian kernels of the
        model are fitted to.
    clipped:
        Whether [0, 1] had clipped the values before they were interpolated; else it does so afterwards.
        Magnitudes and logarithms were made before in any case.
    """
    y, x = (_width(np.asarray(one, dtype=float)) for one in correlations)
    before = clipped or model.kind in ("rice", "log-speckle")
    left = replace(model, kept=min(1.0, model.kept * kept)) if before else scaled(model, kept**0.5)
    return replace(left, widths=(y, x))


def _width(wanted: npt.NDArray[np.float64]) -> float:
    """Width in pixels of the Gaussian whose noise is correlated most nearly so."""
    known = np.zeros((_WIDTHS.size, wanted.size))
    for row, width in zip(known, _WIDTHS, strict=True):
        lags = correlation(width)[1 : wanted.size + 1]
        row[: lags.size] = lags
    best = float(_WIDTHS[np.argmin(np.square(known - wanted).sum(axis=1))])
    return 0.0 if best < UNCORRELATED else best
