"""The pyramid's own laws, and what choosing by strength means."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medfuse.fusion.multiscale.coefficient_rules import activity, strongest
from medfuse.fusion.multiscale.laplacian import LaplacianPyramid, build_pyramid, collapse_pyramid

KERNEL = np.outer([0.05, 0.25, 0.4, 0.25, 0.05], [0.05, 0.25, 0.4, 0.25, 0.05])


@pytest.mark.parametrize("shape", [(64, 64), (37, 53), (1, 29), (5, 2), (1, 1)])
@pytest.mark.parametrize("levels", [1, 4, 20])
def test_pyramid_collapses_to_the_image(shape, levels):
    image = np.random.default_rng(0).random(shape)
    np.testing.assert_allclose(collapse_pyramid(build_pyramid(image, levels)), image, atol=1e-14)


def test_pyramid_halves_each_level_and_stops_at_one_pixel():
    assert [level.shape for level in build_pyramid(np.zeros((37, 53)), 3)] == [
        (37, 53),
        (19, 27),
        (10, 14),
        (5, 7),
    ]
    assert build_pyramid(np.zeros((37, 53)), 99)[-1].shape == (1, 1)


def test_first_level_is_what_burt_and_adelson_define():
    """Equations 1 and 2 of the paper, written as sums over the 5×5 kernel."""
    image = np.random.default_rng(1).random((16, 16))
    detail, coarse = build_pyramid(image, 1)
    i, j = 3, 4
    patch = image[2 * i - 2 : 2 * i + 3, 2 * j - 2 : 2 * j + 3]
    assert coarse[i, j] == pytest.approx((KERNEL * patch).sum(), abs=1e-14)
    spread = np.zeros((16, 16))
    spread[::2, ::2] = coarse
    for y, x in ((6, 8), (7, 8), (6, 7), (7, 7)):
        expanded = 4 * (KERNEL * spread[y - 2 : y + 3, x - 2 : x + 3]).sum()
        assert detail[y, x] == pytest.approx(image[y, x] - expanded, abs=1e-14)


def test_constant_image_has_no_detail():
    *details, base = build_pyramid(np.full((21, 34), 0.3), 4)
    assert max(np.abs(detail).max() for detail in details) < 1e-15
    np.testing.assert_allclose(base, 0.3)


def multifocus(seed=0):
    sharp = np.random.default_rng(seed).random((64, 64)).astype(np.float32)
    blurred = gaussian_filter(sharp, 3)
    left, right = sharp.copy(), sharp.copy()
    left[:, 32:], right[:, :32] = blurred[:, 32:], blurred[:, :32]
    return sharp, np.stack([left, right])[:, None]


def test_takes_the_sharp_half_of_each_source():
    sharp, sources = multifocus()
    error = np.abs(LaplacianPyramid()(sources).array[0] - sharp)
    assert error[:, :24].mean() < 0.06
    assert error[:, 40:].mean() < 0.06
    assert np.abs(sources.mean(axis=0)[0] - sharp).mean() > 0.1


def test_strength_of_a_window_is_its_energy_and_of_one_pixel_its_size():
    spike = np.zeros((1, 5, 5))
    spike[0, 2, 2] = -3
    np.testing.assert_array_equal(activity(spike, 1), np.abs(spike))
    around = np.zeros((1, 5, 5))
    around[0, 1:4, 1:4] = 1
    np.testing.assert_allclose(activity(spike, 3), around, atol=1e-15)


def test_equally_strong_coefficients_are_averaged():
    coefficients = np.array([[1.0, 2.0, -2.0], [-1.0, 2.0, 1.0], [0.5, 0.0, 2.0]])
    np.testing.assert_array_equal(strongest(coefficients, np.abs(coefficients)), [0, 2, 0])
