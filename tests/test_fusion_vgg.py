"""The base against its normal equations, the weights against sums written out, the layers one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from made_weights import random_backbone, save
from scipy.optimize import minimize

from medfuse.errors import WeightsError
from medfuse.fusion.multiscale.two_scale import block_shares
from medfuse.fusion.networks.architectures.backbone import spread
from medfuse.fusion.networks.vgg import VGGFusion, smooth_base


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return str(save(random_backbone("vgg19", 21), tmp_path_factory.mktemp("weights") / "vgg.pth"))


def cost(base, image, strength):
    return ((image - base) ** 2).sum() + strength * (
        (np.diff(base, axis=0) ** 2).sum() + (np.diff(base, axis=1) ** 2).sum()
    )


@pytest.mark.parametrize("shape", [(6, 5), (1, 9), (4, 4)])
def test_base_is_the_minimiser(shape):
    image = np.random.default_rng(0).random(shape)
    found = minimize(lambda b: cost(b.reshape(shape), image, 5.0), image.ravel(), tol=1e-14).x.reshape(shape)
    base = smooth_base(torch.tensor(image), 5.0).numpy()
    np.testing.assert_allclose(base, found, atol=1e-5)
    assert cost(base, image, 5.0) <= cost(found, image, 5.0) + 1e-12


def test_base_satisfies_the_normal_equations():
    image = np.random.default_rng(1).random((37, 53))
    base = smooth_base(torch.tensor(image), 5.0).numpy()
    curvature = np.zeros_like(base)
    for axis in (0, 1):
        step = np.diff(base, axis=axis)
        curvature -= np.diff(step, axis=axis, prepend=0, append=0)
    np.testing.assert_allclose(base + 5 * curvature, image, atol=1e-12)


def test_without_strength_the_base_is_the_image():
    image = torch.rand(8, 8, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(smooth_base(image, 0.0), image, atol=1e-6)


def test_shares_are_block_means_over_their_sum():
    norms = np.random.default_rng(2).random((3, 1, 6, 7))
    shares = block_shares(torch.tensor(norms), 1).numpy()
    means = norms[:, 0, 1:4, 2:5].mean(axis=(1, 2))
    np.testing.assert_allclose(shares[:, 0, 2, 3], means / means.sum(), atol=1e-12)
    np.testing.assert_array_equal(block_shares(torch.zeros(4, 1, 2, 2), 1), 0.25)


def test_spread_repeats_each_value_and_fills_an_odd_side():
    small = torch.arange(6.0).reshape(1, 1, 2, 3)
    wide = spread(small, 2, torch.empty(1, 1, 5, 6))[0, 0].numpy()
    np.testing.assert_array_equal(wide[:4], np.kron(small[0, 0].numpy(), np.ones((2, 2))))
    np.testing.assert_array_equal(wide[4], wide[3])


def two(seed=3, size=(1, 40, 36)):
    return np.random.default_rng(seed).random((2, *size)).astype(np.float32) * 0.3 + 0.3


def test_more_layers_never_lower_the_detail(weights):
    """The detail is the largest over the layers."""
    results = [VGGFusion(layers=n, weights=weights, device="cpu")(two()).array for n in (1, 2, 3, 4)]
    for fewer, more in itertools.pairwise(results):
        assert (more >= fewer - 1e-6).all()
        assert (more > fewer + 1e-4).any()


def test_one_layer_written_out(weights):
    """relu1_1 by hand: convolve the details, l1-norm, 3×3 mean, shares."""
    state = torch.load(weights, weights_only=True)
    sources = two()
    base = smooth_base(torch.tensor(sources[:, 0]), 5.0)
    detail = torch.tensor(sources[:, 0]) - base
    colour = detail[:, None].expand(-1, 3, -1, -1) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    colour = torch.nn.functional.pad(colour, (0, 64 - 36, 0, 64 - 40), mode="replicate")
    features = torch.nn.functional.conv2d(
        colour, state["features.0.weight"], state["features.0.bias"], padding=1
    ).relu()
    norm = features.sum(dim=1)[:, :40, :36].numpy()
    window = np.lib.stride_tricks.sliding_window_view(norm, (3, 3), axis=(1, 2)).mean(axis=(3, 4))
    shares = window / window.sum(axis=0)
    inside = np.s_[1:-1, 1:-1]
    wanted = base.mean(dim=0).numpy()[inside] + (shares * detail.numpy()[:, 1:-1, 1:-1]).sum(axis=0)
    fused = VGGFusion(layers=1, weights=weights, device="cpu")(sources).array[0][inside]
    np.testing.assert_allclose(fused, wanted, atol=1e-5)


def test_only_the_layers_that_are_used_need_weights(tmp_path):
    path = str(save(random_backbone("vgg19", 12), tmp_path / "vgg_to_3_1.pth"))
    VGGFusion(layers=3, weights=path, device="cpu")(two())
    with pytest.raises(WeightsError, match=r"19\.weight"):
        VGGFusion(layers=4, weights=path, device="cpu")(two())
