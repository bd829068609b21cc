"""The noise model, its estimate, and the denoisers that use it: laws and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import norm

from medfuse.fusion import METHODS, fuse, make_method
from medfuse.noise import DENOISERS, NoiseModel, denoise, estimate_noise


def scene(size=160, seed=0):
    """Smooth anatomy between 0 and 0.9 on a black background, (y, x)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size - 0.5
    tissue = gaussian_filter(rng.random((size, size)), 8)
    tissue = 0.2 + 0.7 * (tissue - tissue.min()) / np.ptp(tissue)
    return np.where(x**2 + 1.5 * y**2 < 0.16, tissue, 0.0)


def observed(image, white=0.0, speckle=0.0, seed=1):
    """``image`` with noise, clipped to [0, 1]."""
    rng = np.random.default_rng(seed)
    deviation = np.sqrt(white**2 + (speckle * image) ** 2)
    return np.clip(image + deviation * rng.standard_normal(image.shape), 0, 1)


class TestModel:
    @pytest.mark.parametrize("sigma", [0.02, 0.1, 0.3])
    def test_clipping_at_zero_is_that_of_a_normal_variable(self, sigma):
        """E[max(0, N(μ, σ))] = μ Φ(μ/σ) + σ φ(μ/σ); at μ = 0: σ/√(2π), variance σ² (1/2 − 1/(2π))."""
        model = NoiseModel(sigma**2, 0.0)
        for signal in (0.0, 0.5 * sigma, sigma, 0.3):
            mean = signal * norm.cdf(signal / sigma) + sigma * norm.pdf(signal / sigma)
            if signal + 4 * sigma < 1:  # so far from 1 that only 0 clips
                assert model.unclip(mean) == pytest.approx(signal, abs=1e-3)
        black = sigma / math.sqrt(2 * math.pi)
        assert model.deviation(black) == pytest.approx(sigma * math.sqrt(0.5 - 0.5 / math.pi), rel=0.02)

    def test_far_from_the_limits_nothing_is_clipped(self):
        model = NoiseModel(0.05**2, 0.1**2)
        assert model.unclip(0.5) == pytest.approx(0.5, abs=1e-4)
        assert model.deviation(0.5) == pytest.approx(math.hypot(0.05, 0.05), rel=1e-3)

    def test_black_and_white_are_alike(self):
        model = NoiseModel(0.1**2, 0.0)
        means = np.linspace(0, 0.5, 11)
        np.testing.assert_allclose(model.unclip(1 - means), 1 - model.unclip(means), atol=1e-3)
        np.testing.assert_allclose(model.deviation(1 - means), model.deviation(means), atol=1e-3)

    def test_mean_and_deviation_by_drawing(self):
        model = NoiseModel(0.08**2, 0.3**2)
        rng = np.random.default_rng(0)
        for signal in (0.05, 0.4, 0.95):
            noise = np.sqrt(model.variance(signal)) * rng.standard_normal(400_000)
            drawn = np.clip(signal + noise, 0, 1)
            assert model.unclip(drawn.mean()) == pytest.approx(signal, abs=0.004)
            assert model.deviation(drawn.mean()) == pytest.approx(drawn.std(), rel=0.02)

    def test_without_noise_nothing_changes(self):
        model = NoiseModel(0.0, 0.0)
        values = np.linspace(0, 1, 9)
        np.testing.assert_allclose(model.unclip(values), values, atol=1e-4)
        assert model.deviation(values).max() < 1e-4


class TestEstimate:
    @pytest.mark.parametrize("sigma", [0.02, 0.05, 0.1, 0.2])
    def test_white_noise(self, sigma):
        model = estimate_noise(observed(scene(), white=sigma))
        assert math.sqrt(model.additive) == pytest.approx(sigma, rel=0.12)
        assert model.multiplicative < 0.1 * model.additive

    @pytest.mark.parametrize("sigma", [0.1, 0.2, 0.3])
    def test_speckle(self, sigma):
        model = estimate_noise(observed(scene(), speckle=sigma))
        assert math.sqrt(model.multiplicative) == pytest.approx(sigma, rel=0.12)
        assert model.additive < 0.02**2

    def test_both(self):
        model = estimate_noise(observed(scene(256), white=0.03, speckle=0.3))
        assert math.sqrt(model.additive) == pytest.approx(0.03, rel=0.3)
        assert math.sqrt(model.multiplicative) == pytest.approx(0.3, rel=0.15)

    def test_clean_data_have_none(self):
        model = estimate_noise(scene())
        assert math.sqrt(model.additive + model.multiplicative) < 0.01

    @pytest.mark.parametrize("background", [-0.4, -0.15, 1.15])
    def test_what_is_clipped_says_nothing_of_the_noise(self, background):
        """Beyond the window there is no variation, or little, whatever the noise."""
        rows, columns = np.mgrid[:160, :160] - 80
        image = np.where(np.hypot(rows, columns) < 30, 0.5 + rows / 300, background)
        model = estimate_noise(observed(image, white=0.1))
        assert math.sqrt(model.additive) == pytest.approx(0.1, rel=0.06)
        assert model.multiplicative < 0.1 * model.additive

    @pytest.mark.parametrize("level", [0.0, 1.0])
    def test_a_slice_that_is_wholly_clipped_adds_nothing(self, level):
        signals = [np.zeros((64, 64))] * 10 + [np.linspace(0.3, 0.7, 64) + np.zeros((64, 1))]
        stack = np.stack([observed(one, white=0.1, seed=s) for s, one in enumerate(signals)])
        empty = np.full((1, 64, 64), level)
        assert estimate_noise(np.concatenate([stack[:5], empty, stack[5:]])) == estimate_noise(stack)

    def test_slices_together_and_alone(self):
        stack = np.stack([observed(scene(seed=s), white=0.1, seed=s) for s in range(3)])
        together, alone = estimate_noise(stack), estimate_noise(stack[1])
        assert together.additive == pytest.approx(alone.additive, rel=0.15)

    @pytest.mark.parametrize(
        "image", [np.zeros((64, 64)), np.ones((64, 64)), np.ones((3, 3)) / 2, np.ones((1, 50))]
    )
    def test_nothing_to_measure(self, image):
        model = estimate_noise(image)
        assert model.additive + model.multiplicative < 1e-6


