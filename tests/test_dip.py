"""The deep image prior: its network, its loop, and what its result says."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from medfuse import Geometry
from medfuse.errors import Cancelled, DeviceError, ParameterError, UnknownNameError
from medfuse.fusion import METHODS, fuse, make_method, values_of
from medfuse.fusion.dip.method import DeepImagePrior
from medfuse.fusion.dip.network import SkipNetwork, seeded
from medfuse.fusion.dip.problem import Problem, reflect_padding
from medfuse.fusion.pca import PatchPCA
from medfuse.noise import NoiseModel
from medfuse.phantom import render

TINY = {"width": 8, "scales": 2, "output_channels": 2, "device": "cpu"}
GUIDED = {"input": "sources", "perturbation": 0.0, "learning_rate": 0.02}
WHITE = NoiseModel(0.1**2, 0.0)


def blobs(n=2, depth=1, size=40, noise=0.0, seed=3):
    """Smooth sources that differ, with noise."""
    y, x = np.mgrid[:size, :size] / size
    images = [np.exp(-((x - 0.3 - 0.2 * i) ** 2 + (y - 0.5) ** 2) / 0.05) * 0.7 for i in range(n)]
    stack = np.repeat(np.stack(images)[:, None], depth, axis=1)
    noisy = stack + noise * np.random.default_rng(seed).standard_normal(stack.shape)
    return np.clip(noisy, 0, 1).astype(np.float32)


class TestNetwork:
    def test_layers_are_those_of_the_paper(self):
        network = SkipNetwork(inputs=2, outputs=10, width=128, scales=5, skip=4)
        convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        # A scale: one skip, two down, two up; and the last one to the output channels.
        assert len(convolutions) == 5 * 5 + 1
        assert sum(c.stride == (2, 2) for c in convolutions) == 5
        assert all(c.padding_mode == "reflect" for c in convolutions if c.kernel_size == (3, 3))
        assert sum(isinstance(m, nn.BatchNorm2d) for m in network.modules()) == 5 * 6
        assert {m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}
        # Counted by hand from the layer table: k·k·in·out + out a convolution, 2 a normalised channel.
        down = lambda inputs: 9 * inputs * 128 + 128 + 256 + 9 * 128 * 128 + 128 + 256  # noqa: E731
        skip = lambda inputs: inputs * 4 + 4 + 8  # noqa: E731
        up = 2 * 132 + 9 * 132 * 128 + 128 + 256 + 128 * 128 + 128 + 256
        expected = down(2) + skip(2) + 4 * (down(128) + skip(128)) + 5 * up + 128 * 10 + 10
        assert sum(p.numel() for p in network.parameters()) == expected

    def test_output_has_the_size_of_the_input_and_lies_in_0_1(self):
        network = SkipNetwork(inputs=3, outputs=2, width=6, scales=3, skip=2)
        out = network(torch.rand(1, 3, 16, 24))
        assert out.shape == (1, 2, 16, 24)
        assert 0 < out.min() <= out.max() < 1

    def test_seeded_leaves_the_global_state_alone(self):
        before = torch.random.get_rng_state()
        first = seeded(lambda: nn.Conv2d(2, 3, 3), 5)
        second = seeded(lambda: nn.Conv2d(2, 3, 3), 5)
        other = seeded(lambda: nn.Conv2d(2, 3, 3), 6)
        assert torch.equal(before, torch.random.get_rng_state())
        assert torch.equal(first.weight, second.weight)
        assert not torch.equal(first.weight, other.weight)


class TestPadding:
    @pytest.mark.parametrize("shape", [(1, 1), (1, 70), (37, 53), (64, 64), (65, 256)])
    def test_multiple_of_32_and_at_least_64(self, shape):
        padded = [n + sum(pad) for n, pad in zip(shape, reflect_padding(shape, 5), strict=True)]
        assert all(p % 32 == 0 and p >= 64 and p - n < 64 for p, n in zip(padded, shape, strict=True))

    def test_none_where_none_is_needed(self):
        assert reflect_padding((64, 96), 5) == ((0, 0), (0, 0))


def plain_loop(sources, steps, seed):
    """The paper's method written out: its loss over every source, plain Adam, nothing clever; in float64.

    Not in float32: Adam divides each gradient by its own size, so that gradients which are rounding alone
    (of a bias before batch normalisation, say) become full steps, and two orders of summation part by 0.1
    within five steps.
    """
    problem = Problem(sources, [NoiseModel(0, 0)] * len(sources), 9)
    images, gains = (torch.tensor(a, dtype=torch.float64) for a in (problem.sources, problem.gains))
    generator = torch.Generator().manual_seed(seed)
    guide = 0.1 * torch.rand(1, *images.shape, generator=torch.Generator().manual_seed(seed)).double()
    network = seeded(lambda: SkipNetwork(len(images), 10, 16, 3, 4), seed).double()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    best, smallest = None, float("inf")
    for _ in range(steps):
        output = network(guide + 0.03 * torch.randn(1, *images.shape, generator=generator).double())
        loss = ((images[:, None] - gains[:, None] * output) ** 2).sum(dim=0).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < smallest:
            best, smallest = output.detach().mean(dim=(0, 1)).numpy(), loss.item()
    return best


class TestLoop:
    def test_preset_paper_is_the_papers_loop(self):
        """The engine fits T, keeps its outputs on the device and lays memory out otherwise: same result."""
        sources = blobs(size=64, noise=0.05)
        plain = plain_loop(sources[:, 0], steps=50, seed=4)
        smaller = {"width": 16, "scales": 3, "precision": "float64", "device": "cpu"}
        method = make_method(DeepImagePrior, {"steps": 50, "seed": 4, **smaller}, "paper")
        np.testing.assert_allclose(fuse(sources, method).array[0], plain, atol=1e-3)

    def test_paper_step_equals_the_loss_written_out(self):
        """Fitting T gives the gradients of Σ_i ‖X_i − β_i X0‖² over ten channels, averaged."""
        problem = Problem(blobs(size=32)[:, 0], [WHITE] * 2, 9)
        arrays = (problem.sources, problem.gains, problem.target)
        sources, gains, target = (torch.tensor(np.asarray(a), dtype=torch.float64) for a in arrays)
        output = torch.rand(10, 32, 32, dtype=torch.float64, requires_grad=True)
        as_written = ((sources[:, None] - gains[:, None] * output) ** 2).sum(dim=0).mean()
        as_coded = ((output - target) ** 2).mean()
        (g1,) = torch.autograd.grad(as_written, output)
        (g2,) = torch.autograd.grad(as_coded, output)
        torch.testing.assert_close(g1, g2)
        floor = problem.loss(problem.target)
        assert as_written.item() == pytest.approx(as_coded.item() + floor)

    def test_it_learns_the_target(self):
        sources = blobs(size=40)
        target = fuse(sources, "pca").array
        few = fuse(sources, DeepImagePrior(steps=2, **TINY)).array
        many = fuse(sources, DeepImagePrior(steps=150, **TINY)).array
        assert ((many - target) ** 2).mean() < 0.1 * ((few - target) ** 2).mean()
        assert ((many - target) ** 2).mean() < 2e-3

    def test_best_output_is_kept(self):
        fused = fuse(blobs(), DeepImagePrior(steps=40, learning_rate=0.05, **TINY))
        (distances,) = fused.info["distances"]
        # The ten channels are averaged: their mean is nearer than they are on average.
        assert fused.info["loss"][0] - fused.info["floor"][0] <= min(distances) + 1e-9
        assert fused.info["loss"][0] >= fused.info["floor"][0]

    def test_info_tells_of_each_slice(self):
        info = fuse(blobs(depth=3), DeepImagePrior(steps=3, **TINY)).info
        assert info["iterations"] == [3, 3, 3]
        assert info["stop_reason"] == ["all 3 steps done"] * 3
        assert len(info["distances"]) == len(info["floor"]) == 3
        assert (info["device"], info["threads"]) == ("cpu", torch.get_num_threads())

    def test_maps(self):
        fused = fuse(blobs(n=3, depth=2), DeepImagePrior(steps=5, **TINY))
        assert set(fused.maps) == {"weight_0", "weight_1", "weight_2", "uncertainty"}
        shares = sum(fused.maps[f"weight_{i}"] for i in range(3))
        np.testing.assert_allclose(shares, 1, atol=1e-5)
        assert fused.maps["uncertainty"].shape == fused.array.shape
        assert fused.maps["uncertainty"].max() > 0

    def test_same_seed_same_output_other_seed_other_output(self):
        run = lambda seed: fuse(blobs(), DeepImagePrior(steps=5, seed=seed, **TINY)).array  # noqa: E731
        np.testing.assert_array_equal(run(1), run(1))
        assert not np.array_equal(run(1), run(2))

    def test_a_slice_does_not_depend_on_the_slices_before_without_warm_start(self):
        sources = blobs(depth=2)
        both = fuse(sources, DeepImagePrior(steps=5, perturbation=0.0, **TINY)).array
        second = fuse(sources[:, 1:], DeepImagePrior(steps=5, perturbation=0.0, **TINY)).array
        np.testing.assert_allclose(both[1], second[0], atol=1e-6)

    def test_warm_start_needs_fewer_steps(self):
        sources = blobs(depth=2)
        target = fuse(sources, "pca").array[1]
        cold = fuse(sources[:, 1:], DeepImagePrior(steps=10, **TINY, **GUIDED)).array[0]
        warm = fuse(sources, DeepImagePrior(steps=60, warm_start=True, warm_steps=10, **TINY, **GUIDED))
        assert warm.info["iterations"] == [60, 10]
        assert ((warm.array[1] - target) ** 2).mean() < ((cold - target) ** 2).mean()

    def test_warm_start_goes_both_ways_from_the_key_slice(self):
        """Up from the slice with most to see, and down again from *its* network, not from the top's."""
        sources = blobs(depth=5)
        sources[:, 2] = np.clip(1.2 * sources[:, 2], 0, 1)
        seen = []
        method = DeepImagePrior(steps=3, warm_start=True, warm_steps=2, **TINY, **GUIDED)
        whole = fuse(sources, method, lambda _, message: seen.append(message.partition(",")[0]))
        assert list(dict.fromkeys(seen))[:5] == [f"slice {z} of 5" for z in (3, 4, 5, 2, 1)]
        assert whole.info["iterations"] == [2, 2, 3, 2, 2]
        without_top = fuse(sources[:, :3], method).array
        np.testing.assert_array_equal(whole.array[:3], without_top)

    def test_slices_side_by_side_are_fitted_as_alone(self):
        """Each has a network of its own: without fresh noise nothing tells them apart but rounding."""
        sources = blobs(depth=5, noise=0.05)
        settings = {**TINY, **GUIDED, "precision": "float64", "steps": 8, "ensemble": 2}
        alone = fuse(sources, DeepImagePrior(**settings))
        beside = fuse(sources, DeepImagePrior(**settings, batch=3))
        np.testing.assert_allclose(beside.array, alone.array, atol=1e-5)
        np.testing.assert_allclose(beside.maps["uncertainty"], alone.maps["uncertainty"], atol=1e-5)
        assert beside.info["iterations"] == [8] * 5
        assert not np.allclose(alone.array[0], alone.array[1], atol=1e-3)

    def test_warm_starts_side_by_side(self):
        """Two parts of the stack, each from a key slice of its own, here its first."""
        sources = blobs(depth=5, noise=0.05)
        sources[:, [1, 3, 4]] *= 0.8
        settings = {**TINY, **GUIDED, "precision": "float64", "steps": 8, "warm_start": True, "warm_steps": 3}
        both = fuse(sources, DeepImagePrior(**settings, batch=2))
        assert both.info["iterations"].count(8) == 2
        for part in (slice(0, 2), slice(2, 5)):
            alone = fuse(sources[:, part], DeepImagePrior(**settings)).array
            np.testing.assert_allclose(both.array[part], alone, atol=1e-5)

    def test_slices_side_by_side_stop_one_by_one(self):
        """A slice that has stopped keeps what it has, while the others go on."""
        sources = np.concatenate([blobs(noise=0.2), blobs(noise=0.05)], axis=1)
        settings = {**TINY, **GUIDED, "precision": "float64", "stop": "discrepancy", "steps": 300}
        both = fuse(sources, DeepImagePrior(**settings, batch=2))
        steps = both.info["iterations"]
        quick = int(np.argmin(steps))
        assert steps[quick] < steps[1 - quick] < 300
        settings |= {"stop": "never", "steps": steps[quick], "batch": 2}
        np.testing.assert_array_equal(
            both.array[quick], fuse(sources, DeepImagePrior(**settings)).array[quick]
        )

    def test_too_little_memory_is_said_with_what_to_do(self, monkeypatch):
        def no_memory(*_):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 80 GiB")

        monkeypatch.setattr("medfuse.fusion.dip.engine.Engine.step", no_memory)
        with pytest.raises(DeviceError) as caught:
            fuse(blobs(), DeepImagePrior(batch=4, **TINY))
        assert str(caught.value) == (
            "dip with batch=4, ensemble=1 and width=8: slices of 40×40 do not fit in the memory of cpu; "
            "set smaller ones"
        )

    def test_cancel_within_one_step(self):
        seen = []

        def progress(fraction, message):
            seen.append(message)
            if len(seen) == 4:
                raise Cancelled("enough")

        with pytest.raises(Cancelled):
            fuse(blobs(), DeepImagePrior(steps=1000, **TINY), progress)
        assert seen[-1] == "slice 1 of 1, step 4 of 1000"

    def test_progress_grows_to_the_end(self):
        fractions = []
        fuse(blobs(depth=2), DeepImagePrior(steps=3, **TINY), lambda f, _: fractions.append(f))
        assert fractions == sorted(fractions)
        assert 0 <= fractions[0] <= fractions[-1] <= 1


