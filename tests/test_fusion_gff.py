"""The guided filter against its definition, and what the method makes of sharp and blurred halves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from medfuse.fusion.multiscale.gff import GuidedFilterFusion
from medfuse.fusion.multiscale.guided_filter import box_mean, guided_filter, guided_weights


def windows(shape, radius):
    """The slices of the window around every pixel, cut off at the border."""
    for y in range(shape[0]):
        for x in range(shape[1]):
            yield np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]


@pytest.mark.parametrize(("shape", "radius"), [((9, 12), 2), ((4, 5), 7), ((1, 6), 1), ((5, 5), 0)])
def test_box_mean_is_the_mean_over_each_window(shape, radius):
    image = np.random.default_rng(0).random(shape)
    wanted = np.reshape([image[window].mean() for window in windows(shape, radius)], shape)
    np.testing.assert_allclose(box_mean(torch.tensor(image), radius), wanted, atol=1e-14)


@pytest.mark.parametrize(("radius", "epsilon"), [(1, 1e-6), (2, 0.01), (9, 0.3)])
def test_guided_filter_is_a_ridge_regression_in_each_window(radius, epsilon):
    """Equation 4 of He et al. by least squares, then the mean over the windows that hold a pixel."""
    rng = np.random.default_rng(1)
    guide, image = rng.random((2, 8, 11))
    total, count = np.zeros_like(guide), np.zeros_like(guide)
    for window in windows(guide.shape, radius):
        inside = guide[window].ravel()
        design = np.stack([inside, np.ones_like(inside)], axis=1)
        penalty = np.diag([epsilon * inside.size, 0])
        line = np.linalg.solve(design.T @ design + penalty, design.T @ image[window].ravel())
        total[window] += (design @ line).reshape(guide[window].shape)
        count[window] += 1
    filtered = guided_filter(torch.tensor(guide), torch.tensor(image), radius, epsilon)
    # On a border pixel the paper averages over all windows that hold it, as here.
    np.testing.assert_allclose(filtered, total / count, atol=1e-9)


def test_guided_filter_with_a_flat_guide_smooths_and_with_a_sharp_one_keeps():
    image = torch.zeros(20, 20).double()
    image[:, 10:] = 1
    flat = guided_filter(torch.full_like(image, 0.5), image, 3, 1e-4)
    assert flat[10, 8] > 0.1
    kept = guided_filter(image, image, 3, 1e-4)
    np.testing.assert_allclose(kept, image, atol=1e-3)


def test_weights_follow_their_guides_and_add_to_1():
    rng = np.random.default_rng(2)
    guides, weights = torch.tensor(rng.random((2, 3, 2, 16, 16)))
    result = guided_weights(guides, weights, 2, 1e-6)
    np.testing.assert_allclose(result.sum(dim=0), 1, atol=1e-12)
    assert result.min() >= 0


def test_takes_the_sharp_half_of_each_source():
    sharp = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    blurred = gaussian_filter(sharp, 3)
    left, right = sharp.copy(), sharp.copy()
    left[:, 32:], right[:, :32] = blurred[:, 32:], blurred[:, :32]
    fused = GuidedFilterFusion(device="cpu")(np.stack([left, right])[:, None])
    assert fused.maps["detail_weight_0"][0, :, :24].mean() > 0.9
    assert fused.maps["detail_weight_1"][0, :, 40:].mean() > 0.9
    error = np.abs(fused.array[0] - sharp)
    assert error.mean() < 0.3 * np.abs((left + right) / 2 - sharp).mean()


def test_flat_regions_lie_between_the_sources():
    sources = np.stack([np.full((1, 40, 40), 0.3), np.full((1, 40, 40), 0.7)]).astype(np.float32)
    np.testing.assert_allclose(GuidedFilterFusion(device="cpu")(sources).array, 0.5, atol=1e-6)
