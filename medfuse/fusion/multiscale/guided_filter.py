"""The guided filter, and weights that follow the edges of their sources.

Source: He, Sun, Tang, "Guided image filtering", IEEE Trans. PAMI 35 (2013), doi:10.1109/TPAMI.2012.213.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..batches import precise

__all__ = ["box_mean", "guided_filter", "guided_weights"]

_NO_WEIGHT = 1e-12  # where no source has weight, all count alike


def box_mean(images: Tensor, radius: int) -> Tensor:
    """Mean over the (2·radius + 1)² window around each pixel of (..., y, x), cut off at the border.

    By running sums: the time hardly depends on the radius.
    """
    height, width = images.shape[-2:]
    counts = torch.ones(height, device=images.device), torch.ones(width, device=images.device)
    rows, columns = (_window_sum(count.to(images.dtype), radius) for count in counts)
    sums = _window_sum(_window_sum(images, radius).mT, radius).mT
    return sums / (rows[:, None] * columns)


def _window_sum(values: Tensor, radius: int) -> Tensor:
    """Sums over 2·radius + 1 neighbours along the last axis, zero outside."""
    total = torch.cumsum(pad(values, (radius + 1, radius)), dim=-1)
    return total[..., 2 * radius + 1 :] - total[..., : -2 * radius - 1]


def guided_filter(guide: Tensor, image: Tensor, radius: int, epsilon: float) -> Tensor:
    """Smooth ``image`` except where ``guide`` has an edge; both (..., y, x).

    Within each window the output is linear in the guide, a·guide + b (equations 5, 6 and 8 of the paper);
    ``radius`` is that of the windows in pixels, ``epsilon`` the variance of the guide below which a window
    counts as flat.
    """
    guide, image = precise(guide), precise(image)
    guide = guide - guide.mean(dim=(-2, -1), keepdim=True)  # changes nothing but the rounding
    mean_guide, mean_image = box_mean(guide, radius), box_mean(image, radius)
    variance = box_mean(guide * guide, radius) - mean_guide**2
    covariance = box_mean(guide * image, radius) - mean_guide * mean_image
    a = covariance / (variance.clamp(min=0) + epsilon)
    b = mean_image - a * mean_guide
    return box_mean(a, radius) * guide + box_mean(b, radius)


def guided_weights(guides: Tensor, weights: Tensor, radius: int, epsilon: float) -> Tensor:
    """Weights (n, b, y, x), each filtered along the edges of its own guide, then scaled to add to 1.

    The filter can overshoot below 0; negative weights are cut off, so that the fused value stays between
    the sources.
    """
    filtered = guided_filter(guides, weights, radius, epsilon).clamp(min=0) + _NO_WEIGHT
    return filtered / filtered.sum(dim=0)
