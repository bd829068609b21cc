"""Plain DICOM series: geometry and values as the standard has them, and as SimpleITK reads the same files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_factory import compress_jpeg_2000, set_pixels, write_series
from oriented import ORIENTED
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from medfuse.errors import MedfuseError
from medfuse.io import read_volume, write_volume
from medfuse.volume import Geometry

GRID = ORIENTED["oblique"]


def every_voxel_different(geometry: Geometry = GRID, dtype: str = "u2") -> np.ndarray:
    return (
        np.random.default_rng(5)
        .permutation(geometry.size[0] * geometry.size[1] * geometry.size[2])
        .reshape(geometry.shape)
        .astype(dtype)
    )


def points_by_value(array: np.ndarray, geometry: Geometry) -> np.ndarray:
    """World points of the voxels in the order of their values, which are all different."""
    order = np.argsort(array.ravel())
    return geometry.world(np.stack(np.unravel_index(order, array.shape), axis=-1)[:, ::-1])


class TestGeometry:
    @pytest.mark.parametrize("name", ORIENTED)
    def test_every_voxel_lies_where_the_standard_puts_it(self, tmp_path: Path, name: str) -> None:
        stored = every_voxel_different()
        write_series(tmp_path, stored, ORIENTED[name])
        volume = read_volume(tmp_path)

        np.testing.assert_allclose(
            points_by_value(volume.array, volume.geometry), points_by_value(stored, ORIENTED[name]), atol=1e-6
        )
        assert volume.notes == ()

    @pytest.mark.parametrize("name", ORIENTED)
    @pytest.mark.parametrize("modality", ["CT", "MR"])
    def test_simpleitk_reads_the_same(self, tmp_path: Path, name: str, modality: str) -> None:
        import SimpleITK

        write_series(tmp_path, every_voxel_different(), ORIENTED[name], modality=modality)
        files = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path))
        image = SimpleITK.ReadImage(files)
        volume = read_volume(tmp_path)

        assert volume.geometry.size == image.GetSize()
        for corner, point in zip([(0, 0, 0), (6, 0, 0), (0, 5, 4), (6, 5, 4)], range(4), strict=True):
            there = image.TransformIndexToPhysicalPoint(corner)
            np.testing.assert_allclose(volume.geometry.world(corner), there, atol=1e-4, err_msg=str(point))
        np.testing.assert_array_equal(volume.array, SimpleITK.GetArrayFromImage(image))

    @pytest.mark.parametrize("name", ORIENTED)
    @pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
    def test_written_as_another_format_it_stays_in_place(
        self, tmp_path: Path, name: str, suffix: str
    ) -> None:
        write_series(tmp_path / "series", every_voxel_different(), ORIENTED[name])
        volume = read_volume(tmp_path / "series")
        write_volume(volume, tmp_path / f"v{suffix}")
        back = read_volume(tmp_path / f"v{suffix}")

        assert back.geometry.matches(volume.geometry, 1e-3 if "nii" in suffix else 1e-4)
        np.testing.assert_array_equal(back.array, volume.array)

    def test_rounded_cosines_are_taken_as_they_are(self, tmp_path: Path) -> None:
        # ITK makes them square and so moves the far corners; DICOM's own formula does not.
        def round_off(dataset: pydicom.Dataset, k: int) -> None:
            dataset.ImageOrientationPatient = [f"{float(v):.4f}" for v in dataset.ImageOrientationPatient]

        write_series(tmp_path, every_voxel_different(), GRID, edit=round_off)
        volume = read_volume(tmp_path)
        dataset = pydicom.dcmread(next(tmp_path.iterdir()), stop_before_pixels=True)
        row = np.array(dataset.ImageOrientationPatient[:3], float)

        along = volume.geometry.world((1, 0, 0)) - volume.geometry.world((0, 0, 0))
        np.testing.assert_allclose(along, row * GRID.spacing[0], atol=1e-9)

    def test_a_small_jitter_is_read_with_a_note(self, tmp_path: Path) -> None:
        def jitter(dataset: pydicom.Dataset, k: int) -> None:
            normal = np.asarray(GRID.direction)[:, 2]
            position = GRID.world((0, 0, k)) + normal * (0.03 if k == 2 else 0)
            dataset.ImagePositionPatient = [f"{v:.9f}" for v in position]

        write_series(tmp_path, every_voxel_different(), GRID, edit=jitter)
        volume = read_volume(tmp_path)

        assert volume.geometry.matches(GRID, 0.02)
        assert "mm off even steps of 2.4 mm" in volume.notes[0]

    def test_the_file_order_the_names_and_the_thickness_do_not_matter(self, tmp_path: Path) -> None:
        stored = every_voxel_different()
        arrays = []
        for seed in (1, 2, 3):
            write_series(tmp_path / str(seed), stored, GRID, seed=seed)
            arrays.append(read_volume(tmp_path / str(seed)))

        for other in arrays[1:]:
            np.testing.assert_array_equal(other.array, arrays[0].array)
            assert other.geometry == arrays[0].geometry


class TestValues:
    def read(self, folder: Path, stored: np.ndarray, edit=None, **options) -> np.ndarray:
        write_series(folder, stored, ORIENTED["LPS"], edit=edit, **options)
        return read_volume(folder).array

    def test_each_slice_has_its_own_slope_and_intercept(self, tmp_path: Path) -> None:
        def own(dataset: pydicom.Dataset, k: int) -> None:
            dataset.RescaleSlope, dataset.RescaleIntercept = f"{0.5 + k}", f"{-10 * k}"

        stored = every_voxel_different()
        k = np.arange(5)[:, None, None]
        np.testing.assert_array_equal(self.read(tmp_path, stored, own), stored * (0.5 + k) - 10 * k)

    def test_negative_numbers(self, tmp_path: Path) -> None:
        stored = every_voxel_different(dtype="i2") - 100
        np.testing.assert_array_equal(self.read(tmp_path, stored), stored - 1024.0)

    @pytest.mark.parametrize("signed", [0, 1])
    def test_bits_that_are_not_stored_do_not_count(self, tmp_path: Path, signed: int) -> None:
        # 12 bits stored; an overlay or rubbish sits in the upper four.
        def twelve_bits(dataset: pydicom.Dataset, k: int) -> None:
            dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, signed
            plane = np.frombuffer(dataset.PixelData, "<u2").reshape(6, 7)
            set_pixels(dataset, (plane & 0x0FFF) | 0xA000)

        meant = every_voxel_different(dtype="i2") - 100 * signed
        array = self.read(tmp_path, meant, twelve_bits, modality="MR")
        np.testing.assert_array_equal(array, meant)

    def test_bits_stored_at_the_top(self, tmp_path: Path) -> None:
        def high(dataset: pydicom.Dataset, k: int) -> None:
            dataset.BitsStored, dataset.HighBit = 12, 15

        stored = every_voxel_different()
        np.testing.assert_array_equal(self.read(tmp_path, stored << 4, high, modality="MR"), stored)

    def test_eight_bits(self, tmp_path: Path) -> None:
        def bytes_(dataset: pydicom.Dataset, k: int) -> None:
            dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype("u1").tobytes()
            dataset["PixelData"].VR = "OB"

        stored = every_voxel_different()
        np.testing.assert_array_equal(self.read(tmp_path, stored, bytes_, modality="MR"), stored)

    @pytest.mark.parametrize(
        "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
    )
    def test_transfer_syntaxes(self, tmp_path: Path, syntax: str) -> None:
        stored = every_voxel_different(dtype="i2") - 100
        np.testing.assert_array_equal(self.read(tmp_path, stored, syntax=syntax), stored - 1024.0)

    @pytest.mark.parametrize("dtype", ["u2", "i2"])
    def test_run_length_encoding(self, tmp_path: Path, dtype: str) -> None:
        stored = every_voxel_different(dtype=dtype)
        array = self.read(tmp_path, stored, lambda dataset, k: dataset.compress(RLELossless))
        np.testing.assert_array_equal(array, stored - 1024.0)

    def test_jpeg_2000(self, tmp_path: Path) -> None:
        stored = every_voxel_different()
        array = self.read(tmp_path, stored, lambda dataset, k: compress_jpeg_2000(dataset))
        np.testing.assert_array_equal(array, stored - 1024.0)

    @pytest.mark.parametrize("padding", [-2000, 63536])
    @pytest.mark.parametrize("limit", [None, -1990])
    def test_padding_is_marked_as_not_measured(self, tmp_path: Path, padding: int, limit: int | None) -> None:
        # Writers state the padding of signed pixels as a signed number, or wrongly as an unsigned one.
        def pad(dataset: pydicom.Dataset, k: int) -> None:
            dataset.add_new("PixelPaddingValue", "SS" if padding < 0 else "US", padding)
            if limit is not None:
                dataset.add_new("PixelPaddingRangeLimit", "SS", limit)

        stored = every_voxel_different(dtype="i2")
        stored[:, :, 0], stored[:, :, 1] = -2000, -1995
        write_series(tmp_path, stored, GRID, edit=pad)
        volume = read_volume(tmp_path)

        columns = 1 if limit is None else 2
        assert volume.valid is not None
        assert not volume.valid[..., :columns].any()
        assert volume.valid[..., columns:].all()
        assert volume.measured().min() == (-1995 - 1024 if limit is None else -1024)

    def test_padding_that_no_pixel_has_leaves_no_mask(self, tmp_path: Path) -> None:
        write_series(
            tmp_path,
            every_voxel_different(),
            GRID,
            edit=lambda d, k: d.add_new("PixelPaddingValue", "US", 60000),
        )
        assert read_volume(tmp_path).valid is None

    def test_monochrome1_is_not_inverted_and_noted(self, tmp_path: Path) -> None:
        def inverted(dataset: pydicom.Dataset, k: int) -> None:
            dataset.PhotometricInterpretation = "MONOCHROME1"

        stored = every_voxel_different()
        write_series(tmp_path, stored, ORIENTED["LPS"], edit=inverted)
        volume = read_volume(tmp_path)

        np.testing.assert_array_equal(volume.array, stored - 1024.0)
        assert "MONOCHROME1" in volume.notes[0]

    def test_ct_without_a_slope_is_noted(self, tmp_path: Path) -> None:
        def bare(dataset: pydicom.Dataset, k: int) -> None:
            del dataset.RescaleSlope, dataset.RescaleIntercept

        stored = every_voxel_different()
        write_series(tmp_path, stored, ORIENTED["LPS"], edit=bare)
        volume = read_volume(tmp_path)

        np.testing.assert_array_equal(volume.array, stored)
        assert "may not be HU" in volume.notes[0]


class TestSelection:
    @pytest.fixture
    def two(self, tmp_path: Path) -> Path:
        for seed, values in ((1, 10), (2, 20)):
            write_series(
                tmp_path / f"s{seed}",
                np.full(GRID.shape, values, "u2"),
                GRID,
                modality="MR",
                seed=seed,
                edit=lambda dataset, k, number=seed: setattr(dataset, "SeriesNumber", number),
            )
        return tmp_path

    def test_one_file_stands_for_its_series(self, two: Path) -> None:
        for file in (two / "s2").iterdir():
            shutil.copy(file, two / "s1" / f"other_{file.name}")

        for file in ("0003.dcm", "other_0003.dcm"):
            volume = read_volume(two / "s1" / file)
            assert volume.geometry.size == GRID.size
            assert volume.array.max() == (20 if "other" in file else 10)

    def test_a_series_is_chosen_by_uid_or_number(self, two: Path) -> None:
        uid = pydicom.dcmread(next((two / "s2").iterdir())).SeriesInstanceUID

        assert read_volume(two, series=uid).array.max() == 20
        assert read_volume(two, series="1").array.max() == 10

    def test_several_series_are_listed_and_none_is_guessed(self, two: Path) -> None:
        with pytest.raises(MedfuseError, match="holds 2 series; choose one with --series") as caught:
            read_volume(two)

        for part in ("1 ‹head 5 mm› (MR, 5 images) 1.2", "2 ‹head 5 mm› (MR, 5 images) 1.2"):
            assert part in str(caught.value)
        assert "Phantom" not in str(caught.value)

    def test_a_series_that_is_not_there_gets_the_list(self, two: Path) -> None:
        with pytest.raises(MedfuseError, match="no series '9'; choose by UID: 1 ‹head 5 mm›"):
            read_volume(two, series="9")

    def test_subfolders_are_searched(self, two: Path) -> None:
        (two / "deep" / "er").mkdir(parents=True)
        (two / "s1").rename(two / "deep" / "er" / "s1")
        shutil.rmtree(two / "s2")

        assert read_volume(two).array.max() == 10

    def test_files_that_are_no_images_are_passed_over(self, two: Path) -> None:
        folder = two / "s1"
        (folder / "README.txt").write_text("hello")
        (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM rubbish")
        report = pydicom.dcmread(folder / "0000.dcm")
        report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
        for keyword in ("Rows", "Columns", "PixelData"):
            delattr(report, keyword)
        report.save_as(folder / "report.dcm")

        assert read_volume(folder).geometry.size == GRID.size

    def test_links_out_of_the_folder_are_not_opened(self, two: Path) -> None:
        (two / "s1" / "link").symlink_to(two / "s2", target_is_directory=True)
        (two / "s1" / "link.dcm").symlink_to(two / "s2" / "0000.dcm")

        assert read_volume(two / "s1").array.max() == 10

    def test_a_file_without_preamble_is_read(self, two: Path) -> None:
        for file in (two / "s1").iterdir():
            dataset = pydicom.dcmread(file)
            bare = pydicom.Dataset(dataset)
            bare.save_as(file, implicit_vr=True, little_endian=True, enforce_file_format=False)
            assert file.read_bytes()[128:132] != b"DICM"

        assert read_volume(two / "s1").array.max() == 10

    def test_localizers_in_the_series_are_left_out_with_a_note(self, tmp_path: Path) -> None:
        def scout(dataset: pydicom.Dataset, k: int) -> None:
            if k == 4:
                dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
                dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]

        write_series(tmp_path, every_voxel_different(), GRID, edit=scout)
        volume = read_volume(tmp_path)

        assert volume.geometry.matches(Geometry((7, 6, 4), GRID.spacing, GRID.origin, GRID.direction), 1e-4)
        assert volume.notes == ("1 localizer image(s) in the series left out",)

    def test_series_that_cannot_be_volumes_are_left_aside_with_a_note(self, two: Path) -> None:
        for file in (two / "s2").iterdir():
            dataset = pydicom.dcmread(file)
            dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
            dataset.save_as(file)
        volume = read_volume(two)

        assert volume.array.max() == 10
        assert "left aside: series 2 ‹head 5 mm›" in volume.notes[0]

    def test_the_same_file_twice_is_dropped_with_a_note(self, two: Path) -> None:
        shutil.copy(two / "s1" / "0002.dcm", two / "s1" / "copy.dcm")
        volume = read_volume(two / "s1")

        assert volume.geometry.size == GRID.size
        assert volume.notes == ("1 file(s) that were there twice left out",)


def test_metadata_holds_what_a_writer_needs_in_the_order_of_the_slices(tmp_path: Path) -> None:
    paths = write_series(tmp_path, every_voxel_different(), ORIENTED["LPS"])
    volume = read_volume(tmp_path)
    written = [pydicom.dcmread(path) for path in paths]  # in spatial order

    assert volume.modality == "CT"
    assert volume.metadata["SOPInstanceUID"] == tuple(dataset.SOPInstanceUID for dataset in written)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPClassUID"):
        assert volume.metadata[keyword] == getattr(written[0], keyword)
    assert volume.metadata["PatientName"] == "Phantom^Test"
    assert volume.metadata["SeriesNumber"] == 7
    plain = (str, int, float, tuple)
    assert all(type(value) in plain for value in volume.metadata.values())


def test_the_modality_can_be_overruled(tmp_path: Path) -> None:
    write_series(tmp_path, every_voxel_different(), GRID)

    assert read_volume(tmp_path, modality="PT").modality == "PT"