class TestStopping:
    def test_discrepancy_stops_on_noise_and_not_on_clean_data(self):
        noisy = fuse(blobs(noise=0.15), DeepImagePrior(stop="discrepancy", steps=300, **TINY, **GUIDED)).info
        clean = fuse(blobs(), DeepImagePrior(stop="discrepancy", steps=30, **TINY, **GUIDED)).info
        assert noisy["iterations"][0] < 300
        assert "noise level" in noisy["stop_reason"][0]
        assert clean["stop_reason"] == ["all 30 steps done"]

    def test_the_kept_output_is_that_of_the_best_step(self):
        """A run that goes on after its best step gives what a run gives that ends there."""
        settings = {**TINY, **GUIDED, "stop": "variance", "stop_window": 5, "keep": "average"}
        settings["learning_rate"] = 0.05
        long = fuse(blobs(noise=0.2), DeepImagePrior(**settings, steps=400, stop_patience=15))
        (reason,) = long.info["stop_reason"]
        best = int(reason.rpartition(" ")[2])
        assert 5 <= best <= long.info["iterations"][0] - 15
        short = fuse(blobs(noise=0.2), DeepImagePrior(**settings, steps=best, stop_patience=1000))
        np.testing.assert_array_equal(long.array, short.array)


def phantom_slice(kind, level, size=128):
    """A clean CT–MR slice of the generated head, the same with noise, both float32 (2, 1, y, x)."""
    grid = Geometry((size, size, 1), (220 / size, 220 / size, 3.0), (-110.0, -110.0, 20.0))
    images = []
    for contrast in ("CT", "T1"):
        array = render(contrast, grid, noise=0, seed=1).array.astype(float)
        low, high = np.percentile(array, (0, 99.8))
        images.append(np.clip((array - low) / (high - low), 0, 1))
    clean = np.stack(images)
    draw = np.random.default_rng(5).standard_normal(clean.shape)
    noisy = clean + level * draw if kind == "white" else clean * (1 + level * draw)
    return clean.astype(np.float32), np.clip(noisy, 0, 1).astype(np.float32)


