"""Wall time of the presets of dip: ``python benchmarks/dip_time.py``, on an idle machine.

The pair c01 of the shared data ($MEDFUSE_TEST_DATA), 256×256, four slices of it with fresh white noise of
0.10; the first slice is fitted from a fresh network, the others from their neighbour's.  One short run goes
before.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

import medfuse
from medfuse.io import read_image

DATA = Path(os.environ.get("MEDFUSE_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
SLICES, NOISE = 4, 0.1


def seconds(sources: np.ndarray, preset: str, **parameters: int) -> float:
    method = medfuse.make_method(medfuse.METHODS["dip"], parameters, preset)
    start = time.perf_counter()
    medfuse.fuse(sources, method)
    return time.perf_counter() - start


def main() -> None:
    pair = np.stack([read_image(DATA / "pairs2d" / "medical" / f"c01_{i}.tif") for i in (1, 2)])
    clean = np.repeat(pair[:, None], SLICES, axis=1)
    noise = np.random.default_rng(0).normal(0, NOISE, clean.shape)
    stack = np.clip(clean + noise, 0, 1).astype(np.float32)
    seconds(stack[:, :1], "fast", steps=2)
    print("| preset | first slice (s) | each further one (s) |\n|---|--:|--:|")
    for preset in ("fast", "balanced"):
        first = seconds(stack[:, :1], preset)
        warm = (seconds(stack, preset) - first) / (SLICES - 1)
        print(f"| `{preset}` | {first:.1f} | {warm:.1f} |")


if __name__ == "__main__":
    main()
