"""The skip encoder–decoder whose structure is the prior.

Source: Ulyanov, Vedaldi, Lempitsky, "Deep image prior", CVPR 2018, doi:10.1109/CVPR.2018.00984,
figure 21 of its supplement and the super-resolution setting of its experiments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

__all__ = ["SkipNetwork", "seeded"]

M = TypeVar("M", bound=nn.Module)


class SkipNetwork(nn.Module):
    """``(1, inputs, y, x)`` -> ``(1, outputs, y, x)`` in (0, 1); y and x multiples of 2^scales.

    Parameters
    ----------
    inputs, outputs:
        Channels of the input and of the output.
    width:
        Channels of every scale, down and up.
    scales:
        How often the resolution is halved.
    skip:
        Channels of each skip connection.
    """

    def __init__(self, inputs: int, outputs: int, width: int, scales: int, skip: int):
        super().__init__()
        # From the coarsest scale outwards: each one encloses the one before.
        inner: nn.Module = nn.Identity()
        for scale in reversed(range(scales)):
            inner = _Scale(inputs if scale == 0 else width, width, skip, inner)
        self.body = inner
        self.head = nn.Conv2d(width, outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        return torch.sigmoid(self.head(self.body(image)))


class _Scale(nn.Module):
    """Half the resolution, do ``inner`` there, come back, and join what skipped it."""

    def __init__(self, inputs: int, width: int, skip: int, inner: nn.Module):
        super().__init__()
        self.skip = _convolve(inputs, skip, 1)
        self.deep = nn.Sequential(
            _convolve(inputs, width, 3, stride=2),
            _convolve(width, width, 3),
            inner,
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
        )
        self.join = nn.Sequential(
            nn.BatchNorm2d(skip + width),
            _convolve(skip + width, width, 3),
            _convolve(width, width, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.join(torch.cat([self.skip(image), self.deep(image)], dim=1))


def _convolve(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    padding = kernel // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, padding_mode="reflect"),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.2, inplace=True),
    )


def seeded(build: Callable[[], M], seed: int) -> M:
    """Build a module with torch's own initialisation from ``seed``; the global state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build()
