"""DenseFuse: an encoder with a dense block, a rule on the features, and a decoder.

========  =====================================  ====================
layer     what                                   channels
========  =====================================  ====================
conv1     3×3, ReLU                              1 → 16
DB1       three 3×3, ReLU, each sees all before  16, 32, 48 → 16 each
(joined)                                         64
conv2     3×3, ReLU                              64 → 64
conv3     3×3, ReLU                              64 → 32
conv4     3×3, ReLU                              32 → 16
conv5     3×3, ReLU                              16 → 1
========  =====================================  ====================

Before each convolution the image is reflected at its border, so that sizes stay.

Source: Li, Wu, "DenseFuse: a fusion approach to infrared and visible images", IEEE Trans. Image Processing
28 (2019), doi:10.1109/TIP.2018.2887342, table I.  The ReLU after conv5 is that of the published PyTorch
weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["DenseFuseNetwork"]


class DenseFuseNetwork(nn.Module):
    """Encoder ``(b, 1, y, x)`` -> ``(b, 64, y, x)`` and decoder back; names of parameters as published."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _Layer(1, 16)
        self.DB1 = _DenseBlock()
        self.conv2 = _Layer(64, 64)
        self.conv3 = _Layer(64, 32)
        self.conv4 = _Layer(32, 16)
        self.conv5 = _Layer(16, 1)

    def encode(self, image: Tensor) -> Tensor:
        result: Tensor = self.DB1(self.conv1(image))
        return result

    def decode(self, features: Tensor) -> Tensor:
        result: Tensor = self.conv5(self.conv4(self.conv3(self.conv2(features))))
        return result


class _Layer(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv2d = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")

    def forward(self, image: Tensor) -> Tensor:
        return torch.relu(self.conv2d(image))


class _Dense(nn.Module):
    def __init__(self, inputs: int):
        super().__init__()
        self.dense_conv = _Layer(inputs, 16)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([features, self.dense_conv(features)], dim=1)


class _DenseBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.denseblock = nn.Sequential(_Dense(16), _Dense(32), _Dense(48))

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.denseblock(features)
        return result
