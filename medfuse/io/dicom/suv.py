"""Standardised uptake values by body weight from the header of a PET series.

Source: the Quantitative Imaging Biomarkers Alliance's vendor-neutral pseudo-code, "SUVbw calculation"
(QIBA FDG-PET/CT profile 1.05, 2013, appendix G): SUV = activity / (dose / weight), the dose decayed
to the time to which the images are decay-corrected.  Where the header leaves a doubt, this refuses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ...errors import ReadError
from .headers import PHILIPS_PET, DicomHeader

__all__ = ["suv_factor"]

_DOSE_BQ = (1e5, 1e11)  # of patients and of small animals; a number below is in MBq by mistake
_WEIGHT_KG = (0.01, 500.0)
_LONGEST_DELAY = timedelta(days=2)


def suv_factor(headers: Sequence[DicomHeader]) -> tuple[float, str]:
    """What the values are multiplied by, and a note.

    Parameters
    ----------
    headers:
        Of all slices of one PET volume, whose values are Bq/ml or SUV already.

    Raises
    ------
    ReadError
        Naming what is missing or not supported.
    """
    first = headers[0]
    units, corrected = first.text("Units"), _words(first.get("CorrectedImage"))
    if units == "GML":
        if first.text("SUVType") not in ("", "BW"):
            raise _refusal(first, f"its values are SUV of another kind ({first.text('SUVType')})")
        return 1.0, "the file has standardised uptake values already (units GML)"
    philips = _philips_factors(headers) if units == "CNTS" else None
    if philips and philips[0]:
        return philips[0], "standardised uptake values by Philips' factor from counts (7053,1000)"
    activity = philips[1] if philips else 1.0
    if units != "BQML" and not (philips and activity):
        raise _refusal(first, f"its units are {units or 'not stated'}; expected BQML")
    if not {"ATTN", "DECY"} <= corrected:
        raise _refusal(first, "it is not corrected for attenuation and decay (CorrectedImage)")
    drug: Mapping[str, Any] = (first.get("RadiopharmaceuticalInformationSequence") or ({},))[0]
    dose = _number(first, drug, "RadionuclideTotalDose", _DOSE_BQ, "Bq")
    weight = _number(first, first.values, "PatientWeight", _WEIGHT_KG, "kg")
    decay = first.text("DecayCorrection")
    if decay == "ADMIN":
        return (
            activity * weight * 1000 / dose,
            "standardised uptake values by body weight (decay from injection)",
        )
    if decay != "START":
        raise _refusal(first, f"DecayCorrection is {decay or 'not stated'}; expected START or ADMIN")
    half_life = _number(first, drug, "RadionuclideHalfLife", (1.0, 1e7), "s")
    delay = _delay(headers, drug)
    left = dose * 2 ** (-delay.total_seconds() / half_life)
    minutes = delay.total_seconds() / 60
    note = f"standardised uptake values by body weight (dose decayed over {minutes:.1f} min)"
    return activity * weight * 1000 / left, note


def _philips_factors(headers: Sequence[DicomHeader]) -> tuple[float, float] | None:
    """Philips' factors from counts to SUV and to Bq/ml, 0 where there is none; None if it is not Philips.

    Source: (7053,1000) and (7053,1009) of the private group "Philips PET Private Group", as described by
    the Quantitative Imaging Biomarkers Alliance's pseudo-code and Philips' DICOM conformance statements.
    """
    creator, *factors = PHILIPS_PET
    if not all("PHILIPS" in header.text(creator).upper() for header in headers):
        return None
    found = []
    for tag in factors:
        values = {_decimal(header.get(tag)) for header in headers}
        if len(values) > 1:
            raise _refusal(headers[0], f"Philips' factor {tag} differs from slice to slice")
        found.append(values.pop())
    return found[0], found[1]


def _decimal(value: Any) -> float:
    """A positive number, also from the bytes of a decimal string; 0 for anything else."""
    try:
        number = float(value.decode("ascii").strip(" \0") if isinstance(value, bytes) else value)
    except (TypeError, ValueError):
        return 0.0
    return number if 0 < number < math.inf else 0.0


def _refusal(header: DicomHeader, why: str) -> ReadError:
    return ReadError(f"{header.path}: no SUV: {why}; read it without --suv")


def _words(value: Any) -> set[str]:
    return {value} if isinstance(value, str) else set(value or ())


def _number(header: DicomHeader, values: Any, keyword: str, limits: tuple[float, float], unit: str) -> float:
    value = values.get(keyword)
    if not isinstance(value, (int, float)) or not limits[0] <= value <= limits[1]:
        said = "is missing" if value is None else f"is {value}"
        raise _refusal(header, f"{keyword} {said}; expected {limits[0]:g} to {limits[1]:g} {unit}")
    return float(value)


def _delay(headers: Sequence[DicomHeader], drug: Any) -> timedelta:
    """From the injection to the time the series is decay-corrected to: its start."""
    first = headers[0]
    start = _moment(first.get("SeriesDate"), first.get("SeriesTime"))
    taken = [_moment(one.get("AcquisitionDate"), one.get("AcquisitionTime")) for one in headers]
    if start is None or any(one is None for one in taken):
        raise _refusal(first, "SeriesDate, SeriesTime, AcquisitionDate or AcquisitionTime is missing")
    if start > min(one for one in taken if one is not None):
        raise _refusal(
            first, "the series is dated after its images, as a processed copy is: its start is lost"
        )
    injected = _moment(drug.get("RadiopharmaceuticalStartDateTime"), None)
    if injected is None:
        injected = _moment(first.get("SeriesDate"), drug.get("RadiopharmaceuticalStartTime"))
        if injected is not None and injected > start:
            injected -= timedelta(days=1)  # injected before midnight
    if injected is None:
        raise _refusal(first, "the time of injection (RadiopharmaceuticalStartTime) is missing")
    if not timedelta(0) <= start - injected <= _LONGEST_DELAY:
        raise _refusal(first, f"the injection is {start - injected} before the scan; expected 0 to 2 days")
    return start - injected


def _moment(date: Any, time: Any) -> datetime | None:
    """A moment from DA and TM, or from DT alone, without its time zone; None if it is none."""
    if date is None or (time is None and len(str(date)) < 14):
        return None
    text = f"{date}{'' if time is None else time}".partition("+")[0].partition("-")[0]
    whole, _, part = text.partition(".")
    try:
        moment = datetime.strptime(whole.ljust(14, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return moment + timedelta(seconds=float(f"0.{part}")) if part.isdecimal() else moment
