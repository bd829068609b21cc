"""Resampling puts every value where it belongs, and keeps padding out."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from medfuse.errors import ParameterError, UnknownNameError
from medfuse.resampling import INTERPOLATIONS, resample
from medfuse.volume import Geometry, Volume

SLOPE, OFFSET = np.array([0.3, -0.7, 1.1]), 20.0


def turned(x: float, y: float, z: float) -> np.ndarray:
    transform = SimpleITK.Euler3DTransform()
    transform.SetRotation(x, y, z)
    return np.reshape(transform.GetMatrix(), (3, 3))


GRIDS = {
    "LPS": np.eye(3),
    "RAS": np.diag([-1.0, -1.0, 1.0]),
    "LAS": np.diag([1.0, -1.0, 1.0]),
    "oblique": turned(0.3, -0.2, 0.5),
    "sagittal": np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]]),
}


@pytest.fixture(params=GRIDS)
def grid(request: pytest.FixtureRequest) -> Geometry:
    direction = GRIDS[request.param]
    size, spacing = np.array([24, 20, 16]), np.array([1.5, 1.25, 2.5])
    origin = np.array([3.0, -7, 11]) - direction @ ((size - 1) / 2 * spacing)
    return Geometry(tuple(size), tuple(spacing), tuple(origin), direction)


def points(geometry: Geometry) -> np.ndarray:
    """World points of all voxels (z, y, x, 3)."""
    index = np.stack(np.meshgrid(*map(np.arange, geometry.size), indexing="ij"), axis=-1)
    return geometry.world(index).transpose(2, 1, 0, 3)


def ramp(geometry: Geometry, at: np.ndarray | None = None) -> np.ndarray:
    """An intensity that grows along a slanted line of the world, so that values tell places."""
    return (points(geometry) if at is None else at) @ SLOPE + OFFSET


def around(geometry: Geometry, size: int = 12) -> Geometry:
    """A finer oblique grid in the middle of ``geometry``."""
    direction, spacing = turned(-0.4, 0.6, 0.2), np.array([0.9, 1.1, 0.8])
    origin = geometry.centre - direction @ ((size - 1) / 2 * spacing)
    return Geometry((size,) * 3, tuple(spacing), tuple(origin), direction)


@pytest.mark.parametrize("interpolation", ["linear", "bspline"])
def test_values_stay_at_their_world_points(grid: Geometry, interpolation: str) -> None:
    volume = Volume(ramp(grid), grid)
    result = resample(volume, around(grid), interpolation=interpolation)
    assert result.geometry == around(grid)
    assert result.valid is None
    # A ramp of about 1 per mm: an error of 1e-4 is one of 1e-4 mm.  A cubic spline bends at the rim.
    tolerance = 1e-4 if interpolation == "linear" else 5e-2
    assert np.abs(result.array - ramp(around(grid))).max() < tolerance


@settings(max_examples=25)
@given(
    # The inverse that ITK makes of a subnormal angle is not a number.
    angles=st.tuples(*[st.floats(-3, 3, allow_subnormal=False)] * 3),
    shift=st.tuples(*[st.floats(-20, 20)] * 3),
    direction=st.sampled_from(list(GRIDS)),
)
def test_a_transform_maps_points_of_the_target_to_points_of_the_volume(angles, shift, direction) -> None:
    transform = SimpleITK.Euler3DTransform()
    transform.SetRotation(*angles)
    transform.SetTranslation(shift)
    grid = Geometry((40, 40, 40), (1.5, 1.5, 1.5), direction=GRIDS[direction])
    centre = transform.GetInverse().TransformPoint(grid.centre.tolist())
    onto = Geometry((6, 7, 8), (2, 1, 3), tuple(np.asarray(centre) - (5, 3, 10)))
    result = resample(Volume(ramp(grid), grid), onto, transform)
    mapped = [transform.TransformPoint(p) for p in points(onto).reshape(-1, 3).tolist()]
    expected = ramp(grid, np.reshape(mapped, (*onto.shape, 3)))
    assert result.valid is None
    assert np.abs(result.array - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_the_same_grid_gives_the_same_values(grid: Geometry, interpolation: str) -> None:
    array = np.random.default_rng(0).normal(0, 100, size=grid.shape).round().astype(np.float32)
    result = resample(Volume(array, grid), grid, interpolation=interpolation)
    np.testing.assert_allclose(result.array, array, atol=1e-2)
    assert result.valid is None


def test_there_and_back_returns_to_the_same_place(grid: Geometry) -> None:
    centre = around(grid, 5)
    there = resample(Volume(ramp(grid), grid), around(grid))
    back = resample(there, Geometry((3, 3, 3), (0.5,) * 3, tuple(centre.centre - 0.5)))
    assert np.abs(back.array - ramp(back.geometry)).max() < 1e-4


@pytest.mark.parametrize("interpolation", ["nearest", "label"])
def test_no_new_labels(grid: Geometry, interpolation: str) -> None:
    labels = np.random.default_rng(0).choice([0, 3, 7, 250, -1, 2**24], size=grid.shape)
    result = resample(Volume(labels, grid), around(grid), interpolation=interpolation)
    assert set(np.unique(result.array)) <= {0, 3, 7, 250, -1, 2**24}
    assert len(np.unique(result.array)) >= 5


def test_nearest_takes_the_voxel_that_holds_the_point() -> None:
    array = np.arange(5.0).reshape(1, 1, 5)
    onto = Geometry((4, 1, 1), (1, 1, 1), (0.4, 0, 0))
    result = resample(Volume(array, Geometry((5, 1, 1))), onto, interpolation="nearest")
    assert result.array.ravel().tolist() == [0, 1, 2, 3]


def test_outside_is_the_smallest_value_and_not_measured() -> None:
    geometry = Geometry((4, 4, 4))
    volume = Volume(np.full((4, 4, 4), 40.0) + np.arange(4) * 10 - 1000, geometry, "CT")
    onto = Geometry((8, 4, 4), origin=(-2, 0, 0))
    result = resample(volume, onto)
    inside = np.broadcast_to((np.arange(8) >= 2) & (np.arange(8) < 6), (4, 4, 8))
    np.testing.assert_array_equal(result.valid, inside)
    assert (result.array[~inside] == -960).all()
    np.testing.assert_array_equal(result.array[inside], volume.array.ravel())


@pytest.mark.parametrize(("offset", "inside"), [(-0.51, False), (-0.49, True), (3.49, True), (3.51, False)])
def test_a_volume_ends_half_a_voxel_beyond_its_outermost_centres(offset: float, inside: bool) -> None:
    volume = Volume(np.arange(64.0).reshape(4, 4, 4), Geometry((4, 4, 4)))
    result = resample(volume, Geometry((1, 1, 1), origin=(offset, 1, 1)))
    assert (result.valid is None) == inside
    assert result.array.item() == (volume.array[1, 1, round(np.clip(offset, 0, 3))] if inside else 0)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_padding_never_mixes_with_measured_values(interpolation: str) -> None:
    rng = np.random.default_rng(0)
    geometry = Geometry((16, 16, 16))
    valid = np.zeros(geometry.shape, dtype=bool)
    valid[3:13, 3:13, 3:13] = True
    values = np.rint(100 + rng.normal(size=geometry.shape))
    onto = Geometry((18, 18, 18), (0.7, 0.7, 0.7), (1.2, 1.3, 1.1), turned(0.1, 0.2, -0.1))
    low, high = (
        resample(
            Volume(np.where(valid, values, padding), geometry, valid=valid), onto, interpolation=interpolation
        )
        for padding in (-1e6, 1e6)
    )
    np.testing.assert_array_equal(low.valid, high.valid)
    np.testing.assert_array_equal(low.array, high.array)
    assert 500 < low.valid.sum() < low.valid.size
    assert (np.abs(low.array[low.valid] - 100) < 10).all()
    assert (low.array[~low.valid] == values[valid].min().astype(np.float32)).all()


def test_a_voxel_with_any_share_of_padding_is_padding() -> None:
    valid = np.array([True, True, False, True]).reshape(1, 1, 4)
    volume = Volume(np.arange(4.0).reshape(1, 1, 4), Geometry((4, 1, 1)), valid=valid)
    onto = Geometry((31, 1, 1), (0.1, 1, 1))
    result = resample(volume, onto)
    x = np.arange(31) / 10
    np.testing.assert_array_equal(result.valid.ravel(), (x < 1.001) | (x > 2.999))
    np.testing.assert_allclose(result.array.ravel()[:11], x[:11], atol=1e-5)


def test_nan_in_the_padding_does_not_spread() -> None:
    array = np.ones((6, 6, 6))
    array[0] = np.nan
    volume = Volume(array, Geometry((6, 6, 6)), valid=~np.isnan(array))
    for interpolation in INTERPOLATIONS:
        assert np.isfinite(resample(volume, around(volume.geometry), interpolation=interpolation).array).all()


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_one_slice_has_its_thickness(interpolation: str) -> None:
    volume = Volume(np.full((1, 8, 8), 5.0), Geometry((8, 8, 1), (1, 1, 4)))
    onto = Geometry((4, 4, 7), (1, 1, 1), (2, 2, -3.1))
    result = resample(volume, onto, interpolation=interpolation)
    measured = result.valid.all(axis=(1, 2))
    assert measured.tolist() == [False, False, True, True, True, True, False]  # -1.1 to 1.9 mm
    np.testing.assert_allclose(result.array[measured], 5, rtol=1e-6)


def test_colour_is_resampled_channel_by_channel() -> None:
    geometry = Geometry((12, 12, 12))
    channels = [ramp(geometry), 2 * ramp(geometry), np.full(geometry.shape, 7.0)]
    colour = resample(Volume(np.stack(channels, axis=-1), geometry), around(geometry, 6))
    for index, channel in enumerate(channels):
        alone = resample(Volume(channel, geometry), around(geometry, 6))
        np.testing.assert_array_equal(colour.array[..., index], alone.array)


def test_everything_but_pixels_and_grid_is_kept() -> None:
    volume = Volume(np.ones((4, 4, 4)), Geometry((4, 4, 4)), "PT", metadata={"k": 1}, notes=("n",))
    result = resample(volume, Volume(np.zeros((2, 2, 2)), Geometry((2, 2, 2))))
    assert (result.modality, dict(result.metadata), result.notes) == ("PT", {"k": 1}, ("n",))
    assert result.array.dtype == np.float32


def test_nothing_in_common_leaves_nothing_measured() -> None:
    volume = Volume(np.ones((4, 4, 4)), Geometry((4, 4, 4)))
    result = resample(volume, Geometry((3, 3, 3), origin=(100, 0, 0)))
    assert not result.valid.any()
    again = resample(result, volume)  # also a volume without any measured voxel can be resampled
    assert not again.valid.any()


def test_wrong_words_are_refused() -> None:
    volume = Volume(np.ones((4, 4, 4)), Geometry((4, 4, 4)))
    with pytest.raises(UnknownNameError, match="linear, nearest, bspline, label"):
        resample(volume, volume, interpolation="cubic")
    with pytest.raises(ParameterError, match="2-D"):
        resample(volume, volume, SimpleITK.Transform(2, SimpleITK.sitkIdentity))
