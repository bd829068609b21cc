"""Kinds of DICOM objects: nuclear medicine is read; what is no volume is refused by its own name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_factory import write_series
from dicom_objects import base, item, put_pixels
from oriented import ORIENTED

from medfuse.errors import SeriesError
from medfuse.io import describe, read_volume

GRID = ORIENTED["oblique"]  # right-handed
STORED = np.random.default_rng(0).integers(0, 2000, GRID.shape).astype("u2")
STORAGE = "1.2.840.10008.5.1.4.1.1"


def spect(path: Path, frames: np.ndarray = STORED, **changes: Any) -> Path:
    dataset = base("NM", f"{STORAGE}.20")
    put_pixels(dataset, frames)
    direction = np.asarray(GRID.direction)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    dataset.NumberOfFrames = len(frames)
    dataset.SliceVector = list(range(1, len(frames) + 1))
    dataset.PixelSpacing = [GRID.spacing[1], GRID.spacing[0]]
    dataset.SpacingBetweenSlices = GRID.spacing[2]
    dataset.DetectorInformationSequence = [
        item(
            ImagePositionPatient=[f"{v:.9f}" for v in GRID.origin],
            ImageOrientationPatient=[f"{v:.12f}" for v in (*direction[:, 0], *direction[:, 1])],
        )
    ]
    for name, value in changes.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


class TestNuclear:
    def test_a_reconstruction_is_read_with_a_note(self, tmp_path: Path) -> None:
        assert np.linalg.det(np.asarray(GRID.direction)) > 0
        volume = read_volume(spect(tmp_path / "a.dcm"))

        np.testing.assert_array_equal(volume.array, STORED)
        assert volume.geometry.matches(GRID, 1e-4)
        assert volume.modality == "NM"
        assert volume.notes == (
            "nuclear medicine: the values are counts of the reconstruction, no activity in Bq/ml",
        )
        assert describe(tmp_path)[0].geometry == volume.geometry

    def test_the_slice_vector_orders(self, tmp_path: Path) -> None:
        order = [3, 1, 5, 2, 4]
        volume = read_volume(spect(tmp_path / "a.dcm", SliceVector=order))
        np.testing.assert_array_equal(volume.array[np.array(order) - 1], STORED)

    def test_energy_windows_are_volumes(self, tmp_path: Path) -> None:
        frames = np.concatenate([STORED, STORED + 7])
        path = spect(
            tmp_path / "a.dcm", frames, SliceVector=[*range(1, 6)] * 2, EnergyWindowVector=[1] * 5 + [2] * 5
        )
        with pytest.raises(SeriesError, match="1: EnergyWindowVector 1; 2: EnergyWindowVector 2"):
            read_volume(path)
        np.testing.assert_array_equal(read_volume(path, volume=2).array, STORED + 7)

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"SpacingBetweenSlices": -4.5}, r"SpacingBetweenSlices is -4\.5 mm: programs differ"),
            ({"SpacingBetweenSlices": None}, "SpacingBetweenSlices is missing"),
            ({"SliceVector": None}, "without SliceVector"),
            ({"SliceVector": [1, 2, 3]}, "SliceVector has 3 values for 5 frames"),
            ({"DetectorInformationSequence": None}, "no ImagePositionPatient of the first slice"),
            ({"ImageType": ["ORIGINAL", "PRIMARY", "TOMO"]}, "no tomographic reconstruction"),
            ({"ImageType": ["ORIGINAL", "PRIMARY", "WHOLE BODY"]}, "no tomographic reconstruction"),
            ({"ImageType": ["DERIVED", "PRIMARY", "RECON GATED TOMO"]}, "reconstruction in time slots"),
        ],
    )
    def test_what_is_not_said_is_refused(self, tmp_path: Path, changes: dict, says: str) -> None:
        with pytest.raises(SeriesError, match=says):
            read_volume(spect(tmp_path / "a.dcm", **changes))


@pytest.mark.parametrize(
    ("storage", "says"),
    [
        ("66.4", r"a segmentation \(SEG\), no image; choose the series it was drawn on"),
        ("30", "a parametric map; convert it to NIfTI"),
        ("481.2", r"a radiotherapy dose \(RTDOSE\).*SlicerRT"),
        ("13.1.1", r"a 3-D X-ray angiography \(XA-3D\); export it as CT slices"),
        ("13.1.3", "a breast tomosynthesis"),
        ("1.1", "an X-ray projection, which has no depth"),
        ("7.2", "secondary capture"),
    ],
)
def test_what_is_no_volume_is_refused_by_its_name(tmp_path: Path, storage: str, says: str) -> None:
    dataset = base("OT", f"{STORAGE}.{storage}")
    put_pixels(dataset, STORED)
    dataset.NumberOfFrames = 5
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(SeriesError, match=says):
        read_volume(tmp_path)


def test_cone_beam_ct_in_one_object_is_refused_by_its_name(tmp_path: Path) -> None:
    path = write_series(tmp_path, STORED[:1], GRID)[0]
    dataset = pydicom.dcmread(path)
    put_pixels(dataset, STORED)
    dataset.NumberOfFrames = 5
    dataset.save_as(path)
    with pytest.raises(SeriesError, match=r"without functional groups, as dental cone-beam .*export"):
        read_volume(tmp_path)
