"""FreeSurfer's linear transform arrays (``.lta``), as ``mri_robust_register`` and ``bbregister`` write them.

Text: ``type`` 0 is voxel to voxel, 1 is scanner RAS to scanner RAS; one 4×4 matrix from source to target;
the grids of both.  A grid's voxel (i, j, k) lies at cras + D·((i, j, k) − size/2), the columns of D being
xras, yras and zras times the voxel size (https://surfer.nmr.mgh.harvard.edu/fswiki/CoordinateSystems).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ...errors import ReadError
from ...transforms import RAS_FROM_LPS, Matrix, flipped
from ...transforms import inverse as inverse_of
from ...volume import StoredGrid

__all__ = ["is_lta", "to_lps"]

_VOXEL, _RAS = 0, 1
_GRIDS_EXCHANGED = "created by NiTransforms"  # up to 25.1 it writes the source's grid as the target's
_TOLERANCE = 1e-2  # mm; the grids are written with few digits


def is_lta(text: str) -> bool:
    """Whether ``text`` is a linear transform array."""
    return bool(re.search(r"^\s*type\s*=", text, re.M) and re.search(r"^\s*nxforms\s*=", text, re.M))


def to_lps(
    path: Path, text: str, inverse: bool, grids: tuple[StoredGrid, StoredGrid] | None
) -> tuple[Matrix, tuple[str, ...]]:
    """The matrix from fixed to moving points in LPS, and what was assumed.

    Without ``inverse`` the source is the moving volume, unless ``grids`` (fixed, moving) say it is the
    fixed one.

    Raises
    ------
    ReadError
        For several transforms, another type, or a damaged file.
    """
    matrix, source, target = _parse(path, text)
    from_fixed, why = inverse, "as was said" if inverse else "as is usual"
    if not inverse and grids is not None and _GRIDS_EXCHANGED not in text:
        from_fixed, why = _direction(grids, source, target)
    lps = flipped(matrix if from_fixed else inverse_of(matrix))
    role = "fixed" if from_fixed else "moving"
    return lps, (f"initial transform: the source volume of the LTA is taken as the {role} one, {why}",)


def _direction(
    grids: tuple[StoredGrid, StoredGrid], source: Matrix | None, target: Matrix | None
) -> tuple[bool, str]:
    """Whether the source is the fixed volume, and by what that is known."""
    fixed, moving = (RAS_FROM_LPS @ grid.affine for grid in grids)
    as_usual = _same(source, moving) + _same(target, fixed)
    exchanged = _same(source, fixed) + _same(target, moving)
    if as_usual == exchanged:
        return False, "as is usual"
    return exchanged > as_usual, "by the grids written in it"


def _same(one: Matrix | None, other: Matrix) -> bool:
    return one is not None and bool(np.abs(one - other).max() <= _TOLERANCE)


def _parse(path: Path, text: str) -> tuple[Matrix, Matrix | None, Matrix | None]:
    """The matrix between RAS points, and the grids (index to RAS) of source and target."""
    head, _, rest = re.sub(r"#.*", "", text).partition("src volume info")
    source, _, target = rest.partition("dst volume info")
    kind, count = (_numbers(path, head, name, 1)[0] for name in ("type", "nxforms"))
    if count != 1:
        raise ReadError(f"{path}: holds {count:g} transforms; expected one")
    if kind not in (_VOXEL, _RAS):
        raise ReadError(
            f"{path}: an LTA of type {kind:g}; expected 0 (voxels) or 1 (RAS): convert it with lta_convert "
            "(--ltavox2vox or --outlta)"
        )
    found = re.search(r"^\s*1\s+4\s+4\s*$", head, re.M)
    words = head[found.end() :].split()[:16] if found else []
    try:
        matrix = np.array([float(word) for word in words]).reshape(4, 4)
        np.linalg.inv(matrix)
    except (ValueError, np.linalg.LinAlgError):
        raise ReadError(f"{path}: its 4×4 matrix is missing, damaged or singular") from None
    grids = _grid(path, source), _grid(path, target)
    if kind == _RAS:
        return matrix, *grids
    if grids[0] is None or grids[1] is None:
        raise ReadError(f"{path}: a voxel-to-voxel LTA that does not say the grids of its volumes")
    return grids[1] @ matrix @ np.linalg.inv(grids[0]), *grids


def _grid(path: Path, text: str) -> Matrix | None:
    """Voxel index to RAS; None where the file calls it invalid."""
    if "valid" not in text or _numbers(path, text, "valid", 1)[0] != 1:
        return None
    size, steps = _numbers(path, text, "volume", 3), _numbers(path, text, "voxelsize", 3)
    axes = np.column_stack([_numbers(path, text, name, 3) for name in ("xras", "yras", "zras")]) * steps
    grid = np.eye(4)
    grid[:3, :3] = axes
    grid[:3, 3] = _numbers(path, text, "cras", 3) - axes @ size / 2
    return grid


def _numbers(path: Path, text: str, name: str, count: int) -> np.ndarray:
    line = re.search(rf"^\s*{name}\s*=(.*)$", text, re.M)
    words = line[1].split() if line else []
    try:
        values = np.array([float(word) for word in words[:count]])
    except ValueError:
        values = np.array([])
    if len(values) != count:
        raise ReadError(f"{path}: {name} is missing or damaged; expected {count} number(s)")
    return values
