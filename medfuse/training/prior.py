"""Training of the denoiser that medfuse ships, on generated scenes only.

    python -m medfuse.training.prior FOLDER --steps 20000 --seed 1

writes into FOLDER `checkpoint.pt`, from which the same command goes on, `log.csv`, and at the end
`noise_prior.npz`.  Every batch depends on the seed and its number alone, so that a run that was interrupted
ends as one that was not.  The learning rate stays as it is for the first 60 % of the steps and then falls:
up to there `--steps` changes nothing, and may be set anew when an interrupted run goes on.  `--start FILE`
begins with the weights of an earlier `noise_prior.npz` in place of random ones.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np
import torch
from torch import Tensor

from ..fusion.dip.network import seeded
from ..noise.network import DenoisingNetwork, conditions, packed, unpacked
from .dead_leaves import dead_leaves
from .noisy_scenes import noisy_scene

__all__ = ["Plan", "batch", "train"]

_POOL = 240  # scenes at hand; each step adds one and drops the oldest
_SCENE = 144
_PATCH = 64
_AVERAGED = 0.998  # share of the running mean of the weights that a step keeps
_FALLS_AFTER, _LAST_RATE = 0.6, 0.01  # part of the steps at the full rate, and share of it at the end
_WARM = 200  # steps in which the rate grows
_LOG_EVERY = 50
_SAVE_EVERY = 200


@dataclass(frozen=True)
class Plan:
    """What a training is made of: equal plans end in equal weights on equal machines."""

    steps: int = 20000
    patches: int = 16
    rate: float = 1.2e-3
    seed: int = 1

    def rate_at(self, step: int) -> float:
        """The learning rate of a step: growing, constant, and falling from 60 % of the steps on."""
        fallen = max(0.0, (step / self.steps - _FALLS_AFTER) / (1 - _FALLS_AFTER))
        share = max(math.cos(0.5 * math.pi * fallen) ** 2, _LAST_RATE)
        return self.rate * min(1.0, (step + 1) / _WARM) * share


class Pool:
    """The newest scenes; scene k is the same in every run of a seed."""

    def __init__(self, seed: int, first: int) -> None:
        self._seed, self._next = seed, first
        self._scenes: list[np.ndarray] = []
        for _ in range(_POOL):
            self.renew()

    def renew(self) -> None:
        """One more scene, and the oldest one out."""
        rng = np.random.default_rng([self._seed, 0, self._next])
        self._scenes = [*self._scenes[-_POOL + 1 :], dead_leaves(rng, _SCENE).image]
        self._next += 1

    def patches(self, rng: np.random.Generator, count: int) -> Iterator[np.ndarray]:
        """Random parts of random scenes, flipped and turned, at full or half size."""
        for _ in range(count):
            scene = self._scenes[rng.integers(_POOL)]
            if rng.uniform() < 0.25:
                scene = scene.reshape(_SCENE // 2, 2, _SCENE // 2, 2).mean(axis=(1, 3))
            y, x = rng.integers(0, len(scene) - _PATCH + 1, 2)
            patch = np.rot90(scene[y : y + _PATCH, x : x + _PATCH], int(rng.integers(4)))
            yield patch[:, :: rng.choice([-1, 1])]


def batch(pool: Pool, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """What the network sees (count, 6, y, x), what it should draw, and the weight of each patch."""
    seen, wanted, weights = [], [], []
    for patch in pool.patches(rng, count):
        drawn = noisy_scene(patch, rng)
        facts = conditions(drawn.observed, drawn.told)
        seen.append(np.concatenate([drawn.observed[None].astype(np.float32), facts]))
        wanted.append(drawn.signal[None].astype(np.float32))
        weights.append(1 / (float(np.square(facts[0]).mean()) + 1e-4) ** 0.75)
    tensors = (np.stack(seen), np.stack(wanted), np.asarray(weights, dtype=np.float32))
    return tuple(torch.from_numpy(one) for one in tensors)  # type: ignore[return-value]  # three of three


class Training:
    """A network, the running mean of its weights, and its optimiser."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.network = seeded(DenoisingNetwork, plan.seed)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch accepts it
        self.mean = seeded(DenoisingNetwork, plan.seed)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=plan.rate, weight_decay=1e-4)
        self.done = 0

    def step(self, pool: Pool) -> float:
        """One batch; its loss."""
        rng = np.random.default_rng([self.plan.seed, 1, self.done])
        seen, wanted, weights = batch(pool, rng, self.plan.patches)
        self.optimiser.param_groups[0]["lr"] = self.plan.rate_at(self.done)
        with torch.autocast("cpu", torch.bfloat16):  # half the time; sums and weights stay float32
            drawn = self.network(seen.contiguous(memory_format=torch.channels_last))
        loss = (weights * (drawn.float() - wanted).square().mean(dim=(1, 2, 3))).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.done += 1
        keep = min(_AVERAGED, self.done / (self.done + 10))
        with torch.no_grad():
            for mean, one in zip(self.mean.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(one, 1 - keep)
        return float(loss.detach())

    def begin_with(self, weights: Path) -> None:
        """Take over the weights of a `noise_prior.npz`."""
        for network in (self.network, self.mean):
            network.load_state_dict(unpacked(weights))

    def save(self, path: Path) -> None:
        """Everything that :meth:`load` needs to go on; whole or not at all."""
        state = {
            "network": self.network.state_dict(),
            "mean": self.mean.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "done": self.done,
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Go on from what :meth:`save` wrote."""
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done = state["done"]


def train(folder: Path, plan: Plan, start: Path | None = None) -> DenoisingNetwork:
    """Train by ``plan``, or go on where an earlier call in ``folder`` stopped; see the top of the module.

    ``start`` is a `noise_prior.npz` to begin with in place of random weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    training, checkpoint = Training(plan), folder / "checkpoint.pt"
    if checkpoint.exists():
        training.load(checkpoint)
    elif start is not None:
        training.begin_with(start)
    pool = Pool(plan.seed, training.done)
    losses: list[float] = []
    while training.done < plan.steps:
        losses.append(training.step(pool))
        pool.renew()
        if training.done % _LOG_EVERY == 0:
            _log(folder / "log.csv", training.done, losses)
            losses = []
        if training.done % _SAVE_EVERY == 0 or training.done == plan.steps:
            training.save(checkpoint)
            np.savez(folder / "noise_prior.npz", **packed(training.mean))  # type: ignore[arg-type]  # arrays
    return training.mean.eval()


def _log(path: Path, step: int, losses: list[float]) -> None:
    with path.open("a", encoding="utf-8") as file:
        if file.tell() == 0:
            file.write("step,mean_loss,cpu_seconds_of_this_process\n")
        file.write(f"{step},{np.mean(losses):.5f},{process_time():.0f}\n")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description="Train the denoiser that medfuse ships.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=Plan.steps)
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--rate", type=float, default=Plan.rate, help="highest learning rate")
    parser.add_argument("--start", type=Path, help="noise_prior.npz to begin with")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    plan = Plan(steps=options.steps, rate=options.rate, seed=options.seed)
    train(options.folder, plan, options.start)


if __name__ == "__main__":
    main()
