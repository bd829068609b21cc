"""IFCNN: two convolutions on each image, an elementwise rule, two convolutions on the fused features.

======  ===========================================  ====================
layer   what                                         channels
======  ===========================================  ====================
conv1   7×7, no bias (ResNet-101's first, frozen)    3 → 64
conv2   3×3, batch normalisation, ReLU               64 → 64
rule    maximum, mean or sum over the images         64
conv3   3×3, batch normalisation, ReLU               64 → 64
conv4   1×1                                          64 → 3
======  ===========================================  ====================

Before each convolution the border is repeated outwards, so that sizes stay.

Source: Zhang, Liu, Sun, Yan, Zhao, Zhang, "IFCNN: A general image fusion framework based on convolutional
neural network", Information Fusion 54 (2020), doi:10.1016/j.inffus.2019.07.011, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["IFCNNNetwork"]


class IFCNNNetwork(nn.Module):
    """Images ``(n, b, 3, y, x)`` -> the fused images ``(b, 3, y, x)``; names of parameters as published."""

    def __init__(self, rule: str):
        super().__init__()
        self.rule = rule
        self.conv1 = nn.Conv2d(3, 64, 7, padding=3, padding_mode="replicate", bias=False)
        self.conv2 = _Block()
        self.conv3 = _Block()
        self.conv4 = nn.Conv2d(64, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        features = torch.stack([self.conv2(self.conv1(image)) for image in images])
        result: Tensor = self.conv4(self.conv3(_RULES[self.rule](features)))
        return result


_RULES = {
    "max": lambda features: features.amax(dim=0),
    "mean": lambda features: features.mean(dim=0),
    "sum": lambda features: features.sum(dim=0),
}


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(64, 64, 3, padding=1, padding_mode="replicate", bias=False)
        self.bn = nn.BatchNorm2d(64)

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(features)))
