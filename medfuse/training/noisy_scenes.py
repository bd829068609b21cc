"""Pairs of a generated scene and what a scanner with noise makes of it, for training a denoiser.

All the kinds that scanners make: white and correlated normal noise, also as linear interpolation leaves it;
Rician noise (MR); speckle, and log-compressed speckle (ultrasound); noise of a filtered back projection,
blue, stronger in some places and with streaks (CT).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from ..noise.drawing import observe
from ..noise.model import NoiseModel

__all__ = ["NOISES", "NoisyScene", "noisy_scene"]

Array = npt.NDArray[np.float64]

_LEVELS = (0.01, 0.25)
_MISTAKEN = 0.1  # relative error of the level that a denoiser is told, and of the widths in pixels


class NoisyScene(NamedTuple):
    """``observed`` and ``signal`` (y, x) in [0, 1], and the noise as an estimate would have it."""

    observed: Array
    signal: Array
    told: NoiseModel


def noisy_scene(signal: npt.ArrayLike, rng: np.random.Generator) -> NoisyScene:
    """``signal`` (y, x) with noise of a random kind and level."""
    signal = np.asarray(signal, dtype=float)
    kind = rng.choice(list(NOISES), p=[share for share, _ in NOISES.values()])
    drawn = NOISES[kind][1](signal, rng)
    return drawn._replace(told=_mistaken(drawn.told, rng))


def _level(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(_LEVELS))))


def _widths(rng: np.random.Generator, most: float) -> tuple[float, float]:
    """Alike along both axes, or not."""
    if rng.uniform() < 0.6:
        return (width := float(rng.uniform(0, most)), width)
    return float(rng.uniform(0, most)), float(rng.uniform(0, most))


def _drawn(signal: Array, model: NoiseModel, rng: np.random.Generator) -> NoisyScene:
    return NoisyScene(observe(signal, model, rng), signal, model)


def _white(signal: Array, rng: np.random.Generator) -> NoisyScene:
    return _drawn(signal, NoiseModel(_level(rng) ** 2, 0.0), rng)


def _correlated(signal: Array, rng: np.random.Generator) -> NoisyScene:
    return _drawn(signal, NoiseModel(_level(rng) ** 2, 0.0, "gauss", _widths(rng, 1.6)), rng)


def _rician(signal: Array, rng: np.random.Generator) -> NoisyScene:
    widths = (0.0, 0.0) if rng.uniform() < 0.7 else _widths(rng, 0.8)
    return _drawn(signal, NoiseModel(_level(rng) ** 2, 0.0, "rice", widths), rng)


def _speckle(signal: Array, rng: np.random.Generator) -> NoisyScene:
    additive = _level(rng) ** 2 * rng.choice([0.0, 0.1])
    widths = (0.0, 0.0) if rng.uniform() < 0.5 else _widths(rng, 1.2)
    return _drawn(signal, NoiseModel(additive, rng.uniform(0.05, 0.4) ** 2, "speckle", widths), rng)


def _log_speckle(signal: Array, rng: np.random.Generator) -> NoisyScene:
    return _drawn(
        signal, NoiseModel(rng.uniform(0.03, 0.15) ** 2, 0.0, "log-speckle", _widths(rng, 1.2)), rng
    )


def _interpolated(signal: Array, rng: np.random.Generator) -> NoisyScene:
    """Sampled between the pixels by linear interpolation: the image moves with its noise."""
    level, parts = _level(rng), rng.uniform(0, 1, 2)
    clean = np.pad(signal, (0, 1), mode="edge")
    noisy = observe(clean, NoiseModel(level**2, 0.0), rng)
    observed, moved = (_between(_between(one, parts[0]).T, parts[1]).T for one in (noisy, clean))
    kept = float(np.prod([(1 - part) ** 2 + part**2 for part in parts]))
    widths = tuple(float(np.sqrt(part * (1 - part))) for part in parts)
    return NoisyScene(observed, moved, NoiseModel(level**2 * kept, 0.0, "gauss", widths))


def _between(image: Array, part: float) -> Array:
    """Rows at this part of the way to the next row; one fewer."""
    return (1 - part) * image[:-1] + part * image[1:]


def _back_projected(signal: Array, rng: np.random.Generator) -> NoisyScene:
    """Blue noise with streaks, of a level that varies smoothly over the image."""
    shape = signal.shape
    fy, fx = np.meshgrid(np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1]), indexing="ij")
    frequency = np.hypot(fy, fx)
    window = np.exp(-0.5 * (frequency / rng.uniform(0.15, 0.6)) ** 2)
    across = np.cos(np.arctan2(fy, fx) - rng.uniform(0, np.pi)) ** 2
    power = np.maximum(frequency, 0.02) * (1 + rng.uniform(0, 6) * across**8)
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * np.sqrt(power) * window, s=shape)
    level = _level(rng)
    spread = np.exp(rng.uniform(0, 0.5) * _unit(gaussian_filter(rng.standard_normal(shape), shape[0] / 5)))
    observed = (signal + level * spread * _unit(noise)).clip(0, 1)
    width = float(rng.uniform(0, 0.5))  # as estimates have it: no Gaussian kernel fits blue noise
    return NoisyScene(observed, signal, NoiseModel(level**2, 0.0, "gauss", (width, width)))


def _unit(field: Array) -> Array:
    result: Array = (field - field.mean()) / field.std()
    return result


def _mistaken(model: NoiseModel, rng: np.random.Generator) -> NoiseModel:
    """The model with errors as an estimate has them."""
    factor = float(np.exp(rng.normal(0, _MISTAKEN)))
    widths = tuple(
        max(0.0, float(width + rng.normal(0, _MISTAKEN))) if width else 0.0 for width in model.widths
    )
    return NoiseModel(model.additive * factor**2, model.multiplicative * factor**2, model.kind, widths)


NOISES = {
    "white": (0.25, _white),
    "Rician": (0.2, _rician),
    "correlated": (0.2, _correlated),
    "interpolated": (0.1, _interpolated),
    "speckle": (0.08, _speckle),
    "log-compressed speckle": (0.07, _log_speckle),
    "back projection": (0.1, _back_projected),
}
"""Name -> share of the training, and what draws it."""
