"""The scores of all studies, metric by metric: what box plots show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..jobs import Row

__all__ = ["Summary", "summaries"]

_WHISKER = 1.5  # interquartile ranges, as Tukey has them


@dataclass(frozen=True)
class Summary:
    """One metric of one method over all studies that have it.

    ``low`` and ``high`` are the ends of the whiskers: the outermost values within 1.5 interquartile
    ranges of the box; ``outliers`` lie beyond.  ``missing`` counts studies where it is undefined.
    """

    metric: str
    method: str
    chosen: bool
    n: int
    missing: int
    mean: float
    deviation: float
    minimum: float
    lower: float
    median: float
    upper: float
    maximum: float
    low: float
    high: float
    outliers: tuple[float, ...]


def summaries(rows: Sequence[Row]) -> dict[str, list[Summary]]:
    """Metric -> a summary of each method, the chosen ones first; for rows of finished studies."""
    values: dict[str, dict[tuple[bool, str], list[float | None]]] = {}
    for row in rows:
        for method, scores in row["scores"].items():
            for metric, value in scores.items():
                key = (method != row["method"], method)
                values.setdefault(metric, {}).setdefault(key, []).append(value)
    return {
        metric: [
            _summary(metric, method, not baseline, methods[baseline, method])
            for baseline, method in sorted(methods, key=lambda one: one[0])
            if any(value is not None for value in methods[baseline, method])
        ]
        for metric, methods in values.items()
    }


def _summary(metric: str, method: str, chosen: bool, values: Sequence[float | None]) -> Summary:
    x = np.sort(np.array([value for value in values if value is not None], float))
    lower, median, upper = np.percentile(x, (25, 50, 75))
    reach = _WHISKER * (upper - lower)
    inside = (x >= lower - reach) & (x <= upper + reach)
    return Summary(
        metric, method, chosen, x.size, len(values) - x.size,
        float(x.mean()), float(x.std(ddof=1)) if x.size > 1 else 0.0,
        float(x[0]), float(lower), float(median), float(upper), float(x[-1]),
        float(x[inside][0]), float(x[inside][-1]), tuple(x[~inside].tolist()),
    )  # fmt: skip
