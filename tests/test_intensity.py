"""Windows, percentiles, quantisation."""

from __future__ import annotations

import numpy as np
import pytest

from medfuse import Geometry, Volume, rescale
from medfuse.errors import ParameterError, UnknownNameError
from medfuse.intensity import (
    CT_WINDOWS,
    choose_window,
    colour_map_specs,
    levels_in_use,
    luma,
    quantize,
    unit_of,
    window_specs,
)


def volume(array, modality="MR", valid=None):
    array = np.asarray(array, dtype=np.float32)
    while array.ndim < 3:
        array = array[None]
    return Volume(array, Geometry(array.shape[2::-1]), modality, valid)


def head(rng):
    """Air with noise around bone, fluid and bright tissue; and one hot voxel."""
    array = np.abs(rng.normal(0, 3, (4, 40, 40)))
    array[:, 6:34, 6:34] = rng.normal(45, 3, (4, 28, 28))
    array[:, 8:32, 8:32] = rng.normal(70, 3, (4, 24, 24))
    array[:, 12:30, 12:30] = rng.normal(200, 5, (4, 18, 18))
    array[0, 20, 20] = 5000
    return array


class TestCT:
    def test_bone_is_the_default_and_said_so(self):
        window = choose_window(volume([[-1000, 40, 1500]], "CT"))
        assert (window.lower, window.upper) == (-100, 900)
        assert window.describe() == "-100 to 900 (window bone: level 400, width 1000)"

    def test_by_name(self):
        window = choose_window(volume([[0, 1]], "CT"), "brain")
        assert (window.lower, window.upper) == (0, 100)

    def test_by_level_and_width(self):
        window = choose_window(volume([[0, 1]], "CT"), "40/80")
        assert (window.lower, window.upper) == (0, 80)
        assert choose_window(volume([[0, 1]], "CT"), "-500/1400.5").lower == -1200.25

    def test_linear_and_clipped(self):
        out = rescale(volume([[-1000, -100, 400, 900, 3000]], "CT")).array
        np.testing.assert_allclose(out.ravel(), [0, 0, 0.5, 1, 1])

    def test_named_window_needs_ct(self):
        with pytest.raises(ParameterError, match="window 'bone' is in HU and the volume's modality is MR"):
            choose_window(volume([[0, 1]], "MR"), "bone")

    def test_unknown_window_lists_the_names(self):
        with pytest.raises(UnknownNameError, match=r"unknown window 'bones'. Did you mean 'bone'\?.*brain"):
            choose_window(volume([[0, 1]], "CT"), "bones")

    @pytest.mark.parametrize("spec", ["40/0", "40/-80", "99%-1%", "0%-101%", "5%-5%"])
    def test_windows_without_width(self, spec):
        with pytest.raises(ParameterError, match="expected"):
            choose_window(volume([[0, 1, 2]], "CT"), spec)

    def test_every_named_window_has_a_positive_width(self):
        assert all(width > 0 for _, width in CT_WINDOWS.values())


class TestPercentiles:
    def test_air_is_dark_fluid_is_visible_and_a_hot_voxel_does_not_rule(self):
        out = rescale(volume(head(np.random.default_rng(0)))).array
        air, fluid, tissue = out[:, :6, :6], out[:, 9:11, 9:31], out[:, 14:28, 14:18]
        assert air.max() == 0
        assert 0.1 < fluid.mean() < 0.3
        assert 0.8 < tissue.mean() <= 1

    def test_more_air_around_changes_nothing(self):
        array = head(np.random.default_rng(0))
        wide = np.pad(array, ((0, 0), (30, 30), (30, 30)), mode="wrap")[:, 22:-22, 22:-22]
        few, many = choose_window(volume(array)), choose_window(volume(wide))
        assert many.upper == pytest.approx(few.upper, rel=0.02)

    def test_padding_is_left_out_and_becomes_0(self):
        array = head(np.random.default_rng(0))
        plain = choose_window(volume(array))
        padded = np.concatenate([array, np.full((2, 40, 40), 30000.0)])
        valid = np.ones(padded.shape, bool)
        valid[4:] = False
        masked = volume(padded, valid=valid)
        assert choose_window(masked) == plain
        assert rescale(masked).array[4:].max() == 0

    def test_ultrasound_keeps_dark_echoes(self):
        rng = np.random.default_rng(1)
        fan = rng.uniform(10, 255, (1, 30, 30))
        fan[0, :, :8] = 0
        window = choose_window(volume(fan, "US"))
        assert 10 <= window.lower < 14

    def test_chosen_percentiles(self):
        values = np.r_[np.zeros(5000), np.linspace(100, 200, 1001)]
        window = choose_window(volume(values[None]), "10%-90%")
        assert (window.lower, window.upper) == (pytest.approx(110), pytest.approx(190))

    def test_constant_volume_and_binary_mask(self):
        assert np.isfinite(rescale(volume(np.full((2, 3, 4), 7.0))).array).all()
        mask = np.zeros((2, 6, 6))
        mask[:, 2:4] = 1
        np.testing.assert_array_equal(rescale(volume(mask)).array, mask)

    def test_all_padding_is_an_error(self):
        empty = volume(np.ones((2, 3, 4)), valid=np.zeros((2, 3, 4), bool))
        with pytest.raises(ParameterError, match="all padding"):
            choose_window(empty)


