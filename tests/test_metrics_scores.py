"""Scores of volumes, inter-slice consistency, profiles and the table of metrics."""

from __future__ import annotations

import inspect
import math
import pickle

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medfuse.errors import Cancelled, ParameterError, UnknownNameError
from medfuse.metrics import (
    METRICS,
    PROFILES,
    Undefined,
    evaluate,
    interslice_consistency,
    metric_rows,
    slices_with_content,
)


def stack(depth=6, size=32, seed=0, count=2):
    """Smooth sources (n, z, y, x) that change slowly along z."""
    noise = np.random.default_rng(seed).standard_normal((count, depth, size, size))
    smooth = np.stack([gaussian_filter(volume, (2, 2, 2)) for volume in noise])
    low = smooth.min(axis=(1, 2, 3), keepdims=True)
    return ((smooth - low) / (smooth.max(axis=(1, 2, 3), keepdims=True) - low)).astype(np.float32)


class TestEvaluate:
    def test_scores_each_slice_with_the_metric(self):
        sources = stack()
        fused = sources.mean(axis=0)
        scores = evaluate(sources, fused, ["pe", "qmi"])
        for key in ("pe", "qmi"):
            expected = [METRICS[key].function(sources[:, z], fused[z]) for z in range(6)]
            np.testing.assert_array_equal(scores.per_slice[key], expected)
            assert scores.whole[key] == pytest.approx(np.mean(expected))
            assert scores.spread[key] == pytest.approx(np.std(expected))
        assert list(scores.per_slice) == ["pe", "qmi"]

    def test_leaves_out_slices_in_which_a_source_shows_nothing(self):
        sources = stack()
        sources[1, 2] = 0.25
        scores = evaluate(sources, sources[0], ["en"])
        np.testing.assert_array_equal(slices_with_content(sources), np.arange(6) != 2)
        np.testing.assert_array_equal(np.isnan(scores.per_slice["en"]), np.arange(6) == 2)
        assert scores.reasons["en"] == {}
        assert np.isfinite(scores.whole["en"])

    def test_gives_the_reason_where_a_metric_is_undefined(self):
        sources = stack()
        scores = evaluate(sources, sources[0], ["scd", "viff", "en"])
        assert set(scores.reasons["scd"]) == set(range(6))
        assert np.isnan(scores.whole["scd"])
        assert scores.whole["scd"].reason == "the fused image differs from a source by a constant"
        assert scores.spread["viff"].reason == "an image side is under 41 pixels"
        assert scores.reasons["en"] == {}

    def test_says_that_nothing_had_content(self):
        whole = evaluate(np.zeros((2, 3, 8, 8)), np.zeros((3, 8, 8)), ["en"]).whole
        assert whole["en"].reason == "no slice shows something in every source"

    def test_three_sources_leave_out_what_is_defined_for_two(self):
        sources = stack(count=3)
        scores = evaluate(sources, sources.mean(axis=0), ["qy", "qs"])
        assert scores.whole["qy"].reason == "defined for two sources, and there are 3"
        assert np.isfinite(scores.whole["qs"])

    def test_takes_the_name_of_a_profile(self):
        sources = stack(depth=2)
        assert tuple(evaluate(sources, sources[0], "ma2021").per_slice) == PROFILES["ma2021"]

    def test_scores_everything_by_default(self):
        sources = stack(depth=1, size=48)
        scores = evaluate(sources, sources.mean(axis=0))
        assert set(scores.per_slice) == set(METRICS)
        assert all(np.isfinite(value) for value in scores.whole.values())

    def test_bytes_score_as_floats(self):
        levels = np.round(255 * stack()).astype(np.uint8)
        fused = levels.max(axis=0)
        whole = evaluate(levels, fused, "ma2021").whole
        assert whole == evaluate(levels / 255, fused / 255, "ma2021").whole

    def test_reports_progress_and_stops(self):
        seen = []
        sources = stack(depth=4)
        evaluate(sources, sources[0], ["en"], progress=lambda fraction, message: seen.append(fraction))
        assert seen == [0, 0.25, 0.5, 0.75, 1]

        def stop(fraction, message):
            raise Cancelled

        with pytest.raises(Cancelled):
            evaluate(sources, sources[0], ["en"], progress=stop)

    @pytest.mark.parametrize("shape", [(6, 32, 31), (5, 32, 32), (32, 32)])
    def test_refuses_shapes_that_do_not_fit(self, shape):
        with pytest.raises(ParameterError, match="expected"):
            evaluate(stack(), np.zeros(shape), ["en"])

    def test_refuses_values_outside_the_range(self):
        with pytest.raises(ParameterError, match="metrics take"):
            evaluate(stack() * 255, stack()[0], ["en"])

    @pytest.mark.parametrize("metrics", [["pe", "nothing"], "nothing"])
    def test_names_the_choices(self, metrics):
        with pytest.raises(UnknownNameError, match="Choose from"):
            evaluate(stack(), stack()[0], metrics)


