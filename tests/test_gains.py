"""Gains by patch PCA, and the closed form that follows from them."""

from __future__ import annotations

import numpy as np
import pytest

from medfuse.fusion import fuse
from medfuse.fusion.gains import closed_form, patch_gains
from medfuse.fusion.pca import PatchPCA


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def gains_by_definition(sources, patch):
    """Patch by patch with numpy's eigensolver, as the definition reads."""
    n, height, width = sources.shape
    total = np.zeros_like(sources, dtype=float)
    for y in range(height - patch + 1):
        for x in range(width - patch + 1):
            window = sources[:, y : y + patch, x : x + patch].reshape(n, -1).astype(float)
            vector = np.abs(np.linalg.eigh(window @ window.T)[1][:, -1])
            if not window.any():
                vector = np.full(n, n**-0.5)
            total[:, y : y + patch, x : x + patch] += vector[:, None, None]
    return total / np.linalg.norm(total, axis=0)


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("patch", [1, 4, 9])
def test_equal_to_the_definition(rng, n, patch):
    sources = rng.random((n, 17, 23))
    sources[:, :10, :12] = 0  # whole patches of nothing
    np.testing.assert_allclose(patch_gains(sources, patch), gains_by_definition(sources, patch), atol=1e-10)


def test_gains_have_unit_norm_and_follow_the_brighter_source(rng):
    structure = rng.random((20, 20))
    sources = np.stack([0.8 * structure, 0.6 * structure])
    gains = patch_gains(sources)
    np.testing.assert_allclose((gains**2).sum(axis=0), 1)
    np.testing.assert_allclose(gains[0], 0.8)
    np.testing.assert_allclose(gains[1], 0.6)


def test_swapping_sources_swaps_gains(rng):
    sources = rng.random((2, 15, 11))
    np.testing.assert_allclose(patch_gains(sources[::-1]), patch_gains(sources)[::-1], atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 12), (5, 3)])
def test_images_smaller_than_a_patch(rng, shape):
    gains = patch_gains(rng.random((2, *shape)))
    assert gains.shape == (2, *shape)
    np.testing.assert_allclose((gains**2).sum(axis=0), 1)


def test_closed_form_is_the_minimiser(rng):
    sources = rng.random((3, 12, 12))
    gains = patch_gains(sources)
    target = closed_form(sources, gains)

    def loss(image):
        return ((sources - gains * image) ** 2).sum()

    for _ in range(20):
        assert loss(target) < loss(target + 0.01 * rng.standard_normal(target.shape))


def test_loss_is_the_distance_to_the_closed_form_plus_a_constant(rng):
    sources = rng.random((2, 12, 12))
    gains = patch_gains(sources)
    target = closed_form(sources, gains)
    floor = ((sources - gains * target) ** 2).sum()
    for _ in range(5):
        image = rng.random(target.shape)
        loss = ((sources - gains * image) ** 2).sum()
        assert loss == pytest.approx(((image - target) ** 2).sum() + floor)


def test_pca_method_gives_the_closed_form_and_the_shares(rng):
    sources = (rng.random((2, 3, 14, 18)) * 0.5).astype(np.float32)
    fused = fuse(sources, PatchPCA(exposure="clip"))
    for z in range(3):
        gains = patch_gains(sources[:, z])
        np.testing.assert_allclose(fused.array[z], closed_form(sources[:, z], gains), atol=1e-6)
        np.testing.assert_allclose(fused.maps["weight_1"][z], gains[1] ** 2, atol=1e-6)
    np.testing.assert_allclose(fused.maps["weight_0"] + fused.maps["weight_1"], 1, atol=1e-6)


def test_pca_clips_where_all_sources_are_bright_if_asked_to():
    sources = np.linspace(0, 1, 144, dtype=np.float32).reshape(1, 1, 12, 12).repeat(2, axis=0)
    clipped = fuse(sources, PatchPCA(exposure="clip")).array
    np.testing.assert_allclose(clipped, np.minimum(np.sqrt(2) * sources[0], 1), atol=1e-6)


def test_paper_phantom(shared_data):
    """The beef and PVA phantom of the DIP paper: what the closed form scored elsewhere."""
    import scipy.io
    from PIL import Image

    from medfuse.metrics import METRICS

    def load(name, variable):
        image = scipy.io.loadmat(shared_data(f"mr_us/phantom_beef_pva/{name}"))[variable].astype(np.float32)
        image = (image - image.min()) / (image.max() - image.min())
        resized = Image.fromarray(image).resize((256, 256), Image.Resampling.BICUBIC)
        return np.clip(np.asarray(resized), 0, 1)

    sources = np.stack([load("irm.mat", "irm"), load("us.mat", "us")])
    fused = fuse(sources[:, None], PatchPCA(exposure="clip")).array[0]
    scores = {key: METRICS[key].function(sources, np.round(fused * 255) / 255) for key in ("pe", "q", "cv")}
    assert scores == pytest.approx({"pe": 0.663, "q": 0.692, "cv": 0.861}, abs=0.005)
