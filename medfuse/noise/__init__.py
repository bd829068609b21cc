"""What noise a source has, and the source without it.  Sees arrays only."""

from __future__ import annotations

from .denoising import DENOISERS, denoise, put_back
from .drawing import observe
from .estimation import (
    CHOICES,
    Assessment,
    assess_noise,
    estimate_noise,
    in_words,
    is_worth_denoising,
    worth_removing,
)
from .model import KINDS, NoiseModel
from .volumes import Denoised, denoise_volume

__all__ = [
    "CHOICES",
    "DENOISERS",
    "KINDS",
    "Assessment",
    "Denoised",
    "NoiseModel",
    "assess_noise",
    "denoise",
    "denoise_volume",
    "estimate_noise",
    "in_words",
    "is_worth_denoising",
    "observe",
    "put_back",
    "worth_removing",
]
