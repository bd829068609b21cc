"""The linear search, from two volumes to a pose and the figures that tell how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ...errors import RegistrationError
from ...progress import Progress, ignore, subrange
from ...transforms import apply, inverse
from ..poses import Pose, distance, principal_stretches, rotation_angle, shear_angle
from .climb import ScoredPose, Stage, Within, anywhere
from .starts import (
    QuickScore,
    aside,
    best_starts,
    everywhere,
    extents_differ,
    is_near,
    nearby,
    wide,
)

__all__ = ["LinearResult", "SearchRequest", "agreement", "search_linear"]

_AFFINE_CLIMBS, _AFFINE_ON = 3, 0.03  # most climbs; the gain from which another one follows
_USUAL, _WIDE = 3, 5  # most that are climbed from at the middle level
_CONFIRMED_MM = 1.0  # two searches that end this near need no third
_HELD = 0.99  # of the mutual information before the search: interpolation alone costs a little of it


@dataclass(frozen=True, eq=False)
class SearchRequest:
    """What is searched for, and where.

    Parameters
    ----------
    kind:
        "rigid", "similarity" or "affine".
    start:
        The rigid pose near which is searched; None: everywhere.
    before:
        The pose with which the result is compared, and which is kept where it matches better; None: the
        volumes lay nowhere before.
    travel_mm, travel_deg:
        How far from ``start`` the search may go; None: anywhere.
    wide:
        Whether all translations are tried as well, not only those that bring centres together; so it is
        anyway where the fields of view differ much.
    """

    kind: str
    start: Pose | None
    before: Pose | None
    travel_mm: float | None = None
    travel_deg: float | None = None
    wide: bool = False

    def exchanged(self) -> SearchRequest:
        """The same with the roles of the volumes exchanged."""
        start, before = (None if one is None else inverse(one) for one in (self.start, self.before))
        return replace(self, start=start, before=before)


@dataclass(frozen=True, eq=False)
class LinearResult:
    """A pose, the point about which its angles are stated, and the figures.

    ``affine`` is the end of an affine climb from a rigid result, where one was made.
    """

    pose: Pose
    centre: npt.NDArray[np.float64]
    figures: Mapping[str, float]
    affine: Pose | None = None


def search_linear(stages: Sequence[Stage], request: SearchRequest, progress: Progress) -> LinearResult:
    """Find the pose of the moving volume, on ``stages`` from coarse to fine.

    The search compares the voxels of the smaller field of view, whichever volume that is: all of them
    lie within the other one at the right pose, so that a thin slab is judged by the whole slab.

    Raises
    ------
    RegistrationError
        If the volumes cannot be compared, or overlap in no pose that was tried.
    """
    if stages[0].moving.volume < stages[0].fixed.volume:
        found = _search([one.exchanged() for one in stages], request.exchanged(), progress)
        pose, centre = inverse(found.pose), apply(found.pose, found.centre)
        affine = None if found.affine is None else inverse(found.affine)
        found = LinearResult(pose, centre, found.figures, affine)
    else:
        found = _search(stages, request, progress)
    return replace(found, figures={**found.figures, **_shape(found, stages[0], request)})


def _search(stages: Sequence[Stage], request: SearchRequest, progress: Progress) -> LinearResult:
    coarse, middle, fine = stages
    within = _within(coarse, request)
    widely = request.start is None and not coarse.planar and (request.wide or extents_differ(coarse))
    poses = everywhere(coarse) if request.start is None else nearby(coarse, request.start)
    starts = best_starts(coarse, poses, subrange(progress, 0.0, 0.1 if widely else 0.2), within)
    if widely:
        starts += best_starts(
            coarse, wide(coarse, subrange(progress, 0.1, 0.15)), subrange(progress, 0.15, 0.2)
        )
    if request.start is None:
        starts = _with_header(coarse, starts, request.before)
    tried = _climb_all(coarse, starts, subrange(progress, 0.2, 0.35), within=within)
    rigid = request.kind == "rigid"
    finalists = _finalists(
        middle, tried, subrange(progress, 0.35, 0.7 if rigid else 0.5), within, _WIDE if widely else _USUAL
    )
    if widely and finalists:
        finalists = _confirmed(coarse, middle, finalists)
        tried = finalists
    if not rigid:
        finalists = _climb_all(middle, finalists, subrange(progress, 0.5, 0.7), request.kind, within)
    if not finalists:
        raise RegistrationError(
            "in none of the poses that were tried do the volumes overlap in anything that could be compared: "
            "check that both show the same part of the body, or give another initial transform"
        )
    part = subrange(progress, 0.7, 0.85)
    final = fine.climb(finalists[0].pose, part, "searching at the finest level", request.kind, within)
    final = _unless_beside_before(fine, final, request.before)
    found, before = middle.score(final.pose), request.before
    kept: dict[str, float] = {}
    if before is not None and found < _HELD * middle.score(before):
        final, kept = ScoredPose(before, fine.score(before)), {"mi_found": found}
        finalists = [ScoredPose(before, middle.score(before), before), *finalists]
    if not math.isfinite(final.mi):
        raise RegistrationError(
            "the volumes lost their overlap at the finest level: give an initial transform"
        )
    part = subrange(progress, 0.85, 0.88)
    back = middle.exchanged().climb(inverse(final.pose), part, "checking: inverse consistency", request.kind)
    affine: Pose | None = None
    gain: dict[str, float] = {}
    if rigid and not middle.fixed.edges:  # edges of speckle do not tell scales
        affine, gain = _affine_gain(middle, final.pose, subrange(progress, 0.88, 0.91))
    figures = {
        **agreement(middle, finalists, tried),
        **_comparison(middle, request.before, final.pose, back.pose),
        **_halves(middle, final.pose, request.kind, subrange(progress, 0.91, 1.0)),
        **gain,
        **kept,
    }
    progress(1.0, "registered")
    return LinearResult(final.pose, coarse.fixed.centre_of_mass, figures, affine)


def _affine_gain(stage: Stage, pose: Pose, progress: Progress) -> tuple[Pose, dict[str, float]]:
    """The end of an affine climb from a rigid ``pose``, and the share of mutual information it gains.

    One that gains much has farther to go than one climb leads.
    """
    score = stage.score(pose)
    end, before, after = pose, score, score
    for number in range(_AFFINE_CLIMBS):
        part = subrange(progress, number / _AFFINE_CLIMBS, (number + 1) / _AFFINE_CLIMBS)
        end = stage.climb(end, part, "checking: voxel sizes", "affine").pose
        before, after = after, stage.score(end)
        if after < (1 + _AFFINE_ON) * before:
            break
    return end, {"affine_gain": after / score - 1}


def _with_header(stage: Stage, starts: list[ScoredPose], header: Pose | None) -> list[ScoredPose]:
    """``starts`` with the headers' pose among them, marked by where it began."""
    if header is None or any(is_near(header, one.pose, stage) for one in starts):
        return starts
    return [*starts, ScoredPose(header, stage.score(header), header)]


