"""A fused volume as a DICOM series that a PACS, 3D Slicer and ITK take: MR Image Storage, a file a slice.

Why this class.  CT Image Storage invites reading the values as HU; a Parametric Map holds floats but
is not read by ITK; Secondary Capture loses the geometry.  In MR a rescale slope draws complaints of
validators, so values are unsigned 16-bit numbers without one, and how they map to the range of the
volume stands in the Real World Value Mapping Sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...errors import WriteError
from ...volume import Volume
from .headers import is_uid
from .identity import new_uid, put_equipment, put_identity

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = [
    "Source",
    "decimals",
    "file_dataset",
    "put_time",
    "reference",
    "series_number",
    "valid_uids",
    "write_series",
]

_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
_WHITE = 65535
_NEAR = 0.99  # of a slice step: a slice one whole step away gives no part of the value
_LARGEST_NUMBER = 2**31 - 1  # of an Integer String


@dataclass(frozen=True)
class Source:
    """A volume that a derived series was made of.

    Parameters
    ----------
    metadata:
        Of the volume, as its reader made it; one that is not from DICOM is no source for DICOM.
    to_source:
        Takes world points (n, 3) of the derived volume to world points of this one, LPS mm.
    """

    metadata: Mapping[str, Any]
    to_source: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]] = lambda points: points

    def instances_at(self, points: npt.NDArray[np.float64]) -> tuple[str, ...]:
        """UIDs of the slices that gave values at these points (n, 3) and between them, in order."""
        uids = self.metadata.get("SOPInstanceUID", ())
        if len(uids) < 2:
            return valid_uids(uids)
        normal = np.cross(*np.reshape(self.metadata["ImageOrientationPatient"], (2, 3)))
        depths = np.asarray(self.metadata["SlicePositions"]) @ normal
        reach = _NEAR * float(np.diff(depths).max(initial=0.0))
        seen = self.to_source(points) @ normal
        near = (depths > seen.min() - reach) & (depths < seen.max() + reach)
        return valid_uids(uid for uid, is_near in zip(uids, near, strict=True) if is_near)


def write_series(
    volume: Volume, folder: Path, *, sources: Sequence[Source], description: str, derivation: str
) -> list[Path]:
    """Write a grey volume with values in [0, 1] as a new series of the study its ``metadata`` names.

    Parameters
    ----------
    volume:
        What is written.  Patient, study and frame of reference are those of its ``metadata``, blank
        or new where it has none.
    folder:
        Made if it is not there; gets ``0001.dcm``, ``0002.dcm``, … in the order of the right-handed normal.
    sources:
        What it was made of.
    description:
        SeriesDescription; cut off at 64 characters.
    derivation:
        DerivationDescription: how it was made; cut off at 1024 characters.

    Returns
    -------
    paths
        One for each slice.

    Raises
    ------
    WriteError
        If the volume is in colour or has values beyond [0, 1], or the folder cannot be written.
    """
    if volume.is_colour or volume.array.min() < 0 or volume.array.max() > 1:
        raise WriteError(f"{folder}: a DICOM series of fused values needs grey values from 0 to 1")
    common = _common(volume, description, derivation)
    common.LossyImageCompression = "00"
    if any(source.metadata.get("LossyImageCompression") == "01" for source in sources):
        _put_lossy(common, sources)
    stored = np.rint(volume.array * np.float32(_WHITE)).astype("<u2")
    direction = np.asarray(volume.geometry.direction)
    right_handed = np.linalg.det(direction) > 0
    order = range(len(stored)) if right_handed else reversed(range(len(stored)))
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, k in enumerate(order, start=1):
            dataset = _slice(common, volume, k, number, sources)
            dataset.PixelData = stored[k].tobytes()
            paths.append(folder / f"{number:04d}.dcm")
            dataset.save_as(paths[-1], enforce_file_format=True)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be written: {error.strerror}") from error
    return paths


def file_dataset(sop_class: str) -> Dataset:
    """An empty dataset ready to be saved in Part 10 form, explicit VR little endian."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = new_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(None, {}, b"\0" * 128, meta)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    return dataset


def code_item(value: str, scheme: str, meaning: str) -> Dataset:
    """One item of a code sequence."""
    from pydicom import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def put_time(dataset: Dataset, *names: str) -> None:
    """Set ``<name>Date`` and ``<name>Time`` to now."""
    now = datetime.now()
    for name in names:
        setattr(dataset, f"{name}Date", f"{now:%Y%m%d}")
        setattr(dataset, f"{name}Time", f"{now:%H%M%S}")


def series_number(known: Mapping[str, Any], offset: int) -> int:
    """A number that sorts behind the series it comes from: 7 gives 701, 702, …"""
    number = known.get("SeriesNumber")
    number = number * 100 if isinstance(number, int) and number > 0 else 0
    return (number if number + offset <= _LARGEST_NUMBER else 0) + offset


