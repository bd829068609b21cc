"""One study from files to a folder, in Python and on the command line, on a small generated head."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import SimpleITK as sitk

import medfuse
from medfuse import (
    Geometry,
    InputVolume,
    Recipe,
    Study,
    Volume,
    read_volume,
    run_study,
    write_result,
    write_volume,
)
from medfuse.errors import Cancelled, RegistrationError
from medfuse.phantom import render, rigid

TURN = rigid((4.0, -3.0, 6.0), (5.0, -4.0, 3.0))  # how the patient lies in the MR scanner
CT_CT = ("--modality", "CT", "--modality", "CT")
DIP = {"steps": 4, "warm_steps": 2, "width": 4, "scales": 2, "noise_floor": 0.0}


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """CT and T1 of one head, each on its own grid and pose."""
    folder = tmp_path_factory.mktemp("study")
    ct = Geometry((44, 46, 24), (5.0, 5.0, 8.0), (-107.0, -108.0, -80.0))
    mr = Geometry((42, 48, 20), (5.2, 5.0, 9.0), (-100.0, -118.0, -76.0))
    write_volume(render("CT", ct, seed=1), folder / "ct.nii.gz")
    write_volume(render("T1", mr, pose=TURN, seed=2), folder / "t1.nii.gz")
    return folder


@pytest.fixture(scope="session")
def study(files):
    return Study(InputVolume(files / "ct.nii.gz", "CT"), InputVolume(files / "t1.nii.gz", "MR"))


@pytest.fixture(scope="session")
def result(study):
    return run_study(study, Recipe(method="dip", preset="fast", parameters=DIP, device="cpu"))


@pytest.fixture(scope="session")
def folder(result, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "out"
    write_result(result, out)
    return out


def medfuse_command(*words, cwd=None, **environment):
    command = [sys.executable, "-m", "medfuse", *map(str, words)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


@pytest.fixture
def no_weights(tmp_path_factory):
    """The environment of a command on a machine that has none, whatever this one has."""
    empty = str(tmp_path_factory.mktemp("home"))
    return dict.fromkeys(("MEDFUSE_WEIGHTS", "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"), empty)


class TestResult:
    def test_registration_finds_the_known_pose(self, result):
        """The transform takes points of the CT to the same anatomy in the MR."""
        (registration,) = result.registrations
        assert registration.verdict == "ok"
        for point in ((0, 0, 0), (50, 20, 30), (-40, 60, -20), (10, -70, 40)):
            expected = (TURN @ [*point, 1])[:3]
            found = registration.transform.TransformPoint([float(v) for v in point])
            assert np.linalg.norm(found - expected) < 2

    def test_all_lies_on_the_fixed_grid(self, result, study):
        fixed = study.fixed.read()
        assert result.fused_volume.geometry == fixed.geometry
        assert all(volume.geometry == fixed.geometry for volume in result.volumes)
        assert result.sources.array.shape == (2, *fixed.geometry.shape)

    def test_registered_volumes_keep_their_units(self, result, study):
        assert result.volumes[0].array.min() < -900
        bright = [
            np.percentile(volume.measured(), 95) for volume in (result.volumes[1], study.moving[0].read())
        ]
        assert bright[0] == pytest.approx(bright[1], rel=0.25)  # parts of the head are outside

    def test_outside_the_moving_volume_is_marked(self, result):
        moving = result.volumes[1]
        assert moving.valid is not None
        assert not moving.valid.all()
        np.testing.assert_array_equal(result.sources.valid[1], moving.valid)
        alone = ~moving.valid
        np.testing.assert_array_equal(result.fused.array[alone], result.sources.array[0][alone])
        for rival in result.baselines.values():
            np.testing.assert_array_equal(rival[alone], result.sources.array[0][alone])

    def test_scores_of_method_and_baselines(self, result):
        assert list(result.scores) == ["dip", "average", "maximum", "pca", "pca_nlm"]
        assert result.scores["pca"].whole["q"] > result.scores["average"].whole["q"]

    def test_the_same_seed_gives_the_same_result(self, result, study):
        again = run_study(study, result.recipe)
        np.testing.assert_array_equal(again.fused.array, result.fused.array)

    def test_labels(self, result):
        assert result.labels == ("fixed CT", "moving MR")


class TestFolder:
    def test_its_contents(self, folder):
        names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        assert names == [
            "fused.nii.gz",
            "maps/uncertainty.nii.gz",
            "maps/weight_0.nii.gz",
            "maps/weight_1.nii.gz",
            "metrics.csv",
            "provenance.json",
            "recipe.toml",
            "registered/fixed.nii.gz",
            "registered/moving_1.nii.gz",
            "registered/moving_1_mask.nii.gz",
            "report.html",
            "transforms/moving_1.tfm",
        ]

    def test_fused_volume(self, folder, result):
        fused = read_volume(folder / "fused.nii.gz", modality="OT")
        np.testing.assert_array_equal(fused.array, result.fused.array)
        assert fused.geometry.matches(result.volumes[0].geometry, 1e-3)
        assert 0 <= fused.array.min() < fused.array.max() <= 1

    def test_transform_is_read_by_simpleitk(self, folder, result):
        read = sitk.ReadTransform(str(folder / "transforms" / "moving_1.tfm"))
        point = (10.0, 20.0, 30.0)
        expected = result.registrations[0].transform.TransformPoint(point)
        np.testing.assert_allclose(read.TransformPoint(point), expected, atol=1e-6)

    def test_metrics_table(self, folder, result):
        rows = list(csv.DictReader((folder / "metrics.csv").read_text(encoding="utf-8").splitlines()))
        whole = {row["method"]: row for row in rows if row["slice"] == "whole"}
        assert list(whole) == ["dip", "average", "maximum", "pca", "pca_nlm"]
        for key in ("pe", "mi", "q", "cv"):
            assert key in result.scores["dip"].per_slice
            assert float(whole["dip"][key]) == pytest.approx(result.scores["dip"].whole[key])
            slices = [
                float(r[key]) for r in rows if r["method"] == "dip" and r["slice"] != "whole" and r[key]
            ]
            assert np.mean(slices) == pytest.approx(float(whole["dip"][key]))

    def test_provenance(self, folder, study):
        facts = json.loads((folder / "provenance.json").read_text())
        import hashlib

        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in study.paths]
        assert [one["sha256"] for one in facts["inputs"]] == digests
        assert facts["method"]["key"] == "dip"
        assert facts["method"]["parameters"]["steps"] == 4
        assert facts["registrations"][0]["verdict"] == "ok"
        assert facts["registrations"][0]["seed"] == facts["recipe"]["seed"] == 1
        iterations = facts["result"]["iterations"]
        assert sorted(iterations)[-1] == 4  # the key slice; its neighbours start warm
        assert iterations.count(4) == 1
        assert set(iterations) == {4, 2}
        assert (facts["method"]["asked"], facts["method"]["why"]) == ("dip", "")
        assert set(facts["seconds"]) == {
            "read",
            "register",
            "resample",
            "noise",
            "fuse",
            "baselines",
            "score",
        }
        assert {"python", "numpy", "SimpleITK", "torch"} <= set(facts["versions"])

    def test_provenance_says_what_each_score_is(self, folder):
        facts = json.loads((folder / "provenance.json").read_text())
        assert set(facts["metrics"]) == set(facts["scores"]["dip"]) - {"consistency"}
        assert facts["metrics"]["mi"]["range"] == [-8.0, 8.0]
        assert (facts["metrics"]["mi"]["unit"], facts["metrics"]["mi"]["better"]) == ("bit", "higher")

    def test_no_path_leaks_unless_asked(self, folder, study, result, tmp_path):
        for name in ("provenance.json", "report.html", "recipe.toml", "metrics.csv"):
            text = (folder / name).read_text()
            assert str(study.fixed.path.parent) not in text
            assert study.moving[0].path.name not in text
        import dataclasses

        identity = {"PatientName": "Doe^<b>Jane</b>", "Modality": "CT"}
        named = dataclasses.replace(result.volumes[0], metadata=identity)
        anonymous = dataclasses.replace(result, volumes=(named, *result.volumes[1:]))
        write_result(anonymous, tmp_path / "anonymous")
        names = ("provenance.json", "report.html", "recipe.toml", "metrics.csv")
        assert not any("Jane" in (tmp_path / "anonymous" / name).read_text() for name in names)
        recipe = dataclasses.replace(result.recipe, keep_identifiers=True)
        keeping = dataclasses.replace(anonymous, recipe=recipe)
        write_result(keeping, tmp_path / "kept")
        facts = json.loads((tmp_path / "kept" / "provenance.json").read_text())
        assert facts["inputs"][0]["path"] == str(study.fixed.path)
        assert facts["inputs"][0]["identity"] == {"PatientName": "Doe^<b>Jane</b>"}
        assert "PatientName: Doe^&lt;b&gt;Jane&lt;/b&gt;" in (tmp_path / "kept" / "report.html").read_text()

    def test_recipe_repeats_the_run(self, folder, result):
        assert Recipe.read(folder / "recipe.toml") == result.recipe

    def test_report_is_one_well_formed_page(self, folder):
        page = (folder / "report.html").read_text()
        tags = _Tags()
        tags.feed(page)
        assert tags.open == []
        assert tags.sources
        assert all(source.startswith("data:image/png;base64,") for source in tags.sources)
        assert not re.search(r"(?:href|src)=[\"']?(?:http|//|file)", page)
        for words in ("Registration", "checkerboard", "average", "maximum", "pca", "not a medical device"):
            assert words in page

    def test_text_from_outside_is_escaped(self, result, tmp_path):
        import dataclasses

        bad = dataclasses.replace(result, notes=("<script>alert(1)</script>",))
        page = write_result(bad, tmp_path / "out").read_text()
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page


class _Tags(HTMLParser):
    """Which tags are still open, and where pictures come from."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.sources = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "img":
            self.sources.append(dict(attrs)["src"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


class TestOtherWays:
    def test_aligned_volumes_without_registration(self, files, tmp_path):
        result = run_study(
            Study(InputVolume(files / "ct.nii.gz", "CT"), InputVolume(files / "ct.nii.gz", "CT")),
            Recipe(method="average", registration="none"),
        )
        np.testing.assert_allclose(result.fused.array, result.sources.array[0], atol=1e-6)
        assert result.registrations[0].verdict == "given"

    def test_initial_transform_is_used_as_it_stands(self, study, result, tmp_path):
        medfuse.io.write_transform(result.registrations[0].transform, tmp_path / "start.tfm")
        given = Study(study.fixed, replace(study.moving[0], transform=tmp_path / "start.tfm"))
        again = run_study(given, Recipe(method="average", registration="none"))
        np.testing.assert_allclose(again.volumes[1].array, result.volumes[1].array, atol=1e-3)

    def test_three_volumes(self, files):
        one = InputVolume(files / "ct.nii.gz", "CT")
        study = Study(one, (one, one))
        result = run_study(study, Recipe(method="pca", registration="none"))
        assert result.labels == ("fixed CT", "moving 1 CT", "moving 2 CT")
        assert set(result.fused.maps) == {"weight_0", "weight_1", "weight_2"}

    def test_colour_of_a_source_survives(self, files, tmp_path):
        """Pseudo-coloured uptake on a CT: the hue stays where it was, the brightness is the fusion's."""
        ct = read_volume(files / "ct.nii.gz", modality="CT")
        uptake = np.zeros((*ct.geometry.shape, 3), np.float32)
        uptake[8:16, 15:30, 10:30] = (250, 120, 0)
        uptake[8:16, 15:30, 30:34] = 200  # grey: no hue to keep
        write_volume(Volume(uptake, ct.geometry), tmp_path / "pet.nii.gz")
        study = Study(InputVolume(files / "ct.nii.gz", "CT"), InputVolume(tmp_path / "pet.nii.gz", "PT"))
        result = run_study(study, Recipe(method="average", registration="none"))
        colour = result.fused_colour.array / 255
        np.testing.assert_allclose(colour @ [0.299, 0.587, 0.114], result.fused.array, atol=1 / 255)
        red, green, blue = np.moveaxis(colour[10:14, 18:28, 12:28], -1, 0)
        assert (red > green).all()
        assert (green > blue).all()
        np.testing.assert_allclose(np.ptp(colour[10:14, 18:28, 31:33], axis=-1), 0, atol=1 / 255)
        np.testing.assert_allclose(np.ptp(colour[:6], axis=-1), 0, atol=1 / 255)
        write_result(result, tmp_path / "out")
        written = read_volume(tmp_path / "out" / "fused_colour.nii.gz", modality="OT")
        np.testing.assert_array_equal(written.array, result.fused_colour.array)

    def test_uptake_is_coloured_by_its_value(self, files, tmp_path):
        """A scalar PET on a CT: the hue is that of its value, the luma the fusion's; the report has a key."""
        ct = read_volume(files / "ct.nii.gz", modality="CT")
        uptake = np.zeros(ct.geometry.shape, np.float32)
        uptake[8:16, 15:30, 10:20] = 5
        uptake[8:16, 15:30, 20:30] = 10
        write_volume(Volume(uptake, ct.geometry), tmp_path / "pet.nii.gz")
        study = Study(InputVolume(files / "ct.nii.gz", "CT"), InputVolume(tmp_path / "pet.nii.gz", "PT"))
        recipe = Recipe(method="average", registration="none", windows=("PT=7.5/15",), colour_maps=("hot",))
        result = run_study(study, recipe)
        assert result.colour_maps == ("none", "hot")
        colour = result.fused_colour.array / 255
        np.testing.assert_allclose(colour @ [0.299, 0.587, 0.114], result.fused.array, atol=1 / 255)
        red, green, blue = np.moveaxis(colour[12, 20], -1, 0)
        assert (red[12:18] > green[12:18] + 0.02).all()  # a third of the range is red
        np.testing.assert_allclose(green[12:18], blue[12:18], atol=2 / 255)
        assert (green[22:28] > blue[22:28] + 0.1).all()  # two thirds are yellow
        np.testing.assert_allclose(np.ptp(colour[:6], axis=-1), 0, atol=1 / 255)
        write_result(result, tmp_path / "out")
        page = (tmp_path / "out" / "report.html").read_text()
        assert "moving PT: hot</figcaption>" in page
        assert (tmp_path / "out" / "fused_colour.nii.gz").exists()
        grey = run_study(study, replace(recipe, colour_maps=("none",)))
        assert grey.fused_colour is None

    def test_colour_on_another_grid_is_written_in_whole_numbers(self, files, tmp_path):
        """Interpolated, it lies between them; 8-bit RGB holds no others."""
        ct = read_volume(files / "ct.nii.gz", modality="CT")
        colours = np.random.default_rng(0).integers(0, 256, (*ct.geometry.shape, 3))
        aside = replace(ct.geometry, origin=tuple(np.add(ct.geometry.origin, 0.3)))
        write_volume(Volume(colours, aside), tmp_path / "pet.nii.gz")
        study = Study(InputVolume(files / "ct.nii.gz", "CT"), InputVolume(tmp_path / "pet.nii.gz", "PT"))
        result = run_study(study, Recipe(method="average", registration="none"))
        write_result(result, tmp_path / "out")
        written = read_volume(tmp_path / "out" / "registered" / "moving_1.nii.gz", modality="PT")
        assert 0.1 < np.abs(written.array - result.volumes[1].array).max() <= 0.5

    def test_grey_sources_have_no_colour(self, result):
        assert result.fused_colour is None

    def test_failed_registration_stops_unless_accepted(self, study, monkeypatch):
        import dataclasses

        import medfuse.pipeline.alignment

        real = medfuse.pipeline.alignment.register

        def fail(*args, **kwargs):
            return dataclasses.replace(real(*args, **kwargs), verdict="failed", reasons=("it does not fit",))

        monkeypatch.setattr(medfuse.pipeline.alignment, "register", fail)
        recipe = Recipe(method="average", registration="none")
        with pytest.raises(
            RegistrationError, match=r"moving volume failed: it does not fit. Give --initial-transform"
        ):
            run_study(study, recipe)
        accepted = dataclasses.replace(recipe, accept_registration=True)
        assert run_study(study, accepted).registrations[0].verdict == "failed"

    def test_cancel(self, study):
        def stop(fraction, message):
            if fraction > 0.1:
                raise Cancelled(message)

        with pytest.raises(Cancelled):
            run_study(study, Recipe(method="average"), stop)

    def test_windows_are_those_asked_for(self, files):
        study = Study(InputVolume(files / "ct.nii.gz", "CT"), InputVolume(files / "ct.nii.gz", "CT"))
        recipe = Recipe(method="average", registration="none", windows=("CT=brain", "2=40/400"))
        result = run_study(study, recipe)
        assert [(w.lower, w.upper) for w in result.windows] == [(0, 100), (-160, 240)]


class TestCommandLine:
    def test_fuse_writes_the_folder_and_prints_the_report(self, study, tmp_path):
        out = tmp_path / "out"
        words = ("--method", "pca", "-p", "patch=5", "--modality", "CT", "--modality", "mr")
        run = medfuse_command("fuse", *study.paths, "-o", out, *words, "--progress", "json")
        assert run.returncode == 0, run.stderr
        assert run.stdout.strip() == str(out / "report.html")
        assert (out / "report.html").exists()
        assert json.loads((out / "provenance.json").read_text())["method"]["parameters"]["patch"] == 5
        lines = [json.loads(line) for line in run.stderr.splitlines() if line.startswith("{")]
        assert lines[-1] == {"fraction": 1.0, "message": "done"}
        assert [line["fraction"] for line in lines] == sorted(line["fraction"] for line in lines)
        assert "registration of moving MR: ok" in run.stderr

        again = medfuse_command("fuse", *study.paths, "-o", out)
        assert again.returncode == 2
        assert "exists and is not empty" in again.stderr

    def test_recipe_file_and_options_on_top(self, files, tmp_path):
        (tmp_path / "r.toml").write_text('method = "pca"\nregistration = "none"\n[parameters]\npatch = 7\n')
        out = tmp_path / "out"
        ct = files / "ct.nii.gz"
        base = [
            "fuse",
            ct,
            ct,
            "--recipe",
            tmp_path / "r.toml",
            "--progress",
            "none",
            "--overwrite",
            "-o",
            out,
        ]
        assert medfuse_command(*base, "--seed", "5").returncode == 0
        recipe = Recipe.read(out / "recipe.toml")
        assert (recipe.method, recipe.registration, recipe.seed) == ("pca", "none", 5)
        assert recipe.parameters == {"patch": 7}
        assert medfuse_command(*base, "--method", "average").returncode == 0
        assert Recipe.read(out / "recipe.toml").parameters == {}

    def test_batch_with_a_profile(self, files, tmp_path):
        ct = files / "ct.nii.gz"
        (tmp_path / "cohort.csv").write_text(f"study,fixed,moving\none,{ct},{files / 't1.nii.gz'}\n")
        Recipe(method="average", registration="none").write(tmp_path / "r.toml")
        words = ("batch", "cohort.csv", "-o", "out", "--recipe", "r.toml", "--progress", "none")
        run = medfuse_command(*words, "--profile", "zhang2020", cwd=tmp_path)
        assert run.returncode == 0, run.stderr
        head = (tmp_path / "out" / "results.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
        assert {"viff", "mef_ssim"} <= set(head)
        assert "pe" not in head
        assert medfuse_command(*words, "--profile", "mine", cwd=tmp_path).returncode == 2

    def test_cancel_file(self, study, tmp_path):
        (tmp_path / "stop").touch()
        run = medfuse_command(
            "fuse", *study.paths, "-o", tmp_path / "out", "--cancel-file", tmp_path / "stop"
        )
        assert run.returncode == 130
        assert "cancelled; nothing was written" in run.stderr
        assert [p.name for p in tmp_path.iterdir()] == ["stop"]

    def test_methods(self):
        assert "dip" in medfuse_command("methods").stdout
        shown = medfuse_command("methods", "show", "dip").stdout
        assert "steps=2000" in shown
        assert "preset fast" in shown
        schema = {one["key"]: one for one in json.loads(medfuse_command("methods", "--json").stdout)}
        steps = next(p for p in schema["dip"]["parameters"] if p["name"] == "steps")
        assert (steps["kind"], steps["default"], steps["minimum"]) == ("int", 2000, 1)

    def test_metrics_of_images(self, tmp_path):
        from PIL import Image

        rng = np.random.default_rng(0)
        for name in "abf":
            Image.fromarray(rng.integers(0, 256, (40, 50), dtype=np.uint8)).save(tmp_path / f"{name}.png")
        run = medfuse_command("metrics", *(tmp_path / f"{name}.png" for name in "abf"))
        assert run.returncode == 0, run.stderr
        a, b, f = (np.asarray(Image.open(tmp_path / f"{n}.png")) / 255 for n in "abf")
        value = medfuse.METRICS["pe"].function(np.stack([a, b]), f)
        assert f"{value:.6f}" in run.stdout

    def test_metrics_of_volumes(self, folder):
        names = ("registered/fixed.nii.gz", "registered/moving_1.nii.gz", "fused.nii.gz")
        run = medfuse_command("metrics", *(folder / name for name in names))
        assert run.returncode == 0, run.stderr
        assert run.stdout.count("higher is better") >= 4
        assert "inter-slice consistency" in run.stdout

    def test_metrics_list_and_show(self):
        listed = medfuse_command("metrics", "list").stdout
        assert all(key in listed for key in medfuse.METRICS)
        assert "profile ma2021: pe, mi, q, cv" in listed
        assert "paper: Ma, Hill, Anantrasirichai" in medfuse_command("metrics", "show", "pe").stdout

    def test_info(self, files):
        run = medfuse_command("info", files / "ct.nii.gz")
        assert run.returncode == 0, run.stderr
        assert "44×46×24" in run.stdout

    def test_version_and_help(self):
        assert medfuse_command("--version").stdout.strip() == f"medfuse {medfuse.__version__}"
        assert "not a medical device" in " ".join(medfuse_command("--help").stdout.split())


class TestBadInput:
    """One clear line, exit code 2, and nothing written."""

    @pytest.fixture
    def place(self, tmp_path, files):
        from PIL import Image

        ct = read_volume(files / "ct.nii.gz", modality="CT")
        far = Geometry((8, 8, 8), (5.0, 5.0, 5.0), (5000.0, 0.0, 0.0))
        write_volume(Volume(np.random.default_rng(0).random((8, 8, 8)), far), tmp_path / "far.nii.gz")
        holes = np.array(ct.array)
        holes[3, 3, 3] = np.nan
        write_volume(ct.with_array(holes), tmp_path / "nan.nii.gz")
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "flat.png")
        (tmp_path / "empty").mkdir()
        return tmp_path

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["{ct}", "gone.nii.gz"], r"gone\.nii\.gz.*(no such|not exist|not found)"),
            (["{ct}", "empty"], r"empty"),
            (["{ct}", "flat.png"], r"2-D image"),
            (["{ct}", "far.nii.gz", "--no-registration"], r"overlap"),
            (["{ct}"], r"one volume only"),
            (
                ["{ct}", "{ct}", "--method", "dipp"],
                r"unknown fusion method 'dipp'. Did you mean 'dip'.*Choose from: auto, dip",
            ),
            (
                ["{ct}", "{ct}", "--method", "dip", "-p", "setps=3"],
                r"unknown parameter 'setps'. Did you mean 'steps'",
            ),
            (
                ["{ct}", "{ct}", "--method", "ifcnn"],
                r"ifcnn-max are not on this machine: run 'medfuse weights",
            ),
            (["{ct}", "{ct}", "-p", "steps"], r"expected KEY=VALUE"),
            (["{ct}", "{ct}", "--method", "dip", "-p", "steps=-1"], r"steps=-1: expected at least 1"),
            (["{ct}", "{ct}", "--preset", "slow"], r"unknown preset 'slow'"),
            (["{ct}", "nan.nii.gz"], r"nan\.nii\.gz.*(NaN|not finite|infinite)"),
            (["{ct}", "{ct}", "--device", "cuda:63"], r"'cuda:63' is not there; this machine has: cpu"),
            (["{ct}", "{ct}", "--device", "gpu"], r"device=gpu: expected auto, cpu"),
            (["{ct}", "{ct}", *CT_CT, "--window", "bones"], r"unknown window 'bones'"),
            (["{ct}", "{ct}", "--window", "bone"], r"window for CT, but the volumes are 1 OT, 2 OT"),
            (["{ct}", "{ct}", "--profile", "mine"], r"unknown profile 'mine'\. Choose from: ma2021"),
            (["{ct}", "{ct}", "--seed", "0"], r"seed 0: expected a whole number from 1"),
            (["{ct}", "{ct}", "--modality", "CT"], r"1 times --modality for 2 volumes"),
            (["{ct}", "{ct}", "--initial-transform", "gone.tfm"], r"gone\.tfm"),
        ],
    )
    def test_refused(self, place, files, words, message, no_weights):
        before = sorted(p.name for p in place.iterdir())
        words = [word.format(ct=files / "ct.nii.gz") for word in words]
        run = medfuse_command("fuse", *words, "-o", "out", "--progress", "none", cwd=place, **no_weights)
        assert run.returncode == 2, run.stderr
        assert re.search(message, run.stderr), run.stderr
        assert len(run.stderr.strip().splitlines()) == 1, run.stderr
        assert run.stderr.startswith("medfuse: error: ")
        assert sorted(p.name for p in place.iterdir()) == before

    def test_missing_weights_are_told_before_any_work(self, files, tmp_path, no_weights):
        ct = files / "ct.nii.gz"
        run = medfuse_command(
            "fuse", ct, ct, "-o", tmp_path / "out", "--method", "ifcnn", "--progress", "none", **no_weights
        )
        assert run.returncode == 2
        assert "ifcnn-max are not on this machine: run 'medfuse weights get ifcnn-max'" in run.stderr
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("output", "message"),
        [
            ("full", "exists and is not empty"),
            ("missing/out", "does not exist"),
            ("flat.png", "no folder"),
            ("flat.png/out", "does not exist"),
        ],
    )
    def test_output_refused_before_any_work(self, place, files, output, message):
        (place / "full").mkdir()
        (place / "full" / "notes.txt").write_text("mine")
        ct = files / "ct.nii.gz"
        run = medfuse_command("fuse", ct, ct, "-o", output, "--progress", "none", cwd=place)
        assert run.returncode == 2
        assert message in run.stderr
        assert (place / "full" / "notes.txt").read_text() == "mine"

    @pytest.mark.parametrize(
        "words",
        [["metrics", "a.png"], ["metrics", "show", "nope"], ["methods", "show", "nope"], ["info", "gone"]],
    )
    def test_other_commands(self, words, tmp_path):
        run = medfuse_command(*words, cwd=tmp_path)
        assert run.returncode == 2
        assert run.stderr.startswith("medfuse: error: ")

    def test_usage_errors(self):
        run = medfuse_command("fuse", "--no-such-option")
        assert run.returncode == 2
        assert "--no-such-option" in run.stderr


def test_real_ct_and_t2_need_no_hint(shared_data, tmp_path):
    """The MRI-DIR pair: one object scanned feet-first and head-first, half a turn apart."""
    paths = [shared_data(f"volumes/mridir/mridir_{name}_1p5mm.nii.gz") for name in ("CT", "T2")]
    run = medfuse_command("fuse", *paths, "-o", tmp_path / "out", "--method", "average", "--progress", "none")
    assert run.returncode == 0, run.stderr
    (registration,) = json.loads((tmp_path / "out" / "provenance.json").read_text())["registrations"]
    assert registration["verdict"] == "ok"
    assert registration["figures"]["rotation_deg"] == pytest.approx(180, abs=10)
