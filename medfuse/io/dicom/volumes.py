"""Which volumes a series holds: several echoes, times or stacks may share one SeriesInstanceUID."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from ...errors import SeriesError
from ..files import one_line
from .headers import DISTINGUISHING, DicomHeader
from .planes import SlicePlane, check_alike

__all__ = ["SAME_PLACE_MM", "Group", "groups_of", "pick"]

SAME_PLACE_MM = 0.01
"""Two slices nearer than this lie at one position."""

_LISTED = 20
_MOST_COMBINED = 3  # attributes that it takes to tell volumes apart, at most


@dataclass(frozen=True, eq=False)
class Group:
    """The slices of one volume, and what tells it from the others of its series ("" if it is alone)."""

    planes: tuple[SlicePlane, ...]
    label: str = ""


def groups_of(path: Path, planes: Sequence[SlicePlane]) -> list[Group]:
    """Split a series into volumes that have one slice at each position.

    By the stacks of an enhanced object, then by the fewest attributes (echo, frame type, time, b-value,
    acquisition, ...) that leave one slice at each position.

    Where none does, by runs of InstanceNumber, if each run goes through all positions once.

    Raises
    ------
    SeriesError
        If slices of one volume are not alike, or two lie at one position and no attribute tells them apart.
    """
    stacks = {plane.header.get("StackID") for plane in planes}
    if len(stacks) == 1:
        return _by_attributes(path, planes)
    return [
        Group(group.planes, f"StackID {one_line(stack, 20)}" + (f", {group.label}" if group.label else ""))
        for stack in sorted(stacks, key=_order)
        for group in _by_attributes(path, [p for p in planes if p.header.get("StackID") == stack])
    ]


def pick(path: Path, groups: list[Group], wanted: int | None) -> tuple[Group, list[str]]:
    """The volume ``wanted`` (from 1), or the only one; and a note if there were others.

    Raises
    ------
    SeriesError
        If there is a choice and none was made, or there is no such volume; lists them.
    """
    if wanted is None and len(groups) > 1:
        counts = sorted({len(group.planes) for group in groups})
        slices = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        raise SeriesError(
            f"{path}: holds {len(groups)} volumes of {slices} slices in one series; choose one with "
            f"--volume N: {_listed(groups)}"
        )
    if wanted is not None and wanted > len(groups):
        raise SeriesError(f"{path}: no volume {wanted}; it holds {len(groups)}: {_listed(groups)}")
    chosen = groups[(wanted or 1) - 1]
    note = f"volume {wanted} of {len(groups)} in the series: {chosen.label}"
    return chosen, [note] if len(groups) > 1 else []


def _listed(groups: list[Group]) -> str:
    more = [f"and {len(groups) - _LISTED} more"] if len(groups) > _LISTED else []
    shown = [f"{n}: {group.label or 'all slices'}" for n, group in enumerate(groups[:_LISTED], start=1)]
    return "; ".join([*shown, *more])


def _by_attributes(path: Path, planes: Sequence[SlicePlane]) -> list[Group]:
    check_alike(planes)
    places = _places(planes)
    multiplicity = max(Counter(places).values())
    if multiplicity == 1:
        return [Group(tuple(planes))]
    keywords = [
        keyword
        for keyword in (*DISTINGUISHING, "ImageType")
        if 1 < len({plane.header.get(keyword) for plane in planes}) <= multiplicity
    ]
    for count in range(1, _MOST_COMBINED + 1):
        for chosen in combinations(keywords, count):
            groups = _split(planes, places, chosen)
            if len(groups) == multiplicity:
                return groups
    if groups := _by_number(planes, places, multiplicity):
        return groups
    place = next(place for place, count in Counter(places).items() if count > 1)
    a, b = [plane.header for plane, here in zip(planes, places, strict=True) if here == place][:2]
    raise SeriesError(f"{path}: two images at one position: {_name(a)} and {_name(b)}; take one away")


def _name(header: DicomHeader) -> str:
    return header.path.name if header.frame is None else f"frame {header.frame + 1}"


def _places(planes: Sequence[SlicePlane]) -> list[int]:
    """The number of each slice's position along the normal of the first slice."""
    normal = planes[0].normal
    depth = np.array([plane.position @ normal for plane in planes])
    order = np.argsort(depth, kind="stable")
    number = np.r_[0, np.cumsum(np.diff(depth[order]) >= SAME_PLACE_MM)]
    places = np.empty(len(planes), int)
    places[order] = number
    return places.tolist()


def _split(planes: Sequence[SlicePlane], places: list[int], keywords: tuple[str, ...]) -> list[Group]:
    """One group for each combination of values; none if a group has two slices at one position."""
    members: dict[tuple[object, ...], list[int]] = {}
    for i, plane in enumerate(planes):
        members.setdefault(tuple(plane.header.get(keyword) for keyword in keywords), []).append(i)
    if any(len({places[i] for i in one}) < len(one) for one in members.values()):
        return []
    return [
        Group(tuple(planes[i] for i in members[values]), _label(keywords, values))
        for values in sorted(members, key=lambda values: [_order(value) for value in values])
    ]


def _by_number(planes: Sequence[SlicePlane], places: list[int], multiplicity: int) -> list[Group]:
    """Runs of InstanceNumber that each go through all positions once, as plain fMRI series have them."""
    numbers = [plane.header.get("InstanceNumber") for plane in planes]
    count = len(planes) // multiplicity
    if count < 2 or len(set(numbers)) < len(planes) or not all(isinstance(n, int) for n in numbers):
        return []
    order = sorted(range(len(planes)), key=numbers.__getitem__)
    runs = [order[start : start + count] for start in range(0, len(order), count)]
    if any({places[i] for i in run} != set(places) for run in runs):
        return []
    return [
        Group(tuple(planes[i] for i in run), f"InstanceNumber {numbers[run[0]]} to {numbers[run[-1]]}")
        for run in runs
    ]


def _label(keywords: tuple[str, ...], values: tuple[object, ...]) -> str:
    return ", ".join(
        f"{keyword} {one_line(_plain(value), 40)}" for keyword, value in zip(keywords, values, strict=True)
    )


def _plain(value: object) -> str:
    return "\\".join(str(part) for part in value) if isinstance(value, tuple) else f"{value}"


def _order(value: object) -> tuple[int, float, str]:
    """Numbers by size, then words, then what is absent."""
    if isinstance(value, (int, float)):
        return (0, float(value), "")
    return (1, 0.0, str(value)) if value is not None else (2, 0.0, "")
