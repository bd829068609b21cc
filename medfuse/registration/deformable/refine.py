"""The deformable search: the rigid result, bent, and the figures that tell how far to trust that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...progress import Progress, subrange
from ..linear.climb import Stage
from ..linear.search import LinearResult
from ..linear.starts import mutual_information
from ..poses import inverse, to_euler
from .displacement import Deformation, deform

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["refine"]

_BINS = 32
_POINTS = 500


def refine(
    stages: Sequence[Stage], rigid: LinearResult, progress: Progress
) -> tuple[SimpleITK.CompositeTransform, LinearResult]:
    """Bend from the ``rigid`` result, there and back.

    Returns
    -------
    transform, found
        The field, which acts first, and the rigid transform; ``rigid`` with the figures of the bending.
    """
    import SimpleITK

    _, middle, fine = stages
    there = deform(fine.fixed, fine.moving, rigid.pose, fine.scale, subrange(progress, 0.0, 0.5))
    home = inverse(rigid.pose)
    back = deform(fine.moving, fine.fixed, home, fine.scale, subrange(progress, 0.5, 1.0))
    progress(1.0, "registered")
    move = to_euler(rigid.pose, rigid.centre)
    transform = SimpleITK.CompositeTransform([move, there.transform()])
    return_ = SimpleITK.CompositeTransform([move.GetInverse(), back.transform()])
    body = middle.fixed.foreground_points
    body = body[:: 1 + len(body) // _POINTS]
    figures = {
        **rigid.figures,
        "mi_rigid": _information(middle, move),
        "mi_after": _information(middle, transform),
        "bend_consistency_mm": _lost(body, transform, return_),
        **_amount(there, body),
    }
    return transform, replace(rigid, figures=figures)


def _amount(bent: Deformation, body: npt.NDArray[np.float64]) -> dict[str, float]:
    """How far points of the body move, and by how much voxels grow or shrink."""
    field, jacobian = bent.transform(), bent.jacobian()
    moved = [np.subtract(field.TransformPoint(point), point) for point in body.tolist()]
    return {
        "displacement_mean_mm": float(np.linalg.norm(moved, axis=1).mean()),
        "displacement_most_mm": float(np.linalg.norm(bent.field, axis=-1).max()),
        "jacobian_least": float(jacobian.min()),
        "jacobian_most": float(jacobian.max()),
    }


def _information(stage: Stage, transform: SimpleITK.Transform) -> float:
    """Mutual information in nats of all voxels that both volumes measured."""
    values, common = stage.moving.onto(stage.fixed, transform)
    common &= stage.fixed.measured
    one, two = _binned(stage.fixed.array[common]), _binned(values[common])
    return mutual_information(one * _BINS + two, _BINS) if len(one) else float("nan")


def _binned(values: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    return np.clip(values * _BINS, 0, _BINS - 1).astype(np.intp)


def _lost(points: npt.NDArray[np.float64], there: SimpleITK.Transform, back: SimpleITK.Transform) -> float:
    """Mean distance in mm between points and where the way there and back takes them."""
    returned = [back.TransformPoint(there.TransformPoint(point)) for point in points.tolist()]
    return float(np.linalg.norm(np.subtract(returned, points), axis=1).mean())
