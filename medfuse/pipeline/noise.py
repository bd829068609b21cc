"""Noise, looked for and removed on each volume's own grid, before anything is resampled.

Resampling correlates noise and mixes it with that of its neighbours; windows clip it.  Both make it harder
to know, so that this step stands between reading and resampling.  What is written for measuring stays
as it was read: only the sources of the fusion are without noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..intensity import Window
from ..noise import denoise_volume
from ..progress import Progress, subrange
from ..volume import Volume

__all__ = ["NoiseFound", "without_noise"]

_AIR = -1100.0  # HU: below air, so that a CT's noise is not clipped there
_MUCH_STRUCTURE = 1.25


@dataclass(frozen=True)
class NoiseFound:
    """What was found and removed in one volume.

    Parameters
    ----------
    finding:
        In words, levels as shares of ``full_scale``.
    full_scale:
        The range, in the volume's units, that levels are shares of.
    planes:
        In how many orientations of planes it was denoised, 0 for not at all.
    structure:
        How much more the residual varies at a coarse scale than noise would: near 1 is right.
    """

    finding: str
    full_scale: float
    planes: int
    structure: float

    def note(self, name: str, how: str) -> str:
        """One sentence for the reader of the result."""
        said = f"{name}: noise on its own grid, as a share of {self.full_scale:.4g}: {self.finding}"
        if not self.planes:
            return f"{said}; nothing was removed"
        where = "in its slices" if self.planes == 1 else "in three orientations"
        said += f"; removed by {how} {where} before resampling, in what is fused and scored alone"
        if self.structure > _MUCH_STRUCTURE:
            said += (
                f". What was taken out has structure ({self.structure:.1f} times that of noise): look at it"
            )
        return said


def without_noise(
    volumes: Sequence[Volume], windows: Sequence[Window], how: str, kind: str, progress: Progress
) -> tuple[tuple[Volume, ...], tuple[NoiseFound, ...]]:
    """The volumes without their noise, each on its own grid, and what was found.

    Colour volumes are left as they are: their noise is not that of their luma.
    """
    results, found = [], []
    for i, (volume, window) in enumerate(zip(volumes, windows, strict=True)):
        part = subrange(progress, i / len(volumes), (i + 1) / len(volumes))
        cleaned, noise = _without_noise(volume, window, how, kind, part)
        results.append(cleaned)
        found.append(noise)
    return tuple(results), tuple(found)


def _without_noise(
    volume: Volume, window: Window, how: str, kind: str, progress: Progress
) -> tuple[Volume, NoiseFound]:
    lower = _AIR if volume.modality == "CT" else min(0.0, window.lower)
    scale = window.upper - lower
    if volume.is_colour:
        return volume, NoiseFound("not looked for in colour", scale, 0, 1.0)
    inside = _box(volume)
    shares = np.clip((volume.array[inside] - lower) / scale, 0, 1)
    factor = scale / (window.upper - window.lower)
    done = denoise_volume(shares, volume.geometry.spacing[::-1], how, kind, factor, progress)
    found = NoiseFound(done.finding, scale, done.planes, done.structure)
    if not done.planes:
        return volume, found
    array = volume.array.copy()
    # What lay above the window stays: it is white in what is looked at, and was clipped for the estimate.
    array[inside] = np.where(shares < 1, lower + scale * done.array, array[inside])
    return volume.with_array(array), found


def _box(volume: Volume) -> tuple[slice, ...]:
    """The smallest box that holds all that was measured."""
    if volume.valid is None:
        return (slice(None),) * 3
    places = np.nonzero(volume.valid)
    return tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in places)
