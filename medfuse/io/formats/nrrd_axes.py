"""The axes of a NRRD: which of them run through space, where they lie in the patient, in which unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import ReadError
from ..files import named, one_line
from .stored import numbers, whole_numbers

__all__ = ["Axes", "axes_of", "words_of"]

_TO_LPS = {"right-anterior-superior": (-1, -1, 1), "left-anterior-superior": (1, -1, 1)}
_TO_LPS |= {"left-posterior-superior": (1, 1, 1), "ras": (-1, -1, 1), "las": (1, -1, 1), "lps": (1, 1, 1)}
_OTHER_SPACES = ("scanner-xyz", "3d-right-handed", "3d-left-handed")
_IN_SPACE = ("domain", "space", "none", "???", "")
"""Kinds of axes that may run through space; time does not."""

_MM_PER_UNIT = {
    "mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "millimetre": 1.0, "millimetres": 1.0, "": 1.0,
    "???": 1.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micron": 1e-3, "microns": 1e-3, "micrometer": 1e-3,
    "micrometers": 1e-3, "micrometre": 1e-3, "micrometres": 1e-3, "nm": 1e-6, "cm": 10.0, "m": 1000.0,
    "meter": 1000.0, "meters": 1000.0, "metre": 1000.0, "metres": 1000.0, "in": 25.4, "inch": 25.4,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Axes:
    """Which axes run through space, and the affine of these in LPS mm."""

    spatial: tuple[int, ...]
    affine: np.ndarray
    notes: tuple[str, ...]


def axes_of(path: Path, fields: Mapping[str, str], kinds: list[str]) -> Axes:
    """The axes in space, by their directions, or else by their spacings.

    Raises
    ------
    ReadError
        If the fields contradict each other, or name a space or a unit that is not known.
    """
    return _directed(path, fields, kinds) if "space directions" in fields else _spaced(path, fields, kinds)


def words_of(path: Path, fields: Mapping[str, str], name: str, count: int) -> list[str]:
    """One word in lower case for each axis; empty ones where the field is not there."""
    words = fields[name].lower().split() if name in fields else [""] * count
    if len(words) != count:
        raise ReadError(f"{path}: {count} sizes but {len(words)} {name}; the header is damaged")
    return words


def _directed(path: Path, fields: Mapping[str, str], kinds: list[str]) -> Axes:
    """Axes by ``space directions``; one without a direction ('none') is not in space."""
    if {"spacings", "units", "axis mins", "axis maxs"} & set(fields):
        raise ReadError(f"{path}: both 'space directions' and spacings, units or mins; expected one of them")
    factors, dimension, notes = _space(path, fields)
    vectors = _vectors(path, fields, len(kinds), dimension)
    in_space = {i: vector for i, vector in enumerate(vectors) if any(vector[:3])}
    spatial = tuple(in_space)
    if any(any(vector[3:]) for vector in in_space.values()):
        raise ReadError(f"{path}: an axis in space and time at once: the header is damaged")
    if odd := [kinds[i] for i in spatial if kinds[i] not in _IN_SPACE]:
        raise ReadError(f"{path}: an axis of the kind {odd[0]!r} has a direction in space; save it again")
    affine = np.eye(4)
    units, unit_notes = _units(path, fields, dimension)
    if len(spatial) == 3:
        affine[:3, :3] = np.array([vector[:3] for vector in in_space.values()]).T
    if "space origin" in fields:
        (origin,) = _parsed_vectors(path, "space origin", fields["space origin"], 1, dimension)
        affine[:3, 3] = origin[:3]
    to_lps_mm = np.diag([*np.multiply(factors, units), 1.0])
    return Axes(spatial, to_lps_mm @ affine, (*notes, *unit_notes))


def _space(path: Path, fields: Mapping[str, str]) -> tuple[tuple[int, int, int], int, tuple[str, ...]]:
    """Signs to LPS, the number of dimensions of the space, and a note where the patient is not said."""
    if "space dimension" in fields:
        (dimension,) = whole_numbers(path, "space dimension", fields["space dimension"])
        space = ""
    else:
        space = fields["space"].lower()
        timed = space.endswith("-time") or space in ("rast", "last", "lpst")
        space = space.removesuffix("-time") if not space.endswith("st") else space[:3]
        dimension = 4 if timed else 3
        if space not in _TO_LPS and space not in _OTHER_SPACES:
            raise ReadError(
                f"{path}: space {one_line(fields['space'])!r}; expected one such as left-posterior-superior"
            )
    if dimension not in (3, 4):
        raise ReadError(f"{path}: a space of {dimension} dimensions where a volume is asked for")
    if space in _TO_LPS:
        return _TO_LPS[space], dimension, ()
    return (1, 1, 1), dimension, (_no_space(fields.get("space", "")),)


def _no_space(space: str) -> str:
    said = f"space {named(space)} in the header" if space else "no space in the header"
    return f"{said}: axes taken as left, back, head"


def _vectors(path: Path, fields: Mapping[str, str], count: int, dimension: int) -> list[list[float]]:
    return _parsed_vectors(path, "space directions", fields["space directions"], count, dimension)


def _parsed_vectors(path: Path, name: str, text: str, count: int, dimension: int) -> list[list[float]]:
    """Vectors ``(a,b,c)`` in brackets; zeros for 'none'."""
    words = re.findall(r"none|\([^()]*\)", text)
    if len(words) != count or re.sub(r"none|\([^()]*\)", "", text).strip():
        raise ReadError(
            f"{path}: {name} is {one_line(text)!r}; expected {count} times (a,b,c): the header is damaged"
        )
    return [
        [0.0] * dimension if word == "none" else numbers(path, name, word[1:-1].split(","), dimension)
        for word in words
    ]


def _units(
    path: Path, fields: Mapping[str, str], dimension: int
) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Millimetres of the units of the three directions of space."""
    if "space units" not in fields:
        return (1.0, 1.0, 1.0), ()
    words = re.findall(r'"([^"]*)"', fields["space units"])
    if len(words) != dimension:
        raise ReadError(
            f"{path}: space units are {one_line(fields['space units'])!r}; expected {dimension} words in "
            "quotation marks: the header is damaged"
        )
    return _millimetres(path, words[:3])


