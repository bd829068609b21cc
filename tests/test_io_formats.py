"""All volume formats: what is written is read again, in every orientation; files are whole or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oriented import ORIENTED

from medfuse.errors import ParameterError, ReadError, WriteError
from medfuse.io import read_volume, write_volume
from medfuse.resampling import resample
from medfuse.volume import Geometry, Volume

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha")
GRID = ORIENTED["oblique"]
TOLERANCE_MM = {".nii": 1e-3, ".nii.gz": 1e-3, ".nrrd": 1e-4, ".mha": 1e-4}


def ramp(geometry: Geometry, axis: int) -> Volume:
    """A volume whose every value is the world coordinate of its voxel along ``axis``."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.size), indexing="ij"), axis=-1)
    return Volume(geometry.world(index)[..., axis].T, geometry)


def noise(geometry: Geometry = GRID) -> Volume:
    return Volume(np.random.default_rng(3).normal(100, 50, geometry.shape), geometry, "MR")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "volume.nrrd"
    write_volume(noise(), path)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ORIENTED)
def test_written_and_read_again(tmp_path: Path, name: str, suffix: str) -> None:
    volume = noise(ORIENTED[name])
    write_volume(volume, tmp_path / f"v{suffix}")
    back = read_volume(tmp_path / f"v{suffix}", modality="MR")

    assert back.geometry.matches(volume.geometry, TOLERANCE_MM[suffix])
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.array.dtype == np.float32
    assert back.notes == ()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ORIENTED)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_landmark_stays_at_its_world_point(tmp_path: Path, name: str, suffix: str, axis: int) -> None:
    # Linear interpolation keeps a linear function: every voxel tells the world point it was at.
    write_volume(ramp(ORIENTED[name], axis), tmp_path / f"a{suffix}")
    first = read_volume(tmp_path / f"a{suffix}", modality="OT")
    inner = first.geometry.world((1.3, 1.2, 1.1))
    onto = Geometry((3, 3, 2), (0.5, 0.6, 0.7), tuple(inner), ORIENTED[name].direction)
    write_volume(resample(first, onto), tmp_path / f"b{suffix}")
    second = read_volume(tmp_path / f"b{suffix}", modality="OT")

    expected = ramp(second.geometry, axis).array
    np.testing.assert_allclose(second.array, expected, atol=TOLERANCE_MM[suffix])
    assert second.geometry.matches(onto, TOLERANCE_MM[suffix])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_simpleitk_reads_the_same_geometry(tmp_path: Path, suffix: str) -> None:
    import SimpleITK

    volume = noise()
    write_volume(volume, tmp_path / f"v{suffix}")
    image = SimpleITK.ReadImage(str(tmp_path / f"v{suffix}"))

    for corner in [(0, 0, 0), (6, 5, 4), (6, 0, 4)]:
        point = image.TransformIndexToPhysicalPoint(corner)
        np.testing.assert_allclose(point, volume.geometry.world(corner), atol=TOLERANCE_MM[suffix])
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), volume.array)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_colour_is_written_and_read_again(tmp_path: Path, suffix: str) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (*GRID.shape, 3))
    write_volume(Volume(colour, GRID), tmp_path / f"v{suffix}")
    back = read_volume(tmp_path / f"v{suffix}")

    assert back.is_colour
    np.testing.assert_array_equal(back.array, colour)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_volume_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        write_volume(noise(), tmp_path / f"{name}{suffix}")

    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinite_voxels_are_refused_and_counted(tmp_path: Path, suffix: str, value: float) -> None:
    array = np.array(noise().array)
    array[0, 1, 2:4] = value
    write_volume(Volume(array, GRID), tmp_path / f"v{suffix}")

    with pytest.raises(ReadError, match="2 of 210 voxels are NaN or infinite"):
        read_volume(tmp_path / f"v{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_constant_volume_is_read(tmp_path: Path, suffix: str) -> None:
    write_volume(Volume(np.full(GRID.shape, 3.0), GRID), tmp_path / f"v{suffix}")

    assert np.ptp(read_volume(tmp_path / f"v{suffix}").array) == 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_cut_off_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"v{suffix}"
    write_volume(noise(), path)
    path.write_bytes(path.read_bytes()[:-200])

    with pytest.raises(ReadError, match=r"v\.") as caught:
        read_volume(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"\0" * 400, b"hello\n\nworld"])
