"""Geometry and Volume: equality, conversions, and what is refused."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from oriented import ORIENTED

from medfuse.errors import GeometryError
from medfuse.volume import Geometry, Volume

GRID = ORIENTED["oblique"]


def volume_on(geometry: Geometry, seed: int = 0) -> Volume:
    rng = np.random.default_rng(seed)
    return Volume(rng.normal(size=geometry.shape).astype(np.float32), geometry)


def moved(**changes) -> Geometry:
    return replace(GRID, **changes)


DIFFERENT = {
    "size": moved(size=(7, 6, 4)),
    "size order": moved(size=(6, 7, 5)),
    "spacing": moved(spacing=(0.9, 1.25, 2.41)),
    "origin": moved(origin=(-71.3, 38.25, 112.8)),
    "direction": moved(direction=ORIENTED["LPS"].direction),
}


def test_geometries_of_equal_numbers_are_equal() -> None:
    twin = Geometry(list(GRID.size), np.array(GRID.spacing), list(GRID.origin), np.array(GRID.direction))

    assert twin == GRID
    assert hash(twin) == hash(GRID)
    assert twin.matches(GRID)


@pytest.mark.parametrize("what", DIFFERENT)
def test_geometries_that_differ_in_one_thing_are_unequal_and_do_not_match(what: str) -> None:
    other = DIFFERENT[what]

    assert other != GRID
    assert not GRID.matches(other)
    assert not other.matches(GRID)


def test_matches_measures_the_farthest_voxel_in_millimetres() -> None:
    nearly = moved(origin=(GRID.origin[0] + 0.01, *GRID.origin[1:]))

    assert GRID.matches(nearly, tolerance=0.0101)
    assert not GRID.matches(nearly, tolerance=0.0099)


def test_a_small_spacing_error_counts_over_the_whole_extent() -> None:
    long = Geometry((1, 1, 1001), (1, 1, 1))
    stretched = Geometry((1, 1, 1001), (1, 1, 1.0001))

    assert long.matches(stretched, tolerance=0.11)
    assert not long.matches(stretched, tolerance=0.09)


@pytest.mark.parametrize("name", ORIENTED)
def test_index_undoes_world(name: str) -> None:
    grid = ORIENTED[name]
    index = np.random.default_rng(0).uniform(-3, 9, (20, 3))

    np.testing.assert_allclose(grid.index(grid.world(index)), index, atol=1e-10)
    np.testing.assert_allclose(grid.world((0, 0, 0)), grid.origin)


def test_world_by_hand() -> None:
    sagittal = Geometry((4, 3, 2), (2, 3, 5), (10, 20, 30), [[0, 0, -1], [1, 0, 0], [0, -1, 0]])

    np.testing.assert_array_equal(sagittal.world((1, 1, 1)), [10 - 5, 20 + 2, 30 - 3])


@pytest.mark.parametrize("name", ORIENTED)
def test_ras_affine_and_back(name: str) -> None:
    grid = ORIENTED[name]
    back = Geometry.from_ras_affine(grid.to_ras_affine(), grid.size)

    assert grid.matches(back, tolerance=1e-9)
    # RAS and LPS differ by the signs of x and y.
    np.testing.assert_allclose((grid.to_ras_affine() @ (1, 2, 3, 1))[:3], grid.world((1, 2, 3)) * (-1, -1, 1))


@pytest.mark.parametrize("name", ORIENTED)
def test_voxels_lie_where_simpleitk_and_nibabel_put_them(name: str) -> None:
    volume = volume_on(ORIENTED[name])
    image, nifti = volume.to_sitk(), volume.to_nibabel()

    for index in [(0, 0, 0), (6, 0, 0), (0, 5, 0), (0, 0, 4), (3, 2, 1)]:
        world = volume.geometry.world(index)
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), world, atol=1e-9)
        np.testing.assert_allclose((nifti.affine @ (*index, 1))[:3], world * (-1, -1, 1), atol=1e-9)
        assert image[index] == nifti.dataobj[index] == volume.array[index[::-1]]


@pytest.mark.parametrize("name", ORIENTED)
@pytest.mark.parametrize("library", ["sitk", "nibabel"])
def test_conversion_and_back(name: str, library: str) -> None:
    volume = volume_on(ORIENTED[name])
    back = getattr(Volume, f"from_{library}")(getattr(volume, f"to_{library}")())

    # nibabel holds the sform as NIfTI does, in single precision.
    assert back.geometry.matches(volume.geometry, tolerance=1e-4 if library == "nibabel" else 1e-9)
    np.testing.assert_array_equal(back.array, volume.array)


@pytest.mark.parametrize("library", ["sitk", "nibabel"])
def test_colour_is_kept(library: str) -> None:
    array = np.random.default_rng(0).integers(0, 256, (*GRID.shape, 3)).astype(np.float32)
    volume = Volume(array, GRID)
    back = getattr(Volume, f"from_{library}")(getattr(volume, f"to_{library}")())

    assert back.is_colour
    np.testing.assert_array_equal(back.array, array)


@pytest.mark.parametrize("value", [-1.0, 256.0, 0.5, np.nan])
def test_colour_that_8_bits_cannot_hold_is_no_nifti(value: float) -> None:
    with pytest.raises(GeometryError, match="0 to 255"):
        Volume(np.full((*GRID.shape, 3), value), GRID).to_nibabel()


def test_flat_images_are_no_volumes() -> None:
    import nibabel
    import SimpleITK

    with pytest.raises(GeometryError, match="2-D"):
        Volume.from_sitk(SimpleITK.Image(4, 3, SimpleITK.sitkFloat32))
    with pytest.raises(GeometryError, match=r"\(4, 3\)"):
        Volume.from_nibabel(nibabel.Nifti1Image(np.zeros((4, 3), np.float32), np.eye(4)))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (((4, 4),), "three axes"),
        (((4, 0, 4),), "at least one voxel"),
        (((4, 4, 4), (1, -1, 1)), "positive"),
        (((4, 4, 4), (1, 0, 1)), "positive"),
        (((4, 4, 4), (1, np.nan, 1)), "finite"),
        (((4, 4, 4), (1, 1, 1), (0, np.inf, 0)), "finite"),
        (((4, 4, 4), (1, 1, 1), (0, 0, 0), [[1, 0.01, 0], [0, 1, 0], [0, 0, 1]]), "right angles"),
        (((4, 4, 4), (1, 1, 1), (0, 0, 0), [[2, 0, 0], [0, 1, 0], [0, 0, 1]]), "unit length"),
        (((4, 4, 4), (1, 1, 1), (0, 0, 0), np.zeros((3, 3))), "unit length"),
        (((4, 4, 4), (1, 1, 1), (0, 0, 0), np.eye(2)), "direction of 4 numbers"),
    ],
)
def test_impossible_grids_are_refused(arguments: tuple, says: str) -> None:
    with pytest.raises(GeometryError, match=says):
        Geometry(*arguments)


@pytest.mark.parametrize("bad", [np.zeros((4, 4)), np.full((4, 4), np.nan)])
def test_affines_without_a_grid_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(GeometryError, match="singular or not finite"):
        Geometry.from_ras_affine(bad, (4, 4, 4))


def test_an_array_must_fit_its_grid() -> None:
    with pytest.raises(GeometryError, match="does not lie on a grid"):
        Volume(np.zeros(GRID.size), GRID)
    with pytest.raises(GeometryError, match="mask of shape"):
        Volume(np.zeros(GRID.shape), GRID, valid=np.ones(GRID.size))
    with pytest.raises(GeometryError, match="modality 'XR'"):
        Volume(np.zeros(GRID.shape), GRID, modality="XR")


def test_a_volume_cannot_be_changed() -> None:
    volume = Volume(
        np.zeros(GRID.shape), GRID, valid=np.eye(6, 7, dtype=bool)[None].repeat(5, 0), metadata={"a": 1}
    )

    with pytest.raises(ValueError, match="read-only"):
        volume.array[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        volume.valid[0, 0, 0] = True
    with pytest.raises(TypeError):
        volume.metadata["a"] = 2
    with pytest.raises(FrozenInstanceError):
        volume.geometry = GRID


def test_the_array_given_stays_writable() -> None:
    array = np.zeros(GRID.shape, np.float32)
    Volume(array, GRID)
    array[0] = 1

    assert array.flags.writeable


def test_measured_leaves_padding_out() -> None:
    valid = np.zeros(GRID.shape, bool)
    valid[1, 2, 3] = True
    volume = Volume(np.arange(np.prod(GRID.shape)).reshape(GRID.shape), GRID, valid=valid)

    np.testing.assert_array_equal(volume.measured(), [volume.array[1, 2, 3]])
    assert len(replace(volume, valid=None).measured()) == volume.array.size
    assert Volume(volume.array, GRID, valid=np.ones(GRID.shape)).valid is None


def test_with_array_and_notes_keep_the_rest() -> None:
    volume = Volume(np.zeros(GRID.shape), GRID, "CT", metadata={"PatientID": "x"}, notes=("one",))
    other = volume.with_array(np.ones(GRID.shape)).with_notes("two")

    assert (other.modality, other.metadata, other.notes) == ("CT", {"PatientID": "x"}, ("one", "two"))
    assert other.geometry is GRID
    assert other.array.min() == 1
    assert volume.array.max() == 0
