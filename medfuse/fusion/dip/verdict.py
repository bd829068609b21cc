"""Which slices `dip` leaves to the closed form, because there is no noise in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...noise import WORTH_REMOVING, NoiseModel
from .problem import Problem

__all__ = ["NOISE_FLOOR", "NO_NOISE", "are_worth_denoising"]

NOISE_FLOOR = WORTH_REMOVING
"""Standard deviation of the noise in T below which the closed form is the result: that from which noise of a
source is worth removing, so that `auto`, `pca` and `dip` go by one rule, `dip` also in each slice."""

NO_NOISE = "no noise to remove"
"""Why the closed form is the result: words for titles."""


def are_worth_denoising(
    sources: np.ndarray, noise: Sequence[NoiseModel], patch: int, noise_floor: float = NOISE_FLOOR
) -> list[bool]:
    """For each slice of ``sources`` (n, z, y, x): whether the noise in its closed form reaches the floor."""
    problems = (Problem(sources[:, z], noise, patch) for z in range(sources.shape[1]))
    return [problem.noise_level >= noise_floor for problem in problems]
