"""The skip encoder–decoder whose structure is the prior.

Source: Ulyanov, Vedaldi, Lempitsky, "Deep image prior", CVPR 2018, doi:10.1109/CVPR.2018.00984,
figure 21 of its supplement and the super-resolution setting of its experiments.

Several networks run side by side as the groups of grouped convolutions: an ensemble is one network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

__all__ = ["SkipNetwork", "seeded"]

M = TypeVar("M", bound=nn.Module)

_CORRECTION = 0.1  # a correction begins this much smaller than an image: it has less far to go


class SkipNetwork(nn.Module):
    """``(1, members · inputs, y, x)`` -> ``(1, members · outputs, y, x)``; y and x multiples of 2^scales.

    Parameters
    ----------
    inputs, outputs:
        Channels of the input and of the output of each member.
    width:
        Channels of every scale, down and up.
    scales:
        How often the resolution is halved.
    skip:
        Channels of each skip connection.
    members:
        Independent networks that run side by side.
    corrects:
        False: the output is drawn, in (0, 1).  True: it is the first ``outputs`` channels of the input
        plus a correction, which is 0 at the start.
    half:
        Compute the body in bfloat16; its batch statistics, the last layer and the output stay float32.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int,
        scales: int,
        skip: int,
        *,
        members: int = 1,
        corrects: bool = False,
        half: bool = False,
    ):
        super().__init__()
        self.outputs, self.members, self.corrects, self.in_half = outputs, members, corrects, half
        # From the coarsest scale outwards: each one encloses the one before.
        inner: nn.Module = nn.Identity()
        for scale in reversed(range(scales)):
            inner = _Scale(inputs if scale == 0 else width, width, skip, inner, members)
        self.body = inner
        self.head = nn.Conv2d(members * width, members * outputs, 1, groups=members)
        if corrects:
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]  # torch types it as optional

    def forward(self, image: Tensor) -> Tensor:
        with torch.autocast(image.device.type, torch.bfloat16, enabled=self.in_half):
            features = self.body(image)
        drawn = self.head(features.to(self.head.weight.dtype))
        if not self.corrects:
            return torch.sigmoid(drawn)
        result: Tensor = self._first(image) + _CORRECTION * drawn
        return result

    def _first(self, image: Tensor) -> Tensor:
        """The first ``outputs`` channels of each member's input."""
        by_member = image.unflatten(1, (self.members, -1))
        result: Tensor = by_member[:, :, : self.outputs].flatten(1, 2)
        return result


class _Scale(nn.Module):
    """Half the resolution, do ``inner`` there, come back, and join what skipped it."""

    def __init__(self, inputs: int, width: int, skip: int, inner: nn.Module, members: int):
        super().__init__()
        self.members = members
        self.skip = _convolve(inputs, skip, 1, members)
        self.deep = nn.Sequential(
            _convolve(inputs, width, 3, members, stride=2),
            _convolve(width, width, 3, members),
            inner,
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
        )
        self.join = nn.Sequential(
            _normalise(members * (skip + width)),
            _convolve(skip + width, width, 3, members),
            _convolve(width, width, 1, members),
        )

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.join(self._beside(self.skip(image), self.deep(image)))
        return result

    def _beside(self, one: Tensor, other: Tensor) -> Tensor:
        """The channels of both, member by member."""
        if self.members == 1:
            return torch.cat([one, other], dim=1)
        by_member = [part.unflatten(1, (self.members, -1)) for part in (one, other)]
        return torch.cat(by_member, dim=2).flatten(1, 2)


def _convolve(inputs: int, outputs: int, kernel: int, members: int, stride: int = 1) -> nn.Sequential:
    channels = members * inputs, members * outputs
    return nn.Sequential(
        nn.Conv2d(*channels, kernel, stride, kernel // 2, padding_mode="reflect", groups=members),
        _normalise(members * outputs),
        nn.LeakyReLU(0.2, inplace=True),
    )


def _normalise(channels: int) -> nn.BatchNorm2d:
    """By the statistics of the image at hand, always: none are kept, because none are ever used."""
    return nn.BatchNorm2d(channels, track_running_stats=False)


def seeded(build: Callable[[], M], seed: int) -> M:
    """Build a module with torch's own initialisation from ``seed``; the global state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build()