def cut(stack, size=64):
    """The middle of a stack."""
    low = (stack.shape[-1] - size) // 2
    return stack[..., low : low + size, low : low + size]


def psnr(image, truth):
    return -10 * np.log10(np.mean((image - truth) ** 2))


COMPARABLE = {"exposure": "clip"}  # one and the same curve, whatever the noise
ON_CPU = {**COMPARABLE, "device": "cpu"}
CLOSED_FORM = PatchPCA(**COMPARABLE)


class TestOnNoise:
    @pytest.mark.parametrize(("kind", "level"), [("white", 0.05), ("white", 0.15), ("speckle", 0.2)])
    def test_fast_is_far_better_than_the_closed_form_and_level_with_its_denoisers(self, kind, level):
        clean, noisy = phantom_slice(kind, level)
        truth = fuse(clean, CLOSED_FORM).array
        dip = fuse(noisy, make_method(DeepImagePrior, ON_CPU, "fast"))
        rival = lambda **how: fuse(noisy, PatchPCA(**how, **COMPARABLE)).array  # noqa: E731
        better = psnr(dip.array, truth)
        assert better > psnr(rival(), truth) + 5
        # With as much put back; a tenth of what is averaged is the network's.
        assert better > psnr(rival(denoise="both"), truth) - 0.15
        assert better > psnr(rival(denoise="nlm", unclip=False), truth) + 0.3
        error = np.abs(dip.array - truth)
        assert spearmanr(dip.maps["uncertainty"].ravel(), error.ravel()).statistic > 0.4

    def test_the_share_of_non_local_means(self):
        """All of it is `pca` of them; a part is better than either alone."""
        clean, noisy = (cut(stack) for stack in phantom_slice("white", 0.1))
        truth = fuse(clean, CLOSED_FORM).array

        def run(share):
            method = make_method(
                DeepImagePrior, {**ON_CPU, "denoised_share": share, "denoiser": "nlm"}, "fast"
            )
            return fuse(noisy, method).array

        network, half, other = run(0), run(0.5), run(1)
        rival = PatchPCA(denoise="nlm", unclip=True, **COMPARABLE)
        np.testing.assert_allclose(other, fuse(noisy, rival).array, atol=1e-6)
        assert psnr(half, truth) > max(psnr(network, truth), psnr(other, truth))

    def test_clean_data_are_left_to_the_closed_form_and_it_is_said(self):
        clean, noisy = phantom_slice("white", 0.1)
        both = np.concatenate([clean, clean], axis=1)
        fused = fuse(both, make_method(DeepImagePrior, {"device": "cpu"}, "fast"))
        np.testing.assert_allclose(fused.array, fuse(both, "pca").array, atol=1e-6)
        assert fused.info["iterations"] == [0, 0]
        assert "the closed form cannot be improved" in fused.info["stop_reason"][0]
        assert (fused.info["ran"]["key"], fused.info["ran"]["why"]) == ("pca", "no noise to remove")
        assert fused.info["ran"]["parameters"] == values_of(PatchPCA())
        assert "notes" not in fused.info
        assert fused.maps["uncertainty"].max() < 0.05
        noisy = fuse(noisy, make_method(DeepImagePrior, {"device": "cpu", "steps": 2}, "fast"))
        assert noisy.info["iterations"] == [2]
        assert "ran" not in noisy.info
        assert noisy.info["noise"][0] > 3 * 0.015 > 3 * fused.info["noise"][0]

    def test_more_steps_do_not_learn_the_noise(self):
        """Without recorruption the same network comes back to the noisy target; of the network alone."""
        clean, noisy = phantom_slice("white", 0.15)
        truth = fuse(clean, CLOSED_FORM).array
        settings = {**ON_CPU, "steps": 120, "denoised_share": 0.0, "put_back": 0.0}
        kept = fuse(noisy, make_method(DeepImagePrior, settings, "fast")).array
        learnt = fuse(noisy, make_method(DeepImagePrior, {**settings, "recorruption": 0}, "fast")).array
        short = fuse(noisy, make_method(DeepImagePrior, {**settings, "steps": 60}, "fast")).array
        assert psnr(kept, truth) > psnr(short, truth) - 0.3
        assert psnr(kept, truth) > psnr(learnt, truth) + 2

    def test_an_ensemble_is_the_mean_of_its_members(self):
        """Two members side by side: nearer to the truth than networks alone are on average."""
        clean, noisy = (cut(stack) for stack in phantom_slice("white", 0.15))
        truth = fuse(clean, CLOSED_FORM).array
        alone_on_cpu = {**ON_CPU, "denoised_share": 0.0, "put_back": 0.0}
        run = lambda **settings: fuse(  # noqa: E731
            noisy,
            make_method(DeepImagePrior, {**alone_on_cpu, "steps": 40, **settings}, "fast"),
        )
        alone = [psnr(run(seed=seed).array, truth) for seed in (1, 2, 3)]
        assert psnr(run(ensemble=3).array, truth) > np.mean(alone)

    @pytest.mark.parametrize("draws", ["fused", "sources"])
    @pytest.mark.parametrize("guide", ["sources", "denoised"])
    def test_every_guide_and_drawing_learns(self, draws, guide):
        clean, noisy = (cut(stack) for stack in phantom_slice("white", 0.1))
        truth, target = (fuse(stack, CLOSED_FORM).array for stack in (clean, noisy))
        settings = {**TINY, **GUIDED, "input": guide, "draws": draws, "width": 16, "stop": "discrepancy"}
        fused = fuse(noisy, DeepImagePrior(**settings, steps=400))
        assert "noise level" in fused.info["stop_reason"][0]
        assert psnr(fused.array, truth) > psnr(target, truth) + 1


