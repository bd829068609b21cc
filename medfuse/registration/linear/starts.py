"""Where the search starts: many poses, scored quickly, of which the best that differ are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ...progress import Progress
from ...transforms import inverse
from ..poses import (
    Pose,
    axis_rotation,
    distance,
    rotation_about,
    rotation_angle,
    rotation_grid,
    rotation_vector,
)
from .climb import ScoredPose, Stage, Within, anywhere
from .translations import best_translations

__all__ = [
    "QuickScore",
    "aside",
    "best_starts",
    "everywhere",
    "extents_differ",
    "is_near",
    "mutual_information",
    "nearby",
    "wide",
]

_ANGLES = (-40.0, -20.0, 0.0, 20.0, 40.0)
_ROTATIONS_BY_180 = (np.eye(3), np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1]))
_LEAST_OVERLAP = 0.2  # of the smaller field of view: below it mutual information means little
_NEAR_DEG, _NEAR_MM = 12.0, 12.0
_CLIMBS, _RIVALS = 24, 3
_STEPS, _MOST_STEPS = (10.0, 5.0, 2.5), 6  # each in degrees and in mm
_JITTER = 5.0  # degrees and mm
_NEARBY = (-8.0, 0.0, 8.0)  # degrees and mm about a starting pose
_TILT = 24.0  # degrees
_WIDE_OVERLAP = 0.5  # by mutual information alone, bodies that share less match better at wrong places
_LONGER = 2.0  # times
_ALL_ANGLES = tuple(range(-180, 180, 20))  # degrees within a plane
_BOTH_WAYS = np.concatenate([np.eye(3), -np.eye(3)])
_POINTS = 4000
_BINS = 16
_UNMEASURED = 255


class QuickScore:
    """Quick scores of a pair of coarse volumes: a few thousand points, nearest neighbours, 16 bins.

    Twenty times as quick as ITK's metric, and as good at ranking poses that are 20° apart (over 300
    poses of a CT–MR pair the two correlate by 0.99).
    """

    def __init__(self, stage: Stage):
        fixed, moving = stage.fixed, stage.moving
        index = np.argwhere(fixed.measured)
        few = np.random.default_rng(stage.seed).permutation(len(index))[:_POINTS]
        z, y, x = index[few].T
        self._points = fixed.world(index[few][:, ::-1].astype(float))
        self._fixed_bins = _binned(fixed.array[z, y, x]).astype(np.intp) * _BINS
        self._to_index = moving.to_index
        # A rim of unmeasured voxels catches the points that fall outside.
        binned = np.where(moving.measured, _binned(moving.array), _UNMEASURED)
        self._moving_bins = np.pad(binned, 1, constant_values=_UNMEASURED)
        self._first, self._last = -1, np.array(moving.image.GetSize())
        self._share_of_smaller = fixed.volume / min(fixed.volume, moving.volume)

    def _pairs(self, pose: Pose) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        to_index = self._to_index @ pose
        index = self._points @ to_index[:3, :3].T + to_index[:3, 3]
        x, y, z = np.clip(np.rint(index).astype(np.intp), self._first, self._last).T
        bins = self._moving_bins[z + 1, y + 1, x + 1]
        common = bins != _UNMEASURED
        return self._fixed_bins[common], bins[common].astype(np.intp)

    def overlap(self, pose: Pose) -> float:
        """The part of the smaller measured region that lies within the other one, 0 to 1."""
        share = len(self._pairs(pose)[0]) / len(self._points)
        return min(1.0, share * self._share_of_smaller)

    def score(self, pose: Pose) -> float:
        """Mutual information in nats over the common points; −inf where the overlap is too small."""
        one, two = self._pairs(pose)
        if len(one) / len(self._points) * self._share_of_smaller < _LEAST_OVERLAP:
            return -np.inf
        return mutual_information(one + two, _BINS)


def mutual_information(pairs: npt.NDArray[np.intp], bins: int) -> float:
    """In nats, of the joint histogram of ``pairs``: bin of the one times ``bins`` plus bin of the other."""
    joint = np.bincount(pairs, minlength=bins * bins).reshape(bins, bins) / len(pairs)
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / independent[seen])).sum())


def _binned(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return np.clip(values * _BINS, 0, _BINS - 1).astype(np.uint8)


def best_starts(
    stage: Stage, poses: Sequence[Pose], progress: Progress, within: Within = anywhere
) -> list[ScoredPose]:
    """Which of ``poses`` it pays to climb from, best first; none where nothing overlaps.

    The best 24 that differ are climbed from by quick steps.  Returned are the two that came
    highest, from different starts and perhaps at the same place, which then counts as confirmed, and three
    rivals elsewhere.
    """
    comparison = QuickScore(stage)
    found = []
    for number, pose in enumerate(poses):
        progress(0.5 * number / len(poses), "trying starting poses")
        if within(pose):
            found.append(ScoredPose(pose, comparison.score(pose)))
    found = [one for one in found if np.isfinite(one.mi)]
    climbed = []
    for number, one in enumerate(distinct(_best_first(found), stage, _CLIMBS)):
        progress(0.5 + 0.5 * number / _CLIMBS, "trying starting poses")
        climbed.append(_hill_climb(comparison, one, stage, within))
    climbed = _best_first(climbed)
    places = distinct(climbed, stage, 1 + _RIVALS)
    return climbed[:2] + [one for one in places if all(one is not other for other in climbed[:2])]


def _best_first(candidates: Iterable[ScoredPose]) -> list[ScoredPose]:
    return sorted(candidates, key=lambda one: -one.mi)


def _hill_climb(comparison: QuickScore, start: ScoredPose, stage: Stage, within: Within) -> ScoredPose:
    """Hill climbing from ``start`` by the best of twelve steps, of ±10 mm or ±10°, then 5, then 2.5."""
    best = start
    centre = stage.fixed.centre_of_mass
    for size in _STEPS:
        steps = _steps(stage, size, centre)
        for _ in range(_MOST_STEPS):
            tried = [best.pose @ step for step in steps]
            scores = [comparison.score(pose) if within(pose) else -np.inf for pose in tried]
            top = int(np.argmax(scores))
            if scores[top] <= best.mi:
                break
            best = ScoredPose(tried[top], scores[top])
    return best


def _steps(stage: Stage, size: float, centre: npt.NDArray[np.float64]) -> list[Pose]:
    rotations = [
        rotation_about(axis_rotation(axis, sign * size), centre, centre)
        for axis in ((2,) if stage.planar else (0, 1, 2))
        for sign in (-1, 1)
    ]
    shifts = stage.millimetres(size) * (_BOTH_WAYS[_BOTH_WAYS[:, 2] == 0] if stage.planar else _BOTH_WAYS)
    return rotations + [rotation_about(np.eye(3), centre, centre + shift) for shift in shifts]


def distinct(candidates: Iterable[ScoredPose], stage: Stage, count: int) -> list[ScoredPose]:
    """The first ``count`` of ``candidates`` that differ from each other by more than 12° or 12 mm."""
    kept: list[ScoredPose] = []
    for one in candidates:
        if not any(is_near(one.pose, other.pose, stage) for other in kept):
            kept.append(one)
        if len(kept) == count:
            break
    return kept


def is_near(one: Pose, other: Pose, stage: Stage) -> bool:
    """Whether two poses differ by at most 12° and 12 mm."""
    body = stage.fixed.foreground_points
    body = body[:: 1 + len(body) // 300]
    return rotation_angle(one @ inverse(other)) <= _NEAR_DEG and distance(
        one, other, body
    ) <= stage.millimetres(_NEAR_MM)


def everywhere(stage: Stage) -> list[Pose]:
    """The headers' pose, and some 1500 others.

    They bring together the centres of the bodies, the centres of the grids, or what the headers say,
    each with rotations of −40 to 40° about every axis, alone and after a rotation by 180° about each axis
    (head first against feet first, supine against prone).  Single slices are rotated by all angles.
    """
    fixed, moving = stage.fixed, stage.moving
    body = fixed.centre_of_mass
    meetings = [(body, moving.centre_of_mass), (fixed.centre, moving.centre), (body, body)]
    if stage.planar:
        rotations = [axis_rotation(2, angle) for angle in sorted(_ALL_ANGLES, key=abs)]
    else:
        rotations = [flip @ rotation for flip in _ROTATIONS_BY_180 for rotation in rotation_grid(_ANGLES)]
    poses = [rotation_about(rotation, *meeting) for rotation in rotations for meeting in meetings]
    return [np.eye(4), *_jittered(stage, poses)]


def wide(stage: Stage, progress: Progress) -> list[Pose]:
    """Where mutual information peaks among all translations, for a few rotations and those by 180°."""
    tilts = [np.eye(3), *(axis_rotation(axis, sign * _TILT) for axis in range(3) for sign in (-1, 1))]
    rotations = [flip @ tilt for flip in _ROTATIONS_BY_180 for tilt in tilts]
    found = best_translations(stage, rotations, _WIDE_OVERLAP, progress)
    return list(_jittered(stage, [one.pose for one in found]))


def aside(stage: Stage, pose: Pose) -> Pose:
    """``pose`` after a random rotation of 12° and a random translation of 12 mm."""
    random = np.random.default_rng(stage.seed)
    axis, shift = (one / np.linalg.norm(one) for one in random.normal(size=(2, 3)))
    body = stage.fixed.centre_of_mass
    target = body + stage.millimetres(_NEAR_MM) * shift
    return pose @ rotation_about(rotation_vector(_NEAR_DEG * axis), body, target)


def extents_differ(stage: Stage) -> bool:
    """Whether one field of view is so much longer than the other that their centres say little."""
    longest = [
        max(np.multiply(one.image.GetSize(), one.image.GetSpacing())) for one in (stage.fixed, stage.moving)
    ]
    return bool(max(longest) > _LONGER * min(longest))


def nearby(stage: Stage, start: Pose) -> list[Pose]:
    """``start``, and rotations of −8 to 8° and translations of 8 mm about it."""
    body = stage.fixed.centre_of_mass
    rotations = [axis_rotation(2, angle) for angle in _NEARBY] if stage.planar else rotation_grid(_NEARBY)
    shifts = stage.millimetres(_NEARBY[-1]) * np.concatenate([np.zeros((1, 3)), _BOTH_WAYS])
    if stage.planar:
        shifts = shifts[shifts[:, 2] == 0]
    changes = [rotation_about(rotation, body, body + shift) for rotation in rotations for shift in shifts]
    return [start, *_jittered(stage, [start @ change for change in changes])]


def _jittered(stage: Stage, poses: Iterable[Pose]) -> Iterator[Pose]:
    """Each pose, changed at random by up to 5° and 5 mm.

    At random, so that climbs that meet have come by different ways: from a regular grid, by strides that
    divide it, they would meet on the same points whatever the images show.
    """
    random = np.random.default_rng(stage.seed)
    body = stage.fixed.centre_of_mass
    free = np.array([0, 0, 1, 1, 1, 0]) if stage.planar else np.ones(6)
    for pose in poses:
        x, y, z, *shift = free * random.uniform(-_JITTER, _JITTER, 6)
        target = body + stage.millimetres(1) * np.array(shift)
        yield pose @ rotation_about(
            axis_rotation(0, x) @ axis_rotation(1, y) @ axis_rotation(2, z), body, target
        )
