"""The penalty, its prox, the iterations, and the method built on them."""

from __future__ import annotations

import numpy as np
import pytest

from medfuse.fusion import METHODS
from medfuse.fusion.pca import PatchPCA
from medfuse.fusion.sparse.gmc import SparseGMC, firm_threshold, forward_backward, gmc_penalty, soft_threshold

STRENGTH, CONCAVITY = 0.1, 0.8
VALUES = np.linspace(-0.5, 0.5, 1001)


def minimum_over_grid(cost, grid):
    return grid[np.argmin(cost, axis=-1)]


def test_penalty_is_l1_minus_its_envelope():
    """ψ_B(x) = |x| − min_v {|v| + (γ/2λ)(x − v)²}, the definition, by search over v."""
    v = np.linspace(-1, 1, 20001)
    x = VALUES[::50, None]
    envelope = (np.abs(v) + CONCAVITY / (2 * STRENGTH) * (x - v) ** 2).min(axis=1)
    np.testing.assert_allclose(
        gmc_penalty(x[:, 0], STRENGTH, CONCAVITY), np.abs(x[:, 0]) - envelope, atol=1e-6
    )


def test_penalty_is_even_grows_and_levels_off():
    cost = gmc_penalty(VALUES, STRENGTH, CONCAVITY)
    np.testing.assert_allclose(cost, cost[::-1])
    positive = cost[500:]
    assert positive[0] == 0
    assert (np.diff(positive) >= -1e-15).all()
    assert (positive <= VALUES[500:]).all()
    beyond = VALUES > STRENGTH / CONCAVITY
    np.testing.assert_allclose(cost[beyond], STRENGTH / (2 * CONCAVITY))


def test_whole_cost_is_convex_though_the_penalty_is_not():
    penalty = gmc_penalty(VALUES, STRENGTH, CONCAVITY)
    whole = VALUES**2 / 2 + STRENGTH * penalty
    assert np.diff(penalty[500:], 2).min() < -1e-6
    assert np.diff(whole, 2).min() > -1e-12


@pytest.mark.parametrize("concavity", [0.2, 0.8, 0.95])
def test_firm_threshold_is_the_prox_of_the_penalty(concavity):
    grid = np.linspace(-0.6, 0.6, 24001)
    observed = VALUES[::50]
    cost = (grid - observed[:, None]) ** 2 / 2 + STRENGTH * gmc_penalty(grid, STRENGTH, concavity)
    np.testing.assert_allclose(
        firm_threshold(observed, STRENGTH, concavity), minimum_over_grid(cost, grid), atol=1e-4
    )


def test_soft_threshold_is_the_prox_of_l1():
    grid = np.linspace(-0.6, 0.6, 24001)
    observed = VALUES[::50]
    cost = (grid - observed[:, None]) ** 2 / 2 + STRENGTH * np.abs(grid)
    np.testing.assert_allclose(soft_threshold(observed, STRENGTH), minimum_over_grid(cost, grid), atol=1e-4)


@pytest.mark.parametrize("concavity", [0.2, 0.5, 0.8, 0.9])
def test_iterations_reach_the_firm_threshold(concavity):
    solved = forward_backward(VALUES, STRENGTH, concavity, 5000, 1e-10)
    assert solved.change <= 1e-10
    np.testing.assert_allclose(solved.coefficients, firm_threshold(VALUES, STRENGTH, concavity), atol=1e-7)


def test_iterations_without_concavity_reach_the_soft_threshold():
    solved = forward_backward(VALUES, STRENGTH, 0.0, 1000, 1e-12)
    np.testing.assert_allclose(solved.coefficients, soft_threshold(VALUES, STRENGTH), atol=1e-9)


def test_prox_does_not_expand_beyond_what_concavity_allows():
    """A firm threshold is Lipschitz with 1/(1 − γ)."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 0.2, (2, 1000))
    gap = np.abs(firm_threshold(a, STRENGTH, CONCAVITY) - firm_threshold(b, STRENGTH, CONCAVITY))
    assert (gap <= np.abs(a - b) / (1 - CONCAVITY) + 1e-12).all()


def scene(noise=0.0):
    y, x = np.mgrid[:64, :64] / 64
    a = 0.2 + 0.3 * (np.hypot(x - 0.4, y - 0.5) < 0.25)
    b = 0.2 + 0.3 * (np.abs(x - 0.6) < 0.2)
    clean = np.stack([a, b])[:, None]
    noisy = clean + noise * np.random.default_rng(0).normal(size=clean.shape)
    return clean.astype(np.float32), noisy.clip(0, 1).astype(np.float32)


def test_without_strength_it_is_the_closed_form():
    _, noisy = scene(0.05)
    fused = SparseGMC(strength=0.0)(noisy).array
    np.testing.assert_allclose(fused, METHODS["pca"]()(noisy).array, atol=1e-6)


@pytest.mark.parametrize("penalty", ["gmc", "l1"])
def test_denoises_what_the_closed_form_keeps(penalty):
    clean, noisy = scene(0.05)
    pca = PatchPCA(exposure="clip")
    truth = pca(clean).array

    def error(method):
        return float(np.sqrt(np.mean((method(noisy).array - truth) ** 2)))

    assert error(SparseGMC(penalty=penalty, strength=0.12, exposure="clip")) < 0.7 * error(pca)


def test_gmc_keeps_contrast_that_l1_loses():
    clean, _ = scene()
    truth = METHODS["pca"]()(clean).array
    gmc, l1 = (SparseGMC(penalty=one, strength=0.1)(clean).array for one in ("gmc", "l1"))
    assert np.ptp(gmc) > np.ptp(l1)
    assert np.abs(gmc - truth).mean() < 0.5 * np.abs(l1 - truth).mean()


def test_tells_how_far_it_came():
    fused = SparseGMC(iterations=3)(scene(0.05)[1])
    assert fused.info["iterations"] == [3]
    assert fused.info["last_change"][0] > 1e-6
    assert SparseGMC()(scene(0.05)[1]).info["last_change"][0] <= 1e-6
