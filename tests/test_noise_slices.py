"""Noise told from texture by neighbouring slices, and by what the modality can have."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medfuse import Geometry, Recipe, Volume
from medfuse.intensity import Window
from medfuse.noise import NoiseModel, assess_noise, denoise_volume, is_worth_denoising, observe
from medfuse.noise.flatness import persistence
from medfuse.noise.volumes import slice_distance
from medfuse.pipeline.noise import noise_on_grid, without_noise
from medfuse.progress import ignore

SHAPE = (16, 96, 96)


def tissue():
    """Smooth tissue (z, y, x) between 0.3 and 0.7, without grain."""
    smooth = gaussian_filter(np.random.default_rng(0).random(SHAPE), (6, 10, 10))
    return 0.3 + 0.4 * (smooth - smooth.min()) / np.ptp(smooth)


def textured(width):
    """Tissue with a clean grain of ``width`` voxels along all axes, averaged from a grid twice as fine."""
    fine = np.random.default_rng(1).standard_normal(tuple(2 * n for n in SHAPE))
    z, y, x = SHAPE
    grain = gaussian_filter(fine, 2 * width).reshape(z, 2, y, 2, x, 2).mean(axis=(1, 3, 5))
    return (tissue() + 0.06 * grain / grain.std()).clip(0, 1)


def noisy(image, level, widths=(0.0, 0.0, 0.0)):
    return observe(image, NoiseModel(level**2, 0.0, "gauss", widths), np.random.default_rng(2))


class TestSlices:
    @pytest.mark.parametrize("width", [0.5, 0.7, 1.0])
    def test_grain_goes_on_and_noise_does_not(self, width):
        """Within slices both look alike: only the next slice tells them apart."""
        clean, noise = textured(width), noisy(tissue(), 0.06, (0.0, width, width))
        assert is_worth_denoising([assess_noise(clean).model])
        assert assess_noise(clean, distance=1.0).finding.endswith("from slice to slice, as texture does")
        found = assess_noise(noise, distance=1.0)
        assert found.model.level == pytest.approx(0.06, rel=0.15)
        assert persistence(noise, 1) == pytest.approx(0, abs=0.05)
        assert persistence(clean, 1) > 0.3

    def test_white_noise_on_textured_tissue_is_noise(self):
        found = assess_noise(noisy(textured(0.7), 0.1), distance=1.0)
        assert found.model.level == pytest.approx(0.1, rel=0.2)

    def test_far_slices_tell_nothing(self):
        clean = textured(0.7)
        assert assess_noise(clean, distance=4.0) == assess_noise(clean)
        assert persistence(clean[:1], 1) is None
        assert persistence(np.zeros((4, 64, 64)), 1) is None  # all of it is clipped

    def test_slices_that_are_alike_go_on_altogether(self):
        image = noisy(tissue()[:1], 0.05)
        assert persistence(np.repeat(image, 4, axis=0), 0) == pytest.approx(1)
        assert "as texture does" in assess_noise(np.repeat(image, 4, axis=0), distance=1.0).finding

    def test_what_is_known_wins(self):
        assert assess_noise(textured(0.7), "gauss", distance=1.0).model.level > 0.04

    def test_clean_textured_volumes_are_not_smoothed(self):
        """Where slices lie near one another; where they do not, texture of this kind cannot be told."""
        clean = textured(0.7)
        assert slice_distance((2.0, 1.0, 3.0)) == 1
        assert denoise_volume(clean, (1.0, 1.0, 1.0), "nlm").planes == 0
        grid = Geometry(SHAPE[::-1], (1.0, 1.0, 1.2))
        volume = Volume(1000 * clean, grid, "MR")
        window = Window(0, 1000, "chosen")
        assert noise_on_grid(volume, window, volume, None, Recipe()).model.level == 0
        (done,), _ = without_noise([volume], [window], "nlm", "auto", ignore)
        np.testing.assert_array_equal(done.array, volume.array)


class TestModality:
    def test_ct_has_no_speckle(self):
        """Noise that is stronger where tissue is brighter, as dose makes it, is taken for normal in CT."""
        steps = np.kron(np.random.default_rng(3).uniform(0.15, 0.85, (4, 6, 6)), np.ones((1, 16, 16)))
        seen = observe(steps, NoiseModel(0.0, 0.15**2), np.random.default_rng(4))
        grid, window = Geometry((96, 96, 4), (1, 1, 5)), Window(0, 1000, "chosen")
        kinds = {}
        for modality in ("CT", "MR"):
            volume = Volume(1000 * seen, grid, modality)
            found = noise_on_grid(volume, window, volume, None, Recipe())
            kinds[modality] = found.finding.split()[0]
        assert kinds == {"CT": "noise", "MR": "speckle"}

    def test_clean_ct_is_clean(self):
        volume = Volume(1000 * tissue(), Geometry(SHAPE[::-1], (1, 1, 5)), "CT")
        found = noise_on_grid(volume, Window(0, 1000, "chosen"), volume, None, Recipe())
        assert found.model.level < 0.005
