"""What noise a source has, and the source without it.  Sees arrays only."""

from __future__ import annotations

from .denoising import DENOISERS, denoise, put_back
from .drawing import correlation, observe
from .estimation import (
    CHOICES,
    WORTH_REMOVING,
    Assessment,
    assess_noise,
    estimate_noise,
    in_words,
    is_worth_denoising,
    worth_removing,
)
from .interpolated import interpolated
from .model import KINDS, NoiseModel
from .projections import projection_noise
from .volumes import (
    MUCH_STRUCTURE,
    Denoised,
    denoise_volume,
    residual_structure,
    slice_distance,
    taken_out,
    width_across,
)

__all__ = [
    "CHOICES",
    "DENOISERS",
    "KINDS",
    "MUCH_STRUCTURE",
    "WORTH_REMOVING",
    "Assessment",
    "Denoised",
    "NoiseModel",
    "assess_noise",
    "correlation",
    "denoise",
    "denoise_volume",
    "estimate_noise",
    "in_words",
    "interpolated",
    "is_worth_denoising",
    "observe",
    "projection_noise",
    "put_back",
    "residual_structure",
    "slice_distance",
    "taken_out",
    "width_across",
    "worth_removing",
]
