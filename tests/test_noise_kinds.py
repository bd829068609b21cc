"""Noise as scanners make it: drawn by its law, estimated from pixels, and told from texture."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift
from scipy.special import eval_laguerre

from medfuse import Geometry
from medfuse.errors import ParameterError, UnknownNameError
from medfuse.noise import (
    CHOICES,
    NoiseModel,
    assess_noise,
    denoise,
    estimate_noise,
    is_worth_denoising,
    observe,
    put_back,
)
from medfuse.noise.drawing import correlated_normal, kept_by_smoothing
from medfuse.noise.flatness import gain
from medfuse.phantom import render
from medfuse.training.dead_leaves import dead_leaves

from .test_noise import scene


def leaves(seed=0, size=128):
    return dead_leaves(np.random.default_rng(seed), size).image.astype(float)


def drawn(model, seed=1, image=None):
    return observe(scene() if image is None else image, model, np.random.default_rng(seed))


class TestDrawing:
    @pytest.mark.parametrize("signal", [0.0, 0.1, 0.5])
    def test_rician_mean_and_variance(self, signal):
        """E[M] = σ √(π/2) L½(−S²/2σ²), E[M²] = S² + 2σ² (Gudbjartsson & Patz 1995)."""
        sigma = 0.1
        model = NoiseModel(sigma**2, 0.0, "rice")
        seen = drawn(model, image=np.full((500, 500), signal))
        mean = sigma * math.sqrt(math.pi / 2) * float(eval_laguerre(0.5, -(signal**2) / (2 * sigma**2)))
        assert seen.mean() == pytest.approx(mean, rel=0.01)
        assert (seen**2).mean() == pytest.approx(signal**2 + 2 * sigma**2, rel=0.01)
        assert model.unclip(mean) == pytest.approx(signal, abs=0.012)
        assert model.deviation(mean) == pytest.approx(seen.std(), rel=0.05)

    def test_log_speckle_is_ln_of_a_rayleigh_amplitude(self):
        """Its mean lies γ/2 below that of the mean square, its deviation is π/√24, its skewness −1.14."""
        model = NoiseModel(0.05**2, 0.0, "log-speckle")
        seen = drawn(model, image=np.full((400, 400), 0.6))
        scale = 0.05 / (math.pi / math.sqrt(24))
        assert seen.mean() == pytest.approx(0.6 - scale * np.euler_gamma / 2, abs=1e-3)
        assert seen.std() == pytest.approx(0.05, rel=0.02)
        assert ((seen - seen.mean()) ** 3).mean() / seen.std() ** 3 == pytest.approx(-1.14, abs=0.1)
        assert model.unclip(seen.mean()) == pytest.approx(0.6, abs=2e-3)

    @pytest.mark.parametrize("widths", [(0.0, 0.0), (0.7, 1.2)])
    def test_correlated_noise_has_variance_1_and_the_correlation_of_its_kernel(self, widths):
        noise = correlated_normal((600, 600), widths, np.random.default_rng(0))
        assert noise.std() == pytest.approx(1, rel=0.02)
        for axis, width in enumerate(widths):
            shifted = np.roll(noise, 2, axis)
            expected = math.exp(-4 / (4 * width**2)) if width else 0.0  # of a Gaussian kernel
            assert (noise * shifted).mean() == pytest.approx(expected, abs=0.02)

    def test_answers_to_correlated_noise(self):
        """The operator between pixels d apart leaves white noise as it is, and weakens what is correlated."""
        assert [gain(0.0, d) for d in (1, 2, 3)] == pytest.approx([1, 1, 1])
        rho = lambda k: math.exp(-(k**2) / (4 * 1.2**2))  # noqa: E731
        for d in (1, 2, 3):
            assert gain(1.2, d) == pytest.approx((6 - 8 * rho(d) + 2 * rho(2 * d)) / 6, rel=0.02, abs=1e-3)
        assert kept_by_smoothing((0.0,)) == 1

    def test_wrong_models_are_refused(self):
        with pytest.raises(UnknownNameError, match="kind of noise"):
            NoiseModel(0.1, 0.0, "pink")
        with pytest.raises(ParameterError, match="at least 0"):
            NoiseModel(-0.1, 0.0)
        with pytest.raises(ParameterError, match="no multiplicative part"):
            NoiseModel(0.1, 0.1, "rice")


class TestEstimate:
    @pytest.mark.parametrize("sigma", [0.04, 0.07, 0.12])
    def test_rician(self, sigma):
        model = estimate_noise(drawn(NoiseModel(sigma**2, 0.0, "rice")))
        assert model.kind == "rice"
        assert math.sqrt(model.additive) == pytest.approx(sigma, rel=0.15)
        assert model.widths == (0.0, 0.0)

    @pytest.mark.parametrize("width", [0.7, 1.2])
    @pytest.mark.parametrize("seed", [0, 1])
    def test_correlated(self, width, seed):
        """A high-pass of 3×3 pixels alone would find 0.029 of 0.10 at a width of 0.7."""
        model = estimate_noise(drawn(NoiseModel(0.1**2, 0.0, "gauss", (width, width)), seed))
        assert model.level == pytest.approx(0.1, rel=0.25)
        assert model.widths == pytest.approx((width, width), abs=0.15)

    def test_correlated_along_one_axis(self):
        model = estimate_noise(drawn(NoiseModel(0.08**2, 0.0, "gauss", (0.0, 1.0))))
        assert model.widths[0] < 0.4
        assert model.widths[1] == pytest.approx(1.0, abs=0.2)

    @pytest.mark.parametrize("contrast", ["CT", "T1", "T2"])
    @pytest.mark.parametrize("sigma", [0.03, 0.06])
    def test_structure_of_a_coarse_grid_is_no_correlation(self, contrast, sigma):
        """What varies between pixels of 2 mm once passed as correlated noise of five times the level."""
        grid = Geometry((110, 110, 5), (2.0, 2.0, 16.0), (-109.0, -109.0, -32.0))
        head = render(contrast, grid, noise=0.0, seed=1).array.astype(float)
        low, high = np.percentile(head, (0, 99.8))
        image = ((head - low) / (high - low)).clip(0, 1)
        model = estimate_noise(drawn(NoiseModel(sigma**2, 0.0), image=image))
        assert model.level == pytest.approx(sigma, rel=0.15)
        assert model.widths == (0.0, 0.0)

    @pytest.mark.parametrize(
        "model",
        [
            NoiseModel(0.07**2, 0.0, "rice"),
            NoiseModel(0.1**2, 0.0),
            NoiseModel(0.05**2, 0.0, "gauss", (0.7, 0.7)),
        ],
        ids=lambda model: f"{model.kind} {model.widths[0]:g}",
    )
    def test_a_background_tells_the_level(self, model):
        """A ring on black: variances about so dark a signal alone would say 0.061 of Rician 0.07."""
        y, x = np.mgrid[:128, :128] - 63.5
        ring = 0.6 * (np.abs(np.hypot(y, x) - 35) < 12)
        assert estimate_noise(drawn(model, image=ring)).level == pytest.approx(model.level, rel=0.06)

    def test_a_background_that_was_interpolated_is_no_magnitude(self):
        """Clipped at 0 and then averaged it is never black, and darker than the magnitude it looks like."""
        moved = shift(drawn(NoiseModel(0.1**2, 0.0)), 0.5, order=1, mode="nearest")
        assert estimate_noise(moved).level == pytest.approx(0.05, rel=0.25)

    def test_what_is_clipped_at_white_is_no_background(self):
        image = np.where(np.mgrid[:128, :128][1] < 64, 0.4, 1.0)
        found = estimate_noise(drawn(NoiseModel(0.1**2, 0.0), image=image))
        assert found.level == pytest.approx(0.1, rel=0.1)

    def test_log_compressed_speckle(self):
        bright = 0.35 + 0.5 * scene()
        model = estimate_noise(drawn(NoiseModel(0.08**2, 0.0, "log-speckle"), image=bright))
        assert model.kind == "log-speckle"
        assert math.sqrt(model.additive) == pytest.approx(0.08, rel=0.2)

    def test_what_is_known_wins(self):
        seen = drawn(NoiseModel(0.07**2, 0.0))
        assert estimate_noise(seen, "rice").kind == "rice"
        assert estimate_noise(seen, "none").level == 0
        with pytest.raises(UnknownNameError, match="kind of noise"):
            estimate_noise(seen, "white")

    def test_words(self):
        words = {
            kind: assess_noise(drawn(NoiseModel(0.07**2, 0.0, "rice")), kind).finding for kind in CHOICES
        }
        kind, level = words["auto"].rsplit(" ", 1)
        assert kind == "Rician noise of"
        assert float(level) == pytest.approx(0.07, rel=0.05)
        assert words["none"] == "none, as given"
        assert "correlated" in assess_noise(drawn(NoiseModel(0.1**2, 0.0, "gauss", (1.0, 1.0)))).finding


class TestTextureIsNotNoise:
    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("size", [128, 256])
    def test_clean_scenes_are_left_alone(self, seed, size):
        """Leaves with textures of every spectrum, clean: nothing worth removing, at either sampling."""
        image = leaves(seed, 256)
        if size == 128:
            image = image.reshape(128, 2, 128, 2).mean(axis=(1, 3))
        assert not is_worth_denoising([estimate_noise(image)])

    def test_textured_tissue_on_black(self):
        grain = gaussian_filter(np.random.default_rng(0).standard_normal((160, 160)), 1.0)
        image = (scene() * (1 + 0.8 * grain)).clip(0, 1)
        clean = assess_noise(image)
        assert clean.model.level == 0
        assert "texture" in clean.finding
        noisy = estimate_noise(drawn(NoiseModel(0.1**2, 0.0), image=image))
        assert noisy.level == pytest.approx(0.1, rel=0.2)

    @pytest.mark.parametrize(
        ("model", "worth"),
        [
            (NoiseModel(0.0, 0.0), False),
            (NoiseModel(0.01**2, 0.0), False),
            (NoiseModel(0.02**2, 0.0), True),
            (NoiseModel(0.03**2, 0.0, "gauss", (1.0, 1.0)), False),
            (NoiseModel(0.05**2, 0.0, "gauss", (1.0, 1.0)), True),
            (NoiseModel(0.0, 0.2**2, "speckle"), True),
        ],
    )
    def test_what_is_worth_removing(self, model, worth):
        assert is_worth_denoising([NoiseModel(0.0, 0.0), model]) is worth


class TestDenoising:
    def test_a_rice_model_pays_on_magnitudes(self):
        """Rician noise lifts what is dark; taken for normal noise that stays."""
        truth = scene()
        seen = drawn(NoiseModel(0.08**2, 0.0, "rice"))
        model = estimate_noise(seen)
        models = (model, replace(model, kind="gauss"))
        errors = [np.mean((denoise(seen, "nlm", one, unclip=True) - truth) ** 2) for one in models]
        assert errors[0] < 0.5 * errors[1]

    def test_the_right_level_pays_where_noise_is_correlated(self):
        truth = scene()
        seen = drawn(NoiseModel(0.1**2, 0.0, "gauss", (0.7, 0.7)))
        fine = NoiseModel(0.029**2, 0.0)  # what a 3×3 high-pass finds
        errors = [
            np.mean((denoise(seen, "nlm", one, unclip=True) - truth) ** 2)
            for one in (estimate_noise(seen), fine)
        ]
        assert errors[0] < 0.4 * errors[1]

    def test_an_unknown_denoiser_is_refused(self):
        with pytest.raises(UnknownNameError, match="denoiser"):
            denoise(scene(), "bm4d", NoiseModel(0.01, 0.0))


class TestPuttingBack:
    def test_a_lesion_keeps_its_contrast_at_little_noise(self):
        """Of a disc of 4 pixels and contrast 0.10 at noise of 0.05 less than 66 % are left without."""
        y, x = np.mgrid[:64, :64]
        disc = np.clip(2.5 - np.hypot(y - 32, x - 32), 0, 1)
        model = NoiseModel(0.05**2, 0.0)
        flat = np.full((64, 64), 0.4)

        def response(share):
            found = []
            for seed in range(8):
                seen = [drawn(model, seed, flat + 0.1 * part) for part in (disc, 0 * disc)]
                one, other = (denoise(image, "nlm", model, unclip=True, share=share) for image in seen)
                found.append(((one - other) * disc).sum() / (0.1 * disc**2).sum())
            return np.mean(found)

        assert response(0.0) < 0.66
        assert response(1.0) > 0.75
        seen = drawn(model, image=flat)
        assert np.std(denoise(seen, "nlm", model, unclip=True)) < 0.4 * np.std(seen)

    def test_the_black_background_of_a_magnitude_stays_black(self):
        """There an observation tells nothing of the signal, so that nothing of it is put back."""
        model = NoiseModel(0.07**2, 0.0, "rice")
        seen = drawn(model, image=np.zeros((64, 64)))
        assert model.slope(0.0) < 0.05
        assert put_back(np.zeros((64, 64)), seen, model).max() < 0.01

    def test_less_is_put_back_where_noise_is_correlated(self):
        image, signal = np.full((64, 64), 0.5), np.full((64, 64), 0.4)
        back = [
            put_back(signal, image, NoiseModel(0.1**2, 0.0, "gauss", (width, width))).mean() - 0.4
            for width in (0.0, 0.7, 1.2)
        ]
        assert back == sorted(back, reverse=True)
        assert back[0] == pytest.approx(0.1, rel=1e-3)
        assert back[2] < 0.5 * back[0]
        np.testing.assert_array_equal(put_back(signal, image, NoiseModel(0.01, 0.0), 0.0), signal)
