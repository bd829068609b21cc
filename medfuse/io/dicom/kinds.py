"""What kind of object a DICOM file is, and why some kinds are no slices of a volume."""

from __future__ import annotations

from collections.abc import Callable

from .headers import Header

__all__ = ["is_image", "is_localizer", "refusal_of"]

# Storage classes, PS3.4 table B.5-1.
_SLICES = {
    "1.2.840.10008.5.1.4.1.1.2",  # CT
    "1.2.840.10008.5.1.4.1.1.4",  # MR
    "1.2.840.10008.5.1.4.1.1.128",  # PET
}
_ENHANCED = {
    "1.2.840.10008.5.1.4.1.1.2.1",  # enhanced CT
    "1.2.840.10008.5.1.4.1.1.2.2",  # legacy converted enhanced CT
    "1.2.840.10008.5.1.4.1.1.4.1",  # enhanced MR
    "1.2.840.10008.5.1.4.1.1.4.4",  # legacy converted enhanced MR
    "1.2.840.10008.5.1.4.1.1.130",  # enhanced PET
    "1.2.840.10008.5.1.4.1.1.128.1",  # legacy converted enhanced PET
}
_ULTRASOUND = ("1.2.840.10008.5.1.4.1.1.3.", "1.2.840.10008.5.1.4.1.1.6.")
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def is_image(header: Header) -> bool:
    """Whether one of its two statements of the storage class says CT, MR or PET."""
    classes = {header.get("SOPClassUID"), header.storage_class}
    return not classes.isdisjoint(_SLICES | _ENHANCED)


def is_localizer(header: Header) -> bool:
    """Whether it is a scout for planning, often in other planes than the series it lies in."""
    return "LOCALIZER" in _image_type(header)


def refusal_of(header: Header) -> str:
    """Why the file is no slice of a volume and what to do; empty if it is one."""
    return next((reason for applies, reason in _REFUSALS if applies(header)), "")


def _image_type(header: Header) -> tuple[str, ...]:
    value = header.get("ImageType", ())
    return (value,) if isinstance(value, str) else tuple(value)


def _is_mosaic(header: Header) -> bool:
    return "MOSAIC" in _image_type(header)


def _is_ultrasound(header: Header) -> bool:
    return header.get("Modality") == "US" or header.get("SOPClassUID", "").startswith(_ULTRASOUND)


def _is_secondary_capture(header: Header) -> bool:
    return header.get("SOPClassUID", "").startswith(_SECONDARY_CAPTURE)


def _is_colour(header: Header) -> bool:
    kind = header.get("PhotometricInterpretation", "MONOCHROME2")
    return header.get("SamplesPerPixel", 1) != 1 or not kind.startswith("MONOCHROME")


def _is_multi_frame(header: Header) -> bool:
    return header.get("SOPClassUID") in _ENHANCED or header.get("NumberOfFrames", 1) > 1


def _is_no_slice(header: Header) -> bool:
    return header.get("SOPClassUID") not in _SLICES


_REFUSALS: tuple[tuple[Callable[[Header], bool], str], ...] = (
    (is_localizer, "localizers only; choose a series of slices"),
    (
        _is_ultrasound,
        "DICOM ultrasound (a still picture, or frames in time) is no volume; reconstruct a volume and save "
        "it as .nrrd or .mha",
    ),
    (_is_mosaic, "a Siemens mosaic (all slices in one picture); convert with dcm2niix first"),
    (
        _is_secondary_capture,
        "secondary capture (a picture of a screen), not a volume; choose the series it was made from",
    ),
    (
        _is_colour,
        "colour pictures where a volume of grey values is asked for; choose the series they were made from",
    ),
    (_is_multi_frame, "enhanced multi-frame DICOM is not read yet; convert with dcm2niix first"),
    (_is_no_slice, "not an image series of CT, MR or PET; choose one of these"),
)
"""The first that applies says most of what is wrong."""
