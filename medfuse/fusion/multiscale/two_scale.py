"""Base and detail, and what share of them each source has."""

from __future__ import annotations

from torch import Tensor

from ..batches import precise
from .guided_filter import box_mean

__all__ = ["block_shares", "combine", "split"]


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


def block_shares(norms: Tensor, block: int) -> Tensor:
    """Each source's share (n, b, y, x) of norms (n, b, y, x), averaged over (2·block + 1)² pixels first.

    Where all norms are 0, all sources count alike.
    """
    averaged = box_mean(precise(norms), block).clamp(min=0)  # running sums can round below 0
    total = averaged.sum(dim=0)
    shares = (averaged / total.where(total > 0, 1)).where(total > 0, 1 / len(norms))
    return shares.to(norms.dtype)
