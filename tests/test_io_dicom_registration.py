"""Registrations as DICOM objects: which way they lead, by a reader that knows nothing of medfuse or ITK."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_factory import validate, write_series
from oriented import ORIENTED

from medfuse import InputVolume, Recipe, Study, Volume, read_volume, run_study
from medfuse.io import dicom, read_transform, write_transform
from medfuse.io.dicom.deformation import deformation_of
from medfuse.registration import Registration
from medfuse.report.dicom import write_dicom
from medfuse.volume import Geometry

FIXED = Geometry((16, 15, 8), (2.0, 2.2, 3.0), (-20, 14, 30))
MOVING = ORIENTED["oblique"]
TURN = ((0.31, -0.22, 0.12), (9.0, -14.0, 21.0))  # radians, mm: nothing that its own inverse resembles


def rigid() -> sitk.Transform:
    transform = sitk.Euler3DTransform()
    transform.SetCenter((3, -5, 8))
    transform.SetRotation(*TURN[0])
    transform.SetTranslation(TURN[1])
    return transform


def affine() -> sitk.Transform:
    turned = sitk.Euler3DTransform(rigid())
    transform = sitk.AffineTransform(turned.GetMatrix(), turned.GetTranslation(), turned.GetCenter())
    transform.Scale((1.1, 0.93, 1.04))
    transform.Shear(0, 2, 0.1)
    return transform


def field(grid: Geometry) -> sitk.Transform:
    """Displacements of some mm, other ones at each point and along each axis."""
    values = np.random.default_rng(4).normal(0, 4, (*grid.shape, 3))
    image = sitk.GetImageFromArray(values, isVector=True)
    image.SetOrigin(grid.origin)
    image.SetSpacing(grid.spacing)
    image.SetDirection(np.ravel(grid.direction).tolist())
    return sitk.DisplacementFieldTransform(image)


def deformable(grid: Geometry = FIXED) -> sitk.Transform:
    """As medfuse makes it: the field acts first."""
    return sitk.CompositeTransform([rigid(), field(grid)])


def nested() -> sitk.Transform:
    return sitk.CompositeTransform([affine(), sitk.CompositeTransform([rigid(), field(FIXED)])])


KINDS: dict[str, Callable[[], sitk.Transform]] = {
    "rigid": rigid,
    "affine": affine,
    "deformable": deformable,
    "a field alone": lambda: field(FIXED),
    "nested": nested,
}


# The independent reader: PS3.3 C.20.2.1.1 and C.20.3.1.1, in plain arithmetic on what pydicom reads.


def numbers(item: pydicom.Dataset) -> np.ndarray:
    return np.array([float(value) for value in item.FrameOfReferenceTransformationMatrix]).reshape(4, 4)


def carry(path: Path, moving_frame: str, point: np.ndarray) -> np.ndarray:
    """Where a point (3,) of the registered (fixed) frame of reference lies in the source (moving) one."""
    dataset = pydicom.dcmread(path)
    if dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.1":
        (item,) = (one for one in dataset.RegistrationSequence if one.FrameOfReferenceUID == moving_frame)
        to_registered = np.eye(4)
        for one in item.MatrixRegistrationSequence[0].MatrixSequence:
            to_registered = numbers(one) @ to_registered
        return (np.linalg.inv(to_registered) @ [*point, 1.0])[:3]
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.3"
    (item,) = (
        one for one in dataset.DeformableRegistrationSequence if one.SourceFrameOfReferenceUID == moving_frame
    )
    before = numbers(item.PreDeformationMatrixRegistrationSequence[0])
    after = numbers(item.PostDeformationMatrixRegistrationSequence[0])
    moved = (before @ [*point, 1.0])[:3] + displacement(item.DeformableRegistrationGridSequence[0], point)
    return (after @ [*moved, 1.0])[:3]


def displacement(grid: pydicom.Dataset, point: np.ndarray) -> np.ndarray:
    """Trilinear in the vectors of the grid; the slices' axis is the cross product of row and column."""
    row, column = np.array([float(value) for value in grid.ImageOrientationPatient]).reshape(2, 3)
    axes = np.array([row, column, np.cross(row, column)])
    origin = np.array([float(value) for value in grid.ImagePositionPatient])
    place = axes @ (point - origin) / np.array(grid.GridResolution)
    x, y, z = grid.GridDimensions
    vectors = np.frombuffer(grid.VectorGridData, "<f4").reshape(z, y, x, 3).astype(float)
    corner = np.floor(place).astype(int)
    total = np.zeros(3)
    for step in np.ndindex(2, 2, 2):
        share = np.prod(np.where(step, place - corner, 1 - (place - corner)))
        i, j, k = corner + step
        total += share * vectors[k, j, i]
    return total


@pytest.fixture
def series(tmp_path: Path) -> tuple[Volume, Volume]:
    """A fixed and a moving volume from DICOM, each in a frame of reference of its own."""
    volumes = []
    for name, geometry, modality in (("ct", FIXED, "CT"), ("mr", MOVING, "MR")):
        stored = np.random.default_rng(5).integers(0, 2000, geometry.shape).astype("u2")
        write_series(tmp_path / name, stored, geometry, modality=modality)
        volumes.append(read_volume(tmp_path / name))
    return volumes[0], volumes[1]


def landmarks(count: int = 25) -> np.ndarray:
    """Points (n, 3) within the fixed volume."""
    inside = np.random.default_rng(6).uniform(0.5, np.array(FIXED.size) - 1.5, (count, 3))
    return np.asarray(FIXED.world(inside))


