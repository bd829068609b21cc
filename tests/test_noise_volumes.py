"""Noise of whole volumes on their own grid: across slices where they are close, and as a step of a study."""

from __future__ import annotations

import numpy as np
import pytest

from medfuse import Geometry, Volume
from medfuse.intensity import Window
from medfuse.noise import NoiseModel, denoise_volume, observe
from medfuse.noise.drawing import correlated_normal
from medfuse.noise.volumes import residual_structure
from medfuse.pipeline.noise import without_noise
from medfuse.progress import ignore

WHITE = NoiseModel(0.1**2, 0.0)


def block(depth=24, size=48):
    """A ball with a bright core on black (z, y, x), smooth along all axes."""
    z, y, x = np.mgrid[:depth, :size, :size]
    distance = np.sqrt(((z - depth / 2) * size / depth) ** 2 + (y - size / 2) ** 2 + (x - size / 2) ** 2)
    return np.clip(20 - distance, 0, 1) * (0.4 + 0.4 * np.clip(8 - distance, 0, 1))


def noisy(volume, model=WHITE):
    return observe(volume, model, np.random.default_rng(0))


def error(array, truth):
    return float(np.mean((array - truth) ** 2))


class TestDenoiseVolume:
    def test_near_slices_help_each_other(self):
        truth = block(40, 40)
        seen = noisy(truth)
        near = denoise_volume(seen, (2.0, 1.5, 1.5), "nlm")
        far = denoise_volume(seen, (5.0, 1.0, 1.0), "nlm")
        assert (near.planes, far.planes) == (3, 1)
        assert error(far.array, truth) < 0.3 * error(seen, truth)
        assert error(near.array, truth) < 0.95 * error(far.array, truth)

    def test_nothing_is_done_without_noise_or_wish(self):
        truth = block()
        for array, how in ((truth, "nlm"), (noisy(truth), "none")):
            done = denoise_volume(array, (1, 1, 1), how)
            np.testing.assert_array_equal(done.array, array)
            assert done.planes == 0

    def test_noise_that_is_weak_in_what_is_looked_at_stays(self):
        seen = noisy(0.5 * block(), NoiseModel(0.02**2, 0.0))
        assert denoise_volume(seen, (5, 1, 1), "nlm").planes == 1
        kept = denoise_volume(seen, (5, 1, 1), "nlm", weakest=0.4)
        assert kept.planes == 0
        assert "too weak" in kept.finding

    def test_structure_in_the_residual_is_seen(self):
        """Pure noise has none, whatever its correlation; anatomy of some pixels in it shows."""
        rng = np.random.default_rng(0)
        for widths, least in (((0.0, 0.0), 1.5), ((0.8, 1.2), 1.08)):
            model = NoiseModel(0.1**2, 0.0, "gauss", widths)
            noise = 0.1 * correlated_normal((8, 96, 96), widths, rng)
            assert residual_structure(noise, model) == pytest.approx(1, abs=0.05)
            assert residual_structure(noise + 0.2 * block(8, 96), model) > least

    def test_progress_reaches_the_end_and_cancels(self):
        fractions = []
        denoise_volume(noisy(block()), (1, 1, 1), "nlm", progress=lambda f, _: fractions.append(f))
        assert fractions == sorted(fractions)
        assert 0.9 < fractions[-1] <= 1


class TestStep:
    @pytest.mark.parametrize(("modality", "scale", "offset"), [("MR", 800.0, 0.0), ("CT", 1000.0, -100.0)])
    def test_units_and_what_lies_above_the_window_stay(self, modality, scale, offset):
        truth = block()
        seen = noisy(truth)
        if modality == "CT":  # which measures below the window too, and clips nothing
            seen = truth + 0.1 * np.random.default_rng(0).standard_normal(truth.shape)
        values = offset + scale * seen
        values[12, 24, 24] = offset + 3 * scale
        volume = Volume(values, Geometry((48, 48, 24), (1.5, 1.5, 2.0)), modality)
        (done,), (found,) = without_noise(
            [volume], [Window(offset, offset + scale, "chosen")], "nlm", "auto", ignore
        )
        assert found.planes == 3
        assert done.array[12, 24, 24] == pytest.approx(offset + 3 * scale)
        shares = (done.array - offset) / scale
        shares[12, 24, 24] = truth[12, 24, 24]
        assert error(shares, truth) < 0.3 * error((values - offset).clip(0, scale) / scale, truth)
        assert "removed by nlm in three orientations" in found.note("fixed", "nlm")

    def test_padding_says_nothing_of_noise(self):
        truth = block()
        valid = np.zeros(truth.shape, bool)
        valid[:, 4:-4, 4:-4] = True
        values = np.where(valid, 500 * noisy(truth, NoiseModel(0.1**2, 0.0, "gauss", (0.8, 0.8))), 0)
        volume = Volume(values, Geometry((48, 48, 24), (1.5, 1.5, 6.0)), "MR", valid=valid)
        (done,), (found,) = without_noise([volume], [Window(0, 500, "chosen")], "nlm", "auto", ignore)
        assert found.planes == 1
        np.testing.assert_array_equal(done.array[~valid], volume.array[~valid])

    def test_colour_is_left_alone_and_it_is_said(self):
        colour = Volume(np.zeros((2, 8, 8, 3)), Geometry((8, 8, 2), (1, 1, 1)), "PT")
        (done,), (found,) = without_noise([colour], [Window(0, 255, "chosen")], "nlm", "auto", ignore)
        assert done is colour
        assert found.note("moving", "nlm").endswith("not looked for in colour; nothing was removed")
