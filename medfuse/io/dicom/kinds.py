"""What kind of object a DICOM file is, and why some kinds are no slices of a volume."""

from __future__ import annotations

from collections.abc import Callable

from .headers import DicomHeader

__all__ = [
    "ULTRASOUND_VOLUME",
    "is_enhanced",
    "is_image",
    "is_localizer",
    "is_ultrasound_picture",
    "refusal_of",
]

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
ULTRASOUND_VOLUME = "1.2.840.10008.5.1.4.1.1.6.2"
_ULTRASOUND_PICTURES = {
    "1.2.840.10008.5.1.4.1.1.3",  # multi-frame, retired
    "1.2.840.10008.5.1.4.1.1.3.1",  # multi-frame
    "1.2.840.10008.5.1.4.1.1.6",  # retired
    "1.2.840.10008.5.1.4.1.1.6.1",  # still
}
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def is_image(header: DicomHeader) -> bool:
    """Whether one of its two statements of the storage class says CT, MR or PET."""
    classes = {header.get("SOPClassUID"), header.storage_class}
    return not classes.isdisjoint(_SLICES | _ENHANCED)


def is_enhanced(header: DicomHeader) -> bool:
    """Whether it holds many slices, each described by functional groups."""
    return header.get("SOPClassUID") in _ENHANCED | {ULTRASOUND_VOLUME}


def is_ultrasound_picture(header: DicomHeader) -> bool:
    """Whether it is an ultrasound still, or a cine (frames in time)."""
    return header.get("SOPClassUID") in _ULTRASOUND_PICTURES


def is_localizer(header: DicomHeader) -> bool:
    """Whether it is a scout for planning, often in other planes than the series it lies in."""
    return "LOCALIZER" in _image_type(header)


def refusal_of(header: DicomHeader) -> str:
    """Why the file is no slice of a volume and what to do; empty if it is one."""
    return next((reason for applies, reason in _REFUSALS if applies(header)), "")


def _image_type(header: DicomHeader) -> tuple[str, ...]:
    value = header.get("ImageType", ())
    return (value,) if isinstance(value, str) else tuple(value)


def _is_mosaic(header: DicomHeader) -> bool:
    return "MOSAIC" in _image_type(header)


def _is_secondary_capture(header: DicomHeader) -> bool:
    result: bool = header.get("SOPClassUID", "").startswith(_SECONDARY_CAPTURE)
    return result


def _is_colour(header: DicomHeader) -> bool:
    kind = header.get("PhotometricInterpretation", "MONOCHROME2")
    grey = header.get("SamplesPerPixel", 1) == 1 and kind.startswith("MONOCHROME")
    return not grey and not is_ultrasound_picture(header)


def _is_multi_frame(header: DicomHeader) -> bool:
    return (
        header.get("NumberOfFrames", 1) > 1 and not is_enhanced(header) and not is_ultrasound_picture(header)
    )


def _is_no_slice(header: DicomHeader) -> bool:
    return (
        header.get("SOPClassUID") not in _SLICES
        and not is_enhanced(header)
        and not is_ultrasound_picture(header)
    )


_REFUSALS: tuple[tuple[Callable[[DicomHeader], bool], str], ...] = (
    (is_localizer, "localizers only; choose a series of slices"),
    (_is_mosaic, "a Siemens mosaic (all slices in one picture); convert with dcm2niix first"),
    (
        _is_secondary_capture,
        "secondary capture (a picture of a screen), not a volume; choose the series it was made from",
    ),
    (
        _is_colour,
        "colour pictures where a volume of grey values is asked for; choose the series they were made from",
    ),
    (
        _is_multi_frame,
        "several frames in an object of single slices, which says not how they lie; export the series again",
    ),
    (_is_no_slice, "not an image series of CT, MR, PET or ultrasound; choose one of these"),
)
"""The first that applies says most of what is wrong."""
