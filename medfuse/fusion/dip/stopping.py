"""When to stop a fit, and which of its outputs is the best: rules that look at each step.

The network draws structure first and noise later, so that the stop decides.  A rule scores every
step; the smaller, the better.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

__all__ = ["Discrepancy", "LeastRisk", "LeastVariance", "Never", "Step", "StopRule"]

CHECK_EVERY = 5  # steps between looks at a number on the device: each look waits for it


class Step(NamedTuple):
    """What a step came to; all on the device."""

    output: Tensor
    """(k, y, x)"""
    distance: Tensor
    """Mean squared distance of the outputs to the data."""
    risk: Tensor
    """Estimated mean squared error, up to a constant; the distance where there is no recorruption."""


class StopRule(Protocol):
    """What a run asks after each step."""

    selects: bool
    """Whether the step with the smallest score is the one to keep, and not the last one."""

    def score(self, step: Step) -> Tensor:
        """The score of a step."""
        ...

    def reason(self, steps: int) -> str:
        """Why to stop after so many steps, or ""."""
        ...


class Never:
    """Do all steps; the best one has the smallest distance to the data."""

    selects = False

    def score(self, step: Step) -> Tensor:
        return step.distance

    def reason(self, steps: int) -> str:  # noqa: ARG002 - it looks at nothing
        return ""


class Discrepancy(Never):
    """Stop where the distance to the data has fallen to ``level``, their noise variance (Morozov 1966)."""

    def __init__(self, level: float):
        self.level = level

    def score(self, step: Step) -> Tensor:
        self._last = step.distance
        return step.distance

    def reason(self, steps: int) -> str:
        if steps % CHECK_EVERY or float(self._last) > self.level:
            return ""
        return f"distance to the sources reached the noise level {self.level:.3g}"


class _Patient:
    """Stop when the smallest score is ``patience`` steps old."""

    selects = True
    what = ""

    def __init__(self, patience: int):
        self.patience = patience
        self._steps = 0
        self._best = self._best_step = torch.tensor(torch.inf)

    def _note(self, score: Tensor) -> Tensor:
        self._steps += 1
        best = self._best.to(score.device)
        self._best_step = torch.where(score < best, float(self._steps), self._best_step.to(score.device))
        self._best = torch.minimum(score, best)
        return score

    def reason(self, steps: int) -> str:
        if steps % CHECK_EVERY or not steps - float(self._best_step) >= self.patience:
            return ""
        return f"{self.what} was least at step {float(self._best_step):.0f}"


class LeastVariance(_Patient):
    """Stop where the variance of the last ``window`` outputs was least.

    Outputs agree with each other when they are nearest to the image: before, they still learn
    structure, and later noise.

    Source: Wang et al., "Early stopping for deep image prior", TMLR 2023, arXiv:2112.06074, algorithm 1.
    """

    what = "the variance of the outputs"

    def __init__(self, window: int, patience: int):
        super().__init__(patience)
        self._outputs: deque[Tensor] = deque(maxlen=window)

    def score(self, step: Step) -> Tensor:
        self._outputs.append(step.output)
        if len(self._outputs) < (self._outputs.maxlen or 0):
            return self._note(torch.full_like(step.distance, torch.inf))
        return self._note(torch.stack(tuple(self._outputs)).var(dim=0, correction=0).mean())


class LeastRisk(_Patient):
    """Stop where the estimated error, averaged over ``window`` steps, was least."""

    what = "the estimated error"

    def __init__(self, window: int, patience: int):
        super().__init__(patience)
        self._risks: deque[Tensor] = deque(maxlen=window)

    def score(self, step: Step) -> Tensor:
        self._risks.append(step.risk)
        if len(self._risks) < (self._risks.maxlen or 0):
            return self._note(torch.full_like(step.risk, torch.inf))
        return self._note(torch.stack(tuple(self._risks)).mean())
