"""How the closed form, which exceeds 1, is shown in [0, 1], and what is said where white hides something."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medfuse.fusion import METHODS, fuse, make_method
from medfuse.fusion.exposure import EXPOSURES, expose, fixed_curve, measured_curve
from medfuse.fusion.saturation import TOLERATED, WHITE, foreground, saturation, with_saturation_checked
from medfuse.fusion.types import Fused
from medfuse.sources import Sources

EXPOSED = ("pca", "gmc")


def brains(n=2, depth=3, size=48, seed=0):
    """Sources that are bright together in a disc, with a texture of their own, on black."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - size / 2
    inside = np.hypot(y, x) < 0.4 * size
    texture = gaussian_filter(rng.random((n, depth, size, size)), (0, 1, 2, 2))
    texture = (texture - texture.min()) / np.ptp(texture)
    return np.where(inside, 0.45 + 0.55 * texture, 0).astype(np.float32)


def on_ultrasound(size=64, seed=1):
    """An MR whose background is black, and an ultrasound that shows speckle of 40 % there."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - size / 2
    organ = np.hypot(y, x) < 0.3 * size
    mr = np.where(organ, 0.8, 0.0) * (1 + 0.1 * gaussian_filter(rng.standard_normal((size, size)), 1))
    speckle = 0.4 + 0.05 * rng.standard_normal((size, size)) + 0.3 * organ
    return np.stack([mr, speckle]).clip(0, 1)[:, None].astype(np.float32), organ


def closed_forms(sources):
    return fuse(sources, make_method(METHODS["pca"], {"exposure": "rescale"})).array * math.sqrt(len(sources))


class TestFixedCurves:
    @pytest.mark.parametrize("how", [how for how in EXPOSURES if how != "measured"])
    @pytest.mark.parametrize("n", [2, 3, 5])
    def test_result_is_in_range_and_keeps_order(self, how, n):
        values = np.linspace(0, math.sqrt(n), 200)
        mapped = fixed_curve(how, n)(values)
        assert mapped[0] == 0
        assert mapped[-1] == pytest.approx(1)
        assert (np.diff(mapped) >= 0).all()

    def test_shoulder_is_smooth_and_leaves_what_is_dark(self):
        values = np.linspace(0, math.sqrt(2), 1415)
        mapped = fixed_curve("shoulder", 2)(values)
        np.testing.assert_allclose(mapped[values <= 0.8], values[values <= 0.8], atol=1e-12)
        slope = np.diff(mapped) / np.diff(values)
        assert slope.min() > 0.01
        assert np.abs(np.diff(slope)).max() < 0.01

    def test_clip_and_rescale(self):
        values = np.array([0.0, 0.5, 1.0, 1.2])
        np.testing.assert_array_equal(fixed_curve("clip", 2)(values), [0, 0.5, 1, 1])
        np.testing.assert_allclose(fixed_curve("rescale", 4)(values), values / 2)

    def test_slope_is_how_differences_grow(self):
        values = np.array([0.1, 0.5, 0.95, 1.1, 1.3])
        for curve in (fixed_curve("shoulder", 2), measured_curve(closed_forms(brains()), brains())):
            grown = (curve(values + 1e-9) - curve(values - 1e-9)) / 2e-9
            np.testing.assert_allclose(curve.slope(values), grown, rtol=1e-3, atol=1e-6)
        np.testing.assert_array_equal(fixed_curve("clip", 2).slope(values), [1, 1, 1, 0, 0])


class TestMeasured:
    @pytest.mark.parametrize("n", [2, 3])
    @pytest.mark.parametrize("top", [0.4, 1.0])
    def test_identical_sources_come_out_as_they_are(self, n, top):
        source = top * brains(1)[0]
        for key in EXPOSED:
            fused = fuse(np.stack([source] * n), key).array
            np.testing.assert_allclose(fused, source, atol=0.01 if key == "gmc" else 1e-6)

    @pytest.mark.parametrize("sources", [brains(), brains(3), on_ultrasound()[0], brains() * 0.5])
    def test_the_curve_grows_and_black_stays_black(self, sources):
        target = closed_forms(sources)
        curve = measured_curve(target, sources)
        values = np.linspace(0, target.max(), 2000)
        assert curve(0.0) == 0
        assert curve(values).min() >= 0
        assert curve(values).max() <= 1
        assert (np.diff(curve(values)) >= 0).all()
        lit = target[target > np.percentile(target, 3)]
        assert (np.diff(curve(np.unique(lit[lit < np.percentile(lit, 99)]))) > 0).all()

    def test_nothing_is_flattened(self):
        """Every slope is at least half of the line's, from black to bright."""
        sources = brains()
        target = closed_forms(sources)
        curve = measured_curve(target, sources)
        where = foreground(sources)
        bright = np.quantile(target[where], 0.995)
        line = max(np.quantile(one[where], 0.995) for one in sources) / bright
        values = np.linspace(0, bright * 0.999, 500)
        assert (np.diff(curve(values)) >= 0.49 * line * np.diff(values)).all()

    @pytest.mark.parametrize("how", ["measured", "rescale"])
    def test_no_step_where_one_of_two_equal_sources_ends(self, how):
        """A source alone passes as it is: by the curve it would be dimmer than beside the other by 1/√2."""
        image = np.random.default_rng(0).uniform(0, 1, (3, 40, 40)).astype(np.float32)
        image = gaussian_filter(image, (0, 3, 3)) * 2 - 0.5
        image = image.clip(0, 1)
        valid = np.ones((2, *image.shape), bool)
        valid[1, :, :, 20:] = False
        fused = fuse(Sources(np.stack([image, image]), valid), make_method(METHODS["pca"], {"exposure": how}))
        np.testing.assert_array_equal(fused.array[:, :, 20:], image[:, :, 20:])
        # Beyond the end the mirror image stands in, of which the curve is too: not quite the same image.
        np.testing.assert_allclose(fused.array[:, :, :20], image[:, :, :20], atol=0.05)

    def test_one_curve_for_all_slices(self):
        """Equal values of T come out equal, wherever they lie; a slice is not exposed by itself."""
        sources = brains()
        sources[:, 0] *= 0.4
        target, shown = closed_forms(sources), fuse(sources, "pca").array
        order = np.argsort(target, axis=None)
        assert (np.diff(shown.ravel()[order]) >= 0).all()
        assert shown[0].max() < 0.6 * shown[1:].max()

    def test_a_dim_pair_is_not_stretched(self):
        sources = 0.3 * brains()
        assert fuse(sources, "pca").array.max() <= 0.31

    def test_texture_that_clipping_burns_is_kept(self):
        sources = brains()
        where = foreground(sources)
        clipped = fuse(sources, make_method(METHODS["pca"], {"exposure": "clip"})).array
        shown = fuse(sources, "pca").array
        assert saturation(clipped, where) > 0.3
        assert saturation(shown, where) <= max(saturation(one, where) for one in sources) + TOLERATED
        deep = closed_forms(sources) > 1
        assert np.corrcoef(shown[deep], closed_forms(sources)[deep])[0, 1] > 0.95

    def test_ultrasound_does_not_lift_black_to_grey(self):
        sources, organ = on_ultrasound()
        shown = fuse(sources, "pca").array[0]
        clipped = fuse(sources, make_method(METHODS["pca"], {"exposure": "clip"})).array[0]
        outside = ~organ
        assert clipped[outside].mean() > 0.38
        assert shown[outside].mean() < 0.2
        assert shown[organ].mean() > 0.6

    def test_two_sources_white_in_different_places_are_no_more_white_than_one(self):
        sources = np.zeros((2, 1, 60, 60), np.float32)
        sources[:, 0] = np.linspace(0.1, 0.6, 60)
        sources[0, 0, :15] = 1
        sources[1, 0, 45:] = 1
        where = foreground(sources)
        shown = fuse(sources, "pca").array
        assert saturation(shown, where) <= saturation(sources[0], where) + TOLERATED
        assert shown.max() > 0.98

    @pytest.mark.parametrize("value", [0.0, 0.01, 0.3, 1.0])
    def test_without_contrast(self, value):
        sources = np.full((2, 1, 9, 9), value, np.float32)
        np.testing.assert_allclose(fuse(sources, "pca").array, value, atol=0.01)

    def test_uncertainty_is_in_what_is_shown(self):
        sources = brains()
        target = closed_forms(sources)
        shaken = Fused(target, {"uncertainty": np.full_like(target, 1e-4), "weight_0": sources[0]})
        seen = expose(shaken, "rescale", sources, sources)
        np.testing.assert_allclose(seen.maps["uncertainty"], 1e-4 / math.sqrt(2), rtol=1e-5)
        np.testing.assert_array_equal(seen.maps["weight_0"], sources[0])
        assert seen.info["brightest_before_exposure"] == pytest.approx(float(target.max()))


