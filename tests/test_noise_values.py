"""Denoising and the estimate of noise beside values worked out otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from medfuse.errors import ParameterError
from medfuse.noise import NoiseModel, denoise, observe
from medfuse.noise.estimation import _misfit
from medfuse.noise.flatness import _second_difference
from medfuse.noise.network import DenoisingNetwork, apply_prior


def noisy(sigma, size=32):
    rng = np.random.default_rng(0)
    image = 0.5 + 0.3 * np.sin(np.arange(size) / 4) * np.cos(np.arange(size)[:, None] / 5)
    return (image + sigma * rng.standard_normal(image.shape)).clip(0, 1)


class TestDenoisers:
    """The documented parameters, beside the library on white noise; nothing is put back at share 0."""

    @pytest.mark.parametrize("sigma", [0.05, 0.1])
    def test_non_local_means(self, sigma):
        image = noisy(sigma)
        expected = denoise_nl_means(image, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma)
        found = denoise(image, "nlm", NoiseModel(sigma**2, 0.0), share=0.0)
        np.testing.assert_allclose(found, expected, atol=1e-3)

    @pytest.mark.parametrize("sigma", [0.05, 0.1])
    def test_total_variation(self, sigma):
        image = noisy(sigma)
        expected = denoise_tv_chambolle(image, weight=0.6 * sigma)
        found = denoise(image, "tv", NoiseModel(sigma**2, 0.0), share=0.0)
        np.testing.assert_allclose(found, expected, atol=1e-3)

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


class TestFlatness:
    @pytest.mark.parametrize("steps", [(1, 1), (2, 2), (1, 3), (3, 1)])
    def test_an_impulse_is_answered_where_it_is(self, steps):
        """By (1, −2, 1) along both axes, d apart, divided by 6."""
        image = np.zeros((15, 15))
        image[7, 7] = 6
        expected = np.zeros((15, 15))
        for y, one in zip((7 - steps[0], 7, 7 + steps[0]), (1, -2, 1), strict=True):
            for x, other in zip((7 - steps[1], 7, 7 + steps[1]), (1, -2, 1), strict=True):
                expected[y, x] = one * other
        np.testing.assert_allclose(_second_difference(image, steps), expected, atol=1e-12)

    @pytest.mark.parametrize("kind", ["rice", "log-speckle"])
    def test_noise_of_these_kinds_does_not_grow_with_the_signal(self, kind):
        with pytest.raises(ParameterError, match="no multiplicative part"):
            NoiseModel(0.1, 0.1, kind)


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
