"""Sums and statistics in local windows, shared by the metrics of structure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float64]


def box_sums(images: np.ndarray, size: int) -> Image:
    """Sums over all ``size``×``size`` windows that lie inside images (…, y, x).

    By shifted additions and not by running sums, whose rounding grows along the image.
    """
    height, width = (n - size + 1 for n in images.shape[-2:])
    rows = sum(images[..., i : i + height, :] for i in range(size))
    return np.asarray(sum(rows[..., i : i + width] for i in range(size)))
