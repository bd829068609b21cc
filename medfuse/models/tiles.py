"""A slice in overlapping tiles, joined without seams.

The outer quarter of an overlap counts nothing and its middle half fades from one tile to the next.  A network
that sees no farther than a quarter of the overlap gives what it gives on the whole slice; one that sees
farther fades.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

__all__ = ["in_tiles", "starts_of"]


def in_tiles(
    run: Callable[[np.ndarray], np.ndarray], sources: np.ndarray, tile: tuple[int, int], overlap: int
) -> np.ndarray:
    """``run`` on tiles of ``sources`` (n, b, y, x, ...), joined to (b, y, x, ...).

    Parameters
    ----------
    run:
        Tiles (n, b, height, width, ...) to (b, height, width, ...).
    sources:
        Not smaller than ``tile``.
    tile:
        (height, width) in pixels, each more than ``overlap``.
    overlap:
        The least overlap of neighbours, in pixels.
    """
    height, width = sources.shape[2:4]
    rows, columns = (starts_of(*one, overlap) for one in ((height, tile[0]), (width, tile[1])))
    total = np.zeros((sources.shape[1], height, width, *sources.shape[4:]))
    shares = np.zeros((height, width))
    for top, vertical in _shares(rows, tile[0]):
        for left, horizontal in _shares(columns, tile[1]):
            share = vertical[:, None] * horizontal
            where = np.s_[top : top + tile[0], left : left + tile[1]]
            piece = run(sources[:, :, where[0], where[1]])
            total[:, where[0], where[1]] += piece * share.reshape(share.shape + (1,) * (piece.ndim - 3))
            shares[where] += share
    joined: np.ndarray = total / shares.reshape(shares.shape + (1,) * (total.ndim - 3))
    return joined.astype(np.float32)


def starts_of(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along an axis of ``length`` pixels: the last ends with it, none stands alone."""
    steps = range(0, max(length - overlap, 1), tile - overlap)
    return sorted({min(start, length - tile) for start in steps})


def _shares(starts: list[int], tile: int) -> Iterator[tuple[int, np.ndarray]]:
    """Each start with the share of its tile along the axis, 1 at the edges of the image."""
    shared = [before + tile - after for before, after in pairwise(starts)]
    for start, before, after in zip(starts, [0, *shared], [*shared, 0], strict=True):
        yield start, _rise(tile, before) * _rise(tile, after)[::-1]


def _rise(tile: int, overlap: int) -> np.ndarray:
    """0 in the first quarter of the overlap, 1 after its third, linear between."""
    if not overlap:
        return np.ones(tile)
    return np.clip(2 * (np.arange(tile) + 0.5) / overlap - 0.5, 0, 1)
