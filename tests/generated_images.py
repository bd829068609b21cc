"""Pairs of sources with a fused image, made of whole numbers: the same on every machine and version.

No random generator and no floating point takes part, so that values which other people's code gave for
these images stay values of these images.
"""

from __future__ import annotations

import numpy as np

__all__ = ["CASES", "generated"]

CASES = ("even", "odd", "air")
"""``even`` and ``odd`` are the sides; neither has a flat window.  ``air`` has a background of 0 in all
three images and saturated pixels."""

_SHAPES = {"even": (64, 56), "odd": (61, 48), "air": (64, 48)}


def generated(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Levels 0…255 of two sources (2, y, x) and of their fused image (y, x), each from 0 to 255."""
    shape = _SHAPES[case]
    y, x = np.indices(shape)
    number = CASES.index(case)
    head = 120 * _ellipse(y - 30, x - 26, 25, 21) + 70 * _ellipse(y - 38, x - 20, 9, 6)
    first = _smooth(50 + head, 2) + _scatter(shape, 3 * number) % 25
    stripes = 45 * ((x + 2 * y) // 9 % 2) + 80 * _ellipse(y - 20, x - 30, 10, 14)
    second = _smooth(2 * x + stripes, 1) + _scatter(shape, 3 * number + 1) % 19
    low, high = np.minimum(first, second), np.maximum(first, second)
    fused = (3 * first + 5 * second if case == "odd" else 5 * high + 3 * low) // 8
    fused = fused + _scatter(shape, 3 * number + 2) % 9
    images = [_spread(image) for image in (first, second, fused)]
    if case == "air":
        inside = _ellipse(y - 32, x - 24, 28, 20)
        images = [inside * np.minimum(255, 20 + image * 5 // 4) for image in images]
    return np.stack(images[:2]), images[2]


def _ellipse(y: np.ndarray, x: np.ndarray, height: int, width: int) -> np.ndarray:
    """1 inside an ellipse with these half axes, 0 outside."""
    return ((y * width) ** 2 + (x * height) ** 2 <= (height * width) ** 2).astype(np.int64)


def _scatter(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Levels 0…255 without order: a multiplicative hash of the position."""
    y, x = np.indices(shape).astype(np.uint64)
    value = (np.uint64(seed + 1) * np.uint64(97) + y * np.uint64(7919) + x * np.uint64(104729)) & _32_BITS
    for factor in (0x7FEB352D, 0x846CA68B):
        value = ((value ^ (value >> np.uint64(15))) * np.uint64(factor)) & _32_BITS
    return ((value ^ (value >> np.uint64(16))) % np.uint64(256)).astype(np.int64)


_32_BITS = np.uint64(0xFFFFFFFF)


def _smooth(image: np.ndarray, times: int) -> np.ndarray:
    """Means of 3×3, rounded down."""
    for _ in range(times):
        padded = np.pad(image, 1, mode="edge")
        image = (
            sum(padded[i : i + image.shape[0], j : j + image.shape[1]] for i in range(3) for j in range(3))
            // 9
        )
    return image


def _spread(image: np.ndarray) -> np.ndarray:
    """The levels brought to 0…255."""
    return (image - image.min()) * 255 // (image.max() - image.min())
