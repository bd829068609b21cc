"""Paths of every kind: no UTF-8, other alphabets, blanks, quotes, long ones; no abort, no loss."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from dicom_factory import write_series
from PIL import Image
from test_io_values import flat_jpeg

from medfuse.io import describe, read_transform, read_volume, sha256_of, write_transform, write_volume
from medfuse.volume import Geometry, Volume

GRID = Geometry((9, 8, 3), (0.9, 1.1, 3.0), (1, 2, 3))
STORED = np.random.default_rng(0).integers(0, 2000, GRID.shape).astype("u2")
NAMES = {
    "latin-1": os.fsdecode(b"Sch\xe4del M\xfcller"),
    "blanks and quotes": " a 'b' \"c\" ",
    "emoji": "🧠 頭",
    "Windows": r"C:\Users\x",
    "percent": "%s %d {}",
    "line break": "a\nb",
    "deep": "x" * 120,
}


@pytest.fixture(params=NAMES)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if sys.platform == "win32" and request.param not in ("emoji", "percent"):
        pytest.skip("Windows does not allow such a name")
    place = tmp_path / NAMES[request.param]
    if request.param == "deep":
        place = place / ("y" * 120)
    place.mkdir(parents=True)
    return place


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_volumes_are_written_and_read(folder: Path, suffix: str) -> None:
    path = folder / f"{folder.name[:60]}{suffix}"
    write_volume(Volume(STORED, GRID), path)
    np.testing.assert_array_equal(read_volume(path).array, STORED)
    assert len(describe(folder)) == 1
    assert len(sha256_of(path)) == 64
    assert [one.name for one in folder.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".tfm", ".h5"])
def test_transforms_are_written_and_read(folder: Path, suffix: str) -> None:
    path = folder / f"{folder.name[:60]}{suffix}"
    write_transform(SimpleITK.Euler3DTransform((1, 2, 3), 0.1, 0.2, 0.3, (4, 5, 6)), path)
    back = read_transform(path)
    np.testing.assert_allclose(back.GetParameters(), (0.1, 0.2, 0.3, 4, 5, 6))
    assert [one.name for one in folder.iterdir()] == [path.name]


def jpeg(dataset: object, k: int) -> None:
    from pydicom.encaps import encapsulate

    dataset.Rows = dataset.Columns = 8
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.PixelData = encapsulate([flat_jpeg(difference=40 * (k + 1))])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.51"


@pytest.mark.parametrize("edit", [None, jpeg], ids=["plain", "by GDCM"])
def test_dicom_is_read(folder: Path, edit: Callable | None) -> None:
    write_series(folder, STORED, GRID, edit=edit)
    volume = read_volume(folder)
    expected = (
        STORED - 1024.0 if edit is None else [np.full((8, 8), 2048 + 5 * (k + 1) - 1024) for k in range(3)]
    )
    np.testing.assert_array_equal(volume.array, expected)


def test_pictures_and_pairs_are_read(folder: Path) -> None:
    Image.fromarray(STORED[0].astype("u1")).save(folder / "p.png")
    np.testing.assert_array_equal(
        read_volume(folder / "p.png", spacing=(1, 1)).array[0], STORED[0].astype("u1")
    )
    nibabel.save(nibabel.Nifti1Pair(STORED.T.astype("i2"), np.eye(4)), folder / "v.img")
    np.testing.assert_array_equal(read_volume(folder / "v.hdr").array, STORED)
