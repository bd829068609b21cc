"""Each source counts as much as it varies around a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from medfuse.fusion import Fused, SliceFusion, map_slices
from medfuse.fusion.parameters import check_parameters, parameter
from medfuse.progress import Progress, ignore

__all__ = ["LocalContrast"]

_LEAST = 1e-6  # of a variance: where no source varies, all count the same


@dataclass(frozen=True)
class LocalContrast:
    """Mean of the sources, each weighted by its local variance.

    Source: the simplest of the rules by local energy, Burt, Kolczynski, ICCV 1993.
    """

    sigma: float = parameter(3.0, "width of the Gaussian window, in pixels", minimum=0.5, maximum=50.0)

    def __post_init__(self) -> None:
        check_parameters(self)

    def __call__(self, sources: np.ndarray, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1]; maps ``weight_i`` of each source."""
        return map_slices(self._slice, sources, progress)

    def _slice(self, sources: np.ndarray) -> SliceFusion:
        """One slice (n, y, x)."""
        variances = np.stack([self._variance(image) for image in sources]) + _LEAST
        weights = variances / variances.sum(axis=0)
        maps = {f"weight_{i}": weight for i, weight in enumerate(weights)}
        return SliceFusion((weights * sources).sum(axis=0), maps)

    def _variance(self, image: np.ndarray) -> np.ndarray:
        mean = gaussian_filter(image, self.sigma)
        square = gaussian_filter(image.astype(float) ** 2, self.sigma)
        spread: np.ndarray = np.maximum(square - mean.astype(float) ** 2, 0)
        return spread
