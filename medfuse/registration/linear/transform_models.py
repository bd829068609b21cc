"""Transform models: the ITK transforms behind the linear kinds of registration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...transforms import apply, to_affine
from ..poses import Pose, nearest_rigid, to_euler

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["TRANSFORM_MODELS", "TransformModel"]

Maker = Callable[[Pose, npt.NDArray[np.float64]], "SimpleITK.Transform"]


@dataclass(frozen=True)
class TransformModel:
    """A kind of linear transform.

    Parameters
    ----------
    transform:
        Makes ITK's transform of a pose, with a centre of rotation.
    in_plane:
        1 for each of its parameters that stays within the plane z = 0, where single slices lie; else 0.
    """

    transform: Maker
    in_plane: tuple[int, ...]


def _similarity(pose: Pose, centre: npt.NDArray[np.float64]) -> SimpleITK.Similarity3DTransform:
    import SimpleITK

    rigid = nearest_rigid(pose, centre)
    transform = SimpleITK.Similarity3DTransform()
    transform.SetCenter(centre.tolist())
    transform.SetRotation(_versor(rigid))
    transform.SetScale(float(np.cbrt(np.linalg.det(pose[:3, :3]))))
    transform.SetTranslation((apply(pose, centre) - centre).tolist())
    return transform


def _versor(rigid: Pose) -> tuple[float, float, float, float]:
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(rigid[:3, :3]).as_quat()
    return (float(x), float(y), float(z), float(w))


TRANSFORM_MODELS: Mapping[str, TransformModel] = MappingProxyType(
    {
        "rigid": TransformModel(to_euler, (0, 0, 1, 1, 1, 0)),
        "similarity": TransformModel(_similarity, (0, 0, 1, 1, 1, 0, 1)),
        "affine": TransformModel(to_affine, (1, 1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0)),
    }
)
"""Kind of registration -> its transform model."""
