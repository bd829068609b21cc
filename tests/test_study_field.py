"""A study whose moving volume ends within the fixed one, from files to scores; and its baselines."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

import medfuse.pipeline.alignment
from medfuse import (
    Geometry,
    InputVolume,
    Recipe,
    Study,
    Volume,
    evaluate,
    fuse,
    read_volume,
    run_study,
    write_result,
)
from medfuse.cli import app
from medfuse.errors import Cancelled
from medfuse.fusion import METHODS, Fused, make_method
from medfuse.fusion import fuse as fuse_stack
from medfuse.io import write_volume
from medfuse.progress import ignore

GRID = Geometry((44, 48, 4), (2.0, 2.0, 4.0), (-40.0, -50.0, 0.0))
SMALL = Geometry((30, 32, 4), (2.0, 2.0, 4.0), (-30.0, -40.0, 0.0))
RECIPE = Recipe(method="average", registration="none", windows=("1=0%-100%", "2=0%-100%"))


def texture(geometry, seed):
    values = gaussian_filter(np.random.default_rng(seed).random(geometry.shape), (0, 1.5, 1.5))
    return (100 + 900 * (values - values.min()) / np.ptp(values)).astype(np.float32)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("field")
    write_volume(Volume(texture(GRID, 1), GRID), folder / "fixed.nii.gz")
    write_volume(Volume(texture(SMALL, 2), SMALL), folder / "moving.nii.gz")
    fixed, moving = (InputVolume(folder / f"{name}.nii.gz", "MR") for name in ("fixed", "moving"))
    return Study(fixed, [moving])


@pytest.fixture(scope="module")
def result(study):
    return run_study(study, RECIPE)


@pytest.fixture(scope="module")
def folder(result, tmp_path_factory):
    out = tmp_path_factory.mktemp("field") / "out"
    write_result(result, out)
    return out


def inside():
    """The moving volume's field on the fixed grid (z, y, x)."""
    field = np.zeros(GRID.shape, bool)
    field[:, 5:37, 5:35] = True
    return field


