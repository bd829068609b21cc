"""Several methods on the same sources, in one table."""

from __future__ import annotations

import time

import numpy as np

import medfuse
from medfuse import Geometry
from medfuse.phantom import render

METHODS = ("average", "maximum", "pca", "laplacian", "wavelet", "gff")
METRICS = ("pe", "mi", "q", "cv")


def main() -> None:
    """Print the metrics of Ma et al. (2021) for each method."""
    grid = Geometry((96, 104, 5), (2.2, 2.2, 12.0), (-104.0, -108.0, -10.0))
    volumes = [render(contrast, grid, seed=seed) for seed, contrast in enumerate(("CT", "T1"), 1)]
    sources = np.stack([medfuse.rescale(volume).array for volume in volumes])
    print(f"{'method':10}", *(f"{key:>7}" for key in METRICS), f"{'s/slice':>8}")
    for key in METHODS:
        start = time.perf_counter()
        fused = medfuse.fuse(sources, key)
        seconds = (time.perf_counter() - start) / len(fused.array)
        scores = medfuse.evaluate(sources, fused.array, METRICS).whole
        print(f"{key:10}", *(f"{scores[name]:7.3f}" for name in METRICS), f"{seconds:8.3f}")


if __name__ == "__main__":
    main()
