"""The plane of one slice in the patient, as DICOM's Image Plane module states it (PS3.3 C.7.6.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from ...errors import SeriesError
from ..files import check_voxels, named, plain
from .headers import DicomHeader

__all__ = ["SlicePlane", "made_alike", "plane_of"]

_UNIT_TOLERANCE = 1e-3  # on |row|, |column| and row·column
_SPACING_MM = (1e-3, 100.0)
_FARTHEST_MM = 1e5
_LARGEST_TURN_MM = 0.1  # at the corner of a slice
_NOTED_MM = 0.01
_SAME_SPACING = 1e-4  # relative


@dataclass(frozen=True, eq=False)
class SlicePlane:
    """Where one slice lies: LPS, mm.

    ``row`` is the unit vector along which the column index grows, ``column`` the other one;
    ``spacing`` and ``size`` are in the order x (along ``row``), y.
    """

    header: DicomHeader
    position: np.ndarray
    row: np.ndarray
    column: np.ndarray
    spacing: tuple[float, float]
    size: tuple[int, int]

    @property
    def normal(self) -> np.ndarray:
        """Unit vector at right angles to the slice."""
        cross = np.cross(self.row, self.column)
        result: np.ndarray = cross / np.linalg.norm(cross)
        return result


def plane_of(header: DicomHeader) -> SlicePlane:
    """Take the plane from a header.

    Raises
    ------
    SeriesError
        If position, orientation, spacing or size is missing or impossible; the message names it.
    """
    position = _numbers(header, "ImagePositionPatient", 3, "where the slice lies")
    cosines = _numbers(header, "ImageOrientationPatient", 6, "how the slice is turned").reshape(2, 3)
    between_rows, between_columns = _numbers(header, "PixelSpacing", 2, "the size of a pixel").tolist()
    size = (header.get("Columns", 0), header.get("Rows", 0))
    check_voxels(header.path, (*size, 1))
    for value in (between_columns, between_rows):
        if not _SPACING_MM[0] <= value <= _SPACING_MM[1]:
            raise SeriesError(
                f"{header.path}: PixelSpacing {value:g} mm; expected {_SPACING_MM[0]:g} to "
                f"{_SPACING_MM[1]:g} mm: the header is damaged"
            )
    if np.abs(position).max() > _FARTHEST_MM:
        raise SeriesError(
            f"{header.path}: ImagePositionPatient {_list(position)} is over 100 m away: the header is damaged"
        )
    if np.abs(cosines @ cosines.T - np.eye(2)).max() > _UNIT_TOLERANCE:
        raise SeriesError(
            f"{header.path}: ImageOrientationPatient {_list(cosines.ravel())}; expected two unit vectors "
            "at right angles: the header is damaged"
        )
    return SlicePlane(header, position, cosines[0], cosines[1], (between_columns, between_rows), size)


def _numbers(header: DicomHeader, keyword: str, count: int, meaning: str) -> np.ndarray:
    value = header.get(keyword)
    if value is None:
        raise SeriesError(
            f"{header.path}: no {keyword}: it does not say {meaning}; export the series again from the PACS"
        )
    values = value if isinstance(value, tuple) else (value,)
    if len(values) != count or not all(isinstance(v, (int, float)) and isfinite(v) for v in values):
        raise SeriesError(
            f"{header.path}: {keyword} is {plain(header.text(keyword))}; expected {count} finite numbers"
        )
    return np.array(values, dtype=float)


def _list(numbers: np.ndarray) -> str:
    return "[" + ", ".join(f"{value:g}" for value in numbers) + "]"


def made_alike(planes: Sequence[SlicePlane]) -> tuple[list[SlicePlane], list[str]]:
    """The slices of one volume with the mean orientation of all, and what to say of it.

    Raises
    ------
    SeriesError
        If they differ in size, spacing or frame of reference, or if the orientation of one moves a corner
        of its slice by more than 0.1 mm against the usual one.
    """
    kinds = [_rough_kind(plane) for plane in planes]
    usual = planes[kinds.index(Counter(kinds).most_common(1)[0][0])]
    for plane in planes:
        what = _difference(usual, plane)
        if what:
            raise SeriesError(
                f"{plane.header.path}: {what} than in {named(usual.header.path.name)}: "
                "the slices of this series do not make one volume; export them as separate series"
            )
    notes = _frame_notes(planes)
    worst = max(_turned_mm(usual, plane) for plane in planes)
    if worst == 0:
        return list(planes), notes
    row = _unit(np.mean([plane.row for plane in planes], axis=0))
    column = np.mean([plane.column for plane in planes], axis=0)
    column = _unit(column - row * (row @ column))
    if worst > _NOTED_MM:
        notes.append(f"the orientation varies by up to {worst:.2g} mm at a slice's corner; its mean was used")
    return [_turned(plane, row, column) for plane in planes], notes


def _frame_notes(planes: Sequence[SlicePlane]) -> list[str]:
    """What is said where some slices name their frame of reference, and some do not."""
    without = sum("FrameOfReferenceUID" not in plane.header.values for plane in planes)
    if without in (0, len(planes)):
        return []
    return [
        f"{without} of {len(planes)} slices do not name their frame of reference; taken as that of the rest"
    ]


def _turned_mm(a: SlicePlane, b: SlicePlane) -> float:
    """How far a corner of ``b`` lies from where the orientation of ``a`` would put it, in mm."""
    x = (b.row - a.row) * b.spacing[0] * (b.size[0] - 1)
    y = (b.column - a.column) * b.spacing[1] * (b.size[1] - 1)
    return float(max(np.linalg.norm(x), np.linalg.norm(y), np.linalg.norm(x + y)))


def _turned(plane: SlicePlane, row: np.ndarray, column: np.ndarray) -> SlicePlane:
    """The same slice with another orientation about its middle."""
    across = plane.spacing[0] * (plane.size[0] - 1) / 2
    down = plane.spacing[1] * (plane.size[1] - 1) / 2
    moved = (plane.row - row) * across + (plane.column - column) * down
    return replace(plane, position=plane.position + moved, row=row, column=column)


def _unit(vector: np.ndarray) -> np.ndarray:
    result: np.ndarray = vector / np.linalg.norm(vector)
    return result


def _rough_kind(plane: SlicePlane) -> tuple[object, ...]:
    """Equal for planes that are alike, so that the odd one out is named."""
    numbers = np.concatenate([plane.row, plane.column, plane.spacing])
    rough = [round(float(value), 2) + 0.0 for value in numbers]  # + 0: no -0
    return (plane.size, *rough)


def _difference(a: SlicePlane, b: SlicePlane) -> str:
    if a.size != b.size:
        return f"another size ({b.size[0]}×{b.size[1]}, not {a.size[0]}×{a.size[1]})"
    if (moved := _turned_mm(a, b)) > _LARGEST_TURN_MM:
        cosines = [_list(np.r_[plane.row, plane.column]) for plane in (b, a)]
        return f"another orientation ({cosines[0]}, not {cosines[1]}: {moved:.2g} mm at a corner)"
    if not np.allclose(a.spacing, b.spacing, rtol=_SAME_SPACING, atol=0):
        return f"another pixel spacing ({_list(np.array(b.spacing))} mm, not {_list(np.array(a.spacing))} mm)"
    frames = {one.header.get("FrameOfReferenceUID") for one in (a, b)} - {None}
    if len(frames) > 1:
        return "another frame of reference"
    return ""
