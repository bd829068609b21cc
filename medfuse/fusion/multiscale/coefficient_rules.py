"""Choosing between the coefficients of several sources, as the transform methods do."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter

__all__ = ["activity", "strongest"]


def activity(coefficients: np.ndarray, window: int) -> np.ndarray:
    """How much happens around each coefficient (n, ..., y, x): the mean of squares over window × window.

    A window of 1 is the plain "largest magnitude" rule.
    """
    size = (1,) * (coefficients.ndim - 2) + (window, window)
    result: np.ndarray = (
        uniform_filter(coefficients**2, size, mode="nearest") if window > 1 else np.abs(coefficients)
    )
    return result


def strongest(coefficients: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """At each place the coefficient (n, ...) -> (...) of the source with the largest ``strength``.

    Where several are equally strong it is their mean, so that the order of the sources never matters.
    """
    wins = strength == strength.max(axis=0)
    result: np.ndarray = (coefficients * wins).sum(axis=0) / wins.sum(axis=0)
    return result