def test_labels_are_what_volumes_are_called(study, tmp_path):
    fixed, moving = (
        replace(one, label=label) for one, label in zip(study.volumes, ("", "FLAIR"), strict=True)
    )
    unknown = Study(replace(fixed, modality="OT"), moving)
    made = run_study(unknown, RECIPE)
    assert made.labels == ("fixed", "moving FLAIR")
    write_result(made, tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert [one["role"] for one in facts["inputs"]] == ["fixed", "moving FLAIR"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "moving FLAIR" in page
    assert "fixed + moving FLAIR" in page
    assert "fixed OT" not in page


class TestField:
    def test_the_fixed_volume_alone_keeps_its_brightness(self, result):
        fixed, moving = result.sources.array
        np.testing.assert_array_equal(result.sources.common, inside())
        np.testing.assert_array_equal(result.fused.array[~inside()], fixed[~inside()])
        mean = ((fixed + moving) / 2)[inside()]
        np.testing.assert_allclose(result.fused.array[inside()], mean, atol=1e-6)

    def test_scores_are_of_the_common_field(self, result):
        cut = (..., slice(5, 37), slice(5, 35))
        for key, array in {"average": result.fused.array, **result.baselines}.items():
            expected = evaluate(result.sources.array[cut], array[cut], "default").whole
            assert result.scores[key].whole == pytest.approx(expected, nan_ok=True)
            assert np.isfinite(expected["pe"])

    def test_the_folder_holds_the_mask_of_what_ends(self, folder):
        names = sorted(path.name for path in (folder / "registered").iterdir())
        assert names == ["fixed.nii.gz", "moving_1.nii.gz", "moving_1_mask.nii.gz"]
        mask = read_volume(folder / "registered" / "moving_1_mask.nii.gz", modality="OT")
        np.testing.assert_array_equal(mask.array, inside())
        assert mask.geometry.matches(read_volume(folder / "fused.nii.gz", modality="OT").geometry)

    def test_provenance_and_page_tell_it(self, folder):
        facts = json.loads((folder / "provenance.json").read_text())
        share = 32 * 30 / (48 * 44)
        assert [one["measured"] for one in facts["inputs"]] == pytest.approx([1, share])
        assert facts["common_field"] == pytest.approx(share)
        page = (folder / "report.html").read_text()
        assert f"there over what every source measured: {100 * share:.1f} % of the voxels" in page
        assert "Where one volume alone was measured" in page

    def test_a_study_that_is_measured_everywhere_says_nothing_of_it(self, study, tmp_path):
        page = write_result(run_study(Study(study.fixed, [study.fixed]), RECIPE), tmp_path / "out")
        assert "every source measured" not in page.read_text()
        names = sorted(path.name for path in (tmp_path / "out" / "registered").iterdir())
        assert names == ["fixed.nii.gz", "moving_1.nii.gz"]


@dataclass(frozen=True)
class First:
    """A method that depends on the order of the sources."""

    def __call__(self, sources, progress=ignore):
        progress(0.0, "first")
        return Fused(sources[0])


class TestBaselines:
    def test_each_is_its_method_on_the_sources_in_their_order(self, study, monkeypatch):
        monkeypatch.setitem(METHODS._loaded, "maximum", First)
        result = run_study(study, RECIPE)
        assert list(result.baselines) == ["maximum", "pca"]
        np.testing.assert_array_equal(result.baselines["maximum"], result.sources.array[0])
        np.testing.assert_array_equal(result.baselines["pca"], fuse(result.sources, "pca").array)

    def test_the_rival_of_dip_undoes_clipping_as_dip_does(self, study):
        quick = {"steps": 1, "width": 4, "scales": 2, "noise_floor": 0.0}
        result = run_study(study, Recipe(method="dip", registration="none", parameters=quick, device="cpu"))
        rival = make_method(METHODS["pca"], {"denoise": "nlm", "unclip": True})
        known = [one.model for one in result.known_noise]  # both are told the same noise
        expected = fuse_stack(result.sources, rival, noise=known).array
        np.testing.assert_array_equal(result.baselines["pca_nlm"], expected)

    def test_they_report_and_can_be_cancelled(self, study):
        seen = []

        def progress(fraction, message):
            seen.append((fraction, message))
            if message.startswith("baseline pca: slice 2"):
                raise Cancelled(message)

        with pytest.raises(Cancelled):
            run_study(study, RECIPE, progress)
        fractions = [fraction for fraction, _ in seen]
        assert fractions == sorted(fractions)
        assert [message for _, message in seen][-3:] == [
            "baseline maximum: taking the maximum",
            "baseline pca: slice 1 of 4",
            "baseline pca: slice 2 of 4",
        ]

    def test_their_time_is_not_the_methods(self, study, monkeypatch):
        now = 0.0

        @dataclass(frozen=True)
        class Slow(First):
            def __call__(self, sources, progress=ignore):
                nonlocal now
                now += 100.0
                return super().__call__(sources, progress)

        monkeypatch.setattr(medfuse.pipeline.alignment.time, "perf_counter", lambda: now)
        monkeypatch.setitem(METHODS._loaded, "maximum", Slow)
        timings = run_study(study, RECIPE).timings
        assert (timings["fuse"], timings["baselines"], timings["score"]) == (0, 100, 0)


def metrics(*words):
    run = CliRunner().invoke(app, ["metrics", *map(str, words)])
    return run.exit_code, run.output


def scores_of(output):
    """Key -> value as the table of ``medfuse metrics`` shows it."""
    rows = (line.split() for line in output.splitlines())
    return {row[0]: row[1] for row in rows if len(row) > 2 and row[0] in ("pe", "q", "mi", "cv", "nabf")}


@pytest.fixture(scope="module")
def files(result, tmp_path_factory):
    import nibabel
    import SimpleITK as sitk

    folder = tmp_path_factory.mktemp("scale")
    fused = result.fused.array * np.float32(0.6) + np.float32(0.1)
    levels = np.rint(255 * fused)
    for name, source in zip(("a", "b"), result.sources.array, strict=True):
        write_volume(Volume(source, GRID), folder / f"{name}.nii.gz")
    write_volume(Volume(levels / np.float32(255), GRID), folder / "unit.nii.gz")
    write_volume(Volume(levels, GRID), folder / "float.nii.gz")
    image = nibabel.Nifti1Image(levels.astype(np.uint8).T, GRID.to_ras_affine())
    nibabel.save(image, folder / "bytes.nii.gz")
    words = sitk.GetImageFromArray((257 * levels).astype(np.uint16))
    words.CopyInformation(Volume(levels, GRID).to_sitk())
    sitk.WriteImage(words, str(folder / "words.nrrd"))
    return folder


class TestFusedScale:
    """A fused volume is never windowed: its scale is that of its type, or said, or asked."""

    def test_the_same_image_scores_the_same(self, files):
        sources = (files / "a.nii.gz", files / "b.nii.gz")
        expected = scores_of(metrics(*sources, files / "unit.nii.gz")[1])
        assert set(expected) == {"pe", "q", "mi", "cv", "nabf"}
        for name, words, said in (
            ("bytes.nii.gz", (), "fused, 0 to 255 (8 bits)"),
            ("words.nrrd", (), "fused, 0 to 65535 (16 bits)"),
            ("float.nii.gz", ("--fused-scale", "255"), "fused, 0 to 255 (--fused-scale)"),
            ("float.nii.gz", ("--fused-scale", "0,255"), "fused, 0 to 255 (--fused-scale)"),
        ):
            code, output = metrics(*sources, files / name, *words)
            assert code == 0, output
            assert said in " ".join(output.split())
            assert scores_of(output) == expected, name

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            ((), r"nothing says which of them stand for 0 and 1: give --fused-scale, such as 255"),
            (("--fused-scale", "100"), r"lie outside --fused-scale 0,100"),
            (("--fused-scale", "white"), r"--fused-scale white: expected the value of white"),
            (("--fused-scale", "5,5"), r"--fused-scale 5,5: expected the value of white"),
            (("--fused-scale", "nan"), r"--fused-scale nan: expected the value of white"),
        ],
    )
    def test_refused(self, files, words, says):
        code = CliRunner().invoke(
            app,
            ["metrics", *(str(files / name) for name in ("a.nii.gz", "b.nii.gz", "float.nii.gz")), *words],
        )
        assert isinstance(code.exception, medfuse.MedfuseError)
        assert says in str(code.exception)


