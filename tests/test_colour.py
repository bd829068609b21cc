"""Luma and chroma: there and back, exact luma, hue that survives, and how chromas combine."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

from medfuse.colour import COLOUR_MAPS, coloured, combine_chroma, merge_colour, split_colour
from medfuse.errors import UnknownNameError

COLOURS = np.random.default_rng(0).random((50, 3))


def test_there_and_back():
    np.testing.assert_allclose(merge_colour(*split_colour(COLOURS)), COLOURS, atol=1e-12)


@pytest.mark.parametrize(
    ("rgb", "ycbcr"),
    [  # 8-bit values of the JFIF conversion
        ((255, 0, 0), (76.245, 84.972, 255.5)),
        ((0, 255, 0), (149.685, 43.528, 20.765)),
        ((0, 0, 255), (29.07, 255.5, 107.235)),
        ((255, 255, 255), (255, 127.5, 127.5)),
        ((0, 0, 0), (0, 127.5, 127.5)),
    ],
)
def test_values_are_those_of_bt601(rgb, ycbcr):
    luma, chroma = split_colour(np.array(rgb) / 255)
    assert luma * 255 == pytest.approx(ycbcr[0], abs=1e-6)
    # JFIF centres chroma on 128 of 255 steps; here on one half.
    np.testing.assert_allclose(chroma * 255, np.clip(ycbcr[1:], 0, 255), atol=0.51)


def test_agrees_with_pillows_conversion():
    from PIL import Image

    grey_levels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    theirs = np.asarray(Image.fromarray(grey_levels).convert("YCbCr")).astype(float)
    luma, chroma = split_colour(grey_levels / 255)
    np.testing.assert_allclose(luma * 255, theirs[..., 0], atol=1)
    np.testing.assert_allclose((chroma - 0.5) * 255 + 128, theirs[..., 1:], atol=1)


@pytest.mark.parametrize("luma", [0.0, 0.02, 0.3, 0.7, 0.98, 1.0])
def test_luma_is_kept_exactly_whatever_the_chroma(luma):
    _, chroma = split_colour(COLOURS)
    rgb = merge_colour(np.full(len(COLOURS), luma), chroma)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    np.testing.assert_allclose(split_colour(rgb)[0], luma, atol=1e-12)


def test_hue_survives_even_where_the_colour_must_pale():
    _, chroma = split_colour(COLOURS)
    paled = split_colour(merge_colour(np.full(len(COLOURS), 0.9), chroma))[1]
    before, after = chroma - 0.5, paled - 0.5
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    np.testing.assert_allclose(cross, 0, atol=1e-12)
    assert ((before * after).sum(axis=1) > 0).all()
    assert (np.linalg.norm(after, axis=1) <= np.linalg.norm(before, axis=1) + 1e-12).all()


def test_a_hot_spot_stays_hot():
    """A red spot on a dark ground, fused onto brighter anatomy, is still red."""
    _, chroma = split_colour(np.array([0.8, 0.1, 0.05]))
    hue, saturation, _ = colorsys.rgb_to_hsv(*merge_colour(np.array(0.45), chroma))
    assert min(hue, 1 - hue) < 0.03
    assert saturation > 0.5


def test_grey_has_no_say_in_chroma():
    chroma = split_colour(COLOURS)[1]
    grey = np.full_like(chroma, 0.5)
    np.testing.assert_allclose(combine_chroma(np.stack([grey, chroma, grey])), chroma, atol=1e-12)
    np.testing.assert_array_equal(combine_chroma(np.stack([grey, grey])), 0.5)


def test_chromas_combine_by_distance_from_grey():
    chromas = np.array([[[0.7, 0.5]], [[0.4, 0.9]]])
    combined = combine_chroma(chromas)[0]
    assert combined[0] == pytest.approx((0.7 * 0.2 + 0.4 * 0.1) / 0.3)
    assert combined[1] == pytest.approx(0.9)


def test_order_does_not_matter():
    chromas = np.random.default_rng(2).random((3, 10, 2))
    np.testing.assert_allclose(combine_chroma(chromas), combine_chroma(chromas[::-1]), atol=1e-14)


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_a_colour_map_begins_at_black_and_grows_brighter(name):
    colours = coloured(np.linspace(0, 1, 50), name)
    luma, chroma = split_colour(colours)
    assert colours.shape == (50, 3)
    np.testing.assert_array_equal(colours[0], 0)
    assert (np.diff(luma) > 0).all()
    assert (np.ptp(chroma, axis=0) > 0.2).any() == (name != "none")


def test_hot_is_red_before_it_is_yellow():
    """The values that matplotlib states for the map: red to 0.365, green to 0.746, then blue."""
    red, yellow = coloured(np.array([0.36, 0.74]), "hot")
    np.testing.assert_allclose(red, [0.98, 0, 0], atol=0.03)
    np.testing.assert_allclose(yellow, [1, 0.98, 0], atol=0.03)


def test_a_colour_map_that_is_not_there():
    with pytest.raises(UnknownNameError, match="Choose from: inferno"):
        coloured(np.zeros(3), "rainbow")
