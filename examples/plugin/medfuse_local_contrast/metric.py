"""The contrast of the fused slice."""

from __future__ import annotations

import numpy as np

from medfuse.metrics import Metric

__all__ = ["CONTRAST"]


def _contrast(sources: np.ndarray, fused: np.ndarray) -> float:  # noqa: ARG001 - a metric gets both
    """Standard deviation of a fused slice (y, x) in [0, 1]."""
    return float(fused.std())


CONTRAST = Metric("contrast", "Standard deviation", _contrast, True, (0.0, 0.5), "any textbook of statistics")
