"""What tells images at one position apart: echo, time, phase, b-value, kernel, or an attribute of one vendor.

An attribute does so by its values, where each value has one image at each position, or by their order
at each position: the trigger time of a cardiac phase differs a little from slice to slice, and the
times of a breath-hold start anew with each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from ..files import plain
from .headers import DISTINGUISHING, all_values
from .planes import SlicePlane

__all__ = ["differing", "order", "split"]

_MOST_COMBINED = 3  # attributes that it takes to tell volumes apart, at most
_OF_THE_IMAGE = {
    "SOPInstanceUID", "SOPClassUID", "InstanceNumber", "InstanceCreationDate", "InstanceCreationTime",
    "ReferencedSOPInstanceUID", "ImagePositionPatient", "ImageOrientationPatient", "SliceLocation",
    "InStackPositionNumber", "DimensionIndexValues", "ImageIndex", "FrameAcquisitionDuration",
    "SliceVector", "SmallestImagePixelValue", "LargestImagePixelValue", "WindowCenter", "WindowWidth",
    "RescaleSlope", "RescaleIntercept", "PixelData",
}  # fmt: skip
"""What differs from image to image within one volume too."""

_ORDERED = (
    "EchoTime", "EchoNumbers", "InversionTime", "TemporalPositionIdentifier", "TemporalPositionTimeOffset",
    "TriggerTime", "NominalPercentageOfCardiacPhase", "NominalPercentageOfRespiratoryPhase",
    "FrameReferenceTime", "FrameAcquisitionDateTime", "FrameReferenceDateTime", "AcquisitionDateTime",
    "AcquisitionTime", "AcquisitionNumber", "ContentTime",
)  # fmt: skip
"""Times and indices, whose order at a position says which volume an image belongs to."""

Members = list[int]
Labelled = tuple[str, Members]


def split(planes: Sequence[SlicePlane], places: list[int]) -> list[Labelled]:
    """Volumes with one image at each position: what tells each from the others, and its planes' numbers.

    By the values of the fewest usual attributes that leave one image at each position; else by the
    order of a time or an index at each position; else by the values of any attribute of the files, of a
    vendor too; else by InstanceNumber, where it counts volume by volume or position by position.
    Empty where nothing does.

    Parameters
    ----------
    planes:
        Of all images.
    places:
        For each the number of its position.
    """
    usual = [plane.header.values for plane in planes]
    names = (*DISTINGUISHING, "ImageType")
    if found := _by_values(usual, places, names, _MOST_COMBINED) or _by_order(usual, places):
        return found
    every = _all_values(planes)
    others = sorted({name for values in every for name in values} - _OF_THE_IMAGE - set(names))
    return _by_values(every, places, others, 1) or _by_number(usual, places)


def differing(planes: Sequence[SlicePlane]) -> list[str]:
    """Names of the attributes in which images differ, but for those that differ within a volume too."""
    every = _all_values(planes)
    names = sorted({name for values in every for name in values} - _OF_THE_IMAGE)
    return [name for name in names if len({_key(values.get(name)) for values in every}) > 1]


def _all_values(planes: Sequence[SlicePlane]) -> list[Mapping[str, Any]]:
    """Of a frame all its functional groups say; of a file, all short elements of it."""
    return [
        plane.header.values if plane.header.frame is not None else all_values(plane.header.path)
        for plane in planes
    ]


def _by_values(
    values: Sequence[Mapping[str, Any]], places: list[int], names: Iterable[str], most: int
) -> list[Labelled]:
    multiplicity = max(Counter(places).values())
    telling = [name for name in names if 1 < len({_key(one.get(name)) for one in values}) <= multiplicity]
    for count in range(1, most + 1):
        for chosen in combinations(telling, count):
            members: dict[tuple[object, ...], Members] = {}
            for i, one in enumerate(values):
                members.setdefault(tuple(one.get(name) for name in chosen), []).append(i)
            if len(members) == multiplicity and all(_once_each(group, places) for group in members.values()):
                ordered = sorted(members, key=lambda key: [order(value) for value in key])
                return [(_label(chosen, key), members[key]) for key in ordered]
    return []


def _by_order(values: Sequence[Mapping[str, Any]], places: list[int]) -> list[Labelled]:
    """By the first of the ordered attributes whose values all differ at each position."""
    at_place = _at_places(places)
    multiplicity = len(at_place[0])
    if any(len(group) != multiplicity for group in at_place):
        return []
    for name in _ORDERED:
        keys = [one.get(name) for one in values]
        if None in keys or any(len({keys[i] for i in group}) < multiplicity for group in at_place):
            continue
        ranked = [sorted(group, key=lambda i: order(keys[i])) for group in at_place]
        volumes = [list(group) for group in zip(*ranked, strict=True)]
        return [(_range_label(name, [keys[i] for i in group]), group) for group in volumes]
    return []


def _at_places(places: list[int]) -> list[Members]:
    found: dict[int, Members] = defaultdict(list)
    for i, place in enumerate(places):
        found[place].append(i)
    return list(found.values())


def _by_number(values: Sequence[Mapping[str, Any]], places: list[int]) -> list[Labelled]:
    """By InstanceNumber, where runs of it each go through all positions once, or stay at one position."""
    numbers = [one.get("InstanceNumber") for one in values]
    if len(set(numbers)) < len(numbers) or not all(isinstance(n, int) for n in numbers):
        return []
    ordered = sorted(range(len(numbers)), key=lambda i: order(numbers[i]))
    count = len(set(places))
    multiplicity = len(ordered) // count
    runs = [ordered[start : start + count] for start in range(0, len(ordered), count)]
    if any({places[i] for i in run} != set(places) for run in runs):
        runs = [ordered[start::multiplicity] for start in range(multiplicity)]
        stays = [ordered[start : start + multiplicity] for start in range(0, len(ordered), multiplicity)]
        if len(stays) != count or any(len({places[i] for i in stay}) > 1 for stay in stays):
            return []
    return [(_range_label("InstanceNumber", [numbers[i] for i in run]), run) for run in runs]


def _once_each(group: Members, places: list[int]) -> bool:
    return len({places[i] for i in group}) == len(group)


def _key(value: Any) -> object:
    """The value where it can be compared; None for a sequence of items, which tells nothing here."""
    if isinstance(value, tuple):
        return None if any(isinstance(part, (dict, tuple)) for part in value) else value
    return value


def _label(names: tuple[str, ...], values: tuple[object, ...]) -> str:
    return ", ".join(f"{name} {plain(value)}" for name, value in zip(names, values, strict=True))


def _range_label(name: str, values: list[object]) -> str:
    first, last = min(values, key=order), max(values, key=order)
    return f"{name} {plain(first)}" + (f" to {plain(last)}" if first != last else "")


def order(value: object) -> tuple[int, float, str]:
    """A key that puts numbers by size, then words, then what is absent."""
    if isinstance(value, (int, float)):
        return (0, float(value), "")
    return (1, 0.0, str(value)) if value is not None else (2, 0.0, "")
