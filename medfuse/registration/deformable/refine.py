"""The deformable search: a displacement field before the rigid result, and its quality figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...progress import Progress, subrange
from ...transforms import inverse, transform_points
from ..linear.climb import Stage
from ..linear.search import LinearResult
from ..linear.starts import mutual_information
from ..poses import to_euler
from .displacement import Deformation, deform

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["refine"]

_BINS = 32
_POINTS = 500


def refine(
    stages: Sequence[Stage], rigid: LinearResult, progress: Progress
) -> tuple[SimpleITK.CompositeTransform, LinearResult]:
    """Find the deformation from the ``rigid`` result, in both directions for the inverse consistency.

    Returns
    -------
    transform, found
        The field, which acts first, and the rigid transform; ``rigid`` with the figures of the deformation.
    """
    import SimpleITK

    _, middle, fine = stages
    forward = deform(fine.fixed, fine.moving, rigid.pose, fine.scale, subrange(progress, 0.0, 0.5))
    back_pose = inverse(rigid.pose)
    backward = deform(fine.moving, fine.fixed, back_pose, fine.scale, subrange(progress, 0.5, 1.0))
    progress(1.0, "registered")
    linear = to_euler(rigid.pose, rigid.centre)
    transform = SimpleITK.CompositeTransform([linear, forward.transform()])
    other_way = SimpleITK.CompositeTransform([linear.GetInverse(), backward.transform()])
    body = middle.fixed.foreground_points
    body = body[:: 1 + len(body) // _POINTS]
    figures = {
        **rigid.figures,
        "mi_rigid": _information(middle, linear),
        "mi_after": _information(middle, transform),
        "deformation_consistency_mm": _inverse_consistency(body, transform, other_way),
        **_amount(forward, body),
    }
    return transform, replace(rigid, figures=figures)


def _amount(deformation: Deformation, body: npt.NDArray[np.float64]) -> dict[str, float]:
    """How far points of the body move, and the range of the Jacobian determinant."""
    displacement = transform_points(deformation.transform(), body) - body
    jacobian = deformation.jacobian()
    return {
        "displacement_mean_mm": float(np.linalg.norm(displacement, axis=1).mean()),
        "displacement_max_mm": float(np.linalg.norm(deformation.field, axis=-1).max()),
        "jacobian_min": float(jacobian.min()),
        "jacobian_max": float(jacobian.max()),
    }


def _information(stage: Stage, transform: SimpleITK.Transform) -> float:
    """Mutual information in nats of all voxels that both volumes measured."""
    values, common = stage.moving.onto(stage.fixed, transform)
    common &= stage.fixed.measured
    one, two = _binned(stage.fixed.array[common]), _binned(values[common])
    return mutual_information(one * _BINS + two, _BINS) if len(one) else float("nan")


def _binned(values: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    return np.clip(values * _BINS, 0, _BINS - 1).astype(np.intp)


def _inverse_consistency(
    points: npt.NDArray[np.float64], forward: SimpleITK.Transform, backward: SimpleITK.Transform
) -> float:
    """Mean distance in mm between points and where the two transforms, one after the other, take them."""
    returned = transform_points(backward, transform_points(forward, points))
    return float(np.linalg.norm(returned - points, axis=1).mean())
