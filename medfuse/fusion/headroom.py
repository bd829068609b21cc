"""What to do where the fused image exceeds 1.

With gains of unit norm the closed form T = Σ β_i X_i reaches √n where all n sources are bright.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["HEADROOMS", "within_range"]

HEADROOMS = ("clip", "rescale", "shoulder")
"""clip: as the paper's sigmoid does; rescale: divide by √n; shoulder: compress what is above 0.8."""

_KNEE = 0.8


def within_range(image: np.ndarray, n_sources: int, headroom: str) -> np.ndarray:
    """``image`` with values in [0, √n] brought into [0, 1].

    "clip" keeps the brightness and loses the texture where several sources are bright; "rescale" keeps the
    texture and loses 1 − 1/√n of the brightness everywhere; "shoulder" keeps both below 0.8 and maps
    0.8…√n to 0.8…1 by a rational curve that begins with slope 1.
    """
    top = math.sqrt(n_sources)
    if headroom == "rescale":
        return image / top
    if headroom == "shoulder":
        bend = 1 / ((top - _KNEE) / (1 - _KNEE) - 1)
        share = np.clip((image - _KNEE) / (top - _KNEE), 0, 1)
        return np.where(
            image <= _KNEE, image, _KNEE + (1 - _KNEE) * (1 + bend) * share / (share + bend)
        ).clip(0, 1)
    return image.clip(0, 1)
