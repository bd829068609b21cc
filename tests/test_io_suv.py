"""Standardised uptake values: the number by its definition, and each reason to refuse it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_factory import STORAGE, write_series
from dicom_objects import item
from oriented import ORIENTED

from medfuse.errors import ParameterError, ReadError
from medfuse.io import read_volume, write_volume
from medfuse.io.dicom.suv import _decimal

GRID = ORIENTED["LPS"]
STORED = np.random.default_rng(0).integers(0, 30000, GRID.shape).astype("u2")
STORAGE["PT"] = pydicom.uid.PositronEmissionTomographyImageStorage

DOSE, HALF_LIFE, WEIGHT = 370e6, 6586.2, 72.5
WHOLE = {
    "Units": "BQML", "CorrectedImage": ["ATTN", "DECY"], "DecayCorrection": "START",
    "PatientWeight": str(WEIGHT), "SeriesDate": "20200102", "SeriesTime": "103000",
    "AcquisitionDate": "20200102", "AcquisitionTime": "103005.5",
}  # fmt: skip
DRUG = {
    "RadionuclideTotalDose": str(DOSE),
    "RadionuclideHalfLife": str(HALF_LIFE),
    "RadiopharmaceuticalStartTime": "093000",
}


def series(folder: Path, drug: dict | None = None, **changes: object) -> Path:
    def edit(dataset: pydicom.Dataset, k: int) -> None:
        for keyword, value in {**WHOLE, **changes}.items():
            if value is not None:
                setattr(dataset, keyword, value)
        values = {keyword: value for keyword, value in {**DRUG, **(drug or {})}.items() if value is not None}
        dataset.RadiopharmaceuticalInformationSequence = [item(**values)]
        dataset.RescaleSlope = "0.5"

    write_series(folder, STORED, GRID, modality="PT", edit=edit)
    return folder


def test_an_hour_after_injection(tmp_path: Path) -> None:
    volume = read_volume(series(tmp_path), suv=True)
    left = DOSE * 0.5 ** (3600 / HALF_LIFE)
    np.testing.assert_allclose(volume.array, STORED * 0.5 * WEIGHT * 1000 / left, rtol=1e-5)
    assert any("decayed over 60.0 min" in note for note in volume.notes)


def test_without_the_option_the_values_stay(tmp_path: Path) -> None:
    np.testing.assert_allclose(read_volume(series(tmp_path)).array, STORED * 0.5)


@pytest.mark.parametrize(
    ("drug", "changes", "seconds"),
    [
        ({}, {"DecayCorrection": "ADMIN"}, 0),
        ({"RadiopharmaceuticalStartTime": "233000"}, {}, 11 * 3600),  # before midnight
        ({"RadiopharmaceuticalStartDateTime": "20200102100000.0"}, {}, 1800),
        ({"RadiopharmaceuticalStartTime": "102959.5"}, {}, 0.5),
    ],
)
def test_other_times(tmp_path: Path, drug: dict, changes: dict, seconds: float) -> None:
    volume = read_volume(series(tmp_path, drug, **changes), suv=True)
    left = DOSE * 0.5 ** (seconds / HALF_LIFE)
    np.testing.assert_allclose(volume.array, STORED * 0.5 * WEIGHT * 1000 / left, rtol=1e-5)


def test_what_is_suv_already(tmp_path: Path) -> None:
    volume = read_volume(series(tmp_path, Units="GML", SUVType="BW"), suv=True)
    np.testing.assert_allclose(volume.array, STORED * 0.5)


@pytest.mark.parametrize(
    ("drug", "changes", "says"),
    [
        ({}, {"Units": "CNTS"}, "its units are CNTS; expected BQML"),
        ({}, {"Units": None}, "its units are not stated"),
        ({}, {"Units": "GML", "SUVType": "LBM"}, r"SUV of another kind \(LBM\)"),
        ({}, {"CorrectedImage": ["DECY"]}, "not corrected for attenuation"),
        ({}, {"DecayCorrection": "NONE"}, "DecayCorrection is NONE"),
        ({}, {"PatientWeight": None}, "PatientWeight is missing"),
        ({}, {"PatientWeight": "0"}, "PatientWeight is 0.0; expected 0.01 to 500 kg"),
        ({"RadionuclideTotalDose": None}, {}, "RadionuclideTotalDose is missing"),
        ({"RadionuclideTotalDose": "370"}, {}, "RadionuclideTotalDose is 370.0; expected .* Bq"),
        ({"RadionuclideHalfLife": None}, {}, "RadionuclideHalfLife is missing"),
        ({"RadiopharmaceuticalStartTime": None}, {}, "time of injection .* is missing"),
        ({"RadiopharmaceuticalStartDateTime": "20191201100000"}, {}, "before the scan"),
        ({}, {"SeriesTime": "120000"}, "dated after its images"),
        ({}, {"SeriesTime": None}, "SeriesTime, .* is missing"),
        ({}, {"AcquisitionTime": None}, "AcquisitionTime is missing"),
    ],
)
def test_refused_with_what_is_missing(tmp_path: Path, drug: dict, changes: dict, says: str) -> None:
    with pytest.raises(ReadError, match=rf"no SUV: .*{says}.*; read it without --suv"):
        read_volume(series(tmp_path, drug, **changes), suv=True)


def test_other_modalities_are_read_as_without_it(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", STORED, GRID)
    np.testing.assert_array_equal(read_volume(tmp_path / "ct", suv=True).array, STORED - 1024.0)


def test_only_dicom_says_what_is_needed(tmp_path: Path) -> None:
    write_volume(read_volume(series(tmp_path / "pt")), tmp_path / "pt.nii.gz")
    with pytest.raises(ParameterError, match="only DICOM says what is needed"):
        read_volume(tmp_path / "pt.nii.gz", modality="PT", suv=True)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"0.25", 0.25),
        (b" 2.5e1 \0", 25.0),
        ("0.5", 0.5),
        (b"-1", 0.0),
        (b"inf", 0.0),
        (b"nan", 0.0),
        (b"\xff", 0.0),
        (None, 0.0),
    ],
)
def test_a_factor_that_came_as_bytes(value: object, number: float) -> None:
    """As archives that do not know a private tag pass it on: of unknown kind, padded; 0 is no factor."""
    assert _decimal(value) == number
