"""Kind "none", and planes of slices: what needs no search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medfuse.errors import ParameterError, RegistrationError
from medfuse.registration.linear.planes import pair_of
from medfuse.registration.poses import axis_rotation, rotation_about
from medfuse.registration.without_search import without_search
from medfuse.transforms import apply, to_affine
from medfuse.volume import Geometry, Volume

BOX = Geometry((32, 32, 32), (2, 2, 2))
SLICE = Geometry((40, 30, 1), (1.5, 2, 5), (-20, 11, 7))


def blank(grid: Geometry) -> Volume:
    return Volume(np.zeros(grid.shape), grid, "MR")


def shifted(*mm: float) -> np.ndarray:
    return rotation_about(np.eye(3), np.zeros(3), np.array(mm, dtype=float))


class TestOverlap:
    @pytest.mark.parametrize(("mm", "share"), [(0, 1.0), (16, 0.75), (32, 0.5), (62, 1 / 16)])
    def test_is_the_share_of_the_field_of_view(self, mm: float, share: float) -> None:
        result = without_search(blank(BOX), blank(BOX), to_affine(shifted(mm, 0, 0)), 3)
        assert result.figures["overlap"] == pytest.approx(share, abs=1 / 16)
        assert (result.kind, result.verdict, result.seed, result.threads) == ("none", "given", 3, 1)
        assert "initial transform" in result.reasons[0]

    def test_is_that_of_the_smaller_one(self) -> None:
        small = Geometry((16, 16, 16), (2, 2, 2), (16, 16, 16))
        for pair in ((BOX, small), (small, BOX)):
            found = without_search(*map(blank, pair), None, 1)
            assert found.figures["overlap"] == pytest.approx(1, abs=0.15)
            assert "by the headers" in found.reasons[0]
        beside = replace(small, origin=(-16, 16, 16))
        for pair in ((BOX, beside), (beside, BOX)):
            assert without_search(*map(blank, pair), None, 1).figures["overlap"] == pytest.approx(
                0.5, abs=0.1
            )

    def test_reaches_half_a_voxel_beyond_the_outermost_centres(self) -> None:
        one = Geometry((2, 2, 2), (10, 10, 10))
        edge = replace(one, origin=(14.9, 0, 0))
        assert without_search(blank(one), blank(edge), None, 1).figures["overlap"] > 0
        with pytest.raises(RegistrationError, match=r"by their headers: their centres are 15 mm apart"):
            without_search(blank(one), blank(replace(one, origin=(15.1, 0, 0))), None, 1)


class TestPlanes:
    def test_volumes_are_taken_as_they_are(self) -> None:
        one, two = blank(BOX), blank(replace(BOX, origin=(5, 6, 7)))
        pair = pair_of(one, two)
        assert (pair.fixed, pair.moving, pair.planar) == (one, two, False)
        pose = shifted(1, 2, 3)
        assert pair.in_frames(pose) is pose
        np.testing.assert_array_equal(pair.in_world(pose), pose)

    @pytest.mark.parametrize("degrees", [(0, 0, 0), (90, 20, -35), (4, 170, 30)])
    def test_slices_are_laid_into_z_0(self, degrees) -> None:
        rotation = axis_rotation(2, degrees[2]) @ axis_rotation(1, degrees[1]) @ axis_rotation(0, degrees[0])
        fixed = replace(SLICE, direction=rotation)
        moving = replace(fixed, origin=tuple(np.add(fixed.origin, 3 * rotation[:, 0] + 40 * rotation[:, 2])))
        pair = pair_of(blank(fixed), blank(moving))
        assert pair.planar
        for volume, old, frame in (
            (pair.fixed, fixed, pair.to_fixed), (pair.moving, moving, pair.to_moving),
        ):  # fmt: skip
            assert volume.geometry.spacing == (1.5, 2.0, 1.0)
            np.testing.assert_allclose(volume.geometry.world([[9, 4, 0]])[0, 2], 0, atol=1e-9)
            np.testing.assert_allclose(
                volume.geometry.world([[9, 4, 0]]), apply(frame, old.world([[9, 4, 0]])), atol=1e-9
            )
        np.testing.assert_allclose(pair.fixed.geometry.centre, 0, atol=1e-9)
        np.testing.assert_allclose(pair.moving.geometry.centre, (3, 0, 0), atol=1e-9)
        np.testing.assert_array_equal(pair.header, np.eye(4))
        header = pair.in_world(pair.header)
        point = fixed.centre
        np.testing.assert_allclose(apply(header, point), point + 40 * rotation[:, 2], atol=1e-9)

    def test_a_slice_stored_from_its_other_side_is_seen_from_the_same(self) -> None:
        last = SLICE.world([0, SLICE.size[1] - 1, 0])
        other = replace(SLICE, origin=tuple(last), direction=np.diag([1.0, -1, -1]))
        pair = pair_of(blank(SLICE), blank(other))
        np.testing.assert_allclose(pair.to_moving, pair.to_fixed, atol=1e-9)

    @pytest.mark.parametrize(
        ("degrees", "parallel"), [(14.5, True), (15.5, False), (165.5, True), (164.5, False)]
    )
    def test_planes_are_parallel_up_to_15_degrees(self, degrees: float, parallel: bool) -> None:
        other = replace(SLICE, direction=axis_rotation(0, degrees))
        assert (pair_of(blank(SLICE), blank(other)).header is not None) == parallel

    def test_poses_in_the_plane_go_to_the_frames_and_back(self) -> None:
        pair = pair_of(blank(SLICE), blank(replace(SLICE, origin=(-20, 11, 47))))
        centre = SLICE.centre
        pose = rotation_about(axis_rotation(2, 25), centre, np.add(centre, (4, -3, 40)))
        flat = pair.in_frames(pose)
        np.testing.assert_allclose(flat[2], (0, 0, 1, 0), atol=1e-12)
        np.testing.assert_allclose(pair.in_world(flat), pose, atol=1e-9)
        slightly = rotation_about(axis_rotation(0, 0.9), centre, centre)
        np.testing.assert_allclose(pair.in_frames(slightly)[:2, :2], np.eye(2), atol=1e-12)
        with pytest.raises(ParameterError, match="out of the plane"):
            pair.in_frames(rotation_about(axis_rotation(0, 1.1), centre, centre))

    def test_a_slice_and_a_volume_are_no_pair(self) -> None:
        with pytest.raises(RegistrationError, match=r"fixed volume has a single slice .* has 32: a slice"):
            pair_of(blank(SLICE), blank(BOX))
        with pytest.raises(RegistrationError, match=r"moving volume has a single .* slice of the fixed"):
            pair_of(blank(BOX), blank(SLICE))
