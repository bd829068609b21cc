"""The frames of an enhanced multi-frame object, each with the attributes that a plain slice would have.

Position, spacing, slope and so on stand in functional groups (PS3.3 C.7.6.16), some shared by all
frames, some for each; here they get the names that plain slices use, so that all else is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...errors import ReadError
from .headers import DicomHeader, check_single

__all__ = ["frames_of"]

_GROUPS: dict[str, dict[str, str]] = {
    "PixelMeasuresSequence": {"PixelSpacing": "PixelSpacing"},
    "PlanePositionSequence": {"ImagePositionPatient": "ImagePositionPatient"},
    "PlaneOrientationSequence": {"ImageOrientationPatient": "ImageOrientationPatient"},
    "PlanePositionVolumeSequence": {"ImagePositionVolume": "ImagePositionPatient"},
    "PlaneOrientationVolumeSequence": {"ImageOrientationVolume": "ImageOrientationPatient"},
    "PixelValueTransformationSequence": {
        "RescaleSlope": "RescaleSlope",
        "RescaleIntercept": "RescaleIntercept",
    },
    "FrameContentSequence": {
        "StackID": "StackID",
        "TemporalPositionIndex": "TemporalPositionIdentifier",
        "FrameAcquisitionNumber": "AcquisitionNumber",
        "FrameAcquisitionDateTime": "FrameAcquisitionDateTime",
        "FrameReferenceDateTime": "FrameReferenceDateTime",
    },
    "TemporalPositionSequence": {"TemporalPositionTimeOffset": "TemporalPositionTimeOffset"},
    "MREchoSequence": {"EffectiveEchoTime": "EchoTime"},
    "MRModifierSequence": {"InversionTimes": "InversionTime"},
    "CardiacSynchronizationSequence": {
        "NominalCardiacTriggerDelayTime": "TriggerTime",
        "NominalPercentageOfCardiacPhase": "NominalPercentageOfCardiacPhase",
    },
    "RespiratorySynchronizationSequence": {
        "NominalPercentageOfRespiratoryPhase": "NominalPercentageOfRespiratoryPhase"
    },
    "MRArterialSpinLabelingSequence": {"ASLContext": "ASLContext"},
    "MRTimingAndRelatedParametersSequence": {"FlipAngle": "FlipAngle", "RepetitionTime": "RepetitionTime"},
    "CTReconstructionSequence": {"ConvolutionKernel": "ConvolutionKernel"},
    "CTXRayDetailsSequence": {"KVP": "KVP"},
    "MRImageFrameTypeSequence": {
        "FrameType": "ImageType",
        "ComplexImageComponent": "ComplexImageComponent",
        "AcquisitionContrast": "AcquisitionContrast",
    },
    "CTImageFrameTypeSequence": {"FrameType": "ImageType"},
    "PETFrameTypeSequence": {"FrameType": "ImageType"},
    "ImageDataTypeSequence": {"DataType": "DataType"},
}
"""Functional group -> its attribute -> the name by which plain slices have it."""

_NAMES = {name for attributes in _GROUPS.values() for name in attributes.values()}


def frames_of(header: DicomHeader) -> list[DicomHeader]:
    """One header for each frame.

    Raises
    ------
    ReadError
        If the number of frames is not that of the functional groups.
    """
    frames = header.get("PerFrameFunctionalGroupsSequence", ())
    declared = header.get("NumberOfFrames", 1)
    if len(frames) != declared:
        raise ReadError(
            f"{header.path}: {declared} frames declared, but {len(frames)} described: the header is damaged"
        )
    common = {key: value for key, value in header.values.items() if not key.endswith("GroupsSequence")}
    common |= _values(_first(header.values, "SharedFunctionalGroupsSequence"))
    return [
        replace(header, values=_checked(header, {**common, **_values(groups)}), frame=index)
        for index, groups in enumerate(frames)
    ]


def _first(groups: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The first item of a sequence; empty where there is none."""
    items = groups.get(name)
    return items[0] if items else {}


def _values(groups: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        keyword: _first(groups, name)[attribute]
        for name, attributes in _GROUPS.items()
        for attribute, keyword in attributes.items()
        if attribute in _first(groups, name)
    }
    return _others(groups) | found | _diffusion(groups) | _dimensions(groups)


def _others(groups: Mapping[str, Any]) -> dict[str, Any]:
    """Whatever else stands in the groups, by its own name: it may be what tells the frames apart."""
    return {
        keyword: value
        for items in groups.values()
        if isinstance(items, tuple) and items and isinstance(items[0], dict)
        for keyword, value in items[0].items()
        if not isinstance(value, bytes) and keyword not in _NAMES
    }


def _dimensions(groups: Mapping[str, Any]) -> dict[str, Any]:
    """Each of the dimension indices; what they point to may be an attribute of the vendor's."""
    indices = _first(groups, "FrameContentSequence").get("DimensionIndexValues", ())
    return {
        f"DimensionIndexValue {number}": index
        for number, index in enumerate(indices if isinstance(indices, tuple) else (indices,), start=1)
    }


def _diffusion(groups: Mapping[str, Any]) -> dict[str, Any]:
    diffusion = _first(groups, "MRDiffusionSequence")
    gradient = _first(diffusion, "DiffusionGradientDirectionSequence")
    values = {
        "DiffusionBValue": diffusion.get("DiffusionBValue"),
        "DiffusionDirectionality": diffusion.get("DiffusionDirectionality"),
        "DiffusionGradientOrientation": gradient.get("DiffusionGradientOrientation"),
    }
    return {keyword: value for keyword, value in values.items() if value is not None}


def _checked(header: DicomHeader, values: dict[str, Any]) -> dict[str, Any]:
    check_single(header.path, values)
    return values
