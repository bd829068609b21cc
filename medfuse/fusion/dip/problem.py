"""One slice to solve, and the numbers that are known of it before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy.ndimage import gaussian_filter

from ...noise import NoiseModel, denoise
from ..gains import closed_form, patch_gains

__all__ = ["Padding", "Problem", "pad", "reflect_padding"]

Padding = tuple[tuple[int, int], ...]

_BLUR = 1.5  # pixels; the first guess of the signal, from which the first guess of its noise follows


class Problem:
    """Sources (n, y, x) of one slice with their noise models; gains (n, y, x) and target T (y, x)."""

    def __init__(self, sources: np.ndarray, noise: Sequence[NoiseModel], patch: int):
        self.sources = sources
        self.noise = tuple(noise)
        self.gains = patch_gains(sources, patch)
        self.target = closed_form(sources, self.gains)

    @cached_property
    def deviations(self) -> np.ndarray:
        """Standard deviation (n, y, x) of each source's noise, by its brightness nearby."""
        blurred = (gaussian_filter(source, _BLUR) for source in self.sources)
        return np.stack([model.deviation(image) for model, image in zip(self.noise, blurred, strict=True)])

    def denoised(self, how: str) -> np.ndarray:
        """The sources (n, y, x) after denoising, with what clipping did to the noise undone."""
        pairs = zip(self.sources, self.noise, strict=True)
        return np.stack([denoise(source, how, model, unclip=True, share=0) for source, model in pairs])

    @property
    def target_deviation(self) -> np.ndarray:
        """Standard deviation (y, x) of the noise in T."""
        result: np.ndarray = np.sqrt((self.gains**2 * self.deviations**2).sum(axis=0))
        return result

    @property
    def noise_level(self) -> float:
        """Standard deviation of the noise in T over the whole slice."""
        return float(np.sqrt(np.square(self.target_deviation).mean()))

    def loss(self, fused: np.ndarray) -> float:
        """Mean over pixels of Σ_i (X_i − β_i X0)² at X0 = ``fused``; T has the least."""
        return float(((self.sources - self.gains * fused) ** 2).sum(axis=0).mean())


def reflect_padding(shape: tuple[int, ...], scales: int) -> Padding:
    """(before, after) for y and x: up to a multiple of 2^scales, and two pixels at the coarsest scale.

    Two, because reflecting by one pixel needs a second one.
    """
    unit = 2**scales
    padding = []
    for n in shape:
        missing = max(-(-n // unit), 2) * unit - n
        padding.append((missing // 2, missing - missing // 2))
    return tuple(padding)


def pad(images: np.ndarray, padding: Padding) -> np.ndarray:
    """``images`` (…, y, x) reflected beyond their edges."""
    before = ((0, 0),) * (images.ndim - len(padding))
    return np.pad(images, (*before, *padding), mode="reflect")
