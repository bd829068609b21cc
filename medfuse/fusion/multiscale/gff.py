"""Fusion with guided filtering."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING

from ...progress import Progress, ignore
from ..parameters import check_parameters, parameter
from ..types import Fused, Stack

if TYPE_CHECKING:
    from torch import Tensor

    from ..batches import Batch

__all__ = ["GuidedFilterFusion"]

_SALIENCY_RADIUS, _SALIENCY_SIGMA = 5, 5.0


@dataclass(frozen=True)
class GuidedFilterFusion:
    """Guided filtering: the most salient source decides, its weights follow the image's edges.

    Each source is split into a base (box mean) and the detail that is left.  Saliency is the smoothed
    magnitude of the Laplacian; the most salient source has weight 1.  The guided filter spreads these
    weights, widely for the base and narrowly for the detail.

    Maps: `weight_i` of the bases and `detail_weight_i` of the details.

    Source: Li, Kang, Hu, "Image fusion with guided filtering", IEEE Trans. Image Processing 22 (2013),
    doi:10.1109/TIP.2013.2244222, equations 8 to 16 and its parameters.  Differs: equally salient sources
    share the weight, and negative weights are cut off.
    """

    base_window: int = parameter(31, "side of the box that makes the base, in pixels", minimum=1)
    base_radius: int = parameter(45, "radius of the guided filter of the bases, in pixels", minimum=1)
    base_epsilon: float = parameter(0.3, "its regularisation, a variance of grey values", minimum=1e-12)
    detail_radius: int = parameter(7, "radius of the guided filter of the details, in pixels", minimum=1)
    detail_epsilon: float = parameter(1e-6, "its regularisation, a variance of grey values", minimum=1e-12)
    device: str = parameter("auto", "auto, cpu, cuda, cuda:N or mps")

    def __post_init__(self) -> None:
        check_parameters(self)

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1]."""
        from ..batches import fuse_in_batches
        from ..devices import resolve_device

        return fuse_in_batches(self._fuse_batch, sources, resolve_device(self.device), progress)

    def _fuse_batch(self, sources: Tensor) -> Batch:
        from ..batches import Batch
        from .guided_filter import guided_weights
        from .two_scale import combine, split

        base, detail = split(sources, self.base_window)
        decisions = _most_salient(sources)
        base_weights = guided_weights(sources, decisions, self.base_radius, self.base_epsilon)
        detail_weights = guided_weights(sources, decisions, self.detail_radius, self.detail_epsilon)
        return Batch(*combine(base, detail, base_weights, detail_weights))


def _most_salient(sources: Tensor) -> Tensor:
    """1 where a source (n, b, y, x) is the most salient, 0 elsewhere; ties share (equations 10 to 12)."""
    from ..batches import precise

    images = precise(sources)
    up, down, left, right = *_shifted(images, -2, 1), *_shifted(images, -1, 1)
    # Summed as differences, so that it is exactly 0 where the image is flat.
    saliency = ((up - images) + (down - images) + (left - images) + (right - images)).abs()
    for dim in (-2, -1):
        saliency = _smooth(saliency, dim)
    wins = (saliency == saliency.amax(dim=0)).to(images.dtype)
    return wins / wins.sum(dim=0)


def _smooth(images: Tensor, dim: int) -> Tensor:
    """Gaussian along one axis; the border is repeated outwards."""
    weights = [exp(-((i / _SALIENCY_SIGMA) ** 2) / 2) for i in range(_SALIENCY_RADIUS + 1)]
    smooth = weights[0] * images
    for offset in range(1, _SALIENCY_RADIUS + 1):
        before, after = _shifted(images, dim, offset)
        smooth += weights[offset] * (before + after)
    return smooth / (weights[0] + 2 * sum(weights[1:]))


def _shifted(images: Tensor, dim: int, offset: int) -> tuple[Tensor, Tensor]:
    """The images (n, b, y, x) moved by ±offset along y or x; the border is repeated outwards."""
    from torch.nn.functional import pad

    margins = (offset, offset, 0, 0) if dim == -1 else (0, 0, offset, offset)
    padded = pad(images, margins, mode="replicate")
    length = images.shape[dim]
    return padded.narrow(dim, 0, length), padded.narrow(dim, 2 * offset, length)
