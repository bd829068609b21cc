"""When to stop: the distance to the target is known at every step, and so is the noise in the target."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import convolve

__all__ = ["noise_variance"]

_LAPLACIAN_DIFFERENCE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=float)


def noise_variance(image: np.ndarray) -> float:
    """Variance of white Gaussian noise in an image (y, x), by Immerkær's operator.

    σ = √(π/2) · mean |I ∗ L| / 6 with L the difference of two Laplacians, which is blind to edges of
    constant slope.  0 for images under 3 pixels on a side.

    Source: Immerkær, "Fast noise variance estimation", Computer Vision and Image Understanding
    64 (1996), doi:10.1006/cviu.1996.0060, equation 7.
    """
    inside = convolve(np.asarray(image, dtype=float), _LAPLACIAN_DIFFERENCE)[1:-1, 1:-1]
    if inside.size == 0:
        return 0.0
    return float(np.pi / 2 * (np.abs(inside).mean() / 6) ** 2)
