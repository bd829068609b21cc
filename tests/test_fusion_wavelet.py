"""The rule of the wavelet method, against sums written out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from medfuse.fusion.multiscale.wavelet import Wavelet


def haar(block):
    """One 2×2 block to (mean, vertical, horizontal, diagonal) and back, orthonormal."""
    a, b, c, d = block.ravel()
    return np.array([a + b + c + d, a + b - c - d, a - b + c - d, a - b - c + d]) / 2


def test_one_haar_level_is_the_largest_of_the_differences_in_each_block():
    sources = np.random.default_rng(0).random((2, 1, 4, 4)) * 0.2 + 0.4
    fused = Wavelet(wavelet="haar", levels=1)(sources.astype(np.float32)).array[0]
    for y, x in ((0, 0), (0, 2), (2, 0), (2, 2)):
        parts = np.stack([haar(source[0, y : y + 2, x : x + 2]) for source in sources])
        strongest = parts[np.abs(parts).argmax(axis=0), np.arange(4)]
        strongest[0] = parts[:, 0].mean()
        np.testing.assert_allclose(haar(fused[y : y + 2, x : x + 2]), strongest, atol=1e-6)


def test_mean_brightness_is_that_of_the_average():
    sources = np.random.default_rng(1).random((2, 1, 32, 32)).astype(np.float32) * 0.2 + 0.4
    fused = Wavelet(wavelet="haar", levels=3)(sources).array
    assert fused.mean() == pytest.approx(sources.mean(), abs=1e-6)


def test_an_image_too_small_for_the_wavelet_is_averaged():
    sources = np.random.default_rng(2).random((2, 1, 3, 3)).astype(np.float32)
    np.testing.assert_allclose(Wavelet(wavelet="sym8")(sources).array, sources.mean(axis=0), atol=1e-6)


def test_a_line_is_transformed_along_itself():
    sources = np.random.default_rng(3).random((2, 1, 1, 40)).astype(np.float32) * 0.2 + 0.4
    fused = Wavelet(wavelet="haar", levels=1)(sources).array[0, 0]
    pairs = sources[:, 0, 0].reshape(2, 20, 2)
    difference = pairs[..., 0] - pairs[..., 1]
    strongest = difference[np.abs(difference).argmax(axis=0), np.arange(20)]
    np.testing.assert_allclose(fused[::2] - fused[1::2], strongest, atol=1e-6)


def test_of_equal_strength_neither_source_wins():
    edge = np.zeros((1, 8, 8), np.float32)
    edge[..., 3:] = 1
    fused = Wavelet(wavelet="haar", levels=1)(np.stack([edge, 1 - edge])).array
    np.testing.assert_allclose(fused, 0.5, atol=1e-6)
