"""A transform as a DICOM object: Spatial Registration (PS3.3 A.39.1), or, where it bends, the deformable one.

The two state opposite directions.  A matrix of Spatial Registration takes points of the moving (source) frame
of reference to the fixed (registered) one (C.20.2.1.1); a deformation takes points of the fixed one to the
moving one, because that is how a viewer samples (C.20.3.1.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...errors import WriteError
from .deformation import Deformation
from .identity import new_uid, put_equipment, put_identity
from .write import decimals, file_dataset, put_time, reference, series_number, valid_uids

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["write_deformation", "write_registration"]

_SPATIAL_REGISTRATION = "1.2.840.10008.5.1.4.1.1.66.1"
_DEFORMABLE_SPATIAL_REGISTRATION = "1.2.840.10008.5.1.4.1.1.66.3"
_RIGID = 1e-5  # largest |RᵀR − I| of what is called rigid


def write_registration(
    path: Path,
    fixed: Mapping[str, Any],
    moving: Mapping[str, Any],
    fixed_to_moving: npt.ArrayLike,
    description: str,
) -> None:
    """Write where the moving series lies in the frame of reference of the fixed one.

    Parameters
    ----------
    path:
        The file to write.
    fixed, moving:
        ``metadata`` of two volumes that were read from DICOM.
    fixed_to_moving:
        4×4, takes points of the fixed volume to points of the moving one, LPS mm.  DICOM states the
        inverse: from the moving (source) to the fixed (registered) frame of reference.
    description:
        ContentDescription; cut off at 64 characters.

    Raises
    ------
    WriteError
        If the transform has no inverse, or the file cannot be written.
    """
    forward = np.asarray(fixed_to_moving, dtype=float)
    if abs(np.linalg.det(forward[:3, :3])) < 1e-9:
        raise WriteError(f"{path}: the transform has no inverse, so that DICOM cannot state it")
    dataset = _dataset(_SPATIAL_REGISTRATION, fixed, moving, description)
    dataset.RegistrationSequence = [_item(fixed, np.eye(4)), _item(moving, np.linalg.inv(forward))]
    _save(dataset, path)


def write_deformation(
    path: Path,
    fixed: Mapping[str, Any],
    moving: Mapping[str, Any],
    fixed_to_moving: Deformation,
    description: str,
) -> None:
    """Write how points of the fixed frame of reference are taken to the moving one by a deformation.

    Parameters and errors are those of :func:`write_registration`, but DICOM states the deformation as it is:
    from the fixed (registered) to the moving (source) frame of reference.
    """
    item = _deformed(moving)
    item.PreDeformationMatrixRegistrationSequence = [_matrix(np.eye(4))]
    item.PostDeformationMatrixRegistrationSequence = [_matrix(fixed_to_moving.matrix)]
    item.DeformableRegistrationGridSequence = [_grid(fixed_to_moving)]
    dataset = _dataset(_DEFORMABLE_SPATIAL_REGISTRATION, fixed, moving, description)
    dataset.DeviceSerialNumber = dataset.SoftwareVersions  # must not be empty, and a program has no other
    dataset.DeformableRegistrationSequence = [_deformed(fixed), item]
    _save(dataset, path)


def _dataset(
    sop_class: str, fixed: Mapping[str, Any], moving: Mapping[str, Any], description: str
) -> Dataset:
    """All but the registration itself."""
    dataset = file_dataset(sop_class)
    put_identity(dataset, fixed)
    put_equipment(dataset)
    put_time(dataset, "Series", "Content", "InstanceCreation")
    dataset.Modality = "REG"
    dataset.SeriesInstanceUID = new_uid()
    dataset.SeriesNumber = series_number(fixed, 2)
    dataset.SeriesDescription = "registration, not for diagnosis"
    dataset.InstanceNumber = 1
    dataset.ContentLabel, dataset.ContentDescription = "REGISTRATION", description[:64]
    dataset.ContentCreatorName = ""
    _put_referenced(dataset, fixed, moving)
    return dataset


def _save(dataset: Dataset, path: Path) -> None:
    try:
        dataset.save_as(path, enforce_file_format=True)
    except OSError as error:
        raise WriteError(f"{path}: cannot be written: {error.strerror}") from error


def _item(metadata: Mapping[str, Any], to_fixed: npt.NDArray[np.float64]) -> Dataset:
    from pydicom import Dataset

    registration = Dataset()
    registration.MatrixSequence = [_matrix(to_fixed)]
    registration.RegistrationTypeCodeSequence = []
    item = Dataset()
    item.FrameOfReferenceUID = metadata["FrameOfReferenceUID"]
    item.ReferencedImageSequence = _references(metadata)
    item.MatrixRegistrationSequence = [registration]
    return item


def _deformed(metadata: Mapping[str, Any]) -> Dataset:
    """The item of one frame of reference, which stays where it is until it is said how it is deformed."""
    from pydicom import Dataset

    item = Dataset()
    item.SourceFrameOfReferenceUID = metadata["FrameOfReferenceUID"]
    item.ReferencedImageSequence = _references(metadata)
    item.RegistrationTypeCodeSequence = []
    return item


def _matrix(values: npt.NDArray[np.float64]) -> Dataset:
    from pydicom import Dataset

    item = Dataset()
    item.FrameOfReferenceTransformationMatrix = [f"{value:.10g}" for value in values.ravel() + 0.0]
    turn = values[:3, :3]
    rigid = np.abs(turn.T @ turn - np.eye(3)).max() < _RIGID and np.linalg.det(turn) > 0
    item.FrameOfReferenceTransformationMatrixType = "RIGID" if rigid else "AFFINE"
    return item


def _grid(deformation: Deformation) -> Dataset:
    from pydicom import Dataset

    grid, item = deformation.grid, Dataset()
    direction = np.asarray(grid.direction)
    item.ImagePositionPatient = decimals(grid.origin)
    item.ImageOrientationPatient = decimals([*direction[:, 0], *direction[:, 1]])
    item.GridDimensions = list(grid.size)
    item.GridResolution = list(grid.spacing)
    item.VectorGridData = deformation.displacements.astype("<f4").tobytes()
    return item


def _references(metadata: Mapping[str, Any]) -> list[Dataset]:
    return [reference(metadata, uid) for uid in valid_uids(metadata["SOPInstanceUID"])]


def _put_referenced(dataset: Dataset, fixed: Mapping[str, Any], moving: Mapping[str, Any]) -> None:
    """The Common Instance Reference module: series of this study, and of other studies."""
    from pydicom import Dataset

    elsewhere: dict[str, list[Dataset]] = {}
    for metadata in (fixed, moving):
        series = Dataset()
        series.SeriesInstanceUID = metadata["SeriesInstanceUID"]
        series.ReferencedInstanceSequence = _references(metadata)
        elsewhere.setdefault(metadata["StudyInstanceUID"], []).append(series)
    here = elsewhere.pop(dataset.StudyInstanceUID, [])
    if here:
        dataset.ReferencedSeriesSequence = here
    others = []
    for uid, series_items in elsewhere.items():
        study = Dataset()
        study.StudyInstanceUID = uid
        study.ReferencedSeriesSequence = series_items
        others.append(study)
    if others:
        dataset.StudiesContainingOtherReferencedInstancesSequence = others
