"""What the values of a series are, said where they are not what its modality lets one expect."""

from __future__ import annotations

from collections.abc import Sequence

from ..files import named
from .headers import DicomHeader
from .kinds import ULTRASOUND_VOLUME, is_nuclear

__all__ = ["value_notes"]

_UNITS = {
    "CNTS": "counts, which are no activity concentration",
    "PROPCNTS": "counts, which are no activity concentration",
    "CPS": "counts per second, which are no activity concentration",
    "GML": "standardised uptake values (g/ml)",
}
"""Units of PET other than Bq/ml (PS3.3 C.8.9.1.1.3)."""


def value_notes(headers: Sequence[DicomHeader], modality: str, suv: bool = False) -> list[str]:
    """Notes on inverted display, on units other than HU and Bq/ml, and on the frame of 3-D ultrasound.

    With ``suv`` the units of PET are said by :func:`.suv.suv_factor`.
    """
    first = headers[0]
    notes = []
    if any(header.get("PhotometricInterpretation") == "MONOCHROME1" for header in headers):
        notes.append("MONOCHROME1 (meant to be shown inverted); the values are as stored, not inverted")
    if modality == "CT":
        notes += _ct_notes(first)
    if modality == "PT" and not suv:
        notes += _pet_notes(first)
    if is_nuclear(first):
        notes.append("nuclear medicine: the values are counts of the reconstruction, no activity in Bq/ml")
    if first.get("SOPClassUID") == ULTRASOUND_VOLUME:
        notes.append(
            "3-D ultrasound: its coordinates are the transducer's, not the patient's; "
            "registration needs a starting pose (--initial-transform)"
        )
    return notes


def _ct_notes(header: DicomHeader) -> list[str]:
    missing = [name for name in ("slope", "intercept") if f"Rescale{name.title()}" not in header.values]
    if missing:
        return [f"CT without rescale {' and '.join(missing)}: the values are as stored and may not be HU"]
    unit = header.get("RescaleType", "HU")
    return [] if unit == "HU" else [f"CT in units of {named(unit, 20)} (RescaleType), which are not HU"]


def _pet_notes(header: DicomHeader) -> list[str]:
    notes = []
    unit = header.get("Units", "")
    if unit != "BQML":
        said = _UNITS.get(unit, "which are no activity concentration in Bq/ml")
        notes.append(f"PET in units of {named(unit, 20)}: {said}" if unit else "PET that states no units")
    if "RescaleSlope" not in header.values:
        notes.append("PET without rescale slope: the values are as stored, slices may be scaled differently")
    return notes
