"""The rigid search from the volumes to the pose, with the figures that tell how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..errors import RegistrationError
from ..progress import Progress, subrange
from ..volume import Volume
from .poses import Pose, apply, distance, rotation_angle
from .prepare import Sampled, prepare
from .search import COARSE, FINE, MIDDLE, Candidate, Level, refine, score
from .starts import best_starts, overlap

__all__ = ["search_rigid"]

_STARTS, _FINALISTS = 4, 2
Pair = tuple[Sampled, Sampled]
Point = npt.NDArray[np.float64]


def search_rigid(
    fixed: Volume, moving: Volume, start: Pose | None, seed: int, progress: Progress
) -> tuple[Pose, Point, dict[str, float]]:
    pairs = _pyramid(fixed, moving, subrange(progress, 0.0, 0.1))
    coarse = pairs[COARSE]
    if start is None:
        starts = best_starts(*coarse, seed, subrange(progress, 0.1, 0.35), _STARTS)
    else:
        starts = [Candidate(start, score(*coarse, start, COARSE, seed))]
    tried = _refine_all(coarse, starts, COARSE, seed, subrange(progress, 0.35, 0.55))
    finalists = _refine_all(pairs[MIDDLE], tried[:_FINALISTS], MIDDLE, seed, subrange(progress, 0.55, 0.8))
    if not finalists:
        raise RegistrationError(
            "the volumes overlap in none of the poses that were tried: check that both show the same part "
            "of the body, or give an initial transform"
        )
    final = refine(*pairs[FINE], finalists[0].pose, FINE, seed, subrange(progress, 0.8, 0.9), "fine")
    back = refine(
        *pairs[MIDDLE][::-1],
        np.linalg.inv(final.pose),
        MIDDLE,
        seed,
        subrange(progress, 0.9, 1.0),
        "checking",
    )
    return final.pose, coarse[0].centre_of_mass, _figures(pairs[MIDDLE], start, finalists, final, back, seed)


def _pyramid(fixed: Volume, moving: Volume, progress: Progress) -> dict[Level, Pair]:
    progress(0.0, "preparing the fixed volume")
    one = prepare(fixed, "fixed", FINE.spacing)
    progress(0.5, "preparing the moving volume")
    two = prepare(moving, "moving", FINE.spacing)
    pairs = {FINE: (one, two)}
    for level in (MIDDLE, COARSE):
        one, two = one.coarser(level.spacing), two.coarser(level.spacing)
        pairs[level] = (one, two)
    return pairs


def _refine_all(
    pair: Pair, candidates: Sequence[Candidate], level: Level, seed: int, progress: Progress
) -> list[Candidate]:
    """Every candidate climbed to its maximum, best first, without those that lost the overlap."""
    climbed = []
    for number, one in enumerate(candidates):
        part = subrange(progress, number / len(candidates), (number + 1) / len(candidates))
        message = f"searching at {level.spacing:g} mm, candidate {number + 1} of {len(candidates)}"
        climbed.append(refine(*pair, one.pose, level, seed, part, message))
    return sorted((one for one in climbed if math.isfinite(one.mi)), key=lambda one: -one.mi)


def _figures(
    pair: Pair,
    start: Pose | None,
    finalists: Sequence[Candidate],
    final: Candidate,
    back: Candidate,
    seed: int,
) -> dict[str, float]:
    fixed, _ = pair
    body, nan = fixed.foreground_points, math.nan
    before = score(*pair, np.eye(4) if start is None else start, MIDDLE, seed)
    second = finalists[1] if len(finalists) > 1 else None
    return {
        "mi_before": before if math.isfinite(before) else nan,
        "mi_after": score(*pair, final.pose, MIDDLE, seed),
        "runner_up_mi": second.mi if second else nan,
        "agreement_mm": distance(finalists[0].pose, second.pose, body) if second else nan,
        "agreement_deg": rotation_angle(finalists[0].pose @ np.linalg.inv(second.pose)) if second else nan,
        "overlap": overlap(*pair, final.pose),
        "inverse_consistency_mm": distance(np.linalg.inv(back.pose), final.pose, body),
        "rotation_deg": rotation_angle(final.pose),
        "shift_mm": float(np.linalg.norm(apply(final.pose, fixed.centre_of_mass) - fixed.centre_of_mass)),
    }
