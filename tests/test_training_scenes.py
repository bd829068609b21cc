"""Generated training scenes: their laws."""

from __future__ import annotations

import numpy as np
import pytest

from medfuse.errors import ParameterError
from medfuse.training.dead_leaves import LeafStyle, dead_leaves
from medfuse.training.noisy_scenes import NOISES, noisy_scene


def scene(seed, size=96, **style):
    return dead_leaves(np.random.default_rng(seed), size, LeafStyle(**style))


class TestDeadLeaves:
    def test_range_shape_and_repeatability(self):
        one, again, other = scene(3), scene(3), scene(4)
        assert one.image.shape == one.depth.shape == (96, 96)
        assert one.image.dtype == one.depth.dtype == np.float32
        for array in one:
            assert 0 <= array.min() <= array.max() <= 1
        np.testing.assert_array_equal(one.image, again.image)
        assert not np.array_equal(one.image, other.image)

    def test_the_last_leaf_is_nearest(self):
        """Depth falls from 1, behind all leaves, to 0 for the last one; every leaf covers what is behind."""
        depths = np.unique(scene(0, leaves=50).depth)
        assert np.isin(np.round(depths * 50), np.arange(51)).all()
        assert depths.min() < 0.2

    def test_a_body_lies_on_black(self):
        share = [float((scene(s, body=1.0, spots=0).image < 0.02).mean()) for s in range(8)]
        assert sum(one > 0.1 for one in share) >= 6

    def test_sizes_follow_a_power_law(self):
        """Many more small leaves than large ones: areas of equal depth are mostly small."""
        depth = scene(1, size=160).depth
        areas = np.unique(depth, return_counts=True)[1]
        assert np.median(areas) < 0.2 * areas.max()

    def test_bad_arguments(self):
        with pytest.raises(ParameterError, match="at least 16"):
            dead_leaves(np.random.default_rng(0), 8)
        with pytest.raises(ParameterError, match="share from 0 to 1"):
            LeafStyle(body=1.5)
        with pytest.raises(ParameterError, match="at least 1 and 0"):
            LeafStyle(leaves=0)


class TestNoisyScenes:
    @pytest.mark.parametrize("kind", NOISES)
    def test_the_level_told_is_that_of_the_noise(self, kind):
        """On a middling grey, where nothing is clipped, the deviation is what the denoiser is told."""
        grey = np.full((96, 96), 0.5)
        ratios = []
        for seed in range(12):
            rng = np.random.default_rng(seed)
            drawn = NOISES[kind][1](grey.copy(), rng)
            if drawn.told.level < 0.12:
                ratios.append(np.std(drawn.observed - drawn.signal) / drawn.told.level)
        assert np.median(ratios) == pytest.approx(1, abs=0.12)

    def test_shares_and_repeatability(self):
        assert sum(share for share, _ in NOISES.values()) == pytest.approx(1)
        one, again = (noisy_scene(scene(0).image, np.random.default_rng(5)) for _ in range(2))
        np.testing.assert_array_equal(one.observed, again.observed)
        assert one.told == again.told
