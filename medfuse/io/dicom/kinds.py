"""What kind of object a DICOM file is, and why some kinds are no slices of a volume."""

from __future__ import annotations

from collections.abc import Callable

from .headers import DicomHeader

__all__ = [
    "ULTRASOUND_VOLUME",
    "is_enhanced",
    "is_image",
    "is_localizer",
    "is_nuclear",
    "is_ultrasound_picture",
    "refusal_of",
]

# Storage classes, PS3.4 table B.5-1.
_CT = "1.2.840.10008.5.1.4.1.1.2"
_NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"
_SLICES = {
    _CT,
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


_ROOT = "1.2.840.10008.5.1.4.1.1"
_SEGMENTATION = "no image; choose the series it was drawn on, or convert it with dcmqi or 3D Slicer"
_ROTATION = "export it as CT slices, or convert it with 3D Slicer"
_PROJECTION = "an X-ray projection, which has no depth; choose a series of CT slices"
_NAMED = {
    f"{_ROOT}.66.4": f"a segmentation (SEG), {_SEGMENTATION}",
    f"{_ROOT}.66.7": f"a label map (SEG), {_SEGMENTATION}",
    f"{_ROOT}.30": "a parametric map; convert it to NIfTI or NRRD with dcmqi or 3D Slicer",
    f"{_ROOT}.481.2": "a radiotherapy dose (RTDOSE), no image; save it as NRRD with 3D Slicer (SlicerRT)",
    f"{_ROOT}.13.1.1": f"a 3-D X-ray angiography (XA-3D); {_ROTATION}",
    f"{_ROOT}.13.1.2": f"a 3-D craniofacial X-ray; {_ROTATION}",
    f"{_ROOT}.13.1.3": "a breast tomosynthesis, whose slices make no volume; choose another series",
    f"{_ROOT}.13.1.4": "projections of a breast tomosynthesis; choose another series",
    f"{_ROOT}.13.1.5": "projections of a breast tomosynthesis; choose another series",
    **dict.fromkeys((f"{_ROOT}.{part}" for part in ("1", "1.1", "1.2", "12.1", "12.2")), _PROJECTION),
}
"""Storage classes that people have, are no slices, and deserve a reason of their own."""


def is_image(header: DicomHeader) -> bool:
    """Whether one of its two statements of the storage class says CT, MR or PET."""
    classes = {header.get("SOPClassUID"), header.storage_class}
    return not classes.isdisjoint(_SLICES | _ENHANCED)


def is_enhanced(header: DicomHeader) -> bool:
    """Whether it holds many slices, each described by functional groups."""
    return header.get("SOPClassUID") in _ENHANCED | {ULTRASOUND_VOLUME}


def is_nuclear(header: DicomHeader) -> bool:
    """Whether it is a tomographic reconstruction of nuclear medicine."""
    return header.get("SOPClassUID") == _NUCLEAR and "RECON TOMO" in _image_type(header)


def is_ultrasound_picture(header: DicomHeader) -> bool:
    """Whether it is an ultrasound still, or a cine (frames in time)."""
    return header.get("SOPClassUID") in _ULTRASOUND_PICTURES


def is_localizer(header: DicomHeader) -> bool:
    """Whether it is a scout for planning, often in other planes than the series it lies in."""
    return "LOCALIZER" in _image_type(header)


def refusal_of(header: DicomHeader) -> str:
    """Why the file is no slice of a volume and what to do; empty if it is one."""
    if named := _NAMED.get(header.get("SOPClassUID", "")):
        return named
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


def _is_other_nuclear(header: DicomHeader) -> bool:
    return header.get("SOPClassUID") == _NUCLEAR and not is_nuclear(header)


def _is_cone_beam(header: DicomHeader) -> bool:
    frames: int = header.get("NumberOfFrames", 1)
    return header.get("SOPClassUID") == _CT and frames > 1


def _is_multi_frame(header: DicomHeader) -> bool:
    return (
        header.get("NumberOfFrames", 1) > 1
        and not is_enhanced(header)
        and not is_ultrasound_picture(header)
        and not is_nuclear(header)
    )


def _is_no_slice(header: DicomHeader) -> bool:
    return (
        header.get("SOPClassUID") not in _SLICES
        and not is_enhanced(header)
        and not is_ultrasound_picture(header)
        and not is_nuclear(header)
    )


def _is_gated_nuclear(header: DicomHeader) -> bool:
    return header.get("SOPClassUID") == _NUCLEAR and "RECON GATED TOMO" in _image_type(header)


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
        _is_gated_nuclear,
        "a nuclear medicine reconstruction in time slots (RECON GATED TOMO in ImageType), several volumes in "
        "one object, which are not told apart; choose the summed reconstruction, or export each time slot",
    ),
    (
        _is_other_nuclear,
        "a nuclear medicine image that is no tomographic reconstruction (RECON TOMO in ImageType); choose "
        "the reconstructed series",
    ),
    (
        _is_cone_beam,
        "a CT image of several frames without functional groups, as dental cone-beam CT often is: how "
        "its slices lie is not said; export it as single CT slices or enhanced CT, or as NIfTI",
    ),
    (
        _is_multi_frame,
        "several frames in an object of single slices, which says not how they lie; export the series again",
    ),
    (_is_no_slice, "not an image series of CT, MR, PET or ultrasound; choose one of these"),
)
"""The first that applies says most of what is wrong."""
