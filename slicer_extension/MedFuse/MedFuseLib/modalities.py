"""What the scene knows of a volume's modality."""

from __future__ import annotations

from typing import Any, NamedTuple

import slicer

__all__ = ["FUNCTIONAL", "MODALITIES", "Known", "known_modality"]

MODALITIES = {
    "CT": "computed tomography",
    "MR": "magnetic resonance",
    "US": "ultrasound",
    "PT": "positron emission tomography (PET)",
    "NM": "nuclear medicine (SPECT)",
    "OT": "any other",
}
"""DICOM's code -> what it means: those that medfuse knows."""

FUNCTIONAL = ("PT", "NM")
"""Those that show a function, which medfuse colours."""

_ATTRIBUTES = ("MedFuse.Modality", "DICOM.Modality")
_QUANTITIES = {("DCM", "112031"): "CT", ("DCM", "126400"): "PT", ("DCM", "126401"): "PT"}
"""Scheme and code of a quantity -> modality (DICOM PS3.16): attenuation coefficient, SUV, SUVbw."""


class Known(NamedTuple):
    """A modality, "" if nothing is known of it, and where that was found."""

    modality: str
    source: str


def known_modality(node: Any) -> Known:
    """The modality of a volume node, as far as its attributes, its DICOM series or its unit tell it."""
    found = [
        *(Known(node.GetAttribute(name) or "", f"attribute {name}") for name in _ATTRIBUTES),
        Known(_of_series(node), "DICOM series"),
        Known(_of_values(node), "unit of its values"),
    ]
    return next((one for one in found if one.modality in MODALITIES), Known("", ""))


def _of_series(node: Any) -> str:
    scene = node.GetScene()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene) if scene else None
    if not hierarchy:
        return ""
    item = hierarchy.GetItemByDataNode(node)
    name = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName()
    return (hierarchy.GetItemAttribute(item, name) if item else "") or ""


def _of_values(node: Any) -> str:
    """From the quantity or unit that Slicer's DICOM readers note: Hounsfield units are of CT, SUV of PET."""
    quantity = node.GetVoxelValueQuantity()
    if quantity is not None:
        key = (quantity.GetCodingSchemeDesignator(), quantity.GetCodeValue())
        if key in _QUANTITIES:
            return _QUANTITIES[key]
    units = node.GetVoxelValueUnits()
    code = (units.GetCodeValue() if units is not None else "") or ""
    return "CT" if code == "[hnsf'U]" else "PT" if code.startswith("{SUV") else ""
