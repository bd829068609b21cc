"""The first layers of classification networks, and what they see in the details of an image.

A detail layer has mean zero, which is what is left of an image when the mean colour is taken away.  It is
therefore given to the network in all three channels, divided by ImageNet's deviation and without the mean.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ..loading import filled
from ..torchvision_operators import import_torchvision

__all__ = ["activity_of", "first_layers", "network_input", "spread"]

IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
_SMALLEST_SIDE = 64  # smaller images vanish in the pooling of the deepest layers


def first_layers(name: str, depth: int, state: Mapping[str, Tensor], device: torch.device) -> nn.Sequential:
    """The first ``depth`` layers of torchvision's network ``name``.

    Layers are counted as torchvision lists them: the children of ``features``, or for ResNet the children
    of the network.  ``state`` may hold more than these layers need.

    Raises
    ------
    WeightsError
        If ``state`` lacks what they need.
    """
    torchvision = import_torchvision()
    prefix = "" if name.startswith("resnet") else "features."

    with torch.device("meta"):
        network = torchvision.models.get_model(name, weights=None)
        children = (network.features if prefix else network).named_children()
        layers = nn.Sequential(OrderedDict(islice(children, depth)))
    kept = {
        key: value
        for key, value in ((_modern_name(key).removeprefix(prefix), value) for key, value in state.items())
        if key.partition(".")[0] in dict(layers.named_children())
    }
    return filled(lambda: layers, kept, device)


def network_input(details: Tensor) -> Tensor:
    """Details (n, b, y, x) as images (n·b, 3, y, x), made larger by repeating the border where tiny."""
    height, width = details.shape[-2:]
    images = details.flatten(0, 1)[:, None].float()
    margin = (0, max(0, _SMALLEST_SIDE - width), 0, max(0, _SMALLEST_SIDE - height))
    deviation = images.new_tensor(IMAGENET_DEVIATION)[:, None, None]
    return pad(images, margin, mode="replicate") / deviation


def activity_of(features: Tensor, details: Tensor) -> Tensor:
    """The l1-norm over channels of features (n·b, c, h, w), as (n, b, h, w) for details (n, b, y, x)."""
    result: Tensor = features.abs().sum(dim=1).unflatten(0, details.shape[:2])
    return result


def spread(small: Tensor, scale: float, details: Tensor) -> Tensor:
    """Values (n, b, h, w) of a network's grid, of pixels ``scale`` wide, at the pixels of ``details``."""
    for dim in (-2, -1):
        centre = torch.arange(details.shape[dim], device=small.device)
        index = (centre / scale).long().clamp(max=small.shape[dim] - 1)
        small = small.index_select(dim, index)
    return small


def _modern_name(key: str) -> str:
    """The published DenseNet file says ``norm.1`` where the network says ``norm1``."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key)
