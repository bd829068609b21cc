"""Inter-slice consistency: does the fused volume flicker where its sources do not?

Methods that fuse slice by slice, each with its own statistics, seed or number of steps, can give
neighbouring slices another brightness or texture.  No metric of a slice sees that; scrolling through the
volume, and any reformat across the slices, shows it at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..sources import Sources, stack_and_field
from .metric import Undefined, check_shapes

__all__ = ["Consistency", "interslice_consistency"]


@dataclass(frozen=True, eq=False)
class Consistency:
    """How far the changes between the slices of a fused volume are explained by its sources.

    Parameters
    ----------
    value:
        1: wholly, 0: not at all; :class:`Undefined` where no two neighbouring slices were measured.
    per_gap:
        float64 (z − 1,): the same between slice ``k`` and slice ``k + 1``; NaN where no pixel was measured
        in both.
    flicker:
        float64 (z − 1,): what is not explained there, mean over the pixels, in grey values of [0, 1];
        likewise.
    """

    value: float
    per_gap: npt.NDArray[np.float64]
    flicker: npt.NDArray[np.float64]


def interslice_consistency(sources: np.ndarray | Sources, fused: np.ndarray) -> Consistency:
    """Inter-slice consistency of a fused volume F against its sources S_i.

    Between neighbouring slices, with |ΔF| and |ΔS_i| the absolute changes of a pixel::

        1 − Σ max(|ΔF| − Σ_i |ΔS_i|, 0) / Σ |ΔF|

    over all pixels and gaps; with masks, over the pixels that every source measured in both slices.  A pixel
    may change as much as its sources do together; what goes beyond is flicker.

    Parameters
    ----------
    sources:
        (n, z, y, x) in [0, 1], or :class:`medfuse.Sources`.
    fused:
        (z, y, x) in [0, 1].

    Returns
    -------
    Consistency
        In [0, 1]; higher is better.  1 for a fused volume that does not change at all, and for every
        rule that works pixel by pixel and follows each source at most one to one: the average, the
        maximum, any weighted sum whose weights are at most 1 and the same in all slices.
        Undefined for a single slice, and where no two neighbours were measured.

    Raises
    ------
    ParameterError
        If the shapes do not fit.

    Notes
    -----
    The bound is a lenient one: where a source changes itself, by anatomy or by noise, it hides flicker
    of up to that size.  Rules that raise contrast, so that a pixel changes more than its sources
    together, lose points as if they flickered.  Slices farther apart change more, but so do the
    sources: the value does not need the spacing.
    """
    array, common = stack_and_field(sources)
    fused = np.asarray(fused)
    check_shapes(array, fused)
    whole = np.ones(fused.shape, bool) if common is None else common
    gaps = [_gap(array[:, z : z + 2], fused[z : z + 2], whole[z : z + 2]) for z in range(len(fused) - 1)]
    change, flicker, pixels = np.array(gaps, dtype=float).reshape(-1, 3).T
    return Consistency(
        _whole(change.sum(), flicker.sum(), pixels),
        np.array([_explained(*gap[:2]) if gap[2] else np.nan for gap in gaps], dtype=float),
        np.divide(flicker, pixels, out=np.full_like(flicker, np.nan), where=pixels > 0),
    )


def _gap(sources: np.ndarray, fused: np.ndarray, common: np.ndarray) -> tuple[float, float, int]:
    """Sum of the changes from one slice to the next, what of it is not explained, and of how many pixels."""
    both = common.all(axis=0)
    change = np.abs(np.diff(fused.astype(float), axis=0)[0])[both]
    explained = np.abs(np.diff(sources.astype(float), axis=1)[:, 0]).sum(axis=0)[both]
    return float(change.sum()), float(np.maximum(change - explained, 0).sum()), change.size


def _whole(change: float, flicker: float, pixels: npt.NDArray[np.float64]) -> float:
    if not pixels.size:
        return Undefined("there is only one slice")
    return _explained(change, flicker) if pixels.any() else Undefined("no pixel was measured in two slices")


def _explained(change: float, flicker: float) -> float:
    return 1 - float(flicker / change) if change > 0 else 1.0
