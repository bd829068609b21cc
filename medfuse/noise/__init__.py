"""What noise a source has, and the source without it.  Sees arrays only."""

from __future__ import annotations

from .denoising import DENOISERS, denoise
from .drawing import observe
from .estimation import CHOICES, Assessment, assess_noise, estimate_noise, in_words, is_worth_denoising
from .model import KINDS, NoiseModel

__all__ = [
    "CHOICES",
    "DENOISERS",
    "KINDS",
    "Assessment",
    "NoiseModel",
    "assess_noise",
    "denoise",
    "estimate_noise",
    "in_words",
    "is_worth_denoising",
    "observe",
]
