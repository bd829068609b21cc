"""What every kind of trial of registration shares: moves, grids, noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from medfuse import Geometry, Volume
from medfuse.phantom import rigid
from medfuse.transforms import apply

Rng = np.random.Generator
Map = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Motion:
    """How far trials move a volume: angles within ±rotation degrees, translations within ±translation mm."""

    rotation: float
    translation: float

    def pose(self, rng: Rng) -> np.ndarray:
        angles = rng.uniform(-self.rotation, self.rotation, 3)
        return rigid(angles, rng.uniform(-self.translation, self.translation, 3))


@dataclass(frozen=True)
class Trial:
    """Two volumes, the true map (n, 3) → (n, 3) of points of the fixed one, and what `register` is told."""

    fixed: Volume
    moving: Volume
    truth: Map
    options: dict[str, Any] = field(default_factory=dict)


Maker = Callable[[Rng, Motion], Trial]


def mapped(matrix: np.ndarray) -> Map:
    return partial(apply, matrix)


def new_grid(old: Geometry, pose: np.ndarray, rng: Rng) -> Geometry:
    """A grid of another spacing around where ``pose`` takes the old one, up to 20 % cropped per axis."""
    several = np.asarray(old.size) > 1
    spacing = np.where(several, rng.uniform(0.8, 1.5, 3), 1.0) * old.spacing
    extent = np.asarray(old.size) * old.spacing
    low, high = rng.uniform(0, 0.1, 3) * extent * several, (1 - rng.uniform(0, 0.1, 3) * several) * extent
    size = np.maximum(np.floor((high - low) / spacing), np.where(several, 2, 1)).astype(int)
    middle = mapped(pose)(old.centre)
    origin = middle + np.asarray(old.direction) @ (low - extent / 2 + spacing / 2)
    return Geometry(tuple(size.tolist()), tuple(spacing), tuple(origin), old.direction)


def noisy(volume: Volume, rng: Rng) -> Volume:
    """Normal noise of 20 HU, or Rician noise of 1 to 5 % of the brightest values."""
    if volume.modality == "CT":
        return volume.with_array(volume.array + rng.normal(scale=20, size=volume.array.shape))
    sigma = rng.uniform(0.01, 0.05) * np.percentile(volume.measured(), 99.5)
    real, imaginary = rng.normal(scale=sigma, size=(2, *volume.array.shape))
    return volume.with_array(np.hypot(volume.array + real, imaginary))


def integer(rng: Rng) -> int:
    return int(rng.integers(1_000_000))


def about(centre: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """``pose`` with its rotation about ``centre`` instead of the middle of the generated heads."""
    middle = np.array([0.0, 14.0, 12.0])
    moved = pose.copy()
    moved[:3, 3] += centre - middle - pose[:3, :3] @ (centre - middle)
    return moved
