"""Parameters that methods which denoise have in common, said once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..noise import CHOICES, NoiseModel
from .parameters import parameter

__all__ = ["noise_kind", "noise_level", "put_back_share", "told"]


def put_back_share(default: float) -> Any:
    """The field ``put_back``: see :func:`medfuse.noise.put_back`."""
    return parameter(
        default,
        "share of the residual that is put back, smoothed: without it small lesions lose half their contrast",
        minimum=0.0,
        maximum=1.0,
    )


def noise_kind() -> Any:
    """The field ``noise``: see :func:`medfuse.noise.assess_noise`."""
    return parameter("auto", "what is known of the sources' noise; auto: found out for each", choices=CHOICES)


def noise_level() -> Any:
    """The field ``noise_level``: see :func:`medfuse.noise.assess_noise`."""
    return parameter(
        0.0, "its standard deviation about ½, where that is known; 0: measured", minimum=0.0, maximum=1.0
    )


def told(noise: Sequence[NoiseModel] | None, kind: str, level: float) -> Sequence[NoiseModel] | None:
    """The ``noise`` that is known of the sources, unless a kind or a level is given as parameters."""
    return noise if kind == "auto" and not level else None
