"""What noise a source has, and the source without it.  Sees arrays only."""

from __future__ import annotations

from .denoising import DENOISERS, denoise
from .estimation import estimate_noise
from .model import NoiseModel

__all__ = ["DENOISERS", "NoiseModel", "denoise", "estimate_noise"]
