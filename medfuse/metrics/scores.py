"""The scores of a volume: every metric on every slice that has something to score.

Scores are of the common field, the voxels that every source measured.  Metrics take rectangles: each slice is
cut to the rectangle that bounds its common field, and what lies outside the field within that rectangle is
continued from inside, by the same mirror (:func:`medfuse.sources.mirrored`) in the sources and the fused
image.  So no value counts that was not measured in every source, histograms hold values of the field only,
and no edge appears where it ends; setting the outside to 0 would add one that every method keeps, and a peak
to every histogram (``benchmarks/masks.py`` compares the two).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..progress import Progress, ignore
from ..sources import Sources, mirrored, stack_and_field
from .catalogue import METRICS, PROFILES
from .consistency import Consistency, interslice_consistency
from .metric import Metric, Undefined, check_images, check_shapes

__all__ = ["Scores", "evaluate", "slices_with_content"]


class HasArray(Protocol):
    """What holds an image as ``array``, such as :class:`medfuse.Fused`."""

    @property
    def array(self) -> np.ndarray:
        """(z, y, x)."""
        ...


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of one fused volume.

    Parameters
    ----------
    per_slice:
        key -> float64 (z,); NaN where a slice has no content or the metric is undefined there.
    reasons:
        key -> {slice index: why the metric is undefined there}.
    consistency:
        How far the fused volume flickers from slice to slice where its sources do not; None where it
        was not computed.
    """

    per_slice: Mapping[str, npt.NDArray[np.float64]]
    reasons: Mapping[str, Mapping[int, str]]
    consistency: Consistency | None = None

    @property
    def whole(self) -> dict[str, float]:
        """Key -> mean over the slices where the metric is defined; :class:`Undefined` where there is none."""
        return {key: self._over_defined(key, np.mean) for key in self.per_slice}

    @property
    def spread(self) -> dict[str, float]:
        """Key -> standard deviation over the slices where the metric is defined."""
        return {key: self._over_defined(key, np.std) for key in self.per_slice}

    def _over_defined(self, key: str, statistic: Callable[..., Any]) -> float:
        values = self.per_slice[key]
        defined = values[~np.isnan(values)]
        if defined.size:
            return float(statistic(defined))
        common = Counter(self.reasons.get(key, {}).values()).most_common(1)
        return Undefined(common[0][0] if common else "no slice shows something in every source")


def slices_with_content(sources: np.ndarray | Sources) -> npt.NDArray[np.bool_]:
    """Which slices of a stack (n, z, y, x) show something in every source: bool (z,).

    A slice in which one source is constant, over the common field, has nothing to fuse: it lies outside that
    source's field of view, or in air.
    """
    array, common = stack_and_field(sources)
    flat = array.reshape(*array.shape[:2], -1)
    if common is None:
        return np.asarray((flat.max(axis=2) > flat.min(axis=2)).all(axis=0))
    where = common.reshape(1, len(common), -1)
    highest = flat.max(axis=2, where=where, initial=0)
    lowest = flat.min(axis=2, where=where, initial=1)
    return np.asarray((highest > lowest).all(axis=0))


def evaluate(
    sources: np.ndarray | Sources,
    fused: np.ndarray | HasArray,
    metrics: Iterable[str] | str | None = None,
    progress: Progress = ignore,
) -> Scores:
    """Score a fused volume against its sources.

    Parameters
    ----------
    sources:
        (n, z, y, x) in [0, 1]; uint8 is taken as 0 to 255.  As :class:`medfuse.Sources` they carry masks, and
        the scores are of their common field: see above.
    fused:
        (z, y, x) in [0, 1]; likewise.  Or what holds it as ``array``: a :class:`medfuse.Fused` or a Volume.
    metrics:
        Keys of :data:`medfuse.METRICS`, or the name of one of the :data:`PROFILES`; None for all.
    progress:
        Called with (fraction, message) before each slice.

    Returns
    -------
    Scores
        Slices without content are left out.  A metric that is defined for two sources only is
        undefined in every slice if there are more.

    Raises
    ------
    ParameterError
        If the shapes do not fit or values lie outside [0, 1].
    UnknownNameError
        For a key or profile that does not exist.
    """
    array, common = stack_and_field(sources)
    fused = np.asarray(getattr(fused, "array", fused))
    check_shapes(array, fused)
    if metrics is None or isinstance(metrics, str):
        metrics = PROFILES[metrics or "all"]
    chosen = {key: METRICS[key] for key in metrics}
    depth = len(fused)
    per_slice = {key: np.full(depth, np.nan) for key in chosen}
    reasons: dict[str, dict[int, str]] = {key: {} for key in chosen}
    for z in np.flatnonzero(slices_with_content(sources)).tolist():
        progress(z / depth, f"scoring slice {z + 1} of {depth}")
        pair = _of_field(array[:, z], fused[z], None if common is None else common[z])
        for key, metric in chosen.items():
            value = _score(metric, *pair)
            per_slice[key][z] = value
            if np.isnan(value):
                reasons[key][z] = getattr(value, "reason", "undefined")
    progress(1.0, f"{depth} slices scored")
    return Scores(per_slice, reasons, interslice_consistency(sources, fused))


def _of_field(
    sources: np.ndarray, fused: np.ndarray, common: npt.NDArray[np.bool_] | None
) -> tuple[np.ndarray, np.ndarray]:
    """One slice as metrics take it, cut to its common field; checked here once, and not for each metric."""
    if common is not None and not common.all():
        rows, columns = (np.flatnonzero(common.any(axis=axis)) for axis in (1, 0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        inside = mirrored(common[box])
        sources, fused = sources[(..., *box)][(..., *inside)], fused[box][inside]
    return check_images(sources, fused)


def _score(metric: Metric, sources: np.ndarray, fused: np.ndarray) -> float:
    if metric.two_sources and len(sources) != 2:
        return Undefined(f"defined for two sources, and there are {len(sources)}")
    return metric.function(sources, fused)
