"""Edges: gradient magnitudes of smoothed images, for pairs with ultrasound.

Ultrasound shows where tissues meet, and its brightness means little.
"""

from __future__ import annotations

import numpy as np

from .search_volume import SearchVolume

__all__ = ["edges_of"]

_SIGMA = 0.5  # in voxels of the level: what speckle leaves of gradients is smoothed away
_RIM = 2  # voxels at the border of what was measured whose gradients are not trusted
_PERCENTILE = 99.5


def edges_of(sampled: SearchVolume) -> SearchVolume:
    """The gradient magnitudes of ``sampled`` on its grid, in [0, 1]; the rim of its mask left out.

    The square root is compared: a few strong edges (skull, skin) would leave the weak ones one bin.
    """
    import SimpleITK
    from scipy.ndimage import binary_erosion

    smooth = sampled.like(sampled.smoothed(_SIGMA))
    magnitude = SimpleITK.GetArrayFromImage(SimpleITK.GradientMagnitude(smooth))
    inner = binary_erosion(sampled.measured, iterations=_RIM, border_value=1)
    inner = inner if inner.any() else sampled.measured
    top = float(np.percentile(magnitude[inner], _PERCENTILE)) or 1.0
    values = np.where(inner, np.sqrt(np.clip(magnitude / top, 0, 1)), 0).astype(np.float32)
    return SearchVolume(sampled.like(values), sampled.like(inner.astype(np.uint8)), edges=True)
