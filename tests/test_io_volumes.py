"""Several volumes in one series, images sent twice, and series of several sources: told apart, or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import compress_jpeg_2000, write_series
from dicom_objects import item, write_enhanced
from oriented import ORIENTED
from pydicom.dataset import Dataset

from medfuse.errors import SeriesError
from medfuse.io import describe, read_volume
from medfuse.volume import Geometry

GRID = Geometry((7, 6, 5), (0.8, 1.1, 2.5), (-10, 20, 30), ORIENTED["oblique"].direction)
COUNT = 3
STORED = np.random.default_rng(0).integers(1, 2000, (COUNT, *GRID.shape)).astype("u2")

Values = Callable[[int, int], dict[str, Any]]
"""Attributes of slice ``k`` of volume ``v``."""


def volumes(
    folder: Path, values: Values, stored: Sequence[np.ndarray] = STORED, modality: str = "MR"
) -> Path:
    """Volumes of one series in subfolders of ``folder``."""
    for v, one in enumerate(stored):

        def edit(dataset: Dataset, k: int, v: int = v) -> None:
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = (
                "1.2",
                "1.3",
                "1.4",
            )
            dataset.SOPInstanceUID = f"1.5.{v}.{k}"
            dataset.InstanceNumber = k + 1
            for name, value in values(v, k).items():
                if name.startswith("("):
                    dataset.private_block(0x0029, "test", create=True).add_new(1, "LO", value)
                else:
                    setattr(dataset, name, value)

        write_series(folder / str(v), one, GRID, modality="MR", edit=edit)
    return folder


@pytest.mark.parametrize(
    ("values", "label"),
    [
        (lambda v, k: {"ContentTime": f"10111{v}"}, "ContentTime 101111"),
        (lambda v, k: {"SeriesDescription": f"4D {v}0%"}, "SeriesDescription ‹4D 10%›"),
        (lambda v, k: {"FrameReferenceTime": f"{v * 60000}"}, "FrameReferenceTime 60000.0"),
        (lambda v, k: {"KVP": str(80 + 20 * v)}, "KVP 100.0"),
        (lambda v, k: {"ConvolutionKernel": "abc"[v]}, "ConvolutionKernel ‹b›"),
        # varies along the slices: the order at each position tells
        (lambda v, k: {"TriggerTime": f"{40 * v + 7 * (k % 3)}"}, "TriggerTime 40.0 to 54.0"),
        (lambda v, k: {"AcquisitionTime": f"{100000 + 100 * k + v}"}, "AcquisitionTime 100001 to 100401"),
        # position by position
        (lambda v, k: {"InstanceNumber": 1 + COUNT * k + v}, "InstanceNumber 2 to 14"),
        # an attribute of a vendor alone
        (lambda v, k: {"(private)": f"b{v}000"}, "(0029,1001) ‹b1000›"),
        # a time that starts anew at each position
        (lambda v, k: {"TemporalPositionIdentifier": v + 1 + k % 2}, "TemporalPositionIdentifier 2 to 3"),
    ],
)
def test_what_tells_volumes_apart(tmp_path: Path, values: Values, label: str) -> None:
    folder = volumes(tmp_path, values)
    with pytest.raises(SeriesError, match="holds 3 volumes of 5 slices in one series; choose one"):
        read_volume(folder)
    for v in range(COUNT):
        volume = read_volume(folder, volume=v + 1)
        np.testing.assert_array_equal(volume.array, STORED[v])
        assert volume.geometry.matches(GRID, 1e-6)
    assert f"volume 2 of 3 in the series: {label}" in read_volume(folder, volume=2).notes
    assert [one.what for one in describe(folder)][1] == label


def frame_content(**values: Any) -> Callable[[Dataset, int], None]:
    def groups(one: Dataset, v: int) -> None:
        one.FrameContentSequence = [item(**{name: values[name][v] for name in values})]

    return groups


def unassigned(one: Dataset, v: int) -> None:
    inner = Dataset()
    inner.add_new((0x2001, 0x0010), "LO", "Vendor")
    inner.add_new((0x2001, 0x1003), "FL", 500.0 * v)
    one.UnassignedPerFrameConvertedAttributesSequence = [inner]


FRAME_GROUPS: dict[str, Callable[[Dataset, int], None]] = {
    "FrameAcquisitionDateTime": frame_content(
        FrameAcquisitionDateTime=["20200102101000", "20200102101100", "20200102101200"]
    ),
    "DimensionIndexValue 3": frame_content(DimensionIndexValues=[[1, 1, v] for v in (1, 2, 3)]),
    "NominalPercentageOfCardiacPhase": lambda one, v: setattr(
        one, "CardiacSynchronizationSequence", [item(NominalPercentageOfCardiacPhase=30.0 * v)]
    ),
    "ComplexImageComponent": lambda one, v: setattr(
        one, "MRImageFrameTypeSequence", [item(ComplexImageComponent=["MAGNITUDE", "PHASE", "REAL"][v])]
    ),
    "ASLContext": lambda one, v: setattr(
        one, "MRArterialSpinLabelingSequence", [item(ASLContext=["CONTROL", "LABEL", "M_ZERO_SCAN"][v])]
    ),
    "(2001,1003)": unassigned,
}


@pytest.mark.parametrize("name", FRAME_GROUPS)
def test_what_tells_frames_apart(tmp_path: Path, name: str) -> None:
    places = np.tile(np.arange(5), COUNT)
    write_enhanced(
        tmp_path / "a.dcm",
        STORED.reshape(-1, *GRID.shape[1:]),
        GRID,
        places,
        groups=lambda one, i: FRAME_GROUPS[name](one, i // 5),
    )
    found = [read_volume(tmp_path, volume=v + 1) for v in range(COUNT)]

    assert sum(np.array_equal(one.array, STORED[v]) for one in found for v in range(COUNT)) == COUNT
    assert all(f"in the series: {name} " in one.notes[0] for one in found)


def test_enhanced_files_of_several_times(tmp_path: Path) -> None:
    for v in range(2):

        def edit(dataset: Dataset, v: int = v) -> None:
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = (
                "1.2",
                "1.3",
                "1.4",
            )
            dataset.AcquisitionDateTime = f"2020010210100{v}"

        write_enhanced(tmp_path / f"{v}.dcm", STORED[v], GRID, range(5), edit=edit)
    np.testing.assert_array_equal(read_volume(tmp_path, volume=2).array, STORED[1])


class TestNothingTells:
    def test_the_attributes_that_differ_are_named(self, tmp_path: Path) -> None:
        times = iter(f"1011{number:02d}.5" for number in np.random.default_rng(0).permutation(30))
        folder = volumes(tmp_path, lambda v, k: {"AcquisitionDate": "20200102", "StudyTime": next(times)})
        with pytest.raises(
            SeriesError,
            match=r"15 images lie at 5 positions .* \(they differ in StudyTime\); export each volume",
        ):
            read_volume(folder)

    def test_random_instance_numbers_tell_nothing(self, tmp_path: Path) -> None:
        numbers = iter((np.random.default_rng(1).permutation(15) + 1).tolist())
        folder = volumes(tmp_path, lambda v, k: {"InstanceNumber": next(numbers)})
        with pytest.raises(SeriesError, match=r"their headers do not differ"):
            read_volume(folder)

    def test_positions_that_are_all_alike(self, tmp_path: Path) -> None:
        place = [f"{value:.6f}" for value in GRID.origin]
        folder = volumes(
            tmp_path, lambda v, k: {"ImagePositionPatient": place, "SliceLocation": str(k)}, STORED[:1]
        )
        with pytest.raises(SeriesError, match="the positions of all 5 images are alike"):
            read_volume(folder)


class TestResent:
    def test_under_new_uids(self, tmp_path: Path) -> None:
        folder = volumes(tmp_path, lambda v, k: {}, [STORED[0], STORED[0]])
        volume = read_volume(folder)

        np.testing.assert_array_equal(volume.array, STORED[0])
        assert volume.notes == ("5 image(s) that were there again under other UIDs left out",)
        assert describe(folder)[0].notes == volume.notes

    def test_in_another_transfer_syntax(self, tmp_path: Path) -> None:
        volumes(tmp_path / "a", lambda v, k: {}, STORED[:1])
        folder = volumes(tmp_path, lambda v, k: {"SOPInstanceUID": f"1.6.{k}"}, STORED[:1])
        for path in (tmp_path / "0").iterdir():
            import pydicom

            dataset = pydicom.dcmread(path)
            compress_jpeg_2000(dataset)
            dataset.save_as(path)
        np.testing.assert_array_equal(read_volume(folder).array, STORED[0])

    def test_some_of_them(self, tmp_path: Path) -> None:
        folder = volumes(tmp_path, lambda v, k: {}, [STORED[0], STORED[0]])
        for path in sorted((tmp_path / "1").iterdir())[:3]:
            path.unlink()
        assert read_volume(folder).notes[0].startswith("2 image(s)")

    def test_slices_of_air_are_no_twins(self, tmp_path: Path) -> None:
        """Equal because they are empty; nothing tells these two volumes apart."""
        empty = np.zeros_like(STORED[:2])
        empty[:, 2] = STORED[:2, 2]
        folder = volumes(tmp_path, lambda v, k: {}, empty)
        with pytest.raises(SeriesError, match="10 images lie at 5 positions"):
            read_volume(folder)


class TestOneSource:
    @pytest.mark.parametrize(
        ("keyword", "other"),
        [
            ("PatientID", "P2"),
            ("PatientName", "Other^Name"),
            ("PatientBirthDate", "19710101"),
            ("StudyInstanceUID", "1.9"),
            ("Modality", "PT"),
            ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.128"),
        ],
    )
    def test_images_of_several_sources_are_refused(self, tmp_path: Path, keyword: str, other: str) -> None:
        """Positions follow on, so that all would make one long volume."""
        folder = volumes(tmp_path, lambda v, k: {keyword: other} if k > 2 else {}, STORED[:1])
        with pytest.raises(SeriesError, match=f"{keyword} differs within one series") as caught:
            read_volume(folder)
        assert other not in str(caught.value)  # who it is stays unsaid

    @pytest.mark.parametrize(
        ("keyword", "other"),
        [("ImageType", ["DERIVED", "PRIMARY", "AXIAL"]), ("ConvolutionKernel", "B70f")],
    )
    def test_slices_that_were_reconstructed_otherwise_are_refused(
        self, tmp_path: Path, keyword: str, other: Any
    ) -> None:
        folder = volumes(tmp_path, lambda v, k: {keyword: other} if k > 2 else {}, STORED[:1])
        with pytest.raises(SeriesError, match=rf"{keyword} differs \(.* do not make one volume"):
            read_volume(folder)

    def test_a_vendors_part_of_the_image_type_is_noted(self, tmp_path: Path) -> None:
        """A head CT whose slices of the skull base were added up by the scanner (ADD)."""

        def added(v: int, k: int) -> dict[str, Any]:
            return {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "ADD"]} if k > 2 else {}

        volume = read_volume(volumes(tmp_path, added, STORED[:1]))
        assert "its slices are of several image types: ‹ORIGINAL\\PRIMARY\\AXIAL" in volume.notes[0]

    def test_another_frame_of_reference_is_refused_a_missing_one_noted(self, tmp_path: Path) -> None:
        def other(v: int, k: int) -> dict[str, str]:
            return {"FrameOfReferenceUID": "1.8"} if k > 2 else {}

        def none(v: int, k: int) -> dict[str, str]:
            return {"FrameOfReferenceUID": ""} if k > 2 else {}

        with pytest.raises(SeriesError, match="another frame of reference"):
            read_volume(volumes(tmp_path / "a", other, STORED[:1]))
        volume = read_volume(volumes(tmp_path / "b", none, STORED[:1]))
        np.testing.assert_array_equal(volume.array, STORED[0])
        assert "2 of 5 slices do not name their frame of reference" in volume.notes[0]


class TestOrientation:
    """Judged by what it moves at the corner of a slice: here 60 mm from the first voxel."""

    GRID = Geometry((31, 31, 4), (2.0, 2.0, 3.0))
    VALUES = np.random.default_rng(0).integers(0, 2000, GRID.shape).astype("u2")

    def turned(self, folder: Path, angles: Sequence[float]) -> Path:
        """Slices turned in their plane about their middle."""

        def edit(dataset: Dataset, k: int) -> None:
            c, s = np.cos(angles[k]), np.sin(angles[k])
            row, column = np.array([c, s, 0]), np.array([-s, c, 0])
            corner = np.array([30, 30, 3.0 * k]) - 30 * row - 30 * column
            dataset.ImageOrientationPatient = [f"{value:.12f}" for value in (*row, *column)]
            dataset.ImagePositionPatient = [f"{value:.9f}" for value in corner]

        write_series(folder, self.VALUES, self.GRID, edit=edit)
        return folder

    @pytest.mark.parametrize(("angle", "noted"), [(1e-5, False), (3e-4, True)])
    def test_what_moves_a_corner_by_less_than_a_tenth_is_read(
        self, tmp_path: Path, angle: float, noted: bool
    ) -> None:
        volume = read_volume(self.turned(tmp_path, [-angle, angle, angle, -angle]))

        np.testing.assert_array_equal(volume.array, self.VALUES - 1024.0)
        assert volume.geometry.matches(self.GRID, 1e-5)
        assert [("the orientation varies by up to 0.05" in note) for note in volume.notes] == [True] * noted

    def test_more_is_refused_with_the_distance(self, tmp_path: Path) -> None:
        with pytest.raises(SeriesError, match=r"another orientation .*: 0\.17 mm at a corner"):
            read_volume(self.turned(tmp_path, [0, 0, 2e-3, 0]))
