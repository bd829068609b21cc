"""Slices that lean or lie unevenly, interpolated onto a grid with right angles and even steps.

Volumes here have right angles (:class:`medfuse.Geometry`).  A gantry-tilted CT has not: each slice is
shifted against the one before.  Reading it as if it were upright misplaces it by centimetres.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..padding import interpolate_measured
from ..volume import Geometry

__all__ = ["deskew", "even_count", "even_slices", "orthogonal_grid"]

_ROUNDING = 9  # decimals of an index that count; the rest would put the outermost voxels outside
_STEP_ROUNDING = 3  # decimals of a step
_SAME_STEP = 1e-3  # a slice that lies right but for rounding is taken as it is


def orthogonal_grid(affine: npt.NDArray[np.float64], size: tuple[int, int, int]) -> Geometry:
    """The right-angled grid around a leaning one.

    Its x axis is that of the leaning grid, its y axis lies in the same x–y plane, and each of its
    slices lies in the plane of one of the leaning ones; it is as large as it must be to hold all.
    Voxel (0, 0, 0) of the leaning grid is one of its voxels.

    Parameters
    ----------
    affine:
        4×4 from voxel index (x, y, z) to world point; the columns need not be at right angles.
    size:
        Number of voxels along x, y, z.
    """
    turn, steps = _decomposed(affine)
    spacing = np.diag(steps)
    reach = (steps / spacing[:, None]) * (np.asarray(size) - 1)  # how far each axis leads, in voxels
    low = np.floor(np.minimum(reach, 0).sum(axis=1).round(_ROUNDING))
    high = np.ceil(np.maximum(reach, 0).sum(axis=1).round(_ROUNDING))
    origin = affine[:3, 3] + turn @ (low * spacing)
    rows = (tuple(turn[0]), tuple(turn[1]), tuple(turn[2]))
    return Geometry(tuple((high - low + 1).astype(int)), tuple(spacing), tuple(origin), rows)


def deskew(
    array: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_] | None, affine: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], Geometry]:
    """Interpolate a leaning volume linearly onto :func:`orthogonal_grid`.

    Returns
    -------
    array, valid, geometry
        ``valid`` is False where nothing was measured; there the value is the smallest measured one.
    """
    from scipy.ndimage import affine_transform

    geometry = orthogonal_grid(affine, array.shape[2::-1])
    to_index = np.linalg.inv(affine) @ geometry.affine
    matrix = to_index[:3, :3][::-1, ::-1].round(_ROUNDING)
    offset = to_index[:3, 3][::-1].round(_ROUNDING)

    def moved(values: np.ndarray) -> np.ndarray:
        result: np.ndarray = affine_transform(values, matrix, offset, geometry.shape, order=1, cval=0.0)
        return result

    return *interpolate_measured(array, valid, moved, moved), geometry


def even_count(depths: npt.NDArray[np.float64]) -> int:
    """How many slices one step apart lie between the first and the last of ``depths`` (in steps, from 0)."""
    return int(np.floor(round(float(depths[-1]), _STEP_ROUNDING))) + 1


def even_slices(
    array: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_] | None,
    depths: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_] | None]:
    """Slices at even steps, each interpolated linearly between the two measured ones beside it.

    Parameters
    ----------
    array, valid:
        Slices (z, y, x) and what was measured of them.
    depths:
        Where each lies, in steps; starts at 0 and grows.
    """
    wanted = np.arange(even_count(depths))
    below = np.clip(
        np.searchsorted(depths.round(_STEP_ROUNDING), wanted, side="right") - 1, 0, len(depths) - 2
    )
    share = ((wanted - depths[below]) / (depths[below + 1] - depths[below])).clip(0, 1)
    share = np.where(np.abs(share - share.round()) < _SAME_STEP, share.round(), share)
    result = np.empty((len(wanted), *array.shape[1:]), np.float32)
    kept = None if valid is None else np.empty(result.shape, bool)
    for k, (i, part) in enumerate(zip(below, share, strict=True)):
        result[k] = (1 - part) * array[i] + part * array[i + 1]
        if kept is not None and valid is not None:
            kept[k] = (valid[i] | (part == 1)) & (valid[i + 1] | (part == 0))
    return result, kept


def _decomposed(affine: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The 3×3 part as directions at right angles times an upper triangle with a positive diagonal."""
    turn, steps = np.linalg.qr(affine[:3, :3])
    signs = np.sign(np.diag(steps))
    return turn * signs + 0.0, steps * signs[:, None]  # + 0.0: no -0
