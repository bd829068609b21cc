"""How near the estimate of the noise comes to the noise that was added.

    python benchmarks/noise_estimates.py

Generated volumes without noise, as they are shown ([0, 1]): the head as CT, T1 and T2, two anatomies, and
what a PET would see of it (uptake by tissue, blurred to 6 mm), each on three grids.  A row is a kind of noise
and a level; a cell holds the estimated level over the true one, least to most over the grids and anatomies,
and in brackets for how many of these no noise was found.  In clean volumes the estimate itself is shown.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from medfuse import Geometry
from medfuse.intensity import choose_window, rescale, window_specs
from medfuse.noise import NoiseModel, estimate_noise, observe
from medfuse.phantom import TISSUES, Head, render

GRIDS = ((1.2, 192), (1.8, 128), (2.4, 96))  # mm in the slice, and pixels along x and y
BETWEEN, SLICES = 32.0, 3  # mm from slice to slice, and how many
HEADS = (0, 3)
CONTRASTS = ("CT", "T1", "T2", "PET")
UPTAKE = {"grey matter": 1.0, "deep grey matter": 0.9, "cerebellar cortex": 0.8, "white matter": 0.3}
LEVELS = (0.01, 0.02, 0.05, 0.1)
KINDS = {
    "white": ("gauss", 0.0),
    "Rician": ("rice", 0.0),
    "correlated 0.7 px": ("gauss", 0.7),
    "correlated 1.2 px": ("gauss", 1.2),
}


def main() -> None:
    volumes = {contrast: _volumes(contrast) for contrast in CONTRASTS}
    print("| noise | level | " + " | ".join(CONTRASTS) + " |\n|---|--:|" + "---|" * len(CONTRASTS))
    clean = (max(estimate_noise(one).level for one in volumes[contrast]) for contrast in CONTRASTS)
    print("| none | 0 | " + " | ".join(f"{level:.3f}" for level in clean) + " |", flush=True)
    for name, (kind, width) in KINDS.items():
        for level in LEVELS:
            model = NoiseModel(level**2, 0.0, kind, (width, width))
            cells = [_cell(volumes[one], model) if _is_made(one, kind) else "" for one in CONTRASTS]
            print(f"| {name} | {level:g} | " + " | ".join(cells) + " |", flush=True)


def _is_made(contrast: str, kind: str) -> bool:
    """Whether a scanner of this kind makes this noise: only MR shows magnitudes."""
    return kind != "rice" or contrast in ("T1", "T2")


def _volumes(contrast: str) -> list[np.ndarray]:
    return [_volume(contrast, *grid, Head(seed)) for grid in GRIDS for seed in HEADS]


def _volume(contrast: str, spacing: float, size: int, head: Head) -> np.ndarray:
    """Slices (z, y, x) in [0, 1]."""
    rim, low = -spacing * (size - 1) / 2, -BETWEEN * (SLICES - 1) / 2
    grid = Geometry((size, size, SLICES), (spacing, spacing, BETWEEN), (rim, rim, low))
    if contrast == "PET":
        uptake = np.array([UPTAKE.get(tissue.name, 0.05 * (tissue.name != "air")) for tissue in TISSUES])
        return gaussian_filter(uptake[head.label_map(grid)], (0, *[6 / 2.355 / spacing] * 2))
    volume = render(contrast, grid, head=head, noise=0.0, seed=1)
    (spec,) = window_specs((), [volume.modality])
    return rescale(volume, choose_window(volume, spec)).array


def _cell(volumes: list[np.ndarray], model: NoiseModel) -> str:
    rng = np.random.default_rng(0)
    found = np.array([estimate_noise(observe(one, model, rng)).level / model.level for one in volumes])
    seen = found[found > 0]
    missed = f" ({found.size - seen.size} not found)" if seen.size < found.size else ""
    return (f"{seen.min():.2f} to {seen.max():.2f}" if seen.size else "–") + missed


if __name__ == "__main__":
    main()