def test_what_is_no_such_file_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"v{suffix}"
    path.write_bytes(content)

    with pytest.raises(ReadError, match=r"v\."):
        read_volume(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_more_voxels_than_the_limit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    write_volume(noise(), tmp_path / f"v{suffix}")
    monkeypatch.setenv("MEDFUSE_MAX_VOXELS", "210")
    assert read_volume(tmp_path / f"v{suffix}").array.size == 210

    monkeypatch.setenv("MEDFUSE_MAX_VOXELS", "209")
    with pytest.raises(ReadError, match=r"7×6×5 voxels, more than the limit of 209.*MEDFUSE_MAX_VOXELS"):
        read_volume(tmp_path / f"v{suffix}")


@pytest.mark.parametrize("text", ["many", "-3", "0", "1e9"])
def test_a_limit_that_is_no_number_is_refused(
    written: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("MEDFUSE_MAX_VOXELS", text)

    with pytest.raises(ParameterError, match="MEDFUSE_MAX_VOXELS"):
        read_volume(written)


class TestModality:
    """What is taken where the file does not say."""

    def write(self, folder: Path, lowest: float, step: float = 1.0) -> Path:
        array = np.full(GRID.shape, 40.0)
        array[0, 0] = lowest
        array[1] += step
        write_volume(Volume(array, GRID), folder / "v.nrrd")
        return folder / "v.nrrd"

    def test_whole_numbers_down_to_air_are_taken_as_ct_with_a_note(self, tmp_path: Path) -> None:
        volume = read_volume(self.write(tmp_path, -1024))

        assert volume.modality == "CT"
        assert volume.notes == ("assumed CT because values reach −1024 HU; say --modality otherwise",)

    @pytest.mark.parametrize(("lowest", "step"), [(-499, 1.0), (0, 1.0), (-1024, 0.5)])
    def test_all_else_is_taken_as_other_with_a_note(self, tmp_path: Path, lowest: float, step: float) -> None:
        volume = read_volume(self.write(tmp_path, lowest, step))

        assert volume.modality == "OT"
        assert "does not say its modality" in volume.notes[0]

    def test_what_the_user_says_is_taken_without_a_note(self, tmp_path: Path) -> None:
        volume = read_volume(self.write(tmp_path, -1024), modality="MR")

        assert (volume.modality, volume.notes) == ("MR", ())

    def test_an_unknown_modality_is_refused_with_the_choices(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="modality 'XA': expected one of CT, MR, US"):
            read_volume(self.write(tmp_path, 0), modality="XA")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_label_maps_as_integers(tmp_path: Path, suffix: str) -> None:
    import SimpleITK

    labels = np.random.default_rng(0).choice([0, 1, 250, -7, 2**24], GRID.shape)
    write_volume(Volume(labels, GRID), tmp_path / f"v{suffix}", integers=True)
    image = SimpleITK.ReadImage(str(tmp_path / f"v{suffix}"))
    assert image.GetPixelID() == SimpleITK.sitkInt32
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), labels)
    back = read_volume(tmp_path / f"v{suffix}", modality="OT")
    assert back.geometry.matches(GRID, TOLERANCE_MM[suffix])
    np.testing.assert_array_equal(back.array, labels)


def test_what_is_not_whole_is_not_written_as_integers(tmp_path: Path) -> None:
    for volume in (noise(), Volume(np.zeros((*GRID.shape, 3)), GRID)):
        with pytest.raises(ParameterError, match="cannot be written as integers"):
            write_volume(volume, tmp_path / "v.nrrd", integers=True)
    assert not list(tmp_path.iterdir())


