"""Real files, where they are present: values, places and refusals."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_rescale

from medfuse.errors import ReadError, SeriesError
from medfuse.io import describe, read_image, read_volume
from medfuse.volume import Volume

DICOM2NIFTI = "dicom2nifti_vendor_and_failing_with_ref"
Unzip = Callable[[str], Path]


@pytest.fixture(scope="module")
def unzip(shared_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Unzip:
    """The folder into which a zip of the real DICOM data was unpacked."""
    folders: dict[str, Path] = {}

    def folder_of(name: str) -> Path:
        if name not in folders:
            path = shared_data(f"dicom/{name}.zip")
            folders[name] = tmp_path_factory.mktemp("real")
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folders[name])
        return folders[name]

    return folder_of


def farthest_corner(volume: Volume, folder: Path) -> float:
    """The largest distance in mm of a slice corner from where DICOM's own plane geometry puts it."""
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in folder.rglob("*") if path.is_file()]
    by_uid = {header.get("SOPInstanceUID"): header for header in headers}
    farthest = 0.0
    for k, uid in enumerate(volume.metadata["SOPInstanceUID"]):
        header = by_uid[uid]
        row, column = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
        between_rows, between_columns = map(float, header.PixelSpacing)
        for x in (0, header.Columns - 1):
            for y in (0, header.Rows - 1):
                there = np.array(header.ImagePositionPatient, float)
                there = there + row * x * between_columns + column * y * between_rows
                farthest = max(farthest, float(np.linalg.norm(volume.geometry.world((x, y, k)) - there)))
    return farthest


def values_by_pydicom(volume: Volume, folder: Path) -> np.ndarray:
    datasets = [pydicom.dcmread(path) for path in folder.rglob("*") if path.is_file()]
    by_uid = {dataset.get("SOPInstanceUID"): dataset for dataset in datasets}
    uids = volume.metadata["SOPInstanceUID"]
    return np.stack([apply_rescale(by_uid[uid].pixel_array, by_uid[uid]) for uid in uids])


def slices_found_again(volume: Volume, folder: Path) -> int:
    """In how many slices of a tilted series the values stand where DICOM's plane geometry puts them.

    A slice that leans along its columns is shifted by a part of a row, so that each value is the mean of
    two of its own, weighted by that part.
    """
    found = 0
    for path in folder.rglob("*"):
        dataset = pydicom.dcmread(path) if path.is_file() and path.name != "LICENSE" else None
        if dataset is None or "PixelData" not in dataset:
            continue
        x, y, z = volume.geometry.index(np.array(dataset.ImagePositionPatient, float))
        if abs(z - round(z)) > 1e-3:
            continue  # an uneven slice between two of the even ones
        assert x == pytest.approx(round(x), abs=1e-6)
        below, part = int(np.floor(y + 1e-6)), y - np.floor(y + 1e-6)
        own = apply_rescale(dataset.pixel_array, dataset).astype(float)
        expected = (1 - part) * own[1:] + part * own[:-1]
        window = (round(z), slice(below + 1, below + len(own)), slice(round(x), round(x) + own.shape[1]))
        assert volume.valid is not None
        measured = volume.valid[window]
        assert measured.mean() > 0.5
        np.testing.assert_allclose(
            volume.array[window][measured], expected[measured], atol=1e-3 * np.ptp(own)
        )
        found += 1
    return found


def compare(volume: Volume, truth: nibabel.Nifti1Image, time: int = 0, rtol: float = 0.0) -> None:
    """Every voxel lies at a voxel of the reference and has its value."""
    expected = np.asarray(truth.dataobj, np.float32)
    expected = expected[..., time] if expected.ndim == 4 else expected
    index = np.stack(np.meshgrid(*(np.arange(n) for n in volume.geometry.size), indexing="ij"), axis=-1)
    ras = volume.geometry.world(index) * (-1, -1, 1)
    there = (ras - truth.affine[:3, 3]) @ np.linalg.inv(truth.affine[:3, :3]).T
    nearest = np.rint(there).astype(int)
    np.testing.assert_allclose(there, nearest, atol=2e-3)
    assert nearest.min() >= 0
    np.testing.assert_allclose(volume.array.T, expected[tuple(np.moveaxis(nearest, -1, 0))], rtol=rtol)