def _unless_beside_before(stage: Stage, found: ScoredPose, before: Pose | None) -> ScoredPose:
    """The pose before the search, if the one that was found lies beside it and matches less at this level.

    A volume and itself match best on the very voxels; any other pose interpolates.
    """
    if before is None or not is_near(before, found.pose, stage):
        return found
    score = stage.score(before)
    return found._replace(pose=before, mi=score) if score >= stage.score(found.pose) else found


def _halves(stage: Stage, pose: Pose, kind: str, progress: Progress) -> dict[str, float]:
    """How far apart, in mm over the body and in degrees, the results of the two halves of the volume are.

    Each half is every other cube of 20 mm: other anatomy, other noise.
    """
    ends = [
        stage.half(odd).climb(
            pose, subrange(progress, odd / 2, (1 + odd) / 2), "checking: registering halves", kind
        )
        for odd in (False, True)
    ]
    one, two = (end.pose for end in ends)
    return {
        "halves_mm": distance(one, two, stage.fixed.foreground_points),
        "halves_deg": rotation_angle(one @ inverse(two)),
    }


def _within(stage: Stage, request: SearchRequest) -> Within:
    """Whether a pose is as near to the start as it must be."""
    start, most_mm, most_deg = request.start, request.travel_mm, request.travel_deg
    if start is None or most_mm is None or most_deg is None:
        return anywhere
    body = stage.fixed.foreground_points[:: 1 + len(stage.fixed.foreground_points) // 300]

    def within(pose: Pose) -> bool:
        angle = rotation_angle(pose @ inverse(start))
        return angle <= most_deg and distance(pose, start, body) <= stage.millimetres(most_mm)

    return within


def _finalists(
    stage: Stage, tried: Sequence[ScoredPose], progress: Progress, within: Within, most: int
) -> list[ScoredPose]:
    """The best two climbed further, where these do not agree others and the headers' too; best first."""
    tried = [one._replace(began=one.pose) for i, one in enumerate(tried) if i < most or one.began is not None]
    first = _climb_all(stage, tried[:2], subrange(progress, 0, 2 / 3), within=within)
    if len(first) == 2:
        apart = distance(first[0].pose, first[1].pose, stage.fixed.foreground_points)
        if apart <= stage.millimetres(_CONFIRMED_MM):
            return first
    third = _climb_all(stage, tried[2:], subrange(progress, 2 / 3, 1), within=within)
    return sorted(first + third, key=lambda one: (not within(one.pose), -one.mi))


def _confirmed(coarse: Stage, middle: Stage, finalists: list[ScoredPose]) -> list[ScoredPose]:
    """``finalists``, and where none ended beside the best one, a climb from 12° and 12 mm off it.

    Among all translations two starts hardly ever lead to one place.
    """
    best, *others = finalists
    if any(is_near(one.pose, best.pose, middle) for one in others):
        return finalists
    start = aside(coarse, best.pose)
    climbed = coarse.climb(start, ignore, "")
    again = middle.climb(climbed.pose, ignore, "")._replace(began=climbed.pose)
    return [best, again, *others] if math.isfinite(again.mi) else finalists


def _climb_all(
    stage: Stage,
    candidates: Sequence[ScoredPose],
    progress: Progress,
    kind: str = "rigid",
    within: Within = anywhere,
) -> list[ScoredPose]:
    """The maximum above each candidate, without those that lost the overlap.

    Best first; those beyond the limits of travel come last.
    """
    climbed = []
    for number, one in enumerate(candidates):
        part = subrange(progress, number / len(candidates), (number + 1) / len(candidates))
        message = f"searching at {stage.level.spacing:g} mm, candidate {number + 1} of {len(candidates)}"
        climbed.append(stage.climb(one.pose, part, message, kind, within)._replace(began=one.began))
    kept = [one for one in climbed if math.isfinite(one.mi)]
    return sorted(kept, key=lambda one: (not within(one.pose), -one.mi))


def agreement(stage: Stage, finalists: Sequence[ScoredPose], tried: Sequence[ScoredPose]) -> dict[str, float]:
    """How near another search came to the best one, and how good the best of the other places is.

    The places from which searches reached the best one belong to it: a rigid search of a volume with wrong
    voxel sizes stops some 15 mm before.
    """
    best, *others = finalists
    body = stage.fixed.foreground_points
    its_own = [best.pose, *(one.began for one in finalists if is_near(one.pose, best.pose, stage))]
    apart = [distance(best.pose, one.pose, body) for one in others]
    nearest = others[int(np.argmin(apart))].pose if others else best.pose
    beside = [any(is_near(one.pose, place, stage) for place in its_own if place is not None) for one in tried]
    own = max((one.mi for one, near in zip(tried, beside, strict=True) if near), default=tried[0].mi)
    elsewhere = [one for one, near in zip(tried, beside, strict=True) if not near]
    rival = max(elsewhere, key=lambda one: one.mi, default=None)
    return {
        "agreement_mm": min(apart, default=math.nan),
        "agreement_deg": rotation_angle(best.pose @ inverse(nearest)) if others else math.nan,
        "rival": 0.0 if rival is None else rival.mi / own,
        "rival_mm": math.nan if rival is None else distance(best.pose, rival.pose, body),
        "rival_deg": math.nan if rival is None else rotation_angle(best.pose @ inverse(rival.pose)),
    }


def _comparison(stage: Stage, before: Pose | None, after: Pose, back: Pose) -> dict[str, float]:
    """Figures of the pose found against where the volumes lay."""
    start = -math.inf if before is None else stage.score(before)
    return {
        "mi_before": start if math.isfinite(start) else math.nan,
        "mi_after": stage.score(after),
        "overlap": QuickScore(stage).overlap(after),
        "inverse_consistency_mm": distance(inverse(back), after, stage.fixed.foreground_points),
    }


def _shape(found: LinearResult, stage: Stage, request: SearchRequest) -> dict[str, float]:
    """Rotation, translation, scales and shear of the pose, and its distance from the start."""
    middle = stage.fixed.centre_of_mass
    figures = {
        "rotation_deg": rotation_angle(found.pose),
        "translation_mm": float(np.linalg.norm(apply(found.pose, middle) - middle)),
    }
    if request.kind != "rigid":
        matrix = found.pose[:2, :2] if stage.planar else found.pose[:3, :3]
        most, *_, least = principal_stretches(matrix).tolist()
        figures |= {"scale_min": least, "scale_max": most, "shear_deg": shear_angle(matrix)}
    if request.start is not None and request.travel_mm is not None and request.travel_deg is not None:
        moved = distance(found.pose, request.start, stage.fixed.foreground_points)
        angle = rotation_angle(found.pose @ inverse(request.start))
        share = max(moved / stage.millimetres(request.travel_mm), angle / request.travel_deg)
        figures |= {"travel_mm": moved, "travel_deg": angle, "travel": share}
    return figures
