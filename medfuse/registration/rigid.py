"""The rigid search, from two volumes to a pose and the figures that tell how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..errors import RegistrationError
from ..progress import Progress, subrange
from ..volume import Volume
from .poses import Pose, apply, distance, inverse, rotation_about, rotation_angle, turn
from .prepare import prepare
from .search import COARSE, FINE, MIDDLE, Candidate, Stage
from .starts import Comparison, best_starts, is_near

__all__ = ["Found", "search_rigid"]

_CONFIRMED_MM = 1.0  # two searches that end this near need no third
_FULL_SIZE = 100.0  # mm
_NUDGE_DEG, _NUDGE_MM = 5.0, 5.0


class Found(NamedTuple):
    """A pose, the point about which its angles are stated, the figures, and the scale of the limits."""

    pose: Pose
    centre: np.ndarray
    figures: dict[str, float]
    scale: float


def search_rigid(fixed: Volume, moving: Volume, start: Pose | None, seed: int, progress: Progress) -> Found:
    """Find the rigid pose of ``moving`` from many starts, or from ``start`` alone.

    The search compares the voxels of the smaller field of view, whichever volume that is: all of them
    lie within the other one at the right pose, so that a thin slab is judged by the whole slab.

    Raises
    ------
    RegistrationError
        If the volumes cannot be compared, or overlap in no pose that was tried.
    """
    stages = _stages(fixed, moving, seed, subrange(progress, 0.0, 0.12))
    exchanged = stages[0].moving.volume < stages[0].fixed.volume
    if not exchanged:
        return _search(stages, start, progress)
    found = _search([one.backwards() for one in stages], None if start is None else inverse(start), progress)
    return found._replace(pose=inverse(found.pose), centre=apply(found.pose, found.centre))


def _search(stages: Sequence[Stage], start: Pose | None, progress: Progress) -> Found:
    coarse, middle, fine = stages
    if start is None:
        starts = best_starts(coarse, subrange(progress, 0.12, 0.3))
    else:
        starts = [Candidate(one, coarse.score(one)) for one in _around(start, coarse)]
    tried = _climb_all(coarse, starts, subrange(progress, 0.3, 0.45))
    finalists = _finalists(middle, tried, subrange(progress, 0.45, 0.7))
    if not finalists:
        raise RegistrationError(
            "in none of the poses that were tried do the volumes overlap in anything that could be compared: "
            "check that both show the same part of the body, or give another initial transform"
        )
    final = fine.climb(finalists[0].pose, subrange(progress, 0.7, 0.9), "searching at the finest level")
    if not math.isfinite(final.mi):
        raise RegistrationError(
            "the volumes lost their overlap at the finest level: give an initial transform"
        )
    back = middle.backwards().climb(
        inverse(final.pose), subrange(progress, 0.9, 1.0), "checking: registering back"
    )
    progress(1.0, "registered")
    before = np.eye(4) if start is None else start
    figures = _agreement(middle, finalists, tried) | _comparison(middle, before, final.pose, back.pose)
    return Found(final.pose, coarse.fixed.centre_of_mass, figures, coarse.scale)


def _stages(fixed: Volume, moving: Volume, seed: int, progress: Progress) -> list[Stage]:
    """The pair at the coarse, the middle and the fine level.

    The levels are made for heads.  Where the smaller field of view holds less than a cube of 100 mm
    (a spine, a finger, a small animal), all their lengths shrink in proportion.
    """
    extents = [np.multiply(one.geometry.size, one.geometry.spacing) for one in (fixed, moving)]
    factor = min(1.0, float(np.cbrt(np.prod(np.minimum(*np.sort(extents, axis=1))))) / _FULL_SIZE)
    fine, middle, coarse = (level.scaled(factor) for level in (FINE, MIDDLE, COARSE))
    progress(0.0, "preparing the fixed volume")
    one = prepare(fixed, "fixed", fine.spacing)
    progress(0.45, "preparing the moving volume")
    two = prepare(moving, "moving", fine.spacing)
    progress(0.9, "preparing the moving volume")
    stages = [Stage(one, two, fine, seed, factor)]
    for level in (middle, coarse):
        one, two = one.coarser(level.spacing), two.coarser(level.spacing)
        stages.insert(0, Stage(one, two, level, seed, factor))
    return stages


def _around(start: Pose, stage: Stage) -> list[Pose]:
    """``start`` and a pose beside it, so that there are two searches to compare."""
    centre = stage.fixed.centre_of_mass
    tilt = turn(0, _NUDGE_DEG) @ turn(2, -_NUDGE_DEG)
    shift = stage.millimetres(_NUDGE_MM)
    return [start, start @ rotation_about(tilt, centre, centre + shift)]


def _finalists(stage: Stage, tried: Sequence[Candidate], progress: Progress) -> list[Candidate]:
    """The best two climbed further, and the third where these do not agree; best first."""
    first = _climb_all(stage, tried[:2], subrange(progress, 0, 2 / 3))
    if len(first) == 2:
        apart = distance(first[0].pose, first[1].pose, stage.fixed.foreground_points)
        if apart <= stage.millimetres(_CONFIRMED_MM):
            return first
    third = _climb_all(stage, tried[2:3], subrange(progress, 2 / 3, 1))
    return sorted(first + third, key=lambda one: -one.mi)


def _climb_all(stage: Stage, candidates: Sequence[Candidate], progress: Progress) -> list[Candidate]:
    """Every candidate climbed to its maximum, best first, without those that lost the overlap."""
    climbed = []
    for number, one in enumerate(candidates):
        part = subrange(progress, number / len(candidates), (number + 1) / len(candidates))
        message = f"searching at {stage.level.spacing:g} mm, candidate {number + 1} of {len(candidates)}"
        climbed.append(stage.climb(one.pose, part, message))
    return sorted((one for one in climbed if math.isfinite(one.mi)), key=lambda one: -one.mi)


def _agreement(stage: Stage, finalists: Sequence[Candidate], tried: Sequence[Candidate]) -> dict[str, float]:
    """How near another search came to the best one, and how good the best of the other places is."""
    best, *others = finalists
    body = stage.fixed.foreground_points
    apart = [distance(best.pose, one.pose, body) for one in others]
    nearest = others[int(np.argmin(apart))].pose if others else best.pose
    elsewhere = [one.mi / tried[0].mi for one in tried if not is_near(one.pose, best.pose, stage)]
    return {
        "agreement_mm": min(apart, default=math.nan),
        "agreement_deg": rotation_angle(best.pose @ inverse(nearest)) if others else math.nan,
        "rival": max(elsewhere, default=0.0),
    }


def _comparison(stage: Stage, before: Pose, after: Pose, back: Pose) -> dict[str, float]:
    """Figures of the pose found against where the volumes lay."""
    fixed, start = stage.fixed, stage.score(before)
    middle = fixed.centre_of_mass
    return {
        "mi_before": start if math.isfinite(start) else math.nan,
        "mi_after": stage.score(after),
        "overlap": Comparison(stage).overlap(after),
        "inverse_consistency_mm": distance(inverse(back), after, fixed.foreground_points),
        "rotation_deg": rotation_angle(after),
        "shift_mm": float(np.linalg.norm(apply(after, middle) - middle)),
    }
