"""Matrices whose millimetres are counted along the voxels of two files: FSL's and FreeSurfer's.

FLIRT (https://fsl.fmrib.ox.ac.uk/fsl/docs/#/registration/flirt/faq): a voxel (i, j, k) lies at its index
times the header's pixdim; where the image's axes are right-handed in RAS (a positive determinant), i is
counted from the other end.  Unit flags, shears and an sform of other lengths do not count.

tkregister (https://surfer.nmr.mgh.harvard.edu/fswiki/RegisterDat, .../CoordinateSystems): a voxel lies at
D·((i, j, k) − size/2), D having the rows (−dx, 0, 0), (0, 0, dz), (0, −dy, 0); the matrix takes points of the
target (fixed) to points of the movable volume.

With S such a map and A the one from index to world, the world transform of a matrix M from fixed to moving is
A_moving S_moving⁻¹ M S_fixed A_fixed⁻¹.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from ...errors import ParameterError
from ...transforms import Matrix
from ...volume import StoredGrid
from .numbers import parse

__all__ = ["from_flirt", "from_tkregister", "register_dat"]

_SUBJECT_LINES = 4  # subject, in-plane and between-plane resolution, intensity


def from_flirt(matrix: Matrix, fixed: StoredGrid, moving: StoredGrid) -> Matrix:
    """Fixed to moving points in LPS of a matrix from FLIRT's millimetres of the fixed to the moving file.

    Raises
    ------
    ParameterError
        If a pixdim is not positive: nobody can know what FLIRT made of it.
    """
    return _in_world(matrix, fixed, moving, _flirt_millimetres)


def from_tkregister(matrix: Matrix, fixed: StoredGrid, moving: StoredGrid) -> Matrix:
    """Fixed to moving points in LPS of a tkregister matrix from target (fixed) to movable volume."""
    return _in_world(matrix, fixed, moving, _tkregister_millimetres)


def register_dat(text: str) -> Matrix | None:
    """The matrix of a ``register.dat``; None for other text."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbers = lines[1:_SUBJECT_LINES]
    if len(lines) < _SUBJECT_LINES + 4 or not all(re.fullmatch(r"[-+.\deE]+", line) for line in numbers):
        return None
    return parse("\n".join(lines[_SUBJECT_LINES : _SUBJECT_LINES + 4]))


def _in_world(
    matrix: Matrix, fixed: StoredGrid, moving: StoredGrid, millimetres: Callable[[StoredGrid], Matrix]
) -> Matrix:
    to_fixed = millimetres(fixed) @ np.linalg.inv(fixed.affine)
    to_moving = millimetres(moving) @ np.linalg.inv(moving.affine)
    return np.asarray(np.linalg.inv(to_moving) @ matrix @ to_fixed)


def _flirt_millimetres(grid: StoredGrid) -> Matrix:
    """From voxel index to FLIRT's millimetres."""
    sizes = np.abs(grid.pixdim)
    if not (np.isfinite(sizes).all() and sizes.min() > 0):
        text = ", ".join(f"{size:g}" for size in grid.pixdim)
        raise ParameterError(
            f"a FLIRT matrix for a NIfTI file whose pixdim is {text}: FLIRT counts in voxels of that size; "
            "export the volume with positive voxel sizes and run FLIRT again"
        )
    matrix = np.diag([*sizes, 1.0])
    if np.linalg.det(grid.affine) > 0:  # the same in LPS as in RAS
        matrix[0] = (-sizes[0], 0, 0, (grid.size[0] - 1) * sizes[0])
    return matrix


def _tkregister_millimetres(grid: StoredGrid) -> Matrix:
    """From voxel index to tkregister's RAS millimetres."""
    dx, dy, dz = np.linalg.norm(grid.affine[:3, :3], axis=0)
    matrix = np.eye(4)
    matrix[:3, :3] = [[-dx, 0, 0], [0, 0, dz], [0, -dy, 0]]
    matrix[:3, 3] = -matrix[:3, :3] @ np.asarray(grid.size) / 2
    return matrix
