"""When to stop a fit, and which of its outputs is the best: rules that look at each step.

The network draws structure first and noise later, so that the stop decides.  A rule scores every step of
every slice, the smaller the better, and says where a slice has got far enough.  Both stay on the device,
in memory that stays where it is.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Discrepancy", "LeastVariance", "Never", "StopRule"]


class StopRule(Protocol):
    """What a run asks at each step."""

    selects: bool
    """Whether the step with the smallest score is the one to keep, and not the last one."""

    def restart(self, noise: Tensor) -> None:
        """Forget all steps; ``noise`` (slices,) is the mean noise variance in the data of each slice."""
        ...

    def look(self, outputs: Tensor, distances: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Score (slices,) of a step, and whether to stop there (slices,).

        ``outputs`` (slices, k, y, x), their mean squared ``distances`` (slices,) to the data, and the
        number of the ``step`` (), from 1.
        """
        ...

    def reason(self, z: int) -> str:
        """Why slice ``z`` was stopped."""
        ...


class Never:
    """Do all steps; the best one has the smallest distance to the data."""

    selects = False

    def restart(self, noise: Tensor) -> None:
        """There is nothing to forget."""

    def look(self, outputs: Tensor, distances: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        return distances, torch.zeros_like(distances, dtype=torch.bool)

    def reason(self, z: int) -> str:  # noqa: ARG002 - it is never asked, because it never stops
        return ""


class Discrepancy:
    """Stop where the distance to the data has fallen to ``factor`` times their noise (Morozov 1966)."""

    selects = False

    def __init__(self, factor: float, slices: int, device: torch.device):
        self._factor = factor
        self._level = torch.zeros(slices, device=device)

    def restart(self, noise: Tensor) -> None:
        self._level.copy_(self._factor * noise)

    def look(self, outputs: Tensor, distances: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        return distances, distances <= self._level

    def reason(self, z: int) -> str:
        return f"distance to the sources reached the noise level {float(self._level[z]):.3g}"


class LeastVariance:
    """Stop where the variance of the last ``window`` outputs was least, and ``patience`` steps have passed.

    Outputs agree with each other when they are nearest to the image: before, they still learn
    structure, and later noise.

    Source: Wang et al., "Early stopping for deep image prior", TMLR 2023, arXiv:2112.06074, algorithm 1.
    """

    selects = True

    def __init__(self, window: int, patience: int, outputs: Tensor):
        """``outputs`` (slices, k, y, x): any of the shape and on the device that it will look at."""
        self._window, self._patience = window, patience
        self._outputs = torch.zeros((window, *outputs.shape), dtype=outputs.dtype, device=outputs.device)
        self._best = torch.full(outputs.shape[:1], torch.inf, dtype=outputs.dtype, device=outputs.device)
        self._best_step = torch.zeros_like(self._best, dtype=torch.int64)

    def restart(self, noise: Tensor) -> None:  # noqa: ARG002 - it needs no noise level
        self._best.fill_(torch.inf)
        self._best_step.zero_()

    def look(self, outputs: Tensor, distances: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        self._outputs.index_copy_(0, (step % self._window).reshape(1), outputs[None])
        variance = self._outputs.var(dim=0, correction=0).mean(dim=(1, 2, 3))
        variance = variance.masked_fill(step < self._window, torch.inf)
        is_best = variance < self._best
        self._best_step.copy_(torch.where(is_best, step, self._best_step))
        self._best.copy_(torch.where(is_best, variance, self._best))
        return variance, (step >= self._window) & (step - self._best_step >= self._patience)

    def reason(self, z: int) -> str:
        return f"the variance of the outputs was least at step {int(self._best_step[z])}"
