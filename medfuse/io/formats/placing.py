"""A file's array and affine as a volume; axes that are not at right angles are squared up or interpolated."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...errors import GeometryError, ReadError
from ...volume import Geometry, Volume
from ..deskew import deskew, orthogonal_grid
from ..files import check_voxels

__all__ = ["corner_distance", "place"]

_FLAT = 1e-3  # volume of a unit cell: axes within 0.06° of one plane are no grid
_SQUARED_UP_MM = 0.1  # as for the slices of a DICOM series: what moves no voxel farther is not interpolated


def place(path: Path, array: np.ndarray, affine: npt.NDArray[np.float64], notes: tuple[str, ...]) -> Volume:
    """A volume by its affine.

    Parameters
    ----------
    path:
        The file, for messages.
    array:
        (z, y, x), or (z, y, x, 3) for colour.
    affine:
        4×4 from voxel index (x, y, z) to world point in LPS mm.
    notes:
        What was said of the file so far.

    Raises
    ------
    ReadError, GeometryError
        If the affine is not finite, singular or almost so.
    """
    size = (array.shape[2], array.shape[1], array.shape[0])
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.all(np.isfinite(affine)) or steps.min() <= 0:
        raise GeometryError(f"the affine {affine.tolist()} is singular or not finite")
    unit = affine[:3, :3] / steps
    if abs(np.linalg.det(unit)) < _FLAT:
        raise ReadError(f"{path}: two of its axes run almost alike: the affine is damaged; export it again")
    try:
        return Volume(array, _grid(affine, size), notes=notes)
    except GeometryError:  # not at right angles
        pass
    square = _squared_up(affine, size)
    moved = corner_distance(affine, square, size)
    if moved <= _SQUARED_UP_MM:
        note = f"its axes are sheared by up to {moved:.2g} mm; read as a right-angled grid"
        return Volume(array, _grid(square, size), notes=(*notes, note))
    check_voxels(path, orthogonal_grid(affine, size).size)
    straight, valid, geometry = deskew(array.astype(np.float32, copy=False), None, affine)
    lean = np.degrees(np.arcsin(min(1.0, np.abs(unit.T @ unit - np.eye(3)).max())))
    note = f"its axes are sheared by {lean:.1f}°; interpolated onto a grid with right angles"
    return Volume(straight, geometry, valid=valid, notes=(*notes, note))


def corner_distance(a: np.ndarray, b: np.ndarray, size: tuple[int, ...]) -> float:
    """How far apart two affines put a corner of a grid at most, in their units."""
    corners = np.array([(*corner, 1) for corner in product(*((0, n - 1) for n in size))])
    return float(np.linalg.norm(corners @ (a - b).T, axis=1).max())


def _grid(affine: np.ndarray, size: tuple[int, int, int]) -> Geometry:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    return Geometry(size, tuple(spacing), tuple(affine[:3, 3]), affine[:3, :3] / spacing)


def _squared_up(affine: np.ndarray, size: tuple[int, int, int]) -> np.ndarray:
    """The nearest right-angled axes (polar decomposition), turned about the middle of the grid."""
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(affine[:3, :3] / steps)
    square = affine.copy()
    square[:3, :3] = left @ right * steps
    middle = (np.array(size) - 1) / 2
    square[:3, 3] += (affine[:3, :3] - square[:3, :3]) @ middle
    return square
