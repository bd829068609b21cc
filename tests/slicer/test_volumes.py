"""Volume nodes and files: no voxel and no millimetre is lost on the way."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
import slicer
import slicer.util
import vtk
from MedFuseLib import volumes
from oriented import ORIENTED
from scene_factory import add_volume

from medfuse import read_volume

TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")


def world_of_corners(shape, matrix):
    corners = [[x, y, z, 1] for x in (0, shape[2] - 1) for y in (0, shape[1] - 1) for z in (0, shape[0] - 1)]
    return (np.array(corners) @ matrix.T)[:, :3]


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("orientation", ORIENTED)
def test_exported_exactly_in_ras(scene, tmp_path, orientation, colour):
    """Read by medfuse, SimpleITK and Slicer's own storage node, every voxel lies where the node has it."""
    grid = ORIENTED[orientation]
    shape = (*grid.shape, 3) if colour else grid.shape
    array = np.arange(np.prod(shape)).reshape(shape).astype("uint8" if colour else "int16")
    node = add_volume(array, grid.to_ras_affine(), "volume")
    path = tmp_path / "Messung, Größe 1 磁気.nrrd"
    volumes.write_nrrd(path, volumes.array_of(node), volumes.matrix_of(node))

    read = read_volume(path, modality="OT")
    assert np.array_equal(read.array, array)
    wanted = world_of_corners(shape, grid.to_ras_affine())
    assert np.allclose(world_of_corners(shape, read.geometry.to_ras_affine()), wanted, rtol=0, atol=1e-11)

    again, matrix = volumes.read_image(path)
    assert again.dtype == array.dtype
    assert np.array_equal(again, array)
    assert np.allclose(world_of_corners(shape, matrix), wanted, rtol=0, atol=1e-11)

    stored = scene.AddNewNodeByClass(node.GetClassName())
    storage = slicer.vtkMRMLNRRDStorageNode()
    storage.SetFileName(str(path))
    assert storage.ReadData(stored)
    assert np.array_equal(volumes.array_of(stored), array)
    assert np.allclose(world_of_corners(shape, volumes.matrix_of(stored)), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", TYPES)
def test_number_types_stay(scene, tmp_path, name):
    limits = np.iinfo(name) if np.dtype(name).kind in "iu" else np.finfo(name)
    array = np.array([limits.min, 0, 1, limits.max], name).reshape(1, 2, 2)
    node = add_volume(array, np.eye(4), "volume")
    volumes.write_nrrd(tmp_path / "a.nrrd", volumes.array_of(node), np.eye(4))
    image = SimpleITK.ReadImage(str(tmp_path / "a.nrrd"))
    assert SimpleITK.GetArrayFromImage(image).dtype == np.dtype(name)
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), array)


def test_a_big_endian_array_is_written_right(tmp_path):
    array = np.arange(8, dtype=">i2").reshape(2, 2, 2)
    volumes.write_nrrd(tmp_path / "a.nrrd", array, np.eye(4))
    assert np.array_equal(volumes.read_image(tmp_path / "a.nrrd")[0], array)


@pytest.mark.parametrize("orientation", ORIENTED)
def test_set_volume_and_read_back(scene, orientation):
    grid = ORIENTED[orientation]
    array = np.random.default_rng(1).normal(size=grid.shape).astype(np.float32)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    volumes.set_volume(node, array, grid.to_ras_affine())
    assert np.array_equal(volumes.array_of(node), array)
    assert np.allclose(volumes.matrix_of(node), grid.to_ras_affine(), rtol=0, atol=1e-12)
    array[:] = 0
    assert volumes.array_of(node).any()  # a copy


def test_an_image_whose_indices_do_not_begin_at_zero(scene):
    node = add_volume(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.diag([2.0, 3, 4, 1]), "cropped")
    node.GetImageData().SetExtent(5, 8, 6, 8, 7, 8)
    assert np.array_equal(volumes.matrix_of(node)[:3, 3], [10, 18, 28])
    assert volumes.array_of(node).shape == (2, 3, 4)


def test_a_vector_volume_of_one_value_is_grey(scene):
    node = add_volume(
        np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4), "a", "vtkMRMLVectorVolumeNode"
    )
    assert volumes.problem(node) == ""
    assert volumes.array_of(node).shape == (2, 3, 4)


class TestRefusals:
    def test_a_usable_volume_is_not_refused(self, scene):
        assert volumes.problem(add_volume(np.zeros((2, 3, 4), np.int16), np.eye(4), "fine")) == ""

    def test_no_voxels(self, scene):
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
        assert '"empty" has no voxels' in volumes.problem(node)
        node.SetAndObserveImageData(vtk.vtkImageData())
        assert '"empty" has no voxels' in volumes.problem(node)

    @pytest.mark.parametrize("values", [2, 4])
    def test_neither_grey_nor_colour(self, scene, values):
        node = add_volume(np.zeros((2, 3, 4, values), np.uint8), np.eye(4), "many")
        assert f'"many" has {values} values in each voxel' in volumes.problem(node)

    def test_sheared_by_itself_or_by_its_transform(self, scene):
        node = add_volume(np.zeros((2, 3, 4), np.int16), np.eye(4), "a")
        shear = np.eye(4)
        shear[0, 1] = 0.1
        assert "the transform that it is under makes its axes sheared" in volumes.problem(node, shear)
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(shear))
        assert "its axes are sheared" in volumes.problem(node)

    def test_a_transform_that_flattens(self, scene):
        node = add_volume(np.zeros((2, 3, 4), np.int16), np.eye(4), "a")
        assert "voxels of no size" in volumes.problem(node, np.diag([1.0, 0, 1, 1]))

    def test_a_damaged_image_file(self, tmp_path):
        (tmp_path / "fused.nii.gz").write_bytes(b"nothing")
        with pytest.raises(OSError, match=r"fused\.nii\.gz cannot be read"):
            volumes.read_image(tmp_path / "fused.nii.gz")
