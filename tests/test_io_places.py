"""Series in zips and on discs, and what ``medfuse info`` says of them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_factory import write_series
from oriented import ORIENTED
from pydicom.fileset import FileSet
from typer.testing import CliRunner

from medfuse.cli import app
from medfuse.errors import ReadError, SeriesError
from medfuse.io import describe, read_volume, sha256_of_input

GRID = ORIENTED["oblique"]
STORED = np.random.default_rng(0).integers(0, 2000, GRID.shape).astype("u2")


def zipped(path: Path, members: dict[str, Path | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, bytes) else content.read_bytes())
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_series(tmp_path / "series", STORED, GRID)


class TestZip:
    def test_reads_as_the_folder_does(self, tmp_path: Path, files: list[Path]) -> None:
        members = {f"disc/images/{file.name}": file for file in files}
        path = zipped(tmp_path / "a.zip", {**members, "disc/readme.txt": b"hello" * 100})
        volume = read_volume(path)

        np.testing.assert_array_equal(volume.array, read_volume(tmp_path / "series").array)
        assert volume.geometry.matches(GRID, 1e-4)

    def test_names_that_lead_elsewhere_lead_nowhere(self, tmp_path: Path, files: list[Path]) -> None:
        members = {f"../../../../evil/{i}/../{file.name}": file for i, file in enumerate(files)}
        (tmp_path / "in").mkdir()
        volume = read_volume(zipped(tmp_path / "in" / "a.zip", members))

        np.testing.assert_array_equal(volume.array, STORED - 1024.0)
        assert {path.name for path in tmp_path.iterdir()} == {"in", "series"}

    def test_problems_name_the_zip(self, tmp_path: Path, files: list[Path]) -> None:
        path = zipped(tmp_path / "a.zip", {file.name: file for file in files[:2] + files[3:]})
        with pytest.raises(SeriesError, match=rf"^{path}: uneven slices"):
            read_volume(path)
        (one,) = describe(path)
        assert one.path == path
        assert one.problem.startswith("uneven slices")

    def test_what_swells_is_stopped(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        bomb = b"\0" * 128 + b"DICM" + b"\0" * 10_000_000
        monkeypatch.setenv("MEDFUSE_MAX_VOXELS", "1000000")
        with pytest.raises(ReadError, match="unpacks to more than MEDFUSE_MAX_VOXELS allows"):
            read_volume(zipped(tmp_path / "a.zip", {"a.dcm": bomb}))

    def test_damaged(self, tmp_path: Path, files: list[Path]) -> None:
        path = zipped(tmp_path / "a.zip", {file.name: file for file in files})
        content = bytearray(path.read_bytes())
        content[200:260] = b"\xff" * 60
        path.write_bytes(content)
        with pytest.raises(ReadError, match=r"a\.zip"):
            read_volume(path)

    def test_without_dicom(self, tmp_path: Path) -> None:
        path = zipped(tmp_path / "a.zip", {"a.txt": b"hello"})
        with pytest.raises(ReadError, match=r"a\.zip: no DICOM images"):
            read_volume(path)
        with pytest.raises(ReadError, match=r"a\.zip: holds no DICOM images"):
            describe(path)


class TestDirectory:
    @pytest.fixture
    def disc(self, tmp_path: Path, files: list[Path]) -> Path:
        def edit(dataset: pydicom.Dataset, k: int) -> None:
            dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20200102", "101112", "1"

        contents = FileSet()
        for file in write_series(tmp_path / "own", STORED, GRID, edit=edit):
            contents.add(file)
        contents.write(tmp_path / "disc")
        contents._stage["t"].cleanup()  # else it warns when it is collected
        return tmp_path / "disc" / "DICOMDIR"

    def test_reads_what_it_lists(self, disc: Path) -> None:
        np.testing.assert_array_equal(read_volume(disc).array, STORED - 1024.0)
        (one,) = describe(disc)
        assert one.images == 5

    def test_its_fingerprint_is_that_of_all_it_lists(self, disc: Path) -> None:
        (disc.parent / "README").write_text("of the viewer")
        before = sha256_of_input(disc)
        image = next(
            path for path in sorted(disc.parent.rglob("*")) if path.is_file() and path.parent != disc.parent
        )
        (disc.parent / "README").unlink()
        assert sha256_of_input(disc) == before
        image.write_bytes(image.read_bytes() + b"\0\0")
        assert sha256_of_input(disc) != before

    def test_does_not_read_what_it_does_not_list(self, disc: Path) -> None:
        write_series(disc.parent / "more", STORED, GRID, seed=9)
        assert read_volume(disc).geometry.matches(GRID, 1e-4)
        with pytest.raises(SeriesError, match="holds 2 series"):
            read_volume(disc.parent)

    def test_names_in_lower_case(self, disc: Path) -> None:
        for path in sorted(disc.parent.rglob("*"), key=lambda path: -len(path.parts)):
            if path != disc:
                path.rename(path.with_name(path.name.lower()))
        np.testing.assert_array_equal(read_volume(disc).array, STORED - 1024.0)

    def test_a_missing_file_is_named(self, disc: Path) -> None:
        gone = next(path for path in disc.parent.rglob("*") if path.is_file() and path != disc)
        gone.unlink()
        with pytest.raises(ReadError, match=rf"{gone.name}', which is not there; copy the whole disc"):
            read_volume(disc)

    @pytest.mark.parametrize("parts", [["..", "A"], ["/etc", "passwd"], [".", "A"]])
    @pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
    def test_files_elsewhere_are_refused(self, disc: Path, parts: list[str]) -> None:
        with pydicom.config.disable_value_validation():
            directory = pydicom.dcmread(disc)
            for record in directory.DirectoryRecordSequence:
                if record.DirectoryRecordType == "IMAGE":
                    record.ReferencedFileID = parts
            directory.save_as(disc)
        with pytest.raises(ReadError, match="lists a file outside its folder"):
            read_volume(disc)

    def test_lists_nothing(self, disc: Path) -> None:
        directory = pydicom.dcmread(disc)
        directory.DirectoryRecordSequence = []
        directory.save_as(disc)
        with pytest.raises(ReadError, match="lists no images"):
            read_volume(disc)


def info(*words: object) -> str:
    result = CliRunner().invoke(app, ["info", *map(str, words)])
    assert result.exit_code == 0, result.output
    return result.output


class TestInfo:
    @pytest.fixture
    def archive(self, tmp_path: Path) -> Path:
        """Two patients; the first has two series, one of them with two echoes, one with a gap."""

        def identify(patient: str, study: str, number: int):
            def edit(dataset: pydicom.Dataset, k: int) -> None:
                dataset.PatientID, dataset.PatientName = patient, f"Name^{patient}"
                dataset.StudyInstanceUID, dataset.SeriesNumber = study, number
                dataset.StudyDate = "20200102"

            return edit

        def echo(time: int):
            def edit(dataset: pydicom.Dataset, k: int) -> None:
                identify("P1", "1.2", 5)(dataset, k)
                dataset.EchoTime, dataset.SeriesInstanceUID = time, "1.5.5"
                dataset.FrameOfReferenceUID, dataset.SOPInstanceUID = "1.6", f"1.7.{time}.{k}"

            return edit

        folder = tmp_path / "archive"
        for time in (10, 80):
            write_series(folder / f"echo{time}", STORED, GRID, modality="MR", edit=echo(time))
        write_series(folder / "gap", STORED, GRID, edit=identify("P1", "1.2", 6))[2].unlink()
        write_series(folder / "other", STORED, GRID, edit=identify("P2", "1.3", 7), seed=3)
        return folder

    def test_a_row_for_each_volume(self, archive: Path) -> None:
        header, *lines = info(archive).splitlines()
        rows = [line.split() for line in lines if not line.startswith(" ")]

        assert header.split()[:7] == ["patient", "study", "series", "modality", "images", "volume", "size"]
        assert [row[:7] for row in rows] == [
            ["1", "1", "5", "MR", "10", "1", "7×6×5"],
            ["1", "1", "5", "MR", "10", "2", "7×6×5"],
            ["1", "1", "6", "CT", "4", "-", "-"],
            ["2", "2", "7", "CT", "5", "-", "7×6×5"],
        ]
        assert any("EchoTime 80.0" in line for line in lines)
        assert any("cannot be read: uneven slices" in line for line in lines)

    def test_nobody_is_named_unless_asked(self, archive: Path) -> None:
        for words in ((archive,), (archive, "--json")):
            assert "Name" not in info(*words)
            assert "P1" not in info(*words)
            assert "20200102" not in info(*words)
        asked = info(archive, "--keep-identifiers")
        assert "patient 2, study 2: PatientName Name^P2, PatientID P2" in asked

    def test_json_has_all_of_it(self, archive: Path) -> None:
        rows = json.loads(info(archive, "--json"))
        assert [row["volume"] for row in rows] == [1, 2, None, None]
        assert rows[0]["series"] == "1.5.5"
        assert rows[0]["what"] == "EchoTime 10.0"
        np.testing.assert_allclose(rows[3]["geometry"]["origin"], GRID.origin, atol=1e-6)
        assert rows[2]["geometry"] is None
        assert "identity" not in rows[0]
        named = json.loads(info(archive, "--json", "--keep-identifiers"))
        assert named[0]["identity"]["PatientID"] == "P1"

    def test_what_is_listed_can_be_read(self, archive: Path) -> None:
        for row in json.loads(info(archive, "--json")):
            if not row["problem"]:
                volume = read_volume(archive, series=row["series"], volume=row["volume"])
                assert list(volume.geometry.size) == row["geometry"]["size"]

    def test_series_of_one_number_show_their_uid(self, tmp_path: Path) -> None:
        for seed in (1, 2):
            write_series(tmp_path / str(seed), STORED, GRID, seed=seed)
        uids = {one.series for one in describe(tmp_path)}
        assert len(uids) == 2
        assert all(uid in info(tmp_path) for uid in uids)
