"""The fitting loop of the deep image prior.

With w = Σ β_i² = 1 and T = Σ β_i X_i, the loss Σ_i ‖X_i − β_i X0‖² equals ‖X0 − T‖² plus a floor that
does not depend on X0.  The loop therefore fits T alone, whatever the number of sources: the
gradients are the same, and the distance to the floor is known at every step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..gains import closed_form, patch_gains
from .network import SkipNetwork, seeded
from .stopping import noise_variance

if TYPE_CHECKING:
    from .method import DeepImagePrior

__all__ = ["Engine", "Problem", "Run", "make_problem", "reflect_padding"]

Padding = tuple[tuple[int, int], ...]

_CURVE_POINTS = 50  # how many losses of a slice the provenance keeps
_LATE = 0.95  # decay of the running mean and variance over iterates: about the last 20 steps


class Problem(NamedTuple):
    """One slice to solve: everything is (y, x) or (n, y, x)."""

    sources: np.ndarray
    gains: np.ndarray
    target: np.ndarray

    @property
    def floor(self) -> float:
        """Mean over pixels of Σ_i (X_i − β_i T)²: the loss that no X0 can go below."""
        return float(((self.sources - self.gains * self.target) ** 2).sum(axis=0).mean())


def make_problem(sources: np.ndarray, patch: int) -> Problem:
    """Gains and target of one slice of sources (n, y, x)."""
    gains = patch_gains(sources, patch)
    return Problem(sources, gains, closed_form(sources, gains))


class Engine:
    """Fits slices of one size: ``start`` a run, ``step`` it.  With a warm start the network lives on."""

    def __init__(self, settings: DeepImagePrior, n_sources: int, device: torch.device):
        self.settings = settings
        self.device = device
        self.n_inputs = n_sources + (settings.input == "sources")  # the target guides as well
        self.generator = torch.Generator(device).manual_seed(settings.seed)
        self._has_network = False

    def start(self, problem: Problem) -> Run:
        """Begin a slice: with a fresh network, or a warm one where there is one and the settings say so."""
        s = self.settings
        is_warm = s.warm_start and self._has_network
        if not is_warm:
            self._renew()
        padding = reflect_padding(problem.target.shape, s.scales)
        guide = self._guide(problem, padding)
        target = self._tensor(_pad(problem.target, padding))
        level = s.stop_factor * noise_variance(problem.target) if s.stop == "discrepancy" else 0.0
        return Run(guide, target, padding, s.warm_steps if is_warm else s.steps, level)

    def step(self, run: Run) -> None:
        """One step of the optimiser, and one more output in ``run``."""
        noise = torch.randn(run.guide.shape, generator=self.generator, device=self.device)
        output = self._network(run.guide + self.settings.perturbation * noise)
        loss = ((output - run.target) ** 2).mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        run.add(output.detach().mean(dim=(0, 1)), loss.detach())

    def _renew(self) -> None:
        s = self.settings

        def build() -> SkipNetwork:
            return SkipNetwork(self.n_inputs, s.output_channels, s.width, s.scales, s.skip_channels)

        self._network = seeded(build, s.seed).to(self.device)
        self._has_network = True
        self._optimizer = torch.optim.Adam(self._network.parameters(), lr=s.learning_rate)

    def _guide(self, problem: Problem, padding: Padding) -> Tensor:
        """The network's input (1, channels, y, x): noise as in the paper, or the images themselves."""
        if self.settings.input == "sources":
            images = [*problem.sources, problem.target]
            return self._tensor(np.stack([_pad(image, padding) for image in images]))[None]
        sizes = (n + sum(pad) for n, pad in zip(problem.target.shape, padding, strict=True))
        cpu = torch.Generator().manual_seed(self.settings.seed)
        return 0.1 * torch.rand(1, self.n_inputs, *sizes, generator=cpu).to(self.device)

    def _tensor(self, image: np.ndarray) -> Tensor:
        return torch.as_tensor(image, dtype=torch.float32, device=self.device)


class Run:
    """One slice being fitted: the best output so far and the statistics of the late ones, on the device."""

    def __init__(self, guide: Tensor, target: Tensor, padding: Padding, limit: int, level: float):
        self.guide = guide
        self.target = target
        self.limit = limit
        self.level = level
        self.distances: list[Tensor] = []
        self._padding = padding
        self._best = torch.zeros_like(target)
        self._best_distance = torch.full((), torch.inf, device=target.device)
        self._mean = torch.zeros_like(target)
        self._variance = torch.zeros_like(target)

    def add(self, output: Tensor, distance: Tensor) -> None:
        """Take in the output (y, x) of one step and its mean squared distance to the target."""
        self.distances.append(distance)
        is_better = distance < self._best_distance
        self._best = torch.where(is_better, output, self._best)
        self._best_distance = torch.where(is_better, distance, self._best_distance)
        share = max(1 / self.steps, 1 - _LATE)  # a plain mean until there are enough iterates
        change = output - self._mean
        self._mean = self._mean + share * change
        self._variance = (1 - share) * (self._variance + share * change**2)

    @property
    def steps(self) -> int:
        """Steps done."""
        return len(self.distances)

    @property
    def stop_reason(self) -> str:
        """Why to stop now, or "" to go on."""
        # Reading a number back waits for the device, so only where a stop may depend on it.
        if self.level > 0 and self.steps and float(self.distances[-1]) <= self.level:
            return f"distance to the target reached the noise level {self.level:.3g}"
        return f"all {self.limit} steps done" if self.steps >= self.limit else ""

    def image(self, keep: str) -> np.ndarray:
        """The output (y, x) with the smallest distance ("best"), or the mean of the late ones ("average")."""
        return self._crop(self._mean if keep == "average" else self._best)

    def spread(self) -> np.ndarray:
        """Standard deviation (y, x) of the late outputs."""
        return self._crop(self._variance.sqrt())

    @property
    def best_distance(self) -> float:
        """Smallest mean squared distance to the target so far."""
        return float(self._best_distance)

    def curve(self) -> list[float]:
        """The distances of the steps, thinned to some fifty."""
        return [float(distance) for distance in self.distances[:: max(1, self.steps // _CURVE_POINTS)]]

    def _crop(self, image: Tensor) -> np.ndarray:
        inside = tuple(
            slice(before, n - after) for n, (before, after) in zip(image.shape, self._padding, strict=True)
        )
        return image.cpu().numpy()[inside]


def reflect_padding(shape: tuple[int, ...], scales: int) -> Padding:
    """(before, after) for y and x: up to a multiple of 2^scales, and two pixels at the coarsest scale.

    Two, because reflecting by one pixel needs a second one.
    """
    unit = 2**scales
    padding = []
    for n in shape:
        missing = max(-(-n // unit), 2) * unit - n
        padding.append((missing // 2, missing - missing // 2))
    return tuple(padding)


def _pad(image: np.ndarray, padding: Padding) -> np.ndarray:
    return np.pad(image, padding, mode="reflect")
