"""Tomographic reconstructions of nuclear medicine (SPECT): all slices in one object, no functional groups.

Position and orientation of the first slice stand in the first item of the Detector Information Sequence, or
at the top; the others follow along its normal, the cross product of row and column, by Spacing Between
Slices, in the order that Slice Vector gives (PS3.3 C.8.4.8, C.8.4.11, C.8.4.15).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import SeriesError
from .headers import NUCLEAR_VECTORS, DicomHeader

__all__ = ["nuclear_frames"]


def nuclear_frames(header: DicomHeader) -> list[DicomHeader]:
    """One header for each frame, with its position; energy windows, time slots and so on tell volumes apart.

    Raises
    ------
    SeriesError
        If the direction or the order of the slices is not said, or said by a negative spacing, which
        programs read in different ways.
    """
    frames = header.get("NumberOfFrames", 1)
    spacing = header.get("SpacingBetweenSlices")
    if not isinstance(spacing, (int, float)) or spacing <= 0:
        said = "missing" if spacing is None else f"{spacing:g} mm"
        raise SeriesError(
            f"{header.path}: a nuclear medicine reconstruction whose SpacingBetweenSlices is {said}: "
            "programs differ in how its slices follow each other; export it with a positive spacing or as "
            "single slices, or convert it to NIfTI and compare it with the images at the scanner"
        )
    vectors = {name: _vector(header, name, frames) for name in NUCLEAR_VECTORS}
    order = vectors.pop("SliceVector")
    if order is None:
        raise SeriesError(
            f"{header.path}: a nuclear medicine reconstruction without SliceVector: the order of its slices "
            "is not said; export it again from the workstation"
        )
    place = _first_slice(header)
    position, cosines = (np.array(place[name], dtype=float) for name in _PLACE)
    normal = np.cross(cosines[:3], cosines[3:])
    return [
        replace(
            header,
            values={
                **header.values,
                **place,
                "ImagePositionPatient": tuple((position + (order[i] - 1) * spacing * normal).tolist()),
                **{name: vector[i] for name, vector in vectors.items() if vector is not None},
            },
            frame=i,
        )
        for i in range(frames)
    ]


_PLACE = ("ImagePositionPatient", "ImageOrientationPatient")


def _first_slice(header: DicomHeader) -> dict[str, tuple[float, ...]]:
    """Position and orientation of the first slice."""
    items = header.get("DetectorInformationSequence", ())
    detector = items[0] if items else {}
    found = {name: detector.get(name, header.get(name)) for name in _PLACE}
    for name, count in zip(_PLACE, (3, 6), strict=True):
        value = found[name]
        if not (isinstance(value, tuple) and len(value) == count and all(_is_number(part) for part in value)):
            raise SeriesError(
                f"{header.path}: no {name} of the first slice (Detector Information Sequence): it does not "
                "say where it lies; export the series again"
            )
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and bool(np.isfinite(value))


def _vector(header: DicomHeader, name: str, frames: int) -> tuple[int, ...] | None:
    """An index for each frame; None where it is not said."""
    value = header.get(name)
    if value is None:
        return None
    vector = value if isinstance(value, tuple) else (value,)
    if len(vector) != frames or not all(isinstance(index, int) and index >= 1 for index in vector):
        raise SeriesError(
            f"{header.path}: {name} has {len(vector)} values for {frames} frames: it is damaged"
        )
    return vector
