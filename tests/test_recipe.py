"""Recipes: what is refused, and what survives a file."""

from __future__ import annotations

import pytest

from medfuse import Recipe
from medfuse.errors import DeviceError, ParameterError, ReadError, UnknownNameError
from medfuse.fusion.dip.method import DeepImagePrior
from medfuse.fusion.simple import Average


def test_a_recipe_survives_a_file(tmp_path):
    recipe = Recipe(
        method="dip",
        preset="fast",
        parameters={"steps": 12, "input": "noise", "warm_start": False, "learning_rate": 0.05},
        registration="affine",
        registration_preset="ct-mr",
        registration_start="header",
        grid="isotropic:0.75",
        interpolation="bspline",
        windows=("CT=brain", "MR=1%-99%"),
        seed=9,
    )
    recipe.write(tmp_path / "recipe.toml")
    assert Recipe.read(tmp_path / "recipe.toml") == recipe


def test_defaults_survive_a_file(tmp_path):
    Recipe().write(tmp_path / "r.toml")
    assert Recipe.read(tmp_path / "r.toml") == Recipe()


def test_written_by_hand(tmp_path):
    (tmp_path / "r.toml").write_text('method = "pca"\nwindows = ["brain"]\n[parameters]\npatch = 5\n')
    recipe = Recipe.read(tmp_path / "r.toml")
    assert recipe.windows == ("brain",)
    assert recipe.build_method().patch == 5


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("method = ", ReadError, "cannot read the recipe"),
        ("metod = 'dip'", UnknownNameError, "unknown recipe field 'metod'. Did you mean 'method'?"),
        ("seed = 'one'", ParameterError, "recipe field seed = 'one': expected a whole number"),
        ("seed = 0", ParameterError, "seed 0: expected a whole number from 1"),
        ("registration = 'elastic'", UnknownNameError, "unknown registration 'elastic'"),
        ("registration_preset = 'ct'", UnknownNameError, "unknown registration preset 'ct'"),
        ("registration_start = 'x'", UnknownNameError, "unknown registration start 'x'"),
        ("interpolation = 'label'", UnknownNameError, "unknown interpolation 'label'"),
        ("grid = 'isotropic'", ParameterError, "grid 'isotropic': expected fixed, finest, isotropic:MM"),
        ("grid = 0.8", ParameterError, "recipe field grid = 0.8: expected text"),
        ("windows = 'brain'", ParameterError, "recipe field windows"),
    ],
)
def test_files_that_are_refused(tmp_path, text, error, message):
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(error) as caught:
        Recipe.read(tmp_path / "r.toml")
    assert str(caught.value).startswith(message)


def test_missing_file(tmp_path):
    with pytest.raises(ReadError, match="cannot read the recipe"):
        Recipe.read(tmp_path / "nowhere.toml")


class TestBuildMethod:
    def test_device_and_seed_reach_the_method(self):
        method = Recipe(method="dip", device="cpu", seed=4).build_method()
        assert (method.device, method.seed) == ("cpu", 4)

    def test_methods_without_them_are_built_all_the_same(self):
        assert Recipe(method="average", device="cpu", seed=4).build_method() == Average()

    def test_parameters_win(self):
        recipe = Recipe(
            method="dip", preset="fast", seed=4, parameters={"seed": 8, "steps": "5"}, device="cpu"
        )
        method = recipe.build_method()
        assert isinstance(method, DeepImagePrior)
        assert (method.seed, method.steps, method.width) == (8, 5, 16)

    def test_unknown_method(self):
        with pytest.raises(UnknownNameError, match=r"unknown fusion method 'dipp'. Did you mean 'dip'"):
            Recipe(method="dipp").build_method()

    def test_a_preset_of_a_method_without_presets(self):
        with pytest.raises(UnknownNameError, match=r"unknown preset 'fast'. Choose from: auto"):
            Recipe(method="average", preset="fast").build_method()

    def test_a_device_that_is_not_there(self):
        with pytest.raises((DeviceError, ParameterError)):
            Recipe(device="cuda:99").build_method()
