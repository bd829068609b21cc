"""Fusion in the Laplacian pyramid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...progress import Progress, ignore
from ..parameters import check_parameters, parameter
from ..types import Fused, SliceFusion, Stack, map_slices
from .coefficient_rules import activity, strongest

__all__ = ["LaplacianPyramid", "build_pyramid", "collapse_pyramid"]

_GENERATING_KERNEL = np.array([0.05, 0.25, 0.4, 0.25, 0.05])  # a = 0.4, near Gaussian


@dataclass(frozen=True)
class LaplacianPyramid:
    """Laplacian pyramid: the strongest detail at each place and scale, the mean of the coarsest level.

    Each level holds what a level loses when it is halved.  At every place the source with the largest
    energy in a small window gives the coefficient; the coarsest level is averaged.  The pyramid stops where
    a side has become one pixel.

    Source: Burt, Adelson, "The Laplacian pyramid as a compact image code", IEEE Trans. Communications 31
    (1983), doi:10.1109/TCOM.1983.1095851; choice by window energy after Burt, Kolczynski, "Enhanced image
    capture through fusion", ICCV 1993, doi:10.1109/ICCV.1993.378222, without their averaging of
    well-correlated details.
    """

    levels: int = parameter(4, "detail levels of the pyramid", minimum=1)
    window: int = parameter(3, "side of the square window whose energy decides, in pixels", minimum=1)

    def __post_init__(self) -> None:
        check_parameters(self)

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1]."""
        return map_slices(self._fuse_slice, sources, progress)

    def _fuse_slice(self, sources: Stack) -> SliceFusion:
        *details, base = build_pyramid(sources.astype(float), self.levels)
        chosen = [strongest(detail, activity(detail, self.window)) for detail in details]
        return SliceFusion(collapse_pyramid([*chosen, base.mean(axis=0)]))


def build_pyramid(images: np.ndarray, levels: int) -> list[np.ndarray]:
    """The Laplacian pyramid of images (..., y, x): details from fine to coarse, then the coarsest level.

    :func:`collapse_pyramid` gives the images back to rounding, for any size.
    """
    pyramid = []
    for _ in range(levels):
        coarse = _reduce(images)
        if coarse.shape == images.shape:  # one pixel cannot be halved
            break
        pyramid.append(images - _expand(coarse, images.shape[-2:]))
        images = coarse
    return [*pyramid, images]


def collapse_pyramid(pyramid: list[np.ndarray]) -> np.ndarray:
    """The images (..., y, x) whose Laplacian pyramid this is."""
    image = pyramid[-1]
    for detail in reversed(pyramid[:-1]):
        image = detail + _expand(image, detail.shape[-2:])
    return image


def _reduce(images: np.ndarray) -> np.ndarray:
    """Smooth and keep every second pixel."""
    from scipy.ndimage import correlate1d

    for axis in (-2, -1):
        images = correlate1d(images, _GENERATING_KERNEL, axis=axis, mode="nearest")
    return images[..., ::2, ::2]


def _expand(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Back to ``shape``: the generating kernel on the pixels with zeros between them, times two."""
    for axis, length in zip((-2, -1), shape, strict=True):
        images = np.moveaxis(_expand_last(np.moveaxis(images, axis, -1), length), -1, axis)
    return images


def _expand_last(images: np.ndarray, length: int) -> np.ndarray:
    outer, inner, centre, _, _ = 2 * _GENERATING_KERNEL
    padded = np.pad(images, [(0, 0)] * (images.ndim - 1) + [(1, 1)], mode="edge")
    before, here, after = padded[..., :-2], padded[..., 1:-1], padded[..., 2:]
    expanded = np.empty((*images.shape[:-1], length))
    expanded[..., ::2] = outer * (before + after) + centre * here
    expanded[..., 1::2] = (inner * (here + after))[..., : length // 2]
    return expanded
