"""The grid that the volumes of a study are brought to.

=================  ========================================================================================
``fixed``          that of the fixed volume, which so is not resampled
``finest``         the fixed field of view, sampled along each of its axes as finely as any of the volumes
                   is along that direction
``isotropic:MM``   the fixed field of view in cubes of MM millimetres
=================  ========================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..io.files import max_voxels, one_line
from ..memory import available_bytes
from ..volume import Geometry
from .interpolation import linear_part

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["GRIDS", "check_memory", "output_grid", "parse_grid"]

GRIDS = ("fixed", "finest", "isotropic:MM")

_SAME = 1e-3  # relative: a grid that is finer by less is the same
_BYTES = 4  # float32
_LEAST = 1e-6  # mm; no scanner resolves a nanometre


def parse_grid(text: str) -> str | float:
    """``fixed``, ``finest``, or the millimetres of ``isotropic:MM``.

    Raises
    ------
    ParameterError
        For anything else.
    """
    if text in ("fixed", "finest"):
        return text
    word, _, number = text.partition(":")
    try:
        side = float(number)
    except ValueError:
        side = math.nan
    if word != "isotropic" or not (math.isfinite(side) and side >= _LEAST):
        raise ParameterError(
            f"grid {one_line(text, 40)!r}: expected {', '.join(GRIDS)}, such as isotropic:0.8, of at least "
            f"{_LEAST:g} mm"
        )
    return side


def output_grid(
    spec: str, fixed: Geometry, moving: Sequence[tuple[Geometry, SimpleITK.Transform | None]] = ()
) -> Geometry:
    """The grid named by ``spec`` over the field of view of ``fixed``.

    Parameters
    ----------
    spec:
        ``fixed``, ``finest`` or ``isotropic:MM``.
    fixed:
        Grid of the fixed volume.
    moving:
        Grid of each moving volume with the transform from fixed to its points (None: the identity).

    Returns
    -------
    Geometry
        ``fixed`` itself where nothing changes.  Else a grid with its directions and its centre; along an
        axis its extent differs from the field of view by at most half a voxel with ``isotropic``, which
        keeps MM exact, and not at all with ``finest``, which fits its spacing.  An axis with a single
        slice stays as it is: it has no extent to divide.

    Raises
    ------
    ParameterError
        For another ``spec``.
    """
    wanted = parse_grid(spec)
    if wanted == "fixed":
        return fixed
    extent = np.multiply(fixed.size, fixed.spacing)
    spacing = np.asarray(fixed.spacing)
    if isinstance(wanted, float):
        new = np.full(3, wanted)
        size = np.maximum(1, np.rint(extent / new))
    else:
        new = np.minimum(spacing, _finest(fixed, moving))
        new = np.where(new < spacing * (1 - _SAME), new, spacing)
        size = np.maximum(1, np.ceil(extent / new - _SAME))
        new = extent / size
    single = np.asarray(fixed.size) == 1
    new, size = np.where(single, spacing, new), np.where(single, 1, size)
    if np.array_equal(size, fixed.size) and np.allclose(new, spacing, rtol=_SAME / 10):
        return fixed
    origin = fixed.centre - np.asarray(fixed.direction) @ ((size - 1) / 2 * new)
    x, y, z = (int(n) for n in size)
    return Geometry((x, y, z), tuple(new), tuple(origin), fixed.direction)


def _finest(
    fixed: Geometry, moving: Sequence[tuple[Geometry, SimpleITK.Transform | None]]
) -> npt.NDArray[np.float64]:
    """Per axis of ``fixed``, the smallest sampling distance of the moving volumes along it in mm."""
    steps = [np.full(3, np.inf)]
    for grid, transform in moving:
        along = np.asarray(grid.direction).T @ linear_part(transform, fixed) @ np.asarray(fixed.direction)
        # From the ellipsoid with the spacings as half-axes; a single slice says nothing across itself.
        per_mm = np.square(along) / np.square(grid.spacing)[:, None] * (np.asarray(grid.size) > 1)[:, None]
        with np.errstate(divide="ignore"):
            steps.append(1 / np.sqrt(per_mm.sum(axis=0)))
    return np.asarray(np.min(steps, axis=0))


def check_memory(grid: Geometry, volumes: int) -> None:
    """Refuse a grid that ``volumes`` volumes, with what is made of them, would not fit on.

    Raises
    ------
    ParameterError
        If the grid has more voxels than ``$MEDFUSE_MAX_VOXELS`` (or 1024³), or would need more memory
        than can still be had.
    """
    voxels = math.prod(grid.size)
    # Registered, rescaled, share, what was taken out; fused, baselines, uncertainty, taken out of the fused.
    needed = voxels * _BYTES * (4 * volumes + 6)
    what = f"the grid of {grid.describe()} needs about {needed / 1e9:.1f} GB for {volumes} volumes"
    if voxels > max_voxels():
        raise ParameterError(
            f"{what} and has more than the limit of {max_voxels()} voxels; choose a coarser --grid, or set "
            "MEDFUSE_MAX_VOXELS"
        )
    there = available_bytes()
    if there is not None and needed > there:
        raise ParameterError(
            f"{what}; {there / 1e9:.1f} GB can still be had: choose a coarser --grid, or free memory"
        )
