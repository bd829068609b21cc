"""Weights made on the spot: some hand the image through, so that the result is known; some are random."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from medfuse.fusion.networks.architectures.densefuse import DenseFuseNetwork
from medfuse.fusion.networks.architectures.ifcnn import IFCNNNetwork
from medfuse.fusion.networks.torchvision_operators import import_torchvision


def save(state, path: Path) -> Path:
    torch.save(state, path)
    return path


def identity_ifcnn(rule="max"):
    """IFCNN that hands its three channels through: the fused image is the rule on the pixels."""
    network = IFCNNNetwork(rule)
    state = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    for channel in range(3):
        state["conv1.weight"][channel, channel, 3, 3] = 1
        state["conv4.weight"][channel, channel] = 1
    for block in (network.conv2, network.conv3):
        name = "conv2" if block is network.conv2 else "conv3"
        state[f"{name}.conv.weight"][:, :, 1, 1] = torch.eye(64)
        state[f"{name}.bn.weight"] += 1
        state[f"{name}.bn.running_var"] += 1 - block.bn.eps
    return state


def identity_densefuse():
    """DenseFuse whose first feature is the image, handed through; the others are 0."""
    state = {name: torch.zeros_like(value) for name, value in DenseFuseNetwork().state_dict().items()}
    for layer in ("conv1", "conv2", "conv3", "conv4", "conv5"):
        state[f"{layer}.conv2d.weight"][0, 0, 1, 1] = 1
    return state


def random_backbone(name, depth, seed=0):
    """The first layers of one of torchvision's networks, random."""
    with torch.device("meta"):
        network = import_torchvision().models.get_model(name, weights=None)
    prefix = "features." if hasattr(network, "features") else ""
    kept = [child for child, _ in (network.features if prefix else network).named_children()][:depth]
    state = random_state(network, seed)
    return {
        key: value
        for key, value in state.items()
        if key.startswith(prefix) and key.removeprefix(prefix).partition(".")[0] in kept
    }


def random_state(network, seed=0):
    """Random convolutions with the variance that keeps signals; normalisation that changes nothing."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key, value in network.state_dict().items():
        if key.endswith("running_var") or (value.dim() == 1 and key.endswith("weight")):
            state[key] = torch.ones(value.shape)
        elif value.dim() == 4:
            deviation = math.sqrt(2 / value[0].numel())
            state[key] = deviation * torch.randn(value.shape, generator=generator)
        else:
            state[key] = torch.zeros(value.shape, dtype=value.dtype)
    return state


MADE = {  # method's key -> what makes weights for its default parameters
    "vgg": lambda: random_backbone("vgg19", 21),
    "zero_learning": lambda: random_backbone("resnet50", 3),
    "ifcnn": identity_ifcnn,
    "densefuse": identity_densefuse,
}
