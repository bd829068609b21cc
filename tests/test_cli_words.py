"""What people type and how it is understood, or refused with what to type instead."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import medfuse.batch
import medfuse.weights
from medfuse import Geometry, Recipe, Volume, write_volume
from medfuse.cli import app
from medfuse.errors import MedfuseError, ParameterError, WeightsError, WriteError


def run(*words):
    """The output of a command that ends well; its error, if it has one of ours."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, MedfuseError):
        raise done.exception
    return done


@pytest.fixture
def files(tmp_path):
    for seed, name in enumerate(("ct", "t1")):
        array = np.random.default_rng(seed).random((3, 5, 6))
        write_volume(Volume(array, Geometry((6, 5, 3))), tmp_path / f"{name}.nii.gz")
    return tmp_path


class TestOutputs:
    @pytest.mark.parametrize("command", ["fuse", "register"])
    @pytest.mark.parametrize("name", ["fused.nii.gz", "fused.nrrd"])
    def test_the_name_of_a_file_for_a_folder(self, files, command, name):
        with pytest.raises(
            ParameterError, match=r"say --output fused: the fused volume is fused/fused\.nii\.gz"
        ):
            run(command, files / "ct.nii.gz", files / "t1.nii.gz", "-o", files / name)
        assert sorted(path.name for path in files.iterdir()) == ["ct.nii.gz", "t1.nii.gz"]

    def test_a_batch_too(self, files):
        with pytest.raises(ParameterError, match="say --output out"):
            run("batch", files / "table.csv", "-o", files / "out.nii")

    def test_a_demo_leaves_foreign_folders_alone(self, files):
        with pytest.raises(WriteError, match=r"holds ct\.nii\.gz, which no demo has written"):
            run("demo", "-o", files)
        assert len(list(files.iterdir())) == 2


class TestBatch:
    @pytest.fixture
    def asked(self, files, monkeypatch):
        """The recipe that a batch would run with."""
        recipes = []

        def stop(studies, recipe, *_, **__):
            recipes.append(recipe)
            raise MedfuseError("enough")

        (files / "table.csv").write_text("study,fixed,moving\na,ct.nii.gz,t1.nii.gz\n")
        monkeypatch.setattr(medfuse.batch, "run_batch", stop)

        def ask(*words):
            with pytest.raises(MedfuseError, match="enough"):
                run("batch", files / "table.csv", "-o", files / "out", "--progress", "none", *words)
            return recipes[-1]

        return ask

    def test_without_options(self, asked):
        assert asked() == Recipe()

    def test_options_of_the_method(self, asked):
        words = ("--method", "DIP", "--preset", "fast", "-p", "steps=30", "-p", "seed=4")
        recipe = asked(*words, "--window", "MR=1%-99%", "--profile", "ma2021")
        assert recipe == Recipe(
            method="dip", preset="fast", parameters={"steps": "30", "seed": "4"}, windows=("MR=1%-99%",),
            profile="ma2021",
        )  # fmt: skip

    def test_they_win_over_the_recipe_file(self, asked, files):
        Recipe(method="pca", parameters={"patch": 5}, seed=3).write(files / "r.toml")
        recipe = asked("--recipe", files / "r.toml", "-p", "denoise=nlm")
        assert recipe == Recipe(method="pca", parameters={"patch": 5, "denoise": "nlm"}, seed=3)
        assert asked("--recipe", files / "r.toml", "--method", "gff") == Recipe(method="gff", seed=3)


class TestInfo:
    def test_several_paths(self, files):
        shown = run("info", files / "ct.nii.gz", files / "t1.nii.gz").stdout.splitlines()
        assert [line.partition(":")[0] for line in shown] == [
            str(files / f"{name}.nii.gz") for name in ("ct", "t1")
        ]
        rows = json.loads(run("info", "--json", files / "ct.nii.gz", files / "t1.nii.gz").stdout)
        assert [row["geometry"]["size"] for row in rows] == [[6, 5, 3]] * 2

    def test_a_wrong_one_is_said_before_anything_is_shown(self, files):
        with pytest.raises(MedfuseError, match=r"gone\.nii: does not exist"):
            run("info", files / "ct.nii.gz", files / "gone.nii")


class TestWeights:
    @pytest.fixture
    def fetched(self, monkeypatch):
        names = []
        monkeypatch.setattr(medfuse.weights, "download_weights", lambda name, _: names.append(name))
        return names

    def test_by_the_method_that_needs_them(self, fetched):
        run("weights", "get", "ifcnn", "VGG", "ifcnn-max", "densefuse-gray", "--progress", "none")
        assert fetched == ["ifcnn-max", "vgg19", "densefuse-gray"]

    @pytest.mark.parametrize(
        ("name", "says"), [("pca", "the method pca needs no weights"), ("ifcn", "unknown weights 'ifcn'")]
    )
    def test_what_has_none(self, fetched, name, says):
        with pytest.raises(ParameterError, match=says):
            run("weights", "get", "vgg19", name, "--progress", "none")
        assert fetched == []

    def test_ones_own_are_checked_before_anything_is_read(self, files):
        (files / "w.pth").write_text("no weights")
        words = ("fuse", "gone.nii", "gone.nii", "-o", files / "out", "--method", "ifcnn")
        with pytest.raises(WeightsError, match=r"w\.pth: cannot be read as weights"):
            run(*words, "-p", f"weights={files / 'w.pth'}", "--progress", "none")
