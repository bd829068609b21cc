"""What the options of the command line make of a study."""

from __future__ import annotations

from pathlib import Path

import pytest

from medfuse.cli.inputs import InputOptions
from medfuse.cli.options import kind_of, recipe_with
from medfuse.errors import ParameterError
from medfuse.recipe import Recipe
from medfuse.study import InputVolume, Study

VOLUMES = [Path("ct.nii"), Path("t1.nii"), Path("t2.nii")]


def study(volumes=VOLUMES, transforms=None, conventions=None, landmarks=None):
    return InputOptions(
        volumes,
        modality=["ct", "-", "mr"][: len(volumes)],
        initial_transform=transforms,
        transform_convention=conventions,
        landmarks=landmarks,
    ).study()


def conventions(made):
    return [one.convention for one in made.moving]


def test_transforms_in_order_with_gaps():
    made = study(transforms=["-", "m.txt"], conventions=["ras"])
    assert made == Study(
        InputVolume("ct.nii", "CT"),
        ("t1.nii", InputVolume("t2.nii", "MR", transform="m.txt", convention="ras")),
    )
    with pytest.raises(ParameterError, match="1 times --initial-transform for 2 moving volumes"):
        study(transforms=["m.txt"])


def test_labels_in_order_with_gaps():
    made = InputOptions(VOLUMES, label=["-", "MR FLAIR", "-"]).study()
    assert [one.label for one in made.volumes] == ["", "MR FLAIR", ""]
    with pytest.raises(ParameterError, match="1 times --label for 3 volumes"):
        InputOptions(VOLUMES, label=["CT"]).study()
    for label in ("x" * 41, "two\nlines"):
        with pytest.raises(ParameterError, match="expected up to 40 letters on one line"):
            InputVolume("ct.nii", label=label)


def test_one_convention_for_all_or_one_for_each():
    files = ["a.txt", "b.tfm"]
    assert conventions(study(transforms=files, conventions=["inverse"])) == ["inverse", "inverse"]
    assert conventions(study(transforms=files, conventions=["ras", "-"])) == ["ras", ""]
    with pytest.raises(ParameterError, match="3 times --transform-convention for 2 moving"):
        study(transforms=files, conventions=["ras", "ras", "ras"])


def test_landmarks_are_for_one_moving_volume():
    pair = (Path("a.fcsv"), Path("b.fcsv"))
    assert [one.landmarks for one in study(VOLUMES[:2], landmarks=pair).volumes] == [None, pair]
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
