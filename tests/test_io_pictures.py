"""Ultrasound pictures and 2-D images as volumes of one slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_objects import region, write_ultrasound
from PIL import Image

from medfuse import InputVolume, Recipe, Study, run_study, write_result
from medfuse.errors import ParameterError, ReadError, SeriesError
from medfuse.io import ReadOptions, describe, read_image, read_volume
from medfuse.volume import Geometry

GREY = np.random.default_rng(0).integers(0, 256, (3, 20, 30)).astype("u1")
COLOUR = np.random.default_rng(1).integers(100, 120, (1, 20, 30, 3)).astype("u1")
BOX = (4, 2, 23, 17)
SIDES = region(BOX, (0.4, 0.25))


class TestUltrasound:
    def test_the_calibrated_region_is_cut_out(self, tmp_path: Path) -> None:
        path = write_ultrasound(tmp_path / "a.dcm", GREY[:1], [SIDES])
        volume = read_volume(path)

        np.testing.assert_array_equal(volume.array[0], GREY[0, 2:18, 4:24])
        assert volume.geometry.size == (20, 16, 1)
        np.testing.assert_allclose(volume.geometry.spacing, (0.4, 0.25, 1))
        np.testing.assert_allclose(volume.geometry.centre, (0, 0, 0), atol=1e-12)
        assert volume.modality == "US"
        assert any("how it lies in the patient" in note for note in volume.notes)

    @pytest.mark.parametrize(
        "changes",
        [
            {"PhysicalUnitsXDirection": 4},  # seconds: M-mode
            {"RegionDataType": 2},  # colour flow
            {"RegionSpatialFormat": 3},  # a spectrum
            {"PhysicalDeltaX": 0.0},
            {"PhysicalDeltaY": float("nan")},
            {"RegionLocationMinX0": 25},
        ],
    )
    def test_other_regions_do_not_count(self, tmp_path: Path, changes: dict) -> None:
        path = write_ultrasound(tmp_path / "a.dcm", GREY[:1], [region(BOX, (0.4, 0.25), **changes)])
        with pytest.raises(SeriesError, match=r"no calibrated region of tissue.*--spacing"):
            read_volume(path)
        both = write_ultrasound(tmp_path / "b" / "b.dcm", GREY[:1], [region(BOX, (9, 9), **changes), SIDES])
        assert read_volume(both).geometry.spacing[0] == pytest.approx(0.4)

    def test_without_a_region_the_spacing_must_be_given(self, tmp_path: Path) -> None:
        path = write_ultrasound(tmp_path / "a.dcm", GREY[:1])
        volume = read_volume(path, spacing=(0.5, 0.6, 2))
        np.testing.assert_array_equal(volume.array, GREY[:1])
        assert volume.geometry.spacing == (0.5, 0.6, 2)

    def test_a_cine_is_time_and_not_depth(self, tmp_path: Path) -> None:
        path = write_ultrasound(tmp_path / "a.dcm", GREY, [SIDES])
        with pytest.raises(SeriesError, match=r"3 ultrasound pictures .*no volume; .*--volume N: 1: frame 1"):
            read_volume(path)
        volume = read_volume(path, volume=3)
        np.testing.assert_array_equal(volume.array[0], GREY[2, 2:18, 4:24])
        with pytest.raises(SeriesError, match="no volume 4; it holds 3"):
            read_volume(path, volume=4)

    def test_two_regions_are_a_choice(self, tmp_path: Path) -> None:
        path = write_ultrasound(tmp_path / "a.dcm", GREY[:1], [SIDES, region((0, 0, 3, 5), (1, 1))])
        with pytest.raises(SeriesError, match="2: frame 1, region 2"):
            read_volume(path)
        assert read_volume(path, volume=2).geometry.size == (4, 6, 1)

    def test_pale_colour_becomes_luma(self, tmp_path: Path) -> None:
        volume = read_volume(write_ultrasound(tmp_path / "a.dcm", COLOUR, [SIDES]))
        expected = COLOUR[0, 2:18, 4:24] @ np.array([0.299, 0.587, 0.114])
        np.testing.assert_allclose(volume.array[0], expected, atol=1e-3)
        assert "a colour picture, read as its luma (brightness)" in volume.notes
        assert not any("Doppler" in note for note in volume.notes)

    def test_doppler_is_noted(self, tmp_path: Path) -> None:
        pixels = COLOUR.copy()
        pixels[0, 5:8, 6:10] = (250, 40, 20)  # 12 of 320 pixels
        volume = read_volume(write_ultrasound(tmp_path / "a.dcm", pixels, [SIDES]))
        assert any("4% of its pixels are saturated colours (Doppler?)" in note for note in volume.notes)

    def test_grey_stored_as_colour_is_grey(self, tmp_path: Path) -> None:
        pixels = np.repeat(GREY[:1, ..., None], 3, axis=-1)
        volume = read_volume(write_ultrasound(tmp_path / "a.dcm", pixels, [SIDES]))
        np.testing.assert_array_equal(volume.array[0], GREY[0, 2:18, 4:24])
        assert not any("luma" in note for note in volume.notes)

    def test_pixels_that_are_not_there(self, tmp_path: Path) -> None:
        def edit(dataset: pydicom.Dataset) -> None:
            dataset.PixelData = dataset.PixelData[:300]

        path = write_ultrasound(tmp_path / "a.dcm", GREY[:1], [SIDES], edit)
        with pytest.raises(ReadError, match=r"a\.dcm: its pixels cannot be decoded"):
            read_volume(path)

    def test_frames_beyond_the_file(self, tmp_path: Path) -> None:
        def edit(dataset: pydicom.Dataset) -> None:
            dataset.NumberOfFrames = 2_000_000_000

        path = write_ultrasound(tmp_path / "a.dcm", GREY, [SIDES], edit)
        with pytest.raises(ReadError, match="declares 2000000000 frames"):
            read_volume(path, volume=1)

    def test_a_spacing_of_a_series_of_slices_is_refused(self, tmp_path: Path) -> None:
        from dicom_factory import write_series
        from oriented import ORIENTED

        grid = ORIENTED["LPS"]
        write_series(tmp_path, np.zeros(grid.shape, "u2"), grid)
        with pytest.raises(ParameterError, match="has no spacing"):
            read_volume(tmp_path, spacing=(1, 1))

    def test_info_lists_the_frames(self, tmp_path: Path) -> None:
        write_ultrasound(tmp_path / "a.dcm", GREY, [SIDES])
        found = describe(tmp_path)
        assert [one.geometry.size for one in found] == [(20, 16, 1)] * 3


class TestImages:
    @pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
    def test_a_grey_image(self, tmp_path: Path, suffix: str) -> None:
        Image.fromarray(GREY[0]).save(tmp_path / f"a{suffix}")
        volume = read_volume(tmp_path / f"a{suffix}", spacing=(0.5, 0.25))

        np.testing.assert_array_equal(volume.array, GREY[:1])
        assert volume.geometry.size == (30, 20, 1)
        np.testing.assert_allclose(volume.geometry.spacing, (0.5, 0.25, 1))
        np.testing.assert_allclose(volume.geometry.origin, (-7.25, -2.375, 0))
        assert "its thickness was taken as 1 mm" in volume.notes

    def test_sixteen_bits_stay_as_they_are(self, tmp_path: Path) -> None:
        wide = GREY[0].astype("u2") * 200
        Image.fromarray(wide).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_volume(tmp_path / "a.png", spacing=(1, 1)).array[0], wide)

    def test_colour_stays_colour(self, tmp_path: Path) -> None:
        Image.fromarray(COLOUR[0]).save(tmp_path / "a.png")
        volume = read_volume(tmp_path / "a.png", spacing=(1, 1))
        assert volume.is_colour
        np.testing.assert_array_equal(volume.array, COLOUR)

    @pytest.mark.parametrize(("difference", "is_grey"), [(8, True), (9, False)])
    def test_channels_that_differ_by_a_few_levels_are_grey(
        self, tmp_path: Path, difference: int, is_grey: bool
    ) -> None:
        """What JPEG makes of a grey picture; one pixel more is colour."""
        pixels = np.repeat(np.arange(100, 130, dtype="u1").reshape(5, 6, 1), 3, axis=-1)
        pixels[2, 3, 0] += difference
        Image.fromarray(pixels).save(tmp_path / "a.png")
        volume = read_volume(tmp_path / "a.png", spacing=(1, 1))

        assert volume.is_colour is not is_grey
        note = "its channels differ by a few levels only: read as grey, its luma"
        assert (note in volume.notes) is is_grey
        if is_grey:
            luma = pixels @ np.array([0.299, 0.587, 0.114])
            np.testing.assert_allclose(volume.array[0], luma, atol=1e-4)
            np.testing.assert_allclose(read_image(tmp_path / "a.png"), luma / 255, atol=1e-6)
        else:
            with pytest.raises(ReadError, match="in colour; expected grey values"):
                read_image(tmp_path / "a.png")
            grey = read_volume(tmp_path / "a.png", spacing=(1, 1), to_grey=True)
            np.testing.assert_allclose(grey.array[0], pixels @ np.array([0.299, 0.587, 0.114]), atol=1e-4)
            assert "in colour: its luma was taken" in grey.notes

    def test_a_mat_file_keeps_its_values(self, tmp_path: Path) -> None:
        from scipy.io import savemat

        savemat(tmp_path / "a.mat", {"image": GREY[0] * 3.5})
        volume = read_volume(tmp_path / "a.mat", spacing=(1, 1, 5))
        np.testing.assert_array_equal(volume.array[0], GREY[0] * 3.5)
        assert volume.geometry.spacing[2] == 5

    @pytest.mark.parametrize("suffix", [".png", ".mat"])
    def test_the_spacing_must_be_given(self, tmp_path: Path, suffix: str) -> None:
        (tmp_path / f"a{suffix}").write_bytes(b"x")
        with pytest.raises(ReadError, match="does not say the size of its pixels in mm; give --spacing"):
            read_volume(tmp_path / f"a{suffix}")

    @pytest.mark.parametrize("spacing", [(1,), (0, 1), (1, -1), (1, 1, 1, 1), (1, float("nan")), (1, 101)])
    def test_spacings_that_are_none(self, spacing: tuple) -> None:
        with pytest.raises(ParameterError, match="expected two or three numbers"):
            ReadOptions(spacing=spacing)

    def test_a_damaged_image(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
        with pytest.raises(ReadError, match=r"a\.png: cannot be read"):
            read_volume(tmp_path / "a.png", spacing=(1, 1))


def test_two_pictures_go_through_the_whole_pipeline(tmp_path: Path) -> None:
    """An ultrasound still and a picture of half its size, of the same field of view."""
    y, x = np.mgrid[:48, :64]
    scene = (127 + 60 * np.sin(x / 7) + 60 * np.cos(y / 5)).astype("u1")
    write_ultrasound(tmp_path / "us" / "a.dcm", scene[None], [region((0, 0, 63, 47), (0.5, 0.5))])
    Image.fromarray(scene[::2, ::2]).save(tmp_path / "mr.png")
    study = Study(tmp_path / "us", InputVolume(tmp_path / "mr.png", "MR", ReadOptions(spacing=(1, 1))))
    result = run_study(study, Recipe(method="pca", registration="none", profile="ma2021"))
    report = write_result(result, tmp_path / "out")

    assert result.fused_volume.geometry.matches(
        Geometry((64, 48, 1), (0.5, 0.5, 1), (-15.75, -11.75, 0)), 1e-9
    )
    assert np.isfinite(result.fused.array).all()
    assert result.fused.array.std() > 0.1
    assert "report.html" in report.name
    assert read_volume(tmp_path / "out" / "fused.nii.gz").geometry.size == (64, 48, 1)
