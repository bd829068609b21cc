"""A fusion method of your own: the power mean, from the mean (power 1) towards the maximum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import medfuse
from medfuse import Geometry
from medfuse.fusion import Fused, SliceFusion, map_slices
from medfuse.fusion.parameters import check_parameters, parameter
from medfuse.phantom import render
from medfuse.progress import Progress, ignore


@dataclass(frozen=True)
class PowerMean:
    """The power mean of the sources at each pixel."""

    power: float = parameter(2.0, "1: mean; large: towards the maximum", minimum=1.0, maximum=20.0)

    def __post_init__(self) -> None:
        check_parameters(self)

    def __call__(self, sources: np.ndarray, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1]."""
        return map_slices(self._slice, sources, progress)

    def _slice(self, sources: np.ndarray) -> SliceFusion:
        return SliceFusion((sources**self.power).mean(axis=0) ** (1 / self.power))


def main() -> None:
    """Print how the brightness grows with the power."""
    grid = Geometry((64, 68, 3), (3.4, 3.4, 20.0), (-107.0, -110.0, -10.0))
    sources = np.stack([medfuse.rescale(render(name, grid)).array for name in ("CT", "T1")])
    for method in (PowerMean(1.0), PowerMean(4.0), PowerMean(16.0)):
        print(f"power {method.power:4.1f}: mean {medfuse.fuse(sources, method).array.mean():.3f}")


if __name__ == "__main__":
    main()
