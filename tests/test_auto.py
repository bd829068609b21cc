"""The method `auto`, and that a result is named after what ran, everywhere."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from medfuse import Geometry, InputVolume, Recipe, Study, Volume, run_study, write_result, write_volume
from medfuse.errors import DeviceError, ParameterError, UnknownNameError
from medfuse.fusion import METHODS, Fused, fuse, make_method, values_of, what_ran
from medfuse.fusion.auto import Auto
from medfuse.fusion.pca import PatchPCA
from medfuse.report.dicom import _derivation, _description

NO_NOISE = "no noise to remove"


def scene(noise=0.0, slices=1, size=40, seed=3):
    """Two smooth sources (2, z, y, x), and noise on them."""
    y, x = np.mgrid[:size, :size] / size
    first = np.exp(-8 * ((x - 0.4) ** 2 + (y - 0.5) ** 2))
    second = np.exp(-12 * ((x - 0.6) ** 2 + (y - 0.4) ** 2))
    clean = 0.1 + 0.7 * np.stack([first, second])[:, None].repeat(slices, axis=1)
    noisy = clean + noise * np.random.default_rng(seed).standard_normal(clean.shape)
    return noisy.clip(0, 1).astype(np.float32)


class TestMethod:
    def test_clean_sources_are_left_to_pca(self):
        fused = fuse(scene(), "auto")
        np.testing.assert_array_equal(fused.array, fuse(scene(), "pca").array)
        assert fused.info["ran"] == {"key": "pca", "why": NO_NOISE, "parameters": values_of(PatchPCA())}

    def test_noise_is_left_to_dip(self):
        sources = scene(0.1)
        fused = fuse(sources, Auto(preset="fast", device="cpu", seed=5))
        dip = make_method(METHODS["dip"], {"device": "cpu", "seed": 5}, "fast")
        np.testing.assert_array_equal(fused.array, fuse(sources, dip).array)
        assert fused.info["ran"] == {"key": "dip", "why": "noise found", "parameters": values_of(dip)}
        assert fused.info["iterations"][0] > 0

    def test_it_is_the_default(self):
        assert Recipe().method == "auto"
        assert fuse(scene()).info["ran"]["key"] == "pca"

    def test_its_preset_is_that_of_dip(self):
        assert make_method(Auto, {"device": "cpu"}, "paper") == Auto(preset="paper", device="cpu")
        assert make_method(Auto, {"device": "cpu"}, "auto") == Auto(preset="fast", device="cpu")
        with pytest.raises(UnknownNameError, match="balanced"):
            make_method(Auto, {}, "slow")

    def test_a_device_that_is_not_there_is_refused_before_any_work(self):
        with pytest.raises(DeviceError, match="cuda:99"):
            Recipe(device="cuda:99").build_method()


class TestTitle:
    @pytest.mark.parametrize(
        ("asked", "info", "title"),
        [
            ("pca", {}, "pca"),
            ("auto", {"ran": {"key": "pca", "why": NO_NOISE, "parameters": {}}}, f"pca (auto: {NO_NOISE})"),
            ("dip", {"ran": {"key": "pca", "why": NO_NOISE, "parameters": {}}}, f"pca (dip: {NO_NOISE})"),
            ("dip", {"ran": {"key": "dip", "why": "some", "parameters": {}}}, "dip (some)"),
        ],
    )
    def test_names_what_ran(self, asked, info, title):
        fused = Fused(np.zeros((1, 2, 2), np.float32), info=info)
        assert what_ran(asked, PatchPCA(), fused).title == title


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("aligned")
    for name, source in zip(("ct", "mr"), 1000 * scene(slices=3), strict=True):
        write_volume(Volume(source, Geometry((40, 40, 3)), "MR"), folder / f"{name}.nii.gz")
    return folder


@pytest.fixture(scope="module", params=["auto", "dip"])
def result(request, files):
    study = Study(*(InputVolume(files / f"{name}.nii.gz", "MR") for name in ("ct", "mr")))
    recipe = Recipe(method=request.param, registration="none", profile="ma2021", device="cpu")
    return run_study(study, recipe)


def test_a_study_is_named_after_what_ran(result, tmp_path):
    """Asked for `auto`, or for `dip`, on clean data: it is `pca` in every place."""
    asked = result.recipe.method
    title = f"pca (asked: {NO_NOISE})".replace("asked", asked)
    assert result.summary[0] == f"fused by {title}"
    assert list(result.scores) == ["pca", "average", "maximum"]
    write_result(result, tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert (facts["method"]["key"], facts["method"]["asked"]) == ("pca", asked)
    assert facts["method"]["parameters"] == values_of(PatchPCA())
    assert facts["recipe"]["method"] == asked
    with (tmp_path / "out" / "metrics.csv").open() as file:
        assert {row["method"] for row in csv.DictReader(file)} == {"pca", "average", "maximum"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"<h1>Fused volume: {title}: fixed MR + moving MR</h1>" in page
    assert f"fused: {title}</figcaption>" in page
    assert "so <code>pca</code> ran" in page.partition("<h2>")[0]
    assert "What was assumed" not in page  # it is no fault
    assert _description(result) == "fused MR (pca), not for diagnosis"
    assert f"method {title};" in _derivation(result)


def test_a_method_by_its_key():
    assert make_method("pca", {"patch": "5"}) == make_method(METHODS["pca"], {"patch": 5})
    assert make_method("PCA") == METHODS["pca"]()
    with pytest.raises(UnknownNameError, match="Did you mean 'pca'"):
        make_method("pcaa")
    with pytest.raises(ParameterError, match=r"a method of type PatchPCA.*dataclasses\.replace"):
        make_method(METHODS["pca"]())