class TestExposure:
    @staticmethod
    def bright():
        """Two sources that are bright in the same place, with a texture there."""
        y, x = np.mgrid[:32, :32] / 32
        texture = 0.85 + 0.1 * np.sin(20 * x) * np.cos(14 * y)
        return np.stack([texture, texture])[:, None].astype(np.float32)

    @pytest.mark.parametrize("draws", ["fused", "sources"])
    def test_texture_of_what_is_bright_in_both(self, draws):
        settings = {**TINY, **GUIDED, "draws": draws, "steps": 150}
        clipped = fuse(self.bright(), DeepImagePrior(exposure="clip", **settings)).array
        shoulder = fuse(self.bright(), DeepImagePrior(exposure="shoulder", **settings)).array
        rescaled = fuse(self.bright(), DeepImagePrior(exposure="rescale", **settings)).array
        assert clipped.std() < 0.005 < shoulder.std() < rescaled.std()
        assert clipped.min() > 0.98
        np.testing.assert_allclose(rescaled, self.bright()[0], atol=0.06)


class TestPrecision:
    def test_bfloat16_is_near_float32(self):
        """The body alone is rounded: the images agree within a few grey levels."""
        settings = {**TINY, **GUIDED, "steps": 60}
        single = fuse(blobs(), DeepImagePrior(**settings)).array
        half = fuse(blobs(), DeepImagePrior(**settings, precision="bfloat16")).array
        assert not np.array_equal(single, half)
        assert np.sqrt(np.mean((single - half) ** 2)) < 0.02


