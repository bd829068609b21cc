"""Write the sample study: ``python sample_data/make.py [FOLDER]``.

Everything comes from :mod:`medfuse.phantom`; this script only stores it.  The same versions of
numpy and scipy give the same files byte for byte.
"""

from __future__ import annotations

import gzip
import json
import sys
import uuid
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import DSfloat

from medfuse.phantom import NOISY_SCANS, SampleStudy, sample_study
from medfuse.volume import Volume

HERE = Path(__file__).parent
STORED_AS = {"ct": np.int16, "t1": np.int16, "t2": np.int16, "us": np.uint8}
_INTERCEPT = -1024  # CT: what is stored is HU minus this

_CT = {
    "SOPClassUID": CTImageStorage,
    "Modality": "CT",
    "SeriesDescription": "Head CT",
    "SeriesNumber": 1,
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "KVP": 120,
    "RescaleIntercept": _INTERCEPT,
    "RescaleSlope": 1,
    "RescaleType": "HU",
    "WindowCenter": 40,
    "WindowWidth": 100,
    "BitsStored": 12,
    "HighBit": 11,
}
_T1 = {
    "SOPClassUID": MRImageStorage,
    "Modality": "MR",
    "SeriesDescription": "Head T1",
    "SeriesNumber": 2,
    "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
    "ScanningSequence": ["GR", "IR"],
    "SequenceVariant": "MP",
    "ScanOptions": "",
    "MRAcquisitionType": "3D",
    "RepetitionTime": 2000,
    "EchoTime": 3,
    "InversionTime": 900,
    "EchoTrainLength": 1,
    "MagneticFieldStrength": 1.5,
    "WindowCenter": 350,
    "WindowWidth": 700,
    "BitsStored": 16,
    "HighBit": 15,
}
SERIES = {"ct": _CT, "t1": _T1}


def main(folder: Path = HERE) -> None:
    """Make the study and its noisy twins and write all of their files into ``folder``."""
    write_study(sample_study(), folder)
    write_noisy(sample_study(NOISY_SCANS), folder)


def write_study(study: SampleStudy, folder: Path) -> None:
    """Write every file of the sample data but this script and the README."""
    for key, volume in study.volumes.items():
        write_nifti(volume, STORED_AS[key], folder / f"head_{key}.nii.gz")
    for key, attributes in SERIES.items():
        write_series(study.volumes[key], attributes, folder / f"{key}_dicom")
    write_truth(study, folder)


def write_noisy(study: SampleStudy, folder: Path) -> None:
    """Write noisy volumes, and each without its noise beside it."""
    for key, volume in study.volumes.items():
        stored_as = np.uint8 if volume.modality == "US" else np.int16
        write_nifti(volume, stored_as, folder / f"head_{key}.nii.gz")
        write_nifti(study.truth(key), stored_as, folder / f"head_{key}_truth.nii.gz")


def write_nifti(volume: Volume, stored_as: type[np.integer], path: Path) -> None:
    """Store rounded values; both of NIfTI's affines say scanner space."""
    image = volume.to_nibabel()
    image.set_data_dtype(stored_as)
    image.header["descrip"] = b"medfuse head phantom"
    whole = type(image)(np.rint(np.asarray(image.dataobj)).astype(stored_as), image.affine, image.header)
    path.write_bytes(gzip.compress(whole.to_bytes(), 9, mtime=0))


def write_series(volume: Volume, attributes: dict[str, object], folder: Path) -> None:
    """Store a DICOM series, one file a slice, from the feet to the head."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.dcm"):
        old.unlink()
    for number in range(1, volume.geometry.size[2] + 1):
        dataset = _slice(volume, attributes, number)
        dataset.save_as(folder / f"slice_{number:03d}.dcm", enforce_file_format=True)


def _slice(volume: Volume, attributes: dict[str, object], number: int) -> Dataset:
    geometry = volume.geometry
    series = str(attributes["SeriesDescription"])
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for name, value in {**_COMMON, **attributes}.items():
        setattr(dataset, name, value)
    dataset.SOPInstanceUID = uid(series, str(number))
    dataset.StudyInstanceUID = uid(series, "study")
    dataset.SeriesInstanceUID = uid(series, "series")
    dataset.FrameOfReferenceUID = uid(series, "frame of reference")
    dataset.InstanceNumber = number
    direction = np.array(geometry.direction)
    position = geometry.world((0, 0, number - 1))
    dataset.ImagePositionPatient = _decimal(position)
    dataset.ImageOrientationPatient = _decimal([*direction[:, 0], *direction[:, 1]])
    dataset.PixelSpacing = _decimal([geometry.spacing[1], geometry.spacing[0]])  # rows, then columns
    dataset.SliceThickness = _decimal([geometry.spacing[2]])[0]
    stored = np.rint(volume.array[number - 1]) - int(attributes.get("RescaleIntercept", 0))
    dataset.Rows, dataset.Columns = stored.shape
    dataset.PixelData = np.clip(stored, 0, 2 ** int(attributes["BitsStored"]) - 1).astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = _file_meta(dataset)
    return dataset


_COMMON = {
    "PatientName": "Phantom^Head",
    "PatientID": "PHANTOM",
    "PatientBirthDate": "",
    "PatientSex": "O",
    "StudyDate": "20000101",
    "StudyTime": "120000",
    "StudyID": "1",
    "StudyDescription": "medfuse head phantom",
    "AccessionNumber": "",
    "ReferringPhysicianName": "",
    "Manufacturer": "medfuse",
    "ManufacturerModelName": "phantom",
    "BodyPartExamined": "HEAD",
    "PatientPosition": "HFS",
    "PositionReferenceIndicator": "",
    "AcquisitionNumber": 1,
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "BitsAllocated": 16,
    "PixelRepresentation": 0,
}


def _file_meta(dataset: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("implementation")
    meta.ImplementationVersionName = "MEDFUSE"
    return meta


def uid(*words: str) -> pydicom.uid.UID:
    """A UID that is always the same for the same words (DICOM PS3.5 B.2, root 2.25)."""
    name = "/".join(("medfuse", "sample_data", *words))
    return pydicom.uid.UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, name).int}")


def _decimal(values: np.ndarray | list[float]) -> list[DSfloat]:
    """Numbers in at most 16 characters, as DICOM writes them."""
    return [DSfloat(round(float(value), 10), auto_format=True) for value in values]


def write_truth(study: SampleStudy, folder: Path) -> None:
    """Store the true transforms, for people (JSON) and for ITK and Slicer (.tfm), and the landmarks."""
    moving = [key for key in study.volumes if key != "ct"]
    transforms = {f"ct_to_{key}": study.transform("ct", key) for key in moving}
    truth = {
        "convention": "4x4 matrices from points of the first to points of the second volume, LPS, mm",
        "transforms": {name: np.round(matrix, 12).tolist() for name, matrix in transforms.items()},
        "landmarks": {
            key: {name: np.round(point, 6).tolist() for name, point in study.landmarks(key).items()}
            for key in study.volumes
        },
    }
    (folder / "transforms.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    for name, matrix in transforms.items():
        affine = SimpleITK.AffineTransform(3)
        affine.SetMatrix(matrix[:3, :3].ravel().tolist())
        affine.SetTranslation(matrix[:3, 3].tolist())
        SimpleITK.WriteTransform(affine, str(folder / f"{name}.tfm"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
