"""Mutual information at every translation at once, for a few rotations: where a part lies in a whole.

The joint histogram of two binned volumes at all translations is, for each pair of bins, the
cross-correlation of where the one holds the one bin with where the other holds the other, and so a product of
Fourier transforms (Öfverstedt, Lindblad, Sladoje 2022, doi:10.1016/j.patrec.2022.05.022).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...progress import Progress
from ..poses import rotation_about
from ..pyramid.search_volume import SearchVolume
from .climb import ScoredPose, Stage

__all__ = ["best_translations"]

_BINS = 6
_CELLS = 150_000  # of the larger volume: its grid is made so coarse
_PEAKS = 6  # of each rotation
_PEAK_CELLS = 2  # a peak is the highest within so many cells

Array = npt.NDArray[np.float32]


def best_translations(
    stage: Stage, rotations: Sequence[npt.NDArray[np.float64]], least_overlap: float, progress: Progress
) -> list[ScoredPose]:
    """The highest peaks of mutual information over all translations, for each of ``rotations``.

    ``least_overlap`` is that share of the smaller measured region within the other one below which a
    translation does not count.
    """
    spacing = stage.level.spacing
    larger = max(stage.fixed.volume, stage.moving.volume)
    spacing = max(spacing, (larger / _CELLS) ** (1 / 3))
    fixed, moving = stage.fixed.coarser(spacing), stage.moving.coarser(spacing)
    step = np.asarray(moving.image.GetSpacing())
    shape = tuple(np.max([_rotated_shape(fixed, moving, one) for one in rotations], axis=0).tolist())
    padded = _fast_shape(np.add(moving.array.shape, shape) - 1)
    there = _transformed(_bins(moving.array), moving.measured, padded)
    least = least_overlap * min(fixed.volume, moving.volume) / float(np.prod(step))
    found = []
    for number, rotation in enumerate(rotations):
        progress(number / len(rotations), "trying all translations")
        values, measured = _rotated(fixed, moving, rotation, shape)
        here = _transformed(_bins(values), measured, padded)
        scores = _mutual_information(here, there, padded, least)
        for at, score in _peaks(scores):
            shift = np.where(at < moving.array.shape, at, np.subtract(at, padded))  # beyond: negative
            index = shift[::-1] + (np.array(shape[::-1]) - 1) / 2
            pose = rotation_about(rotation, fixed.centre, moving.world(index[None])[0])
            found.append(ScoredPose(pose, score))
    return sorted(found, key=lambda one: -one.mi)


def _bins(array: Array) -> npt.NDArray[np.uint8]:
    return np.clip(array * _BINS, 0, _BINS - 1).astype(np.uint8)


def _rotated_shape(
    fixed: SearchVolume, moving: SearchVolume, rotation: npt.NDArray[np.float64]
) -> npt.NDArray[np.intp]:
    """Cells (z, y, x) of a grid with the axes of ``moving`` that holds ``fixed`` rotated."""
    to_cells = moving.to_index[:3, :3] @ rotation @ np.linalg.inv(fixed.to_index[:3, :3])
    extent = np.abs(to_cells) @ np.asarray(fixed.image.GetSize())
    return np.asarray(np.ceil(extent[::-1]), dtype=np.intp)


def _rotated(
    fixed: SearchVolume, moving: SearchVolume, rotation: npt.NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """``fixed`` rotated about its centre, on a grid of ``shape`` with the axes of ``moving``."""
    from scipy.ndimage import affine_transform

    to_world = np.linalg.inv(moving.to_index)[:3, :3]
    matrix = fixed.to_index[:3, :3] @ rotation.T @ to_world  # of indices x, y, z
    middle = fixed.to_index[:3, :3] @ fixed.centre + fixed.to_index[:3, 3]
    offset = middle - matrix @ ((np.array(shape[::-1]) - 1) / 2)
    rows = matrix[::-1, ::-1]

    def sampled(array: Array, order: int) -> Array:
        return np.asarray(affine_transform(array, rows, offset[::-1], shape, order=order), dtype=np.float32)

    return sampled(fixed.array, 1), sampled(fixed.measured.astype(np.float32), 0) > 0


def _fast_shape(shape: npt.NDArray[np.intp]) -> tuple[int, ...]:
    from scipy.fft import next_fast_len

    return tuple(next_fast_len(int(n), real=True) for n in shape)


def _transformed(
    bins: npt.NDArray[np.uint8], measured: npt.NDArray[np.bool_], padded: tuple[int, ...]
) -> list[npt.NDArray[np.complex64]]:
    """The Fourier transform of where each bin lies."""
    from scipy.fft import rfftn

    return [rfftn(((bins == one) & measured).astype(np.float32), padded) for one in range(_BINS)]


def _mutual_information(
    here: Sequence[npt.NDArray[np.complex64]],
    there: Sequence[npt.NDArray[np.complex64]],
    padded: tuple[int, ...],
    least: float,
) -> Array:
    """In nats at every translation, −inf where fewer than ``least`` cells are common."""
    from scipy.fft import irfftn

    common = np.rint(irfftn(np.conj(sum(here)) * sum(there), padded))
    enough = common >= max(least, 1)
    joint = np.empty((_BINS, _BINS, int(enough.sum())), np.float32)
    for i, one in enumerate(here):
        conjugate = np.conj(one)
        for j, two in enumerate(there):
            joint[i, j] = irfftn(conjugate * two, padded)[enough]
    joint = np.where(joint > 0.5, joint, 0) / common[enough]

    def entropy(share: Array) -> Array:
        result: Array = -(share * np.log(np.maximum(share, np.finfo(np.float32).tiny))).sum(axis=0)
        return result

    together = entropy(joint.reshape(_BINS * _BINS, -1))
    scores = np.full(padded, -np.inf, np.float32)
    scores[enough] = entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1)) - together
    return scores


def _peaks(scores: Array) -> list[tuple[npt.NDArray[np.intp], float]]:
    """The highest local maxima: index (z, y, x) and score."""
    from scipy.ndimage import maximum_filter

    top = maximum_filter(scores, size=2 * _PEAK_CELLS + 1, mode="wrap")
    peaks = np.argwhere((scores == top) & np.isfinite(scores))
    values = scores[tuple(peaks.T)]
    best = np.argsort(-values, kind="stable")[:_PEAKS]
    return [(peaks[one], float(values[one])) for one in best]
