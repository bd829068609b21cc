"""What was taken out as noise: the maps of methods, and what the report shows and says of it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from medfuse import (
    Geometry,
    InputVolume,
    Recipe,
    Study,
    Volume,
    rescale,
    run_study,
    write_result,
    write_volume,
)
from medfuse.fusion import Fused, fuse, make_method
from medfuse.fusion.dip.method import DeepImagePrior
from medfuse.fusion.pca import PatchPCA
from medfuse.fusion.removed import with_removed
from medfuse.noise import NoiseModel, observe, taken_out
from medfuse.report.noise import noise_section

from .test_noise import scene

WHITE, NONE = NoiseModel(0.08**2, 0.0), NoiseModel(0.0, 0.0)


def pair(level=0.08):
    clean = np.stack([scene(128), scene(128, 1)[:, ::-1]])[:, None]
    rng = np.random.default_rng(0)
    return observe(clean, NoiseModel(level**2, 0.0), rng).astype(np.float32)


class TestTakenOut:
    @pytest.mark.parametrize("kind", ["gauss", "rice"])
    @pytest.mark.parametrize("signal", [0.0, 0.05, 0.5])
    def test_of_pure_noise_the_mean_is_0(self, kind, signal):
        model = NoiseModel(0.08**2, 0.0, kind)
        clean = np.full((1, 200, 200), signal)
        seen = observe(clean, model, np.random.default_rng(0))
        assert taken_out(seen, clean, model).mean() == pytest.approx(0, abs=0.006)
        assert abs(seen.mean() - signal) > 0.01 or signal == 0.5

    def test_what_lies_far_below_black_has_none(self):
        clean = np.zeros((1, 64, 64))
        assert np.abs(taken_out(clean, clean, WHITE)).max() == 0


class TestMaps:
    def test_pca_tells_what_it_took_out_of_each_source(self):
        sources = pair()
        fused = fuse(sources, PatchPCA(denoise="nlm"))
        for i in range(2):
            removed = fused.maps[f"removed_{i}"]
            assert 0.05 < removed[0, 52:76, 52:76].std() < 0.08  # a part was put back
            assert abs(removed.mean()) < 0.005
        assert max(fused.info["removed_structure"]) < 1.25
        assert not fused.info["notes"]

    def test_dip_tells_it_of_the_fused_image_too(self):
        sources = pair()[:, :, 24:104, 24:104]
        method = make_method(DeepImagePrior, {"device": "cpu", "steps": 2, "exposure": "clip"}, "fast")
        fused = fuse(sources, method)
        target = fuse(sources, PatchPCA(exposure="clip"))
        assert {"removed", "removed_0", "removed_1"} < fused.maps.keys()
        inside = (target.array < 1) & (fused.array > 0) & (fused.array < 1)
        difference = target.array - fused.array
        np.testing.assert_allclose(fused.maps["removed"][inside], difference[inside], atol=1e-6)

    def test_where_nothing_was_taken_out_there_is_no_map(self):
        for method in (PatchPCA(), PatchPCA(denoise="nlm")):
            assert not [name for name in fuse(pair(0.0), method).maps if name.startswith("removed")]
        quiet = fuse(pair(), PatchPCA(denoise="nlm"), noise=[NONE, WHITE])
        assert quiet.maps["removed_0"].max() == 0
        assert quiet.info["removed_structure"][0] == 0

    def test_structure_is_noted(self):
        """A blurred source, whose edges are in what was taken out."""
        sources = pair()
        blurred = np.broadcast_to(sources.mean(axis=(-2, -1), keepdims=True), sources.shape)
        fused = Fused(sources[0], {}, {"notes": ["kept"]})
        found = with_removed(fused, sources, blurred, [[NONE], [WHITE]])
        structure = found.info["removed_structure"]
        assert structure[0] == 0
        assert structure[1] > 2
        assert found.info["notes"] == [
            "kept",
            f"source 2: what was taken out as noise has structure ({structure[1]:.1f} times that of noise): "
            "look at the map removed_1",
        ]


@pytest.fixture(scope="module", params=["by the method", "on its own grid"])
def written(request, tmp_path_factory):
    """A study of a clean and a noisy volume, denoised here or there, and its folder."""
    folder = tmp_path_factory.mktemp("removed")
    grid = Geometry((128, 128, 2), (1.5, 1.5, 6.0))
    for name, image in (("a", pair(0.0)[0]), ("b", pair()[1])):
        write_volume(Volume(1000 * np.repeat(image, 2, axis=0), grid, "MR"), folder / f"{name}.nii.gz")
    study = Study(*(InputVolume(folder / f"{name}.nii.gz", "MR") for name in "ab"))
    here = request.param == "by the method"
    recipe = Recipe(
        method="pca",
        parameters={"denoise": "nlm"} if here else {},
        denoise="none" if here else "nlm",
        registration="none",
        windows=("MR=500/1000",),
        profile="ma2021",
    )
    result = run_study(study, recipe)
    write_result(result, folder / "out")
    return result, folder / "out", here


class TestReport:
    def test_it_says_what_was_found_and_taken_out_of_each_source(self, written):
        _, folder, here = written
        page = " ".join((folder / "report.html").read_text(encoding="utf-8").split())
        section = page[page.index("<h2>Noise</h2>") : page.index("<h2>Scores</h2>")]
        first, second = section.split("<tr>")[2:4]
        assert "<td>none: what varies is texture" in first or "<td>none" in first
        assert "<td>nothing</td>" in first
        assert "<td>noise of 0.08" in second
        assert ("<td>by pca</td>" if here else "non-local means, on its own grid, in its slices") in second
        assert section.count("<img") == 1
        assert "taken out: moving MR" in section
        assert (folder / "maps" / "removed_1.nii.gz").exists() is here

    def test_one_grey_scale_whose_middle_is_0(self, written):
        result, folder, here = written
        page = (folder / "report.html").read_text(encoding="utf-8")
        section = noise_section(result, (0, 64, 64))
        before = rescale(result.volumes[1], result.windows[1]).array
        shown = result.fused.maps["removed_1"] if here else before - result.sources.array[1]
        assert float(section["limit"]) == pytest.approx(np.percentile(np.abs(shown[0]), 99.5), rel=0.05)
        assert f"from −{section['limit']} (black) to {section['limit']} (white)" in page

    def test_structure_is_warned_of(self, written):
        result, _, here = written
        if here:
            info = {**result.fused.info, "removed_structure": [0.0, 1.4]}
            changed = replace(result, fused=replace(result.fused, info=info))
        else:
            first, second = result.removed
            changed = replace(result, removed=(first, replace(second, structure=1.4)))
        rows = noise_section(changed, (0, 64, 64))["rows"]
        assert rows[1].warning == "has structure, 1.4 times that of noise: look at it"
        assert rows[0].warning == ""

    def test_provenance_has_the_models(self, written):
        _, folder, here = written
        facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        known = facts["noise_of_sources"]
        assert len(known) == (2 if here else 0)
        if here:
            assert known[1]["kind"] == "gauss"
            assert known[1]["additive"] == pytest.approx(0.08**2, rel=0.3)
