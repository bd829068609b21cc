"""What every fusion method takes and gives, and the loop that slice-wise methods share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from ..noise import NoiseModel
from ..progress import Progress, ignore
from ..sources import Stack, check_sources

__all__ = [
    "Fused",
    "FusionMethod",
    "LooksAtNoise",
    "SliceFusion",
    "Stack",
    "check_sources",
    "fuse_knowing",
    "map_slices",
]


@dataclass(frozen=True, eq=False, repr=False)
class Fused:
    """The result of a fusion method.

    Parameters
    ----------
    array:
        float32 ``(z, y, x)`` in [0, 1].
    maps:
        name -> array of that shape: ``weight_0``, ``weight_1``, … are the share of each source in
        [0, 1], adding to 1 wherever a source was measured; ``uncertainty`` is in grey values of [0, 1];
        ``removed_0``, ``removed_1``, … is what was taken out of each source as noise, in its grey values.
        Only what a method knows.
    info:
        Plain numbers, words and lists of them, for the provenance; ``notes``, if there, is a list of
        sentences for the reader of the result.
    """

    array: Stack
    maps: Mapping[str, Stack] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """One line for people; values are no part of it."""
        maps = f", maps {', '.join(self.maps)}" if self.maps else ""
        return f"<Fused {_sizes(self.array)}{maps}>"


def _sizes(array: np.ndarray) -> str:
    return "×".join(map(str, array.shape))


class FusionMethod(Protocol):
    """A configured method: ``method(sources, progress) -> Fused``."""

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` float32 (n, z, y, x) in [0, 1], n ≥ 2."""
        ...


@runtime_checkable
class LooksAtNoise(Protocol):
    """A method that wants to know the noise of the sources, and estimates it where nobody tells."""

    def with_noise(
        self, sources: Stack, noise: Sequence[NoiseModel] | None, progress: Progress = ignore
    ) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1] whose ``noise`` is known (n models), or not (None)."""
        ...


def fuse_knowing(
    method: FusionMethod, sources: Stack, noise: Sequence[NoiseModel] | None, progress: Progress
) -> Fused:
    """Fuse ``sources`` (n, z, y, x), the method being told their ``noise`` if it looks at it."""
    if noise is not None and isinstance(method, LooksAtNoise):
        return method.with_noise(sources, noise, progress)
    return method(sources, progress)


class SliceFusion(NamedTuple):
    """One fused slice (y, x) with its maps (y, x) and plain facts."""

    array: np.ndarray
    maps: Mapping[str, np.ndarray] = {}
    info: Mapping[str, Any] = {}


def map_slices(
    fuse_slice: Callable[[Stack], SliceFusion],
    sources: Stack,
    progress: Progress = ignore,
    *,
    clip: bool = True,
) -> Fused:
    """Apply ``fuse_slice`` to each slice ``(n, y, x)`` and stack the results.

    ``progress`` is called before each slice, so that a cancelled run stops within one slice.
    The facts of the slices become lists in :attr:`Fused.info`.  Without ``clip`` the array keeps what
    exceeds 1, for :func:`medfuse.fusion.exposure.expose`.
    """
    depth = sources.shape[1]
    slices = []
    for z in range(depth):
        progress(z / depth, f"slice {z + 1} of {depth}")
        slices.append(fuse_slice(sources[:, z]))
    progress(1.0, f"{depth} slices fused")
    return stack_slices(slices, clip=clip)


def stack_slices(slices: list[SliceFusion], *, clip: bool = True) -> Fused:
    """Slices one above the other as one :class:`Fused`."""
    array = np.stack([one.array for one in slices]).astype(np.float32)
    maps = {name: np.stack([one.maps[name] for one in slices]).astype(np.float32) for name in slices[0].maps}
    info = {name: [one.info[name] for one in slices] for name in slices[0].info}
    return Fused(np.clip(array, 0, 1 if clip else None), maps, info)
