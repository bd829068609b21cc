"""Fusion with a deep learning framework: base by regularisation, detail by VGG-19 features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...progress import Progress, ignore
from ..parameters import check_parameters, parameter
from ..types import Fused, Stack

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..batches import Batch

__all__ = ["VGGFusion", "smooth_base"]

_RELU = (1, 6, 11, 20)  # indices of relu1_1, relu2_1, relu3_1, relu4_1 in torchvision's VGG-19


@dataclass(frozen=True)
class VGGFusion:
    """VGG-19: bases averaged, details weighted by what the network sees in them, layer by layer.

    The base B of a source I minimises ‖I − B‖² + λ (‖gx∗B‖² + ‖gy∗B‖²) with differences gx and gy to the
    neighbours inside the image; the rest is its detail.  For each of the layers relu1_1, relu2_1, relu3_1
    and relu4_1 a detail's weight is the l1-norm of its features over the channels, averaged over a 3×3
    block, as a share of that of all sources.  The largest of the weighted details is added to the mean
    of the bases.

    Checked with real weights: relu1_1 to relu3_1, from a copy of the network that ends there; relu4_1 with
    random ones.  Differs from the authors' code: it works on VGG in units of ImageNet's deviation, not
    on grey values of [0, 1] given to a network made for 0 to 255; differences do not reach over the border.

    Source: Li, Wu, Kittler, "Infrared and visible image fusion using a deep learning framework", ICPR 2018,
    doi:10.1109/ICPR.2018.8546006, equations 1 to 9.
    """

    strength: float = parameter(5.0, "λ: how smooth the base is", minimum=0.0)
    layers: int = parameter(4, "how many of relu1_1, relu2_1, relu3_1, relu4_1", minimum=1, maximum=4)
    block: int = parameter(1, "radius r of the block average, in pixels of a layer", minimum=0)
    weights: str = parameter("", "file with weights of your own (torchvision's VGG-19 layout)")
    device: str = parameter("auto", "auto, cpu, cuda, cuda:N or mps")

    def __post_init__(self) -> None:
        check_parameters(self)

    @property
    def required_weights(self) -> tuple[str, ...]:
        """Names of the published weights that a call needs."""
        return () if self.weights else ("vgg19",)

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1].

        Raises
        ------
        WeightsError
            If the weights are not on this machine.
        """
        from ...weights import load_weights
        from ..batches import fuse_in_batches
        from ..devices import resolve_device
        from .architectures.backbone import first_layers

        device = resolve_device(self.device)
        state, origin = load_weights("vgg19", self.weights)
        network = first_layers("vgg19", _RELU[self.layers - 1] + 1, state, device)
        fused = fuse_in_batches(lambda slices: self._fuse_batch(network, slices), sources, device, progress)
        return Fused(fused.array, fused.maps, {**fused.info, **origin})

    def _fuse_batch(self, network: nn.Sequential, sources: Tensor) -> Batch:
        import torch

        from ..batches import Batch
        from ..multiscale.two_scale import block_shares
        from .architectures.backbone import activity_of, network_input, spread

        base = smooth_base(sources, self.strength)
        detail = sources - base
        features = network_input(detail)
        weighted: list[Tensor] = []
        for index, layer in enumerate(network):
            features = layer(features)
            if index in _RELU:
                weights = block_shares(activity_of(features, detail), self.block)
                weights = spread(weights, 2 ** len(weighted), detail)
                weighted.append((weights * detail).sum(dim=0))
        return Batch(base.mean(dim=0) + torch.stack(weighted).amax(dim=0))


def smooth_base(images: Tensor, strength: float) -> Tensor:
    """The minimiser B of ‖I − B‖² + λ (‖gx∗B‖² + ‖gy∗B‖²) for images (..., y, x), exactly.

    Mirrored at its borders an image has no step there, and its Fourier transform makes the normal equations
    B + λ (gxᵀgx + gyᵀgy) B = I diagonal.
    """
    import torch

    from ..batches import precise

    height, width = images.shape[-2:]
    mirrored = precise(images)
    mirrored = torch.cat([mirrored, mirrored.flip(-1)], dim=-1)
    mirrored = torch.cat([mirrored, mirrored.flip(-2)], dim=-2)
    frequency = torch.arange(2 * max(height, width), device=images.device).to(mirrored.dtype)
    rows = 2 - 2 * torch.cos(torch.pi * frequency[: 2 * height] / height)
    columns = 2 - 2 * torch.cos(torch.pi * frequency[: width + 1] / width)
    gain = 1 / (1 + strength * (rows[:, None] + columns))
    smooth = torch.fft.irfft2(torch.fft.rfft2(mirrored) * gain, s=mirrored.shape[-2:])
    result: Tensor = smooth[..., :height, :width].to(images.dtype)
    return result
