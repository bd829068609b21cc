"""The pairs and the noise that `benchmarks/noise.py` measures with.

Pairs for tuning and pairs kept from it are fixed lists; nothing was chosen by looking at the second.
Noise is made as scanners make it, at the strengths of the table in `benchmarks/README.md`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_fill_holes, gaussian_filter, shift

from medfuse import Geometry, read_volume
from medfuse.intensity import choose_window, rescale, window_specs
from medfuse.noise import NoiseModel, estimate_noise, interpolated, observe, projection_noise
from medfuse.phantom import render
from medfuse.resampling.noise import kept_noise

DATA = Path(os.environ.get("MEDFUSE_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
MEDICAL = DATA / "pairs2d" / "medical"
TEMPLATES = DATA / "volumes" / "mni_templates"

TUNING = ("c01", "c03", "phantom 5", "phantom 14", "template T1 34", "template T2 52")
HELD_OUT = ("c02", "c04", "010 T2", "010 PD", "phantom 10", "template T1 46", "template PD 40")


def pairs(names: tuple[str, ...], size: int) -> Iterator[tuple[str, np.ndarray]]:
    """Name and clean sources (2, 1, y, x) in [0, 1], the CT (or what stands for it) first."""
    for name in names:
        try:
            yield name, _pair(name, size)
        except FileNotFoundError:
            print(f"left out, its data are not here: {name}")


def _pair(name: str, size: int) -> np.ndarray:
    kind, _, rest = name.partition(" ")
    if kind == "phantom":
        return phantom(size, int(rest))
    if kind == "template":
        return template(rest.split()[0], int(rest.split()[1]), size)
    if kind == "010":
        other = {"T2": "010_MR-T2.tif", "PD": "010_MR-Pd.tif"}[rest]
        return pictures(MEDICAL / "010_CT.tif", MEDICAL / other, size)
    return pictures(MEDICAL / f"{kind}_1.tif", MEDICAL / f"{kind}_2.tif", size)


def pictures(one: Path, other: Path, size: int) -> np.ndarray:
    """Two registered pictures, averaged to ``size``."""
    images = [
        Image.open(path).convert("L").resize((size, size), Image.Resampling.BOX) for path in (one, other)
    ]
    return np.stack([np.asarray(image, dtype=np.float32) / 255 for image in images])[:, None]


def phantom(size: int, z: int) -> np.ndarray:
    """A slice of CT and T1 of the generated head, without noise."""
    spacing = 230 / size
    grid = Geometry((size, size, 1), (spacing, spacing, 4.0), (-115.0, -115.0, -40.0 + 4.0 * z))
    return _in_unit_range([render(contrast, grid, noise=0.0, seed=1) for contrast in ("CT", "T1")])


def template(contrast: str, z: int, size: int) -> np.ndarray:
    """A slice of the CT template and of an MR template on its grid of 2 mm, padded or cut to ``size``."""
    files = (TEMPLATES / "scct.nii", TEMPLATES / f"avg152{contrast}.nii")
    for path in files:
        if not path.exists():
            raise FileNotFoundError(path)
    volumes = [read_volume(path, modality=m) for path, m in zip(files, ("CT", "MR"), strict=True)]
    stack = _in_unit_range(volumes)[:, z : z + 1]
    for axis in (2, 3):
        missing = size - stack.shape[axis]
        if missing > 0:
            widths = [(0, 0)] * 4
            widths[axis] = (missing // 2, missing - missing // 2)
            stack = np.pad(stack, widths)
        else:
            stack = np.take(stack, np.arange(size) + (-missing) // 2, axis)
    return stack


def _in_unit_range(volumes: list) -> np.ndarray:
    specs = window_specs((), [volume.modality for volume in volumes])
    both = zip(volumes, specs, strict=True)
    return np.stack([rescale(volume, choose_window(volume, spec)).array for volume, spec in both])


Kind = Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]
"""Clean sources (2, 1, y, x) -> noisy sources and what they would be without noise."""


def _both(model: NoiseModel) -> Kind:
    def make(clean: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return np.stack([observe(source, model, rng) for source in clean]), clean

    return make


def _on_own_grid(clean: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """CT with white noise of 0.05, MR with 0.10."""
    return tuple(
        observe(one, NoiseModel(level**2, 0.0), rng) for one, level in zip(clean, (0.05, 0.10), strict=True)
    )


def _half_pixel(clean: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The same, the MR moved by half a pixel along both axes, linearly."""
    ct, mr = _on_own_grid(clean, rng)
    moved, truth = (shift(image, (0, 0.5, 0.5), order=1, mode="nearest") for image in (mr, clean[1]))
    return np.stack([ct, moved]), np.stack([clean[0], truth])


