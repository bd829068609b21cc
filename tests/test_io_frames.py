"""Enhanced multi-frame DICOM, series with several volumes, and slices that lean or lie unevenly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_factory import write_series
from dicom_objects import item, write_enhanced
from oriented import ORIENTED
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from medfuse.errors import ParameterError, ReadError, SeriesError
from medfuse.io import describe, read_volume
from medfuse.io.deskew import deskew, even_slices, orthogonal_grid
from medfuse.volume import Geometry

SHUFFLED = (3, 0, 4, 1, 2)
OBLIQUE = ORIENTED["oblique"]
LARGE = Geometry((70, 66, 3), (0.9, 0.8, 4), (1, 2, 3), OBLIQUE.direction)  # JPEG 2000 needs 64 pixels


def stored(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2000, shape).astype("u2")


class TestEnhanced:
    @pytest.mark.parametrize("name", ORIENTED)
    @pytest.mark.parametrize("modality", ["CT", "MR", "US"])
    def test_frames_are_sorted_by_position(self, tmp_path: Path, name: str, modality: str) -> None:
        grid = ORIENTED[name]
        values = stored(grid.shape)
        write_enhanced(tmp_path / "a.dcm", values[list(SHUFFLED)], grid, SHUFFLED, modality=modality)
        volume = read_volume(tmp_path / "a.dcm")

        index = np.argwhere(np.ones(grid.shape))
        there = volume.geometry.index(grid.world(index[:, ::-1]))
        np.testing.assert_allclose(there, np.rint(there), atol=1e-6)
        found = volume.array[tuple(np.rint(there).astype(int)[:, ::-1].T)]
        np.testing.assert_array_equal(found, values.ravel())
        assert volume.modality == modality

    def test_each_frame_has_its_own_slope(self, tmp_path: Path) -> None:
        values = stored(OBLIQUE.shape)
        slopes = (1.0, 0.5, 2.0, 3.25, 1.5)
        write_enhanced(tmp_path / "a.dcm", values, OBLIQUE, range(5), slopes=slopes)

        expected = values * np.reshape(slopes, (5, 1, 1)) - 7
        np.testing.assert_array_equal(read_volume(tmp_path).array, expected.astype("f4"))

    @pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
    def test_compressed_frames(self, tmp_path: Path, syntax: str) -> None:
        values = stored(LARGE.shape)
        path = write_enhanced(tmp_path / "a.dcm", values, LARGE, range(3))
        dataset = pydicom.dcmread(path)
        dataset.compress(syntax)
        dataset.save_as(path)

        np.testing.assert_array_equal(read_volume(path).array, values)

    def test_stale_high_bits_are_cut_off(self, tmp_path: Path) -> None:
        def edit(dataset: pydicom.Dataset) -> None:
            dataset.BitsStored, dataset.HighBit = 12, 11

        values = stored(OBLIQUE.shape)
        write_enhanced(tmp_path / "a.dcm", values | 0xA000, OBLIQUE, range(5), edit=edit)
        np.testing.assert_array_equal(read_volume(tmp_path).array, values)

    def test_a_missing_frame_is_refused(self, tmp_path: Path) -> None:
        write_enhanced(tmp_path / "a.dcm", stored(OBLIQUE.shape)[:4], OBLIQUE, (0, 1, 3, 4))
        with pytest.raises(SeriesError, match=r"uneven slices: 2\.4 mm, but 4\.8 mm after slice 2"):
            read_volume(tmp_path)

    def test_frames_that_are_not_described(self, tmp_path: Path) -> None:
        def edit(dataset: pydicom.Dataset) -> None:
            del dataset.PerFrameFunctionalGroupsSequence[-1]

        write_enhanced(tmp_path / "a.dcm", stored(OBLIQUE.shape), OBLIQUE, range(5), edit=edit)
        with pytest.raises(ReadError, match="5 frames declared, but 4 described"):
            read_volume(tmp_path)

    def test_frames_that_are_not_there(self, tmp_path: Path) -> None:
        def edit(dataset: pydicom.Dataset) -> None:
            dataset.PixelData = dataset.PixelData[:-100]

        write_enhanced(tmp_path / "a.dcm", stored((5, 60, 70)), OBLIQUE, range(5), edit=edit)
        with pytest.raises(ReadError, match="cut off"):
            read_volume(tmp_path)

    def test_stacks_are_volumes_of_their_own(self, tmp_path: Path) -> None:
        """The second stack is turned; in a series of plain slices that would be a fault."""
        first, second = ORIENTED["LPS"], ORIENTED["PIR"]
        cosines = np.asarray(second.direction)[:, :2].T.ravel()

        def groups(one: pydicom.Dataset, i: int) -> None:
            one.FrameContentSequence = [item(StackID=str(i // 3 + 1))]
            if i >= 3:
                one.PlaneOrientationSequence = [item(ImageOrientationPatient=cosines.tolist())]
                one.PlanePositionSequence = [item(ImagePositionPatient=second.world((0, 0, i - 3)).tolist())]

        values = stored((6, 6, 7))
        write_enhanced(tmp_path / "a.dcm", values, first, (0, 1, 2, 0, 0, 0), groups=groups)
        with pytest.raises(SeriesError, match=r"2 volumes of 3 slices .*1: StackID 1; 2: StackID 2"):
            read_volume(tmp_path)
        for number, grid in ((1, first), (2, second)):
            volume = read_volume(tmp_path, volume=number)
            np.testing.assert_array_equal(volume.array, values[3 * number - 3 : 3 * number])
            assert volume.geometry.matches(Geometry((7, 6, 3), *grid_parts(grid)), 1e-6)

    def test_a_3d_ultrasound_says_that_its_place_is_not_the_patients(self, tmp_path: Path) -> None:
        write_enhanced(tmp_path / "a.dcm", stored(OBLIQUE.shape), OBLIQUE, range(5), modality="US")
        assert "transducer" in "; ".join(read_volume(tmp_path).notes)


def grid_parts(grid: Geometry) -> tuple:
    return grid.spacing, grid.origin, grid.direction


class TestSeveralVolumes:
    def frames(self, tmp_path: Path, groups) -> np.ndarray:
        values = stored((10, 6, 7))
        write_enhanced(tmp_path / "a.dcm", values, OBLIQUE, [*range(5), *range(5)], groups=groups)
        return values

    def test_echoes_of_an_enhanced_object(self, tmp_path: Path) -> None:
        def groups(one: pydicom.Dataset, i: int) -> None:
            one.MREchoSequence = [item(EffectiveEchoTime=80.0 if i < 5 else 10.0)]

        values = self.frames(tmp_path, groups)
        with pytest.raises(SeriesError, match=r"--volume N: 1: EchoTime 10\.0; 2: EchoTime 80\.0"):
            read_volume(tmp_path)
        np.testing.assert_array_equal(read_volume(tmp_path, volume=1).array, values[5:])
        second = read_volume(tmp_path, volume=2)
        np.testing.assert_array_equal(second.array, values[:5])
        assert "volume 2 of 2 in the series: EchoTime 80.0" in second.notes

    def test_two_attributes_at_once(self, tmp_path: Path) -> None:
        """Three volumes that neither the b-value nor the direction tells apart alone."""
        gradients = [(0.0, None), (1000.0, [1.0, 0, 0]), (1000.0, [0, 1.0, 0])]

        def groups(one: pydicom.Dataset, i: int) -> None:
            value, direction = gradients[i // 4]
            one.MRDiffusionSequence = [item(DiffusionBValue=value)]
            if direction:
                one.MRDiffusionSequence[0].DiffusionGradientDirectionSequence = [
                    item(DiffusionGradientOrientation=direction)
                ]

        values = stored((12, 6, 7))
        write_enhanced(tmp_path / "a.dcm", values, OBLIQUE, [0, 1, 2, 3] * 3, groups=groups)
        assert len(describe(tmp_path)) == 3
        arrays = [read_volume(tmp_path, volume=k).array for k in (1, 2, 3)]
        for k in range(3):
            assert sum(np.array_equal(array, values[4 * k : 4 * k + 4]) for array in arrays) == 1

    def test_runs_of_instance_numbers(self, tmp_path: Path) -> None:
        """Plain fMRI: nothing tells the times apart but the order of the images."""
        for time in range(3):

            def edit(dataset: pydicom.Dataset, k: int, time: int = time) -> None:
                dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = "1.2.3", "1.2.4"
                dataset.StudyInstanceUID = "1.2.2"
                dataset.SOPInstanceUID = f"1.2.3.{time}.{k}"
                dataset.InstanceNumber = 5 * time + k + 1

            write_series(tmp_path / str(time), stored(OBLIQUE.shape, time), OBLIQUE, edit=edit)
        with pytest.raises(SeriesError, match="2: InstanceNumber 6 to 10"):
            read_volume(tmp_path)
        volume = read_volume(tmp_path, volume=3)
        np.testing.assert_array_equal(volume.array, stored(OBLIQUE.shape, 2) - 1024.0)

    def test_no_attribute_tells_them_apart(self, tmp_path: Path) -> None:
        self.frames(tmp_path, None)
        with pytest.raises(SeriesError, match=r"10 images lie at 5 positions \(frame 1 of"):
            read_volume(tmp_path, volume=1)

    @pytest.mark.parametrize("number", [3, 2000])
    def test_a_volume_that_is_not_there(self, tmp_path: Path, number: int) -> None:
        self.frames(tmp_path, lambda one, i: setattr(one, "FrameContentSequence", [
            item(TemporalPositionIndex=i // 5 + 1)]))  # fmt: skip
        with pytest.raises(SeriesError, match=f"no volume {number}; it holds 2: 1: TemporalPos"):
            read_volume(tmp_path, volume=number)

    def test_counting_begins_at_one(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="counted from 1"):
            read_volume(tmp_path, volume=0)


def ramp(points: np.ndarray) -> np.ndarray:
    """A linear function of the world, which linear interpolation gives back exactly."""
    return 1000 + points @ (3.0, -2.0, 1.5)


class TestUpright:
    LEANING = np.array([[0.9, 0, 0.7, -30], [0, 1.25, -1.6, 20], [0, 0, 4.8, 5], [0, 0, 0, 1.0]])

    @pytest.mark.parametrize("name", ORIENTED)
    def test_values_stay_at_their_places(self, name: str) -> None:
        turn = np.eye(4)
        turn[:3, :3] = ORIENTED[name].direction
        affine = turn @ self.LEANING
        index = np.stack(np.meshgrid(*(np.arange(n) for n in (9, 8, 6)), indexing="ij"), -1)
        values = ramp(index @ affine[:3, :3].T + affine[:3, 3]).T.astype("f4")
        array, valid, geometry = deskew(values, None, affine)

        points = geometry.world(np.argwhere(valid)[:, ::-1])
        np.testing.assert_allclose(array[valid], ramp(points), atol=2e-3)
        assert geometry.size[2] == 6
        assert 6 * 7 * 8 <= valid.sum() < 6 * 8 * 9  # a column and a row less where it falls between voxels
        assert (array[~valid] == values.min()).all()

    def test_the_first_slice_is_not_interpolated(self) -> None:
        values = np.random.default_rng(0).random((6, 8, 9)).astype("f4")
        array, valid, geometry = deskew(values, None, self.LEANING)
        first = np.rint(geometry.index(self.LEANING[:3, 3])).astype(int)

        x, y = first[:2]
        np.testing.assert_array_equal(array[0, y : y + 8, x : x + 9], values[0])
        assert valid[0, y : y + 8, x : x + 9].all()
        assert valid[0].sum() == 72

    def test_padding_does_not_mix_with_what_was_measured(self) -> None:
        values = np.full((6, 8, 9), 50.0, "f4")
        measured = np.ones(values.shape, bool)
        values[3, 4, 5], measured[3, 4, 5] = -3000, False
        array, valid, _ = deskew(values, measured, self.LEANING)
        assert (array[valid] == 50).all()
        assert array.min() == 50

    def test_what_is_upright_already_is_left_alone(self) -> None:
        grid = ORIENTED["oblique"]
        values = np.random.default_rng(0).random(grid.shape).astype("f4")
        array, valid, geometry = deskew(values, None, grid.affine)
        np.testing.assert_allclose(array, values, atol=1e-6)
        assert valid.all()
        assert geometry.matches(grid, 1e-6)
        assert orthogonal_grid(grid.affine, grid.size).size == grid.size


class TestGantryTilt:
    GRID = Geometry((24, 20, 8), (0.9, 1.25, 4.8), (-71.3, 38.25, 112.7), OBLIQUE.direction)

    def write(self, folder: Path, depths: np.ndarray, angle: float = 18.5, **options) -> None:
        """A ramp of the world in slices at ``depths`` (in steps) that lean along y."""
        direction = np.asarray(self.GRID.direction)
        lean = np.tan(np.radians(angle)) * 4.8 * direction[:, 1]
        x, y = np.meshgrid(np.arange(24), np.arange(20))
        planes = []
        for depth in depths:
            shift = depth * lean
            points = self.GRID.world(np.stack([x, y, np.full_like(x, 0)], -1).astype(float))
            points = points + depth * 4.8 * direction[:, 2] + shift
            planes.append(np.rint(8 * (ramp(points) + 1000)))

        def edit(dataset: pydicom.Dataset, k: int) -> None:
            position = self.GRID.world((0, 0, 0)) + depths[k] * (4.8 * direction[:, 2] + lean)
            dataset.ImagePositionPatient = [f"{v:.10f}"[:16] for v in position]
            dataset.RescaleSlope, dataset.RescaleIntercept = "0.125", "-1000"

        write_series(folder, np.array(planes).astype("u2"), self.GRID, edit=edit)

    def check(self, folder: Path, **options) -> tuple[str, ...]:
        volume = read_volume(folder, **options)
        assert volume.valid is not None
        points = volume.geometry.world(np.argwhere(volume.valid)[:, ::-1])
        np.testing.assert_allclose(volume.array[volume.valid], ramp(points), atol=0.07)
        assert volume.valid.mean() > 0.5
        return volume.notes

    @pytest.mark.parametrize("angle", [18.5, -18.5, 3.0])
    def test_every_voxel_keeps_its_place(self, tmp_path: Path, angle: float) -> None:
        self.write(tmp_path, np.arange(8.0), angle)
        (note,) = self.check(tmp_path)
        assert f"lean by {abs(angle):.1f}°" in note
        assert "interpolated" in note

    def test_tilted_and_uneven(self, tmp_path: Path) -> None:
        self.write(tmp_path, np.array([0, 1, 2, 4, 5, 6, 6.5, 8.0]))
        with pytest.raises(SeriesError, match=r"uneven slices.*--allow-uneven"):
            read_volume(tmp_path)
        notes = self.check(tmp_path, allow_uneven=True)
        assert any("uneven slices" in note for note in notes)
        assert any("lean by 18.5°" in note for note in notes)

    def test_info_tells_the_same_grid(self, tmp_path: Path) -> None:
        self.write(tmp_path, np.arange(8.0))
        (one,) = describe(tmp_path)
        assert one.geometry == read_volume(tmp_path).geometry


class TestUneven:
    def test_between_its_neighbours_and_never_stretched(self) -> None:
        slices = np.array([0.0, 10, 30, 60], "f4").reshape(4, 1, 1)
        array, valid = even_slices(slices, None, np.array([0, 1, 3, 4.5]))
        np.testing.assert_allclose(array.ravel(), [0, 10, 20, 30, 50], rtol=1e-6)
        assert valid is None

    def test_padding_spreads_to_what_is_made_of_it(self) -> None:
        slices = np.zeros((3, 1, 2), "f4")
        measured = np.array([[True, True], [True, False], [True, True]]).reshape(3, 1, 2)
        _, valid = even_slices(slices, measured, np.array([0, 1, 3.0]))
        assert valid is not None
        np.testing.assert_array_equal(valid[:, 0, 1], [True, False, False, True])
        assert valid[:, 0, 0].all()

    def test_a_missing_slice_is_filled_where_it_belongs(self, tmp_path: Path) -> None:
        values = stored(OBLIQUE.shape)
        paths = write_series(tmp_path, values, OBLIQUE)
        paths[2].unlink()
        volume = read_volume(tmp_path, allow_uneven=True)

        assert volume.geometry.matches(OBLIQUE, 1e-4)
        for k in (0, 1, 3, 4):
            np.testing.assert_array_equal(volume.array[k], values[k] - 1024.0)
        between = (values[1].astype(float) + values[3]) / 2 - 1024
        np.testing.assert_allclose(volume.array[2], between)
        assert "(1 missing)" in volume.notes[0]

    def test_even_slices_are_not_touched_by_the_permission(self, tmp_path: Path) -> None:
        values = stored(OBLIQUE.shape)
        write_series(tmp_path, values, OBLIQUE)
        volume = read_volume(tmp_path, allow_uneven=True)
        np.testing.assert_array_equal(volume.array, values - 1024.0)
        assert volume.notes == ()

    def test_a_slice_off_the_line_is_refused_all_the_same(self, tmp_path: Path) -> None:
        def edit(dataset: pydicom.Dataset, k: int) -> None:
            if k == 2:
                position = OBLIQUE.world((3, 0, 2))
                dataset.ImagePositionPatient = [f"{v:.9f}" for v in position]

        write_series(tmp_path, stored(OBLIQUE.shape), OBLIQUE, edit=edit)
        with pytest.raises(SeriesError, match="do not lie on one line"):
            read_volume(tmp_path, allow_uneven=True)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_compressed_slices(tmp_path: Path, syntax: str) -> None:
    values = stored(LARGE.shape)
    for path in write_series(tmp_path, values, LARGE):
        dataset = pydicom.dcmread(path)
        dataset.compress(syntax)
        dataset.save_as(path)
    np.testing.assert_array_equal(read_volume(tmp_path).array, values - 1024.0)
