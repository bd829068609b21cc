"""The two baselines that every report shows beside the chosen method."""

from __future__ import annotations

from dataclasses import dataclass

from ..progress import Progress, ignore
from .types import Fused, Stack

__all__ = ["Average", "Maximum"]


@dataclass(frozen=True)
class Average:
    """The mean of the sources at each pixel."""

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1]."""
        progress(0.0, "averaging")
        return Fused(sources.mean(axis=0))


@dataclass(frozen=True)
class Maximum:
    """The brightest source at each pixel."""

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1]."""
        progress(0.0, "taking the maximum")
        return Fused(sources.max(axis=0))
