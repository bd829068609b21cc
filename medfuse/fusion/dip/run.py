"""Slices being fitted side by side: what is kept of their outputs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .problem import Padding
from .replay import Lookout
from .stopping import StopRule

__all__ = ["Fitted", "Run"]

_CURVE_POINTS = 50  # how many distances of a slice the provenance keeps
_LONGEST = 0.97  # the mean over late outputs reaches back some 33 steps at most …
_SHARE = 3  # … and over about the last fifth of the steps while there are fewer


class Fitted(NamedTuple):
    """What became of one slice.

    ``images`` (k, y, x) are what is kept of the outputs, ``variance`` (k, y, x) is that of late outputs and
    of the members of an ensemble, ``curve`` the distances to the data, thinned to some fifty.
    """

    images: np.ndarray
    variance: np.ndarray
    steps: int
    stop_reason: str
    curve: list[float]


class Run:
    """The best output so far, and mean and variance of the late ones, of each slice.

    Everything stays on the device, in memory that stays where it is from one run to the next.

    Parameters
    ----------
    like:
        Any (slices, k, y, x) of the size, type and device of the outputs' means.
    padding:
        What lies beyond the slices in them.
    most:
        Most steps of any run.
    rule:
        When to stop a slice, and which step is its best.
    keep:
        "best" or "average".

    Attributes
    ----------
    last:
        The latest outputs (slices, k, y, x), padding included.
    mean:
        Their mean over late steps, likewise.
    limit, steps:
        Most steps of this run, and steps begun so far.
    distances:
        Mean squared distance to the data (steps, slices) of the steps begun.
    """

    def __init__(self, like: Tensor, padding: Padding, most: int, rule: StopRule, keep: str):
        self._padding = padding
        self._rule = rule
        self._keep = keep
        self.limit = self.steps = 0
        self.last, self.mean, self._variance, self._kept, self._spread = (
            torch.zeros_like(like) for _ in range(5)
        )
        slices, device = len(like), like.device
        self._best = torch.zeros_like(like[:, 0, 0, 0])
        self._is_done = torch.zeros(slices, dtype=torch.bool, device=device)
        self._done_after = torch.zeros(slices, dtype=torch.int64, device=device)
        self._are_done = torch.zeros((), dtype=torch.bool, device=device)
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._distances = torch.zeros((most, slices), dtype=like.dtype, device=device)
        shares = [max((_SHARE + 1) / (step + _SHARE), 1 - _LONGEST) for step in range(1, most + 1)]
        self._shares = torch.tensor(shares, dtype=like.dtype, device=device)

    def restart(self, limit: int, noise: Tensor) -> None:
        """Begin other slices; ``noise`` (slices,) is the mean noise variance in the data of each."""
        self.limit, self.steps = limit, 0
        self._rule.restart(noise)
        for tensor in (
            self.mean,
            self._variance,
            self._is_done,
            self._done_after,
            self._are_done,
            self._step,
        ):
            tensor.zero_()
        self._best.fill_(torch.inf)
        self._lookout = Lookout()

    @property
    def distances(self) -> Tensor:
        return self._distances[: self.steps]

    def take(self, outputs: Tensor, distances: Tensor) -> None:
        """Take in one step: outputs (slices, members, k, y, x), their mean squared distances (slices,)."""
        index = self._step.reshape(1).clone()
        self._step += 1
        self._distances.index_copy_(0, index, distances[None])
        self.last.copy_(outputs.mean(dim=1))
        self._average(outputs, self._shares[index])
        score, stops = self._rule.look(self.last, distances, self._step)
        averages = self._keep == "average"
        if averages and not self._rule.selects:
            takes = ~self._is_done
        else:
            takes = ~self._is_done & ((score < self._best) | ~torch.isfinite(self._best))
        self._best.copy_(torch.where(takes, score, self._best))
        self._put(takes, self.mean if averages else self.last, self._kept)
        self._put(takes, self._variance, self._spread)
        self._done_after += ~self._is_done
        self._is_done |= stops
        self._are_done.copy_(self._is_done.all())

    @staticmethod
    def _put(takes: Tensor, new: Tensor, kept: Tensor) -> None:
        kept.copy_(torch.where(takes[:, None, None, None], new, kept))

    def _average(self, outputs: Tensor, share: Tensor) -> None:
        change = outputs - self.mean[:, None]
        self.mean.add_(share * change.mean(dim=1))
        # The first outputs have a share of 1: their distance from the zero before them is no variance.
        self._variance.add_(share * change.square().mean(dim=1)).mul_(1 - share)

    def goes_on(self) -> bool:
        """Whether another step is to be made; asked once a step."""
        return self.steps < self.limit and not self._lookout.sees(self._are_done)

    def fitted(self, z: int) -> Fitted:
        """What became of slice ``z`` of those side by side."""
        steps = int(self._done_after[z])
        curve = self._distances[:steps, z].tolist()
        is_stopped = bool(self._is_done[z])
        return Fitted(
            self._crop(self._kept[z]),
            self._crop(self._spread[z]),
            steps,
            self._rule.reason(z) if is_stopped else f"all {steps} steps done",
            curve[:: max(1, steps // _CURVE_POINTS)],
        )

    def _crop(self, images: Tensor) -> np.ndarray:
        inside = tuple(
            slice(before, n - after)
            for n, (before, after) in zip(images.shape[1:], self._padding, strict=True)
        )
        return images.cpu().numpy()[(slice(None), *inside)].copy()  # the next slice overwrites ``images``