class TestSaturationCheck:
    def test_a_method_that_burns_says_so(self):
        sources = brains()
        fused = fuse(sources, make_method(METHODS["pca"], {"exposure": "clip"}))
        (note,) = fused.info["notes"]
        assert f"{100 * fused.info['saturated']['fused']:.1f} % of the foreground" in note
        assert "exposure=measured" in note

    def test_one_that_does_not_says_nothing(self):
        fused = fuse(brains(), "pca")
        assert "notes" not in fused.info
        assert fused.info["saturated"]["fused"] <= max(fused.info["saturated"]["sources"]) + TOLERATED

    @pytest.mark.parametrize(("extra", "warns"), [(0.004, False), (0.006, True)])
    def test_half_a_point_more_than_the_most_saturated_source_is_allowed(self, extra, warns):
        sources = np.full((2, 1, 100, 100), 0.5, np.float32)
        sources[0].flat[:300] = 1
        sources[1].flat[:100] = 1
        white = round((0.03 + extra) * 10000)
        array = np.full((1, 100, 100), 0.5, np.float32)
        array.flat[:white] = WHITE
        checked = with_saturation_checked(Fused(array, info={"notes": ["before"]}), sources)
        assert checked.info["saturated"] == {"fused": white / 10000, "sources": [0.03, 0.01]}
        assert len(checked.info["notes"]) == 1 + warns
        json.dumps(checked.info)

    def test_background_does_not_count(self):
        sources = np.zeros((2, 1, 20, 20), np.float32)
        sources[0, 0, :5] = 0.5
        array = np.zeros((1, 20, 20), np.float32)
        array[0, 0] = 1
        assert with_saturation_checked(Fused(array), sources).info["saturated"]["fused"] == 0.2

    def test_nothing_shown(self):
        checked = with_saturation_checked(Fused(np.zeros((1, 4, 4), np.float32)), np.zeros((2, 1, 4, 4)))
        assert checked.info["saturated"] == {"fused": 0.0, "sources": [0.0, 0.0]}