class TestSyntheticCases:
    """One defect each on a 20×128×96 MR."""

    ZIP = "synthetic_cases"

    @pytest.mark.parametrize(
        ("case", "spacing"),
        [
            ("s00_ok", (1.015625, 1.015625, 4.8)),
            ("s10_shuffled_names_instance", (1.015625, 1.015625, 4.8)),
            ("s12_thickness_spacing_tags_lie", (1.015625, 1.015625, 4.8)),
            ("s13_aniso_inplane", (0.7, 2.5, 4.8)),
            ("s30_bigendian", (1.015625, 1.015625, 4.8)),
            ("s30_deflated", (1.015625, 1.015625, 4.8)),
            ("s30_j2k", (1.015625, 1.015625, 4.8)),
            ("s30_jls", (1.015625, 1.015625, 4.8)),
            ("s30_rle", (1.015625, 1.015625, 4.8)),
        ],
    )
    def test_read_without_a_note(self, unzip: Unzip, case: str, spacing: tuple) -> None:
        folder = unzip(self.ZIP) / case
        volume = read_volume(folder)

        np.testing.assert_allclose(volume.geometry.spacing, spacing, atol=1e-4)
        assert farthest_corner(volume, folder) < 1e-4
        np.testing.assert_array_equal(volume.array, read_volume(unzip(self.ZIP) / "s00_ok").array)
        assert volume.notes == ()

    def test_bits_beyond_those_stored_are_cut_off_with_a_note(self, unzip: Unzip) -> None:
        volume = read_volume(unzip(self.ZIP) / "s21_high_bits_garbage")

        np.testing.assert_array_equal(volume.array, read_volume(unzip(self.ZIP) / "s00_ok").array)
        assert volume.notes == (
            "20 slice(s) hold more than the 12 bits that they declare; what is beyond was cut off",
        )

    @pytest.mark.parametrize(
        ("case", "note", "millimetres"),
        [
            ("s04_same_file_twice", "1 file(s) that were there twice left out", 1e-4),
            ("s11_jitter_0p02mm", "mm off even steps", 0.05),
            ("s14_monochrome1", "MONOCHROME1", 1e-4),
        ],
    )
    def test_read_with_a_note(self, unzip: Unzip, case: str, note: str, millimetres: float) -> None:
        folder = unzip(self.ZIP) / case
        volume = read_volume(folder)

        assert note in "; ".join(volume.notes)
        assert farthest_corner(volume, folder) < millimetres
        np.testing.assert_array_equal(volume.array, read_volume(unzip(self.ZIP) / "s00_ok").array)

    def test_padding_of_minus_2000(self, unzip: Unzip) -> None:
        folder = unzip(self.ZIP) / "s20_padding_signed"
        volume = read_volume(folder)
        expected = values_by_pydicom(volume, folder)

        np.testing.assert_array_equal(volume.array, expected)
        assert volume.valid is not None
        np.testing.assert_array_equal(~volume.valid, expected == -2000 - 1024)
        assert volume.measured().min() > -1100

    @pytest.mark.parametrize(
        ("case", "says"),
        [
            ("s01_missing_one", r"uneven slices: 4\.8 mm, but 9\.6 mm after slice 8 \(1 missing\)"),
            ("s02_missing_three", r"uneven slices: 4\.8 mm, but 19\.2 mm after slice 8 \(3 missing\)"),
            ("s03_dup_position", "two images at one position: .* and "),
            ("s05_two_echoes", r"holds 2 volumes of 20 slices.*1: EchoTime 2\.46; 2: EchoTime 4\.92"),
            ("s06_mixed_orientation", "another orientation"),
            ("s09_size_differs", "another size"),
            ("s17_two_spacings", r"uneven slices: 2\.4 mm, but 4\.8 mm"),
            ("s18_no_pixelspacing", "no PixelSpacing"),
            ("s19_no_position", "no ImagePositionPatient"),
            ("s23_one_slice", "one slice only"),
            ("s24_two_series_one_dir", "holds 2 series; choose one with --series"),
        ],
    )
    def test_refused_by_name(self, unzip: Unzip, case: str, says: str) -> None:
        with pytest.raises(SeriesError, match=says):
            read_volume(unzip(self.ZIP) / case)

    def test_an_enhanced_object_is_the_same_volume(self, unzip: Unzip) -> None:
        volume = read_volume(unzip(self.ZIP) / "s40_enhanced_ordered")
        plain = read_volume(unzip(self.ZIP) / "s00_ok")
        assert volume.geometry.matches(plain.geometry, 1e-4)
        np.testing.assert_array_equal(volume.array, plain.array)

    def test_each_of_two_echoes_reads_when_chosen(self, unzip: Unzip) -> None:
        folder = unzip(self.ZIP) / "s05_two_echoes"
        for number in (1, 2):
            volume = read_volume(folder, volume=number)
            assert volume.geometry.size == (96, 128, 20)
            assert farthest_corner(volume, folder) < 1e-4
            np.testing.assert_array_equal(volume.array, values_by_pydicom(volume, folder))

    def test_a_missing_slice_is_interpolated_when_allowed(self, unzip: Unzip) -> None:
        volume = read_volume(unzip(self.ZIP) / "s01_missing_one", allow_uneven=True)
        whole = read_volume(unzip(self.ZIP) / "s00_ok")
        assert volume.geometry.matches(whole.geometry, 1e-4)
        same = [np.array_equal(a, b) for a, b in zip(volume.array, whole.array, strict=True)]
        assert same.count(False) == 1

    def test_each_of_two_series_reads_when_chosen(self, unzip: Unzip) -> None:
        folder = unzip(self.ZIP) / "s24_two_series_one_dir"
        found = describe(folder)

        assert len(found) == 2
        for one in found:
            volume = read_volume(folder, series=one.series)
            assert farthest_corner(volume, folder) < 1e-4
            assert volume.geometry.size == (96, 128, 20)


