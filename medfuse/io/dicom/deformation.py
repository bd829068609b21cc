"""What DICOM can say of a transform that is not linear: a displacement field, and a matrix after it.

medfuse makes such transforms (kind "deformable"), and so do ANTs and others: points of the fixed volume are
displaced by a field, then taken to the moving volume by a matrix.  Any other kind would have to be sampled,
and the object would no longer say what the transform file says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...transforms import Matrix, matrix_of
from ...volume import Geometry

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["Deformation", "can_be_stated", "deformation_of"]


@dataclass(frozen=True, eq=False)
class Deformation:
    """Takes a point p of the fixed volume to ``matrix`` · (p + its displacement), LPS mm.

    Parameters
    ----------
    grid:
        Where the displacements are known, in the fixed volume's coordinates; right-handed, as DICOM needs it.
        Between its points they are interpolated linearly, and beyond them they are 0.
    displacements:
        float32 (z, y, x, 3) in mm along the axes of LPS.
    matrix:
        4×4.
    """

    grid: Geometry
    displacements: npt.NDArray[np.float32]
    matrix: Matrix


def can_be_stated(transform: SimpleITK.Transform) -> bool:
    """Whether DICOM has an object that says what this transform says."""
    return transform.IsLinear() or deformation_of(transform) is not None


def deformation_of(transform: SimpleITK.Transform) -> Deformation | None:
    """A transform (fixed to moving points, LPS mm) taken apart; None if it is of another kind."""
    import SimpleITK

    if transform.GetDimension() != 3:
        return None
    parts = SimpleITK.CompositeTransform(3)
    parts.AddTransform(transform)
    parts.FlattenTransform()
    *after, first = (parts.GetNthTransform(i) for i in range(parts.GetNumberOfTransforms()))
    is_field = first.GetTransformEnum() == SimpleITK.sitkDisplacementField
    if not is_field or not all(one.IsLinear() for one in after):
        return None
    matrix = np.eye(4)
    for one in after:  # the last one acts first
        matrix = matrix @ matrix_of(one)
    return _on_right_handed_grid(SimpleITK.DisplacementFieldTransform(first).GetDisplacementField(), matrix)


def _on_right_handed_grid(image: SimpleITK.Image, matrix: Matrix) -> Deformation:
    import SimpleITK

    field = SimpleITK.GetArrayFromImage(image).astype(np.float32)
    direction = np.reshape(image.GetDirection(), (3, 3)).copy()
    origin = np.asarray(image.GetOrigin())
    if np.linalg.det(direction) < 0:  # its planes in the other order
        origin = np.asarray(image.TransformIndexToPhysicalPoint((0, 0, image.GetSize()[2] - 1)))
        direction[:, 2] *= -1
        field = field[::-1]
    grid = Geometry(image.GetSize(), image.GetSpacing(), tuple(origin.tolist()), direction.tolist())
    return Deformation(grid, np.ascontiguousarray(field), matrix)
