"""The attributes of one DICOM file as plain Python values, without its pixels."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ...errors import ReadError
from ..files import one_line, reading

if TYPE_CHECKING:
    import pydicom

__all__ = ["IDENTITY", "Header", "is_uid", "load", "looks_like_dicom", "read_header"]

IDENTITY = (
    "SpecificCharacterSet",
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "PatientSize", "PatientWeight", "PatientPosition",
    "StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "StudyDescription", "AccessionNumber",
    "ReferringPhysicianName",
    "SeriesInstanceUID", "SeriesNumber", "SeriesDate", "SeriesTime", "SeriesDescription", "ProtocolName",
    "Modality", "BodyPartExamined", "Laterality", "Manufacturer", "ManufacturerModelName",
    "FrameOfReferenceUID", "PositionReferenceIndicator", "SOPClassUID",
)  # fmt: skip
"""What a writer of derived series needs of patient, study, series and frame of reference."""

_GEOMETRY = (
    "SOPInstanceUID", "ImageType", "InstanceNumber", "NumberOfFrames", "Rows", "Columns", "PixelSpacing",
    "ImagePositionPatient", "ImageOrientationPatient", "SequenceOfUltrasoundRegions",
)  # fmt: skip
_VALUES = (
    "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept",
    "ModalityLUTSequence",
)  # fmt: skip
DISTINGUISHING = (
    "EchoNumbers", "EchoTime", "InversionTime", "AcquisitionNumber", "TemporalPositionIdentifier",
    "TriggerTime", "DiffusionBValue", "AcquisitionTime",
)  # fmt: skip
"""What tells volumes apart that share a series and its slice positions."""

_DEFLATED = "1.2.840.10008.1.2.1.99"
_PIXEL_DATA = 0x7FE00010
_HEADER_INFLATED_BYTES = 16 << 20  # a slice's header is some kB; what is longer is no header
_OLD_STYLE_STARTS = {b"\x08\0\0\0", b"\x08\0\5\0", b"\x08\0\x08\0", b"\x08\0\x16\0", b"\2\0\0\0"}


@dataclass(frozen=True)
class Header:
    """One file's attributes.

    ``values`` maps DICOM keywords to str, int, float, a tuple of them, or for a sequence a tuple of
    such mappings; what is absent or empty is not in it.
    """

    path: Path
    bytes: int
    transfer_syntax: str
    values: Mapping[str, Any]

    def get(self, keyword: str, default: Any = None) -> Any:
        """The value of ``keyword``, or ``default`` where it is absent or empty."""
        return self.values.get(keyword, default)

    def text(self, keyword: str) -> str:
        """The value as text fit for a message; empty where it is absent."""
        return one_line(self.values.get(keyword, ""), 64)


def looks_like_dicom(path: Path) -> bool:
    """Whether the file begins as DICOM does: ``DICM`` at 128, or, in old files, group 8 or 2 at once."""
    with path.open("rb") as stream:
        start = stream.read(132)
    return start[128:] == b"DICM" or start[:4] in _OLD_STYLE_STARTS


def is_uid(text: str) -> bool:
    """Whether ``text`` has the form of a DICOM UID; anything else may be a path or markup."""
    return 0 < len(text) <= 64 and set(text) <= set("0123456789.")


def read_header(path: Path) -> Header:
    """Read what discovery, geometry and values need; stops before the pixels."""
    keywords = (*IDENTITY, *_GEOMETRY, *_VALUES, *DISTINGUISHING)
    with reading(path):
        dataset = load(path, keywords, _HEADER_INFLATED_BYTES, pixels=False)
        values = _plain_values(dataset)
        if "SOPClassUID" not in values:
            raise ReadError(f"{path}: no SOPClassUID: the file is cut off or damaged; copy it again")
        syntax = str(dataset.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2"))
        return Header(path, path.stat().st_size, syntax, values)


def load(path: Path, keywords: Iterable[str], inflated_limit: int, *, pixels: bool) -> pydicom.Dataset:
    """A dataset with only ``keywords``; a deflated file is inflated to at most ``inflated_limit`` bytes."""
    import pydicom

    tags = [pydicom.datadict.tag_for_keyword(keyword) for keyword in keywords]
    with path.open("rb") as stream:
        # pydicom would inflate a deflated file whole, whatever its size: look at the syntax first.
        meta = _file_meta(stream)
        if meta.get("TransferSyntaxUID") == _DEFLATED:
            return _load_deflated(path, stream.read(), meta, tags, inflated_limit, pixels)
        stream.seek(0)
        return pydicom.dcmread(stream, stop_before_pixels=not pixels, force=True, specific_tags=tags)


def _file_meta(stream: BinaryIO) -> pydicom.Dataset:
    """Group 2, which is never compressed; leaves ``stream`` behind it."""
    from pydicom.filereader import read_dataset

    has_preamble = stream.read(132)[128:] == b"DICM"
    stream.seek(132 if has_preamble else 0)
    return read_dataset(stream, False, True, stop_when=_behind_file_meta)


def _behind_file_meta(tag: int, _vr: str | None, _length: int) -> bool:
    return tag >> 16 != 2


def _at_pixels(tag: int, _vr: str | None, _length: int) -> bool:
    return tag == _PIXEL_DATA


def _load_deflated(
    path: Path, zipped: bytes, meta: pydicom.Dataset, tags: list[int], limit: int, pixels: bool
) -> pydicom.Dataset:
    from pydicom.dataset import FileMetaDataset
    from pydicom.filereader import read_dataset

    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflater.decompress(zipped, limit)
    if pixels and inflater.decompress(inflater.unconsumed_tail, 1):
        raise ReadError(f"{path}: inflates to more than its header declares; the file is damaged or hostile")
    stream = BytesIO(content)
    dataset = read_dataset(
        stream,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=None if pixels else _at_pixels,
        specific_tags=tags,
    )
    if not pixels and inflater.unconsumed_tail and stream.tell() >= len(content):
        raise ReadError(f"{path}: inflates to over {limit >> 20} MiB before any pixel; the file is hostile")
    dataset.file_meta = FileMetaDataset(meta)
    return dataset


def _plain_values(dataset: pydicom.Dataset) -> dict[str, Any]:
    values = {element.keyword: _plain(element.value) for element in dataset}
    return {keyword: value for keyword, value in values.items() if value not in (None, "", ())}


def _plain(value: Any) -> Any:
    """Without pydicom's types, so that values can be compared, printed and kept."""
    from pydicom import Dataset
    from pydicom.multival import MultiValue

    if isinstance(value, (list, tuple, MultiValue)):
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
