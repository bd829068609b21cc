"""The numbers behind the deep image prior, part by part: laws and values worked out otherwise."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from medfuse.fusion import fuse, make_method, what_ran
from medfuse.fusion.dip.engine import Engine, noise_in_data, outcome, stop_rule
from medfuse.fusion.dip.method import DeepImagePrior
from medfuse.fusion.dip.network import SkipNetwork, seeded
from medfuse.fusion.dip.problem import Problem, pad, reflect_padding
from medfuse.fusion.dip.run import Fitted, Run
from medfuse.fusion.dip.settings import Settings
from medfuse.fusion.dip.slice_order import SliceBatch
from medfuse.fusion.dip.stopping import Discrepancy, LeastVariance, Never
from medfuse.fusion.gains import closed_form, patch_gains
from medfuse.fusion.pca import PatchPCA
from medfuse.noise import NoiseModel, denoise

TINY = {"width": 4, "scales": 1, "skip_channels": 2, "output_channels": 1, "device": "cpu"}
WHITE = NoiseModel(0.05**2, 0.0)
SPECKLE = NoiseModel(0.0, 0.1**2)
CPU = torch.device("cpu")


def images(n=2, size=16, seed=0):
    """Smooth images between 0.3 and 0.7 (n, y, x), where no noise is clipped."""
    random = np.random.default_rng(seed).random((n, size, size))
    smooth = np.stack([gaussian_filter(one, 2) for one in random])
    return 0.3 + 0.4 * (smooth - smooth.min()) / np.ptp(smooth)


class TestProblem:
    def test_the_noise_of_the_target_is_that_of_the_sources_weighted_by_the_gains(self):
        """With Σ β² = 1, white noise of σ in all sources is noise of σ in T."""
        white = Problem(images(), (WHITE, WHITE), 5)
        np.testing.assert_allclose(white.deviations, 0.05, rtol=0.01)
        np.testing.assert_allclose(white.target_deviation, 0.05, rtol=0.01)
        assert white.noise_level == pytest.approx(0.05, rel=0.01)
        one = Problem(images(), (WHITE, NoiseModel(0.0, 0.0)), 5)
        np.testing.assert_allclose(one.target_deviation, 0.05 * one.gains[0], rtol=0.01)
        assert one.noise_level == pytest.approx(0.05 * np.sqrt(np.mean(one.gains[0] ** 2)), rel=0.01)

    def test_noise_follows_the_brightness_nearby_and_not_the_noise_itself(self):
        sources = np.linspace(0.3, 0.7, 32) + np.zeros((1, 32, 1))
        noisy = sources * (1 + 0.1 * np.random.default_rng(1).standard_normal(sources.shape))
        found = Problem(noisy, (SPECKLE,), 5).deviations
        assert found.mean() == pytest.approx(0.1 * sources.mean(), rel=0.02)
        at_the_pixel = 0.1 * noisy
        assert np.abs(found - 0.1 * sources).mean() < 0.4 * np.abs(at_the_pixel - 0.1 * sources).mean()

    def test_loss_is_the_floor_and_the_distance_to_the_target(self):
        problem = Problem(images(3), (WHITE,) * 3, 5)
        other = np.random.default_rng(2).random(problem.target.shape)
        expected = problem.loss(problem.target) + np.mean((other - problem.target) ** 2)
        assert problem.loss(other) == pytest.approx(expected)

    def test_denoised_by_the_noise_of_each_source(self):
        problem = Problem(images(), (WHITE, SPECKLE), 5)
        for found, source, model in zip(problem.denoised("nlm"), images(), (WHITE, SPECKLE), strict=True):
            np.testing.assert_array_equal(found, denoise(source, "nlm", model, unclip=True, share=0))

    def test_padding_is_shared_out_and_reflects(self):
        assert reflect_padding((5, 8), 2) == ((1, 2), (0, 0))
        assert reflect_padding((1, 2), 1) == ((1, 2), (1, 1))
        row = np.arange(5.0)[None, None] + 10
        padded = pad(row, ((0, 0), (2, 1)))
        np.testing.assert_array_equal(padded, [[[12, 11, 10, 11, 12, 13, 14, 13]]])
        assert pad(np.zeros((3, 2, 5, 4)), ((1, 2), (0, 1))).shape == (3, 2, 8, 5)


class TestRun:
    """What is kept of outputs that are known."""

    def run(self, outputs, rule=None, keep="best", distances=None, padding=((0, 0), (0, 0))):
        """A run of one slice over outputs (steps, members, k, y, x)."""
        outputs = torch.as_tensor(outputs, dtype=torch.float64)
        run = Run(outputs[:1, 0], padding, len(outputs), rule or Never(), keep)
        run.restart(len(outputs), torch.tensor([0.1]))
        for i, one in enumerate(outputs):
            distance = 1.0 / (i + 1) if distances is None else distances[i]
            run.steps += 1
            run.take(one[None], torch.tensor([distance], dtype=torch.float64))
        return run

    @staticmethod
    def drawn(steps, members=1, seed=0):
        return np.random.default_rng(seed).random((steps, members, 2, 4, 4))

    @pytest.mark.parametrize("steps", [1, 2, 7, 40])
    def test_mean_and_variance_weigh_late_outputs(self, steps):
        """Step k weighs k (k+1) (k+2), as in polynomial-decay averaging (Shamir & Zhang 2013)."""
        outputs = self.drawn(steps)
        k = np.arange(1, steps + 1)
        weights = (k * (k + 1) * (k + 2))[:, None, None, None]
        mean = (weights * outputs[:, 0]).sum(axis=0) / weights.sum()
        variance = (weights * (outputs[:, 0] - mean) ** 2).sum(axis=0) / weights.sum()
        fitted = self.run(outputs, keep="average").fitted(0)
        np.testing.assert_allclose(fitted.images, mean, atol=1e-12)
        np.testing.assert_allclose(fitted.variance, variance, atol=1e-12)

    def test_long_runs_forget(self):
        """From step 131 on an output weighs 3 %: what was long ago is left with 0.97^steps."""
        outputs = np.zeros((300, 1, 1, 2, 2))
        outputs[:200] = 1
        fitted = self.run(outputs, keep="average").fitted(0)
        np.testing.assert_allclose(fitted.images, 0.97**100, rtol=1e-9)

    def test_members_are_averaged_and_their_spread_is_uncertainty(self):
        outputs = np.stack([np.full((9, 2, 4, 4), 0.3), np.full((9, 2, 4, 4), 0.5)], axis=1)
        fitted = self.run(outputs, keep="average").fitted(0)
        np.testing.assert_allclose(fitted.images, 0.4)
        k = np.arange(2, 10)
        shares = 4 / (k + 3)
        expected = 0.0
        for share in shares:
            expected = (expected + share * 0.1**2) * (1 - share)
        np.testing.assert_allclose(fitted.variance, expected)

    @pytest.mark.parametrize("keep", ["best", "average"])
    def test_the_nearest_output_or_the_mean_of_all(self, keep):
        outputs = self.drawn(6)
        run = self.run(outputs, keep=keep, distances=[5, 4, 1, 3, 2, 6])
        fitted = run.fitted(0)
        if keep == "best":
            np.testing.assert_array_equal(fitted.images, outputs[2, 0])
            three = self.run(outputs[:3])
            np.testing.assert_allclose(fitted.variance, three.fitted(0).variance)
        else:
            np.testing.assert_allclose(fitted.images, run.mean[0])
        np.testing.assert_array_equal(run.last[0], outputs[5, 0])
        assert fitted.curve == [5, 4, 1, 3, 2, 6]
        assert run.distances[:, 0].tolist() == fitted.curve
        assert (fitted.steps, fitted.stop_reason) == (6, "all 6 steps done")

    def test_after_its_stop_a_slice_keeps_what_it_has(self):
        rule = Discrepancy(10.0, 1, CPU)  # at 10 · 0.1
        outputs = self.drawn(6)
        run = self.run(outputs, rule, distances=[5, 4, 1, 0.5, 0.4, 0.3])
        fitted = run.fitted(0)
        assert (fitted.steps, fitted.curve) == (3, [5, 4, 1])
        assert fitted.stop_reason == "distance to the sources reached the noise level 1"
        np.testing.assert_array_equal(fitted.images, outputs[2, 0])
        assert not run.goes_on()

    def test_with_least_variance_the_average_is_that_of_the_best_step(self):
        rule = LeastVariance(2, 50, torch.zeros((1, 2, 4, 4), dtype=torch.float64))
        outputs = np.stack([np.full((1, 2, 4, 4), v) for v in (0.0, 1.0, 1.1, 0.2, 0.9)])
        run = self.run(outputs, rule, keep="average")
        three = self.run(outputs[:3], keep="average")  # steps 2 and 3 differ least
        np.testing.assert_allclose(run.fitted(0).images, three.fitted(0).images)

    def test_it_goes_on_to_its_limit(self):
        run = self.run(self.drawn(4))
        assert not run.goes_on()
        run.restart(2, torch.tensor([0.1]))
        assert run.goes_on()
        run.steps = 1
        assert run.goes_on()
        run.steps = 2
        assert not run.goes_on()

    @pytest.mark.parametrize(
        ("steps", "points", "apart"), [(49, 49, 1), (99, 99, 1), (100, 50, 2), (260, 52, 5)]
    )
    def test_the_curve_is_thinned_to_some_fifty(self, steps, points, apart):
        curve = self.run(np.zeros((steps, 1, 1, 1, 1))).fitted(0).curve
        assert len(curve) == points
        assert curve[:2] == [1.0, 1.0 / (1 + apart)]

    def test_what_lies_beyond_the_slice_is_cut_off(self):
        outputs = np.arange(42.0).reshape(1, 1, 1, 6, 7)
        fitted = self.run(outputs, padding=((1, 2), (0, 3))).fitted(0)
        np.testing.assert_array_equal(fitted.images[0], outputs[0, 0, 0, 1:4, :4])
        assert fitted.variance.shape == (1, 3, 4)

    def test_what_is_fitted_is_not_overwritten(self):
        run = self.run(np.ones((1, 1, 1, 2, 2)))
        fitted = run.fitted(0)
        run.restart(1, torch.tensor([0.1]))
        run.take(torch.zeros(1, 1, 1, 2, 2), torch.tensor([9.0], dtype=torch.float64))
        assert fitted.images.min() == 1
        assert run.fitted(0).images.max() == 0


def engine_of(n=2, models=(WHITE, SPECKLE), slices=1, **settings):
    method = DeepImagePrior(**{**TINY, **settings})
    problems = [Problem(images(n, seed=i), models, method.patch) for i in range(slices)]
    return Engine(method, models, CPU), problems


class TestEngine:
    def test_the_papers_input_is_uniform_noise_of_its_seed(self):
        engine, problems = engine_of(seed=7, slices=2)
        engine.start(problems)
        guide = engine._given.guide
        assert guide.shape == (2, 2, 16, 16)
        assert 0 <= guide.min() < 0.002
        assert 0.098 < guide.max() <= 0.1
        torch.testing.assert_close(guide[0], guide[1])
        expected = 0.1 * torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(7))
        torch.testing.assert_close(guide[0], expected)

    @pytest.mark.parametrize("kind", ["sources", "denoised"])
    def test_or_the_sources_and_the_target(self, kind):
        engine, (problem,) = engine_of(input=kind)
        engine.start([problem])
        sources = problem.sources if kind == "sources" else problem.denoised(engine.settings.denoiser)
        expected = [*sources, closed_form(sources, patch_gains(sources, 9))]
        np.testing.assert_allclose(engine._given.guide[0], np.stack(expected), atol=1e-6)

    @pytest.mark.parametrize(("perturbation", "ensemble"), [(0.0, 1), (0.2, 3)])
    def test_it_is_perturbed_for_each_member_and_step(self, perturbation, ensemble):
        engine, problems = engine_of(perturbation=perturbation, ensemble=ensemble)
        engine.start(problems)
        (one, nothing), (other, _) = engine._perturbed(), engine._perturbed()
        noise = one - engine._given.guide[:, None]
        assert float(nothing) == 0
        assert noise.shape == (1, ensemble, 2, 16, 16)
        assert float(noise.std()) == pytest.approx(perturbation, rel=0.1, abs=1e-9)
        assert torch.equal(one, other) is (perturbation == 0)
        if ensemble > 1:
            assert abs(np.corrcoef(noise[0, 0].ravel(), noise[0, 1].ravel())[0, 1]) < 0.2

    @pytest.mark.parametrize("draws", ["fused", "sources"])
    @pytest.mark.parametrize("exposure", ["clip", "rescale"])
    def test_what_is_fitted_and_its_noise(self, draws, exposure):
        engine, (problem,) = engine_of(draws=draws, exposure=exposure, input="sources")
        engine.start([problem])
        top = math.sqrt(2) if (draws, exposure) == ("fused", "rescale") else 1.0
        expected = problem.sources if draws == "sources" else problem.target[None] / top
        np.testing.assert_allclose(engine._given.data[0], expected, atol=1e-6)
        deviations = problem.deviations if draws == "sources" else problem.target_deviation / top
        found = noise_in_data(problem, engine.settings)
        assert found == pytest.approx(np.mean(np.square(deviations)))

    def test_the_noise_at_each_brightness(self):
        """Speckle of a tenth of the signal; outputs beyond [0, 1] count as black and white."""
        engine, _ = engine_of()
        means = torch.tensor([-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 2.0]).reshape(1, 1, 1, 7).repeat(1, 2, 1, 1)
        found = engine._noise_of(means)[0, :, 0].numpy()
        inside = np.array([0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0])
        for row, model in zip(found, (WHITE, SPECKLE), strict=True):
            np.testing.assert_allclose(row, model.deviation(inside), atol=2e-4)

    @pytest.mark.parametrize(("draws", "renews"), [("sources", True), ("fused", False)])
    def test_noise_is_known_better_every_ten_steps(self, draws, renews):
        engine, problems = engine_of(draws=draws, input="sources", recorruption=1.0)
        engine.start(problems)
        first = engine._given.noise.clone()
        for _ in range(9):
            engine.step()
        assert torch.equal(engine._given.noise, first)
        engine.step()
        assert torch.equal(engine._given.noise, first) is not renews
        if renews:
            torch.testing.assert_close(engine._given.noise, engine._noise_of(engine.run.mean))

    def test_steps_of_a_fresh_and_of_a_warm_start(self):
        engine, problems = engine_of(steps=5, warm_steps=9, warm_start=True)
        assert engine.start(problems).limit == 5
        assert engine.start(problems, fresh=False).limit == 9
        assert engine.start(problems, fresh=True).limit == 5

    @pytest.mark.parametrize(("precision", "kind"), [("float32", torch.float32), ("float64", torch.float64)])
    def test_precision(self, precision, kind):
        engine, problems = engine_of(precision=precision)
        run = engine.start(problems)
        engine.step()
        assert {
            run.last.dtype,
            engine._given.noise.dtype,
            *(p.dtype for p in engine._network.parameters()),
        } == {kind}


class TestStopRule:
    @pytest.mark.parametrize(
        ("stop", "rule"), [("never", Never), ("discrepancy", Discrepancy), ("variance", LeastVariance)]
    )
    def test_the_rule_that_the_settings_name(self, stop, rule):
        assert type(stop_rule(Settings(stop=stop), torch.zeros(2, 1, 4, 4))) is rule

    def test_its_factor_window_and_patience(self):
        outputs = torch.zeros(2, 1, 4, 4)
        discrepancy = stop_rule(Settings(stop="discrepancy", stop_factor=1.5), outputs)
        discrepancy.restart(torch.tensor([0.1, 0.2]))
        _, stops = discrepancy.look(outputs, torch.tensor([0.15, 0.31]), torch.tensor(1))
        assert stops.tolist() == [True, False]
        variance = stop_rule(Settings(stop="variance", stop_window=4, stop_patience=2), outputs)
        seen = [bool(variance.look(outputs, outputs[:, 0, 0, 0], torch.tensor(i))[1][0]) for i in range(1, 8)]
        assert seen.index(True) + 1 == 6  # all outputs alike: the first window, at step 4, is the best


class TestOutcome:
    def fitted(self, images, variance):
        return Fitted(images, np.full(images.shape, variance), 3, "", [])

    @pytest.mark.parametrize(("exposure", "top"), [("clip", 1.0), ("rescale", math.sqrt(2))])
    def test_a_fused_drawing_is_the_result(self, exposure, top):
        problem = Problem(images(), (WHITE, WHITE), 9)
        drawn = images(1, seed=4)
        found = outcome(self.fitted(drawn, 0.03**2), problem, Settings(exposure=exposure))
        np.testing.assert_allclose(found.fused, top * drawn[0])
        np.testing.assert_allclose(found.deviation, top * 0.03)
        np.testing.assert_array_equal(found.gains, problem.gains)

    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    def test_drawn_sources_are_averaged_with_the_denoised_and_fused(self, share):
        problem, drawn = Problem(images(), (WHITE, WHITE), 5), images(seed=4)
        settings = Settings(draws="sources", denoised_share=share, patch=5, put_back=0.0)
        found = outcome(self.fitted(drawn, 0.0), problem, settings)
        mixed = (1 - share) * drawn + share * problem.denoised(settings.denoiser)
        gains = patch_gains(mixed, 5)
        np.testing.assert_allclose(found.gains, gains, atol=1e-3)
        np.testing.assert_allclose(found.fused, closed_form(mixed, gains), atol=2e-3)
        np.testing.assert_allclose(found.deviation, 0, atol=1e-9)

    def test_their_uncertainty_is_that_of_the_sum(self):
        """Σ β_i X_i with variances σ_i²: Σ β_i² σ_i², where nothing is clipped."""
        problem, drawn = Problem(images(), (WHITE, WHITE), 5), images(seed=4)
        variances = np.stack([np.full((16, 16), 0.02**2), np.full((16, 16), 0.01**2)])
        found = outcome(Fitted(drawn, variances, 3, "", []), problem, Settings(draws="sources", patch=5))
        expected = np.sqrt(found.gains[0] ** 2 * 0.02**2 + found.gains[1] ** 2 * 0.01**2)
        np.testing.assert_allclose(found.deviation, expected, rtol=0.02)

    def test_clipping_is_undone(self):
        """The mean of clipped noise about black is σ/√(2π): that is 0 again."""
        sigma = 0.05
        black = np.full((2, 16, 16), sigma / math.sqrt(2 * math.pi))
        problem = Problem(black, (WHITE, WHITE), 5)
        found = outcome(self.fitted(black, 0.0), problem, Settings(draws="sources", patch=5))
        np.testing.assert_allclose(found.fused, 0, atol=2e-3)


class TestNetwork:
    def test_it_keeps_nothing_but_its_parameters(self):
        """What an engine remembers of it is therefore all of it."""
        assert list(SkipNetwork(2, 1, 4, 2, 2).buffers()) == []

    def test_members_do_not_see_each_other(self):
        network = seeded(lambda: SkipNetwork(2, 3, 4, 2, 2, members=2), 0)
        one, other = torch.rand(1, 2, 8, 8), torch.rand(1, 2, 8, 8)
        both, alone = network(torch.cat([one, one], 1)), network(torch.cat([one, other], 1))
        assert both.shape == (1, 6, 8, 8)
        torch.testing.assert_close(both[:, :3], alone[:, :3])
        assert not torch.allclose(both[:, 3:], alone[:, 3:], atol=1e-3)

    def test_a_correction_is_nothing_at_the_start_and_then_a_tenth(self):
        network = seeded(lambda: SkipNetwork(3, 2, 4, 1, 2, members=2, corrects=True), 0)
        image = torch.rand(1, 6, 8, 8)
        sources = torch.cat([image[:, :2], image[:, 3:5]], dim=1)
        torch.testing.assert_close(network(image), sources)
        torch.nn.init.ones_(network.head.bias)
        torch.testing.assert_close(network(image), sources + 0.1)

    @pytest.mark.parametrize("half", [False, True])
    def test_half_precision_is_of_the_body_alone(self, half):
        network = SkipNetwork(1, 1, 4, 1, 2, half=half)
        kinds = []
        network.body.register_forward_hook(lambda *args: kinds.append(args[-1].dtype))
        out = network(torch.rand(1, 1, 8, 8))
        assert out.dtype == torch.float32
        assert kinds == [torch.bfloat16 if half else torch.float32]


class TestSettings:
    @pytest.mark.parametrize(
        ("draws", "exposure", "top"),
        [("fused", "clip", 1), ("fused", "shoulder", 3**0.5), ("sources", "rescale", 1)],
    )
    def test_what_a_networks_1_stands_for(self, draws, exposure, top):
        assert Settings(draws=draws, exposure=exposure).top(3) == pytest.approx(top)

    @pytest.mark.parametrize(("kind", "preset"), [("cpu", "fast"), ("cuda", "balanced"), ("mps", "balanced")])
    def test_auto(self, kind, preset, monkeypatch):
        asked = []

        def resolve(device):
            asked.append(device)
            return SimpleNamespace(type=kind)

        monkeypatch.setattr("medfuse.fusion.devices.resolve_device", resolve)
        assert DeepImagePrior.auto_preset("some device") == preset
        assert asked == ["some device"]


class TestMethod:
    def test_progress_says_what_is_fitted(self):
        """Three slices, two side by side: the second batch has one, and repeats it in the other slot."""
        said = []
        method = DeepImagePrior(**TINY, steps=2, batch=2)
        fuse(np.stack([images(3), images(3, seed=1)]).astype("f"), method, lambda *a: said.append(a))
        assert [message for _, message in said] == [
            "slices 1, 2 of 3, step 1 of 2", "slices 1, 2 of 3, step 2 of 2",
            "slice 3 of 3, step 1 of 2", "slice 3 of 3, step 2 of 2", "3 slices fused",
        ]  # fmt: skip
        assert [fraction for fraction, _ in said] == pytest.approx([0, 1 / 3, 2 / 3, 5 / 6, 1])

    def test_facts_of_the_noise_and_the_losses(self):
        sources = np.stack([images(1), images(1, seed=1)])
        noisy = (sources + 0.05 * np.random.default_rng(0).standard_normal(sources.shape)).astype("f")
        info = fuse(noisy, DeepImagePrior(**TINY, steps=2)).info
        assert len(info["noise_models"]) == 2
        assert all(len(one) == 2 and one[1] >= 0 for one in info["noise_models"])
        assert info["loss"][0] >= info["floor"][0] >= 0

    def test_the_closed_form_where_noise_is_below_the_floor(self):
        """Which slices, and how many: each slice and what ran say it."""
        clean = np.stack([images(2), images(2, seed=1)]).astype("f")
        fused = fuse(clean, DeepImagePrior(**TINY, steps=2, noise_floor=0.9))
        np.testing.assert_allclose(fused.array, fuse(clean, PatchPCA(exposure="clip")).array, atol=1e-6)
        assert fused.info["iterations"] == [0, 0]
        assert fused.info["distances"] == [[], []]
        assert fused.info["loss"] == fused.info["floor"]
        assert fused.info["stop_reason"][0].endswith(
            "is below noise_floor=0.9: the closed form cannot be improved and is returned"
        )
        assert what_ran("dip", DeepImagePrior(), fused).title == "pca (dip: no noise to remove)"

    def test_some_slices_left_to_the_closed_form(self):
        """The title says how many."""
        draw = np.random.default_rng(0).standard_normal((2, 2, 64, 64))
        stack = np.clip(0.5 + 0.1 * draw, 0, 1).astype("f")
        stack[:, 0] = 0  # where black is cut off, noise of 0.1 is one of 0.06
        method = DeepImagePrior(**TINY, steps=2, noise_floor=0.08)
        fused = fuse(stack, method)
        title = what_ran("dip", method, fused).title
        assert title == "dip (pca in 1 of 2 slices, where there is no noise to remove)"

    def test_key_slices_are_those_that_are_bright_in_all_sources_together(self):
        stack = np.stack([images(4), images(4, seed=1)]).astype("f")
        stack[:, 2] *= 1.3
        method = make_method(DeepImagePrior, {**TINY, "warm_start": True, "batch": 9})
        assert list(method._batches([], stack)) == []
        batches = list(method._batches([0, 2, 3], stack))
        assert batches[0] == SliceBatch((0, 2, 3), (True, True, True), "fresh")
        one = make_method(DeepImagePrior, {**TINY, "warm_start": True})
        assert [batch.slices for batch in one._batches([0, 1, 2, 3], stack)] == [(2,), (3,), (1,), (0,)]
        cold = make_method(DeepImagePrior, {**TINY, "batch": 2})
        assert [batch.slices for batch in cold._batches([0, 2, 3], stack)] == [(0, 2), (3, 3)]
