"""Header values straight from their bytes are what pydicom's own conversion gives."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from dicom_factory import write_series
from oriented import ORIENTED
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medfuse.io.dicom import headers, parse

GRID = ORIENTED["oblique"]
ODD = {
    "PatientName": "Müller^Zoë", "SeriesDescription": "T1 ±5°", "BodyPartExamined": "HEAD ",
    "ImageType": ["ORIGINAL", "", "AXIAL"], "PixelSpacing": ["1.5e-1", " 2 "], "EchoTime": "",
    "RescaleSlope": "+1.0", "SeriesTime": "101112.5", "WindowCenter": "40",
}  # fmt: skip


def by_pydicom(path: Path, keywords: tuple[str, ...]) -> dict:
    dataset, _ = parse.load(path, keywords, 1 << 20, pixels=False)
    values = {element.keyword: headers._plain(element.value) for element in dataset}
    return {keyword: value for keyword, value in values.items() if value not in (None, "", ())}


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_the_same_values_and_types(tmp_path: Path, syntax: str) -> None:
    import numpy as np

    def edit(dataset: pydicom.Dataset, k: int) -> None:
        dataset.SpecificCharacterSet = "ISO_IR 100"
        for keyword, value in ODD.items():
            setattr(dataset, keyword, value)

    with pydicom.config.disable_value_validation():
        path = write_series(tmp_path, np.zeros(GRID.shape, "u2"), GRID, edit=edit, syntax=syntax)[0]
    header = headers.read_header(path)
    expected = by_pydicom(path, tuple(header.values))

    assert dict(header.values) == expected
    assert {k: type(v) for k, v in header.values.items()} == {k: type(v) for k, v in expected.items()}
    assert header.transfer_syntax == syntax
    assert header.get("PatientName") == "Müller^Zoë"
    assert header.get("PixelSpacing") == (0.15, 2.0)


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian]
)
def test_the_transfer_syntax_by_a_walk_over_the_first_bytes(tmp_path: Path, syntax: str) -> None:
    dataset = pydicom.Dataset()
    dataset.PatientID = "1"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2"
    dataset.file_meta.FileMetaInformationVersion = b"\0\1"
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    start = (tmp_path / "a.dcm").read_bytes()

    assert parse._plain_syntax(start) == syntax
    assert parse._plain_syntax(b"x" + start) is None
    assert parse._plain_syntax(start[:180]) is None  # group 2 goes on behind what was read
