"""The denoiser that was trained once: its network, what it sees, and the file that medfuse ships.

A small U-net on 2×2 blocks (as in FFDNet) that is told the noise: its standard deviation at each pixel, its
kind, and how far it is correlated.  It draws the signal, with what clipping or the magnitude did to the
mean of the noise undone.  Trained on generated scenes only, by :mod:`medfuse.training.prior`.

Sources: Zhang, Zuo, Zhang, "FFDNet", TIP 27 (2018), doi:10.1109/TIP.2018.2839891; Zhang et al.,
"Plug-and-play image restoration with deep denoiser prior", TPAMI 44 (2022), doi:10.1109/TPAMI.2021.3088914.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .model import NoiseModel, scaled

__all__ = ["DenoisingNetwork", "apply_prior", "conditions", "packed", "shipped_network", "unpacked"]

_FACTS = 5  # σ, σ where Rician, σ where log-compressed, and the two widths
_CHANNELS = (32, 64, 96)
_UNIT = 8  # sizes are padded to a multiple of this: blocks of 2, halved twice
_GUESS = 1.5  # pixels: blur of the first guess of the signal, from which the noise at a pixel follows
_WIDEST = 1.6  # pixels
_FILE = "noise_prior.npz"

Array = npt.NDArray[np.float64]


class DenoisingNetwork(nn.Module):
    """``(batch, 1 + 5, y, x)``, an image and its :func:`conditions`, -> ``(batch, 1, y, x)``, the signal.

    y and x are multiples of 8.
    """

    def __init__(self) -> None:
        super().__init__()
        first, second, third = _CHANNELS
        self.begin = nn.Conv2d(4 + _FACTS, first, 3, padding=1)
        self.down = nn.ModuleList([nn.Conv2d(first, second, 2, 2), nn.Conv2d(second, third, 2, 2)])
        self.up = nn.ModuleList(
            [nn.ConvTranspose2d(second, first, 2, 2), nn.ConvTranspose2d(third, second, 2, 2)]
        )
        self.encode = nn.ModuleList([_residuals(first, 2), _residuals(second, 1)])
        self.middle = _residuals(third, 2)
        self.decode = nn.ModuleList([_residuals(first, 2), _residuals(second, 1)])
        self.end = nn.Conv2d(first, 4, 3, padding=1)
        nn.init.zeros_(self.end.weight)
        nn.init.zeros_(self.end.bias)  # type: ignore[arg-type]  # torch types it as optional

    def forward(self, seen: Tensor) -> Tensor:
        image, facts = seen[:, :1], nn.functional.avg_pool2d(seen[:, 1:], 2)
        blocks = nn.functional.pixel_unshuffle(image, 2)
        fine = self.encode[0](self.begin(torch.cat([blocks, facts], dim=1)))
        middling = self.encode[1](self.down[0](fine))
        coarse = self.middle(self.down[1](middling))
        middling = self.decode[1](middling + self.up[1](coarse))
        fine = self.decode[0](fine + self.up[0](middling))
        return image + nn.functional.pixel_shuffle(self.end(fine), 2)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.second(nn.functional.relu(self.first(x)))
        return result


def _residuals(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(channels) for _ in range(count)))


def conditions(image: Array, noise: NoiseModel) -> npt.NDArray[np.float32]:
    """What the network is told of ``image`` (y, x) with ``noise``: (5, y, x)."""
    from scipy.ndimage import gaussian_filter

    signal = noise.unclip(gaussian_filter(image, _GUESS))
    sigma = np.sqrt(noise.variance(signal))
    widths = [np.full_like(sigma, 0.5 * width) for width in noise.widths[-2:]]
    flags = [sigma * (noise.kind == kind) for kind in ("rice", "log-speckle")]
    return np.stack([sigma, *flags, *widths]).astype(np.float32)


def apply_prior(image: npt.ArrayLike, noise: NoiseModel, network: nn.Module) -> Array:
    """The signal (y, x) in [0, 1] under ``image`` (y, x) with ``noise``, as ``network`` draws it."""
    image, noise = _as_trained(np.asarray(image, dtype=float), noise)
    before = [(-n % _UNIT) // 2 for n in image.shape]
    padding = [(first, -n % _UNIT - first) for n, first in zip(image.shape, before, strict=True)]
    padded = np.pad(image, padding, mode="symmetric")
    seen = np.concatenate([padded[None].astype(np.float32), conditions(padded, noise)])
    with torch.no_grad():
        drawn = network(torch.from_numpy(seen)[None])[0, 0].double().numpy()
    inside = tuple(slice(first, first + n) for first, n in zip(before, image.shape, strict=True))
    return np.asarray(drawn[inside].clip(0, 1))


def _as_trained(image: Array, noise: NoiseModel) -> tuple[Array, NoiseModel]:
    """An image (y, x) and its noise as the network knows them: clipped after any interpolation, not before.

    The mean of noise that was clipped before is changed by more than its strength tells: by that much the
    image is brightened or darkened.  Wider noise than the network was trained on is told as the widest.
    """
    from scipy.ndimage import gaussian_filter

    widths = tuple(min(width, _WIDEST) for width in noise.widths)
    left = replace(noise, widths=widths)
    if noise.kept == 1:
        return image, left
    left = replace(scaled(left, noise.kept**0.5), kept=1.0)
    signal = noise.unclip(gaussian_filter(image, _GUESS))
    return image + left.mean(signal) - noise.mean(signal), left


def packed(network: nn.Module) -> dict[str, npt.NDArray[np.float16]]:
    """The weights by name, as half floats: what the shipped file holds."""
    return {name: value.detach().numpy().astype(np.float16) for name, value in network.state_dict().items()}


def unpacked(file: Path | IO[bytes]) -> dict[str, Tensor]:
    """What :func:`packed` gave, from the `.npz` that it was saved in, as the state of a network."""
    with np.load(file) as held:
        return {name: torch.from_numpy(held[name].astype(np.float32)) for name in held.files}


@lru_cache(maxsize=1)
def shipped_network() -> DenoisingNetwork:
    """The network with the weights that medfuse ships."""
    network = DenoisingNetwork()
    with (files("medfuse.weights") / "shipped" / _FILE).open("rb") as file:
        network.load_state_dict(unpacked(file))
    return network.eval()
