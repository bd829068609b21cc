"""DenseFuse with weights that hand the image through, so that the rule on the features can be seen."""

from __future__ import annotations

import numpy as np
import pytest
from made_weights import identity_densefuse, save
from scipy.ndimage import uniform_filter

from medfuse.fusion.networks.architectures.densefuse import DenseFuseNetwork
from medfuse.fusion.networks.densefuse import DenseFuse


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return str(save(identity_densefuse(), tmp_path_factory.mktemp("weights") / "identity.pth"))


def stack(n=3):
    return np.random.default_rng(0).uniform(0.1, 1, (n, 2, 9, 13)).astype(np.float32)


def test_addition_is_the_mean_of_the_features(weights):
    fused = DenseFuse(weights=weights, device="cpu")(stack())
    np.testing.assert_allclose(fused.array, stack().mean(axis=0), atol=1e-6)
    assert fused.maps == {}


def test_l1_weighs_by_the_norm_of_the_features(weights):
    fused = DenseFuse(rule="l1", block=0, weights=weights, device="cpu")(stack())
    shares = stack() / stack().sum(axis=0)
    np.testing.assert_allclose(fused.array, (shares * stack()).sum(axis=0), atol=1e-5)
    np.testing.assert_allclose(fused.maps["weight_1"], shares[1], atol=1e-5)


def test_l1_averages_the_norms_over_a_block(weights):
    fused = DenseFuse(rule="l1", block=1, weights=weights, device="cpu")(stack())
    smooth = uniform_filter(stack().astype(float), (1, 1, 3, 3))
    inside = np.s_[:, 1:-1, 1:-1]
    np.testing.assert_allclose(
        fused.maps["weight_0"][inside], (smooth / smooth.sum(axis=0))[0][inside], atol=1e-5
    )


def test_where_all_is_black_the_sources_count_alike(weights):
    fused = DenseFuse(rule="l1", weights=weights, device="cpu")(np.zeros((2, 1, 8, 8), np.float32))
    np.testing.assert_array_equal(fused.maps["weight_0"], 0.5)


def test_network_is_the_papers_table():
    network = DenseFuseNetwork()
    shapes = [tuple(value.shape) for value in network.parameters() if value.dim() == 4]
    encoder = [(16, 1, 3, 3), (16, 16, 3, 3), (16, 32, 3, 3), (16, 48, 3, 3)]
    decoder = [(64, 64, 3, 3), (32, 64, 3, 3), (16, 32, 3, 3), (1, 16, 3, 3)]
    assert shapes == encoder + decoder
    assert sum(value.numel() for value in network.parameters()) == 74193
