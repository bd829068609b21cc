"""Mutual information of two volumes at a pose, and the climb to its next maximum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..progress import Progress
from .poses import Pose, pose_of, to_affine
from .prepare import Sampled

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["COARSE", "FINE", "MIDDLE", "THREADS", "Candidate", "Level", "refine", "score"]

THREADS = 1  # with two, ITK adds in the order in which threads finish: runs differ in the ninth digit


@dataclass(frozen=True)
class Level:
    """One level of the search.

    Parameters
    ----------
    spacing:
        mm of the isotropic grid.
    bins:
        Bins of the joint histogram along each axis.
    samples:
        Most voxels of the fixed volume that are compared, drawn at random by the seed.
    step, least_step:
        First and last step in mm of movement of the image.
    iterations:
        Most steps.
    relaxation:
        By what the step shrinks when the gradient turns round.
    """

    spacing: float
    bins: int
    samples: int
    step: float
    least_step: float
    iterations: int
    relaxation: float


COARSE = Level(5.0, 24, 60_000, 4.0, 0.02, 120, 0.85)
MIDDLE = Level(2.5, 32, 200_000, 2.0, 0.01, 100, 0.85)
FINE = Level(1.5, 32, 100_000, 0.5, 0.005, 60, 0.8)


class Candidate(NamedTuple):
    """A pose and its mutual information in nats (−inf where the volumes do not overlap)."""

    pose: Pose
    mi: float


def refine(
    fixed: Sampled, moving: Sampled, pose: Pose, level: Level, seed: int, progress: Progress, message: str
) -> Candidate:
    """Climb from ``pose`` to the next maximum of mutual information.

    ``progress`` is called at every step; what it raises ends the search within that step.
    """
    import SimpleITK

    method = _method(fixed, moving, level, seed)
    method.SetOptimizerAsRegularStepGradientDescent(
        level.step, level.least_step, level.iterations, level.relaxation
    )
    method.SetOptimizerScalesFromPhysicalShift()
    # The turn that is sought is a small one on top of ``pose``: angles near 0 have no gimbal lock,
    # also where ``pose`` itself is a half turn.
    method.SetMovingInitialTransform(to_affine(pose))
    move = SimpleITK.Euler3DTransform()
    move.SetCenter(fixed.centre_of_mass.tolist())
    method.SetInitialTransform(move, inPlace=True)
    raised: list[BaseException] = []

    def report() -> None:
        try:
            progress(min(1.0, method.GetOptimizerIteration() / level.iterations), message)
        except BaseException as error:  # noqa: BLE001 - SimpleITK would swallow it; raised again below
            raised.append(error)
            method.StopRegistration()

    method.AddCommand(SimpleITK.sitkIterationEvent, report)
    try:
        method.Execute(fixed.image, moving.image)
    except RuntimeError as error:
        if raised or not _is_lost(error):
            raise
        return Candidate(pose, -math.inf)
    finally:
        method.RemoveAllCommands()
        if raised:
            raise raised[0]
    return Candidate(pose @ pose_of(move), -method.GetMetricValue())


def score(fixed: Sampled, moving: Sampled, pose: Pose, level: Level, seed: int) -> float:
    """Mutual information in nats at ``pose``; −inf where the volumes do not overlap."""
    method = _method(fixed, moving, level, seed)
    method.SetInitialTransform(to_affine(pose))
    try:
        return -float(method.MetricEvaluate(fixed.image, moving.image))
    except RuntimeError as error:
        if not _is_lost(error):
            raise
        return -math.inf


def _method(fixed: Sampled, moving: Sampled, level: Level, seed: int) -> SimpleITK.ImageRegistrationMethod:
    import SimpleITK

    method = SimpleITK.ImageRegistrationMethod()
    method.SetNumberOfThreads(THREADS)
    method.SetNumberOfWorkUnits(THREADS)
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetMetricAsMattesMutualInformation(level.bins)
    method.SetMetricUseFixedImageGradientFilter(False)
    method.SetMetricUseMovingImageGradientFilter(False)
    if fixed.mask is not None:
        method.SetMetricFixedMask(fixed.mask)
    if moving.mask is not None:
        method.SetMetricMovingMask(moving.mask)
    share = level.samples / math.prod(fixed.image.GetSize())
    if share < 1:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(share, seed)
    return method


def _is_lost(error: RuntimeError) -> bool:
    """Whether ITK complains that the volumes do not overlap."""
    text = str(error)
    return "outside moving image buffer" in text or "No valid points" in text or "overlap" in text
