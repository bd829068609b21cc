"""Smoothing before sampling, label maps, and the grids that studies are brought to."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from oriented import ORIENTED

from medfuse.errors import ParameterError
from medfuse.resampling import check_memory, output_grid, parse_grid, resample, whole_colours
from medfuse.resampling.interpolation import interpolate
from medfuse.resampling.smoothing import smooth, variances
from medfuse.volume import Geometry, Volume


def rotation(x: float, y: float, z: float) -> SimpleITK.Euler3DTransform:
    transform = SimpleITK.Euler3DTransform()
    transform.SetRotation(x, y, z)
    return transform


def direction(*angles: float) -> np.ndarray:
    return np.reshape(rotation(*angles).GetMatrix(), (3, 3))


ANGLES = st.tuples(*[st.floats(-3, 3)] * 3)


class TestVariances:
    def test_closed_form_along_the_axes(self) -> None:
        """σ = ½√(new² − old²) mm: 1 to 3 mm along x, none where the grid gets finer or stays."""
        old, new = Geometry((9, 9, 9), (1, 2, 4)), Geometry((3, 9, 9), (3, 2, 1))
        assert variances(old, new, None) == pytest.approx(((9 - 1) / 4, 0, 0))

    def test_axes_in_another_order(self) -> None:
        old = Geometry((9, 9, 9), (1, 2, 4))
        new = Geometry((9, 9, 9), (8, 1, 2), direction=np.array([[0, 1.0, 0], [0, 0, -1], [1, 0, 0]]))
        # its first step, 8 mm, runs along the old z; the second, 1 mm, along x; the third, 2 mm, along y
        assert variances(old, new, None) == pytest.approx((0, 0, (64 - 16) / 16 / 4))

    @settings(max_examples=30)
    @given(ANGLES, ANGLES)
    def test_a_turn_of_cubes_changes_nothing(self, angles, turn) -> None:
        old = Geometry((9, 9, 9), (1, 1, 1), direction=direction(*angles))
        assert variances(old, Geometry((9, 9, 9)), rotation(*turn)) == (0, 0, 0)
        coarse = Geometry((4, 4, 4), (2.5, 2.5, 2.5))
        assert variances(old, coarse, rotation(*turn)) == pytest.approx([(2.5**2 - 1) / 4] * 3)

    def test_a_transform_that_stretches_counts(self) -> None:
        stretch = SimpleITK.AffineTransform(3)
        stretch.SetMatrix(np.diag([2.0, 1, 1]).ravel().tolist())
        grid = Geometry((9, 9, 9))
        assert variances(grid, grid, stretch) == pytest.approx(((4 - 1) / 4, 0, 0))


class TestSmoothing:
    @pytest.mark.parametrize("variance", [0.02, 0.3, 1.0, 6.0])
    def test_a_point_spreads_by_the_variance_asked_for(self, variance: float) -> None:
        point = np.zeros((1, 1, 61), np.float32)
        point[0, 0, 30] = 1
        found = smooth(point, None, (variance, 0, 0)).ravel()
        x = np.arange(61) - 30
        assert found.sum() == pytest.approx(1, abs=1e-5)
        assert found @ x == pytest.approx(0, abs=1e-5)
        assert found @ x**2 == pytest.approx(variance, rel=2e-3)

    def test_each_axis_has_its_own(self) -> None:
        point = np.zeros((15, 17, 31), np.float32)
        point[7, 8, 15] = 1
        found = smooth(point, None, (2.0, 0, 0.5))
        z, y, x = np.indices(point.shape)
        spread = [(found * (axis - middle) ** 2).sum() for axis, middle in ((x, 15), (y, 8), (z, 7))]
        np.testing.assert_allclose(spread, (2, 0, 0.5), atol=5e-3)

    def test_a_constant_stays_constant_to_the_rim(self) -> None:
        found = smooth(np.full((5, 6, 7), 40, np.float32), None, (3, 2, 1))
        np.testing.assert_allclose(found, 40, rtol=1e-6)

    def test_padding_takes_no_part_and_gets_none(self) -> None:
        rng = np.random.default_rng(0)
        valid = rng.random((12, 12, 12)) > 0.3
        values = rng.normal(size=valid.shape).astype(np.float32)
        one, two = (np.where(valid, values, np.float32(padding)) for padding in (0, 1e6))
        found = [smooth(array, valid, (1, 1, 1)) for array in (one, two)]
        np.testing.assert_array_equal(found[0][valid], found[1][valid])
        assert np.abs(found[0][valid]).max() < np.abs(values[valid]).max()
        np.testing.assert_array_equal(found[1][~valid], two[~valid])


class TestAntialiasing:
    FINE = Geometry((64, 64, 4), (1, 1, 1))
    COARSE = Geometry((20, 20, 4), (3, 3, 1), (2.5, 2.5, 0))

    def grating(self, period: float) -> Volume:
        x = np.arange(64)
        wave = 100 * np.cos(2 * np.pi * (x / period))
        return Volume(np.broadcast_to(wave, self.FINE.shape), self.FINE)

    def test_what_the_grid_cannot_show_does_not_come_back_as_a_pattern(self) -> None:
        """A grating of 3.3 mm, sampled every 3 mm, would show as waves of 33 mm."""
        aliased = resample(self.grating(3.3), self.COARSE, antialias=False).array
        clean = resample(self.grating(3.3), self.COARSE).array
        assert np.ptp(aliased[:, :, 4:-4]) > 60
        # Closed form: exp(-2π²σ²/3.3²) of the discrete Gaussian's exp(-σ²(1 - cos)): σ² = 2
        left = 100 * np.exp(-2 * (1 - np.cos(2 * np.pi / 3.3)))
        assert np.ptp(clean[:, :, 4:-4]) < 2 * left + 1

    def test_what_it_can_show_stays(self) -> None:
        clean = resample(self.grating(32), self.COARSE).array
        assert np.ptp(clean[:, :, 4:-4]) > 190

    @pytest.mark.parametrize("name", ORIENTED)
    def test_the_mean_of_noise_stays_and_its_variance_falls(self, name: str) -> None:
        grid = Geometry((40, 40, 40), (1, 1, 1), direction=np.array(ORIENTED[name].direction))
        noise = Volume(np.random.default_rng(0).normal(50, 10, grid.shape), grid)
        onto = output_grid("isotropic:4", grid)
        found = resample(noise, onto)
        assert found.measured().mean() == pytest.approx(50, abs=0.5)
        assert found.measured().std() < 2.5
        assert resample(noise, onto, antialias=False).measured().std() > 3

    def test_nearest_is_never_smoothed(self) -> None:
        found = resample(self.grating(3.3), self.COARSE, interpolation="nearest")
        assert np.isin(found.array, self.grating(3.3).array).all()

    def test_finer_grids_are_not_smoothed(self) -> None:
        volume = Volume(np.random.default_rng(0).normal(size=self.COARSE.shape), self.COARSE)
        with_it, without = (resample(volume, self.FINE, antialias=on).array for on in (True, False))
        np.testing.assert_array_equal(with_it, without)

    def test_the_rim_next_to_padding_is_kept(self) -> None:
        valid = np.ones(self.FINE.shape, bool)
        valid[:, :, :10] = False
        array = np.where(valid, 70.0, -2000.0)
        found = resample(Volume(array, self.FINE, valid=valid), self.COARSE)
        first = int(np.ceil((10 - 2.5) / 3))
        assert found.valid[:, :, first:].all()
        assert not found.valid[:, :, :first].any()
        np.testing.assert_allclose(found.array[found.valid], 70, rtol=1e-5)


def test_colour_is_brought_back_to_what_files_hold() -> None:
    grid = Geometry((6, 6, 6))
    colour = Volume(np.random.default_rng(0).integers(0, 256, (6, 6, 6, 3)), grid)
    finer = resample(colour, output_grid("isotropic:0.7", grid), interpolation="bspline")
    assert finer.array.max() > 255
    whole = whole_colours(finer).array
    assert set(np.unique(whole)) <= set(range(256))
    assert np.abs(whole - finer.array.clip(0, 255)).max() <= 0.5
    grey = Volume(np.full((6, 6, 6), 0.3), grid)
    assert whole_colours(grey) is grey


class TestLabels:
    GRID = Geometry((6, 6, 6))

    def test_the_largest_share_of_a_coarse_voxel_wins(self) -> None:
        """Of 3³ voxels, 14 have label 5 and 13 have label 2, whatever the one in the middle has."""
        block = np.array([5] * 14 + [2] * 13, float)
        block[13] = 2  # the middle one
        block[20] = 5
        volume = Volume(block.reshape(3, 3, 3), Geometry((3, 3, 3)))
        onto = Geometry((1, 1, 1), (30, 30, 30), (1, 1, 1))
        assert resample(volume, onto, interpolation="nearest").array.item() == 2
        assert resample(volume, onto, interpolation="label").array.item() == 5

    def test_equals_itks_own_where_nothing_is_smoothed(self) -> None:
        rng = np.random.default_rng(0)
        coarse = rng.integers(0, 5, (4, 4, 4)).repeat(4, 0).repeat(4, 1).repeat(4, 2)
        volume = Volume(coarse, Geometry((16, 16, 16)))
        onto = Geometry((18, 18, 18), (0.7, 0.7, 0.7), (1.7, 1.3, 1.1), direction(0.1, 0.2, -0.1))
        ours = resample(volume, onto, interpolation="label").array
        image = SimpleITK.Cast(volume.to_sitk(), SimpleITK.sitkInt32)
        target = SimpleITK.Cast(Volume(np.zeros(onto.shape), onto).to_sitk(), SimpleITK.sitkInt32)
        theirs = SimpleITK.GetArrayFromImage(
            SimpleITK.Resample(image, target, SimpleITK.Transform(3, SimpleITK.sitkIdentity),
                               SimpleITK.sitkLabelLinear, 0)
        )  # fmt: skip
        inside = resample(volume, onto, interpolation="label").valid
        inside = np.ones(onto.shape, bool) if inside is None else inside
        assert (ours == theirs)[inside].mean() > 0.999  # ties may fall either way

    def test_equal_shares_go_to_the_smaller_label(self) -> None:
        volume = Volume(np.array([9.0, 4.0]).reshape(1, 1, 2), Geometry((2, 1, 1)))
        assert (
            resample(volume, Geometry((1, 1, 1), origin=(0.5, 0, 0)), interpolation="label").array.item() == 4
        )

    @pytest.mark.parametrize("spacing", [0.7, 2.6])
    def test_looking_only_around_each_label_changes_nothing(self, spacing: float) -> None:
        """Against the whole volume smoothed and sampled for each label."""
        rng = np.random.default_rng(2)
        array = np.zeros((24, 26, 28))
        for label in range(1, 6):
            z, y, x = rng.integers(0, 18, 3)
            array[z : z + 7, y : y + 5, x : x + 9] = label
        valid = np.ones(array.shape, bool)
        valid[:, :4] = valid[20:, 10:14] = False
        grid = Geometry((28, 26, 24), (1, 1, 1.5), (3, 4, 5), direction(0.2, 0.1, -0.3))
        volume = Volume(array, grid, valid=valid)
        onto = output_grid(f"isotropic:{spacing}", grid)
        move = rotation(0.1, -0.1, 0.2)
        found = resample(volume, onto, move, interpolation="label")
        spread = variances(grid, onto, move)
        shares = [
            interpolate(
                smooth((array == label).astype(np.float32), valid, spread), grid, onto, move, "linear"
            )
            for label in range(6)
        ]
        where = found.valid
        best = np.sort(shares, axis=0)
        clear = where & (best[-1] - best[-2] > 1e-5)
        np.testing.assert_array_equal(found.array[clear], np.argmax(shares, axis=0)[clear])
        assert clear.sum() > 0.9 * where.sum()
        assert len(np.unique(found.array[clear])) >= 5

    def test_padding_has_no_vote(self) -> None:
        array = np.full((6, 6, 6), 3.0)
        array[:, :, 3:] = 99
        valid = array == 3
        onto = Geometry((2, 2, 2), (3, 3, 3), (1, 1, 1))
        found = resample(Volume(array, self.GRID, valid=valid), onto, interpolation="label")
        assert found.valid[:, :, 0].all()
        assert (found.array == 3).all()

    @pytest.mark.parametrize(
        ("array", "message"),
        [
            (np.full((6, 6, 6), 0.5), "no whole numbers"),
            (np.full((6, 6, 6), 2.0**25), "no whole numbers up to 16777216"),
            (np.zeros((6, 6, 6, 3)), "a colour volume holds no labels"),
        ],
    )
    def test_refused(self, array, message) -> None:
        with pytest.raises(ParameterError, match=message):
            resample(Volume(array, self.GRID), self.GRID, interpolation="label")


def box(grid: Geometry) -> np.ndarray:
    """World points of the corners of the field of view, to the outer faces of the voxels."""
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in grid.size], indexing="ij")).reshape(3, -1).T
    return grid.world(corners)


class TestGrids:
    def test_fixed_is_the_fixed_one(self) -> None:
        assert output_grid("fixed", ORIENTED["oblique"]) is ORIENTED["oblique"]

    @pytest.mark.parametrize("name", ORIENTED)
    def test_isotropic_keeps_directions_centre_and_spacing(self, name: str) -> None:
        fixed = ORIENTED[name]
        grid = output_grid("isotropic:0.7", fixed)
        assert grid.spacing == (0.7, 0.7, 0.7)
        assert grid.direction == fixed.direction
        np.testing.assert_allclose(grid.centre, fixed.centre, atol=1e-9)
        assert np.abs(np.multiply(grid.size, 0.7) - np.multiply(fixed.size, fixed.spacing)).max() <= 0.35

    def test_isotropic_of_the_same_is_the_same(self) -> None:
        fixed = Geometry((10, 10, 10), (0.8, 0.8, 0.8), (3, 4, 5))
        assert output_grid("isotropic:0.8", fixed) is fixed
        assert output_grid("finest", fixed, [(fixed, None)]) is fixed

    @pytest.mark.parametrize("name", ORIENTED)
    def test_finest_covers_the_same_field_of_view(self, name: str) -> None:
        fixed = ORIENTED[name]
        grid = output_grid("finest", fixed, [(Geometry((50, 50, 50), (0.5, 0.5, 0.5)), None)])
        np.testing.assert_allclose(box(grid), box(fixed), atol=1e-9)
        assert max(grid.spacing) <= 0.5
        assert min(grid.spacing) > 0.45

    def test_finest_takes_the_finest_along_each_axis(self) -> None:
        """A CT with thick slices and an MR of 1 mm: fine in the plane from the CT, along z from the MR."""
        ct, mr = Geometry((100, 100, 20), (0.5, 0.5, 5)), Geometry((60, 60, 100), (1, 1, 1))
        grid = output_grid("finest", ct, [(mr, None)])
        assert grid.size == (100, 100, 100)
        assert grid.spacing == pytest.approx((0.5, 0.5, 1))

    def test_finest_follows_the_transform(self) -> None:
        """Sagittal slices, 4 mm apart, brought by a quarter turn onto axial ones."""
        fixed = Geometry((20, 20, 20), (3, 3, 3))
        moving = Geometry((20, 20, 20), (1, 1, 4))
        quarter = rotation(0, np.pi / 2, 0)  # the fixed x runs along the moving z
        straight, turned = (output_grid("finest", fixed, [(moving, t)]) for t in (None, quarter))
        assert straight.spacing == pytest.approx((1, 1, 3))
        assert turned.spacing == pytest.approx((3, 1, 1))

    def test_coarser_volumes_change_nothing(self) -> None:
        fixed = ORIENTED["LPS"]
        assert output_grid("finest", fixed, [(Geometry((9, 9, 9), (5, 5, 5)), None)]) is fixed

    def test_one_slice_stays_one_slice(self) -> None:
        fixed = Geometry((10, 10, 1), (1, 1, 5))
        assert output_grid("isotropic:0.5", fixed).size == (20, 20, 1)
        assert output_grid("isotropic:0.5", fixed).spacing == (0.5, 0.5, 5)
        assert output_grid("finest", Geometry((10, 10, 4), (1, 1, 5)), [(fixed, None)]).size == (10, 10, 4)

    def test_values_stay_at_their_world_points(self) -> None:
        fixed = Geometry((20, 18, 16), (1, 1.2, 2), (3, 4, 5), direction(0.3, -0.2, 0.5))
        slope = np.array([0.3, -0.7, 1.1])

        def ramp(grid: Geometry) -> np.ndarray:
            index = np.stack(np.meshgrid(*map(np.arange, grid.size), indexing="ij"), -1)
            return (grid.world(index) @ slope).transpose(2, 1, 0)

        grid = output_grid("isotropic:1.5", fixed)
        found = resample(Volume(ramp(fixed), fixed), grid)
        inner = (slice(2, -2),) * 3
        assert np.abs(found.array - ramp(grid))[inner].max() < 1e-3

    @pytest.mark.parametrize(
        "text",
        ["", "coarse", "isotropic", "isotropic:", "isotropic:0", "isotropic:-1", "isotropic:nan", "finest:1"],
    )
    def test_refused(self, text: str) -> None:
        with pytest.raises(ParameterError, match="expected fixed, finest, isotropic:MM"):
            parse_grid(text)

    def test_parsed(self) -> None:
        assert [parse_grid(t) for t in ("fixed", "finest", "isotropic:0.8")] == ["fixed", "finest", 0.8]

    def test_huge_grids_are_refused_with_the_numbers(self, monkeypatch) -> None:
        monkeypatch.delenv("MEDFUSE_MAX_VOXELS", raising=False)
        huge = output_grid("isotropic:0.05", Geometry((250, 250, 180)))
        with pytest.raises(
            ParameterError, match=r"5000×5000×3600 voxels.*needs about 5040\.0 GB for 2 volumes"
        ):
            check_memory(huge, 2)
        monkeypatch.setattr("medfuse.resampling.grids.available_bytes", lambda: 1 << 20)
        with pytest.raises(ParameterError, match=r"0\.0 GB can still be had: choose a coarser --grid"):
            check_memory(Geometry((100, 100, 100)), 2)
        monkeypatch.setattr("medfuse.resampling.grids.available_bytes", lambda: None)
        check_memory(Geometry((100, 100, 100)), 2)