def _common(volume: Volume, description: str, derivation: str) -> Dataset:
    """What all slices share."""
    dataset = file_dataset(_MR_IMAGE)
    put_identity(dataset, volume.metadata)
    put_equipment(dataset)
    put_time(dataset, "Series", "Content", "InstanceCreation")
    dataset.Modality = "MR"
    dataset.SeriesInstanceUID = new_uid()
    dataset.SeriesNumber = series_number(volume.metadata, 1)
    dataset.SeriesDescription = description[:64]
    dataset.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    dataset.DerivationDescription = derivation[:1024]
    dataset.ScanningSequence, dataset.SequenceVariant = "RM", "NONE"
    for keyword in ("ScanOptions", "EchoTime", "EchoTrainLength", "RepetitionTime", "AcquisitionNumber"):
        setattr(dataset, keyword, None)
    dataset.MRAcquisitionType = ""
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.BurnedInAnnotation = "NO"
    _put_plane(dataset, volume)
    _put_window(dataset, volume.array)
    dataset.RealWorldValueMappingSequence = [_value_mapping()]
    return dataset


def _put_plane(dataset: Dataset, volume: Volume) -> None:
    geometry = volume.geometry
    direction = np.asarray(geometry.direction)
    dataset.Columns, dataset.Rows = geometry.size[:2]
    dataset.ImageOrientationPatient = decimals([*direction[:, 0], *direction[:, 1]])
    dataset.PixelSpacing = decimals([geometry.spacing[1], geometry.spacing[0]])
    dataset.SliceThickness = dataset.SpacingBetweenSlices = decimals([geometry.spacing[2]])[0]


def _put_window(dataset: Dataset, array: np.ndarray) -> None:
    low, high = np.percentile(array, (0.5, 99.5)) * _WHITE
    dataset.WindowCenter, dataset.WindowWidth = decimals([(low + high) / 2, max(high - low, 1.0)])


def _value_mapping() -> Dataset:
    """The stored numbers as fused values in [0, 1]."""
    from pydicom import Dataset

    item = Dataset()
    item.add_new("RealWorldValueFirstValueMapped", "US", 0)
    item.add_new("RealWorldValueLastValueMapped", "US", _WHITE)
    item.RealWorldValueIntercept, item.RealWorldValueSlope = 0.0, 1 / _WHITE
    item.LUTExplanation, item.LUTLabel = "fused value from 0 to 1, no unit", "FUSED"
    item.MeasurementUnitsCodeSequence = [code_item("1", "UCUM", "no units")]
    return item


def _put_lossy(dataset: Dataset, sources: Sequence[Source]) -> None:
    """Once lossy, always lossy; ratio and method only where the sources state both."""
    dataset.LossyImageCompression = "01"
    pairs = [
        (
            source.metadata.get("LossyImageCompressionRatio"),
            source.metadata.get("LossyImageCompressionMethod"),
        )
        for source in sources
    ]
    stated = [
        (float(ratio), method)
        for ratio, method in pairs
        if isinstance(ratio, (int, float)) and isinstance(method, str)
    ]
    if stated:
        dataset.LossyImageCompressionRatio = decimals([ratio for ratio, _ in stated])
        dataset.LossyImageCompressionMethod = [method for _, method in stated]


def _slice(common: Dataset, volume: Volume, k: int, number: int, sources: Sequence[Source]) -> Dataset:
    from copy import copy, deepcopy

    dataset = copy(common)
    dataset.file_meta = deepcopy(common.file_meta)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = new_uid()
    dataset.InstanceNumber = number
    dataset.ImagePositionPatient = decimals(volume.geometry.world((0, 0, k)))
    items = [item for source in sources for item in _references(source, _corners(volume, k))]
    if items:
        dataset.SourceImageSequence = items
    return dataset


def _corners(volume: Volume, k: int) -> npt.NDArray[np.float64]:
    x, y = (n - 1 for n in volume.geometry.size[:2])
    return volume.geometry.world([(0, 0, k), (x, 0, k), (0, y, k), (x, y, k)])


def _references(source: Source, corners: npt.NDArray[np.float64]) -> list[Dataset]:
    items = []
    for uid in source.instances_at(corners):
        item = reference(source.metadata, uid)
        item.PurposeOfReferenceCodeSequence = [
            code_item("121322", "DCM", "Source image for image processing operation")
        ]
        items.append(item)
    return items


def valid_uids(uids: Iterable[str]) -> tuple[str, ...]:
    """Those that are UIDs, each once: a damaged header may hold anything."""
    return tuple(dict.fromkeys(uid for uid in uids if is_uid(uid)))


def reference(metadata: Mapping[str, Any], uid: str) -> Dataset:
    """Names one object of a series."""
    from pydicom import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID = metadata["SOPClassUID"]
    item.ReferencedSOPInstanceUID = uid
    return item


def decimals(values: Sequence[float] | npt.NDArray[np.float64]) -> list[str]:
    """Decimal Strings, which have at most 16 characters, as exact as that allows."""
    from pydicom.valuerep import format_number_as_ds

    # A value below the last place would come as 1.2e-17: as good as 0, and validators dislike it.
    return [format_number_as_ds(float(value) if abs(value) > 1e-12 else 0.0) for value in values]