class TestOwnFiles:
    """``medfuse metrics`` on the files of a study gives the scores of its report, or says what differs."""

    @pytest.fixture
    def written(self, folder):
        rows = csv.DictReader((folder / "metrics.csv").read_text(encoding="utf-8").splitlines())
        (row,) = (row for row in rows if (row["method"], row["slice"]) == ("average", "whole"))
        return {key: f"{float(row[key]):.6f}" for key in ("pe", "q", "mi", "cv", "nabf")}

    def test_the_folder(self, folder, written):
        code, output = metrics(folder)
        assert code == 0, output
        assert scores_of(output) == written
        said = " ".join(output.split())
        assert "registered/moving_1.nii.gz: only where moving_1_mask.nii.gz is not 0" in said
        assert re.search(r"registered/fixed\.nii\.gz: MR, [\d.]+ to 1000 \(as in its study\)", said)

    def test_for_other_programs(self, folder, written):
        run = CliRunner().invoke(app, ["metrics", str(folder), "--json"])
        facts = json.loads(run.stdout)
        assert {key: f"{facts['scores'][key]:.6f}" for key in written} == written
        assert facts["metrics"]["nabf"]["better"] == "lower"
        assert "only where moving_1_mask.nii.gz" in " ".join(run.stderr.split())
        run = CliRunner().invoke(app, ["metrics", str(folder), "--csv"])
        rows = list(csv.DictReader(run.stdout.splitlines()))
        expected = csv.DictReader((folder / "metrics.csv").read_text(encoding="utf-8").splitlines())
        kept = [row for row in expected if row["method"] == "average"]
        for row, other in zip(rows, kept, strict=True):
            assert row["slice"] == other["slice"]
            assert {key: float(row[key]) for key in written} == pytest.approx(
                {key: float(other[key]) for key in written}, nan_ok=True, rel=1e-6
            )
        both = CliRunner().invoke(app, ["metrics", str(folder), "--csv", "--json"])
        assert "give one of them" in str(both.exception)

    def test_the_folder_with_another_fused_volume(self, folder, written, tmp_path, result):
        write_volume(Volume(result.baselines["maximum"], GRID), tmp_path / "other.nii.gz")
        found = scores_of(metrics(folder, tmp_path / "other.nii.gz")[1])
        assert found["pe"] == f"{result.scores['maximum'].whole['pe']:.6f}" != written["pe"]

    def test_its_registered_volumes(self, folder, written):
        registered = (folder / "registered" / "fixed.nii.gz", folder / "registered" / "moving_1.nii.gz")
        assert scores_of(metrics(*registered, folder / "fused.nii.gz")[1]) == written
        windows = ("--window", "1=0%-100%", "--window", "2=400/800")
        _, output = metrics(*registered, folder / "fused.nii.gz", *windows)
        assert "moving_1.nii.gz: MR, 0 to 800 (chosen: level 400, width 800)" in " ".join(output.split())
        assert scores_of(output)["pe"] != written["pe"]

    def test_copies_with_what_the_study_was_told(self, study, tmp_path):
        """CT on another grid is not in whole numbers: nothing but the option can say what it is."""
        hu = texture(GRID, 7) * 2 - 1000.5
        write_volume(Volume(hu, GRID), tmp_path / "ct.nii.gz")
        volumes = [InputVolume(tmp_path / "ct.nii.gz", "CT"), study.fixed]
        result = run_study(Study(*volumes), Recipe(method="average", registration="none"))
        write_result(result, tmp_path / "out")
        paths = (tmp_path / "ct.nii.gz", study.fixed.path, tmp_path / "out" / "fused.nii.gz")
        code, output = metrics(*paths, "--modality", "CT", "--modality", "mr")
        assert code == 0, output
        assert "ct.nii.gz: CT, -100 to 900 (window bone: level 400, width 1000)" in " ".join(output.split())
        whole = result.scores["average"].whole
        assert scores_of(output) == {key: f"{whole[key]:.6f}" for key in ("pe", "q", "mi", "cv", "nabf")}
        assert "ct.nii.gz: OT" in metrics(*paths)[1]

    def test_a_study_that_scored_against_denoised_sources_says_so(self, folder, tmp_path):
        assert "denoised" not in metrics(folder)[1]
        other = tmp_path / "other"
        shutil.copytree(folder, other)
        facts = json.loads((other / "provenance.json").read_text())
        facts["recipe"]["denoise"] = "nlm"
        (other / "provenance.json").write_text(json.dumps(facts))
        registered = (other / "registered" / "fixed.nii.gz", other / "registered" / "moving_1.nii.gz")
        for words in ((other,), (*registered, other / "fused.nii.gz")):
            assert "its own scores are against sources denoised by nlm" in " ".join(
                metrics(*words)[1].split()
            )

    def test_padding_that_a_study_marked_is_that_of_its_mask(self, tmp_path):
        """Beyond the mask a registered volume may hold anything; within it all was measured."""
        hu = texture(GRID, 7) * 2 - 1000
        hu[:, :, :9] = -3024  # as scanners fill, and no header says
        write_volume(Volume(hu, GRID), tmp_path / "ct.nii.gz")
        write_volume(Volume(texture(GRID, 8), GRID), tmp_path / "mr.nii.gz")
        study = Study(InputVolume(tmp_path / "ct.nii.gz", "CT"), InputVolume(tmp_path / "mr.nii.gz", "MR"))
        result = run_study(study, Recipe(method="average", registration="none"))
        assert not result.sources.common[:, :, :9].any()
        write_result(result, tmp_path / "out")
        whole = result.scores["average"].whole
        expected = {key: f"{whole[key]:.6f}" for key in ("pe", "q", "mi", "cv", "nabf")}
        assert scores_of(metrics(tmp_path / "out")[1]) == expected

    def test_sources_in_0_to_1_are_windowed_as_a_study_does_it(self, result, tmp_path):
        for name, source in zip("ab", result.sources.array, strict=True):
            write_volume(Volume(source / 2, GRID), tmp_path / f"{name}.nii.gz")
        write_volume(result.fused_volume, tmp_path / "f.nii.gz")
        paths = [tmp_path / f"{name}.nii.gz" for name in "abf"]
        said = " ".join(metrics(*paths)[1].split())
        assert "a.nii.gz: OT" in said
        assert "(percentiles 0.5–99.5 of the foreground)" in said
        said = " ".join(metrics(*paths, "--window", "1=0.25/0.5", "--window", "2=0.25/0.5")[1].split())
        assert "a.nii.gz: OT, 0 to 0.5 (chosen: level 0.25, width 0.5)" in said

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (("--modality", "CT"), "1 times --modality for 2 sources"),
            (("--window", "CT=bone"), "window for CT, but the volumes are 1 MR, 2 MR"),
        ],
    )
    def test_refused(self, folder, words, says):
        run = CliRunner().invoke(app, ["metrics", str(folder), *words])
        assert isinstance(run.exception, medfuse.MedfuseError)
        assert says in str(run.exception)

    def test_a_damaged_or_older_result(self, folder, tmp_path):
        old = tmp_path / "old"
        shutil.copytree(folder, old)
        facts = json.loads((old / "provenance.json").read_text())
        for one in facts["inputs"]:
            del one["window_limits"]
        for text in (json.dumps(facts), "[]", "{"):
            (old / "provenance.json").write_text(text)
            run = CliRunner().invoke(app, ["metrics", str(old)])
            assert "does not say how the volumes were shown" in str(run.exception), text
        registered = (old / "registered" / "fixed.nii.gz", old / "registered" / "moving_1.nii.gz")
        code, output = metrics(*registered, old / "fused.nii.gz", "--modality", "MR", "--modality", "MR")
        assert code == 0
        assert "does not say how the volumes were shown" in output
        assert "percentiles" in output


