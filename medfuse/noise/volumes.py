"""Denoising of a whole volume on its own grid, also across slices where they lie close together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..progress import Progress, ignore
from .denoising import denoise
from .drawing import kept_by_smoothing
from .estimation import assess_noise, is_worth_denoising
from .model import NoiseModel

__all__ = [
    "MUCH_STRUCTURE",
    "Denoised",
    "denoise_volume",
    "residual_structure",
    "slice_distance",
    "taken_out",
    "width_across",
]

Array = npt.NDArray[np.float64]

NEARLY_ISOTROPIC = 1.6
"""Ratio of the largest to the smallest spacing up to which slices help each other."""

MUCH_STRUCTURE = 1.25
"""The figure of :func:`residual_structure` from which somebody should look at what was taken out."""

_FEWEST_SLICES = 16  # along each axis, for the planes across the slices to say anything
_NEARBY = 1.5  # pixels
_COARSE = 3.0  # pixels: at this scale white noise has all but gone, and structure has not


class Denoised(NamedTuple):
    """A volume (z, y, x) without its noise, and what was done.

    Parameters
    ----------
    array:
        The result; the very input where nothing was removed.
    model, finding:
        The noise, and what was found in words.
    planes:
        In how many orientations it was denoised: 0, 1 (slices) or 3.
    structure:
        How much more the residual varies at a coarse scale than the noise would: near 1 for pure noise.
    """

    array: Array
    model: NoiseModel
    finding: str
    planes: int
    structure: float


def denoise_volume(
    array: npt.ArrayLike,
    spacing: Sequence[float],
    how: str,
    kind: str = "auto",
    weakest: float = 1.0,
    progress: Progress = ignore,
) -> Denoised:
    """A volume in [0, 1] without its noise, as far as ``how`` can tell them apart.

    Where the spacing is nearly isotropic the volume is denoised in all three orientations of its planes, each
    by the noise found in these, and the mean is taken: neighbouring slices hold the same anatomy and
    other noise.  Where slices are far apart that would blur, and only the slices are denoised.

    Parameters
    ----------
    array:
        (z, y, x).
    spacing:
        Of the voxels along z, y and x.
    how:
        One of :data:`~medfuse.noise.DENOISERS`.
    kind:
        What is known of the noise: see :func:`~medfuse.noise.assess_noise`.
    weakest:
        Factor from levels in ``array`` to levels in what will be looked at, for the verdict whether the
        noise is worth removing.
    progress:
        Called with (fraction, message).
    """
    volume = np.asarray(array, dtype=float)
    found = assess_noise(volume, kind, distance=slice_distance(spacing))
    nothing = Denoised(volume, found.model, found.finding, 0, 1.0)
    if how == "none" or found.model.level == 0:
        return nothing
    if not is_worth_denoising([found.model], weakest):
        return nothing._replace(finding=f"{found.finding}: too weak to be worth removing")
    axes = (0, 1, 2) if _is_nearly_isotropic(volume.shape, spacing) else (0,)
    results = []
    for i, axis in enumerate(axes):
        planes = np.moveaxis(volume, axis, 0)
        model = found.model if axis == 0 else _across(planes, found.model)
        smooth = np.empty_like(planes)
        for z, plane in enumerate(planes):
            progress((i + z / len(planes)) / len(axes), f"denoising, plane {z + 1} of {len(planes)}")
            smooth[z] = denoise(plane, how, model, unclip=True)
        results.append(np.moveaxis(smooth, 0, axis))
    result = np.mean(results, axis=0)
    residual = taken_out(volume, result, found.model)
    return Denoised(result, found.model, found.finding, len(axes), residual_structure(residual, found.model))


def slice_distance(spacing: Sequence[float]) -> float:
    """Distance of slices in pixels, of voxels of this ``spacing`` along z, y and x."""
    return 2 * spacing[0] / (spacing[1] + spacing[2])


def _is_nearly_isotropic(shape: tuple[int, ...], spacing: Sequence[float]) -> bool:
    return max(spacing) <= NEARLY_ISOTROPIC * min(spacing) and min(shape) >= _FEWEST_SLICES


def _across(planes: Array, model: NoiseModel) -> NoiseModel:
    """The noise in planes across the slices: of the same kind and level, correlated as it is found there."""
    kind = "speckle" if model.kind == "log-speckle" else model.kind
    there = assess_noise(planes, kind).model
    return NoiseModel(model.additive, model.multiplicative, model.kind, there.widths)


def width_across(volume: Array, spacing: Sequence[float], model: NoiseModel) -> float:
    """How far the noise of ``volume`` (z, y, x) is correlated across its slices, in slices.

    Where these are far apart it is taken for none: each was measured by itself, and anatomy changes too much
    from one to the next to tell.
    """
    if not _is_nearly_isotropic(volume.shape, spacing):
        return 0.0
    return _across(np.moveaxis(volume, 1, 0), model).widths[0]


def taken_out(observed: Array, signal: Array, model: NoiseModel) -> Array:
    """The noise (z, y, x) that was in ``observed`` about ``signal``; of pure noise the mean is 0.

    What is observed of a signal has the mean that clipping gives it.  Where the signal is below the noise it
    may lie far below black, and no noise shows: there the mean is that of the pixels nearby, if that is less.
    """
    from scipy.ndimage import gaussian_filter

    mean = model.mean(signal)
    nearby = gaussian_filter(observed, (0, _NEARBY, _NEARBY))
    return np.asarray(observed - np.where(signal > model.level, mean, np.minimum(mean, nearby)))


def residual_structure(residual: Array, model: NoiseModel) -> float:
    """Deviation of the smoothed residual over that which noise as strong as the residual would have."""
    from scipy.ndimage import gaussian_filter

    coarse = gaussian_filter(residual, (0, _COARSE, _COARSE))
    widths = model.widths[-2:]
    expected = residual.std()
    for width in widths:
        expected *= kept_by_smoothing((float(np.hypot(_COARSE, width)),)) / kept_by_smoothing((width,))
    return float(coarse.std() / max(float(expected), 1e-9))