class TestScanners:
    def test_a_philips_ct_beside_its_localizer_and_its_summary(self, unzip: Unzip) -> None:
        folder = unzip("ct_philips_5mm_S21570_S2010")
        volume = read_volume(folder)

        assert volume.modality == "CT"
        assert volume.geometry.size == (512, 512, 28)
        assert farthest_corner(volume, folder / "S21570" / "S2010") < 1e-3
        np.testing.assert_array_equal(volume.array, values_by_pydicom(volume, folder / "S21570" / "S2010"))
        assert "Exam Summary" in "; ".join(volume.notes)

    @pytest.mark.parametrize("position", ["HFS/3_t1_fl2d_sag", "HFDL/2_t1_fl2d_sag"])
    def test_a_siemens_head_in_two_positions(self, unzip: Unzip, position: str) -> None:
        folder = unzip("decubitus_HFS_HFDL_t1") / position
        volume = read_volume(folder)

        assert volume.geometry.size[2] == 35
        assert farthest_corner(volume, folder) < 1e-3
        np.testing.assert_array_equal(volume.array, values_by_pydicom(volume, folder))

    def test_a_tilted_and_uneven_head_ct_is_straightened_where_that_is_allowed(self, unzip: Unzip) -> None:
        """Each measured slice is found again where DICOM's own plane geometry puts it."""
        folder = unzip("ct_ge_tilt18.5_28sl")
        with pytest.raises(SeriesError, match="uneven slices"):
            read_volume(folder)
        volume = read_volume(folder, allow_uneven=True)
        assert any("lean by 18.5°" in note for note in volume.notes)
        assert slices_found_again(volume, folder) >= 14

    def test_a_tilted_head_ct(self, unzip: Unzip) -> None:
        folder = unzip(DICOM2NIFTI) / "tests" / "data" / "failing" / "gantrytilting" / "001"
        volume = read_volume(folder)
        assert any("lean by 14.0°" in note for note in volume.notes)
        assert slices_found_again(volume, folder) == 4

    @pytest.mark.parametrize(
        "case",
        [
            "ge/anatomical/001",
            "generic/anatomical/001",
            "generic/anatomical/002_non_isotropic",
            "generic/compressed/001",
            "generic/compressed_j2k/001",
            "generic/compressed_jpegls/001",
            "generic/compressed_rle/001",
            "hyperfine/anatomical/001",
            "philips_enhanced/anatomical/001",
            "hitachi/anatomical/001",
            "failing/slicecount/001",  # two slices: enough for us
        ],
    )
    def test_against_the_reference_nifti(self, unzip: Unzip, case: str) -> None:
        folder = unzip("dicom2nifti_vendor_and_failing_with_ref") / "tests" / "data" / case
        volume = read_volume(folder)
        compare(volume, nibabel.load(f"{folder}_ground_truth.nii.gz"), rtol=2e-7)

    @pytest.mark.parametrize("number", [1, 4])
    def test_a_siemens_enhanced_time_series(self, unzip: Unzip, number: int) -> None:
        folder = unzip("dcm_qa_enh_philips_siemens_enhanced_with_ref")
        truth = nibabel.load(folder / "Ref" / "Siemens_REST1_w_SMS_PF7-8_6.nii")
        compare(read_volume(folder / "In" / "Siemens", volume=number), truth, number - 1)

    @pytest.mark.parametrize("number", [1, 10])
    def test_a_ge_time_series(self, unzip: Unzip, number: int) -> None:
        folder = unzip("dcm_qa_nih_with_ref")
        truth = nibabel.load(folder / "Ref" / "DCM2NIIX_regression_test_4.nii")
        compare(read_volume(folder / "In" / "20180918GE", volume=number), truth, number - 1)

    def test_a_philips_enhanced_field_map(self, unzip: Unzip) -> None:
        """dcm2niix scales by Philips' private factors, so that values agree but for a factor."""
        folder = unzip("dcm_qa_enh_philips_siemens_enhanced_with_ref")
        truth = nibabel.load(folder / "Ref" / "Philips_WIP_B0_NS_801_e1.nii")
        volume = read_volume(folder / "In" / "Philips", volume=2)
        factor = float(np.max(np.asarray(truth.dataobj)) / volume.array.max())
        compare(volume.with_array(volume.array * factor), truth, rtol=1e-5)

    @pytest.mark.parametrize(
        ("case", "says"),
        [
            ("sliceincrement/001", r"uneven slices: .*\(1 missing\)"),
            ("sliceincrement/002", r"uneven slices: .*\(1 missing\)"),
            ("sliceorientation/001", "another orientation"),
        ],
    )
    def test_refused_by_name(self, unzip: Unzip, case: str, says: str) -> None:
        with pytest.raises(SeriesError, match=says):
            read_volume(
                unzip("dicom2nifti_vendor_and_failing_with_ref") / "tests" / "data" / "failing" / case
            )

    def test_a_mosaic_is_refused(self, unzip: Unzip) -> None:
        series = [one for one in describe(unzip("dcm_qa_siemens_mosaic_orient_with_ref")) if one.series]

        assert series
        assert all("mosaic" in one.problem for one in series)

    def test_a_colour_still_with_two_regions(self, unzip: Unzip, tmp_path: Path) -> None:
        shutil.copy(next(unzip("pydicom_data_enhanced_us_codecs").rglob("gdcm-US-ALOKA-16.dcm")), tmp_path)
        with pytest.raises(SeriesError, match="2 ultrasound pictures"):
            read_volume(tmp_path)
        volume = read_volume(tmp_path, volume=1)
        assert volume.geometry.size[2] == 1
        assert volume.geometry.spacing[0] == pytest.approx(0.3827, abs=1e-4)

    def test_frames_without_functional_groups(self, unzip: Unzip, tmp_path: Path) -> None:
        shutil.copy(next(unzip("pydicom_data_enhanced_us_codecs").rglob("emri_small.dcm")), tmp_path)
        with pytest.raises(ReadError, match="10 frames declared, but 0 described"):
            read_volume(tmp_path)

    def test_an_enhanced_ct(self, unzip: Unzip, tmp_path: Path) -> None:
        path = next(unzip("pydicom_data_enhanced_us_codecs").rglob("eCT_Supplemental.dcm"))
        shutil.copy(path, tmp_path)
        volume = read_volume(tmp_path)
        dataset = pydicom.dcmread(path)
        by_depth = []
        for groups, frame in zip(dataset.PerFrameFunctionalGroupsSequence, dataset.pixel_array, strict=True):
            value = dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0]
            depth = groups.PlanePositionSequence[0].ImagePositionPatient[2]
            by_depth.append((depth, frame * float(value.RescaleSlope) + float(value.RescaleIntercept)))
        expected = np.stack([values for _, values in sorted(by_depth, key=lambda pair: pair[0])])
        if volume.geometry.direction[2][2] < 0:
            expected = expected[::-1]
        measured = slice(None) if volume.valid is None else volume.valid
        np.testing.assert_array_equal(volume.array[measured], expected.astype("f4")[measured])

    def test_a_3d_ultrasound(self, shared_data) -> None:
        volume = read_volume(shared_data("dicom/enhanced_us_volume.dcm"))
        assert volume.modality == "US"
        assert volume.geometry.size == (80, 64, 20)
        np.testing.assert_allclose(volume.geometry.spacing, (0.7, 0.5, 1.3), atol=1e-6)


