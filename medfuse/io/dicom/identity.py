"""What a derived object takes over from the object it was made of: identity, and nothing else.

Each value is checked against its VR; one that is not valid there is left blank, so that a source's
fault is not passed on.  Private attributes and free comments are never copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = [
    "has_frame_of_reference",
    "is_ours",
    "new_uid",
    "notes_on_patients",
    "notes_on_writing",
    "put_equipment",
    "put_identity",
]

_OURS = "medfuse"

_BLANK_ALLOWED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    "StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName",
    "Laterality", "PatientPosition", "PositionReferenceIndicator",
)  # fmt: skip
"""Types 2 and 2C: there, if only as a blank."""

_OPTIONAL = (
    "IssuerOfPatientID", "PatientAge", "PatientSize", "PatientWeight", "StudyDescription",
    "BodyPartExamined",
)  # fmt: skip


def put_identity(dataset: Dataset, known: Mapping[str, Any]) -> None:
    """Patient, study and frame of reference from the ``metadata`` of a volume, or new and blank ones."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword in _BLANK_ALLOWED:
        setattr(dataset, keyword, _valid(keyword, known) or "")
    for keyword in _OPTIONAL:
        if value := _valid(keyword, known):
            setattr(dataset, keyword, value)
    dataset.StudyInstanceUID = _valid("StudyInstanceUID", known) or new_uid()
    dataset.FrameOfReferenceUID = _valid("FrameOfReferenceUID", known) or new_uid()


def put_equipment(dataset: Dataset) -> None:
    """Who made the object."""
    from ...version import __version__

    dataset.Manufacturer = _OURS
    dataset.ManufacturerModelName = _OURS
    dataset.SoftwareVersions = __version__


def is_ours(values: Mapping[str, Any]) -> bool:
    """Whether header values by keyword say that medfuse made the object."""
    return values.get("Manufacturer") == values.get("ManufacturerModelName") == _OURS


def new_uid() -> str:
    """A UID that nobody else has (2.25 and a random UUID)."""
    from pydicom.uid import generate_uid

    return str(generate_uid(prefix=None))


def _valid(keyword: str, known: Mapping[str, Any]) -> str:
    """The value as text if the attribute's VR allows it, else nothing."""
    from pydicom.config import RAISE
    from pydicom.datadict import dictionary_VM, dictionary_VR
    from pydicom.valuerep import format_number_as_ds, validate_value

    value = known.get(keyword)
    if value is None or (isinstance(value, tuple) and dictionary_VM(keyword) == "1"):
        return ""
    text = format_number_as_ds(value) if isinstance(value, float) else str(value)
    try:
        validate_value(dictionary_VR(keyword), text, RAISE)
    except ValueError:
        return ""
    return text


def has_frame_of_reference(known: Mapping[str, Any]) -> bool:
    """Whether the volume is from DICOM and says in whose coordinates it lies."""
    needed = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPClassUID")
    return all(_valid(keyword, known) for keyword in needed) and bool(known.get("SOPInstanceUID"))


def notes_on_patients(metadata: Sequence[Mapping[str, Any]]) -> list[str]:
    """A warning for each moving volume whose patient is said to be another than the fixed one's."""
    fixed, *moving = metadata
    return [
        f"moving {i}: {keyword} differs from the fixed volume's; make sure that both are of one patient"
        for i, one in enumerate(moving, start=1)
        for keyword in ("PatientID", "PatientBirthDate")
        if keyword in fixed and keyword in one and fixed[keyword] != one[keyword]
    ]


def notes_on_writing(metadata: Sequence[Mapping[str, Any]], stated: Sequence[bool]) -> list[str]:
    """What of a result cannot be said in DICOM.

    Parameters
    ----------
    metadata:
        Of the fixed volume and the moving ones.
    stated:
        Of each moving volume, whether DICOM has an object for its transform.
    """
    fixed, *moving = metadata
    notes = []
    if not has_frame_of_reference(fixed):
        notes.append("the fixed volume is not from DICOM: the DICOM series names no patient and a new study")
    for i, (one, is_stated) in enumerate(zip(moving, stated, strict=True), start=1):
        if not is_stated:
            notes.append(
                f"moving {i}: its transform is neither linear nor a displacement field before a linear one: "
                "no DICOM registration object written"
            )
        elif not (has_frame_of_reference(fixed) and has_frame_of_reference(one)):
            notes.append(f"moving {i}: not both volumes are from DICOM: no registration object written")
    return notes
