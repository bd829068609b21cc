"""No image disappears unsaid: what was passed over in folders, zips and discs, and what a bad file blocks."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_factory import write_series
from oriented import ORIENTED
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian
from test_io_places import zipped

from medfuse.errors import ReadError, SeriesError
from medfuse.io import describe, read_volume

GRID = ORIENTED["oblique"]
STORED = np.random.default_rng(0).integers(0, 2000, GRID.shape).astype("u2")
TWIN = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(120)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_series(tmp_path / "ct", STORED, GRID)
    return tmp_path / "ct"


def last_of(folder: Path) -> Path:
    """The file of the last slice, whose loss leaves no gap."""
    return max(folder.iterdir(), key=lambda path: float(pydicom.dcmread(path).ImagePositionPatient[2]))


def as_zip(folder: Path) -> Path:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return zipped(folder.parent / "ct.zip", {file.relative_to(folder).as_posix(): file for file in files})


@pytest.fixture(params=["folder", "zip"])
def given(request: pytest.FixtureRequest):
    return as_zip if request.param == "zip" else lambda folder: folder


class TestPassedOver:
    def test_twins_of_a_mac_and_its_ds_store(self, folder: Path, given) -> None:
        for file in list(folder.iterdir()):
            (folder / f"._{file.name}").write_bytes(TWIN)
        (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(200))
        volume = read_volume(given(folder))

        np.testing.assert_array_equal(volume.array, STORED - 1024.0)
        names = "(‹._0000.dcm›, ‹._0001.dcm›, ‹._0002.dcm›, …)"
        assert f"5 AppleDouble twin(s) of a Mac {names}" in volume.notes[0]
        assert "1 file(s) that are not DICOM (‹.DS_Store›)" in volume.notes[0]
        (one,) = describe(given(folder))
        assert one.notes == volume.notes

    def test_files_of_other_kinds_empty_ones_and_reports(self, folder: Path, given) -> None:
        (folder / "README.txt").write_text("hello")
        (folder / "done.flag").touch()
        report = pydicom.dcmread(folder / "0000.dcm")
        report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
        del report.PixelData
        report.save_as(folder / "report")
        (note,) = read_volume(given(folder)).notes

        assert "1 file(s) that are not DICOM (‹README.txt›)" in note
        assert "1 empty file(s) (‹done.flag›)" in note
        assert "1 DICOM object(s) without pixels (‹report›)" in note

    def test_links_out_of_the_folder_are_said(self, folder: Path) -> None:
        victim = last_of(folder)
        (folder.parent / "store").mkdir()
        victim.rename(folder.parent / "store" / "a1")
        victim.symlink_to(folder.parent / "store" / "a1")
        (folder / "more").symlink_to(folder.parent / "store", target_is_directory=True)
        volume = read_volume(folder)

        assert volume.geometry.size[2] == 4
        assert (
            f"1 link(s) that lead out of the folder: give the folder that holds all (‹{victim.name}›)"
            in (volume.notes[0])
        )
        assert "1 link(s) to folders elsewhere (‹more›)" in volume.notes[0]

    def test_links_into_a_store_below_the_folder_are_followed(self, folder: Path) -> None:
        store = folder / ".git" / "annex"
        store.mkdir(parents=True)
        for number, file in enumerate(sorted(folder.glob("*.dcm"))):
            file.rename(store / f"key{number}")
            file.symlink_to(os.path.relpath(store / f"key{number}", folder))
        volume = read_volume(folder)

        np.testing.assert_array_equal(volume.array, STORED - 1024.0)

    def test_a_refusal_says_what_was_passed_over(self, folder: Path) -> None:
        victim = sorted(folder.iterdir())[0]
        victim.rename(folder.parent / "away")
        victim.symlink_to(folder.parent / "away")
        for file in sorted(folder.iterdir())[2:]:
            file.unlink()
        with pytest.raises(SeriesError, match=r"one slice only.*\(passed over: 1 link\(s\) that lead out"):
            read_volume(folder)

    def test_all_are_links_out_of_the_folder(self, folder: Path) -> None:
        (folder.parent / "links").mkdir()
        for file in folder.iterdir():
            (folder.parent / "links" / file.name).symlink_to(file)
        with pytest.raises(ReadError, match=r"no DICOM images here.*5 link\(s\) that lead out of the folder"):
            read_volume(folder.parent / "links")


class TestDamaged:
    """The last slice: nothing but a refusal can tell that it is missing."""

    @pytest.mark.parametrize(
        ("name", "content", "says"),
        [
            ("IM5.dcm", b"", "empty"),
            ("IM5", b"", "empty"),
            ("IM5.IMA", b"rubbish" * 40, "damaged"),
            ("IM5.dcm", b"../.git/annex/objects/a1", "a link that was written as text"),
        ],
    )
    def test_what_should_be_dicom_is_refused(
        self, folder: Path, given, name: str, content: bytes, says: str
    ) -> None:
        (folder / name).write_bytes(content)
        with pytest.raises(ReadError, match=rf"{name}: is named as DICOM but is none \({says}"):
            read_volume(given(folder))
        assert any(says in one.problem for one in describe(given(folder)))

    def test_a_link_to_nothing(self, folder: Path) -> None:
        (folder / "IM5.dcm").symlink_to(folder / "gone")
        with pytest.raises(ReadError, match=r"IM5\.dcm: a link whose file is not there; fetch it"):
            read_volume(folder)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may open every file")
    def test_a_file_that_may_not_be_opened(self, folder: Path) -> None:
        last_of(folder).chmod(0)
        with pytest.raises(ReadError, match="cannot be opened: Permission denied"):
            read_volume(folder)

    def test_with_a_series_or_a_file_given_it_is_a_note(self, folder: Path) -> None:
        (folder / "IM5.dcm").touch()
        note = "1 damaged file(s) that do not name this series passed over (‹IM5.dcm›)"
        assert note in read_volume(folder, series="7").notes
        assert note in read_volume(folder / "0000.dcm").notes

    def test_it_blocks_the_series_that_it_names_and_no_other(self, folder: Path) -> None:
        other = write_series(folder / "other", STORED + 1, GRID, seed=4, edit=self.number_8)
        content = other[0].read_bytes()
        other[0].write_bytes(content[: content.index(b"\xe0\x7f\x10\x00")])  # no pixels
        volume = read_volume(folder, series="7")

        np.testing.assert_array_equal(volume.array, STORED - 1024.0)
        assert any("1 damaged file(s) that do not name this series" in note for note in volume.notes)
        for given in (other[1], folder):
            with pytest.raises(ReadError, match=f"{other[0].name}: no pixels: the file is cut off"):
                read_volume(given, series="8")

    @staticmethod
    def number_8(dataset: pydicom.Dataset, k: int) -> None:
        dataset.SeriesNumber = 8


class TestUnneededDefects:
    @pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of values that are wrong on purpose
    def test_letters_in_numbers_and_uids(self, tmp_path: Path) -> None:
        def edit(dataset: pydicom.Dataset, k: int) -> None:
            dataset.SeriesNumber, dataset.InstanceNumber = 712, 500 + k
            dataset.SeriesInstanceUID = "../../tmp/evil"

        with pydicom.config.disable_value_validation():
            for file in write_series(tmp_path, STORED, GRID, edit=edit):
                content = file.read_bytes().replace(b"IS\4\x00712 ", b"IS\4\0A12 ", 1)
                file.write_bytes(content.replace(b"IS\4\x0050", b"IS\4\0x0", 1))
        volume = read_volume(tmp_path, series="A12")

        np.testing.assert_array_equal(volume.array, STORED - 1024.0)
        assert any("‹../../tmp/evil› is no DICOM UID" in note for note in volume.notes)

    def test_every_image_a_series_of_its_own(self, tmp_path: Path) -> None:
        def edit(dataset: pydicom.Dataset, k: int) -> None:
            dataset.SeriesInstanceUID = f"1.2.{k}"

        write_series(tmp_path, STORED, GRID, edit=edit)
        with pytest.raises(SeriesError, match="each of its 5 images is a series of its own"):
            read_volume(tmp_path)


class TestWithoutPreamble:
    """Old archives: told by two plausible elements, in any encoding, whatever the first of them is."""

    ORDER = ("SpecificCharacterSet", "ImageType", "InstanceCreationDate", "SOPClassUID")

    @pytest.mark.parametrize("first", ORDER)
    @pytest.mark.parametrize("encoding", [(True, True), (False, True), (False, False)])
    def test_any_first_element(self, tmp_path: Path, first: str, encoding: tuple[bool, bool]) -> None:
        implicit, little = encoding

        def edit(dataset: pydicom.Dataset, k: int) -> None:
            dataset.SpecificCharacterSet, dataset.InstanceCreationDate = "ISO_IR 100", "20200102"

        syntax = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        for file in write_series(tmp_path, STORED, GRID, edit=edit, syntax=syntax):
            bare = pydicom.Dataset(pydicom.dcmread(file))
            for keyword in self.ORDER[: self.ORDER.index(first)]:
                delattr(bare, keyword)
            bare.save_as(file, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
            file.rename(file.with_suffix(""))

        np.testing.assert_array_equal(read_volume(tmp_path).array, STORED - 1024.0)

    @pytest.mark.parametrize(
        "content",
        [
            struct.pack("<100h", *([8, 5] * 50)),  # raw voxels
            struct.pack("<100h", *([8] * 100)),
            b"\x08\0\x12\0" + bytes(200),
            b"\x08\0\xfe\xfe\x08\0\0\0" + bytes(200),
            b"hello, this is text of a hundred and thirty-two bytes or more" * 4,
            b"\x08\0",
        ],
    )
    def test_what_only_looks_a_little_like_it_is_passed_over(self, folder: Path, content: bytes) -> None:
        (folder / "a.raw").write_bytes(content)
        assert "1 file(s) that are not DICOM (‹a.raw›)" in read_volume(folder).notes[0]