class TestParameters:
    def test_defaults_are_the_papers(self):
        values = dataclasses.asdict(DeepImagePrior())
        paper = {"steps": 2000, "learning_rate": 0.01, "perturbation": 0.03, "width": 128, "scales": 5}
        paper |= {"skip_channels": 4, "output_channels": 10, "patch": 9, "input": "noise", "keep": "best"}
        assert paper.items() <= values.items()
        assert make_method(DeepImagePrior, {}, "paper") == DeepImagePrior()

    def test_text_is_converted_and_wins_over_the_preset(self):
        method = make_method(DeepImagePrior, {"steps": "7", "warm_start": "no", "seed": "3"}, "fast")
        assert (method.steps, method.warm_start, method.seed, method.width) == (7, False, 3, 16)

    def test_auto_is_fast_on_the_cpu(self):
        assert make_method(DeepImagePrior, {"device": "cpu"}, "auto") == make_method(
            DeepImagePrior, {"device": "cpu"}, "fast"
        )

    def test_wrong_values_are_refused_in_one_line(self):
        cases = [
            ({"steps": "many"}, ParameterError, "steps=many: expected a whole number"),
            ({"steps": 0}, ParameterError, "steps=0: expected at least 1"),
            ({"steps": True}, ParameterError, "steps=True: expected a whole number"),
            ({"learning_rate": float("nan")}, ParameterError, "learning_rate=nan: expected a number"),
            (
                {"input": "music"},
                UnknownNameError,
                "unknown input 'music'. Choose from: noise, sources, denoised",
            ),
            (
                {"recorruption": 1},
                ParameterError,
                "recorruption=1 with input=noise: it recorrupts the sources",
            ),
            ({"output": "correction"}, ParameterError, "output=correction with input=noise and draws=fused"),
            (
                {"output": "correction", "input": "sources", "draws": "sources"},
                ParameterError,
                "output=correction with output_channels=10: a source is corrected once",
            ),
            (
                {"denoised_share": 0.5},
                ParameterError,
                "denoised_share=0.5 with draws=fused: it is a share of",
            ),
            ({"setps": 3}, UnknownNameError, "unknown parameter 'setps'. Did you mean 'steps'?"),
        ]
        for values, error, message in cases:
            with pytest.raises(error) as caught:
                make_method(DeepImagePrior, values)
            assert str(caught.value).startswith(message)
            assert "\n" not in str(caught.value)

    def test_unknown_preset_lists_the_presets(self):
        with pytest.raises(
            UnknownNameError, match=r"unknown preset 'slow'. Choose from: auto, paper, balanced, fast"
        ):
            make_method(DeepImagePrior, {}, "slow")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
    def test_a_device_that_is_not_there_is_an_error(self):
        with pytest.raises(DeviceError, match="'cuda' is not there; this machine has: cpu"):
            fuse(blobs(), DeepImagePrior(device="cuda"))

    def test_a_device_that_does_not_exist_is_an_error(self):
        with pytest.raises(ParameterError, match="device=gpu: expected auto, cpu, cuda"):
            fuse(blobs(), DeepImagePrior(device="gpu"))

    def test_pickle_and_repr(self):
        method = DeepImagePrior(steps=5)
        assert pickle.loads(pickle.dumps(method)) == method
        assert "steps=5" in repr(method)
        assert METHODS["dip"] is DeepImagePrior