class TestPictures:
    """Pictures of 12 bits in files of 16 score as their twins of 8 bits, and it is said."""

    @pytest.fixture
    def levels(self):
        values = 255 * np.stack([texture(GRID, seed)[0] for seed in (1, 2, 3)]) / 1000
        return np.rint(values).astype(np.uint16)

    @staticmethod
    def saved(levels, folder, name, kind=np.uint16):
        paths = [folder / f"{name}{i}.png" for i in range(len(levels))]
        for path, image in zip(paths, levels, strict=True):
            Image.fromarray(image.astype(kind)).save(path)
        return paths

    def test_scaled_by_the_bits_in_use(self, levels, tmp_path):
        expected = scores_of(metrics(*self.saved(levels, tmp_path, "a", np.uint8))[1])
        for factor, said in ((16, "0 to 4080 in steps of 16"), (256, "0 to 65280 in steps of 256")):
            output = metrics(*self.saved(levels * factor, tmp_path, f"b{factor}"))[1]
            assert f"the 16-bit images use {said}, which stand for 0 to 1" in " ".join(output.split())
            assert scores_of(output) == expected
        output = metrics(*self.saved(levels * 257, tmp_path, "c"))[1]
        assert "the 16-bit images" not in output
        assert scores_of(output) == expected

    def test_one_scale_for_all(self, levels, tmp_path):
        """A darker fused picture stays darker; the highest picture says how many bits there are."""
        mixed = levels * np.array([16, 16, 1], np.uint16)[:, None, None] + 1
        output = metrics(*self.saved(mixed, tmp_path, "a"), "--profile", "ma2021")[1]
        assert "use 0 to 4095, which" in " ".join(output.split())
        images = mixed / 4095
        assert scores_of(output)["pe"] == f"{evaluate(images[:2, None], images[2:], ['pe']).whole['pe']:.6f}"

    def test_volume_options_are_refused(self, levels, tmp_path):
        paths = self.saved(levels, tmp_path, "a")
        for words in (("--window", "1=1/2"), ("--fused-scale", "255"), ("--modality", "MR")):
            run = CliRunner().invoke(app, ["metrics", *map(str, paths), *words])
            assert "are for volumes" in str(run.exception)

    def test_other_sizes_are_named(self, levels, tmp_path):
        paths = self.saved(levels, tmp_path, "a", np.uint8)
        Image.fromarray(levels[0, 1:].astype(np.uint8)).save(paths[1])
        run = CliRunner().invoke(app, ["metrics", *map(str, paths)])
        assert "a1.png is of 44×47 pixels and" in str(run.exception)


