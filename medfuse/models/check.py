"""Whether a model does what its card says, told in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import MedfuseError
from ..io.files import existing
from .bundle import Bundle, read_bundle
from .network import Network, difference_from_test, resolve_device

__all__ = ["check_model"]

_ODD = (61, 75)  # a size that is a multiple of nothing


def check_model(path: str | Path, device: str = "auto") -> list[str]:
    """What is wrong with the model in a folder or a zip; nothing if all is right.

    Beyond what every use checks (the files, the card, the sha256, the inputs, the test pair), the network is
    run twice, on slices of an odd size and, where it takes them, on two slices at once.

    Raises
    ------
    ReadError
        If there is nothing at ``path``.
    DependencyError, DeviceError, ParameterError
        Without ONNX Runtime, or for a device that is not there.
    """
    device, path = resolve_device(device), existing(path)
    try:
        bundle = read_bundle(path)
        network = Network.of(bundle, device)
        return list(_problems(network, bundle))
    except MedfuseError as error:
        return [str(error)]


def _problems(network: Network, bundle: Bundle) -> Iterator[str]:
    largest, allowed = difference_from_test(network, bundle), bundle.card.tolerance
    if largest > allowed:
        yield (
            f"test.npz: the network draws its sources otherwise: up to {largest:.2g} off, the card allows "
            f"{allowed:g}; were its sources in the order, the range and the size that the card says?"
        )
    n = bundle.card.input.sources or 2
    size = tuple(min(pair) for pair in zip(_ODD, bundle.card.input.size or _ODD, strict=True))
    slices = np.random.default_rng(1).random((n, 2, *size), np.float32)
    try:
        first, again = _one_by_one(network, slices), _one_by_one(network, slices)
        if np.abs(first - again).max() > allowed:
            yield (
                f"model.onnx: two runs on the same images differ by up to {np.abs(first - again).max():.2g}: "
                "was it exported in training mode, or does it draw random numbers?"
            )
        elif network.largest_batch != 1:
            apart = float(np.abs(network(slices) - first).max())
            if apart > allowed:
                yield f"model.onnx: two slices at once differ from each alone by up to {apart:.2g}"
    except (MedfuseError, MemoryError) as error:
        yield f"model.onnx: slices of {size[1]}×{size[0]} fail; is the card's size_multiple right? {error}"


def _one_by_one(network: Network, slices: np.ndarray) -> np.ndarray:
    return np.concatenate([network(slices[:, z : z + 1]) for z in range(slices.shape[1])])
