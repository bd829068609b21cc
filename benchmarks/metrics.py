"""Time and memory of every metric: ``python benchmarks/metrics.py [--slices 64] [--size 256]``.

One thread.  Each key is timed on one pair of slices (best of several runs, after one to warm up); then
the profile ``all`` on a whole volume, with the largest memory that the process ever held.  The images
are generated, so that anyone can repeat it.  Prints a section in Markdown for benchmarks/README.md.
"""

# ruff: noqa: E402 - numpy reads these variables once, when it is imported
from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import argparse
import platform
import resource
import sys
import time

import numpy as np
from scipy.ndimage import gaussian_filter

from medfuse.metrics import METRICS, evaluate


def volume(slices: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Sources (2, z, y, x), bright shell and textured inside, and their maximum; float32 in [0, 1]."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    sources = np.empty((2, slices, size, size), dtype=np.float32)
    for k, z in enumerate(np.linspace(-0.6, 0.6, slices)):
        radius = np.sqrt((x / 0.8) ** 2 + (y / 0.9) ** 2 + z**2)
        texture = gaussian_filter(rng.standard_normal((size, size)), 2)
        texture /= np.abs(texture).max()
        inside, shell = radius < 0.85, (radius >= 0.85) & (radius < 1)
        sources[0, k] = 0.9 * shell + (0.35 + 0.04 * texture) * inside
        sources[1, k] = (0.5 + 0.4 * texture) * inside + 0.7 * ((radius > 1) & (radius < 1.06))
    return sources, sources.max(axis=0)


def megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def best(key: str, sources: np.ndarray, fused: np.ndarray, runs: int) -> float:
    """Milliseconds of processor time, the smallest of ``runs``."""
    function = METRICS[key].function
    function(sources, fused)
    times = []
    for _ in range(runs):
        start = time.process_time()
        function(sources, fused)
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=64)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()

    sources, fused = volume(arguments.slices, arguments.size)
    middle = arguments.slices // 2
    pair = sources[:, middle].astype(float), fused[middle].astype(float)
    times = {key: best(key, *pair, arguments.runs) for key in METRICS}

    before = megabytes()
    start, wall = time.process_time(), time.perf_counter()
    evaluate(sources, fused, "all")
    spent, waited = time.process_time() - start, time.perf_counter() - wall

    size, per_slice = f"{arguments.size}×{arguments.size}", 1e3 * spent / arguments.slices
    print("## Metrics\n")
    print(
        f"`python benchmarks/metrics.py`: {platform.machine()}, {os.cpu_count()} cores, of which one is used;"
    )
    print(f"Python {platform.python_version()}, numpy {np.__version__}.  Times are processor time.\n")
    print(f"- One slice of {size}, each key by itself, together: {sum(times.values()):.0f} ms.")
    print(
        f"- Profile `all` ({len(METRICS)} keys and the inter-slice consistency) on {size}×{arguments.slices}:"
    )
    print(f"  {spent:.1f} s, {per_slice:.0f} ms a slice ({waited:.1f} s by the clock).")
    print(
        f"- Largest memory of the process: {megabytes():.0f} MB ({before:.0f} before it scored the volume).\n"
    )
    print("| key | ms |\n|---|---|")
    for key, milliseconds in times.items():
        print(f"| `{key}` | {milliseconds:.1f} |")


if __name__ == "__main__":
    main()
