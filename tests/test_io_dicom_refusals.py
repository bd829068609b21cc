"""DICOM that is refused: one defect each, and the message names it."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_factory import Edit, compress_jpeg_2000, set_pixels, write_series
from oriented import ORIENTED
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless, generate_uid

from medfuse.errors import ReadError, SeriesError
from medfuse.io import read_volume
from medfuse.volume import Geometry

GRID = Geometry((7, 6, 12), (0.9, 1.25, 4.8), (-71.3, 38.25, 112.7), ORIENTED["oblique"].direction)
NORMAL = np.asarray(GRID.direction)[:, 2]


def series(folder: Path, edit: Edit | None = None, **options) -> list[Path]:
    stored = np.random.default_rng(0).integers(0, 2000, GRID.shape).astype("u2")
    return write_series(folder, stored, GRID, edit=edit, **options)


def changed(**attributes) -> Edit:
    """Every slice with other attributes; None takes one out."""

    def edit(dataset: pydicom.Dataset, k: int) -> None:
        for keyword, value in attributes.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)

    return edit


def one_changed(**attributes) -> Edit:
    def edit(dataset: pydicom.Dataset, k: int) -> None:
        if k == 5:
            changed(**attributes)(dataset, k)

    return edit


def moved(offset) -> Edit:
    """Slice ``k`` moved by ``offset(k)`` in mm (a vector)."""

    def edit(dataset: pydicom.Dataset, k: int) -> None:
        position = GRID.world((0, 0, k)) + offset(k)
        dataset.ImagePositionPatient = [f"{v:.9f}" for v in position]

    return edit


REFUSED = {
    "no position": (changed(ImagePositionPatient=None), "no ImagePositionPatient"),
    "no orientation": (changed(ImageOrientationPatient=None), "no ImageOrientationPatient"),
    "no spacing": (changed(PixelSpacing=None), "no PixelSpacing"),
    "spacing 0": (changed(PixelSpacing=[0, 1]), "PixelSpacing 0 mm; expected 0.001 to 100"),
    "spacing negative": (changed(PixelSpacing=[1, -1]), "PixelSpacing -1 mm"),
    "spacing in metres": (changed(PixelSpacing=["0.0009", "0.0009"]), "PixelSpacing 0.0009 mm"),
    "spacing huge": (changed(PixelSpacing=[101, 1]), "PixelSpacing 101 mm"),
    "one number of spacing": (changed(PixelSpacing=[1]), "PixelSpacing is 1.0; expected 2"),
    "far away": (changed(ImagePositionPatient=[0, 0, 100001]), "over 100 m away"),
    "cosines of no length": (changed(ImageOrientationPatient=[0] * 6), "expected two unit vectors"),
    "cosines too long": (changed(ImageOrientationPatient=[1.002, 0, 0, 0, 1, 0]), "two unit vectors"),
    "cosines not square": (changed(ImageOrientationPatient=[1, 0, 0, "0.002", 1, 0]), "at right angles"),
    "another size": (one_changed(Rows=3), r"another size \(7×3, not 7×6\)"),
    "another orientation": (one_changed(ImageOrientationPatient=[0, 1, 0, 1, 0, 0]), "another orientation"),
    "another spacing": (one_changed(PixelSpacing=[1, 1]), "another pixel spacing"),
    "another frame": (one_changed(FrameOfReferenceUID="1.2.3"), "another frame of reference"),
    "mosaic": (changed(ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]), "mosaic.*dcm2niix first"),
    "localizers": (changed(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "localizers only"),
    "colour": (changed(SamplesPerPixel=3, PhotometricInterpretation="RGB"), "colour pictures"),
    "palette": (changed(PhotometricInterpretation="PALETTE COLOR"), "colour pictures"),
    "secondary capture": (changed(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), "secondary capture"),
    "enhanced": (changed(SOPClassUID="1.2.840.10008.5.1.4.1.1.4.1"), "1 frames declared, but 0 described"),
    "several frames": (changed(NumberOfFrames=2), "without functional groups, as dental cone-beam CT"),
    "ultrasound": (changed(SOPClassUID="1.2.840.10008.5.1.4.1.1.6.1", Modality="US"), "ultrasound pictures"),
    "segmentation": (changed(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4"), "a segmentation"),
    "uid missing": (changed(SeriesInstanceUID=None), "no SeriesInstanceUID; export the series again"),
    "12 bits allocated": (changed(BitsAllocated=12, BitsStored=12, HighBit=11), "BitsAllocated 12"),
    "more bits stored": (changed(BitsStored=17, HighBit=16), "BitsStored 17"),
    "high bit below": (changed(BitsStored=12, HighBit=10), "HighBit 10"),
    "representation": (changed(PixelRepresentation=2), "PixelRepresentation 2"),
    "slope 0": (changed(RescaleSlope=0), "RescaleSlope 0"),
    "slope no number": (changed(RescaleSlope="nan"), "RescaleSlope nan"),
    "no pixels": (changed(PixelData=None), "no pixels"),
    "size beyond the file": (changed(Rows=60, Columns=70), "70×60 pixels declared .* cut off"),
    "size beyond the limit": (changed(Rows=65535, Columns=65535), "more than the limit"),
    "no rows": (changed(Rows=None), "7×0×1 voxels; every axis needs"),
    "no class": (changed(SOPClassUID=None), "no SOPClassUID"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "colour"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary capture"),
        ({"NumberOfFrames": 3}, "several frames"),
    ],
)
def test_one_slice_of_another_kind_is_named(tmp_path: Path, attributes: dict, says: str) -> None:
    paths = series(tmp_path, one_changed(**attributes))
    with pytest.raises(SeriesError, match=f"{paths[5].name}: unlike the rest of its series: .*{says}"):
        read_volume(tmp_path)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of values that are wrong on purpose
def test_one_defect_is_named(tmp_path: Path, name: str) -> None:
    edit, says = REFUSED[name]
    with pydicom.config.disable_value_validation():
        series(tmp_path, edit)

    with pytest.raises(ReadError, match=says) as caught:
        read_volume(tmp_path)
    assert "\n" not in str(caught.value)
    assert "Phantom" not in str(caught.value)


def test_the_series_without_a_defect_is_read(tmp_path: Path) -> None:
    series(tmp_path)
    assert read_volume(tmp_path).geometry.matches(GRID, 1e-6)


class TestSlices:
    def test_a_missing_slice_is_found(self, tmp_path: Path) -> None:
        series(tmp_path)[8].unlink()
        with pytest.raises(
            SeriesError, match=r"uneven slices: 4\.8 mm, but 9\.6 mm after slice 8 \(1 missing\)"
        ):
            read_volume(tmp_path)

    def test_several_missing_slices_are_counted(self, tmp_path: Path) -> None:
        paths = series(tmp_path)
        for k in (3, 4, 5, 9):
            paths[k].unlink()
        says = r"4\.8 mm, but 19\.2 mm after slice 3 \(3 missing\), and at 1 more place"
        with pytest.raises(SeriesError, match=says):
            read_volume(tmp_path)

    @pytest.mark.parametrize("spacing", [0.05, 0.3, 4.8, 20])
    @pytest.mark.parametrize("gone", [1, 2])
    def test_a_slice_missing_of_a_few_is_found_at_any_spacing(
        self, tmp_path: Path, spacing: float, gone: int
    ) -> None:
        grid = Geometry((7, 6, 4), (1, 1, spacing))
        paths = write_series(tmp_path, np.zeros(grid.shape, "u2"), grid)
        paths[gone].unlink()
        with pytest.raises(SeriesError, match="uneven slices"):
            read_volume(tmp_path)

    @pytest.mark.parametrize(("shift", "outcome"), [(0.005, ""), (0.06, "note"), (0.2, "error")])
    def test_the_three_levels_of_unevenness(self, tmp_path: Path, shift: float, outcome: str) -> None:
        series(tmp_path, moved(lambda k: NORMAL * shift * (k == 5)))
        if outcome == "error":
            with pytest.raises(SeriesError, match="uneven slices"):
                read_volume(tmp_path)
        else:
            assert len(read_volume(tmp_path).notes) == (outcome == "note")

    def test_a_slice_beside_the_line_is_refused(self, tmp_path: Path) -> None:
        series(tmp_path, moved(lambda k: np.asarray(GRID.direction)[:, 0] * 3.0 * (k == 5)))
        with pytest.raises(SeriesError, match=r"uneven slices: 4\.8 mm, but a slice lies .* mm off"):
            read_volume(tmp_path)

    @pytest.mark.parametrize("axis", [0, 1])
    def test_a_gantry_tilt_is_noted_with_its_angle(self, tmp_path: Path, axis: int) -> None:
        lean = np.tan(np.radians(18.5)) * 4.8 * np.asarray(GRID.direction)[:, axis]
        series(tmp_path, moved(lambda k: k * lean))
        assert r"lean by 18.5°" in "; ".join(read_volume(tmp_path).notes)

    def test_one_slice_is_no_volume(self, tmp_path: Path) -> None:
        for path in series(tmp_path)[1:]:
            path.unlink()
        with pytest.raises(SeriesError, match="one slice only"):
            read_volume(tmp_path)

    def test_two_images_at_one_position_are_named(self, tmp_path: Path) -> None:
        paths = series(tmp_path)
        dataset = pydicom.dcmread(paths[4])
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.PixelData = bytes(2) + dataset.PixelData[2:]
        dataset.save_as(tmp_path / "again.dcm")
        with pytest.raises(SeriesError, match=r"two images at one position: .*take one away") as caught:
            read_volume(tmp_path)
        assert paths[4].name in str(caught.value)
        assert "again.dcm" in str(caught.value)

    @pytest.mark.parametrize(
        ("keyword", "values", "says"),
        [
            ("EchoTime", (10, 80), r"1: EchoTime 10\.0; 2: EchoTime 80\.0"),
            ("DiffusionBValue", (0.0, 1000.0), r"1: DiffusionBValue 0\.0; 2: DiffusionBValue 1000\.0"),
            ("AcquisitionNumber", (1, 2), "1: AcquisitionNumber 1; 2: AcquisitionNumber 2"),
            (
                "ImageType",
                (["ORIGINAL", "PRIMARY", "W"], ["DERIVED", "PRIMARY", "F"]),
                r"1: ImageType ‹DERIVED\\PRIMARY\\F›; 2: ImageType ‹ORIGINAL",
            ),
        ],
    )
    def test_several_volumes_in_one_series_are_listed(
        self, tmp_path: Path, keyword: str, values: tuple, says: str
    ) -> None:
        for number, value in enumerate(values):
            series(
                tmp_path / str(number),
                lambda dataset, k, value=value, number=number: [
                    setattr(dataset, keyword, value),
                    setattr(dataset, "StudyInstanceUID", "1.2.2"),
                    setattr(dataset, "SeriesInstanceUID", "1.2.3"),
                    setattr(dataset, "FrameOfReferenceUID", "1.2.4"),
                    setattr(dataset, "SOPInstanceUID", f"1.2.{number}.{k}"),
                ],
            )
        with pytest.raises(
            SeriesError,
            match=r"holds 2 volumes of 12 slices in one series; choose one with --volume N: .*" + says,
        ):
            read_volume(tmp_path)


class TestFiles:
    def test_one_instance_with_two_contents_is_refused(self, tmp_path: Path) -> None:
        paths = series(tmp_path)
        dataset = pydicom.dcmread(paths[4])
        set_pixels(dataset, np.zeros((6, 7), "u2"))
        dataset.save_as(tmp_path / "other.dcm")
        with pytest.raises(SeriesError, match=r"has the SOPInstanceUID of .* but other content"):
            read_volume(tmp_path)

    @pytest.mark.parametrize("kept", [0, 100, 140, 300, 700, -1, -40])
    def test_a_slice_that_is_cut_off_is_named(self, tmp_path: Path, kept: int) -> None:
        victim = series(tmp_path)[-1]  # at the end, where no gap would show it
        victim.write_bytes(victim.read_bytes()[:kept])
        with pytest.raises(ReadError, match=victim.name):
            read_volume(tmp_path)

    def test_every_length_of_a_cut_off_slice_is_refused(self, tmp_path: Path) -> None:
        victim = series(tmp_path)[-1]
        content = victim.read_bytes()
        for kept in range(0, len(content), 37):
            victim.write_bytes(content[:kept])
            with pytest.raises(ReadError, match=victim.name):
                read_volume(tmp_path)

    def test_a_compressed_slice_that_is_damaged_is_named(self, tmp_path: Path) -> None:
        victim = series(tmp_path, lambda dataset, k: dataset.compress(RLELossless))[3]
        content = victim.read_bytes()
        at = content.index(b"\xe0\x7f\x10\x00")
        victim.write_bytes(content[: at + 90] + bytes(20) + content[at + 110 :])
        with pytest.raises(ReadError, match=victim.name):
            read_volume(tmp_path)

    def test_a_compressed_picture_of_another_size_is_named(self, tmp_path: Path) -> None:
        def run_length(dataset: pydicom.Dataset, k: int) -> None:
            dataset.compress(RLELossless)
            dataset.Rows = 5

        def jpeg_2000(dataset: pydicom.Dataset, k: int) -> None:
            compress_jpeg_2000(dataset)
            dataset.Rows = 5

        series(tmp_path / "rle", run_length)
        with pytest.raises(ReadError, match=r"dcm: .*do not decode to 7×5 .* of more bytes; expected 35"):
            read_volume(tmp_path / "rle")
        series(tmp_path / "j2k", jpeg_2000)
        with pytest.raises(ReadError, match=r"dcm: .*do not decode to 7×5"):
            read_volume(tmp_path / "j2k")

    def test_an_unknown_compression_is_named(self, tmp_path: Path) -> None:
        for path in series(tmp_path, lambda dataset, k: dataset.compress(RLELossless)):
            content = path.read_bytes()
            path.write_bytes(content.replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.7\0", 1))
        with pytest.raises(ReadError, match="cannot be decoded"):
            read_volume(tmp_path)

    def test_a_deflated_file_that_inflates_without_end_is_refused(self, tmp_path: Path) -> None:
        victim = series(tmp_path, syntax=DeflatedExplicitVRLittleEndian)[2]
        content = victim.read_bytes()
        meta_end = 144 + int.from_bytes(content[140:144], "little")
        private = b"\x09\0\x01\x10OB\0\0" + (100 << 20).to_bytes(4, "little") + bytes(100 << 20)
        squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        body = zlib.decompress(content[meta_end:], -zlib.MAX_WBITS)
        at = body.index(b"\x10\0\x10\0")  # group 9 goes before the patient's group 10
        squeezed = squeezer.compress(body[:at] + private + body[at:]) + squeezer.flush()
        victim.write_bytes(content[:meta_end] + squeezed)

        with pytest.raises(ReadError, match=f"{victim.name}: inflates to over 16 MiB"):
            read_volume(tmp_path)

    def test_sequences_nested_without_end_are_refused(self, tmp_path: Path) -> None:
        victim = series(tmp_path)[2]
        content = victim.read_bytes()
        item = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
        at = content.index(b"\x10\0\x10\0PN")
        victim.write_bytes(content[:at] + item * 3000 + content[at:])
        with pytest.raises(ReadError, match=victim.name):
            read_volume(tmp_path)

    def test_an_empty_file_named_as_dicom_is_refused(self, tmp_path: Path) -> None:
        series(tmp_path)
        (tmp_path / "empty.dcm").touch()
        with pytest.raises(ReadError, match=r"empty\.dcm: is named as DICOM but is none"):
            read_volume(tmp_path)

    @pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of the escape sequence
    def test_text_of_a_header_stays_on_one_line(self, tmp_path: Path) -> None:
        evil = "a\x1b[31m\u202eb"
        for number in (1, 2):
            series(tmp_path / str(number), changed(SeriesDescription=evil, SpecificCharacterSet="ISO_IR 192"))
        with pytest.raises(SeriesError) as caught:
            read_volume(tmp_path)
        assert str(caught.value).isprintable()

    def test_memory_that_is_not_there_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from medfuse.io.dicom import pixels

        def none_left(*_: object) -> None:
            raise MemoryError

        series(tmp_path)
        monkeypatch.setattr(pixels, "_decode", none_left)
        with pytest.raises(ReadError, match="not enough memory"):
            read_volume(tmp_path)


def test_no_series_can_be_read(tmp_path: Path) -> None:
    series(tmp_path / "a", changed(SeriesNumber=1, SOPClassUID="1.2.840.10008.5.1.4.1.1.7"))
    series(tmp_path / "b", changed(SeriesNumber=2, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    with pytest.raises(
        SeriesError, match=r"none of its 2 series can be read as a volume: .*secondary.*localizers"
    ):
        read_volume(tmp_path)
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(SeriesError, match="localizers only"):
        read_volume(tmp_path)