def write(path: Path, fixed: Volume, moving: Volume, transform: sitk.Transform) -> None:
    """As a run with --dicom writes it."""
    from medfuse.report import dicom as report

    found = Registration(transform, "none", "given")
    aligned = type("", (), {"volumes": (fixed, moving), "registrations": (found,)})()
    report.write_registrations(aligned, path.parent)
    (path.parent / "registration_moving_1.dcm").rename(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_landmark_is_carried_to_where_the_transform_file_says(tmp_path, series, kind):
    fixed, moving = series
    file = tmp_path / ("t.tfm" if kind in ("rigid", "affine") else "t.h5")
    kept = KINDS[kind]()
    if kind == "nested":
        kept.FlattenTransform()  # ITK writes no other
    write_transform(kept, file)
    transform = sitk.ReadTransform(str(file))
    write(tmp_path / "r.dcm", fixed, moving, KINDS[kind]())
    frame = moving.metadata["FrameOfReferenceUID"]
    points = landmarks()
    carried = np.array([carry(tmp_path / "r.dcm", frame, point) for point in points])
    wanted = np.array([transform.TransformPoint(point) for point in points.tolist()])
    np.testing.assert_allclose(carried, wanted, atol=1e-5)
    assert np.abs(wanted - points).max() > 3  # nobody could take the inverse for it
    validate(tmp_path / "r.dcm")


@pytest.mark.parametrize("name", ORIENTED)
def test_the_grid_of_a_field_lies_any_way(tmp_path, series, name):
    """Left-handed ones too, which DICOM cannot state as they are."""
    fixed, moving = series
    grid = Geometry(FIXED.size, FIXED.spacing, (0, 0, 0), ORIENTED[name].direction)
    transform = deformable(grid)
    write(tmp_path / "r.dcm", fixed, moving, transform)
    inside = np.random.default_rng(7).uniform(0.5, np.array(grid.size) - 1.5, (10, 3))
    for point in np.asarray(grid.world(inside)):
        carried = carry(tmp_path / "r.dcm", moving.metadata["FrameOfReferenceUID"], point)
        np.testing.assert_allclose(carried, transform.TransformPoint(point.tolist()), atol=1e-5)
    validate(tmp_path / "r.dcm")


def test_the_deformable_object_names_both_series(tmp_path, series):
    fixed, moving = series
    write(tmp_path / "r.dcm", fixed, moving, deformable())
    dataset = pydicom.dcmread(tmp_path / "r.dcm")
    assert dataset.FrameOfReferenceUID == fixed.metadata["FrameOfReferenceUID"]
    still, deformed = dataset.DeformableRegistrationSequence
    assert still.SourceFrameOfReferenceUID == fixed.metadata["FrameOfReferenceUID"]
    assert "DeformableRegistrationGridSequence" not in still
    named = {one.ReferencedSOPInstanceUID for one in deformed.ReferencedImageSequence}
    assert named == set(moving.metadata["SOPInstanceUID"])
    (matrix,) = deformed.PostDeformationMatrixRegistrationSequence
    assert matrix.FrameOfReferenceTransformationMatrixType == "RIGID"
    assert dataset.Modality == "REG"


def test_what_dicom_cannot_state_exactly_is_not_written(tmp_path, series):
    spline = sitk.BSplineTransformInitializer(sitk.Image([20, 20, 20], sitk.sitkFloat32), [3] * 3)
    late = sitk.CompositeTransform([field(FIXED), rigid()])  # the matrix acts first
    plane = sitk.DisplacementFieldTransform(sitk.Image([4, 4], sitk.sitkVectorFloat64))
    for transform in (spline, late, plane):
        assert deformation_of(transform) is None
        assert not dicom.can_be_stated(transform)
    for kind in KINDS.values():
        assert dicom.can_be_stated(kind())
    fixed, moving = series
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "r.dcm", fixed, moving, late)
    (note,) = dicom.notes_on_writing([fixed.metadata, moving.metadata], [False])
    assert "neither linear nor a displacement field" in note


def test_a_study_with_a_deformable_transform_ends_in_both_objects(tmp_path, series):
    """The whole way: the file that is given, the run, the folder."""
    small = sitk.CompositeTransform([sitk.TranslationTransform(3, (1.0, 0.5, -2.0)), field(FIXED)])
    given = tmp_path / "given.h5"
    write_transform(small, given)
    moving = tmp_path / "mr2"
    stored = np.random.default_rng(5).integers(0, 2000, FIXED.shape).astype("u2")
    write_series(moving, stored, FIXED, modality="MR")
    recipe = Recipe(method="average", registration="none", profile="ma2021", dicom=True)
    result = run_study(Study(tmp_path / "ct", InputVolume(moving, transform=given)), recipe)
    write_dicom(result, tmp_path / "dicom")
    names = sorted(one.name for one in (tmp_path / "dicom").iterdir())
    assert names == ["fused", "registration_moving_1.dcm"]
    assert not any("registration object" in note for note in result.notes)
    frame = result.volumes[1].metadata["FrameOfReferenceUID"]
    point = landmarks(1)[0]
    carried = carry(tmp_path / "dicom" / "registration_moving_1.dcm", frame, point)
    np.testing.assert_allclose(carried, read_transform(given).TransformPoint(point.tolist()), atol=1e-5)
