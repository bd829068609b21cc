"""Padding that no header declares: what no scanner measures, where it touches the border."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medfuse import Geometry, Volume, read_volume, write_volume
from medfuse.errors import ReadError
from medfuse.io.undeclared_padding import mark_extremes, mark_not_finite

GRID = Geometry((14, 12, 10), (2, 2, 3))


def body(modality: str) -> tuple[np.ndarray, np.ndarray]:
    """Values of a scanner, and a block around which nothing was measured."""
    rng = np.random.default_rng(0)
    values = rng.normal(300, 200, GRID.shape) if modality == "MR" else rng.uniform(-1020, 1500, GRID.shape)
    inside = np.zeros(GRID.shape, bool)
    inside[2:9, 1:10, 3:13] = True
    return np.rint(np.abs(values) if modality == "MR" else values), inside


@pytest.mark.parametrize(
    ("modality", "value"), [("MR", -32768), ("MR", -3024), ("CT", -3024), ("CT", -2000), ("CT", -2048)]
)
def test_extremes_around_the_rest_are_padding(tmp_path: Path, modality: str, value: float) -> None:
    values, inside = body(modality)
    write_volume(Volume(np.where(inside, values, value), GRID), tmp_path / "v.nii.gz")
    volume = read_volume(tmp_path / "v.nii.gz", modality=modality)
    np.testing.assert_array_equal(volume.valid, inside)
    np.testing.assert_array_equal(volume.measured().min(), values[inside].min())
    said = f"the value −{abs(value)} at its border ({1 - inside.mean():.1%} of the voxels)"
    assert any(said in note and "taken as such" in note for note in volume.notes)


def test_extremes_are_left_out_before_the_modality_is_guessed(tmp_path: Path) -> None:
    for modality in ("MR", "CT"):
        values, inside = body(modality)
        write_volume(Volume(np.where(inside, values, -32768), GRID), tmp_path / f"{modality}.nii.gz")
        volume = read_volume(tmp_path / f"{modality}.nii.gz")
        assert volume.modality == ("CT" if modality == "CT" else "OT")
        np.testing.assert_array_equal(volume.valid, inside)


def test_what_was_interpolated_between_padding_and_ct_is_padding() -> None:
    values, inside = body("CT")
    array = np.where(inside, values, -2048)
    array[5, 0, 3:13] = -1500  # half way: no HU
    found = mark_extremes(Volume(array, GRID, "CT"))
    np.testing.assert_array_equal(found.valid, inside)
    assert mark_extremes(Volume(array, GRID, "MR")).valid is None  # values next to it: no extreme


@pytest.mark.parametrize(
    "array",
    [
        np.where(body("CT")[1], body("CT")[0], -1024),  # air
        np.where(body("MR")[1], body("MR")[0], 0),  # no signal: see registration
        np.where(body("MR")[1], 3.0, -1.0),  # labels
        np.where(
            np.indices(GRID.shape).sum(axis=0) == 17, -32768, body("MR")[0]
        ),  # within, and at some border
        np.full(GRID.shape, -2000.0),
    ],
    ids=["air", "no signal", "labels", "few", "all"],
)
def test_other_values_are_measured(array: np.ndarray) -> None:
    volume = Volume(array, GRID, "MR")
    assert mark_extremes(volume) is volume


def test_nan_at_the_border_is_padding_and_holds_the_smallest_value(tmp_path: Path) -> None:
    values, inside = body("MR")
    write_volume(Volume(np.where(inside, values, np.nan), GRID), tmp_path / "v.nii.gz")
    volume = read_volume(tmp_path / "v.nii.gz", modality="MR")
    np.testing.assert_array_equal(volume.valid, inside)
    assert (volume.array[~inside] == values[inside].min()).all()
    assert any("NaN or infinite values at its border" in note for note in volume.notes)


def test_nan_beside_declared_padding_is_padding() -> None:
    values, inside = body("MR")
    values[2, 1:10, 3:13] = np.nan  # a sheared volume's rim, which deskewing smeared
    found = mark_not_finite(Volume(values, GRID, "MR", valid=inside))
    assert not found.valid[2].any()
    assert found.valid[3:9, 1:10, 3:13].all()


def test_nan_within_is_refused(tmp_path: Path) -> None:
    for hole in (False, True):
        values, inside = body("MR")
        array = np.where(inside, values, np.nan) if hole else values.copy()
        array[5, 5, 6] = np.nan
        write_volume(Volume(array, GRID), tmp_path / "v.nii.gz", overwrite=True)
        with pytest.raises(ReadError, match=r"1 of 1680 voxels are NaN"):
            read_volume(tmp_path / "v.nii.gz", modality="MR")
    write_volume(Volume(np.full(GRID.shape, np.nan), GRID), tmp_path / "n.nii.gz")
    with pytest.raises(ReadError, match="1680 of 1680 voxels are NaN"):
        read_volume(tmp_path / "n.nii.gz", modality="MR")