class TestMalformed:
    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("04_rows_65535.dcm", "65535×65535×1 voxels, more than the limit"),
            ("08_deflate_bomb.dcm", "inflates to over 16 MiB"),
            ("11_nan_spacing.dcm", "PixelSpacing"),
            ("12_zero_spacing.dcm", "PixelSpacing 0 mm"),
            ("13_zero_iop.dcm", "expected two unit vectors"),
            ("14_injection.dcm", "one slice only"),
            ("15_uid_traversal.dcm", "one slice only"),
            ("n1_dim_huge.nii", "more than the limit"),
            ("n5_nan_sform.nii", "sform holds NaN"),
            ("r3_datafile.mhd", "2-D image of 8×8 pixels"),
        ],
    )
    def test_refused_by_name(self, shared_data, tmp_path: Path, name: str, says: str) -> None:
        shutil.copy(
            shared_data(f"dicom/malformed/{name}"), tmp_path
        )  # alone: a DICOM file stands for its folder
        with pytest.raises(ReadError, match=says):
            read_volume(tmp_path / name)
        assert [path.name for path in tmp_path.iterdir()] == [name]

    def test_affines_that_disagree_are_noted(self, shared_data) -> None:
        volume = read_volume(shared_data("dicom/malformed/n7_qform_sform_disagree.nii"), modality="MR")

        assert "sform and qform disagree" in volume.notes[0]

    def test_a_folder_of_hostile_files_is_described_line_by_line(self, shared_data) -> None:
        found = describe(shared_data("dicom/malformed"))

        assert len(found) >= 5
        assert sum(one.geometry is not None for one in found) == 1  # the NIfTI with two affines
        assert all(str(one).isprintable() for one in found)
        assert not any("HYPERLINK" in str(one) for one in found)


