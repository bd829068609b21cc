"""The options of ``medfuse fuse`` that say how volumes are read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import write_series
from PIL import Image
from typer.testing import CliRunner

from medfuse import InputVolume, Recipe, Study, run_study
from medfuse.cli import app
from medfuse.cli.inputs import reading_options
from medfuse.errors import ParameterError
from medfuse.io import ReadOptions
from medfuse.report.provenance import provenance
from medfuse.volume import Geometry

GRID = Geometry((32, 30, 4), (2.0, 2.0, 3.0), (-30, -30, 5))
STORED = np.random.default_rng(0).integers(0, 2000, GRID.shape).astype("u2")


def options(count: int = 2, series=None, volume=None, spacing=None, **permissions):
    return reading_options(count, series, volume, spacing, **permissions)


def test_each_volume_has_its_own() -> None:
    first, second = options(series=["7", "-"], volume=["-", "3"], spacing=["-", "0.5"])
    assert first == ReadOptions(series="7")
    assert second == ReadOptions(volume=3, spacing=(0.5, 0.5))


def test_a_spacing_of_three() -> None:
    assert options(spacing=["0.5,0.6,3", "-"])[0].spacing == (0.5, 0.6, 3.0)


def test_permissions_hold_for_all() -> None:
    given = {"allow_uneven": True, "suv": True, "to_grey": True}
    assert options(**given) == (ReadOptions(**given),) * 2


def test_nothing_said() -> None:
    assert options() == (ReadOptions(),) * 2


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"series": ["7"]}, "1 times --series for 2 volumes"),
        ({"volume": ["1", "2", "3"]}, "3 times --volume for 2 volumes"),
        ({"volume": ["one", "-"]}, "--volume one: expected a whole number"),
        ({"volume": ["-1", "-"]}, "--volume -1: expected a whole number"),
        ({"volume": ["0", "-"]}, "counted from 1"),
        ({"spacing": ["wide", "-"]}, "--spacing wide: expected millimetres"),
        ({"spacing": ["1,2,3,4", "-"]}, "expected two or three numbers"),
    ],
)
def test_what_is_refused(given: dict, says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        options(**given)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder with two series on one grid, and a picture of the middle slice of one."""
    for number, modality in ((5, "CT"), (6, "MR")):
        write_series(
            tmp_path / "all" / modality,
            STORED,
            GRID,
            modality=modality,
            edit=lambda dataset, k, number=number: setattr(dataset, "SeriesNumber", number),
        )
    Image.fromarray((STORED[1] // 8).astype("u1")).save(tmp_path / "a.png")
    return tmp_path


def test_two_series_of_one_folder(archive: Path) -> None:
    words = [
        "fuse",
        archive / "all",
        archive / "all",
        "-o",
        archive / "out",
        "--series",
        "5",
        "--series",
        "6",
    ]
    words += ["--method", "pca", "--no-registration", "--progress", "none"]
    result = CliRunner().invoke(app, [str(word) for word in words])

    assert result.exit_code == 0, result.output
    inputs = json.loads((archive / "out" / "provenance.json").read_text())["inputs"]
    assert [one["modality"] for one in inputs] == ["CT", "MR"]
    assert [one["reading"] for one in inputs] == [{}, {}]  # a series is named only where identity is kept


def test_the_provenance_tells_the_choices(archive: Path) -> None:
    study = Study(
        InputVolume(archive / "a.png", reading=ReadOptions(spacing=(1, 1))),
        InputVolume(archive / "a.png", reading=ReadOptions(spacing=(1, 1, 2), allow_uneven=True)),
    )
    facts = provenance(run_study(study, Recipe(method="pca", registration="none", profile="ma2021")))
    assert [one["reading"] for one in facts["inputs"]] == [
        {"spacing": (1.0, 1.0)},
        {"allow_uneven": True, "spacing": (1.0, 1.0, 2.0)},
    ]


def test_an_option_that_a_file_has_not(archive: Path) -> None:
    study = Study(
        InputVolume(archive / "a.png", reading=ReadOptions(series="5", spacing=(1, 1))),
        InputVolume(archive / "a.png", reading=ReadOptions(spacing=(1, 1))),
    )
    with pytest.raises(ParameterError, match=r"series '5': .*a\.png is a 2-D image, which has no series"):
        run_study(study, Recipe(method="pca", registration="none"))
