"""Denoising and the estimate of noise beside values worked out otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from medfuse.noise import NoiseModel, denoise, observe
from medfuse.noise.estimation import _misfit
from medfuse.noise.network import DenoisingNetwork, apply_prior


def noisy(sigma, size=32):
    rng = np.random.default_rng(0)
    image = 0.5 + 0.3 * np.sin(np.arange(size) / 4) * np.cos(np.arange(size)[:, None] / 5)
    return (image + sigma * rng.standard_normal(image.shape)).clip(0, 1)


class TestDenoisers:
    """The parameters that are documented, with nothing made uniform first: white noise needs none of it."""

    @pytest.mark.parametrize("sigma", [0.05, 0.1])
    def test_non_local_means(self, sigma):
        image = noisy(sigma)
        expected = denoise_nl_means(image, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma)
        np.testing.assert_allclose(denoise(image, "nlm", NoiseModel(sigma**2, 0.0)), expected, atol=1e-6)

    @pytest.mark.parametrize("sigma", [0.05, 0.1])
    def test_total_variation(self, sigma):
        image = noisy(sigma)
        expected = denoise_tv_chambolle(image, weight=0.6 * sigma)
        np.testing.assert_allclose(denoise(image, "tv", NoiseModel(sigma**2, 0.0)), expected, atol=1e-6)

    @pytest.mark.parametrize("shape", [(16, 16), (17, 30), (9, 23)])
    def test_a_network_that_corrects_nothing_leaves_every_size_as_it_is(self, shape):
        """As a fresh one is: what is padded is cut off again, at the right places."""
        image = np.random.default_rng(0).random(shape)
        found = apply_prior(image, NoiseModel(0.1**2, 0.0), DenoisingNetwork().eval())
        np.testing.assert_allclose(found, image, atol=1e-6)


class TestDrawing:
    @pytest.mark.parametrize("kind", ["gauss", "speckle", "rice", "log-speckle"])
    def test_what_is_observed_is_clipped(self, kind):
        part = {"speckle": (0.0, 0.2**2)}.get(kind, (0.2**2, 0.0))
        seen = observe(
            np.linspace(0, 1, 10_000).reshape(100, 100), NoiseModel(*part, kind), np.random.default_rng(0)
        )
        assert seen.min() >= 0
        assert seen.max() == 1
        assert (seen == 1).mean() > 0.01


class TestMisfit:
    def test_a_mixture_of_coloured_and_white_noise_is_found(self):
        """Where s · coloured + t · white is 1 at every step, only the cost of white is left."""
        rng = np.random.default_rng(0)
        coloured = rng.uniform(0.2, 0.8, (50, 5))
        s, t = rng.uniform(0.3, 1.0, (2, 50, 1))
        white = (1 - s * coloured) / t
        np.testing.assert_allclose(_misfit(coloured, white), 0.5 * (t / (s + t))[:, 0], atol=1e-6)

    def test_what_is_coloured_alone_costs_nothing(self):
        coloured = np.random.default_rng(0).uniform(0.5, 1.5, 5)
        np.testing.assert_allclose(_misfit(np.full(5, 2.0), coloured), 0, atol=1e-9)