VOLUMES = [
    "mni_templates/SPECT.nii",
    "mni_templates/scct.nii",
    "mni_templates/PET.nii",
    "mridir/mridir_CT_1p5mm.nii.gz",
    "mridir/mridir_T2_1p5mm.nii.gz",
    "spinalcord/mt_t1w.nii.gz",
    "spinalcord/t2_t2.nii.gz",
    "spinalcord/t2s_t2s.nii.gz",
    "totalseg/example_ct_sm.nii.gz",
    "totalseg/example_mr_sm.nii.gz",
]


@pytest.mark.parametrize("name", VOLUMES)
def test_nifti_against_nibabel(shared_data, name: str) -> None:
    path = shared_data(f"volumes/{name}")
    volume, image = read_volume(path), nibabel.load(path)

    np.testing.assert_allclose(volume.array.T, image.get_fdata(), rtol=1e-6, atol=1e-6 * np.ptp(volume.array))
    corners = np.array([(0, 0, 0), np.subtract(image.shape, 1)])
    ras = nibabel.affines.apply_affine(image.affine, corners)
    np.testing.assert_allclose(volume.geometry.world(corners) * (-1, -1, 1), ras, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("mridir/mridir_CT_1p5mm.nii.gz", "CT"),
        ("mridir/mridir_T2_1p5mm.nii.gz", "OT"),
        ("totalseg/example_ct_sm.nii.gz", "CT"),
        ("totalseg/example_mr_sm.nii.gz", "OT"),
    ],
)
def test_the_guessed_modality(shared_data, name: str, modality: str) -> None:
    volume = read_volume(shared_data(f"volumes/{name}"))

    assert volume.modality == modality
    assert any("modality" in note for note in volume.notes)


@pytest.mark.parametrize(
    "name",
    [
        "NwirePhantomFreehandReconstructed.mha",
        "SpinePhantomFreehandReconstructed.mha",
        "vtkVolumeReconstructorFloatType1OutputCompare.mha",
    ],
)
def test_reconstructed_ultrasound_against_simpleitk(shared_data, name: str) -> None:
    import SimpleITK

    path = shared_data(f"us/{name}")
    volume, image = read_volume(path, modality="US"), SimpleITK.ReadImage(str(path))

    np.testing.assert_array_equal(volume.array, SimpleITK.GetArrayFromImage(image).astype(np.float32))
    assert volume.geometry.matches(Volume.from_sitk(image).geometry, 1e-9)
    assert volume.notes == ()


@pytest.mark.parametrize(
    "name", ["NrrdSample.igs.nrrd", "ColorNrrdSample.igs.nrrd", "Prostate10_video.igs.mhd"]
)
def test_tracked_sweeps_are_refused(shared_data, tmp_path: Path, name: str) -> None:
    # Under another name, so that only the header can tell.
    path = tmp_path / name.replace(".igs", "")
    shutil.copy(shared_data(f"us/{name}"), path)
    with pytest.raises(ReadError, match="a tracked sweep, not a volume: reconstruct it first"):
        read_volume(path)


def test_a_colour_picture_is_refused_and_a_grey_one_read(shared_data) -> None:
    folder = shared_data("pairs2d/medical")

    assert read_image(folder / "010_CT.tif").shape == (256, 256)
    with pytest.raises(ReadError, match="in colour"):
        read_image(folder / "010_SPECT-Tc.tif")
