"""Where the search starts: many poses, scored, of which the best that differ are kept."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ..progress import Progress
from .poses import Pose, apply, distance, rotation_about, rotation_angle, rotation_grid
from .prepare import Sampled
from .search import COARSE, Candidate, score

__all__ = ["best_starts", "overlap"]

_ANGLES = (-20.0, 0.0, 20.0)
_TURNS = (np.eye(3), np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1]))
_LEAST_OVERLAP = 0.2  # of the smaller field of view: below it mutual information means little
_DISTINCT_DEG, _DISTINCT_MM = 12.0, 12.0
_FEWEST_POINTS = 3000


def overlap(fixed: Sampled, moving: Sampled, pose: Pose) -> float:
    """The part of the smaller measured region that lies within the other one, 0 to 1."""
    points = fixed.measured_points
    few = points[:: 1 + len(points) // _FEWEST_POINTS]
    common = float(moving.covers(apply(pose, few)).mean()) * len(points) * fixed.voxel_volume
    smaller = min(len(points) * fixed.voxel_volume, len(moving.measured_points) * moving.voxel_volume)
    return min(1.0, common / smaller)


def best_starts(
    fixed: Sampled, moving: Sampled, seed: int, progress: Progress, count: int
) -> list[Candidate]:
    """The ``count`` best and distinct poses among many, best first.

    Tried are the moves that bring together the centres of mass, the centres of the grids, or what the
    headers say, each with turns of −20, 0 and 20° about every axis, upright and after half a turn about
    each axis (head first against feet first, supine against prone).
    """
    poses = list(_starts(fixed, moving))
    found = []
    for number, pose in enumerate(poses):
        progress(number / len(poses), f"trying starting pose {number + 1} of {len(poses)}")
        if overlap(fixed, moving, pose) >= _LEAST_OVERLAP:
            found.append(Candidate(pose, score(fixed, moving, pose, COARSE, seed)))
    found = [one for one in found if math.isfinite(one.mi)]
    return distinct(sorted(found, key=lambda one: -one.mi), fixed, count)


def distinct(candidates: Iterable[Candidate], fixed: Sampled, count: int) -> list[Candidate]:
    """The first ``count`` of ``candidates`` that differ from each other by more than 12° or 12 mm."""
    body = fixed.foreground_points
    kept: list[Candidate] = []
    for one in candidates:
        if len(kept) < count and not any(_is_near(one.pose, other.pose, body) for other in kept):
            kept.append(one)
    return kept


def _is_near(one: Pose, other: Pose, points: npt.NDArray[np.float64]) -> bool:
    turned = rotation_angle(one @ np.linalg.inv(other))
    return turned <= _DISTINCT_DEG and distance(one, other, points[:: 1 + len(points) // 300]) <= _DISTINCT_MM


def _starts(fixed: Sampled, moving: Sampled) -> Iterable[Pose]:
    mass = fixed.centre_of_mass
    pairs = [(mass, moving.centre_of_mass), (fixed.centre, moving.centre), (mass, mass)]
    for turn in _TURNS:
        for rotation in rotation_grid(_ANGLES):
            for centre, target in pairs:
                yield rotation_about(turn @ rotation, centre, target)
