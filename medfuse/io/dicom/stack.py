"""One grid from many planes: sort by position along the normal, fit the step, judge the fit.

Never by file name, InstanceNumber, SliceLocation or SliceThickness, which are often wrong.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from ...errors import GeometryError, SeriesError
from ...volume import Geometry
from ..files import check_voxels, one_line
from .headers import DISTINGUISHING, Header
from .planes import Plane, check_alike, plane_of

__all__ = ["stack"]

_FINE_MM = 0.01
_NOTED_MM = 0.1
_NOTED_PART = 0.02  # of the spacing
_LEAN_MM = 0.1  # over the whole stack


def stack(path: Path, headers: tuple[Header, ...]) -> tuple[list[Header], Geometry, list[str]]:
    """Sort the slices and find the grid they lie on.

    Parameters
    ----------
    path:
        What the user named, for messages.
    headers:
        One for each slice, in any order.

    Returns
    -------
    headers, geometry, notes
        The headers from the first slice to the last along the normal (right-handed), the grid, and
        what had to be tolerated.

    Raises
    ------
    SeriesError
        If the slices are fewer than two, not alike, several at one position, uneven, or lean.
    """
    planes = [plane_of(header) for header in headers]
    check_alike(planes)
    if len(planes) < 2:
        raise SeriesError(
            f"{path}: one slice only, which is no volume; give the folder with the whole series"
        )
    normal = planes[0].normal
    planes.sort(key=lambda plane: float(plane.position @ normal))
    positions = np.array([plane.position for plane in planes])
    depth = positions @ normal
    _refuse_several_at_one_position(path, planes, depth)
    notes = _evenness(path, positions, depth)
    geometry, lean_notes = _geometry(path, planes[0], positions, normal)
    return [plane.header for plane in planes], geometry, [*notes, *lean_notes]


def _refuse_several_at_one_position(path: Path, planes: list[Plane], depth: np.ndarray) -> None:
    same = np.diff(depth) < _FINE_MM
    if not same.any():
        return
    at = int(np.argmax(same))
    a, b = planes[at].header, planes[at + 1].header
    positions = len(depth) - int(same.sum())
    choices = _choices([plane.header for plane in planes], positions)
    if choices:
        raise SeriesError(
            f"{path}: holds {len(depth) // positions} volumes of {positions} slices in one series, told "
            f"apart by {choices}; export the one you need as a series of its own"
        )
    raise SeriesError(f"{path}: two images at one position: {a.path.name} and {b.path.name}; take one away")


def _choices(headers: list[Header], positions: int) -> str:
    """``EchoTime 10, 80; ...``: each attribute that splits the slices into one for each position."""
    found = []
    for keyword in (*DISTINGUISHING, "ImageType"):
        counts = Counter(header.get(keyword) for header in headers)
        if len(counts) > 1 and set(counts.values()) == {positions}:
            found.append(f"{keyword} " + ", ".join(one_line(_plain(value), 40) for value in counts))
    return "; ".join(found)


def _plain(value: object) -> str:
    return "\\".join(str(part) for part in value) if isinstance(value, tuple) else f"{value}"


def _evenness(path: Path, positions: np.ndarray, depth: np.ndarray) -> list[str]:
    """Judge how well equal steps describe the positions: fine, a note, or an error that says where."""
    gaps = np.diff(depth)
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])  # the lower median: a gap is never shorter than a step
    worst = float(np.linalg.norm(positions - _even_positions(positions), axis=1).max())
    # An eighth of a step at most, else a missing slice of a very fine stack would pass.
    allowed = min(max(_NOTED_MM, _NOTED_PART * usual), usual / 8)
    odd = np.flatnonzero(np.abs(gaps - usual) > 2 * allowed)
    if len(odd) or worst > allowed:
        raise SeriesError(
            f"{path}: uneven slices: {_where(gaps, usual, odd, worst)}; "
            "add what is missing or export the series again"
        )
    return [f"slices lie up to {worst:.2g} mm off even steps of {usual:.4g} mm"] if worst > _FINE_MM else []


def _where(gaps: np.ndarray, usual: float, odd: np.ndarray, worst: float) -> str:
    if not len(odd):
        return f"{usual:.4g} mm, but a slice lies {worst:.3g} mm off"
    at = int(odd[0])
    steps = gaps[at] / usual
    missing = f" ({round(steps) - 1} missing)" if steps > 1.5 and abs(steps - round(steps)) < 0.1 else ""
    more = f", and at {len(odd) - 1} more place(s)" if len(odd) > 1 else ""
    return f"{usual:.4g} mm, but {gaps[at]:.4g} mm after slice {at + 1}{missing}{more}"


def _even_positions(positions: np.ndarray) -> np.ndarray:
    """The equally spaced positions closest to ``positions`` (least squares)."""
    step, first = _fit(positions)
    return first + np.arange(len(positions))[:, None] * step


def _fit(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    step, first = np.polyfit(np.arange(len(positions)), positions, 1)
    return step, first


def _geometry(
    path: Path, plane: Plane, positions: np.ndarray, normal: np.ndarray
) -> tuple[Geometry, list[str]]:
    """The grid with the true step vector; squared up where it leans by less than 0.1 mm in all."""
    step, first = _fit(positions)
    along = normal * (step @ normal)
    lean = float(np.linalg.norm(step - along)) * (len(positions) - 1)
    size = (*plane.size, len(positions))
    check_voxels(path, size)
    try:
        return _grid(plane, size, first, step), []
    except GeometryError:
        if lean > _LEAN_MM:
            angle = np.degrees(np.arccos(np.clip(step @ normal / np.linalg.norm(step), -1, 1)))
            raise SeriesError(
                f"{path}: the slices lean by {angle:.1f}° against their stack ({lean:.3g} mm in all; gantry "
                "tilt or shear), which is not read yet; convert with dcm2niix first, which straightens it"
            ) from None
    middle = (len(positions) - 1) / 2
    return _grid(plane, size, first + middle * (step - along), along), [
        f"slices lean by {lean:.2g} mm over the stack; read as a right-angled grid"
    ]


def _grid(plane: Plane, size: tuple[int, int, int], first: np.ndarray, step: np.ndarray) -> Geometry:
    columns = np.column_stack([plane.row * plane.spacing[0], plane.column * plane.spacing[1], step])
    spacing = np.linalg.norm(columns, axis=0)
    return Geometry(size, tuple(spacing), tuple(first), columns / spacing)
