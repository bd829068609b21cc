"""The scores of a volume: every metric on every slice that has something to score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..progress import Progress, ignore
from .catalogue import METRICS, PROFILES
from .consistency import Consistency, interslice_consistency
from .metric import Metric, Undefined, check_images

__all__ = ["Scores", "evaluate", "slices_with_content"]


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


def slices_with_content(sources: np.ndarray) -> npt.NDArray[np.bool_]:
    """Which slices of a stack (n, z, y, x) show something in every source: bool (z,).

    A slice in which one source is constant has nothing to fuse: it lies outside that source's
    field of view, or in air.
    """
    flat = np.asarray(sources).reshape(*np.shape(sources)[:2], -1)
    return np.asarray((flat.max(axis=2) > flat.min(axis=2)).all(axis=0))


def evaluate(
    sources: np.ndarray,
    fused: np.ndarray,
    metrics: Iterable[str] | str | None = None,
    progress: Progress = ignore,
) -> Scores:
    """Score a fused volume against its sources.

    Parameters
    ----------
    sources:
        (n, z, y, x) in [0, 1]; uint8 is taken as 0 to 255.
    fused:
        (z, y, x) in [0, 1]; likewise.
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
    sources, fused = np.asarray(sources), np.asarray(fused)
    if sources.ndim != 4 or fused.shape != sources.shape[1:]:
        raise ParameterError(
            f"sources of shape {sources.shape} and fused of shape {fused.shape}: "
            "expected (n, z, y, x) and (z, y, x)"
        )
    if metrics is None or isinstance(metrics, str):
        metrics = PROFILES[metrics or "all"]
    chosen = {key: METRICS[key] for key in metrics}
    depth = len(fused)
    per_slice = {key: np.full(depth, np.nan) for key in chosen}
    reasons: dict[str, dict[int, str]] = {key: {} for key in chosen}
    for z in np.flatnonzero(slices_with_content(sources)).tolist():
        progress(z / depth, f"scoring slice {z + 1} of {depth}")
        pair = check_images(sources[:, z], fused[z])  # once, and not again from scratch for each metric
        for key, metric in chosen.items():
            value = _score(metric, *pair)
            per_slice[key][z] = value
            if np.isnan(value):
                reasons[key][z] = getattr(value, "reason", "undefined")
    progress(1.0, f"{depth} slices scored")
    return Scores(per_slice, reasons, interslice_consistency(sources, fused))


def _score(metric: Metric, sources: np.ndarray, fused: np.ndarray) -> float:
    if metric.two_sources and len(sources) != 2:
        return Undefined(f"defined for two sources, and there are {len(sources)}")
    return metric.function(sources, fused)
