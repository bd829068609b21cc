"""The deep image prior: its network, its loop, and what its result says."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from medfuse.errors import Cancelled, DeviceError, ParameterError, UnknownNameError
from medfuse.fusion import METHODS, fuse, make_method
from medfuse.fusion.dip.engine import make_problem, reflect_padding
from medfuse.fusion.dip.method import DeepImagePrior
from medfuse.fusion.dip.network import SkipNetwork, seeded
from medfuse.fusion.dip.stopping import noise_variance

TINY = {"width": 8, "scales": 2, "output_channels": 2, "device": "cpu"}


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


class TestLoop:
    def test_paper_step_equals_the_loss_written_out(self):
        """Fitting T gives the gradients of Σ_i ‖X_i − β_i X0‖² over ten channels, averaged."""
        problem = make_problem(blobs(size=32)[:, 0], 9)
        sources, gains, target = (torch.tensor(np.asarray(a), dtype=torch.float64) for a in problem)
        output = torch.rand(10, 32, 32, dtype=torch.float64, requires_grad=True)
        as_written = ((sources[:, None] - gains[:, None] * output) ** 2).sum(dim=0).mean()
        as_coded = ((output - target) ** 2).mean()
        (g1,) = torch.autograd.grad(as_written, output)
        (g2,) = torch.autograd.grad(as_coded, output)
        torch.testing.assert_close(g1, g2)
        assert as_written.item() == pytest.approx(as_coded.item() + problem.floor)

    def test_it_learns_the_target(self):
        sources = blobs(size=40)
        target = fuse(sources, "pca").array
        few = fuse(sources, DeepImagePrior(steps=2, **TINY)).array
        many = fuse(sources, DeepImagePrior(steps=150, **TINY)).array
        assert ((many - target) ** 2).mean() < 0.1 * ((few - target) ** 2).mean()
        assert ((many - target) ** 2).mean() < 2e-3

    def test_best_output_is_kept(self):
        fused = fuse(blobs(), DeepImagePrior(steps=40, learning_rate=0.05, **TINY))
        (curve,) = fused.info["loss_curve"]
        assert fused.info["loss"][0] <= min(curve) + 1e-9
        assert fused.info["loss"][0] >= fused.info["floor"][0]

    def test_info_tells_of_each_slice(self):
        info = fuse(blobs(depth=3), DeepImagePrior(steps=3, **TINY)).info
        assert info["iterations"] == [3, 3, 3]
        assert info["stop_reason"] == ["all 3 steps done"] * 3
        assert len(info["loss_curve"]) == len(info["floor"]) == 3
        assert info["device"] == "cpu"

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
        settings = {**TINY, "input": "sources", "perturbation": 0.0, "learning_rate": 0.02}
        sources = blobs(depth=2)
        target = fuse(sources, "pca").array[1]
        cold = fuse(sources[:, 1:], DeepImagePrior(steps=10, **settings)).array[0]
        warm = fuse(sources, DeepImagePrior(steps=60, warm_start=True, warm_steps=10, **settings))
        assert warm.info["iterations"] == [60, 10]
        assert ((warm.array[1] - target) ** 2).mean() < ((cold - target) ** 2).mean()

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
    @pytest.mark.parametrize("sigma", [0.02, 0.05, 0.1])
    def test_noise_of_a_ramp_is_measured(self, sigma):
        ramp = np.linspace(0, 1, 200)[:, None] + np.linspace(0, 2, 180)
        noisy = ramp + sigma * np.random.default_rng(0).standard_normal(ramp.shape)
        assert noise_variance(noisy) == pytest.approx(sigma**2, rel=0.05)

    def test_no_noise_in_a_ramp_nor_in_a_tiny_image(self):
        assert noise_variance(np.add.outer(np.arange(9.0), np.arange(9.0))) == pytest.approx(0, abs=1e-20)
        assert noise_variance(np.ones((2, 2))) == 0

    def test_discrepancy_stops_on_noise_and_not_on_clean_data(self):
        settings = {**TINY, "input": "sources", "perturbation": 0.0, "learning_rate": 0.02, "steps": 300}
        noisy = fuse(blobs(noise=0.15), DeepImagePrior(stop="discrepancy", **settings)).info
        clean = fuse(blobs(), DeepImagePrior(stop="discrepancy", **{**settings, "steps": 30})).info
        assert noisy["iterations"][0] < 300
        assert "noise level" in noisy["stop_reason"][0]
        assert clean["stop_reason"] == ["all 30 steps done"]

    def test_stopped_in_time_it_denoises(self):
        clean = fuse(blobs(), "pca").array
        noisy = blobs(noise=0.1)
        target = fuse(noisy, "pca").array
        dip = fuse(noisy, make_method(DeepImagePrior, {"device": "cpu", "scales": 3}, "fast")).array
        assert ((dip - clean) ** 2).mean() < 0.6 * ((target - clean) ** 2).mean()


class TestParameters:
    def test_defaults_are_the_papers(self):
        values = dataclasses.asdict(DeepImagePrior())
        paper = {"steps": 2000, "learning_rate": 0.01, "perturbation": 0.03, "width": 128, "scales": 5}
        paper |= {"skip_channels": 4, "output_channels": 10, "patch": 9, "input": "noise", "keep": "best"}
        assert paper.items() <= values.items()
        assert make_method(DeepImagePrior, {}, "paper") == DeepImagePrior()

    def test_text_is_converted_and_wins_over_the_preset(self):
        method = make_method(DeepImagePrior, {"steps": "7", "warm_start": "no", "seed": "3"}, "fast")
        assert (method.steps, method.warm_start, method.seed, method.width) == (7, False, 3, 32)

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
            ({"input": "music"}, UnknownNameError, "unknown input 'music'. Choose from: noise, sources"),
            ({"setps": 3}, UnknownNameError, "unknown parameter 'setps'. Did you mean 'steps'?"),
        ]
        for values, error, message in cases:
            with pytest.raises(error) as caught:
                make_method(DeepImagePrior, values)
            assert str(caught.value).startswith(message)
            assert "\n" not in str(caught.value)

    def test_unknown_preset_lists_the_presets(self):
        with pytest.raises(UnknownNameError, match=r"unknown preset 'slow'. Choose from: auto, paper, fast"):
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


@pytest.mark.gpu
def test_gpu_gives_what_the_cpu_gives():
    settings = {**TINY, "perturbation": 0.0, "steps": 20}
    cpu = fuse(blobs(), DeepImagePrior(**settings)).array
    gpu = fuse(blobs(), DeepImagePrior(**{**settings, "device": "cuda"})).array
    np.testing.assert_allclose(gpu, cpu, atol=5e-3)