def test_rescale_keeps_geometry_and_source():
    source = volume(head(np.random.default_rng(0)))
    out = rescale(source)
    assert out.geometry == source.geometry
    assert source.array.max() == 5000
    assert 0 <= out.array.min() < out.array.max() <= 1


def test_luma_by_bt601():
    colour = np.zeros((1, 1, 3, 3), np.float32)
    colour[0, 0] = np.eye(3)
    np.testing.assert_allclose(luma(volume(colour)).array.ravel(), [0.299, 0.587, 0.114], rtol=1e-6)
    grey = volume([[1, 2]])
    assert luma(grey) is grey


def test_quantize_is_exact_for_8_bit():
    levels = np.arange(256)
    np.testing.assert_array_equal(quantize(levels / 255), levels)
    np.testing.assert_array_equal(quantize((levels / 255).astype(np.float32)), levels)
    np.testing.assert_array_equal(quantize(np.array([-1.0, 0.5, 2.0])), [0, 128, 255])


class TestWindowSpecs:
    def test_bare_means_ct(self):
        assert window_specs(["brain"], ["CT", "MR"]) == ["brain", "auto"]

    def test_by_modality_and_number(self):
        assert window_specs(["mr=1%-99%", "3=50/100"], ["CT", "MR", "MR"]) == ["auto", "1%-99%", "50/100"]

    @pytest.mark.parametrize("window", ["brain", "US=1%-99%", "4=auto"])
    def test_target_that_is_not_there(self, window):
        with pytest.raises(ParameterError, match="the volumes are 1 MR, 2 MR"):
            window_specs([window], ["MR", "MR"])

    def test_target_that_is_none(self):
        with pytest.raises(ParameterError, match="before '=' stands a modality"):
            window_specs(["XR=brain"], ["CT", "MR"])


class TestColourMapSpecs:
    @pytest.mark.parametrize(
        ("maps", "specs"),
        [
            ([], ["none", "inferno", "inferno"]),
            (["hot"], ["none", "hot", "hot"]),
            (["none"], ["none", "none", "none"]),
            (["NM=none"], ["none", "inferno", "none"]),
            (["hot", "3=magma", "1=gist_heat"], ["gist_heat", "hot", "magma"]),
        ],
    )
    def test_functional_volumes_are_coloured(self, maps, specs):
        assert colour_map_specs(maps, ["MR", "PT", "NM"]) == specs

    def test_nothing_to_colour(self):
        assert colour_map_specs([], ["CT", "MR"]) == ["none", "none"]
        with pytest.raises(ParameterError, match="colour map for PT, but the volumes are 1 CT, 2 MR"):
            colour_map_specs(["hot"], ["CT", "MR"])

    def test_unknown_name(self):
        with pytest.raises(UnknownNameError, match=r"unknown colour map 'hott'\. Did you mean 'hot'"):
            colour_map_specs(["hott"], ["MR", "PT"])


@pytest.mark.parametrize(
    ("modality", "units", "words"),
    [("CT", None, "HU"), ("PT", "BQML", "Bq/ml"), ("PT", "SUV", "SUV"), ("NM", None, "value of the file")],
)
def test_units_in_words(modality, units, words):
    one = Volume(
        np.ones((1, 2, 2)), Geometry((2, 2, 1)), modality, metadata={"Units": units} if units else {}
    )
    assert unit_of(one) == words


@pytest.mark.parametrize(
    ("values", "step", "white"),
    [
        ([0, 255], 1, 255),
        ([1, 4095], 1, 4095),
        ([3, 900], 1, 1023),
        ([3, 2000], 1, 4095),  # 11 bits: of 12
        ([16, 4080], 16, 4080),
        ([16, 65520], 16, 65520),
        ([257, 65535], 1, 65535),
        ([0, 65535], 1, 65535),
        ([0, 32768], 256, 65280),  # one bit: of 8 at least
        ([0, 0], 1, 255),
    ],
)
def test_the_bits_in_use_of_16(values, step, white):
    pair = [np.array([[value]], np.uint16) for value in values]
    assert levels_in_use(pair) == (step, white)
    assert levels_in_use([np.array([values], np.uint16)]) == (step, white)