class TestConsistency:
    @pytest.mark.parametrize(
        "rule",
        [
            lambda s: s.mean(axis=0),
            lambda s: s.max(axis=0),
            lambda s: s.min(axis=0),
            lambda s: s[1],
            lambda s: 0.8 * s[0] + 0.2 * s[1] ** 2 / 2,
            lambda s: np.full_like(s[0], 0.5),
        ],
        ids=["average", "maximum", "minimum", "one source", "weighted", "constant"],
    )
    def test_rules_that_follow_the_sources_are_consistent(self, rule):
        sources = stack().astype(float)
        consistency = interslice_consistency(sources, rule(sources))
        assert consistency.value == pytest.approx(1, abs=1e-12)
        np.testing.assert_allclose(consistency.flicker, 0, atol=1e-15)

    def test_flicker_over_still_sources_is_not_explained(self):
        sources = np.repeat(stack(depth=1), 5, axis=1)
        fused = sources.mean(axis=0)
        fused[1::2] += 0.05
        consistency = interslice_consistency(sources, fused)
        assert consistency.value == pytest.approx(0, abs=1e-6)
        np.testing.assert_allclose(consistency.flicker, 0.05, atol=1e-6)
        np.testing.assert_allclose(consistency.per_gap, 0, atol=1e-6)

    def test_more_flicker_is_less_consistent(self):
        sources = stack().astype(float)
        still = sources.mean(axis=0)
        sign = np.where(np.arange(6) % 2, 1, -1)[:, None, None]
        values = [interslice_consistency(sources, still + a * sign).value for a in (0, 0.02, 0.05, 0.1)]
        assert values[0] == 1
        assert np.all(np.diff(values) < 0)

    def test_finds_the_slice(self):
        sources = stack().astype(float)
        fused = sources.mean(axis=0)
        fused[3] += 0.3
        per_gap = interslice_consistency(sources, fused).per_gap
        assert per_gap.shape == (5,)
        np.testing.assert_array_equal(per_gap < 0.9, [False, False, True, True, False])

    def test_noise_of_each_slice_is_flicker(self):
        sources = stack().astype(float)
        fused = sources.mean(axis=0)
        noise = 0.2 * np.random.default_rng(0).standard_normal(fused.shape)
        assert interslice_consistency(sources, fused + noise).value < 0.7
        assert interslice_consistency(sources, fused + noise[0]).value > 0.99  # the same in all slices

    def test_formula(self):
        sources = np.array(
            [[[[0.1, 0.2]], [[0.2, 0.2]], [[0.2, 0.5]]], [[[0.0, 0.0]], [[0.1, 0.0]], [[0.1, 0.0]]]]
        )
        fused = np.array([[[0.0, 0.0]], [[0.3, 0.1]], [[0.3, 0.0]]])
        # Changes of F: 0.3 0.1 | 0 0.1; of the sources together: 0.2 0 | 0 0.3.
        consistency = interslice_consistency(sources, fused)
        assert consistency.value == pytest.approx(1 - 0.2 / 0.5)
        np.testing.assert_allclose(consistency.per_gap, [0.5, 1])
        np.testing.assert_allclose(consistency.flicker, [0.1, 0])

    def test_a_single_slice_has_none(self):
        sources = stack(depth=1)
        consistency = interslice_consistency(sources, sources[0])
        assert math.isnan(consistency.value)
        assert consistency.value.reason == "there is only one slice"
        assert consistency.per_gap.shape == consistency.flicker.shape == (0,)

    def test_refuses_shapes_that_do_not_fit(self):
        with pytest.raises(ParameterError, match="expected"):
            interslice_consistency(stack(), stack()[0, 1:])

    def test_is_part_of_the_scores(self):
        sources = stack()
        fused = sources.mean(axis=0)
        fused[2] += 0.1
        expected = interslice_consistency(sources, fused)
        assert evaluate(sources, fused, ["en"]).consistency.value == expected.value < 1


class TestCatalogue:
    def test_profiles_hold_keys_that_exist(self):
        assert {"ma2021", "li2018", "zhang2020", "lahoud2019", "cddfuse", "default", "all"} == set(PROFILES)
        for keys in PROFILES.values():
            assert set(keys) <= set(METRICS)
            assert len(set(keys)) == len(keys)
        assert set(PROFILES["all"]) == set(METRICS)

    def test_default_profile_takes_any_number_of_sources(self):
        assert not any(METRICS[key].two_sources for key in PROFILES["default"])

    def test_unknown_profile_names_the_choices(self):
        with pytest.raises(UnknownNameError, match=r"unknown profile 'ma2012'\. Did you mean 'ma2021'"):
            PROFILES["ma2012"]
        assert "ma2012" not in PROFILES

    def test_rows_come_from_the_registry(self):
        rows = {row.key: row for row in metric_rows()}
        assert list(rows) == list(METRICS)
        assert rows["nabf"].direction == "lower"
        assert rows["scd"].range == "−2 to 2"
        assert rows["viff"].range == "0 to ∞"
        assert rows["en"].unit == "bit"
        assert rows["en"].paper == METRICS["en"].reference
        assert all(isinstance(cell, str) and "|" not in cell for row in rows.values() for cell in row)

    def test_docstrings_name_no_place_that_a_reader_cannot_open(self):
        for metric in METRICS.values():
            assert inspect.getdoc(metric.function)
            assert "golden" not in metric.function.__doc__


class TestUndefined:
    def test_is_nan_with_a_reason(self):
        value = Undefined("flat")
        assert math.isnan(value)
        assert value.reason == "flat"

    def test_keeps_its_reason_on_the_way_to_another_process(self):
        assert pickle.loads(pickle.dumps(Undefined("flat"))).reason == "flat"
