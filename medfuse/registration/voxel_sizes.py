"""Whether the voxel sizes of the two volumes agree: what an affine search would scale.

A rigid search of a body with a wrong slice spacing repeats perfectly and ends at the same wrong pose from
every start, so that no other check sees it.  One affine climb from the rigid result does: it gains much
mutual information and scales one axis.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..volume import Geometry
from .poses import Pose

__all__ = ["AXES", "resolution", "scale_figures", "unit_hint", "worst_axis"]

AXES = ("x", "y", "z")
"""Of the moving volume's grid; slices lie one after the other along z."""

_UNITS = (  # how many times as long; between which ratios of the extents; what that suggests
    (10, 6.0, 16.0, "cm for mm"),
    (1000, 300.0, 3000.0, "µm for mm"),
)


def scale_figures(affine: Pose, moving: Geometry) -> dict[str, float]:
    """Factors of lengths along the axes of the moving volume's grid; above 1 it shows bodies longer.

    With the polar decomposition L = P R of the matrix of ``affine`` (fixed to moving points), P stretches in
    the space of the moving volume.  Where its spacings are wrong by factors f along its axes D, P is
    D diag(f) Dᵀ.
    """
    left, stretches, _ = np.linalg.svd(affine[:3, :3])
    stretch = left @ np.diag(stretches) @ left.T
    axes = np.asarray(moving.direction)
    factors = np.diag(axes.T @ stretch @ axes)
    return {f"affine_scale_{name}": float(factor) for name, factor in zip(AXES, factors, strict=True)}


def worst_axis(figures: Mapping[str, float]) -> tuple[str, float]:
    """The axis whose factor is farthest from 1, and the factor."""
    factors = {name: figures[f"affine_scale_{name}"] for name in AXES}
    return max(factors.items(), key=lambda item: abs(np.log(item[1])))


def resolution(geometry: Geometry) -> float:
    """Edge in mm of a cube as large as a voxel; of a single slice, of a square as large as a pixel."""
    axes = 2 if geometry.size[2] == 1 else 3
    return float(np.prod(geometry.spacing[:axes]) ** (1 / axes))


def unit_hint(fixed: Geometry, moving: Geometry) -> tuple[int, str]:
    """How many times as long one volume is, if a wrong unit would explain it, in words; else 1 and ""."""
    extents = [float(np.prod(np.multiply(one.size, one.spacing)) ** (1 / 3)) for one in (fixed, moving)]
    longer, shorter = ("fixed", "moving") if extents[0] > extents[1] else ("moving", "fixed")
    for factor, least, most, unit in _UNITS:
        if least < max(extents) / min(extents) < most:
            return factor, (
                f"the {longer} volume is about {factor} times as long as the {shorter} one: if a header has "
                f"{unit}, correct its voxel sizes"
            )
    return 1, ""
