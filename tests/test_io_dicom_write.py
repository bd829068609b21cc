"""DICOM that is written: read back by others, checked by a validator, and naming only whom it may."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_factory import Edit, validate, write_series
from oriented import ORIENTED
from typer.testing import CliRunner

from medfuse import InputVolume, Recipe, Study, Volume, read_volume, run_study, write_volume
from medfuse.cli import app
from medfuse.errors import WriteError
from medfuse.io import dicom, write_transform
from medfuse.report.dicom import write_dicom
from medfuse.volume import Geometry

RNG = np.random.default_rng(3)


def source(folder: Path, geometry: Geometry, modality: str = "CT", edit: Edit | None = None) -> Volume:
    stored = np.random.default_rng(5).integers(0, 2000, geometry.shape).astype("u2")
    write_series(folder, stored, geometry, modality=modality, edit=edit)
    return read_volume(folder)


def fused_from(*sources: Volume) -> Volume:
    shape = sources[0].geometry.shape
    return Volume(RNG.random(shape), sources[0].geometry, metadata=sources[0].metadata)


def written(folder: Path, *sources: Volume) -> list[pydicom.Dataset]:
    """Written and read back by pydicom, in the order of the files."""
    paths = dicom.write_series(
        fused_from(*sources),
        folder,
        sources=[dicom.Source(one.metadata) for one in sources],
        description="fused CT+MR (pca), not for diagnosis",
        derivation="a test",
    )
    return [pydicom.dcmread(path) for path in paths]


@pytest.mark.parametrize("name", ORIENTED)
class TestGeometry:
    def test_simpleitk_reads_the_same_grid(self, tmp_path: Path, name: str) -> None:
        volume = fused_from(source(tmp_path / "ct", ORIENTED[name]))
        paths = dicom.write_series(volume, tmp_path / "out", sources=[], description="", derivation="")

        image = sitk.ReadImage([str(path) for path in paths])
        back = Volume.from_sitk(image)
        corners = volume.geometry.corners()
        indices = back.geometry.index(corners)
        np.testing.assert_allclose(indices, np.rint(indices), atol=1e-4)
        np.testing.assert_allclose(back.geometry.world(np.rint(indices)), corners, atol=1e-4)

    def test_dcm2niix_makes_the_same_volume(self, tmp_path: Path, name: str) -> None:
        program = shutil.which("dcm2niix") or shutil.which("dcm2niix", path=Path(sys.executable).parent)
        if program is None:
            pytest.skip("needs dcm2niix (of the package's extra 'test')")
        volume = fused_from(source(tmp_path / "ct", ORIENTED[name]))
        dicom.write_series(volume, tmp_path / "out", sources=[], description="", derivation="")
        (tmp_path / "nifti").mkdir()
        command = [program, "-o", tmp_path / "nifti", "-f", "v", "-z", "n", tmp_path / "out"]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
        back = read_volume(tmp_path / "nifti" / "v.nii", modality="MR")

        index = np.argwhere(np.ones(volume.geometry.shape))[:, ::-1]
        there = back.geometry.index(volume.geometry.world(index))
        nearest = np.rint(there).astype(int)
        away = np.linalg.norm((there - nearest) * back.geometry.spacing, axis=1)
        assert away.max() < 1e-3, said.stdout
        values = back.array[tuple(nearest[:, ::-1].T)] / 65535
        np.testing.assert_allclose(values, volume.array.ravel(), atol=0.5 / 65535 + 1e-7)

    def test_we_read_the_same_values_at_the_same_places(self, tmp_path: Path, name: str) -> None:
        volume = fused_from(source(tmp_path / "ct", ORIENTED[name]))
        dicom.write_series(volume, tmp_path / "out", sources=[], description="", derivation="")

        back = read_volume(tmp_path / "out")
        index = np.argwhere(np.ones(volume.geometry.shape))[:, ::-1]
        there = np.rint(back.geometry.index(volume.geometry.world(index))).astype(int)
        values = back.array[tuple(there[:, ::-1].T)] / 65535
        np.testing.assert_allclose(values, volume.array.ravel(), atol=0.5 / 65535 + 1e-7)
        assert back.modality == "MR"
        assert back.notes == ()


class TestOrder:
    """Files and InstanceNumber go along the right-handed normal, for grids of either hand."""

    @pytest.mark.parametrize("name", ORIENTED)
    def test_slices_are_numbered_along_the_right_handed_normal(self, tmp_path: Path, name: str) -> None:
        volume = fused_from(source(tmp_path / "ct", ORIENTED[name]))
        mirrored = Volume(volume.array[::-1], flipped(volume.geometry), metadata=volume.metadata)
        for which, one in (("as it is", volume), ("other hand", mirrored)):
            paths = dicom.write_series(one, tmp_path / which, sources=[], description="", derivation="")
            slices = [pydicom.dcmread(path) for path in paths]
            normal = np.cross(*np.reshape(slices[0].ImageOrientationPatient, (2, 3)).astype(float))
            depths = np.array([one.ImagePositionPatient for one in slices], dtype=float) @ normal

            assert [path.name for path in paths] == sorted(path.name for path in paths)
            assert [one.InstanceNumber for one in slices] == list(range(1, len(slices) + 1))
            np.testing.assert_allclose(np.diff(depths), volume.geometry.spacing[2], atol=1e-6)


def flipped(grid: Geometry) -> Geometry:
    """The same points, with the slices counted from the other end: of the other hand."""
    direction = np.array(grid.direction) * (1, 1, -1)
    return Geometry(grid.size, grid.spacing, tuple(grid.world((0, 0, grid.size[2] - 1))), direction)


class TestSeries:
    def test_a_validator_finds_no_error(self, tmp_path: Path) -> None:
        written(tmp_path / "out", source(tmp_path / "ct", ORIENTED["oblique"]))
        validate(tmp_path / "out" / "0001.dcm")

    def test_the_validator_would_find_one(self, tmp_path: Path) -> None:
        (dataset, *_) = written(tmp_path / "out", source(tmp_path / "ct", ORIENTED["oblique"]))
        del dataset.PatientID
        dataset.save_as(tmp_path / "bad.dcm")
        with pytest.raises(AssertionError, match="PatientID"):
            validate(tmp_path / "bad.dcm")

    def test_what_makes_it_a_derived_series(self, tmp_path: Path) -> None:
        ct = source(tmp_path / "ct", ORIENTED["LPS"])
        slices = written(tmp_path / "out", ct)
        first = slices[0]

        assert list(first.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]
        assert first.SOPClassUID == pydicom.uid.MRImageStorage
        assert "RescaleSlope" not in first
        assert "not for diagnosis" in first.SeriesDescription
        assert first.StudyInstanceUID == ct.metadata["StudyInstanceUID"]
        assert first.FrameOfReferenceUID == ct.metadata["FrameOfReferenceUID"]
        assert {one.SeriesInstanceUID for one in slices} != {ct.metadata["SeriesInstanceUID"]}
        assert len({one.SeriesInstanceUID for one in slices}) == 1
        assert len({one.SOPInstanceUID for one in slices}) == len(slices)
        assert first.SeriesNumber == 701

    def test_the_mapping_gives_the_fused_values(self, tmp_path: Path) -> None:
        (first, *_) = written(tmp_path / "out", source(tmp_path / "ct", ORIENTED["LPS"]))
        (mapping,) = first.RealWorldValueMappingSequence
        values = first.pixel_array * mapping.RealWorldValueSlope + mapping.RealWorldValueIntercept

        assert values.max() <= 1
        assert values.max() > 0.5

    def test_decimal_strings_are_short_enough(self, tmp_path: Path) -> None:
        for one in written(tmp_path / "out", source(tmp_path / "ct", ORIENTED["oblique"])):
            for element in one:
                if element.VR == "DS" and element.value is not None:
                    values = element.value if element.VM > 1 else [element.value]
                    assert all(len(str(value)) <= 16 for value in values), element

    def test_each_slice_names_the_slices_it_comes_from(self, tmp_path: Path) -> None:
        """The moving series has the same grid, half a slice up: two of its slices meet in each of ours."""
        grid = ORIENTED["LPS"]
        ct = source(tmp_path / "ct", grid)
        mr = source(tmp_path / "mr", Geometry(grid.size, grid.spacing, tuple(grid.world((0, 0, 0.5)))), "MR")
        slices = written(tmp_path / "out", ct, mr)
        named = [[item.ReferencedSOPInstanceUID for item in one.SourceImageSequence] for one in slices]

        uids = mr.metadata["SOPInstanceUID"]
        assert named[0] == [ct.metadata["SOPInstanceUID"][0], uids[0]]
        assert named[2] == [ct.metadata["SOPInstanceUID"][2], uids[1], uids[2]]
        purpose = slices[0].SourceImageSequence[0].PurposeOfReferenceCodeSequence[0]
        assert purpose.CodeValue == "121322"

    def test_colour_and_values_beyond_the_range_are_refused(self, tmp_path: Path) -> None:
        ct = source(tmp_path / "ct", ORIENTED["LPS"])
        with pytest.raises(WriteError, match="from 0 to 1"):
            dicom.write_series(ct, tmp_path / "out", sources=[], description="", derivation="")
        assert not (tmp_path / "out").exists()


class TestIdentity:
    def test_identity_is_copied_and_nothing_private(self, tmp_path: Path) -> None:
        def edit(dataset: pydicom.Dataset, k: int) -> None:
            dataset.add_new(0x00091001, "LO", "private")
            dataset.PatientComments = "a comment"
            dataset.AccessionNumber = "A1"

        (first, *_) = written(tmp_path / "out", source(tmp_path / "ct", ORIENTED["LPS"], edit=edit))
        assert (first.PatientName, first.PatientID, first.PatientBirthDate) == (
            "Phantom^Test",
            "P1",
            "19700101",
        )
        assert first.AccessionNumber == "A1"
        assert "PatientComments" not in first
        assert not any(element.tag.is_private for element in first)

    @pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
    def test_what_is_not_valid_is_left_blank(self, tmp_path: Path) -> None:
        def edit(dataset: pydicom.Dataset, k: int) -> None:
            with pydicom.config.disable_value_validation():
                dataset.PatientBirthDate = "1.1.1970"
                dataset.AccessionNumber = "A" * 17
                dataset.PatientAge = "forty"

        (first, *_) = written(tmp_path / "out", source(tmp_path / "ct", ORIENTED["LPS"], edit=edit))
        assert first.PatientBirthDate == ""
        assert first.AccessionNumber == ""
        assert "PatientAge" not in first
        validate(tmp_path / "out" / "0001.dcm")

    def test_names_of_other_alphabets_survive(self, tmp_path: Path) -> None:
        def edit(dataset: pydicom.Dataset, k: int) -> None:
            dataset.SpecificCharacterSet = "ISO_IR 100"
            dataset.PatientName = "Müller^Zoë"

        (first, *_) = written(tmp_path / "out", source(tmp_path / "ct", ORIENTED["LPS"], edit=edit))
        assert str(first.PatientName) == "Müller^Zoë"

    def test_lossy_stays_lossy(self, tmp_path: Path) -> None:
        def edit(dataset: pydicom.Dataset, k: int) -> None:
            dataset.LossyImageCompression = "01"
            dataset.LossyImageCompressionRatio = "12"
            dataset.LossyImageCompressionMethod = "ISO_15444_1"

        (first, *_) = written(tmp_path / "out", source(tmp_path / "ct", ORIENTED["LPS"], edit=edit))
        assert first.LossyImageCompression == "01"
        assert first.LossyImageCompressionRatio == 12
        validate(tmp_path / "out" / "0001.dcm")


class TestRegistration:
    MATRIX = np.array([[0.0, -1, 0, 12.5], [1, 0, 0, -3.25], [0, 0, 1, 40], [0, 0, 0, 1]])

    def test_takes_moving_points_to_fixed_ones(self, tmp_path: Path) -> None:
        ct = source(tmp_path / "ct", ORIENTED["LPS"])
        mr = source(tmp_path / "mr", ORIENTED["oblique"], "MR")
        dicom.write_registration(tmp_path / "r.dcm", ct.metadata, mr.metadata, self.MATRIX, "a test")
        fixed, moving = pydicom.dcmread(tmp_path / "r.dcm").RegistrationSequence

        def matrix(item: pydicom.Dataset) -> pydicom.Dataset:
            return item.MatrixRegistrationSequence[0].MatrixSequence[0]

        assert fixed.FrameOfReferenceUID == ct.metadata["FrameOfReferenceUID"]
        assert moving.FrameOfReferenceUID == mr.metadata["FrameOfReferenceUID"]
        values = np.array(matrix(moving).FrameOfReferenceTransformationMatrix, float).reshape(4, 4)
        np.testing.assert_allclose(values @ self.MATRIX, np.eye(4), atol=1e-9)
        identity = matrix(fixed).FrameOfReferenceTransformationMatrix
        np.testing.assert_array_equal(np.array(identity, float).reshape(4, 4), np.eye(4))
        assert matrix(moving).FrameOfReferenceTransformationMatrixType == "RIGID"
        validate(tmp_path / "r.dcm")

    def test_what_is_not_rigid_says_so(self, tmp_path: Path) -> None:
        ct = source(tmp_path / "ct", ORIENTED["LPS"])
        stretch = np.diag([1.1, 1, 1, 1])
        dicom.write_registration(tmp_path / "r.dcm", ct.metadata, ct.metadata, stretch, "a test")
        item = pydicom.dcmread(tmp_path / "r.dcm").RegistrationSequence[1]
        kind = item.MatrixRegistrationSequence[0].MatrixSequence[0].FrameOfReferenceTransformationMatrixType
        assert kind == "AFFINE"

    def test_no_inverse(self, tmp_path: Path) -> None:
        ct = source(tmp_path / "ct", ORIENTED["LPS"])
        with pytest.raises(WriteError, match="no inverse"):
            dicom.write_registration(
                tmp_path / "r.dcm", ct.metadata, ct.metadata, np.diag([1, 1, 0, 1]), "a test"
            )
        assert not (tmp_path / "r.dcm").exists()


class TestFuse:
    GRID = Geometry((32, 30, 4), (2.0, 2.0, 3.0), (-30, -30, 5))

    def run(
        self, folder: Path, fixed: str = "ct", moving: str = "mr", **fields
    ) -> tuple[Path, tuple[str, ...]]:
        """The folder of DICOM and the notes; nothing else of a result is written here."""
        recipe = Recipe(method="pca", registration="none", profile="ma2021", dicom=True)
        result = run_study(Study(folder / fixed, InputVolume(folder / moving, **fields)), recipe)
        write_dicom(result, folder / "dicom")
        return folder / "dicom", result.notes

    @pytest.fixture
    def series(self, tmp_path: Path) -> Path:
        source(tmp_path / "ct", self.GRID)
        source(tmp_path / "mr", self.GRID, "MR")
        return tmp_path

    def test_the_folder_holds_series_and_registration(self, series: Path) -> None:
        out, notes = self.run(series)
        slices = sorted((out / "fused").iterdir())

        assert len(slices) == 4
        assert not any("differs" in note or "DICOM" in note for note in notes)
        validate(slices[0])
        validate(out / "registration_moving_1.dcm")

    def test_a_moving_volume_that_is_not_from_dicom(self, series: Path) -> None:
        write_volume(read_volume(series / "mr"), series / "mr.nii.gz")
        out, notes = self.run(series, moving="mr.nii.gz")

        assert [path.name for path in out.iterdir()] == ["fused"]
        assert any("no registration object written" in note for note in notes)

    def test_a_fixed_volume_that_is_not_from_dicom(self, series: Path) -> None:
        write_volume(read_volume(series / "ct"), series / "ct.nii.gz")
        out, notes = self.run(series, fixed="ct.nii.gz")

        assert any("names no patient and a new study" in note for note in notes)
        dataset = pydicom.dcmread(out / "fused" / "0001.dcm")
        assert (dataset.PatientName, dataset.PatientID) == ("", "")
        validate(out / "fused" / "0001.dcm")

    def test_a_transform_that_dicom_has_no_object_for(self, series: Path) -> None:
        grid = sitk.Image([80, 80, 40], sitk.sitkUInt8)
        grid.SetOrigin((-40, -40, -10))
        write_transform(sitk.BSplineTransformInitializer(grid, [3, 3, 3]), series / "warp.h5")
        out, notes = self.run(series, transform=series / "warp.h5")

        assert any("neither linear nor a displacement field" in note for note in notes)
        assert [path.name for path in out.iterdir()] == ["fused"]

    def test_two_patients_are_noted(self, series: Path) -> None:
        def edit(dataset: pydicom.Dataset, k: int) -> None:
            dataset.PatientID = "P2"

        source(series / "other", self.GRID, "MR", edit)
        _, notes = self.run(series, moving="other")
        said = [note for note in notes if "one patient" in note]
        assert len(said) == 1
        assert "PatientID" in said[0]
        assert "P2" not in said[0]

    def test_the_option_of_the_command_line(self, series: Path) -> None:
        words = ["fuse", "ct", "mr", "-o", "out", "--method", "pca", "--no-registration"]
        words = [str(series / word) if word in ("ct", "mr", "out") else word for word in words]
        assert CliRunner().invoke(app, [*words, "--dicom", "--progress", "none"]).exit_code == 0
        out = series / "out"
        fused, back = read_volume(out / "fused.nii.gz"), read_volume(out / "dicom" / "fused")
        assert back.geometry.matches(fused.geometry, 1e-3)
        np.testing.assert_allclose(back.array / 65535, fused.array, atol=1e-5)
        for name in ("report.html", "provenance.json", "recipe.toml", "metrics.csv"):
            assert "Phantom" not in (out / name).read_text()
