"""Small DICOM series for tests, written by pydicom alone, each with one chosen defect at most."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    generate_uid,
)

from medfuse.volume import Geometry

Edit = Callable[[FileDataset, int], None]
"""Changes slice ``k`` (in spatial order, from 0) before it is written."""

STORAGE = {"CT": CTImageStorage, "MR": MRImageStorage}


def write_series(
    folder: Path,
    stored: np.ndarray,
    geometry: Geometry,
    *,
    modality: str = "CT",
    edit: Edit | None = None,
    syntax: str = ExplicitVRLittleEndian,
    seed: int = 1,
) -> list[Path]:
    """Write ``stored`` (z, y, x), 16-bit integers, as one file for each slice.

    File names and instance numbers are shuffled: no reader may rest on them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    uids = {
        name: generate_uid(entropy_srcs=[name, str(seed), ascii(str(folder))])
        for name in ("study", "series", "frame")
    }
    names = np.random.default_rng(seed).permutation(len(stored))
    paths = []
    for k, plane in enumerate(stored):
        dataset = _slice(plane, geometry, k, modality, uids, syntax)
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[uids["series"], str(k)])
        dataset.InstanceNumber = int(names[k]) + 1
        if edit is not None:
            edit(dataset, k)
        dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", CTImageStorage)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2")
        path = folder / f"{names[k]:04d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def _slice(
    plane: np.ndarray, geometry: Geometry, k: int, modality: str, uids: dict[str, str], syntax: str
) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
    dataset = FileDataset(None, Dataset(), b"\0" * 128, meta, implicit, little)
    dataset.SOPClassUID = STORAGE[modality]
    dataset.Modality = modality
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PatientName, dataset.PatientID = "Phantom^Test", "P1"
    dataset.PatientBirthDate, dataset.PatientSex = "19700101", "O"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uids["study"], uids["series"]
    dataset.FrameOfReferenceUID = uids["frame"]
    dataset.SeriesNumber, dataset.SeriesDescription = 7, "head 5 mm"
    direction = np.asarray(geometry.direction)
    dataset.ImageOrientationPatient = [_ds(v) for v in (*direction[:, 0], *direction[:, 1])]
    dataset.ImagePositionPatient = [_ds(v) for v in geometry.world((0, 0, k))]
    dataset.PixelSpacing = [_ds(geometry.spacing[1]), _ds(geometry.spacing[0])]
    dataset.SliceThickness = "99"  # wrong on purpose: not to be used
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = plane.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = int(plane.dtype.kind == "i")
    dataset.RescaleSlope, dataset.RescaleIntercept = "1", "-1024" if modality == "CT" else "0"
    set_pixels(dataset, plane)
    return dataset


def set_pixels(dataset: FileDataset, plane: np.ndarray) -> None:
    """Put 16-bit cells into a dataset in the byte order of its transfer syntax."""
    order = ">" if dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian else "<"
    dataset.PixelData = plane.astype(plane.dtype.newbyteorder(order)).tobytes()
    dataset["PixelData"].VR = "OW"


def compress_jpeg_2000(dataset: FileDataset) -> None:
    """Compress the 16-bit pixels of a dataset without loss, by Pillow."""
    from PIL import Image

    plane = np.frombuffer(dataset.PixelData, "<u2").reshape(dataset.Rows, dataset.Columns)
    stream = BytesIO()
    Image.fromarray(plane).save(stream, "JPEG2000", irreversible=False, no_jp2=True)
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless


def _ds(value: float) -> str:
    """A decimal string of at most 16 characters."""
    text = f"{value:.12f}"
    return text[:16]


def validate(path: Path) -> None:
    """Fail on any error of dicom3tools' validator."""
    if not shutil.which("dciodvfy"):
        pytest.skip("needs dciodvfy (Debian package dicom3tools)")
    said = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    assert "Error" not in said.stderr + said.stdout, said.stderr
    assert "Spatial" in said.stderr or "MRImage" in said.stderr  # it knew what to check