def _millimetres(path: Path, words: list[str]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    unknown = [word for word in words if word.strip() not in _MM_PER_UNIT]
    if unknown:
        raise ReadError(f"{path}: lengths in {one_line(unknown[0])!r}; expected one such as mm or um")
    scales = tuple(_MM_PER_UNIT[word.strip()] for word in words)
    others = dict.fromkeys(word for word, scale in zip(words, scales, strict=True) if scale != 1)
    return scales, (f"lengths converted from {', '.join(others)} to millimetres",) if others else ()


def _spaced(path: Path, fields: Mapping[str, str], kinds: list[str]) -> Axes:
    """Axes of a file that says spacings only: three of its axes are taken as those of space."""
    if "spacings" not in fields:
        raise ReadError(f"{path}: says no voxel spacing; add a line 'spacings: x y z' in mm")
    if {"space", "space dimension"} & set(fields):
        raise ReadError(f"{path}: a space and spacings, but no 'space directions'; save it with 3D Slicer")
    if {"axis mins", "axis maxs"} & set(fields):
        raise ReadError(f"{path}: its place is said by axis mins or maxs; save it again with 3D Slicer")
    words = words_of(path, fields, "spacings", len(kinds))
    spatial = [i for i, kind in enumerate(kinds) if kind in _IN_SPACE and words[i] != "nan"][:3]
    steps = numbers(path, "spacings", [words[i] for i in spatial], len(spatial))
    units = re.findall(r'"([^"]*)"', fields.get("units", ""))
    if units and len(units) != len(kinds):
        raise ReadError(f"{path}: {len(kinds)} sizes but {len(units)} units; the header is damaged")
    scales, unit_notes = _millimetres(path, [units[i] if units else "" for i in spatial])
    affine = np.eye(4)
    if len(spatial) == 3:
        affine[:3, :3] = np.diag(np.multiply(steps, scales))
    return Axes(tuple(spatial), affine, (_no_space(""), *unit_notes))
