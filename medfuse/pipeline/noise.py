"""Noise, looked for and removed on each volume's own grid, before anything is resampled.

What is not removed is followed through the resampling: interpolation leaves a known share of its variance
and correlates it in a known way, so that nothing is estimated from resampled values, where noise is
hard to tell from texture (:func:`noise_on_grid`).

Resampling correlates noise and mixes it with that of its neighbours; windows clip it.  Both make it harder
to know, so that this step stands between reading and resampling.  What is written for measuring stays
as it was read: only the sources of the fusion are without noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..intensity import Window, luma, rescale
from ..noise import (
    MUCH_STRUCTURE,
    Assessment,
    assess_noise,
    correlation,
    denoise_volume,
    in_words,
    interpolated,
    slice_distance,
    width_across,
)
from ..progress import Progress, subrange
from ..recipe import Recipe
from ..resampling.noise import kept_noise
from ..sources import continued
from ..volume import Volume

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["NoiseFound", "noise_on_grid", "without_noise"]

_AIR = -1100.0  # HU: below air, so that a CT's noise is not clipped there


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
        if self.structure > MUCH_STRUCTURE:
            said += (
                f". What was taken out has structure ({self.structure:.1f} times that of noise): look at it"
            )
        return said


def noise_on_grid(
    volume: Volume, window: Window, moved: Volume, transform: SimpleITK.Transform | None, recipe: Recipe
) -> Assessment:
    """The noise of ``volume`` as it is in ``moved``, which is ``volume`` resampled, in shares of ``window``.

    It is estimated before resampling and followed through it.  ``transform`` leads from points of
    ``moved`` to those of ``volume``; None: both lie in the same space.
    """
    own, found = _noise_on_own_grid(volume, window, recipe.noise)
    nothing_moved = moved.geometry == volume.geometry and transform is None
    if found.model.level == 0 or nothing_moved or (moved.valid is not None and not moved.valid.any()):
        return found
    across = width_across(own, volume.geometry.spacing[::-1], found.model)
    kept = kept_noise(
        volume.geometry,
        moved.geometry,
        transform,
        recipe.interpolation,
        [correlation(width) for width in (across, *found.model.widths)],
        moved.valid,
    )
    was_clipped = bool(luma(volume).measured().min() >= window.lower)
    model = interpolated(found.model, kept.variance, kept.correlations[1:], clipped=was_clipped)
    return Assessment(model, f"{found.finding} on its own grid, {in_words(model)} on that of the result")


def _noise_on_own_grid(volume: Volume, window: Window, kind: str) -> tuple[np.ndarray, Assessment]:
    """The volume's measured part (z, y, x) by its window, and the noise in it."""
    rescaled = rescale(volume, window)
    own = rescaled.array[_box(volume)]
    if rescaled.valid is not None:
        own = continued(own, rescaled.valid[_box(volume)])
    spacing = volume.geometry.spacing[::-1]
    known = _kind(volume, own, kind)
    return own, assess_noise(own, known, distance=slice_distance(spacing))


def _kind(volume: Volume, shares: np.ndarray, kind: str) -> str:
    """What is known of the noise in ``shares`` (z, y, x) of a volume: ``kind``, or what its modality tells.

    CT has no speckle and no magnitudes: where "auto" finds noise there, it is normal.
    """
    if kind != "auto" or volume.modality != "CT":
        return kind
    spacing = volume.geometry.spacing[::-1]
    return "gauss" if assess_noise(shares, distance=slice_distance(spacing)).model.level else kind


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
    known = _kind(volume, shares, kind)
    done = denoise_volume(shares, volume.geometry.spacing[::-1], how, known, factor, progress)
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
