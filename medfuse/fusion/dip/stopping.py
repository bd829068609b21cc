"""When to stop a fit, and which of its outputs is the best: rules that look at each step.

The network draws structure first and noise later, so that the stop decides.  A rule scores every
step; the smaller, the better.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Discrepancy", "LeastVariance", "Never", "StopRule"]

CHECK_EVERY = 5  # steps between looks at a number on the device: each look waits for it


class StopRule(Protocol):
    """What a run asks after each step."""

    selects: bool
    """Whether the step with the smallest score is the one to keep, and not the last one."""

    def score(self, output: Tensor, distance: Tensor) -> Tensor:
        """The score of a step: its output (k, y, x), its mean squared distance to the data."""
        ...

    def reason(self, steps: int) -> str:
        """Why to stop after so many steps, or ""."""
        ...


class Never:
    """Do all steps; the best one has the smallest distance to the data."""

    selects = False

    def score(self, output: Tensor, distance: Tensor) -> Tensor:  # noqa: ARG002 - the output is not asked
        return distance

    def reason(self, steps: int) -> str:  # noqa: ARG002 - it looks at nothing
        return ""


class Discrepancy(Never):
    """Stop where the distance to the data has fallen to ``level``, their noise variance (Morozov 1966)."""

    def __init__(self, level: float):
        self.level = level

    def score(self, output: Tensor, distance: Tensor) -> Tensor:  # noqa: ARG002 - the output is not asked
        self._last = distance
        return distance

    def reason(self, steps: int) -> str:
        if steps % CHECK_EVERY or float(self._last) > self.level:
            return ""
        return f"distance to the sources reached the noise level {self.level:.3g}"


class LeastVariance:
    """Stop where the variance of the last ``window`` outputs was least, and ``patience`` steps have passed.

    Outputs agree with each other when they are nearest to the image: before, they still learn
    structure, and later noise.

    Source: Wang et al., "Early stopping for deep image prior", TMLR 2023, arXiv:2112.06074, algorithm 1.
    """

    selects = True

    def __init__(self, window: int, patience: int):
        self.patience = patience
        self._outputs: deque[Tensor] = deque(maxlen=window)
        self._steps = 0
        self._best = self._best_step = torch.tensor(torch.inf)

    def score(self, output: Tensor, distance: Tensor) -> Tensor:
        self._steps += 1
        self._outputs.append(output)
        if len(self._outputs) < (self._outputs.maxlen or 0):
            return torch.full_like(distance, torch.inf)
        variance = torch.stack(tuple(self._outputs)).var(dim=0, correction=0).mean()
        best = self._best.to(variance.device)
        self._best_step = torch.where(variance < best, float(self._steps), self._best_step.to(best.device))
        self._best = torch.minimum(variance, best)
        return variance

    def reason(self, steps: int) -> str:
        if steps % CHECK_EVERY or not steps - float(self._best_step) >= self.patience:
            return ""
        return f"the variance of the outputs was least at step {float(self._best_step):.0f}"
