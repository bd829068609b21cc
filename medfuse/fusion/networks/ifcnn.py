"""IFCNN: one convolutional network for all kinds of image fusion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...colour import LUMA_WEIGHTS
from ...errors import ParameterError
from ...progress import Progress, ignore
from ..parameters import check_parameters, parameter
from ..types import Fused, Stack, check_sources

if TYPE_CHECKING:
    from torch import Tensor

    from .architectures.ifcnn import IFCNNNetwork

__all__ = ["IFCNN"]

_MEAN = (0.485, 0.456, 0.406)  # of ImageNet's red, green, blue


@dataclass(frozen=True)
class IFCNN:
    """IFCNN: features of each source, joined by maximum, mean or sum, and drawn by two convolutions.

    The authors use `rule=max` for medical, infrared and multi-focus images and `rule=mean` for
    multi-exposure series; each rule has its own weights.  A grey source is given as three equal channels
    without normalisation, and the luma of the result is taken, as in the authors' code.  Any number of
    sources.  :meth:`fuse_colour` fuses colour images.

    Checked with the published weights: equal to the published results within one grey level for four
    medical pairs, an infrared pair, a colour pair, a colour triple, and the luma of a multi-exposure series
    of four.

    Source: Zhang et al., Information Fusion 54 (2020), doi:10.1016/j.inffus.2019.07.011.
    """

    rule: str = parameter("max", "how the features are joined", choices=("max", "mean", "sum"))
    weights: str = parameter("", "file with weights of your own; empty for the published ones")
    device: str = parameter("auto", "auto, cpu, cuda, cuda:N or mps")

    def __post_init__(self) -> None:
        check_parameters(self)

    @property
    def required_weights(self) -> tuple[str, ...]:
        """Names of the published weights that a call needs."""
        return () if self.weights else (f"ifcnn-{self.rule}",)

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1].

        Raises
        ------
        WeightsError
            If the weights are not on this machine.
        """
        return self._run(_fuse_grey, sources, progress)

    def fuse_colour(self, sources: np.ndarray, progress: Progress = ignore) -> Fused:
        """Fuse colour ``sources`` (n, z, y, x, 3) in [0, 1] into colour (z, y, x, 3).

        As the authors treat colour multi-focus images: each channel is normalised by ImageNet's mean and
        deviation.  (Their multi-exposure series and pseudo-colour images go another way: luma as grey
        sources, chroma apart; see :mod:`medfuse.colour`.)

        Raises
        ------
        ParameterError
            If ``sources`` are not such a stack.
        WeightsError
            If the weights are not on this machine.
        """
        if sources.ndim != 5 or sources.shape[-1] != 3:
            raise ParameterError(f"colour sources of shape {sources.shape}: expected (n, z, y, x, 3)")
        n, depth, height, width, _ = sources.shape
        checked = check_sources(sources.reshape(n, depth, height, width * 3))
        return self._run(_fuse_colour, checked.reshape(sources.shape), progress)

    def _run(
        self, fuse: Callable[[IFCNNNetwork, Tensor], Tensor], sources: np.ndarray, progress: Progress
    ) -> Fused:
        from ...weights import load_weights
        from ..batches import Batch, fuse_in_batches
        from ..devices import resolve_device
        from .architectures.ifcnn import IFCNNNetwork
        from .loading import filled

        device = resolve_device(self.device)
        state, origin = load_weights(f"ifcnn-{self.rule}", self.weights)
        network = filled(lambda: IFCNNNetwork(self.rule), state, device)
        fused = fuse_in_batches(lambda slices: Batch(fuse(network, slices)), sources, device, progress)
        return Fused(fused.array, fused.maps, {**fused.info, **origin})


def _fuse_grey(network: IFCNNNetwork, sources: Tensor) -> Tensor:
    """(n, b, y, x) -> (b, y, x), as the authors treat grey images."""
    red, green, blue = network(sources.unsqueeze(2).expand(-1, -1, 3, -1, -1)).clamp(0, 1).unbind(dim=1)
    red_share, green_share, blue_share = LUMA_WEIGHTS
    result: Tensor = red_share * red + green_share * green + blue_share * blue
    return result


def _fuse_colour(network: IFCNNNetwork, sources: Tensor) -> Tensor:
    """(n, b, y, x, 3) -> (b, y, x, 3)."""
    from .architectures.backbone import IMAGENET_DEVIATION

    mean, deviation = sources.new_tensor(_MEAN), sources.new_tensor(IMAGENET_DEVIATION)
    images = ((sources - mean) / deviation).movedim(-1, 2)
    result: Tensor = network(images).movedim(1, -1) * deviation + mean
    return result
