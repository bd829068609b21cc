"""Transform nodes and ITK's transform files.

A node says where things move: its matrix "to parent" takes a point of the moving volume to the fixed one, in
RAS.  ITK's file says where to look: fixed to moving points, in LPS, which is the node's "from parent".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
import slicer.util
import vtk

from .volumes import LPS_FROM_RAS

__all__ = [
    "TransformError",
    "matrix_from_text",
    "matrix_to_text",
    "matrix_to_world",
    "read_transform",
    "set_transform",
    "write_matrix",
    "write_transform",
]


class TransformError(ValueError):
    """A transform that cannot be used; the message is one sentence for the panel."""


def matrix_to_world(node: Any) -> np.ndarray:
    """4×4 matrix in RAS from what is under the transform node to the world, all its parents included.

    Raises
    ------
    TransformError
        If it, or one of its parents, is not linear, or cannot be inverted.
    """
    if not node.IsTransformToWorldLinear():
        raise TransformError(
            f'The transform "{node.GetName()}" is not linear, so it cannot be hardened without resampling: '
            'harden it in the module "Transforms" first.'
        )
    whole = vtk.vtkGeneralTransform()
    node.GetTransformToWorld(whole)
    array = _matrix(whole)
    if not np.all(np.isfinite(array)) or abs(np.linalg.det(array)) < 1e-12:
        raise TransformError(f'The transform "{node.GetName()}" cannot be inverted: correct or remove it.')
    return array


def write_matrix(path: Path, to_fixed: np.ndarray) -> None:
    """Write a linear transform (4×4, RAS, moving to fixed) as ITK's text file (LPS, fixed to moving)."""
    matrix = LPS_FROM_RAS @ np.linalg.inv(to_fixed) @ LPS_FROM_RAS
    numbers = (*matrix[:3, :3].ravel(), *matrix[:3, 3])
    lines = (
        "#Insight Transform File V1.0",
        "#Transform 0",
        "Transform: AffineTransform_double_3_3",
        f"Parameters: {' '.join(repr(float(number)) for number in numbers)}",
        "FixedParameters: 0 0 0",
    )
    path.write_text("\n".join((*lines, "")), encoding="ascii")


def write_transform(folder: Path, name: str, node: Any) -> Path:
    """Write what a transform node does up to the world: as ``.tfm``, or as ``.h5`` if it is deformable.

    Raises
    ------
    TransformError
        If it cannot be inverted or written.
    """
    if node.IsTransformToWorldLinear():
        path = folder / f"{name}.tfm"
        write_matrix(path, matrix_to_world(node))
        return path
    whole = vtk.vtkGeneralTransform()
    node.GetTransformFromWorld(whole)
    alone = slicer.vtkMRMLTransformNode()
    alone.SetAndObserveTransformFromParent(whole)
    path = folder / f"{name}.h5"
    if not _storage(path).WriteData(alone) or not path.is_file():
        raise TransformError(f'The transform "{node.GetName()}" is of a kind that ITK cannot write.')
    return path


def read_transform(path: Path) -> Any:
    """Read an ITK transform file, linear or not, into a node that is in no scene.

    Raises
    ------
    OSError
        If the file is missing or damaged.
    """
    node = slicer.vtkMRMLTransformNode()
    if not path.is_file() or not _storage(path).ReadData(node):
        raise OSError(f"{path.name} cannot be read as a transform")
    return node


def set_transform(node: Any, source: Any, before: np.ndarray) -> None:
    """Let ``node`` do what ``source`` does, after the linear transform ``before`` (4×4, RAS).

    ``before`` is what the exported copy of the moving volume was hardened with: the node itself was not.
    """
    if source.IsLinear():
        whole = vtk.vtkGeneralTransform()
        source.GetTransformFromWorld(whole)
        from_parent = np.linalg.inv(before) @ _matrix(whole)
        node.SetMatrixTransformFromParent(slicer.util.vtkMatrixFromArray(from_parent))
        return
    deformable = source.GetTransformFromParent()
    if np.array_equal(before, np.eye(4)):
        node.SetAndObserveTransformFromParent(deformable)
        return
    whole = vtk.vtkGeneralTransform()
    whole.PostMultiply()
    whole.Concatenate(deformable)
    whole.Concatenate(slicer.util.vtkMatrixFromArray(np.linalg.inv(before)))
    node.SetAndObserveTransformFromParent(whole)


def matrix_to_text(matrix: np.ndarray) -> str:
    """A matrix as text that a node's attribute can hold."""
    return " ".join(repr(float(number)) for number in matrix.ravel())


def matrix_from_text(text: str | None) -> np.ndarray:
    """The matrix of :func:`matrix_to_text`; the unit matrix where there is none."""
    return np.reshape([float(word) for word in text.split()], (4, 4)) if text else np.eye(4)


def _matrix(transform: Any) -> np.ndarray:
    """4×4 matrix of a general transform that is linear; also of several in a row, which nodes do not join."""
    joined = vtk.vtkTransform()
    slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(transform, joined)
    result: np.ndarray = slicer.util.arrayFromVTKMatrix(joined.GetMatrix())
    return result


def _storage(path: Path) -> Any:
    storage = slicer.vtkMRMLTransformStorageNode()
    storage.SetFileName(str(path))
    return storage
