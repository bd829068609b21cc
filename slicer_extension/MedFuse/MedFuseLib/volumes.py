"""Volume nodes as arrays and files.

Slicer places voxels by a matrix from index (i, j, k) to RAS millimetres; medfuse and NRRD use LPS.  Volumes
are written here, by nothing but numpy, because every storage node has its own idea of colour, of number types
and of parent transforms: this way the file holds the voxels as they are in memory, and every digit of the
matrix.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer.util
from vtk.util.numpy_support import vtk_to_numpy

__all__ = ["LPS_FROM_RAS", "array_of", "matrix_of", "problem", "read_image", "set_volume", "write_nrrd"]

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_COLOURS = 3
_RIGHT_ANGLES = 1e-3  # largest |cosine| between two axes; what medfuse accepts
_NRRD_TYPES = {"float32": "float", "float64": "double"}


def problem(node: Any, placed_by: np.ndarray | None = None) -> str:
    """Why a volume node cannot be fused, as a sentence; "" if it can.

    Parameters
    ----------
    node:
        A ``vtkMRMLVolumeNode``.
    placed_by:
        4×4 matrix in RAS that the exported copy is hardened with.
    """
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        return f'"{node.GetName()}" has no voxels: load it again, or choose another volume.'
    values = image.GetNumberOfScalarComponents()
    if values not in (1, _COLOURS):
        return (
            f'"{node.GetName()}" has {values} values in each voxel; 1 or 3 (colour) are expected: extract '
            'one with the module "Vector to Scalar Volume", or choose another volume.'
        )
    return _problem_of_axes(node, placed_by)


def _problem_of_axes(node: Any, placed_by: np.ndarray | None) -> str:
    axes = ((np.eye(4) if placed_by is None else placed_by) @ matrix_of(node))[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    if not np.all(np.isfinite(axes)) or lengths.min() == 0:
        return f'"{node.GetName()}" has voxels of no size: correct its spacing in the module "Volumes".'
    cosines = (axes / lengths).T @ (axes / lengths) - np.eye(3)
    if np.abs(cosines).max() <= _RIGHT_ANGLES:
        return ""
    cause = "its axes are" if placed_by is None else "the transform that it is under makes its axes"
    return (
        f'"{node.GetName()}" cannot be exported: {cause} sheared; resample it onto a straight grid first, '
        'with the module "Resample Scalar/Vector/DWI Volume".'
    )


def array_of(node: Any) -> np.ndarray:
    """The voxels (z, y, x), or (z, y, x, 3) of a colour volume: a view of the node's memory."""
    image = node.GetImageData()
    values = vtk_to_numpy(image.GetPointData().GetScalars())
    result: np.ndarray = values.reshape(*reversed(image.GetDimensions()), *values.shape[1:])
    return result


def matrix_of(node: Any) -> np.ndarray:
    """4×4 matrix from array index (x, y, z) to RAS mm, without parent transforms."""
    matrix = slicer.util.vtkMatrixFromArray(np.eye(4))
    node.GetIJKToRASMatrix(matrix)
    array: np.ndarray = slicer.util.arrayFromVTKMatrix(matrix)
    first = node.GetImageData().GetExtent()[::2] if node.GetImageData() else (0, 0, 0)
    array[:3, 3] += array[:3, :3] @ first  # an image whose indices do not begin at 0
    return array


def set_volume(node: Any, array: np.ndarray, ijk_to_ras: np.ndarray) -> None:
    """Give a volume node voxels (copied) and place."""
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijk_to_ras))
    slicer.util.updateVolumeFromArray(node, array)


def write_nrrd(path: Path, array: np.ndarray, ijk_to_ras: np.ndarray) -> None:
    """Write an NRRD file: the number type stays, the matrix is written to the last digit.

    Parameters
    ----------
    path:
        Ends in ``.nrrd``; replaced if it exists.
    array:
        (z, y, x) or (z, y, x, 3), of whole or floating-point numbers.
    ijk_to_ras:
        4×4, from index (x, y, z) to RAS mm.
    """
    matrix = LPS_FROM_RAS @ ijk_to_ras
    axes = [_vector(column) for column in matrix[:3, :3].T]
    sizes, kinds = list(array.shape[2::-1]), ["domain"] * 3
    if array.ndim == 4:
        axes, sizes, kinds = ["none", *axes], [array.shape[3], *sizes], ["vector", *kinds]
    header = (
        "NRRD0004",
        f"type: {_NRRD_TYPES.get(array.dtype.name, array.dtype.name)}",
        f"dimension: {len(sizes)}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, sizes))}",
        f"space directions: {' '.join(axes)}",
        f"kinds: {' '.join(kinds)}",
        "endian: little",
        "encoding: raw",
        f"space origin: {_vector(matrix[:3, 3])}",
    )
    with path.open("wb") as file:
        file.write("\n".join((*header, "", "")).encode("ascii"))
        file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)


def _vector(numbers: np.ndarray) -> str:
    return f"({','.join(repr(float(number)) for number in numbers)})"


def read_image(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (z, y, x[, 3]) and the matrix from index (x, y, z) to RAS of a volume file that medfuse wrote.

    Raises
    ------
    OSError
        If the file is missing or damaged.
    """
    import SimpleITK

    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise OSError(f"{path.name} cannot be read") from error
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image), LPS_FROM_RAS @ matrix
