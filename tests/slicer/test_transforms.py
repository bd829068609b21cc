"""The sign of a transform, proven by landmarks that Slicer's own nodes move."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
import slicer
from MedFuseLib import transforms
from scene_factory import add_transform

from medfuse.phantom import rigid

LPS = np.array([-1.0, -1.0, 1.0])  # RAS to LPS and back
POINTS = np.random.default_rng(3).uniform(12, 28, (12, 3)) * LPS  # RAS; within the bending transforms' domain


def add_landmarks(points, parent=None):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    for point in points:
        node.AddControlPoint(point.tolist())
    if parent is not None:
        node.SetAndObserveTransformNodeID(parent.GetID())
    return node


def world(landmarks):
    points = []
    for i in range(landmarks.GetNumberOfControlPoints()):
        point = [0.0, 0.0, 0.0]
        landmarks.GetNthControlPointPositionWorld(i, point)
        points.append(point)
    return np.array(points)


def by_itk(transform, points_ras):
    return np.array([transform.TransformPoint((p * LPS).tolist()) for p in points_ras]) * LPS


def bspline():
    transform = SimpleITK.BSplineTransformInitializer(
        SimpleITK.Image([40, 40, 40], SimpleITK.sitkFloat32), [3] * 3
    )
    numbers = np.random.default_rng(1).normal(0, 1, len(transform.GetParameters()))
    transform.SetParameters(numbers.tolist())
    return transform


def displacement():
    field = SimpleITK.TransformToDisplacementField(
        bspline(), SimpleITK.sitkVectorFloat64, [40, 40, 40], [0.0, 0, 0], [1.0, 1, 1]
    )
    return SimpleITK.DisplacementFieldTransform(field)


EULER = SimpleITK.Euler3DTransform((10.0, 0, 5), 0.1, 0.2, 0.3, (4, 5, 6.0))
KINDS = {
    "euler": EULER,
    "similarity": SimpleITK.Similarity3DTransform(1.2, (0.0, 0, 1), 0.3, (4, 5, 6.0), (1, 2, 3.0)),
    "affine": SimpleITK.AffineTransform([1.1, 0.1, 0, 0, 0.9, 0, 0.2, 0, 1], (4, 5, 6.0), (1, 2, 3.0)),
    "identity": SimpleITK.Transform(3, SimpleITK.sitkIdentity),
    "two linear ones": SimpleITK.CompositeTransform([EULER, SimpleITK.TranslationTransform(3, (1, 2, 3.0))]),
    "bspline": bspline(),
    "bspline after linear": SimpleITK.CompositeTransform(
        [SimpleITK.Euler3DTransform((0.0, 0, 0), 0.01, 0.02, 0.03, (1, 1, 1.0)), bspline()]
    ),
    "displacement": displacement(),
}
LINEAR = ("euler", "similarity", "affine", "identity", "two linear ones")
HARDENED = rigid((5, 6, 7), (3, 2, 1))


@pytest.mark.parametrize("hardened", [np.eye(4), HARDENED], ids=["as it is", "hardened copy"])
@pytest.mark.parametrize("suffix", ["tfm", "h5"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_result_moves_landmarks_of_the_moving_volume_onto_the_fixed_one(
    scene, tmp_path, kind, suffix, hardened
):
    """ITK says where a fixed point lies in the moving copy; Slicer has to move it back from there."""
    path = tmp_path / f"moving 1 é.{suffix}"
    SimpleITK.WriteTransform(KINDS[kind], str(path))
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    transforms.set_transform(node, transforms.read_transform(path), hardened)
    assert bool(node.IsLinear()) == (kind in LINEAR)

    in_copy = by_itk(KINDS[kind], POINTS)
    in_moving = (np.c_[in_copy, np.ones(len(in_copy))] @ np.linalg.inv(hardened).T)[:, :3]
    tolerance = 1e-9 if kind in LINEAR else 0.01  # mm; VTK inverts by iteration, interpolates otherwise
    assert np.abs(world(add_landmarks(in_moving, node)) - POINTS).max() < tolerance


@pytest.mark.parametrize("nested", [False, True])
def test_a_start_is_what_the_node_does_seen_from_the_fixed_volume(scene, tmp_path, nested):
    node = add_transform(rigid((10, 20, 30), (7, -8, 9)))
    if nested:
        node.SetAndObserveTransformNodeID(add_transform(rigid((-3, 5, 8), (1, 2, 3))).GetID())
    moved = world(add_landmarks(POINTS, node))
    path = transforms.write_transform(tmp_path, "start 1 é", node)
    assert path.suffix == ".tfm"
    assert np.abs(by_itk(SimpleITK.ReadTransform(str(path)), moved) - POINTS).max() < 1e-9
    assert np.abs(moved - POINTS).max() > 5  # the other direction would be seen


@pytest.mark.parametrize("nested", [False, True])
def test_a_start_that_bends_is_written_as_it_is(scene, tmp_path, nested):
    SimpleITK.WriteTransform(KINDS["bspline"], str(tmp_path / "b.h5"))
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    transforms.set_transform(node, transforms.read_transform(tmp_path / "b.h5"), np.eye(4))
    if nested:
        node.SetAndObserveTransformNodeID(add_transform(rigid((0, 0, 2), (1, 2, 3))).GetID())
    moved = world(add_landmarks(POINTS, node))
    path = transforms.write_transform(tmp_path, "start_1", node)
    assert path.suffix == ".h5"
    assert np.abs(by_itk(SimpleITK.ReadTransform(str(path)), moved) - POINTS).max() < 1e-4
    assert np.abs(moved - POINTS).max() > 0.5


def test_a_linear_matrix_keeps_every_digit(tmp_path):
    matrix = rigid((1 / 3, 2 / 3, 0.1), (1e-7, 123.456789012345, 2.0))
    transforms.write_matrix(tmp_path / "a.tfm", matrix)
    numbers = SimpleITK.ReadTransform(str(tmp_path / "a.tfm")).GetParameters()
    mirror = np.diag([-1.0, -1, 1, 1])
    wanted = mirror @ np.linalg.inv(matrix) @ mirror
    assert np.array_equal(numbers, [*wanted[:3, :3].ravel(), *wanted[:3, 3]])


def test_matrix_as_text_and_back():
    matrix = np.random.default_rng(0).normal(size=(4, 4))
    assert np.array_equal(transforms.matrix_from_text(transforms.matrix_to_text(matrix)), matrix)
    assert np.array_equal(transforms.matrix_from_text(None), np.eye(4))


def test_parents_in_a_row_become_one_matrix(scene):
    outer, inner = rigid((-3, 5, 8), (1, 2, 3)), rigid((10, 20, 30), (7, -8, 9))
    node = add_transform(inner)
    node.SetAndObserveTransformNodeID(add_transform(outer).GetID())
    assert np.allclose(transforms.matrix_to_world(node), outer @ inner, rtol=0, atol=1e-12)


class TestRefusals:
    def test_hardening_what_bends(self, scene, tmp_path):
        SimpleITK.WriteTransform(KINDS["bspline"], str(tmp_path / "b.h5"))
        node = transforms.read_transform(tmp_path / "b.h5")
        node.SetName("warp")
        with pytest.raises(transforms.TransformError, match='"warp" is not linear'):
            transforms.matrix_to_world(node)

    def test_what_cannot_be_inverted(self, scene):
        node = add_transform(np.diag([1.0, 1, 0, 1]), "flat")
        with pytest.raises(transforms.TransformError, match='"flat" cannot be inverted'):
            transforms.matrix_to_world(node)

    def test_a_missing_or_damaged_file(self, tmp_path):
        (tmp_path / "a.tfm").write_text("nothing")
        for name in ("a.tfm", "b.tfm"):
            with pytest.raises(OSError, match=f"{name} cannot be read as a transform"):
                transforms.read_transform(tmp_path / name)
