"""Smooth random fields that are functions of space, so that any grid samples the same one."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from .shapes import Points

__all__ = ["field", "sheets", "warp"]

_CELLS = 72
_PER_WAVE = 8  # lattice points a wavelength: enough for linear interpolation


def field(p: Points, wavelength: float, seed: int) -> npt.NDArray[np.float32]:
    """A field of mean 0 and variance 1 whose bumps are about ``wavelength`` mm apart."""
    return _look_up(_band(seed), p, wavelength)


def sheets(p: Points, wavelength: float, seed: int) -> npt.NDArray[np.float32]:
    """Distance in mm to winding sheets about half a ``wavelength`` apart.

    The sheets are where a band-limited field crosses zero; to first order the distance to them is
    the field over its gradient.  Crossed by a plane they look like the folds of a brain.
    """
    return _look_up(_crossings(seed), p, wavelength) * np.float32(wavelength / _PER_WAVE)


def warp(p: Points, amplitude: float, seed: int) -> Points:
    """Displacements (3, n) in mm of up to about ``amplitude``, smooth over the whole head.

    A sum of plane waves of 110–220 mm: it makes ellipsoids look organic and left differ from right.
    """
    rng = np.random.default_rng([seed, 3])
    result = np.zeros_like(p)
    for axis, _ in product(range(3), range(4)):
        direction = rng.normal(size=3)
        wave = direction / np.linalg.norm(direction) * (2 * np.pi / rng.uniform(110, 220))
        x, y, z = (np.float32(w) * c for w, c in zip(wave, p, strict=True))
        result[axis] += np.sin(x + y + z + np.float32(rng.uniform(0, 2 * np.pi)))
    return result * np.float32(amplitude / 2)


def _look_up(lattice: npt.NDArray[np.float32], p: Points, wavelength: float) -> npt.NDArray[np.float32]:
    index = p * np.float32(_PER_WAVE / wavelength)
    result: npt.NDArray[np.float32] = map_coordinates(
        lattice, index, order=1, mode="grid-wrap", output=np.float32
    )
    return result


@lru_cache(maxsize=32)
def _band(seed: int) -> npt.NDArray[np.float32]:
    """A periodic lattice of noise with wavelengths near ``_PER_WAVE`` cells."""
    noise = np.random.default_rng([seed, 1]).normal(size=(_CELLS,) * 3)
    axes = np.meshgrid(*[np.fft.fftfreq(_CELLS)] * 2, np.fft.rfftfreq(_CELLS), indexing="ij")
    frequency = np.sqrt(sum(axis**2 for axis in axes)) * _PER_WAVE
    spectrum = np.fft.rfftn(noise) * np.exp(-(((frequency - 1) / 0.3) ** 2))
    lattice = np.fft.irfftn(spectrum, s=noise.shape, axes=(0, 1, 2))
    result: npt.NDArray[np.float32] = (lattice / lattice.std()).astype(np.float32)
    return result


@lru_cache(maxsize=4)
def _crossings(seed: int) -> npt.NDArray[np.float32]:
    """Distance in cells to where the lattice of ``seed`` crosses zero, at most a third of a wave."""
    lattice = _band(seed).astype(float)
    steps = [(np.roll(lattice, -1, axis) - np.roll(lattice, 1, axis)) / 2 for axis in range(3)]
    slope = np.sqrt(sum(step**2 for step in steps))
    distance = lattice / np.maximum(slope, 1e-3)
    result: npt.NDArray[np.float32] = np.clip(distance, -_PER_WAVE / 3, _PER_WAVE / 3).astype(np.float32)
    return result
