"""Zero-learning fusion: saliency for the base, features of a pretrained network for the detail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import ParameterError
from ...progress import Progress, ignore
from ..parameters import check_parameters, parameter
from ..types import Fused, Stack

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..batches import Batch

__all__ = ["ZeroLearning"]

_LAYERS = {  # backbone -> how many layers torchvision lists for it
    "resnet50": 8,
    "vgg16": 31,
    "alexnet": 13,
    "densenet121": 12,
    "mobilenet_v2": 19,
    "squeezenet1_0": 13,
    "squeezenet1_1": 13,
}


@dataclass(frozen=True)
class ZeroLearning:
    """Zero-learning: histogram saliency weighs the bases, a pretrained network the details.

    A box mean splits each source into base and detail.  A base's weight is how far its grey level is
    from the others of its image, on average, scaled to [0, 1]; a detail's weight is the softmax over the
    sources of the l1-norm over channels of the first `depth` layers' features.  Both follow the edges of
    their source by a guided filter, and add to 1.

    Layers are counted as torchvision lists them: the children of `features`; for ResNet those of the
    network, so that 3 is its first convolution with normalisation and ReLU.

    Maps: `weight_i` of the bases and `detail_weight_i` of the details.

    Checked with real weights: squeezenet1_0; all other backbones with random ones.  Differs from the
    authors' code: details go in with ImageNet's deviation, negative weights are cut off.

    Source: Lahoud, Süsstrunk, "Fast and efficient zero-learning image fusion" (2019), arXiv:1905.03590; for
    medical images "Zero-learning fast medical image fusion", FUSION 2019,
    doi:10.23919/FUSION43075.2019.9011178.
    """

    backbone: str = parameter("resnet50", "the pretrained network", choices=tuple(_LAYERS))
    depth: int = parameter(3, "how many of its layers", minimum=1)
    base_window: int = parameter(45, "side of the box that makes the base, in pixels", minimum=1)
    base_radius: int = parameter(45, "radius of the guided filter of the bases, in pixels", minimum=1)
    base_epsilon: float = parameter(0.1, "its regularisation, a variance of grey values", minimum=1e-12)
    detail_radius: int = parameter(7, "radius of the guided filter of the details, in pixels", minimum=1)
    detail_epsilon: float = parameter(1e-6, "its regularisation, a variance of grey values", minimum=1e-12)
    weights: str = parameter("", "file with weights of your own (torchvision's layout)")
    device: str = parameter("auto", "auto, cpu, cuda, cuda:N or mps")

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.depth > _LAYERS[self.backbone]:
            raise ParameterError(f"depth={self.depth}: {self.backbone} has {_LAYERS[self.backbone]} layers")

    @property
    def required_weights(self) -> tuple[str, ...]:
        """Names of the published weights that a call needs."""
        return () if self.weights else (self.backbone,)

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
        state, origin = load_weights(self.backbone, self.weights)
        network = first_layers(self.backbone, self.depth, state, device)
        fused = fuse_in_batches(lambda slices: self._fuse_batch(network, slices), sources, device, progress)
        return Fused(fused.array, fused.maps, {**fused.info, **origin})

    def _fuse_batch(self, network: nn.Sequential, sources: Tensor) -> Batch:
        from ..batches import Batch
        from ..multiscale.guided_filter import guided_weights
        from ..multiscale.two_scale import combine, split
        from .architectures.backbone import activity_of, network_input, spread

        base, detail = split(sources, self.base_window)
        images = network_input(detail)
        features = network(images)
        seen = activity_of(features, detail).softmax(dim=0)
        seen = spread(seen, images.shape[-1] / features.shape[-1], detail)
        base_weights = guided_weights(
            sources, histogram_saliency(sources), self.base_radius, self.base_epsilon
        )
        detail_weights = guided_weights(sources, seen, self.detail_radius, self.detail_epsilon)
        return Batch(*combine(base, detail, base_weights, detail_weights))


def histogram_saliency(images: Tensor) -> Tensor:
    """The mean distance of a pixel's grey level to all pixels of its image (..., y, x), scaled to [0, 1].

    On 256 grey levels.  0 everywhere where an image is flat.

    Source: Zhai, Shah, "Visual attention detection in video sequences using spatiotemporal cues", ACM
    Multimedia 2006, doi:10.1145/1180639.1180824, as the authors of zero-learning use it.
    """
    import torch

    from ..batches import precise

    levels = (precise(images) * 255 + 0.5).long().clamp(0, 255).flatten(-2)
    counts = precise(torch.zeros(*levels.shape[:-1], 256, device=images.device))
    counts.scatter_add_(-1, levels, torch.ones_like(levels, dtype=counts.dtype))
    grey = torch.arange(256, device=images.device, dtype=counts.dtype)
    distance = counts @ (grey[:, None] - grey).abs() / levels.shape[-1]
    saliency = distance.gather(-1, levels).unflatten(-1, images.shape[-2:])
    low, high = saliency.amin(dim=(-2, -1), keepdim=True), saliency.amax(dim=(-2, -1), keepdim=True)
    result: Tensor = (saliency - low) / (high - low).where(high > low, 1)
    return result
