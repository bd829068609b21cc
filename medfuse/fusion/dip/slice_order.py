"""In which order the slices of a stack are fitted, and which of them side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

__all__ = ["Move", "cold_walk", "warm_walk"]


class Move(NamedTuple):
    """Slices to fit side by side, one for each place.

    ``start`` is "fresh": from new networks; "on": from those that each place has; "back": from those that
    it had after its first slice.  A place that has nothing left to do repeats its last slice, so that all
    moves have the same size; ``counts`` is False there.
    """

    slices: tuple[int, ...]
    counts: tuple[bool, ...]
    start: str


def cold_walk(slices: list[int], places: int) -> Iterator[Move]:
    """Each slice from nothing."""
    for first in range(0, len(slices), places):
        some = slices[first : first + places]
        idle = places - len(some)
        yield Move((*some, *(some[-1:] * idle)), (True,) * len(some) + (False,) * idle, "fresh")


def warm_walk(slices: list[int], places: int, brightness: Sequence[float]) -> Iterator[Move]:
    """Each place has a part of the stack: first its key slice, then up from there, then down.

    All parts have their key slice at the same height, so that no place waits long for another: where the
    keys are brightest together, because there is most to learn from.  ``brightness`` is that of all slices
    of the stack.
    """
    parts = [slices[i * len(slices) // places : (i + 1) * len(slices) // places] for i in range(places)]
    heights = range(min(len(part) for part in parts))
    key = max(heights, key=lambda height: sum(brightness[part[height]] for part in parts))
    keys = [part[key] for part in parts]
    yield Move(tuple(keys), (True,) * places, "fresh")
    up = [part[key + 1 :] for part in parts]
    down = [part[:key][::-1] for part in parts]
    for first, legs in (("on", up), ("back", down)):
        last = keys
        for i, step in enumerate(zip_longest(*legs)):
            last = [old if z is None else z for z, old in zip(step, last, strict=True)]
            yield Move(tuple(last), tuple(z is not None for z in step), "on" if i else first)
