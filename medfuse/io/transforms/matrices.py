"""4×4 matrices as text, and what they mean in LPS.

FLIRT's millimetres (https://fsl.fmrib.ox.ac.uk/fsl/docs/#/registration/flirt/faq): a voxel (i, j, k) lies
at its index times the spacing; where the image's axes are right-handed in RAS (a positive determinant),
i is counted from the other end.  With S this map and A the one from index to world, the world transform
of a matrix F from reference to input is A_moving S_moving⁻¹ F S_fixed A_fixed⁻¹.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ...errors import ParameterError
from ...transforms import Matrix
from ...volume import Geometry

__all__ = ["checked", "from_flirt", "parse"]

_ROUNDED = 2e-4  # largest |R Rᵀ − I| of a rotation written with four decimals
_PRINTED = 1e-6  # what is lost by seven digits or more is no news to the reader
_SINGULAR = 1e-6


def parse(text: str) -> Matrix | None:
    """The 4×4 numbers of ``text``, apart by blanks or commas, ``#`` and ``%`` before comments; else None."""
    rows = [re.split(r"[#%]", line)[0].replace(",", " ").split() for line in text.splitlines()]
    rows = [row for row in rows if row]
    if [len(row) for row in rows] != [4, 4, 4, 4]:
        return None
    try:
        matrix = np.array([[float(word) for word in row] for row in rows])
    except ValueError:
        return None
    proper = np.isfinite(matrix).all() and np.allclose(matrix[3], [0, 0, 0, 1], atol=1e-6)
    return matrix if proper and abs(np.linalg.det(matrix)) > _SINGULAR else None


def from_flirt(matrix: Matrix, fixed: Geometry, moving: Geometry) -> Matrix:
    """Fixed to moving points in LPS of a matrix between FLIRT's millimetres of the two grids."""
    to_fixed = _flirt_millimetres(fixed) @ np.linalg.inv(fixed.affine)
    to_moving = _flirt_millimetres(moving) @ np.linalg.inv(moving.affine)
    return np.asarray(np.linalg.inv(to_moving) @ matrix @ to_fixed)


def _flirt_millimetres(grid: Geometry) -> Matrix:
    """From voxel index to FLIRT's millimetres."""
    matrix = np.diag([*grid.spacing, 1.0])
    if np.linalg.det(grid.to_ras_affine()) > 0:
        matrix[0] = (-grid.spacing[0], 0, 0, (grid.size[0] - 1) * grid.spacing[0])
    return matrix


def checked(path: Path, matrix: Matrix) -> tuple[Matrix, tuple[str, ...]]:
    """``matrix`` if it does not mirror; a rotation that was rounded when it was written is made exact.

    Raises
    ------
    ParameterError
        If it mirrors the patient, as a wrong convention does.
    """
    linear = matrix[:3, :3]
    if np.linalg.det(linear) <= 0:
        raise ParameterError(
            f"{path}: mirrors left and right, which no patient does: is it in another convention "
            "(lps, ras, fsl)? If a mirror is meant, give it as an ITK .tfm"
        )
    error = np.abs(linear @ linear.T - np.eye(3)).max()
    if error > _ROUNDED:
        return matrix, ()
    left, _, right = np.linalg.svd(linear)
    exact = matrix.copy()
    exact[:3, :3] = left @ right
    if error <= _PRINTED:
        return exact, ()
    return exact, ("initial transform: its rounded numbers were taken as the nearest rotation",)
