"""In which order the slices of a stack are fitted, and which of them side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

__all__ = ["SliceBatch", "cold_order", "warm_order"]


class SliceBatch(NamedTuple):
    """Slices to fit side by side, one in each slot; a slot is a network with its optimiser state.

    ``start`` is "fresh": from new networks; "on": from those that each slot has; "back": from those that
    it had after its first slice.  A slot that has nothing left to do repeats its last slice, so that all
    batches have the same size; ``counts`` is False there.
    """

    slices: tuple[int, ...]
    counts: tuple[bool, ...]
    start: str


def cold_order(slices: list[int], slots: int) -> Iterator[SliceBatch]:
    """Each slice from a fresh network."""
    for first in range(0, len(slices), slots):
        some = slices[first : first + slots]
        idle = slots - len(some)
        yield SliceBatch((*some, *(some[-1:] * idle)), (True,) * len(some) + (False,) * idle, "fresh")


def warm_order(slices: list[int], slots: int, brightness: Sequence[float]) -> Iterator[SliceBatch]:
    """Each slot has a part of the stack: first its key slice, then up from there, then down.

    All parts have their key slice at the same height, so that no slot waits long for another: where the
    keys are brightest together, because there is most to learn from.  ``brightness`` is that of all slices
    of the stack.
    """
    parts = [slices[i * len(slices) // slots : (i + 1) * len(slices) // slots] for i in range(slots)]
    heights = range(min(len(part) for part in parts))
    key = max(heights, key=lambda height: sum(brightness[part[height]] for part in parts))
    keys = [part[key] for part in parts]
    yield SliceBatch(tuple(keys), (True,) * slots, "fresh")
    up = [part[key + 1 :] for part in parts]
    down = [part[:key][::-1] for part in parts]
    for first, legs in (("on", up), ("back", down)):
        last = keys
        for i, step in enumerate(zip_longest(*legs)):
            last = [old if z is None else z for z, old in zip(step, last, strict=True)]
            yield SliceBatch(tuple(last), tuple(z is not None for z in step), "on" if i else first)
