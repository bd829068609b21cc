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

from ...progress import Progress
from ..gains import closed_form, patch_gains
from .network import SkipNetwork, seeded
from .stopping import noise_variance

if TYPE_CHECKING:
    from .method import DeepImagePrior

__all__ = ["Engine", "Fit", "Problem", "make_problem"]

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


class Fit(NamedTuple):
    """What fitting one slice gave."""

    image: np.ndarray
    spread: np.ndarray
    steps: int
    distance: float
    curve: list[float]
    stop_reason: str


def make_problem(sources: np.ndarray, patch: int) -> Problem:
    """Gains and target of one slice of sources (n, y, x)."""
    gains = patch_gains(sources, patch)
    return Problem(sources, gains, closed_form(sources, gains))


class Engine:
    """Fits slice after slice of one size; with a warm start the network lives on between slices."""

    def __init__(self, settings: DeepImagePrior, n_sources: int, device: torch.device):
        self.settings = settings
        self.device = device
        self.n_inputs = n_sources + (settings.input == "sources")  # the target guides as well
        self.generator = torch.Generator(device).manual_seed(settings.seed)
        self.is_warm = False
        self._start_afresh()

    def _start_afresh(self) -> None:
        s = self.settings
        network = seeded(
            lambda: SkipNetwork(self.n_inputs, s.output_channels, s.width, s.scales, s.skip_channels), s.seed
        )
        self.network = network.to(self.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=s.learning_rate)

    def fit(self, problem: Problem, progress: Progress) -> Fit:
        """Fit one slice; ``progress`` is called before every step, so cancelling takes one step."""
        s = self.settings
        if not s.warm_start:
            self._start_afresh()
        steps = s.warm_steps if s.warm_start and self.is_warm else s.steps
        self.is_warm = True
        padding = reflect_padding(problem.target.shape, s.scales)
        guide = self._guide(problem, padding)
        target = self._tensor(_pad(problem.target, padding))
        level = s.stop_factor * noise_variance(problem.target) if s.stop == "discrepancy" else 0.0
        run = _Run(target)
        curve: list[Tensor] = []
        reason = f"all {steps} steps done"
        step = 0
        while step < steps:
            progress(step / steps, f"step {step + 1} of {steps}")
            distance = self._step(guide, target, run)
            curve.append(distance)
            step += 1
            # Reading a number back waits for the device, so only where a stop may depend on it.
            if level > 0 and float(distance) <= level:
                reason = f"distance to the target reached the noise level {level:.3g}"
                break
        kept = run.mean if s.keep == "average" else run.best
        crop = tuple(
            slice(before, before + n) for (before, _), n in zip(padding, problem.target.shape, strict=True)
        )
        return Fit(
            kept.cpu().numpy()[crop],
            run.variance.sqrt().cpu().numpy()[crop],
            step,
            float(run.best_distance),
            [float(d) for d in curve[:: max(1, len(curve) // _CURVE_POINTS)]],
            reason,
        )

    def _step(self, guide: Tensor, target: Tensor, run: _Run) -> Tensor:
        s = self.settings
        noise = torch.randn(guide.shape, generator=self.generator, device=self.device)
        output = self.network(guide + s.perturbation * noise)
        loss = ((output - target) ** 2).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        run.add(output.detach().mean(dim=(0, 1)), loss.detach())
        return loss.detach()

    def _guide(self, problem: Problem, padding: tuple[tuple[int, int], ...]) -> Tensor:
        """The network's input (1, channels, y, x): noise as in the paper, or the images themselves."""
        if self.settings.input == "sources":
            images = [*problem.sources, problem.target]
            return self._tensor(np.stack([_pad(image, padding) for image in images]))[None]
        shape = tuple(
            n + before + after for n, (before, after) in zip(problem.target.shape, padding, strict=True)
        )
        cpu = torch.Generator().manual_seed(self.settings.seed)
        return 0.1 * torch.rand(1, self.n_inputs, *shape, generator=cpu).to(self.device)

    def _tensor(self, image: np.ndarray) -> Tensor:
        return torch.as_tensor(image, dtype=torch.float32, device=self.device)


class _Run:
    """The best output so far, and the running mean and variance of the late ones; all on the device."""

    def __init__(self, target: Tensor):
        self.best = torch.zeros_like(target)
        self.best_distance = torch.full((), torch.inf, device=target.device)
        self.mean = torch.zeros_like(target)
        self.variance = torch.zeros_like(target)
        self._n = 0

    def add(self, output: Tensor, distance: Tensor) -> None:
        is_better = distance < self.best_distance
        self.best = torch.where(is_better, output, self.best)
        self.best_distance = torch.where(is_better, distance, self.best_distance)
        self._n += 1
        share = max(1 / self._n, 1 - _LATE)  # a plain mean until there are enough iterates
        change = output - self.mean
        self.mean = self.mean + share * change
        self.variance = (1 - share) * (self.variance + share * change**2)


def reflect_padding(shape: tuple[int, ...], scales: int) -> tuple[tuple[int, int], ...]:
    """(before, after) for y and x: up to a multiple of 2^scales, and two pixels at the coarsest scale.

    Two, because reflecting by one pixel needs a second one.
    """
    unit = 2**scales
    padding = []
    for n in shape:
        missing = max(-(-n // unit), 2) * unit - n
        padding.append((missing // 2, missing - missing // 2))
    return tuple(padding)


def _pad(image: np.ndarray, padding: tuple[tuple[int, int], ...]) -> np.ndarray:
    return np.pad(image, padding, mode="reflect")
