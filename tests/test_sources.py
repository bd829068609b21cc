"""Sources with the masks of what was measured, and how they are fused and scored."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medfuse import Sources, evaluate, fuse
from medfuse.errors import ParameterError
from medfuse.fusion import Fused
from medfuse.metrics import METRICS, interslice_consistency, slices_with_content
from medfuse.noise import estimate_noise
from medfuse.sources import mirrored


def stack(n=2, depth=3, height=40, width=36, seed=0):
    """Smooth sources (n, z, y, x) that fill [0, 1], float32."""
    images = gaussian_filter(np.random.default_rng(seed).random((n, depth, height, width)), (0, 1, 2, 2))
    low = images.min(axis=(1, 2, 3), keepdims=True)
    return ((images - low) / (images.max(axis=(1, 2, 3), keepdims=True) - low)).astype(np.float32)


def disc(height=40, width=36, radius=14):
    y, x = np.indices((height, width))
    return np.hypot(y - height / 2 + 0.5, x - width / 2 + 0.5) < radius


def field_of_second(sources, mask):
    """The first source measured everywhere, the second within ``mask`` (y, x)."""
    valid = np.ones(sources.shape, bool)
    valid[1] = mask
    return Sources(sources, valid)


class TestSources:
    def test_what_was_not_measured_is_0_whatever_stood_there(self):
        array = stack()
        valid = np.ones(array.shape, bool)
        valid[1, 0, :5] = False
        array[1, 0, :5] = np.nan
        sources = Sources(array, valid)
        assert (sources.array[1, 0, :5] == 0).all()
        np.testing.assert_array_equal(sources.array[valid], array[valid])
        np.testing.assert_array_equal(sources.common, valid.all(axis=0))

    def test_all_measured_is_no_mask(self):
        sources = Sources(stack(), np.ones((2, 3, 40, 36)))
        assert sources.valid is None
        assert sources.common is None

    def test_of_arrays_some_with_a_mask(self):
        array = stack()
        mask = np.broadcast_to(disc(), array.shape[1:])
        sources = Sources.of(list(array), [None, mask])
        assert sources.valid[0].all()
        np.testing.assert_array_equal(sources.valid[1], mask)
        assert Sources.of(list(array), [None, None]).valid is None

    def test_refused(self):
        with pytest.raises(ParameterError, match=r"a mask of shape \(3, 40, 36\) for sources"):
            Sources(stack(), np.ones((3, 40, 36), bool))
        with pytest.raises(ParameterError, match="NaN"):
            Sources(np.full((2, 1, 4, 4), np.nan))
        with pytest.raises(ParameterError, match="one source"):
            Sources(stack(1))


class TestMirror:
    def test_beyond_a_straight_end_as_numpy_reflects(self):
        row = np.arange(10.0)[None]
        valid = np.zeros((1, 10), bool)
        valid[0, 3:7] = True
        reflected = np.pad(row[:, 3:7], ((0, 0), (3, 3)), mode="reflect")
        np.testing.assert_array_equal(row[mirrored(valid)], reflected)

    @pytest.mark.parametrize(
        "mask", [disc(), disc(radius=2), np.eye(40, 36, dtype=bool), disc() ^ disc(radius=9)]
    )
    def test_measured_pixels_stand_in_and_stay(self, mask):
        rows, columns = mirrored(mask)
        assert mask[rows, columns].all()
        own = np.indices(mask.shape)[:, mask]
        np.testing.assert_array_equal([rows[mask], columns[mask]], own)

    def test_no_step_at_the_end_of_the_field(self):
        y, x = np.mgrid[:40, :36]
        image = (y + 2 * x).astype(float)
        continued = image[mirrored(disc())]
        steps = max(np.abs(np.diff(continued, axis=axis)).max() for axis in (0, 1))
        assert steps <= 12  # mirrors meet, and are rounded to pixels, where neighbours differ by 2
        assert np.abs(np.diff(np.where(disc(), image, 0), axis=1)).max() > 80

    @pytest.mark.parametrize("mask", [disc(160, 160, 30), np.indices((160, 160))[1] < 25])
    def test_the_noise_is_the_same(self, mask):
        """Repeating the nearest pixel would make streaks, and most of a narrow field free of noise."""
        noise = 0.05 * np.random.default_rng(0).standard_normal((160, 160))
        image = 0.3 + 0.4 * np.indices((160, 160))[0] / 160 + noise
        found = estimate_noise(image[mirrored(mask)][None].astype(np.float32))
        assert math.sqrt(found.additive) == pytest.approx(0.05, rel=0.1)

    def test_nothing_measured(self):
        with pytest.raises(ParameterError, match="nothing can stand in"):
            mirrored(np.zeros((4, 4), bool))


class Counting:
    """A plug-in that knows nothing of masks: the mean, what it was given, and a map of its own."""

    def __init__(self):
        self.seen = []

    def __call__(self, sources, progress):
        self.seen.append(sources)
        progress(0.5, "half")
        share = np.full(sources.shape[1:], 1 / len(sources), np.float32)
        maps = {f"weight_{i}": share for i in range(len(sources))}
        maps |= {"uncertainty": share, "curvature": share}
        return Fused(sources.mean(axis=0), maps, {"depths": list(range(sources.shape[1])), "notes": ["mean"]})


class TestFusion:
    def test_sources_without_masks_go_to_the_method_as_they_are(self):
        array, method = stack(), Counting()
        np.testing.assert_array_equal(fuse(Sources(array), method).array, fuse(array, method).array)
        assert [one.shape for one in method.seen] == [array.shape] * 2

    def test_each_group_of_sources_is_fused_once_in_its_slices(self):
        array = stack(3, 6)
        valid = np.ones(array.shape, bool)
        valid[1, 4] = False  # sources 0 and 2 in slice 4
        valid[:2, 5] = False  # source 2 alone in slice 5
        valid[:, :, :4] = False  # nothing at all in a margin
        valid[1, 0, 10:20] = False  # 0 and 2 in a part of slice 0
        method = Counting()
        progress = []
        fused = fuse(Sources(array, valid), method, progress=lambda fraction, _: progress.append(fraction))
        assert [one.shape[:2] for one in method.seen] == [(3, 4), (2, 2)]
        known = np.where(valid, array, 0).sum(axis=0) / np.maximum(valid.sum(axis=0), 1)
        np.testing.assert_allclose(fused.array, known, atol=1e-6)
        assert progress == sorted(progress)
        assert 0 <= progress[0] <= progress[-1] <= 1
        shares = np.stack([fused.maps[f"weight_{i}"] for i in range(3)])
        np.testing.assert_allclose(shares, valid / np.maximum(valid.sum(axis=0), 1), atol=1e-6)
        assert (fused.maps["curvature"][5] == 0).all()
        told = ("depths", "fused_slices", "notes", "further_runs")
        assert {key: fused.info[key] for key in told} == {
            "depths": [0, 1, 2, 3],
            "fused_slices": [0, 1, 2, 3],
            "notes": ["mean"],
            "further_runs": [{"sources": [0, 2], "depths": [0, 1], "fused_slices": [0, 4]}],
        }

    def test_uncertainty_of_a_source_alone_is_its_noise(self):
        array = 0.4 + 0.2 * stack(2, 4, 64, 64)
        array[0] += 0.05 * np.random.default_rng(1).standard_normal(array[0].shape)
        fused = fuse(field_of_second(array.clip(0, 1), disc(64, 64, 20)), Counting())
        assert np.median(fused.maps["uncertainty"][:, ~disc(64, 64, 20)]) == pytest.approx(0.05, rel=0.15)
        assert (fused.maps["uncertainty"][:, disc(64, 64, 20)] == 0.5).all()

    def test_the_share_of_a_source_that_is_always_alone(self):
        array = stack(3, 2)
        valid = np.ones(array.shape, bool)
        valid[2, 0] = valid[:2, 1] = False
        fused = fuse(Sources(array, valid), Counting())
        np.testing.assert_array_equal(fused.maps["weight_2"], np.ones((2, 40, 36)) * [[[0]], [[1]]])
        np.testing.assert_array_equal(fused.array[1], array[2, 1])

    def test_a_field_that_ends_leaves_gains_near_it_as_they_were(self):
        """Against zeros beyond the end, the error of the closed form near it falls to under a half."""
        array, inside = stack(2, 2, 80, 80), disc(80, 80, 30)
        whole = fuse(array, "pca").array
        error = np.abs(fuse(field_of_second(array, inside), "pca").array - whole)[:, inside].mean()
        array[1, :, ~inside] = 0
        zeros = np.abs(fuse(array, "pca").array - whole)[:, inside].mean()
        assert error < 0.5 * zeros

    def test_nothing_in_common_is_refused(self):
        valid = np.ones((2, 3, 40, 36), bool)
        valid[0, :, 20:] = valid[1, :, :20] = False
        with pytest.raises(ParameterError, match="no voxel was measured by two sources"):
            fuse(Sources(stack(), valid), "average")


class TestScores:
    KEYS = ("pe", "mi", "q", "cv", "nabf", "en")

    def test_of_a_rectangle_are_those_of_the_images_cut_to_it(self):
        array = stack()
        box = np.zeros((40, 36), bool)
        box[6:30, 4:33] = True
        fused = array.max(axis=0)
        scores = evaluate(field_of_second(array, box), fused, self.KEYS)
        cut = evaluate(array[..., 6:30, 4:33], fused[..., 6:30, 4:33], self.KEYS)
        for key in self.KEYS:
            np.testing.assert_array_equal(scores.per_slice[key], cut.per_slice[key])
        assert scores.consistency.value == pytest.approx(cut.consistency.value)
        assert scores.whole["pe"] != pytest.approx(evaluate(array, fused, ["pe"]).whole["pe"], abs=1e-3)

    def test_nothing_outside_the_field_counts(self):
        array = stack()
        fused = array.max(axis=0)
        other, painted = array.copy(), fused.copy()
        other[:, :, ~disc()] = np.random.default_rng(1).random(other[:, :, ~disc()].shape)
        painted[:, ~disc()] = 1
        first = evaluate(field_of_second(array, disc()), fused, self.KEYS)
        second = evaluate(field_of_second(other, disc()), painted, self.KEYS)
        assert first.whole == second.whole
        assert first.consistency.value == second.consistency.value

    def test_the_end_of_the_field_adds_no_grey_level(self):
        array = np.where(np.arange(36) % 12 < 6, 0.2, 0.8) * np.ones((2, 1, 40, 36))
        whole = evaluate(field_of_second(array, disc()), array[0], ["en", "ag"]).whole
        assert 0.9 < whole["en"] <= 1  # two levels are one bit

    def test_slices_in_which_one_source_is_constant_over_the_field(self):
        array = stack()
        array[0, 1, disc()] = 0.5
        valid = np.ones(array.shape, bool)
        valid[1] = disc()
        valid[1, 2] = False
        sources = Sources(array, valid)
        np.testing.assert_array_equal(slices_with_content(sources), [True, False, False])
        np.testing.assert_array_equal(
            np.isnan(evaluate(sources, array[0], ["pe"]).per_slice["pe"]), [False, True, True]
        )

    @pytest.mark.parametrize("shape", [(1, 2), (2, 1), (2, 2), (3, 5), (9, 9)])
    def test_every_metric_takes_the_smallest_fields(self, shape):
        array = stack(2, 2)
        valid = np.zeros((40, 36), bool)
        valid[5 : 5 + shape[0], 7 : 7 + shape[1]] = True
        scores = evaluate(field_of_second(array, valid), array.max(axis=0))
        assert set(scores.per_slice) == set(METRICS)
        for key, value in scores.whole.items():
            assert math.isfinite(value) or value.reason, key

    def test_consistency_is_of_pixels_measured_in_both_slices(self):
        array = np.zeros((2, 4, 1, 3), np.float32)
        fused = np.array([[[0, 0, 0]], [[0.2, 0.4, 0.9]], [[0.2, 0.4, 0]], [[0.5, 0.5, 0.5]]], np.float32)
        array[0, 1, 0] = [0.1, 0.4, 0]
        array[0, 2, 0] = [0.1, 0.4, 0]
        valid = np.ones(array.shape, bool)
        valid[1, :, 0, 2] = False
        valid[0, 3] = False
        found = interslice_consistency(Sources(array, valid), fused)
        assert found.value == pytest.approx(1 - 0.1 / 0.6)
        np.testing.assert_allclose(found.per_gap, [1 - 0.1 / 0.6, 1, np.nan])
        np.testing.assert_allclose(found.flicker, [0.05, 0, np.nan], atol=1e-7)
        valid[0, 1:] = False
        nothing = interslice_consistency(Sources(array, valid), fused).value
        assert nothing.reason == "no pixel was measured in two slices"