def _low_dose(clean: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """CT by filtered back projection of few photons; MR with Rician noise of 0.06."""
    ct = np.clip(clean[0] + _projection_noise(clean, rng)[None], 0, 1)
    return np.stack([ct, observe(clean[1], NoiseModel(0.06**2, 0.0, "rice"), rng)]), clean


def _projection_noise(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The noise of 10,000 photons a ray, for an image (y, x) of window width 1000 HU."""
    body = binary_fill_holes(gaussian_filter(clean.max(axis=0)[0], 1) > 0.04)
    return projection_noise(body * (0.9 + clean[0, 0]), 230 / len(body), 1e4, rng)


def _ultrasound(clean: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The first source as log-compressed ultrasound of 60 dB, the MR with Rician noise of 0.06."""
    model = NoiseModel(0.093**2, 0.0, "log-speckle", (0.4, 0.6))
    us = observe(clean[0], model, rng)
    return np.stack([us, observe(clean[1], NoiseModel(0.05**2, 0.0, "rice"), rng)]), clean


NOISES: dict[str, Kind] = {
    "none": lambda clean, rng: (clean, clean),  # noqa: ARG005
    "white 0.05": _both(NoiseModel(0.05**2, 0.0)),
    "white 0.10": _both(NoiseModel(0.10**2, 0.0)),
    "Rician 0.07": _both(NoiseModel(0.07**2, 0.0, "rice")),
    "half a pixel": _half_pixel,
    "correlated 0.7 px": _both(NoiseModel(0.10**2, 0.0, "gauss", (0.7, 0.7))),
    "correlated 1.2 px": _both(NoiseModel(0.10**2, 0.0, "gauss", (1.2, 1.2))),
    "low-dose CT, Rician MR": _low_dose,
    "ultrasound, Rician MR": _ultrasound,
}


def known_noise(clean: np.ndarray, kind: str, seed: int = 0) -> list[NoiseModel] | None:
    """What a study knows of the noise of :func:`noisy`; None: nothing beyond the pixels.

    Half a pixel: it is estimated before the MR is moved and followed through that.  CT: it is normal.
    """
    if kind == "half a pixel":
        return _followed(clean, seed)
    if kind == "low-dose CT, Rician MR":
        ct, mr = noisy(clean, kind, seed)[0]
        return [estimate_noise(ct, "gauss"), estimate_noise(mr)]
    return None


def _followed(clean: np.ndarray, seed: int) -> list[NoiseModel]:
    ct, mr = (estimate_noise(one) for one in _on_own_grid(clean.astype(float), np.random.default_rng(seed)))
    size = (clean.shape[3], clean.shape[2], 1)
    kept = kept_noise(Geometry(size), Geometry(size, origin=(-0.5, -0.5, 0.0)))
    return [ct, interpolated(mr, kept.variance, kept.correlations[1:], clipped=True)]


def noisy(clean: np.ndarray, kind: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy sources and their truth (2, 1, y, x), float32."""
    found = NOISES[kind](clean.astype(float), np.random.default_rng(seed))
    return found[0].astype(np.float32), found[1].astype(np.float32)
