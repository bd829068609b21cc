"""Mutual information of two volumes at a pose, and the climb to its next maximum.

ITK's Mattes mutual information (Mattes et al. 2003, doi:10.1109/TMI.2003.809072) and its gradient
descent with a step that shrinks where the gradient changes its direction.  On the same cases, line search and
L-BFGS took 4 to 12 times as long for the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...progress import Progress
from ...transforms import inverse, to_affine
from ..poses import Pose, nearest_rigid, pose_of, rotation_about
from ..pyramid.search_volume import SearchVolume
from .transform_models import TRANSFORM_MODELS

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["COARSE", "FINE", "MIDDLE", "THREADS", "Level", "ScoredPose", "Stage", "Within", "anywhere"]

Within = Callable[[Pose], bool]


def anywhere(_pose: Pose) -> bool:
    """No limit to where a search may go."""
    return True


THREADS = 1  # with two, ITK adds in the order in which threads finish: runs differ in the ninth digit


@dataclass(frozen=True)
class Level:
    """How one level of the search compares and steps.

    Parameters
    ----------
    spacing:
        mm of the isotropic grid.
    bins:
        Bins of the joint histogram along each axis.
    samples:
        Most voxels of the fixed volume that are compared, drawn at random by the seed.
    step, least_step:
        First and last step, in mm of motion of the image.
    iterations:
        Most steps.
    relaxation:
        Factor of the step when the gradient changes its direction.
    """

    spacing: float
    bins: int
    samples: int
    step: float
    least_step: float
    iterations: int
    relaxation: float

    def scaled(self, factor: float) -> Level:
        """The same for bodies ``factor`` times as large."""
        return replace(
            self,
            spacing=self.spacing * factor,
            step=self.step * factor,
            least_step=self.least_step * factor,
        )


# With four times the samples the poses were the same, to 0.02 mm of TRE.  Steps that shrink faster save
# half the time, but two searches then end up to 2 mm apart where these end within 0.2 mm.
COARSE = Level(5.0, 24, 15_000, 4.0, 0.02, 120, 0.85)
MIDDLE = Level(2.5, 32, 25_000, 2.0, 0.02, 80, 0.85)
FINE = Level(1.5, 32, 60_000, 0.5, 0.01, 50, 0.8)


_CUBE_MM = 20.0
_NOTHING_TO_COMPARE = (  # how ITK says that no voxels overlap, or that those that do are all alike
    "outside moving image buffer",
    "must have 1 or more points",
    "summed to zero",
    "Zero-valued spacing",
)


class ScoredPose(NamedTuple):
    """A pose and its mutual information in nats (−inf where nothing can be compared).

    ``began`` is the pose of the coarsest level from which the climb to a finalist began.
    """

    pose: Pose
    mi: float
    began: Pose | None = None


@dataclass(frozen=True, eq=False)
class Stage:
    """A pair of volumes at one level of the search.

    ``scale`` is below 1 for small fields of view; ``planar`` says that both are single slices, which lie
    in the plane z = 0 and stay there.
    """

    fixed: SearchVolume
    moving: SearchVolume
    level: Level
    seed: int
    scale: float = 1.0
    planar: bool = False

    def millimetres(self, length: float) -> float:
        """``length`` mm of a body of full size, on the scale of this pair."""
        return length * self.scale

    def exchanged(self) -> Stage:
        """The same with the roles of the volumes exchanged."""
        return replace(self, fixed=self.moving, moving=self.fixed)

    def half(self, odd: bool) -> Stage:
        """The same pair, compared in one half of the fixed volume only: every other cube."""
        return replace(self, fixed=self.fixed.cubes(self.millimetres(_CUBE_MM), odd))

    def score(self, pose: Pose) -> float:
        """Mutual information in nats at ``pose``; −inf where nothing can be compared."""
        method = self._method()
        method.SetInitialTransform(to_affine(pose))
        try:
            return -float(method.MetricEvaluate(self.fixed.image, self.moving.image))
        except RuntimeError as error:
            if not _says_nothing_to_compare(error):
                raise
            return -math.inf

    def climb(
        self, pose: Pose, progress: Progress, message: str, kind: str = "rigid", within: Within = anywhere
    ) -> ScoredPose:
        """The next maximum of mutual information uphill from ``pose``.

        Parameters
        ----------
        pose:
            The start.
        progress:
            Called at every step; what it raises ends the climb within that step.
        message:
            What ``progress`` is told.
        kind:
            What may change: one of :data:`~medfuse.registration.linear.transform_models.TRANSFORM_MODELS`.
        within:
            Says whether a pose is still allowed; the climb ends at the first that is not.
        """
        near, after, before = self._around(pose)
        change = TRANSFORM_MODELS[kind].transform(inverse(after) @ pose @ inverse(before), np.zeros(3))

        def pose_at(parameters: Sequence[float]) -> Pose:
            import SimpleITK

            changed = SimpleITK.Transform(change)
            changed.SetParameters(parameters)
            return after @ pose_of(changed) @ before

        def report(iteration: int, parameters: Sequence[float]) -> bool:
            progress(min(1.0, iteration / self.level.iterations), message)
            return within(pose_at(parameters))

        method = near._method()
        step, least = (length / self.fixed.radius for length in (self.level.step, self.level.least_step))
        method.SetOptimizerAsRegularStepGradientDescent(
            step, least, self.level.iterations, self.level.relaxation
        )
        if self.planar:
            method.SetOptimizerWeights(TRANSFORM_MODELS[kind].in_plane)
        method.SetInitialTransform(change, inPlace=False)
        reached = _executed(method, near, report)
        return ScoredPose(pose, -math.inf) if reached is None else ScoredPose(pose_at(reached[0]), reached[1])

    def _around(self, pose: Pose) -> tuple[Stage, Pose, Pose]:
        """The pair brought to where ``pose`` aligns it, the body around the origin, in radii of the body.

        The change that is sought is then a small one: there is no gimbal lock near an angle of 0, also where
        ``pose`` is a rotation by 180°.  And a step of 0.1 moves the body by about as much, whether it is one
        of a translation, an angle, a scale or a shear: the optimiser takes the norm over all of them, and
        with lengths in mm an affine climb diverged.

        Returns
        -------
        stage, after, before
            ``after @ change @ before`` is the pose after a ``change`` of the stage.
        """
        radius = self.fixed.radius
        body = rotation_about(np.eye(3), self.fixed.centre_of_mass, np.zeros(3))
        rigid = nearest_rigid(pose, self.fixed.centre_of_mass)
        fixed = self.fixed.placed(body, radius)
        moving = self.moving.placed(body @ inverse(rigid), radius)
        scale = np.diag([radius, radius, radius, 1.0])
        return (
            replace(self, fixed=fixed, moving=moving),
            rigid @ inverse(body) @ scale,
            inverse(scale) @ body,
        )

    def _method(self) -> SimpleITK.ImageRegistrationMethod:
        import SimpleITK

        method = SimpleITK.ImageRegistrationMethod()
        method.SetNumberOfThreads(THREADS)
        method.SetNumberOfWorkUnits(THREADS)
        method.SetInterpolator(SimpleITK.sitkLinear)
        method.SetMetricAsMattesMutualInformation(self.level.bins)
        method.SetMetricUseFixedImageGradientFilter(False)
        method.SetMetricUseMovingImageGradientFilter(False)
        if self.fixed.mask is not None:
            method.SetMetricFixedMask(self.fixed.mask)
        if self.moving.mask is not None:
            method.SetMetricMovingMask(self.moving.mask)
        share = self.level.samples / max(1, int(self.fixed.measured.sum()))
        if share < 1:
            method.SetMetricSamplingStrategy(method.RANDOM)
            method.SetMetricSamplingPercentage(share, self.seed)
        return method


def _executed(
    method: SimpleITK.ImageRegistrationMethod, stage: Stage, report: Callable[[int, Sequence[float]], bool]
) -> tuple[Sequence[float], float] | None:
    """The parameters and the mutual information at the end; None where nothing can be compared.

    ``report`` is told the iteration and the parameters, and answers whether to go on.
    """
    import SimpleITK

    raised: list[BaseException] = []

    def step() -> None:
        try:
            if not report(method.GetOptimizerIteration(), method.GetOptimizerPosition()):
                method.StopRegistration()
        except BaseException as error:  # noqa: BLE001 - SimpleITK would swallow it: raised again below
            raised.append(error)
            method.StopRegistration()

    method.AddCommand(SimpleITK.sitkIterationEvent, step)
    try:
        found = method.Execute(stage.fixed.image, stage.moving.image)
        reached = found.GetParameters(), -float(method.GetMetricValue())
    except RuntimeError as error:
        if not raised and not _says_nothing_to_compare(error):
            raise
        reached = None
    finally:
        method.RemoveAllCommands()
    if raised:
        raise raised[0]
    return reached


def _says_nothing_to_compare(error: RuntimeError) -> bool:
    """Whether ITK complains that it found nothing to compare."""
    return any(words in str(error) for words in _NOTHING_TO_COMPARE)
