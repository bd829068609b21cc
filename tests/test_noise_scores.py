"""Scores beside those against noisy sources: what noise is left, and scores against the denoised ones."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medfuse import Geometry, InputVolume, Recipe, Sources, Study, Volume, rescale, run_study, write_result
from medfuse.fusion import METHODS, fuse, make_method
from medfuse.io import write_volume
from medfuse.metrics import PROFILES
from medfuse.metrics.noise import flat_places, residual_noise
from medfuse.noise import assess_noise
from medfuse.pipeline.noise_scores import score_noise
from medfuse.progress import ignore

GRID = Geometry((96, 90, 2), (2.0, 2.0, 5.0))
RECIPE = Recipe(method="pca", registration="none", windows=("1=0.5/1", "2=0.5/1"), profile="ma2021")


def blocks(n=2, seed=0):
    """Clean sources (n, z, y, x): plateaus of 15 pixels of different grey, with edges between."""
    levels = np.random.default_rng(seed).uniform(0.2, 0.8, (n, 2, 6, 7))
    return np.kron(levels, np.ones((1, 1, 15, 15)))[..., :90, :96].astype(np.float32)


def noisy(images, level=0.08, seed=1):
    draw = np.random.default_rng(seed).standard_normal(images.shape)
    return (images + level * draw).clip(0, 1).astype(np.float32)


def nlm(images):
    return fuse(images, make_method(METHODS["pca"], {"denoise": "nlm", "unclip": True})).array


class TestResidual:
    def test_flat_places_are_inside_plateaus(self):
        plateaus = blocks()[..., ::15, ::15].repeat(30, axis=-2).repeat(30, axis=-1)
        flat = flat_places(Sources(plateaus))
        assert 0.2 < flat.mean() < 0.45
        y, x = (np.abs(np.arange(n) % 30 - 14.5) for n in flat.shape[1:])
        assert not flat[:, (y > 9.5)].any()  # what is compared there would reach over an edge
        assert not flat[:, :, (x > 9.5)].any()

    @pytest.mark.parametrize("level", [0.03, 0.1])
    def test_the_level_of_white_noise(self, level):
        clean = blocks()
        flat = flat_places(Sources(clean))
        image = 0.5 * clean.mean(axis=0) + 0.25
        found = residual_noise(noisy(image, level), flat)
        assert found.noise == pytest.approx(level, rel=0.05)
        low, high = np.quantile(image[flat], (0.1, 0.9))
        assert found.contrast_to_noise == pytest.approx((high - low) / level, rel=0.1)

    def test_correlated_noise_needs_a_longer_step(self):
        clean = blocks()
        flat = flat_places(Sources(clean), step=3)
        smooth = gaussian_filter(np.random.default_rng(2).standard_normal(clean[0].shape), (0, 1, 1))
        image = clean.mean(axis=0) + 0.05 * smooth / smooth.std()
        assert residual_noise(image, flat).noise < 0.03
        assert residual_noise(image, flat, step=3).noise == pytest.approx(0.86 * 0.05, rel=0.1)

    def test_slopes_are_no_noise(self):
        slope = np.broadcast_to(np.linspace(0.2, 0.8, 96), (2, 90, 96))
        found = residual_noise(slope, np.ones((2, 90, 96), bool))
        assert found.noise == pytest.approx(0, abs=1e-3)

    def test_contrast_to_noise_does_not_gain_by_paleness(self):
        image, flat = noisy(blocks()[0]), flat_places(Sources(blocks()))
        found, pale = residual_noise(image, flat), residual_noise(image / 2, flat)
        assert pale.noise == pytest.approx(found.noise / 2)
        assert pale.contrast_to_noise == pytest.approx(found.contrast_to_noise)

    def test_only_the_common_field_counts(self):
        clean = blocks()
        valid = np.ones(clean.shape, bool)
        valid[1, :, 45:] = False
        flat = flat_places(Sources(clean, valid))
        assert flat[:, :40].any()
        assert not flat[:, 40:].any()

    def test_undefined(self):
        nowhere = flat_places(Sources(np.zeros((2, 2, 90, 96))))
        found = residual_noise(blocks()[0], nowhere)
        assert found.noise.reason == found.contrast_to_noise.reason == "no window in the common field is flat"
        clean = residual_noise(np.full((2, 90, 96), 0.5), flat_places(Sources(blocks())))
        assert (clean.noise, clean.contrast_to_noise.reason) == (0, "no noise is left")


class TestScores:
    def test_clean_sources_have_none(self):
        assert score_noise(Sources(blocks()), {"pca": blocks()[0]}, "ma2021", ignore) is None

    def test_the_cleaner_result_is_no_longer_the_worst(self):
        """The measured fault: pe against the noisy sources prefers the noisy result."""
        sources = Sources(noisy(blocks()))
        results = {"pca": fuse(sources, "pca").array, "pca_nlm": nlm(sources)}
        found = score_noise(sources, results, "ma2021", ignore)
        assert found.residual["pca"].noise == pytest.approx(0.08, rel=0.1)
        assert found.residual["pca_nlm"].noise < 0.3 * found.residual["pca"].noise
        ratio = found.residual["pca_nlm"].contrast_to_noise / found.residual["pca"].contrast_to_noise
        assert ratio > 3
        for key in ("pe", "cv"):
            assert found.denoised["pca_nlm"].whole[key] > found.denoised["pca"].whole[key] + 0.05
        assert all(re.search(r"noise of 0\.0[789]", words) for words in found.findings)

    def test_a_small_image_of_which_hardly_a_window_is_clear(self):
        """Noise all over, a part of it clipped nearly everywhere: there was nothing left to measure."""
        levels = np.random.default_rng(0).integers(0, 2000, (4, 30, 32))[1] // 8
        volume = Volume(levels[None].astype(np.float32), Geometry((32, 30, 1)))
        image = rescale(volume).array
        assert assess_noise(image).finding.startswith("none: too little of the image")
        assert score_noise(Sources(np.stack([image, image])), {"pca": image}, "ma2021", ignore) is None

    def test_progress_grows(self):
        seen = []
        sources = Sources(noisy(blocks()))
        score_noise(sources, {"pca": sources.array[0]}, "ma2021", lambda fraction, _: seen.append(fraction))
        assert seen == sorted(seen)
        assert (seen[0], seen[-1]) == (0, 1)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results of a noisy and of a clean pair of volumes, and their folders."""
    made = {}
    for name, array in {"noisy": noisy(blocks()), "clean": blocks()}.items():
        folder = tmp_path_factory.mktemp(name)
        for label, one in zip("ab", array, strict=True):
            write_volume(Volume(one, GRID), folder / f"{label}.nii.gz")
        study = Study(*(InputVolume(folder / f"{label}.nii.gz", "MR") for label in "ab"))
        result = run_study(study, RECIPE)
        write_result(result, folder / "out")
        made[name] = (result, folder / "out")
    return made