class TestDenoisers:
    @pytest.mark.parametrize("how", ["nlm", "tv"])
    @pytest.mark.parametrize("noise", [{"white": 0.1}, {"speckle": 0.25}])
    def test_they_remove_noise(self, how, noise):
        truth = scene()
        noisy = observed(truth, **noise)
        cleaned = denoise(noisy, how, estimate_noise(noisy))
        inside = truth > 0  # what clipping does to the black background is not theirs to undo
        assert np.mean((cleaned - truth)[inside] ** 2) < 0.4 * np.mean((noisy - truth)[inside] ** 2)
        assert 0 <= cleaned.min() <= cleaned.max() <= 1

    @pytest.mark.parametrize("how", DENOISERS)
    def test_without_noise_or_wish_nothing_happens(self, how):
        image = scene()
        np.testing.assert_array_equal(denoise(image, how, NoiseModel(0.0, 0.0)), image)
        np.testing.assert_array_equal(denoise(image, "none", NoiseModel(0.01, 0.0)), image)

    def test_speckle_is_denoised_alike_at_every_brightness(self):
        """In the log domain, twice as bright an image is denoised to twice as bright a result."""
        noisy = np.clip(0.2 * (1 + 0.1 * np.random.default_rng(0).standard_normal((64, 64))), 0, 1)
        model = NoiseModel(0.0, 0.1**2)
        one, double = denoise(noisy, "nlm", model), denoise(2 * noisy, "nlm", model)
        np.testing.assert_allclose(double, 2 * one, rtol=2e-3)

    def test_pca_denoises_its_sources(self):
        truth = np.stack([scene(), scene(seed=3)])[:, None].astype(np.float32)
        noisy = np.stack([observed(truth[i], white=0.1, seed=i) for i in range(2)]).astype(np.float32)
        wanted = fuse(truth, "pca").array
        errors = {
            how: np.mean((fuse(noisy, make_method(METHODS["pca"], {"denoise": how})).array - wanted) ** 2)
            for how in DENOISERS
        }
        assert errors["nlm"] < 0.5 * errors["none"]
        assert errors["tv"] < 0.5 * errors["none"]

    def test_pca_takes_back_what_clipping_did(self):
        """The black background of a noisy image is too bright on average; where nothing clips all stays."""

        def pca(stack, **values):
            values = {"denoise": "nlm", "exposure": "clip", **values}
            return fuse(stack, make_method(METHODS["pca"], values)).array

        truth = np.stack([scene(), scene(seed=3)])[:, None].astype(np.float32)
        noisy = np.stack([observed(truth[i], white=0.1, seed=i) for i in range(2)]).astype(np.float32)
        black = (truth == 0).all(axis=0)
        assert pca(noisy, unclip=False)[black].mean() > 0.04
        assert pca(noisy)[black].mean() < 0.015
        wanted = fuse(truth, make_method(METHODS["pca"], {"exposure": "clip"})).array
        error = lambda image: np.mean((image - wanted) ** 2)  # noqa: E731
        assert error(pca(noisy)) < 0.75 * error(pca(noisy, unclip=False))
        middling = 0.3 + 0.4 * noisy
        np.testing.assert_allclose(pca(middling), pca(middling, unclip=False), atol=0.01)

    def test_nothing_is_unclipped_that_was_not_averaged(self):
        noisy = np.stack([observed(scene(), white=0.1, seed=i) for i in range(2)])[:, None].astype(np.float32)
        plain, without = (
            fuse(noisy, make_method(METHODS["pca"], {"unclip": how})).array for how in (True, False)
        )
        np.testing.assert_array_equal(plain, without)
