"""What the options of the command line make of a study."""

from __future__ import annotations

from pathlib import Path

import pytest

from medfuse.cli.options import kind_of, recipe_with, study_of
from medfuse.errors import ParameterError
from medfuse.recipe import Recipe

READING = {"series": None, "volume": None, "spacing": None, "allow_uneven": False, "suv": False}
VOLUMES = [Path("ct.nii"), Path("t1.nii"), Path("t2.nii")]


def study(volumes=VOLUMES, transforms=(), conventions=(), landmarks=None):
    return study_of(volumes, ("ct", "mr", "mr")[: len(volumes)], transforms, conventions, landmarks, READING)


def test_transforms_in_order_with_gaps():
    made = study(transforms=[Path("-"), Path("m.txt")], conventions=["ras"])
    assert made.modalities == ("CT", "MR", "MR")
    assert made.initial_transforms == (None, Path("m.txt"))
    assert made.conventions == ("", "ras")


def test_one_convention_for_all_or_one_for_each():
    files = [Path("a.txt"), Path("b.tfm")]
    assert study(transforms=files, conventions=["inverse"]).conventions == ("inverse", "inverse")
    assert study(transforms=files, conventions=["ras", "-"]).conventions == ("ras", "")
    with pytest.raises(ParameterError, match="3 transform conventions for 2 moving"):
        study(transforms=files, conventions=["ras", "ras", "ras"])


def test_landmarks_are_for_one_moving_volume():
    pair = (Path("a.fcsv"), Path("b.fcsv"))
    assert study(VOLUMES[:2], landmarks=pair).landmarks == (pair,)
    with pytest.raises(ParameterError, match="--landmarks with 2 moving volumes"):
        study(landmarks=pair)


def test_no_registration_is_the_kind_none():
    assert kind_of(None, True) == kind_of("none", True) == kind_of("none", False) == "none"
    assert kind_of("affine", False) == "affine"
    assert kind_of(None, False) is None
    with pytest.raises(ParameterError, match="--no-registration and --registration affine"):
        kind_of("affine", True)


def test_the_command_line_wins_over_the_recipe_file(tmp_path):
    Recipe(method="pca", grid="finest", registration="affine", parameters={"patch": 5}).write(
        tmp_path / "r.toml"
    )
    made = recipe_with(tmp_path / "r.toml", {"grid": "isotropic:2", "registration": None, "parameters": {}})
    assert made == Recipe(method="pca", grid="isotropic:2", registration="affine", parameters={"patch": 5})
    assert recipe_with(None, {"registration": "none"}) == Recipe(registration="none")
