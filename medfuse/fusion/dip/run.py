"""One slice being fitted: what is kept of its outputs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .problem import Padding
from .stopping import StopRule

__all__ = ["Run"]

_CURVE_POINTS = 50  # how many distances of a slice the provenance keeps
_LONGEST = 0.97  # the mean over late outputs reaches back some 33 steps at most …
_SHARE = 3  # … and over about the last fifth of the steps while there are fewer


class Run:
    """The best output so far, and mean and variance of the late ones; all of it stays on the device.

    Parameters
    ----------
    guide:
        What the network sees (channels, y, x), before fresh noise.
    data:
        What its outputs are fitted to (k, y, x).
    gains:
        (n, y, x).
    top:
        The value of the fused image that the number 1 stands for in ``data``.
    padding:
        What lies beyond the slice in all of these.
    limit:
        Most steps.
    rule:
        When to stop, and which step is the best.
    keep:
        "best" or "average".

    Attributes
    ----------
    distances:
        Mean squared distance to the data of every step.
    last:
        The latest output (k, y, x), padding included.
    """

    def __init__(
        self,
        guide: Tensor,
        data: Tensor,
        gains: Tensor,
        top: float,
        padding: Padding,
        limit: int,
        rule: StopRule,
        keep: str,
    ):
        self.guide = guide
        self.data = data
        self.gains = gains
        self.top = top
        self.limit = limit
        self.distances: list[Tensor] = []
        self._padding = padding
        self._rule = rule
        self._keep = keep
        self.last = self._mean = self._variance = self._kept = self._spread = torch.zeros_like(data)
        self._best = torch.full((), torch.inf, device=data.device)

    def add(self, outputs: Tensor, distance: Tensor) -> None:
        """Take in one step: outputs (members, k, y, x) and their mean squared distance to the data."""
        self.distances.append(distance)
        self.last = outputs.mean(dim=0)
        self._average(outputs)
        score = self._rule.score(self.last, distance)
        kept = self._mean if self._keep == "average" else self.last
        if self._keep == "average" and not self._rule.selects:
            self._kept, self._spread = kept, self._variance
            return
        is_better = (score < self._best) | ~torch.isfinite(self._best)
        self._kept = torch.where(is_better, kept, self._kept)
        self._spread = torch.where(is_better, self._variance, self._spread)
        self._best = torch.minimum(score, self._best)

    def _average(self, outputs: Tensor) -> None:
        share = max((_SHARE + 1) / (self.steps + _SHARE), 1 - _LONGEST)
        change = outputs - self._mean
        self._mean = self._mean + share * change.mean(dim=0)
        # The first outputs stand for themselves: their distance from the zero before them is no variance.
        spread = change.square().mean(dim=0) if self.steps > 1 else outputs.var(dim=0, correction=0)
        self._variance = (1 - share) * (self._variance + share * spread)

    @property
    def steps(self) -> int:
        """Steps done."""
        return len(self.distances)

    @property
    def stop_reason(self) -> str:
        """Why to stop now, or "" to go on."""
        reason = self._rule.reason(self.steps) if self.steps else ""
        return reason or (f"all {self.limit} steps done" if self.steps >= self.limit else "")

    @property
    def mean(self) -> Tensor:
        """Mean (k, y, x) of the late outputs, padding included."""
        return self._mean

    def images(self) -> np.ndarray:
        """What is kept of the outputs (k, y, x)."""
        return self._crop(self._kept)

    def variance(self) -> np.ndarray:
        """Variance (k, y, x) of late outputs and of the members of an ensemble."""
        return self._crop(self._spread)

    def curve(self) -> list[float]:
        """The distances of the steps, thinned to some fifty."""
        return [float(distance) for distance in self.distances[:: max(1, self.steps // _CURVE_POINTS)]]

    def _crop(self, images: Tensor) -> np.ndarray:
        inside = tuple(
            slice(before, n - after)
            for n, (before, after) in zip(images.shape[1:], self._padding, strict=True)
        )
        return images.cpu().numpy()[(slice(None), *inside)]
