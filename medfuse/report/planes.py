"""The three planes of a volume as radiologists look at them.

Axial from below with the front up, coronal from the front with the head up, sagittal from the left
with the front at the left; the patient's left is on the right of the picture.  A volume is
turned in steps of 90° only: nothing is interpolated, and an oblique volume is shown in its own
planes under the nearest name.
"""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import numpy as np

from ..volume import Geometry

__all__ = ["PLANES", "Cut", "Plane", "central_voxel", "cut", "plane"]

PLANES = ("axial", "coronal", "sagittal")


class Plane(NamedTuple):
    """One picture (rows, columns) with the size of its pixels in mm and what lies at its edges."""

    image: np.ndarray
    row_mm: float
    column_mm: float
    left: str
    top: str


class Cut(NamedTuple):
    """How a plane is taken out of an array (z, y, x): axes of the array, and which of them run backwards."""

    across: int
    rows: int
    columns: int
    rows_flipped: bool
    columns_flipped: bool
    left: str
    top: str


class _Axes(NamedTuple):
    """For each patient axis (left, back, head): the array axis along it, and whether that runs against it."""

    axis: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]


def plane(array: np.ndarray, geometry: Geometry, name: str, voxel: tuple[int, int, int]) -> Plane:
    """The plane ``name`` of ``array`` (z, y, x), or (z, y, x, 3), through ``voxel`` (z, y, x)."""
    how = cut(geometry, name)
    image = np.take(array, voxel[how.across], axis=how.across)
    if how.rows > how.columns:
        image = image.swapaxes(0, 1)
    if how.rows_flipped:
        image = image[::-1]
    if how.columns_flipped:
        image = image[:, ::-1]
    spacing = geometry.spacing[::-1]
    return Plane(image, spacing[how.rows], spacing[how.columns], how.left, how.top)


def cut(geometry: Geometry, name: str) -> Cut:
    """How the plane ``name``, one of :data:`PLANES`, is taken out of an array on ``geometry``."""
    axes = _axes(geometry)
    across, rows, columns = {"axial": (2, 1, 0), "coronal": (1, 2, 0), "sagittal": (0, 2, 1)}[name]
    rows_down = rows == 1  # the back belongs at the bottom, the head at the top
    left, top = {"axial": ("R", "A"), "coronal": ("R", "S"), "sagittal": ("A", "S")}[name]
    return Cut(
        axes.axis[across],
        axes.axis[rows],
        axes.axis[columns],
        axes.flipped[rows] == rows_down,
        axes.flipped[columns],
        left,
        top,
    )


def _axes(geometry: Geometry) -> _Axes:
    direction = np.asarray(geometry.direction)  # rows: patient axes L, P, S; columns: x, y, z
    best = max(permutations(range(3)), key=lambda p: sum(abs(direction[i, p[i]]) for i in range(3)))
    x_of = [int(axis) for axis in best]
    return _Axes(
        (2 - x_of[0], 2 - x_of[1], 2 - x_of[2]),
        (bool(direction[0, x_of[0]] < 0), bool(direction[1, x_of[1]] < 0), bool(direction[2, x_of[2]] < 0)),
    )


def central_voxel(sources: np.ndarray) -> tuple[int, int, int]:
    """A voxel (z, y, x) in the middle of what all sources (n, z, y, x) show."""
    weight = np.asarray(sources).min(axis=0).astype(float)
    if weight.sum() == 0:
        weight = np.asarray(sources).max(axis=0).astype(float) + 1e-9
    total = weight.sum()
    centre = [
        float((weight.sum(axis=tuple(a for a in range(3) if a != axis)) * np.arange(n)).sum() / total)
        for axis, n in enumerate(weight.shape)
    ]
    return (round(centre[0]), round(centre[1]), round(centre[2]))
