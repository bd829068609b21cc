"""From a path to a volume: find the series, make the grid, fill it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ReadError
from ...volume import MODALITIES, Geometry, Volume
from .discovery import Series, checked, choose, find_series
from .headers import IDENTITY, Header
from .pixels import check_pixels, read_slice
from .stack import stack

__all__ = ["inspect", "read"]


@dataclass(frozen=True)
class Inspected:
    """A series and its grid, or its problem; a damaged file has no series."""

    path: Path
    series: Series | None
    geometry: Geometry | None
    notes: tuple[str, ...]
    problem: str


def read(path: Path, series: str | None) -> Volume:
    """Read a plain series of CT, MR or PET slices.

    Parameters
    ----------
    path:
        A folder, or one file of the series.
    series:
        The SeriesInstanceUID or the series number, where a folder holds several.
    """
    chosen = choose(path, find_series(path), series)
    headers, geometry, notes = stack(path, chosen.headers)
    for header in headers:
        check_pixels(header)
    array, measured = _fill(headers, geometry)
    modality = chosen.modality if chosen.modality in MODALITIES else "OT"
    return Volume(
        array,
        geometry,
        modality,
        valid=measured,
        metadata=_metadata(headers),
        notes=(*chosen.notes, *notes, *_value_notes(headers, modality)),
    )


def inspect(path: Path) -> list[Inspected]:
    """Each series of a path with its grid and notes, or its problem; reads no pixels."""
    found = find_series(path)
    damaged = [Inspected(file, None, None, (), str(error)) for file, error in found.damaged.items()]
    return [*(_inspect(path, series) for series in found.series), *damaged]


def _inspect(path: Path, series: Series) -> Inspected:
    try:
        ready = checked(path, series)
        headers, geometry, notes = stack(path, ready.headers)
        for header in headers:
            check_pixels(header)
    except ReadError as error:
        return Inspected(path, series, None, series.notes, str(error))
    return Inspected(path, series, geometry, (*ready.notes, *notes), "")


def _fill(headers: list[Header], geometry: Geometry) -> tuple[np.ndarray, np.ndarray | None]:
    array = np.empty(geometry.shape, np.float32)
    valid: np.ndarray | None = None
    for index, header in enumerate(headers):
        array[index], measured = read_slice(header)
        if measured is not None and not measured.all():
            valid = np.ones(geometry.shape, bool) if valid is None else valid
            valid[index] = measured
    return array, valid


def _metadata(headers: list[Header]) -> dict[str, Any]:
    """Identity of patient, study and frame of reference, and the source slices in the order of the array."""
    known = {keyword: headers[0].get(keyword) for keyword in IDENTITY if keyword in headers[0].values}
    return {
        **known,
        "SOPInstanceUID": tuple(header.get("SOPInstanceUID", "") for header in headers),
        "ImageOrientationPatient": headers[0].get("ImageOrientationPatient"),
        "SlicePositions": tuple(header.get("ImagePositionPatient") for header in headers),
    }


def _value_notes(headers: list[Header], modality: str) -> list[str]:
    notes = []
    if any(header.get("PhotometricInterpretation") == "MONOCHROME1" for header in headers):
        notes.append("MONOCHROME1 (meant to be shown inverted); the values are as stored, not inverted")
    if modality == "CT" and any("RescaleSlope" not in header.values for header in headers):
        notes.append("CT without rescale slope: the values are as stored and may not be HU")
    return notes
