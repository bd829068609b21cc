"""DICOM objects with many frames for tests: enhanced CT and MR, 3-D ultrasound, ultrasound pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedUSVolumeStorage,
    ExplicitVRLittleEndian,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from medfuse.volume import Geometry

ENHANCED = {"CT": EnhancedCTImageStorage, "MR": EnhancedMRImageStorage, "US": EnhancedUSVolumeStorage}


def base(modality: str, storage: str) -> FileDataset:
    """A dataset with identity and no pixels."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = storage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(None, Dataset(), b"\0" * 128, meta)
    dataset.SOPClassUID, dataset.SOPInstanceUID = storage, meta.MediaStorageSOPInstanceUID
    dataset.Modality = modality
    dataset.PatientName, dataset.PatientID = "Phantom^Test", "P1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.FrameOfReferenceUID = generate_uid()
    dataset.SeriesNumber, dataset.InstanceNumber = 3, 1
    return dataset


def item(**values: Any) -> Dataset:
    """One item of a sequence."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def write_enhanced(
    path: Path,
    frames: np.ndarray,
    geometry: Geometry,
    places: Sequence[int],
    *,
    modality: str = "MR",
    slopes: Sequence[float] | None = None,
    groups: Callable[[Dataset, int], None] | None = None,
    edit: Callable[[FileDataset], None] | None = None,
) -> Path:
    """Write 16-bit ``frames`` (n, y, x); frame ``i`` lies at slice ``places[i]`` of the grid.

    ``groups`` may add to the functional groups of frame ``i``, ``edit`` change the whole.
    """
    dataset = base(modality, ENHANCED[modality])
    direction = np.asarray(geometry.direction)
    cosines = [float(v) for v in (*direction[:, 0], *direction[:, 1])]
    spacing = [float(geometry.spacing[1]), float(geometry.spacing[0])]
    shared = item(PixelMeasuresSequence=[item(PixelSpacing=[f"{v:.10f}"[:16] for v in spacing])])
    if modality == "US":
        shared.PlaneOrientationVolumeSequence = [item(ImageOrientationVolume=cosines)]
    else:
        shared.PlaneOrientationSequence = [item(ImageOrientationPatient=[f"{v:.12f}"[:16] for v in cosines])]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [
        _frame(geometry.world((0, 0, place)), modality, slopes[i] if slopes else None)
        for i, place in enumerate(places)
    ]
    for i, one in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        if groups is not None:
            groups(one, i)
    dataset.NumberOfFrames = len(frames)
    put_pixels(dataset, frames)
    if edit is not None:
        edit(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _frame(position: np.ndarray, modality: str, slope: float | None) -> Dataset:
    groups = Dataset()
    if modality == "US":
        groups.PlanePositionVolumeSequence = [item(ImagePositionVolume=[float(v) for v in position])]
    else:
        groups.PlanePositionSequence = [item(ImagePositionPatient=[f"{v:.12f}"[:16] for v in position])]
    if slope is not None:
        groups.PixelValueTransformationSequence = [
            item(RescaleSlope=str(slope), RescaleIntercept="-7", RescaleType="US")
        ]
    return groups


def put_pixels(dataset: FileDataset, pixels: np.ndarray) -> None:
    """Pixels (n, y, x) of 8 or 16 bits, or (n, y, x, 3) of 8 bits."""
    dataset.Rows, dataset.Columns = pixels.shape[1:3]
    colour = pixels.ndim == 4
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    bits = pixels.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = 0
    content = pixels.tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"


def region(box: tuple[int, int, int, int], mm: tuple[float, float], **changes: int) -> Dataset:
    """A calibrated region: box is left, top, right, bottom; ``mm`` the size of a pixel."""
    left, top, right, bottom = box
    values = {
        "RegionSpatialFormat": 1, "RegionDataType": 1, "RegionFlags": 0,
        "RegionLocationMinX0": left, "RegionLocationMinY0": top,
        "RegionLocationMaxX1": right, "RegionLocationMaxY1": bottom,
        "PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": mm[0] / 10, "PhysicalDeltaY": mm[1] / 10,
    }  # fmt: skip
    return item(**{**values, **changes})


def write_ultrasound(
    path: Path,
    frames: np.ndarray,
    regions: Sequence[Dataset] = (),
    edit: Callable[[FileDataset], None] | None = None,
) -> Path:
    """Write a still (one frame) or a cine, grey (n, y, x) or colour (n, y, x, 3), 8 bits."""
    several = len(frames) > 1
    dataset = base("US", UltrasoundMultiFrameImageStorage if several else UltrasoundImageStorage)
    if several:
        dataset.NumberOfFrames = len(frames)
    put_pixels(dataset, frames)
    if regions:
        dataset.SequenceOfUltrasoundRegions = list(regions)
    if edit is not None:
        edit(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path
