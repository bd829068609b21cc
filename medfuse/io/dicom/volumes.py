"""Which volumes a series holds: several echoes, times or stacks may share one SeriesInstanceUID."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import SeriesError
from ..files import named, plain
from .distinguish import differing, order, split
from .headers import DISTINGUISHING, DicomHeader
from .pixels import check_pixels, read_slices
from .planes import SlicePlane, made_alike

__all__ = ["SAME_PLACE_MM", "Group", "groups_of", "pick"]

SAME_PLACE_MM = 0.01
"""Two slices nearer than this lie at one position."""

_LISTED = 20


@dataclass(frozen=True, eq=False)
class Group:
    """The slices of one volume; what tells it from the others of its series ("" if it is alone); notes."""

    planes: tuple[SlicePlane, ...]
    label: str = ""
    notes: tuple[str, ...] = ()


def groups_of(path: Path, planes: Sequence[SlicePlane]) -> list[Group]:
    """Split a series into volumes that have one slice at each position.

    By the stacks of an enhanced object, then by what tells images at one position apart
    (:mod:`.distinguish`).  Images that were sent twice under other UIDs are left out.

    Raises
    ------
    SeriesError
        If slices of one volume are not alike, all lie at one position, or nothing tells those at one
        position apart.
    """
    stacks = {plane.header.get("StackID") for plane in planes}
    if len(stacks) == 1:
        return _by_attributes(path, planes)
    return [
        replace(group, label=f"StackID {_stack(stack)}" + (f", {group.label}" if group.label else ""))
        for stack in sorted(stacks, key=order)
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
    return chosen, [*([note] if len(groups) > 1 else []), *chosen.notes]


def _listed(groups: list[Group]) -> str:
    more = [f"and {len(groups) - _LISTED} more"] if len(groups) > _LISTED else []
    shown = [f"{n}: {group.label or 'all slices'}" for n, group in enumerate(groups[:_LISTED], start=1)]
    return "; ".join([*shown, *more])


def _by_attributes(path: Path, planes: Sequence[SlicePlane]) -> list[Group]:
    alike, notes = made_alike(planes)
    places = _places(alike)
    if len(alike) > 1 and len(set(places)) == 1:
        raise SeriesError(
            f"{path}: the positions of all {len(alike)} images are alike (ImagePositionPatient): slices of a "
            "volume lie apart; export the series again"
        )
    alike, places, more = _without_resent(alike, places)
    if max(Counter(places).values()) == 1:
        groups = [Group(tuple(alike), "", (*notes, *more))]
    else:
        groups = [
            Group(tuple(alike[i] for i in members), label, (*notes, *more))
            for label, members in split(alike, places)
        ]
    if not groups:
        raise SeriesError(_not_told_apart(path, alike, places))
    return [_of_one_kind(path, group) for group in groups]


def _not_told_apart(path: Path, planes: Sequence[SlicePlane], places: list[int]) -> str:
    counts = Counter(places)
    place = next(place for place, count in counts.items() if count > 1)
    here = [plane for plane, at in zip(planes, places, strict=True) if at == place]
    a, b = (_name(plane.header) for plane in here[:2])
    if len(planes) == len(counts) + 1:
        return f"{path}: two images at one position: {a} and {b}; take one away"
    names = differing(here)
    what = f"they differ in {', '.join(names[:_LISTED])}" if names else "their headers do not differ"
    return (
        f"{path}: {len(planes)} images lie at {len(counts)} positions ({a} and {b} at one of them), and no "
        f"attribute tells which make one volume ({what}); export each volume as a series of its own"
    )


def _of_one_kind(path: Path, group: Group) -> Group:
    """The group, with a note where slices differ in a vendor's part of ImageType.

    Raises
    ------
    SeriesError
        If slices of one volume were reconstructed with different kernels, or are images of another kind
        (the first three values of ImageType, which the standard defines).
    """
    _refuse_difference(path, group, "ConvolutionKernel", lambda value: value)
    _refuse_difference(path, group, "ImageType", lambda value: _values(value)[:3])
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        _refuse_gaps(path, group, keyword)
    kinds = dict.fromkeys(_values(plane.header.get("ImageType")) for plane in group.planes)
    if len(kinds) == 1:
        return group
    note = f"its slices are of several image types: {', '.join(_joined(kind) for kind in kinds)}"
    return replace(group, notes=(*group.notes, note))


def _refuse_difference(path: Path, group: Group, keyword: str, part: Callable[[Any], object]) -> None:
    first: dict[object, SlicePlane] = {}
    for plane in group.planes:
        first.setdefault(part(plane.header.get(keyword)), plane)
    if len(first) > 1:
        a, b = (
            f"{_joined(_values(plane.header.get(keyword))) or 'none'} in {_name(plane.header)}"
            for plane in list(first.values())[:2]
        )
        raise SeriesError(
            f"{path}: {keyword} differs ({a}, {b}): the slices of this series do not make one volume; export "
            "them as separate series"
        )


def _refuse_gaps(path: Path, group: Group, keyword: str) -> None:
    """Refuse an attribute that some slices have and some not: their values would be of two kinds."""
    without = [plane.header for plane in group.planes if keyword not in plane.header.values]
    if 0 < len(without) < len(group.planes):
        raise SeriesError(
            f"{path}: {len(without)} of {len(group.planes)} slices have no {keyword} (such as "
            f"{_name(without[0])}), so that their values are not those of the rest; export the series again"
        )


def _values(value: Any) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _stack(value: object) -> str:
    return str(value) if str(value).isdecimal() else named(value, 20)


def _joined(values: tuple[object, ...]) -> str:
    return plain("\\".join(map(str, values)))


def _without_resent(
    planes: Sequence[SlicePlane], places: list[int]
) -> tuple[list[SlicePlane], list[int], list[str]]:
    """Without images that are there again under another UID: equal in position, attributes and pixels.

    Only if all that have a twin by their attributes have it by their pixels too: of a series of several
    volumes, slices of mere air may be equal.
    """
    kept: dict[tuple[object, ...], list[int]] = {}
    for i, (plane, place) in enumerate(zip(planes, places, strict=True)):
        values = tuple(plane.header.get(keyword) for keyword in (*DISTINGUISHING, "ImageType"))
        kept.setdefault((place, *map(str, values), plane.header.get("StackID")), []).append(i)
    twins = [group for group in kept.values() if len(group) > 1]
    if not twins or not all(_all_equal([planes[i].header for i in group]) for group in twins):
        return list(planes), places, []
    dropped = {i for group in twins for i in group[1:]}
    left = [i for i in range(len(planes)) if i not in dropped]
    note = f"{len(dropped)} image(s) that were there again under other UIDs left out"
    return [planes[i] for i in left], [places[i] for i in left], [note]


def _all_equal(headers: Sequence[DicomHeader]) -> bool:
    for header in headers:
        check_pixels(header)
    first, *others = (one.values for one in read_slices(headers))
    return bool(np.ptp(first)) and all(np.array_equal(first, values) for values in others)


def _name(header: DicomHeader) -> str:
    own = named(header.path.name)
    return own if header.frame is None else f"frame {header.frame + 1} of {own}"


def _places(planes: Sequence[SlicePlane]) -> list[int]:
    """The number of each slice's position along the normal of the first slice."""
    normal = planes[0].normal
    depth = np.array([plane.position @ normal for plane in planes])
    order = np.argsort(depth, kind="stable")
    number = np.r_[0, np.cumsum(np.diff(depth[order]) >= SAME_PLACE_MM)]
    places = np.empty(len(planes), int)
    places[order] = number
    return places.tolist()
