"""Quality metrics of image fusion, equal to the field's own code.

Each metric is a pure function of one slice; :func:`evaluate` applies them to the slices of a volume.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..progress import Progress, ignore
from ..registry import Registry
from .metric import Metric, Undefined

__all__ = ["METRICS", "Metric", "Scores", "Undefined", "evaluate", "slices_with_content"]

METRICS: Registry[Metric] = Registry(
    "metric",
    {
        "pe": "medfuse.metrics.gradient:PE",
        "mi": "medfuse.metrics.information:MI",
        "q": "medfuse.metrics.structure:Q",
        "cv": "medfuse.metrics.structure:CV",
    },
    group="medfuse.metrics",
)
"""Key -> :class:`Metric`."""


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of one fused volume.

    Parameters
    ----------
    per_slice:
        key -> float64 (z,); NaN where a slice has no content or the metric is undefined there.
    reasons:
        key -> {slice index: why the metric is undefined there}.
    """

    per_slice: Mapping[str, npt.NDArray[np.float64]]
    reasons: Mapping[str, Mapping[int, str]]

    @property
    def whole(self) -> dict[str, float]:
        """Key -> mean over the slices where the metric is defined; NaN where there is none."""
        return {key: _over_defined(np.mean, values) for key, values in self.per_slice.items()}

    @property
    def spread(self) -> dict[str, float]:
        """Key -> standard deviation over the slices where the metric is defined."""
        return {key: _over_defined(np.std, values) for key, values in self.per_slice.items()}


def _over_defined(statistic: Callable[..., Any], values: npt.NDArray[np.float64]) -> float:
    defined = values[np.isfinite(values)]
    return float(statistic(defined)) if defined.size else float("nan")


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
    metrics: Iterable[str] | None = None,
    progress: Progress = ignore,
) -> Scores:
    """Score a fused volume against its sources.

    Parameters
    ----------
    sources:
        (n, z, y, x) in [0, 1].
    fused:
        (z, y, x) in [0, 1].
    metrics:
        Keys of :data:`medfuse.METRICS`; None for all.
    progress:
        Called with (fraction, message) before each slice.

    Raises
    ------
    ParameterError
        If the shapes do not fit or values lie outside [0, 1].
    UnknownNameError
        For a key that does not exist.
    """
    sources, fused = np.asarray(sources), np.asarray(fused)
    if sources.ndim != 4 or fused.shape != sources.shape[1:]:
        raise ParameterError(
            f"sources of shape {sources.shape} and fused of shape {fused.shape}: "
            "expected (n, z, y, x) and (z, y, x)"
        )
    keys = list(METRICS if metrics is None else metrics)
    chosen = {key: METRICS[key] for key in keys}
    depth = len(fused)
    per_slice = {key: np.full(depth, np.nan) for key in keys}
    reasons: dict[str, dict[int, str]] = {key: {} for key in keys}
    for z in np.flatnonzero(slices_with_content(sources)):
        progress(z / depth, f"scoring slice {z + 1} of {depth}")
        for key, metric in chosen.items():
            value = metric.function(sources[:, z], fused[z])
            per_slice[key][z] = value
            if np.isnan(value):
                reasons[key][int(z)] = getattr(value, "reason", "undefined")
    return Scores(per_slice, reasons)
