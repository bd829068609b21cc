"""One grid from many planes: sort by position along the normal, fit the step, judge the fit.

Never by file name, InstanceNumber, SliceLocation or SliceThickness, which are often wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...errors import GeometryError, SeriesError
from ...volume import Geometry
from ..deskew import even_count, orthogonal_grid
from ..files import check_voxels
from .headers import DicomHeader
from .planes import SlicePlane

__all__ = ["Stack", "stack"]

_FINE_MM = 0.01
_NOTED_MM = 0.1
_NOTED_PART = 0.02  # of the spacing
_LEAN_MM = 0.1  # over the whole stack


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in order, and the grid that they lie on.

    Parameters
    ----------
    headers:
        From the first slice to the last along the normal (right-handed).
    affine:
        4×4 from index (x, y, z) to world point; its z axis leans where the gantry was tilted.
    size:
        Of the grid: x, y, z.
    depths:
        Where the slices are uneven, how deep each lies, in steps of the z axis from the first slice.
    leans:
        Whether the slices must be shifted against each other to stand upright.
    notes:
        What had to be tolerated or will be interpolated.
    """

    headers: tuple[DicomHeader, ...]
    affine: npt.NDArray[np.float64]
    size: tuple[int, int, int]
    depths: npt.NDArray[np.float64] | None
    leans: bool
    notes: tuple[str, ...]

    @property
    def geometry(self) -> Geometry:
        """The grid of the volume in the end."""
        return orthogonal_grid(self.affine, self.size) if self.leans else _grid(self.affine, self.size)


def stack(path: Path, group: Sequence[SlicePlane], allow_uneven: bool = False) -> Stack:
    """Sort the slices of one volume and find the grid they lie on.

    Parameters
    ----------
    path:
        What the user named, for messages.
    group:
        One for each slice, alike, in any order, no two at one position.
    allow_uneven:
        Take uneven steps too.

    Raises
    ------
    SeriesError
        If the slices are fewer than two, uneven, or not on one line.
    """
    planes = list(group)
    if len(planes) < 2:
        raise SeriesError(
            f"{path}: one slice only, which is no volume; give the folder with the whole series"
        )
    normal = planes[0].normal
    planes.sort(key=lambda plane: float(plane.position @ normal))
    positions = np.array([plane.position for plane in planes])
    depths, notes = _steps(path, positions, positions @ normal, allow_uneven)
    size = (*planes[0].size, len(planes) if depths is None else even_count(depths))
    check_voxels(path, size)
    affine, leans, lean_notes = _placed(planes[0], *_line(positions, depths), size)
    found = Stack(tuple(plane.header for plane in planes), affine, size, depths, leans, (*notes, *lean_notes))
    check_voxels(path, found.geometry.size)
    return found


def _steps(
    path: Path, positions: np.ndarray, depth: np.ndarray, allow_uneven: bool
) -> tuple[np.ndarray | None, list[str]]:
    """Nothing where the steps are even; else each slice's depth in usual steps, if that is allowed."""
    gaps = np.diff(depth)
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])  # the lower median: a gap is never shorter than a step
    worst = _distance(positions, None)
    # An eighth of a step at most, else a missing slice of a very fine stack would pass.
    allowed = min(max(_NOTED_MM, _NOTED_PART * usual), usual / 8)
    odd = np.flatnonzero(np.abs(gaps - usual) > 2 * allowed)
    if not len(odd) and worst <= allowed:
        note = f"slices lie up to {worst:.2g} mm off even steps of {usual:.4g} mm"
        return None, [note] if worst > _FINE_MM else []
    where = _where(gaps, usual, odd, worst)
    depths = (depth - depth[0]) / usual
    if not allow_uneven:
        raise SeriesError(
            f"{path}: uneven slices: {where}; add what is missing, export the series again, or have them "
            "interpolated with --allow-uneven"
        )
    off = _distance(positions, depths)
    if off > allowed:
        raise SeriesError(
            f"{path}: the slices do not lie on one line: one is {off:.3g} mm off; export the series again"
        )
    return depths, [f"uneven slices ({where}), interpolated to even steps of {usual:.4g} mm"]


def _where(gaps: np.ndarray, usual: float, odd: np.ndarray, worst: float) -> str:
    if not len(odd):
        return f"{usual:.4g} mm, but a slice lies {worst:.3g} mm off"
    at = int(odd[0])
    steps = gaps[at] / usual
    missing = f" ({round(steps) - 1} missing)" if steps > 1.5 and abs(steps - round(steps)) < 0.1 else ""
    more = f", and at {len(odd) - 1} more place(s)" if len(odd) > 1 else ""
    return f"{usual:.4g} mm, but {gaps[at]:.4g} mm after slice {at + 1}{missing}{more}"


def _line(positions: np.ndarray, depths: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """First point and step of the line closest to ``positions`` (least squares)."""
    along = np.arange(len(positions)) if depths is None else depths
    step, first = np.polyfit(along, positions, 1)
    return first, step


def _distance(positions: np.ndarray, depths: np.ndarray | None) -> float:
    """The largest distance of a position from that line's point at its step."""
    first, step = _line(positions, depths)
    along = np.arange(len(positions)) if depths is None else depths
    return float(np.linalg.norm(positions - (first + along[:, None] * step), axis=1).max())


def _placed(
    plane: SlicePlane, first: np.ndarray, step: np.ndarray, size: tuple[int, int, int]
) -> tuple[np.ndarray, bool, list[str]]:
    """The affine with the true step, whether it leans too much for a grid, and what to say of it.

    Squared up where it leans by less than 0.1 mm in all: nothing then needs to be interpolated.
    """
    affine = _affine(plane, first, step)
    try:
        _grid(affine, size)
    except GeometryError:
        pass
    else:
        return affine, False, []
    along = plane.normal * (step @ plane.normal)
    lean = float(np.linalg.norm(step - along)) * (size[2] - 1)
    if lean <= _LEAN_MM:
        middle = (size[2] - 1) / 2
        note = f"slices lean by {lean:.2g} mm over the stack; read as a right-angled grid"
        return _affine(plane, first + middle * (step - along), along), False, [note]
    angle = np.degrees(np.arccos(np.clip(step @ plane.normal / np.linalg.norm(step), -1, 1)))
    note = (
        f"the slices lean by {angle:.1f}° against their stack ({lean:.3g} mm in all; gantry tilt or shear); "
        "interpolated onto a grid with right angles"
    )
    return affine, True, [note]


def _affine(plane: SlicePlane, first: np.ndarray, step: np.ndarray) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([plane.row * plane.spacing[0], plane.column * plane.spacing[1], step])
    affine[:3, 3] = first
    return affine


def _grid(affine: np.ndarray, size: tuple[int, int, int]) -> Geometry:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    return Geometry(size, tuple(spacing), tuple(affine[:3, 3]), affine[:3, :3] / spacing)
