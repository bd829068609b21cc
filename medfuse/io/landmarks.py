"""Landmarks as 3D Slicer saves them: markups in ``.fcsv`` and ``.mrk.json``.

Both hold millimetres in RAS or LPS and say which.  Slicer wrote RAS up to version 4.10 (in numbers:
``0`` RAS, ``1`` LPS, ``2`` voxel indices) and writes LPS since.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ReadError
from .files import existing, one_line, reading

__all__ = ["Landmarks", "read_landmarks"]

_MOST_BYTES = 1 << 24
_TO_LPS = {"LPS": (1.0, 1.0, 1.0), "RAS": (-1.0, -1.0, 1.0)}
_NUMBERED = {"0": "RAS", "1": "LPS", "2": "IJK"}
_MILLIMETRES = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3}
_OLD_COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Named points.

    Parameters
    ----------
    labels:
        Their names, as the file has them; "" for none.
    points:
        (n, 3) in LPS mm.
    notes:
        What had to be assumed.
    """

    labels: tuple[str, ...]
    points: npt.NDArray[np.float64]
    notes: tuple[str, ...] = ()


def read_landmarks(path: str | Path) -> Landmarks:
    """Read the points of a Slicer markups file, ``.fcsv`` or ``.mrk.json``.

    Points that were never placed are left out, with a note.

    Raises
    ------
    ReadError
        If the file does not exist, is neither of these or is damaged, does not say its coordinate
        system, or holds no points or several lists of them.
    """
    path = existing(path)
    name = path.name.lower()
    with reading(path):
        if path.is_dir() or not name.endswith((".fcsv", ".json")):
            raise ReadError(
                f"{path}: not a landmark file; expected .fcsv or .mrk.json as 3D Slicer saves them"
            )
        if path.stat().st_size > _MOST_BYTES:
            raise ReadError(f"{path}: {path.stat().st_size >> 20} MiB are no list of landmarks")
        text = path.read_text(encoding="utf-8-sig")
        found = _fcsv(path, text) if name.endswith(".fcsv") else _json(path, text)
    if not len(found.points):
        raise ReadError(f"{path}: holds no placed points")
    if not np.isfinite(found.points).all():
        raise ReadError(f"{path}: a coordinate is not a finite number")
    return found


def _fcsv(path: Path, text: str) -> Landmarks:
    said = re.search(r"^#\s*CoordinateSystem\s*=\s*(\S+)", text, re.M | re.I)
    if said is None:
        raise ReadError(
            f"{path}: does not say its coordinate system; add the line '# CoordinateSystem = LPS', or RAS"
        )
    factors = _factors(path, _NUMBERED.get(said[1], said[1].upper()))
    columns = re.search(r"^#\s*columns\s*=\s*(.+)$", text, re.M | re.I)
    names = [name.strip() for name in (columns[1] if columns else _OLD_COLUMNS).split(",")]
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = [dict(zip(names, row, strict=False)) for row in csv.reader(lines)]
    if not {"x", "y", "z"} <= set(names):
        raise ReadError(f"{path}: its columns {one_line(', '.join(names))} do not name x, y and z")
    return _placed(
        path,
        ((row.get("label") or "", [row.get(axis) for axis in "xyz"], True) for row in rows),
        factors,
    )


def _json(path: Path, text: str) -> Landmarks:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ReadError(f"{path}: not JSON: {error}") from error
    markups = content.get("markups") if isinstance(content, Mapping) else None
    listed = markups if isinstance(markups, list) else []
    lists = [one for one in listed if isinstance(one, Mapping) and one.get("type") == "Fiducial"]
    if len(lists) != 1:
        raise ReadError(f"{path}: holds {len(lists)} point lists; expected one (Slicer's type 'Fiducial')")
    (markup,) = lists
    unit = markup.get("coordinateUnits", "mm")
    unit = unit[0] if isinstance(unit, list) and len(set(map(str, unit))) == 1 else unit
    if not isinstance(unit, str) or unit not in _MILLIMETRES:
        raise ReadError(f"{path}: coordinates in {one_line(unit)!r}; expected {', '.join(_MILLIMETRES)}")
    said = markup.get("coordinateSystem")
    factors = np.multiply(_factors(path, str(said or "LPS").upper()), _MILLIMETRES[unit])
    notes = () if said else ("landmarks: no coordinate system in the file; taken as LPS, Slicer's default",)
    points = markup.get("controlPoints") or []
    if not isinstance(points, list) or not all(isinstance(point, Mapping) for point in points):
        raise ReadError(f"{path}: its controlPoints are no list of points; save it again with 3D Slicer")
    return _placed(path, map(_control_point, points), tuple(factors), notes)


def _control_point(point: Mapping[str, Any]) -> tuple[str, Any, bool]:
    placed = point.get("positionStatus", "defined") == "defined"
    return str(point.get("label") or ""), point.get("position"), placed


def _factors(path: Path, system: str) -> tuple[float, ...]:
    if system not in _TO_LPS:
        raise ReadError(
            f"{path}: coordinates in {one_line(system)!r}; expected LPS or RAS: save it again with 3D Slicer"
        )
    return _TO_LPS[system]


def _placed(
    path: Path,
    rows: Iterable[tuple[str, Any, bool]],
    factors: tuple[float, ...],
    notes: tuple[str, ...] = (),
) -> Landmarks:
    """Landmarks of (label, position, whether it was placed)."""
    labels, points, unplaced = [], [], 0
    for number, (label, position, placed) in enumerate(rows, start=1):
        if not placed:
            unplaced += 1
            continue
        try:
            point = [float(value) for value in position]
        except (TypeError, ValueError):
            point = []
        if len(point) != 3:
            raise ReadError(f"{path}: point {number} has no three coordinates: {one_line(position)}")
        labels.append(label.strip())
        points.append(point)
    if unplaced:
        notes = (*notes, f"landmarks: {unplaced} point(s) that were never placed are left out")
    return Landmarks(tuple(labels), np.reshape(points, (-1, 3)) * factors, notes)