def test_metrics_leave_padding_out(tmp_path):
    """A sheared volume is straightened on reading and has no values in its corners: they are in no score."""
    import nibabel

    affine = GRID.to_ras_affine()
    sheared = affine.copy()
    sheared[0, 1] = 0.6
    levels = np.rint(texture(GRID, 3) / 4)
    nibabel.save(nibabel.Nifti1Image(levels.astype(np.float32).T, sheared), tmp_path / "a.nii.gz")
    a = read_volume(tmp_path / "a.nii.gz", modality="OT")
    assert not a.valid.all()
    b, fused = texture(a.geometry, 4) / 1000, texture(a.geometry, 5) / 1000
    for name, array in (("b", b), ("c", np.where(a.valid, b, 0.5)), ("f", fused)):
        write_volume(Volume(array, a.geometry), tmp_path / f"{name}.nii.gz")
    window = ("--window", "2=0.5/1")  # not by percentiles, which would count the padding of "c"
    outputs = [metrics(*(tmp_path / f"{name}.nii.gz" for name in names), *window) for names in ("abf", "acf")]
    assert outputs[0][0] == 0, outputs[0][1]
    assert scores_of(outputs[0][1]) == scores_of(outputs[1][1]) != {}


def test_metrics_table_lists_slices_of_the_field(folder):
    rows = list(csv.DictReader((folder / "metrics.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["slice"] for row in rows if row["method"] == "average"] == ["whole", "0", "1", "2", "3"]