class TestWriting:
    """Whole or not at all; nothing is replaced unasked."""

    def test_an_existing_file_is_kept_unless_overwrite(self, written: Path) -> None:
        before = written.read_bytes()
        zeros = noise().with_array(np.zeros(GRID.shape))

        with pytest.raises(WriteError, match=r"exists already.*overwrite"):
            write_volume(zeros, written)
        assert written.read_bytes() == before

        write_volume(zeros, written, overwrite=True)
        assert read_volume(written).array.max() == 0

    def test_nothing_but_the_file_is_left(self, written: Path) -> None:
        write_volume(noise(), written, overwrite=True)

        assert [path.name for path in written.parent.iterdir()] == [written.name]

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_a_failure_leaves_the_old_file_and_no_other(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
    ) -> None:
        path = tmp_path / f"v{suffix}"
        write_volume(noise(), path)
        before = path.read_bytes()

        def full_disk(self: Path, target: Path) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "replace", full_disk)
        with pytest.raises(WriteError, match="No space left"):
            write_volume(noise(), path, overwrite=True)
        assert path.read_bytes() == before
        assert [file.name for file in tmp_path.iterdir()] == [path.name]

    def test_a_missing_folder_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(WriteError, match=r"folder .*nowhere does not exist"):
            write_volume(noise(), tmp_path / "nowhere" / "v.nrrd")

    def test_a_folder_that_cannot_be_written_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Permissions do not bind the user root, under whom tests may run.
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
        with pytest.raises(WriteError, match="cannot be written to"):
            write_volume(noise(), tmp_path / "v.nrrd")

    def test_a_file_where_a_folder_should_be_is_said(self, written: Path) -> None:
        with pytest.raises(WriteError, match="does not exist"):
            write_volume(noise(), written / "v.nrrd")

    def test_a_folder_as_name_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "v.nii").mkdir()
        with pytest.raises(WriteError, match="is a folder"):
            write_volume(noise(), tmp_path / "v.nii", overwrite=True)

    @pytest.mark.parametrize("name", ["v.dcm", "v", "v.png", "v.mhd", "v.nhdr"])
    def test_other_suffixes_are_refused_with_the_choices(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(WriteError, match=r"written as \.nii\.gz, \.nii, \.nrrd, \.mha"):
            write_volume(noise(), tmp_path / name)
        assert list(tmp_path.iterdir()) == []


class TestPaths:
    """What is no volume gets one clear line."""

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match=r"gone\.nii: does not exist"):
            read_volume(tmp_path / "gone.nii")

    def test_a_folder_without_images(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("nothing here")
        with pytest.raises(ReadError, match="no DICOM images here"):
            read_volume(tmp_path)

    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".TIFF", ".mat"])
    def test_a_picture(self, tmp_path: Path, suffix: str) -> None:
        (tmp_path / f"a{suffix}").write_bytes(b"\x89PNG")
        with pytest.raises(ReadError, match="2-D image does not say the size of its pixels"):
            read_volume(tmp_path / f"a{suffix}")

    @pytest.mark.parametrize("name", ["a.xyz", "a", "a.zip"])
    def test_an_unknown_suffix(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"0123456789" * 20)
        with pytest.raises(ReadError, match=r"not a volume format.*\.nii\.gz.*DICOM"):
            read_volume(tmp_path / name)

    def test_a_series_of_a_file_that_has_none(self, written: Path) -> None:
        with pytest.raises(ParameterError, match="NRRD file, which has no series"):
            read_volume(written, series="1.2.3")

    def test_suffixes_in_capitals(self, written: Path) -> None:
        upper = written.rename(written.with_name("V.NRRD"))

        assert read_volume(upper).geometry.matches(GRID, 1e-9)


def test_importing_io_loads_none_of_the_libraries_for_files() -> None:
    code = "import sys, medfuse.io; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "medfuse.io" in loaded
    assert not {"torch", "SimpleITK", "pydicom", "nibabel", "scipy", "PIL"} & set(loaded)
