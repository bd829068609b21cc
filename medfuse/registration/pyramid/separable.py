"""Smoothing and resampling along the axes of a grid.

Old and new grid have the same axes and the same centre, so each axis is one small sparse matrix, and
smoothing and interpolating are one product: for 256³ voxels four times as fast as ITK's recursive
Gaussians and resampler, and the mean of what was measured is a quotient of two products.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...padding import masked_mean
from ...progress import Progress, ignore

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["averaged", "interpolation", "smoothing", "voxel_centres"]

_REACH = 3.5  # standard deviations, beyond which a Gaussian counts as 0

Array = npt.NDArray[np.float32]


def voxel_centres(old: int, new: int, ratio: float) -> npt.NDArray[np.float64]:
    """Where ``new`` voxels ``ratio`` times as long lie among ``old`` ones, about the same centre."""
    return np.asarray((old - 1) / 2 + ratio * (np.arange(new) - (new - 1) / 2), dtype=np.float64)


def smoothing(size: int, sigma: float) -> csr_array:
    """The matrix (size, size) of a Gaussian of ``sigma`` voxels; at the ends it weighs what there is."""
    from scipy.sparse import csr_array, diags_array

    reach = min(int(np.ceil(_REACH * sigma)), size - 1)
    if reach == 0:
        return csr_array(np.eye(size, dtype=np.float32))
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    matrix = diags_array(kernel, offsets=offsets, shape=(size, size)).tocsr()
    return csr_array(matrix.multiply(1 / matrix.sum(axis=1)[:, np.newaxis])).astype(np.float32)


def interpolation(old: int, at: npt.NDArray[np.float64]) -> csr_array:
    """The matrix (len(at), old) of linear interpolation; beyond the ends the last value holds."""
    from scipy.sparse import csr_array

    at = np.clip(at, 0, old - 1)
    left = np.minimum(np.floor(at).astype(int), max(old - 2, 0))
    right = np.minimum(left + 1, old - 1)
    rows = np.tile(np.arange(len(at)), 2)
    shares = np.concatenate([1 - (at - left), at - left])
    return csr_array((shares, (rows, np.concatenate([left, right]))), shape=(len(at), old)).astype(np.float32)


def averaged(
    array: Array,
    measured: npt.NDArray[np.bool_] | None,
    matrices: Sequence[csr_array],
    progress: Progress = ignore,
) -> Array:
    """``array`` (z, y, x) with one matrix along each axis; only what was ``measured`` takes part."""
    along_axes = partial(_along_axes, matrices=matrices, progress=progress)
    return along_axes(array) if measured is None else masked_mean(along_axes, array, measured)


def _along_axes(array: Array, matrices: Sequence[csr_array], progress: Progress) -> Array:
    for axis, matrix in enumerate(matrices):
        progress(axis / 3, "smoothing")
        lines = np.ascontiguousarray(np.moveaxis(array, axis, 0))
        product = matrix @ lines.reshape(len(lines), -1)
        array = np.moveaxis(product.reshape(-1, *lines.shape[1:]), 0, axis)
    return np.ascontiguousarray(array)
