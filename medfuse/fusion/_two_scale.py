"""Base and detail: the two scales of guided-filter and zero-learning fusion."""

from __future__ import annotations

from torch import Tensor

from ._batches import precise
from ._guided_filter import box_mean

__all__ = ["combine", "split"]


def split(sources: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Base, the mean over a box of side ``window``, and detail, the rest; both (n, b, y, x)."""
    images = precise(sources)
    base = box_mean(images, window // 2)
    return base, images - base


def combine(
    base: Tensor, detail: Tensor, base_weights: Tensor, detail_weights: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Σ weight · base + Σ weight · detail (b, y, x), and the weights by name."""
    fused = (base_weights * base).sum(dim=0) + (detail_weights * detail).sum(dim=0)
    maps = {f"weight_{i}": weight for i, weight in enumerate(base_weights)}
    maps.update({f"detail_weight_{i}": weight for i, weight in enumerate(detail_weights)})
    return fused, maps
