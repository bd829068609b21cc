"""Magnetic resonance images of the phantom, from the signal equations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from ..volume import Geometry, Volume
from .painting import sample
from .space import Matrix
from .tissues import TISSUES

if TYPE_CHECKING:
    from .head import Head

__all__ = ["SEQUENCES", "Relaxing", "render_mr", "scanned"]

_FULL_SCALE = 1000.0  # a signal of 1 (water, fully relaxed) in the arbitrary units of the image
_SIGMA = 11.0  # noise of each channel in these units
_BIAS = 0.16  # largest departure from 1 of each term of the coil's sensitivity


class Relaxing(Protocol):
    """What MR sees of a tissue: proton density relative to water, relaxation times in ms."""

    @property
    def density(self) -> float: ...
    @property
    def t1(self) -> float: ...
    @property
    def t2(self) -> float: ...


def _inversion_recovery(tissue: Relaxing) -> float:
    """3-D gradient echo after inversion: TI 900, TR 2000, TE 3 ms (magnitude)."""
    recovered = 1 - 2 * np.exp(-900 / tissue.t1) + np.exp(-2000 / tissue.t1)
    return float(tissue.density * abs(recovered) * np.exp(-3 / tissue.t2))


def _spin_echo(tissue: Relaxing) -> float:
    """T2-weighted spin echo: TR 4500, TE 100 ms."""
    return float(tissue.density * (1 - np.exp(-4500 / tissue.t1)) * np.exp(-100 / tissue.t2))


SEQUENCES: Mapping[str, Callable[[Relaxing], float]] = MappingProxyType(
    {"T1": _inversion_recovery, "T2": _spin_echo}
)


def render_mr(contrast: str, head: Head, geometry: Geometry, pose: Matrix, noise: float, seed: int) -> Volume:
    """An MR image of ``head``: ``contrast`` is one of :data:`SEQUENCES`; see :func:`scanned`."""
    signal = np.array([SEQUENCES[contrast](tissue) for tissue in TISSUES])
    array = sample(head, geometry, pose, signal)[0] * _FULL_SCALE
    return Volume(scanned(array, geometry, noise, seed), geometry, "MR")


def scanned(
    array: npt.NDArray[np.float32], geometry: Geometry, noise: float, seed: int
) -> npt.NDArray[np.float32]:
    """A signal (z, y, x) of at most about 1000 as a scanner shows it.

    Smooth coil shading that depends on the place in the scanner, then Rician noise: the magnitude
    of a complex signal with Gaussian noise in both channels (Gudbjartsson & Patz 1995,
    doi:10.1002/mrm.1910340618).  ``noise`` scales the noise; the shading stays.
    """
    array = array * _shading(geometry, seed)
    if noise > 0:
        rng = np.random.default_rng([seed, 31])
        real, imaginary = (rng.standard_normal(array.shape, dtype=np.float32) for _ in range(2))
        sigma = np.float32(noise * _SIGMA)
        array = np.hypot(array + sigma * real, sigma * imaginary)
    return array


def _shading(geometry: Geometry, seed: int) -> npt.NDArray[np.float32]:
    """A smooth field of mean about 1: half a wave over each side of the field of view."""
    rng = np.random.default_rng([seed, 32])
    log_gain = np.zeros(geometry.shape)
    for axis, count in enumerate(geometry.shape):
        place = np.linspace(-1, 1, count).reshape([-1 if i == axis else 1 for i in range(3)])
        linear, bowl = rng.uniform(-_BIAS, _BIAS, size=2)
        log_gain = log_gain + linear * np.sin(place * np.pi / 2) + bowl * (place**2 - 1 / 3)
    return np.exp(log_gain).astype(np.float32)
