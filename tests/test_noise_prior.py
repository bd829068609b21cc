"""The trained denoiser: what is shipped, and the loop that trained it."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import numpy as np
import pytest
import torch

from medfuse.noise import NoiseModel, denoise, observe
from medfuse.noise.network import DenoisingNetwork, apply_prior, conditions, packed, shipped_network
from medfuse.training import prior
from medfuse.training.dead_leaves import dead_leaves

SHIPPED = files("medfuse.weights") / "shipped"


class TestShipped:
    def test_the_card_is_that_of_the_file(self):
        held = (SHIPPED / "noise_prior.npz").read_bytes()
        assert hashlib.sha256(held).hexdigest() in (SHIPPED / "README.md").read_text(encoding="utf-8")
        assert len(held) <= 1.5e6
        assert all(np.isfinite(one).all() for one in packed(shipped_network()).values())

    @pytest.mark.parametrize(
        "model",
        [
            NoiseModel(0.1**2, 0.0),
            NoiseModel(0.07**2, 0.0, "rice"),
            NoiseModel(0.1**2, 0.0, "gauss", (0.8, 0.8)),
            NoiseModel(0.0, 0.2**2, "speckle"),
            NoiseModel(0.08**2, 0.0, "log-speckle"),
        ],
        ids=lambda model: f"{model.kind} {model.widths[0]:g}",
    )
    def test_it_denoises_scenes_that_it_has_not_seen(self, model):
        """At least 60 % of the mean squared error is gone; of correlated noise at least half."""
        ratios = []
        for seed in range(3):
            rng = np.random.default_rng([99, seed])
            truth = dead_leaves(rng, 96).image.astype(float)
            seen = observe(truth, model, rng)
            drawn = denoise(seen, "prior", model, unclip=True, share=0)
            ratios.append(np.mean((drawn - truth) ** 2) / np.mean((seen - truth) ** 2))
        assert np.mean(ratios) < (0.5 if max(model.widths) else 0.4)

    def test_sizes_that_are_no_multiples_of_8(self):
        model = NoiseModel(0.05**2, 0.0)
        flat = observe(np.full((37, 50), 0.5), model, np.random.default_rng(0))
        drawn = apply_prior(flat, model, shipped_network())
        assert drawn.shape == flat.shape
        assert np.abs(drawn - 0.5).mean() < 0.4 * np.abs(flat - 0.5).mean()

    def test_what_it_is_told(self):
        told = conditions(np.full((16, 16), 0.5), NoiseModel(0.1**2, 0.0, "rice", (0.4, 1.2)))
        assert told.shape == (5, 16, 16)
        np.testing.assert_allclose(told[:, 8, 8], [0.1, 0.1, 0.0, 0.2, 0.6], rtol=1e-5)


class TestTraining:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch):
        monkeypatch.setattr(prior, "_POOL", 3)
        monkeypatch.setattr(prior, "_SAVE_EVERY", 1)
        monkeypatch.setattr(prior, "_LOG_EVERY", 1)

    def test_an_interrupted_run_ends_as_one_that_was_not(self, tmp_path, monkeypatch):
        plan = prior.Plan(steps=3, patches=2)
        whole = prior.train(tmp_path / "whole", plan)
        steps = prior.Training.step

        def stopped(training, pool):
            if training.done == 2:
                raise KeyboardInterrupt
            return steps(training, pool)

        with monkeypatch.context() as patch:
            patch.setattr(prior.Training, "step", stopped)
            with pytest.raises(KeyboardInterrupt):
                prior.train(tmp_path / "parts", plan)
        parts = prior.train(tmp_path / "parts", plan)
        for name, value in whole.state_dict().items():
            torch.testing.assert_close(parts.state_dict()[name], value, rtol=0, atol=0)
        logged = (tmp_path / "parts" / "log.csv").read_text().splitlines()
        assert [line.split(",")[0] for line in logged] == ["step", "1", "2", "3"]

    def test_the_rate_is_that_of_any_longer_plan_until_it_falls(self):
        short, long = prior.Plan(steps=1000, rate=1e-3), prior.Plan(steps=5000, rate=1e-3)
        assert [short.rate_at(k) for k in range(600)] == [long.rate_at(k) for k in range(600)]
        assert short.rate_at(0) == pytest.approx(1e-3 / 200)
        assert short.rate_at(300) == 1e-3
        assert short.rate_at(800) == pytest.approx(0.5e-3)
        assert short.rate_at(999) == pytest.approx(1e-5)

    def test_it_begins_with_given_weights(self, tmp_path):
        """With no step to do, what comes out is what went in."""
        given = DenoisingNetwork()
        np.savez(tmp_path / "given.npz", **packed(given))
        found = prior.train(tmp_path / "on", prior.Plan(steps=0), tmp_path / "given.npz")
        for name, value in packed(given).items():
            np.testing.assert_array_equal(packed(found)[name], value)

    def test_the_file_holds_the_network(self, tmp_path):
        network = DenoisingNetwork()
        np.savez(tmp_path / "one.npz", **packed(network))
        with np.load(tmp_path / "one.npz") as held:
            assert set(held.files) == set(network.state_dict())
            assert all(held[name].dtype == np.float16 for name in held.files)
