"""The attributes of one DICOM file as plain Python values, without its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...errors import ReadError
from ..files import one_line, plain, reading
from .parse import load

if TYPE_CHECKING:
    import pydicom

__all__ = [
    "DISTINGUISHING",
    "IDENTITY",
    "NUCLEAR_VECTORS",
    "PHILIPS_PET",
    "DicomHeader",
    "all_values",
    "check_single",
    "is_uid",
    "read_header",
    "series_of",
]

IDENTITY = (
    "SpecificCharacterSet",
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "PatientSize", "PatientWeight", "PatientPosition",
    "StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "StudyDescription", "AccessionNumber",
    "ReferringPhysicianName",
    "SeriesInstanceUID", "SeriesNumber", "SeriesDate", "SeriesTime", "SeriesDescription", "ProtocolName",
    "Modality", "BodyPartExamined", "Laterality", "Manufacturer", "ManufacturerModelName",
    "FrameOfReferenceUID", "PositionReferenceIndicator", "SOPClassUID",
    "Units", "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
)  # fmt: skip
"""What a writer of derived series needs of patient, study, series and frame of reference."""

_GEOMETRY = (
    "SOPInstanceUID", "ImageType", "InstanceNumber", "NumberOfFrames", "Rows", "Columns", "PixelSpacing",
    "ImagePositionPatient", "ImageOrientationPatient", "SequenceOfUltrasoundRegions", "FrameTime",
    "SpacingBetweenSlices", "DetectorInformationSequence", "SliceVector",
)  # fmt: skip
_VALUES = (
    "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept",
    "RescaleType", "ModalityLUTSequence",
)  # fmt: skip
NUCLEAR_VECTORS = (
    "SliceVector",
    "EnergyWindowVector",
    "DetectorVector",
    "RRIntervalVector",
    "TimeSlotVector",
)
"""An index for each frame of nuclear medicine."""

DISTINGUISHING = (
    "EchoTime", "EchoNumbers", "InversionTime", "AcquisitionNumber", "TemporalPositionIdentifier",
    "TriggerTime", "DiffusionBValue", "DiffusionDirectionality", "DiffusionGradientOrientation",
    "TemporalPositionTimeOffset", "DataType", "AcquisitionTime",
    "NominalPercentageOfCardiacPhase", "NominalPercentageOfRespiratoryPhase", "ComplexImageComponent",
    "AcquisitionContrast", "ASLContext", "KVP", "ConvolutionKernel", "FilterType", "ContrastBolusAgent",
    "FlipAngle", "RepetitionTime", "FrameReferenceTime", "FrameAcquisitionDateTime", "FrameReferenceDateTime",
    "AcquisitionDateTime", "SeriesTime", "SeriesDescription", "ProtocolName", "ImageComments",
    "ContentTime", "EnergyWindowVector", "DetectorVector", "RRIntervalVector", "TimeSlotVector",
)  # fmt: skip
"""What tells volumes apart that share a series and its slice positions."""

_PET = (
    "SUVType", "CorrectedImage", "DecayCorrection", "RadiopharmaceuticalInformationSequence",
    "AcquisitionDate",
)  # fmt: skip
PHILIPS_PET = ("(7053,0010)", "(7053,1000)", "(7053,1009)")
"""Private attributes: their creator, the factor from counts to SUV, and that from counts to Bq/ml."""

_FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_WHOLE = (
    "Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
)  # fmt: skip
_TEXT = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Modality",
    "PhotometricInterpretation",
)  # fmt: skip
_SINGLE: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(_WHOLE, int),
    **dict.fromkeys(("RescaleSlope", "RescaleIntercept"), (int, float)),
    **dict.fromkeys(_TEXT, str),
}
"""Attributes that must hold one value of a type; a damaged file may hold several, or text."""

_KIND_OF_VR: dict[str, type] = {"CS": str, "DA": str, "DS": float, "IS": int, "TM": str, "UI": str}
"""Kinds of text (ASCII by definition) that need no more than to be split and converted."""

_SHORT = 200  # characters of an attribute that may tell volumes apart
_HEADER_INFLATED_BYTES = 16 << 20  # a slice's header is some kB; what is longer is no header


@dataclass(frozen=True)
class DicomHeader:
    """One file's attributes.

    ``storage_class`` is the SOP class as the file meta information has it, and ``has_pixels`` is
    false if the file ends before any pixel; ``values`` maps DICOM keywords to str, int, float, a tuple
    of them, or for a sequence a tuple of such mappings; what is absent or empty is not in it.
    ``frame`` counts the frames of a multi-frame object from 0; None stands for the whole file.
    """

    path: Path
    bytes: int
    transfer_syntax: str
    storage_class: str
    has_pixels: bool
    values: Mapping[str, Any]
    frame: int | None = None

    def get(self, keyword: str, default: Any = None) -> Any:
        """The value of ``keyword``, or ``default`` where it is absent or empty."""
        return self.values.get(keyword, default)

    def text(self, keyword: str) -> str:
        """The value as text fit for a message; empty where it is absent."""
        return one_line(self.values.get(keyword, ""), 64)


def is_uid(text: str) -> bool:
    """Whether ``text`` has the form of a DICOM UID; anything else may be a path or markup."""
    return 0 < len(text) <= 64 and set(text) <= set("0123456789.")


def read_header(path: Path) -> DicomHeader:
    """Read what discovery, geometry and values need; stops before the pixels."""
    keywords = (*IDENTITY, *_GEOMETRY, *_VALUES, *DISTINGUISHING, *_PET, *PHILIPS_PET, *_FUNCTIONAL_GROUPS)
    with reading(path):
        dataset, has_pixels = load(path, keywords, _HEADER_INFLATED_BYTES, pixels=False)
        values = _plain_values(dataset)
        check_single(path, values)
        if "SOPClassUID" not in values:
            raise ReadError(f"{path}: no SOPClassUID: the file is cut off or damaged; copy it again")
        syntax = str(dataset.file_meta.get("TransferSyntaxUID", _encoding_of(dataset)))
        storage = str(dataset.file_meta.get("MediaStorageSOPClassUID", values["SOPClassUID"]))
        return DicomHeader(path, path.stat().st_size, syntax, storage, has_pixels, values)


def _encoding_of(dataset: pydicom.Dataset) -> str:
    """The transfer syntax of a file without one, as its elements show."""
    implicit, little = dataset.original_encoding
    return f"1.2.840.10008.1.2{'' if implicit else '.1' if little else '.2'}"


def series_of(path: Path) -> str | None:
    """The SeriesInstanceUID of a file that is damaged elsewhere; None if so much cannot be read either."""
    try:
        with reading(path):
            dataset, _ = load(path, ("SeriesInstanceUID",), _HEADER_INFLATED_BYTES, pixels=False)
            return str(dataset.SeriesInstanceUID) if dataset.get("SeriesInstanceUID") else None
    except ReadError:
        return None


def all_values(path: Path) -> Mapping[str, Any]:
    """Every short element of a file, those of vendors too; what is longer tells no volumes apart."""
    with reading(path):
        dataset, _ = load(path, None, _HEADER_INFLATED_BYTES, pixels=False)
        return {
            name: value
            for name, value in _plain_values(dataset).items()
            if not isinstance(value, bytes) and len(str(value)) <= _SHORT
        }


def check_single(path: Path, values: Mapping[str, Any]) -> None:
    """Refuse several values, or text, where one value of a type must stand."""
    for keyword, kind in _SINGLE.items():
        if keyword in values and not isinstance(values[keyword], kind):
            raise ReadError(f"{path}: {keyword} is {plain(values[keyword])}; the header is damaged")


def _plain_values(dataset: pydicom.Dataset) -> dict[str, Any]:
    from pydicom.datadict import keyword_for_tag

    values = {}
    for tag in dataset.keys():  # noqa: SIM118 - iterating over the dataset itself would convert every element
        value = _plain_from_bytes(dataset.get_item(tag))
        if value is None:
            value = _plain(dataset[tag].value)
        if value not in (None, "", ()):
            values[keyword_for_tag(tag) or f"({tag >> 16:04x},{tag & 0xFFFF:04x})"] = value
    return values


def _plain_from_bytes(element: Any) -> Any:
    """The value of an element of a simple kind straight from its bytes, or None where it is not so simple.

    The same as by pydicom's conversion, which takes most of the time that reading a header takes.
    """
    content = getattr(element, "value", None)
    if not isinstance(content, bytes) or not content.isascii():
        return None
    if element.VR == "US":
        order: Literal["little", "big"] = "little" if element.is_little_endian else "big"
        return int.from_bytes(content, order) if len(content) == 2 else None
    kind = _KIND_OF_VR.get(element.VR)
    if kind is None:
        return None
    parts = [part.strip(" ") for part in content.decode("ascii").rstrip("\0 ").split("\\")]
    if not all(part.isprintable() and part for part in parts):
        return None
    found: tuple[Any, ...]
    try:
        found = tuple(kind(part) for part in parts)
    except ValueError:
        found = tuple(parts)  # a number that is none stays text: whoever needs the number refuses it
    return found if len(found) > 1 else found[0]


def _plain(value: Any) -> Any:
    """Without pydicom's types, so that values can be compared, printed and kept."""
    from pydicom import Dataset
    from pydicom.multival import MultiValue
    from pydicom.sequence import Sequence

    if isinstance(value, (list, tuple, MultiValue, Sequence)):
        return tuple(_plain(item) for item in value)
    if isinstance(value, Dataset):
        return _plain_values(value)
    if isinstance(value, bool) or value is None or isinstance(value, bytes):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, (Real, Decimal)):
        return float(value)
    return str(value).strip()
