"""Inputs made after public reports: each is read as its truth says, or refused, never something else.

The folder is ``reported`` of the shared data; see its README.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from medfuse.errors import MedfuseError
from medfuse.io import describe, read_volume

ROOT = Path(os.environ.get("MEDFUSE_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data") / "reported"
CASES = sorted(path.name for path in ROOT.iterdir() if path.is_dir()) if ROOT.is_dir() else []
ATOL_MM = 0.1  # an orientation that varies, or a slight shear, is squared up within it
ATOL = {"jpeg_extended_12": 8.0, "pet_philips_cnts": 1e-5, "pet_philips_cnts_plain": 1e-3}  # lossy, scaled

STORED = {"pet_dynamic_frame_reference": 1.5}
"""Where the truth holds the numbers as stored, the slope that the files state."""

SAYS = {
    "cbct_multiframe_ct": "cone-beam",
    "ct_and_pet_one_series_uid": "Modality differs",
    "ct_encapsulated_said_native": "compressed form",
    "ct_intercept_missing_in_one": "RescaleIntercept",
    "ct_last_slice_is_link": "IM5.dcm",
    "ct_positions_all_alike": "positions of all 6 images are alike",
    "mha_lowercase_keys": "case matters",
    "nhdr_keyvalue_hides_data_file": "regular file in the header's own folder",
    "nm_spect_recon": "nuclear medicine",
    "sop_seg": "a segmentation",
    "two_patients_one_series_uid": "PatientID differs",
    "zip_last_slice_empty": "empty",
}
"""What is refused, and a word of the reason."""

SEVERAL = {
    "cine_trigger_varies": 3,
    "ct_4d_by_description": 2,
    "dwi_instance_reset": 3,
    "enh_ct_cardiac_percent": 2,
    "enh_dimension_index_private": 2,
    "enh_files_times": 2,
    "enh_frame_times": 2,
    "nrrd_kind_none_first": 3,
    "nrrd_list_first": 3,
    "nrrd_space_RAST_4d": 3,
    "pet_dynamic_frame_reference": 3,
}
"""What holds several volumes, and how many; the truth is of one of them."""

NOTED = {
    "ct_appledouble_files": "AppleDouble",
    "ct_resent_new_uids": "other UIDs",
    "nii_bad_quaternion_good_sform": "quaternion",
    "nii_not_gzipped": "not gzipped",
    "nii_sform_nan_good_qform": "the qform was used",
    "nii_shear_2e3": "sheared",
    "nii_vox_offset_0": "vox_offset 0",
    "nrrd_sheared": "interpolated",
    "nrrd_units_um": "converted from um",
    "pet_philips_cnts": "Philips' factor",
    "pet_philips_cnts_plain": "counts",
}
"""What is read with a note, and a word of it."""


def inputs(case: Path) -> list[Path]:
    """The folder, zip or file that a user would give."""
    if (case / "dcm").is_dir():
        return [case / "dcm"]
    return sorted(path for path in case.iterdir() if path.suffix not in (".npz", ".txt", ".raw"))


@pytest.mark.skipif(not CASES, reason="needs the reported cases under $MEDFUSE_TEST_DATA or ../shared/data")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_case(name: str) -> None:
    for path in inputs(ROOT / name):
        said = " ".join(str(one) for one in describe(path))
        if name in SAYS:
            with pytest.raises(MedfuseError, match=SAYS[name]):
                read_volume(path)
            assert SAYS[name] in said or name == "ct_encapsulated_said_native"  # pixels are not looked at
            continue
        assert "cannot be read" not in said
        volumes = [
            read_volume(path, volume=number, modality=None, suv=name == "pet_philips_cnts")
            for number in (range(1, SEVERAL[name] + 1) if name in SEVERAL else [None])
        ]
        if name in SEVERAL:
            with pytest.raises(MedfuseError, match=f"holds {SEVERAL[name]} volumes"):
                read_volume(path)
        assert NOTED.get(name, "") in " ".join(volumes[0].notes)
        if (ROOT / name / "truth.npz").exists():
            truth = np.load(ROOT / name / "truth.npz")
            atol, expected = ATOL.get(name, 0.0), truth["array"] * STORED.get(name, 1.0)
            (found,) = [
                volume
                for volume in volumes
                if volume.array.shape == truth["array"].shape
                and np.allclose(volume.array, expected, rtol=0, atol=atol)
            ]
            corners = np.c_[found.geometry.index(found.geometry.corners()), np.ones(8)]
            moved = corners @ truth["affine_lps"].T - np.c_[found.geometry.corners(), np.ones(8)]
            assert np.linalg.norm(moved, axis=1).max() < ATOL_MM


@pytest.mark.skipif(not CASES, reason="needs the reported cases under $MEDFUSE_TEST_DATA or ../shared/data")
def test_every_case_is_known() -> None:
    assert set(SAYS) | set(SEVERAL) | set(NOTED) <= set(CASES)