class TestReport:
    def test_one_sentence_and_a_second_table(self, results):
        result, folder = results["noisy"]
        page = " ".join((folder / "report.html").read_text().split())
        words = result.noise.findings
        assert f"The sources are noisy (fixed MR: {words[0]}; moving MR: {words[1]}): scores against" in page
        assert page.index("The sources are noisy") < page.index("<th>method</th>")
        assert "Scores against the denoised sources" in page
        assert page.count("CNR ↑") == 1
        assert f"{result.noise.residual['pca'].noise:.4f}" in page
        assert f"{result.noise.denoised['average'].whole['pe']:.4f}" in page

    def test_provenance_and_table(self, results):
        result, folder = results["noisy"]
        facts = json.loads((folder / "provenance.json").read_text())["noise"]
        assert facts["found"] == list(result.noise.findings)
        assert facts["residual"]["pca"]["noise"] == pytest.approx(result.noise.residual["pca"].noise)
        assert facts["scores_denoised"]["average"]["pe"] == pytest.approx(
            result.noise.denoised["average"].whole["pe"]
        )
        text = (folder / "metrics_denoised.csv").read_text(encoding="utf-8")
        rows = [row for row in csv.DictReader(text.splitlines()) if row["slice"] == "whole"]
        assert [row["method"] for row in rows] == ["pca", "average", "maximum"]
        assert set(rows[0]) == {"method", "slice", *PROFILES["ma2021"]}
        assert float(rows[0]["pe"]) == pytest.approx(result.noise.denoised["pca"].whole["pe"])

    def test_clean_sources_are_told_nothing_of_it(self, results):
        result, folder = results["clean"]
        assert result.noise is None
        page = (folder / "report.html").read_text()
        assert "noisy" not in page
        assert "CNR ↑" not in page
        assert not (folder / "metrics_denoised.csv").exists()
        assert json.loads((folder / "provenance.json").read_text())["noise"] is None

    def test_a_result_with_it_can_be_overwritten(self, results):
        result, folder = results["noisy"]
        write_result(result, folder, overwrite=True)
        assert (folder / "metrics_denoised.csv").is_file()
