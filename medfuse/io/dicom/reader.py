"""From a path to a volume: find the series, make the grid, fill it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ReadError, SeriesError
from ...volume import MODALITIES, Geometry, Volume
from ..deskew import deskew, even_slices
from ..options import ReadOptions
from . import ultrasound
from .discovery import FoundSeries, Series, checked, choose, find_series
from .frames import frames_of
from .headers import IDENTITY, DicomHeader
from .kinds import is_enhanced, is_nuclear
from .nuclear import nuclear_frames
from .pixels import check_pixels, read_slices
from .planes import plane_of
from .stack import Stack, stack
from .suv import suv_factor
from .units import value_notes
from .volumes import Group, groups_of, pick

__all__ = ["Inspected", "inspect", "read"]


@dataclass(frozen=True)
class Inspected:
    """A volume of a series and its grid, or the series' problem; a damaged file has no series.

    ``volume`` counts from 1, and ``what`` tells the volumes of one series apart; 0 and "" where there
    is one only.
    """

    path: Path
    series: Series | None
    geometry: Geometry | None
    notes: tuple[str, ...]
    problem: str
    volume: int = 0
    what: str = ""


def read(path: Path, options: ReadOptions) -> Volume:
    """Read a series of CT, MR or PET slices, a 3-D ultrasound, or an ultrasound picture.

    Parameters
    ----------
    path:
        A folder, or one file of the series.
    options:
        Which series and which volume of it; what may be interpolated.
    """
    found = find_series(path)
    try:
        return _read(path, found, options)
    except SeriesError as error:
        if not found.passed:
            raise
        raise SeriesError(f"{error} ({found.passed})") from error


def _read(path: Path, series: FoundSeries, options: ReadOptions) -> Volume:
    chosen = choose(path, series, options.series)
    if chosen.is_pictures:
        return ultrasound.read_picture(path, chosen.headers, options).with_notes(*chosen.notes)
    options.refuse(path, "a DICOM series of slices", "spacing")
    group, volume_notes = pick(path, _groups(path, chosen), options.volume)
    found = stack(path, group.planes, options.allow_uneven)
    for header in found.headers:
        check_pixels(header)
    suv = options.suv and chosen.modality == "PT"
    volume = _volume(found, chosen.modality, suv)
    if suv:
        factor, note = suv_factor(found.headers)
        volume = volume.with_array(volume.array * np.float32(factor)).with_notes(note)
        volume = replace(volume, metadata={**volume.metadata, "Units": "SUV"})
    return replace(volume, notes=(*chosen.notes, *volume_notes, *volume.notes))


def inspect(path: Path) -> list[Inspected]:
    """Each volume of each series of a path with its grid and notes, or its problem; reads no pixels."""
    found = find_series(path)
    series = list(found.series)
    if series and found.passed:  # said once, not with each
        series[0] = replace(series[0], notes=(*series[0].notes, found.passed))
    damaged = [Inspected(file, None, None, (), str(one.error)) for file, one in found.damaged.items()]
    return [*(one for each in series for one in _inspect(path, each)), *damaged]


def _inspect(path: Path, series: Series) -> list[Inspected]:
    try:
        ready = checked(path, series)
        if ready.is_pictures:
            return [
                Inspected(path, series, geometry, (*ready.notes, *notes), problem, number, what)
                for number, what, geometry, notes, problem in ultrasound.inspect_pictures(ready.headers)
            ]
        groups = _groups(path, ready)
    except ReadError as error:
        return [Inspected(path, series, None, series.notes, str(error))]
    return [
        _inspect_group(path, ready, group, number if len(groups) > 1 else 0)
        for number, group in enumerate(groups, start=1)
    ]


def _inspect_group(path: Path, series: Series, group: Group, number: int) -> Inspected:
    try:
        found = stack(path, group.planes)
        for header in found.headers:
            check_pixels(header)
    except ReadError as error:
        return Inspected(path, series, None, series.notes, str(error), number, group.label)
    notes = (*series.notes, *group.notes, *found.notes)
    return Inspected(path, series, found.geometry, notes, "", number, group.label)


def _groups(path: Path, series: Series) -> list[Group]:
    headers = [frame for header in series.headers for frame in _slices(header)]
    return groups_of(path, [plane_of(header) for header in headers])


def _slices(header: DicomHeader) -> list[DicomHeader]:
    if is_nuclear(header):
        return nuclear_frames(header)
    return frames_of(header) if is_enhanced(header) else [header]


def _volume(found: Stack, modality: str, suv: bool) -> Volume:
    modality = modality if modality in MODALITIES else "OT"
    array, valid, bit_notes = _fill(found.headers)
    geometry = found.geometry
    if found.depths is not None:
        array, valid = even_slices(array, valid, found.depths)
    if found.leans:
        array, valid, geometry = deskew(array, valid, found.affine)
    notes = (*found.notes, *bit_notes, *value_notes(found.headers, modality, suv))
    return Volume(array, geometry, modality, valid, _metadata(found.headers), notes)


def _fill(headers: tuple[DicomHeader, ...]) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    shape = (len(headers), headers[0].get("Rows"), headers[0].get("Columns"))
    array = np.empty(shape, np.float32)
    valid: np.ndarray | None = None
    cut = 0
    for index, one in enumerate(read_slices(headers)):
        array[index] = one.values
        cut += one.has_more_bits
        if one.measured is not None and not one.measured.all():
            valid = np.ones(shape, bool) if valid is None else valid
            valid[index] = one.measured
    bits = headers[0].get("BitsStored")
    note = f"{cut} slice(s) hold more than the {bits} bits that they declare; what is beyond was cut off"
    return array, valid, [note] if cut else []


def _metadata(headers: tuple[DicomHeader, ...]) -> dict[str, Any]:
    """Identity of patient, study and frame of reference, and where the source slices lie."""
    known = {keyword: headers[0].get(keyword) for keyword in IDENTITY if keyword in headers[0].values}
    return {
        **known,
        "SOPInstanceUID": tuple(header.get("SOPInstanceUID", "") for header in headers),
        "ImageOrientationPatient": headers[0].get("ImageOrientationPatient"),
        "SlicePositions": tuple(header.get("ImagePositionPatient") for header in headers),
    }
