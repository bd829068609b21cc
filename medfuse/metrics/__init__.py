"""Quality metrics of image fusion, equal to the field's own code.

Each metric is a pure function of one slice; :func:`evaluate` applies them to the slices of a volume.
Where a public code and its paper differ, the code wins, because its numbers are the ones in print; the
docstring says what differs.  Faults that make values depend on rounding are guarded, and said so.
"""

from __future__ import annotations

from .catalogue import METRICS, PROFILES, MetricRow, left_out, metric_rows
from .consistency import Consistency, interslice_consistency
from .metric import Metric, Undefined
from .scores import Scores, evaluate, slices_with_content
from .truth import Likeness, compare_with_truth, psnr

__all__ = [
    "METRICS",
    "PROFILES",
    "Consistency",
    "Likeness",
    "Metric",
    "MetricRow",
    "Scores",
    "Undefined",
    "compare_with_truth",
    "evaluate",
    "interslice_consistency",
    "left_out",
    "metric_rows",
    "psnr",
    "slices_with_content",
]
