"""The parts of the search: poses, preparation, quick scores, and the verdict."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from medfuse.registration.deformable.displacement import Deformation
from medfuse.registration.deformable.mind import describe
from medfuse.registration.linear.climb import COARSE, ScoredPose, Stage
from medfuse.registration.linear.search import agreement
from medfuse.registration.linear.starts import QuickScore
from medfuse.registration.linear.transform_models import TRANSFORM_MODELS
from medfuse.registration.poses import (
    axis_rotation,
    distance,
    is_rigid,
    nearest_rigid,
    pose_of,
    principal_stretches,
    rotation_about,
    rotation_angle,
    rotation_grid,
    shear_angle,
    to_euler,
)
from medfuse.registration.pyramid.prepare import prepare
from medfuse.registration.pyramid.separable import averaged, interpolation, smoothing, voxel_centres
from medfuse.registration.quality import judge
from medfuse.transforms import inverse, to_affine
from medfuse.volume import Geometry, Volume

angles = st.floats(-180, 180)
lengths = st.floats(-500, 500)
right_angles = st.sampled_from([-180.0, -90.0, 0.0, 90.0, 180.0])
GOOD = {
    "mi_before": 0.1,
    "mi_after": 0.8,
    "agreement_mm": 0.1,
    "agreement_deg": 0.1,
    "rival": 0.7,
    "inverse_consistency_mm": 0.4,
    "halves_mm": 0.3,
    "halves_deg": 0.2,
    "overlap": 0.9,
    "rotation_deg": 178.0,
    "translation_mm": 300.0,
}


class TestPoses:
    @given(st.tuples(*[angles | right_angles] * 3), st.tuples(*[lengths] * 3), st.tuples(*[lengths] * 3))
    def test_become_the_same_itk_transform(self, degrees, centre, target) -> None:
        rotation = axis_rotation(2, degrees[2]) @ axis_rotation(1, degrees[1]) @ axis_rotation(0, degrees[0])
        pose = rotation_about(rotation, np.array(centre), np.array(target))
        for transform in (to_affine(pose), to_euler(pose, np.array(centre))):
            np.testing.assert_allclose(transform.TransformPoint(centre), target, atol=1e-6)
            np.testing.assert_allclose(pose_of(transform), pose, atol=1e-6)
        np.testing.assert_allclose(pose @ inverse(pose), np.eye(4), atol=1e-9)
        assert is_rigid(pose)

    @pytest.mark.parametrize("degrees", [0.0, 1e-6, 12.5, 90.0, 179.999999, 180.0])
    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_know_their_angle(self, axis: int, degrees: float) -> None:
        pose = rotation_about(axis_rotation(axis, degrees), np.array([1.0, 2, 3]), np.zeros(3))
        assert rotation_angle(pose) == pytest.approx(degrees, abs=1e-9)
        assert rotation_angle(inverse(pose)) == pytest.approx(degrees, abs=1e-9)

    def test_rotate_by_the_right_hand_rule(self) -> None:
        np.testing.assert_allclose(axis_rotation(2, 90) @ (1, 0, 0), (0, 1, 0), atol=1e-12)
        np.testing.assert_allclose(axis_rotation(0, 90) @ (0, 1, 0), (0, 0, 1), atol=1e-12)
        np.testing.assert_allclose(axis_rotation(1, 90) @ (0, 0, 1), (1, 0, 0), atol=1e-12)

    def test_a_mirror_a_scale_and_a_shear_are_not_rigid(self) -> None:
        for matrix in (np.diag([-1.0, 1, 1]), np.diag([1.0, 1, 1.01]), np.eye(3) + 0.01 * np.eye(3, k=1)):
            pose = np.eye(4)
            pose[:3, :3] = matrix
            assert not is_rigid(pose)

    @given(st.tuples(*[angles] * 3), st.tuples(*[st.floats(0.8, 1.25)] * 3), st.tuples(*[lengths] * 3))
    def test_come_apart_into_rotation_and_stretch(self, degrees, scales, shift) -> None:
        rotation = axis_rotation(2, degrees[2]) @ axis_rotation(1, degrees[1]) @ axis_rotation(0, degrees[0])
        centre = np.array([10.0, -20, 30])
        rigid = rotation_about(rotation, centre, centre + shift)
        pose = rigid @ rotation_about(np.diag(scales), centre, centre)
        np.testing.assert_allclose(nearest_rigid(pose, centre), rigid, atol=1e-6)
        np.testing.assert_allclose(principal_stretches(pose[:3, :3]), sorted(scales, reverse=True), atol=1e-9)
        assert shear_angle(pose[:3, :3]) == pytest.approx(0, abs=1e-6)
        assert rotation_angle(pose) == pytest.approx(rotation_angle(rigid), abs=1e-5)

    def test_know_their_shear(self) -> None:
        sheared = np.array([[1, np.tan(np.radians(7)), 0], [0, 1, 0], [0, 0, 1]])
        assert shear_angle(sheared) == pytest.approx(7)
        assert shear_angle(axis_rotation(0, 40) @ sheared) == pytest.approx(7)

    @pytest.mark.parametrize(
        ("kind", "matrix"),
        [
            ("rigid", axis_rotation(2, 30)),
            ("similarity", 1.1 * axis_rotation(2, 30)),
            ("affine", axis_rotation(2, 30) @ np.diag([1.1, 0.9, 1])),
        ],
    )
    def test_become_transforms_whose_parameters_are_free_in_the_plane_or_not(self, kind, matrix) -> None:
        pose, centre = rotation_about(matrix, np.zeros(3), np.array([4.0, 5, 0])), np.array([1.0, 2, 0])
        move = TRANSFORM_MODELS[kind]
        transform = move.transform(pose, centre)
        np.testing.assert_allclose(pose_of(transform), pose, atol=1e-12)
        parameters = np.array(transform.GetParameters())
        assert len(move.in_plane) == len(parameters)
        for i, free in enumerate(move.in_plane):
            other = SimpleITK.Transform(transform)
            other.SetParameters((parameters + 0.01 * np.eye(len(parameters))[i]).tolist())
            stays = all(
                abs(other.TransformPoint(p)[2]) < 1e-12 for p in [(0.0, 0, 0), (9.0, 0, 0), (0.0, 9, 0)]
            )
            assert stays or not free, f"parameter {i} of {kind} leaves the plane"

    def test_their_distance_is_what_points_move(self) -> None:
        shifted = rotation_about(np.eye(3), np.zeros(3), np.array([3.0, 4, 0]))
        assert distance(np.eye(4), shifted, np.random.default_rng(0).normal(size=(5, 3))) == pytest.approx(5)

    def test_the_grid_of_rotations_starts_with_none(self) -> None:
        rotations = rotation_grid((-20.0, 0.0, 20.0))
        assert len(rotations) == 27
        np.testing.assert_array_equal(rotations[0], np.eye(3))
        assert len({tuple(np.round(one.ravel(), 9)) for one in rotations}) == 27


class TestPreparation:
    def test_lies_on_the_same_box_in_0_to_1(self) -> None:
        geometry = Geometry((30, 20, 10), (2, 3, 5), (7, -8, 9), np.diag([-1.0, -1, 1]))
        ramp = geometry.world(np.stack(np.meshgrid(*map(np.arange, geometry.size), indexing="ij"), -1))[
            ..., 0
        ]
        sampled = prepare(Volume(ramp.T, geometry, "MR"), "fixed", 4.0)
        np.testing.assert_allclose(sampled.image.GetSpacing(), 4)
        np.testing.assert_allclose(sampled.centre, geometry.centre, atol=1e-9)
        np.testing.assert_array_equal(np.multiply(sampled.image.GetSize(), 4) >= (60, 60, 50), True)
        assert sampled.array.min() >= 0
        assert sampled.array.max() <= 1
        inner = sampled.array[5:-5, 5:-5, 4:-4]
        x = sampled.image.GetOrigin()[0] - 4 * np.arange(sampled.image.GetSize()[0])[4:-4]
        slope = np.polyfit(x, inner.mean(axis=(0, 1)), 1)
        np.testing.assert_allclose(np.polyval(slope, x), inner.mean(axis=(0, 1)), atol=1e-3)
        assert np.polyval(slope, geometry.centre[0]) == pytest.approx(0.5, abs=1e-3)

    def test_metal_does_not_squeeze_a_ct(self) -> None:
        array = np.full((20, 20, 20), -1000.0)
        array[4:16, 4:16, 4:16] = 40
        array[8:12, 8:12, 8:12] = 25000
        sampled = prepare(Volume(array, Geometry((20, 20, 20)), "CT"), "fixed", 1.0)
        assert sampled.array[5, 5, 5] == pytest.approx(1040 / 2500, abs=0.01)

    def test_padding_is_masked_and_dark(self) -> None:
        array = np.random.default_rng(0).uniform(100, 200, (12, 12, 12))
        array[:4] = 9999
        valid = array < 9999
        sampled = prepare(Volume(array, Geometry((12, 12, 12)), valid=valid), "fixed", 1.0)
        np.testing.assert_array_equal(sampled.measured, valid)
        assert (sampled.array[:4] == 0).all()
        assert np.median(sampled.array[4:]) == pytest.approx(0.5, abs=0.1)

    def test_colour_becomes_luma(self) -> None:
        array = np.random.default_rng(0).uniform(0, 1, (8, 8, 8, 3))
        luma = array @ (0.299, 0.587, 0.114)
        colour = prepare(Volume(array, Geometry((8, 8, 8))), "fixed", 1.0)
        grey = prepare(Volume(luma, Geometry((8, 8, 8))), "fixed", 1.0)
        np.testing.assert_allclose(colour.array, grey.array, atol=1e-5)

    def test_the_body_is_what_is_bright(self) -> None:
        array = np.zeros((20, 20, 20))
        array[5:11, 3:9, 8:14] = 1
        array[7, 5, 10] = 0  # a hole
        sampled = prepare(Volume(array, Geometry((20, 20, 20), origin=(100, 0, 0))), "fixed", 1.0)
        assert len(sampled.foreground_points) == 216
        np.testing.assert_allclose(sampled.centre_of_mass, (110.5, 5.5, 7.5))


class TestGrids:
    def test_keep_a_constant_and_the_middle_of_a_ramp(self) -> None:
        at = voxel_centres(40, 17, 2.5)
        matrix = interpolation(40, at) @ smoothing(40, 1.1)
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)
        ramp = (matrix @ np.arange(40, dtype=np.float32))[3:-3]
        np.testing.assert_allclose(ramp, at[3:-3], atol=1e-4)
        assert (at[0] + at[-1]) / 2 == pytest.approx(19.5)

    def test_smooth_as_scipy_does(self) -> None:
        from scipy.ndimage import gaussian_filter1d

        impulse = np.zeros(31, dtype=np.float32)
        impulse[15] = 1
        expected = gaussian_filter1d(impulse, 1.7, truncate=5)
        np.testing.assert_allclose(smoothing(31, 1.7) @ impulse, expected, atol=2e-4)
        np.testing.assert_array_equal(smoothing(5, 0.0).toarray(), np.eye(5))

    def test_a_wide_gaussian_reaches_from_end_to_end(self) -> None:
        assert (smoothing(4, 10.0).toarray() > 0).all()

    def test_padding_takes_no_part_in_means(self) -> None:
        rng = np.random.default_rng(0)
        measured = np.indices((12, 12, 12))[2] < 7
        array = np.where(measured, 5 + 0.01 * rng.normal(size=(12, 12, 12)), 0).astype(np.float32)
        matrices = [smoothing(12, 1.5)] * 3
        assert averaged(array, None, matrices)[6, 6, 6] < 4
        np.testing.assert_allclose(averaged(array, measured, matrices)[measured], 5, atol=0.02)


class TestDescriptors:
    def test_do_not_see_contrast(self) -> None:
        """Inverted, scaled and shifted, an image has the same surroundings."""
        array = np.random.default_rng(0).normal(size=(9, 10, 11)).astype(np.float32)
        one, structure = describe(array)
        two, _ = describe(-3 * array + 7)
        np.testing.assert_allclose(one, two, atol=1e-4)
        assert one.shape == (12, 9, 10, 11)
        np.testing.assert_allclose(one.max(axis=0), 1)
        assert 0 < structure.min() < structure.max() < 1

    def test_move_with_the_image_and_tell_edges_apart(self) -> None:
        array = np.zeros((22, 22, 22), np.float32)
        array[8:13, 8:12, 9:14] = 1
        one, structure = describe(array)
        two, _ = describe(np.roll(array, 2, axis=1))
        inner = (slice(None), *(slice(6, -6),) * 3)
        np.testing.assert_allclose(np.roll(one, 2, axis=2)[inner], two[inner], atol=1e-5)
        assert structure[10, 8, 11] > 10 * structure[20, 20, 20]
        flat, nothing = describe(np.ones((6, 6, 6), np.float32))
        np.testing.assert_array_equal(flat, 1)
        np.testing.assert_array_equal(nothing, 0)


class TestDeformations:
    @pytest.mark.parametrize("direction", [np.eye(3), axis_rotation(2, 30) @ axis_rotation(0, 70)])
    def test_know_their_jacobian(self, direction: np.ndarray) -> None:
        """Of a linear field the determinant is known."""
        image = SimpleITK.Image((9, 8, 7), SimpleITK.sitkFloat32)
        image.SetSpacing((1.5, 2.0, 3.0))
        image.SetDirection(direction.ravel().tolist())
        linear = np.array([[0.1, 0.05, 0], [-0.2, 0.02, 0.1], [0, 0.3, -0.1]])
        z, y, x = np.indices((7, 8, 9))
        world = np.stack([1.5 * x, 2.0 * y, 3.0 * z], axis=-1) @ direction.T
        deformation = Deformation(world @ linear.T, image)
        np.testing.assert_allclose(deformation.jacobian(), np.linalg.det(np.eye(3) + linear), atol=1e-9)
        point = deformation.transform().TransformPoint(world[3, 4, 5].tolist())
        np.testing.assert_allclose(point, world[3, 4, 5] + linear @ world[3, 4, 5], atol=1e-6)

    def test_know_where_they_fold(self) -> None:
        field = np.zeros((6, 6, 6, 3))
        field[..., 0] = -1.5 * np.indices((6, 6, 6))[2]
        assert Deformation(field, SimpleITK.Image((6, 6, 6), SimpleITK.sitkFloat32)).jacobian().max() < 0


class TestQuickScores:
    @pytest.fixture
    def stage(self) -> Stage:
        rng = np.random.default_rng(0)
        array = SimpleITK.GetArrayFromImage(
            SimpleITK.SmoothingRecursiveGaussian(
                SimpleITK.GetImageFromArray(rng.normal(size=(14, 14, 14))), 1.0
            )
        )
        fixed = prepare(Volume(array, Geometry((14, 14, 14), (5, 5, 5)), "MR"), "fixed", 5.0)
        moving = prepare(Volume(-array, Geometry((14, 14, 14), (5, 5, 5)), "MR"), "moving", 5.0)
        return Stage(fixed, moving, COARSE, 1)

    def test_equal_the_textbook_formula(self, stage: Stage) -> None:
        """All 2744 voxels are compared, on 16 × 16 bins."""
        joint, _, _ = np.histogram2d(
            stage.fixed.array.ravel(), stage.moving.array.ravel(), bins=16, range=((0, 1 + 1e-9),) * 2
        )
        joint /= joint.sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = joint * np.log(joint / np.outer(joint.sum(axis=1), joint.sum(axis=0)))
        assert QuickScore(stage).score(np.eye(4)) == pytest.approx(np.nansum(terms), abs=1e-6)

    def test_know_the_overlap(self, stage: Stage) -> None:
        comparison = QuickScore(stage)
        for voxels in range(15):
            pose = rotation_about(np.eye(3), np.zeros(3), np.array([5.0 * voxels, 0, 0]))
            assert comparison.overlap(pose) == pytest.approx(1 - voxels / 14)
            assert np.isfinite(comparison.score(pose)) == (voxels <= 11)  # 20 % is the least

    def test_are_best_where_the_volumes_match(self, stage: Stage) -> None:
        comparison = QuickScore(stage)
        best = comparison.score(np.eye(4))
        for axis in range(3):
            moved = rotation_about(axis_rotation(axis, 15), stage.fixed.centre, stage.fixed.centre)
            assert comparison.score(moved) < 0.8 * best

    def test_itk_finds_no_overlap_without_an_error(self, stage: Stage) -> None:
        far = rotation_about(np.eye(3), np.zeros(3), np.array([500.0, 0, 0]))
        assert stage.score(far) == -np.inf
        assert stage.climb(far, lambda fraction, message: None, "").mi == -np.inf


class TestRivals:
    """What counts as another place where the volumes match."""

    @staticmethod
    def shifted(mm: float) -> np.ndarray:
        return rotation_about(np.eye(3), np.zeros(3), np.array([mm, 0, 0]))

    def figures(self, tried: list[ScoredPose], finalists: list[ScoredPose]) -> dict[str, float]:
        array = np.random.default_rng(0).uniform(size=(20, 20, 20))
        body = prepare(Volume(array, Geometry((20, 20, 20), (5, 5, 5)), "MR"), "fixed", 5.0)
        return agreement(Stage(body, body, COARSE, 1), finalists, tried)

    def test_a_match_elsewhere_is_a_rival(self) -> None:
        tried = [
            ScoredPose(self.shifted(0), 1.0),
            ScoredPose(self.shifted(5), 0.99),
            ScoredPose(self.shifted(50), 0.6),
        ]
        found = self.figures(tried, [ScoredPose(self.shifted(0.1), 1.2, self.shifted(0))])
        assert found["rival"] == pytest.approx(0.6)
        assert np.isnan(found["agreement_mm"])

    def test_a_pose_that_was_kept_counts_as_what_searches_made_of_it(self) -> None:
        tried = [ScoredPose(self.shifted(1), 1.0), ScoredPose(self.shifted(50), 0.9)]
        kept = ScoredPose(self.shifted(0), 0.8, self.shifted(0))
        found = self.figures(tried, [kept, ScoredPose(self.shifted(1), 0.7, self.shifted(1))])
        assert found["rival"] == pytest.approx(0.9)
        assert found["agreement_mm"] == pytest.approx(1.0)

    def test_a_place_from_which_the_best_is_reached_is_none(self) -> None:
        """A rigid search of a volume that is scaled wrongly stops short of the place; a later one goes on."""
        tried = [
            ScoredPose(self.shifted(16), 1.0),
            ScoredPose(self.shifted(50), 0.9),
            ScoredPose(self.shifted(25), 0.8),
        ]
        best = ScoredPose(self.shifted(0), 1.5, self.shifted(16))
        found = self.figures(tried, [best, ScoredPose(self.shifted(0.1), 1.5, self.shifted(25))])
        assert found["rival"] == pytest.approx(0.9)
        assert found["agreement_mm"] == pytest.approx(0.1)

    def test_a_place_that_leads_elsewhere_remains_one(self) -> None:
        tried = [ScoredPose(self.shifted(0), 1.0), ScoredPose(self.shifted(25), 0.97)]
        finalists = [
            ScoredPose(self.shifted(0), 1.5, self.shifted(0)),
            ScoredPose(self.shifted(30), 1.4, self.shifted(25)),
        ]
        assert self.figures(tried, finalists)["rival"] == pytest.approx(0.97)


class TestVerdict:
    def test_good_figures_are_ok(self) -> None:
        verdict, reasons = judge(GOOD)
        assert verdict == "ok"
        assert reasons == (
            "searches from different starts agree within 0.1 mm, both directions within 0.4 mm, and "
            "two halves of the volume within 0.3 mm",
        )
        assert judge(GOOD | {"mi_before": np.nan})[0] == "ok"  # the headers alone did not overlap

    @pytest.mark.parametrize(
        ("figure", "value", "words"),
        [
            ("agreement_mm", 0.25, "no second search confirms"),
            ("agreement_mm", np.nan, "no second search confirms"),
            ("agreement_deg", 0.25, "no second search confirms"),
            ("rival", 0.97, "97% of the best match"),
            ("inverse_consistency_mm", 3.1, "inverse consistency is 3.1 mm"),
            ("inverse_consistency_mm", np.nan, "inverse consistency"),
            ("halves_mm", 1.3, "registered alone, end 1.3 mm and 0.2° apart"),
            ("halves_mm", np.nan, "registered alone"),
            ("scale_min", 0.79, "scaled by 0.79 to 1.00: voxel sizes"),
            ("scale_max", 1.26, "scaled by 1.00 to 1.26"),
            ("shear_deg", 10.5, "sheared by 10°"),
            ("jacobian_min", -0.1, "Jacobian of the deformation is -0.10 to 1.00: it folds"),
            ("jacobian_max", 3.1, "Jacobian of the deformation is 1.00 to 3.10: no tissue"),
            ("deformation_consistency_mm", 2.1, "inverse consistency of the deformation is 2.1 mm"),
            ("mi_rigid", 0.9, "better before the deformation"),
            ("overlap", 0.29, "only 29% of the smaller field of view"),
        ],
    )
    def test_each_figure_out_of_its_limit_is_a_doubt(self, figure: str, value: float, words: str) -> None:
        verdict, reasons = judge(GOOD | {figure: value})
        assert verdict == "doubtful"
        assert len(reasons) == 1
        assert words in reasons[0]

    def test_two_doubts_are_a_failure(self) -> None:
        verdict, reasons = judge(GOOD | {"agreement_mm": 30.0, "overlap": 0.1})
        assert verdict == "failed"
        assert len(reasons) == 2

    @pytest.mark.parametrize("value", [0.01, 0.0, -np.inf, np.nan])
    def test_nothing_in_common_is_a_failure(self, value: float) -> None:
        verdict, reasons = judge(GOOD | {"mi_after": value})
        assert verdict == "failed"
        assert "nothing in common" in reasons[0]

    def test_ending_at_the_limit_of_travel_is_a_doubt(self) -> None:
        near = GOOD | {"travel": 0.85, "travel_mm": 25.0, "travel_deg": 4.0}
        assert judge(near)[0] == "ok"
        verdict, reasons = judge(near | {"travel": 0.95})
        assert verdict == "doubtful"
        assert "at its limit, 25 mm and 4° from the initial transform" in reasons[0]

    def test_what_the_deformation_explains_is_no_doubt(self) -> None:
        rigid = GOOD | {"halves_mm": 5.0, "inverse_consistency_mm": 5.0}
        assert judge(rigid)[0] == "failed"
        verdict, reasons = judge(rigid | {"deformation_consistency_mm": 0.8, "mi_rigid": 0.7})
        assert verdict == "ok"
        assert "deformation is inverse consistent within 0.8 mm" in reasons[0]

    @pytest.mark.parametrize(
        ("axis", "factor", "words"),
        [
            (
                "z",
                0.9,
                "the slices of the moving volume seem about 10% too close together against the",
            ),
            ("z", 1.05, "the slices of the moving volume seem about 5% too far apart"),
            ("x", 0.93, "the voxels along x of the moving volume seem about 7% too close together"),
            ("y", 1.035, "the voxels along y of the moving volume seem about 3% too far apart"),
        ],
    )
    def test_voxel_sizes_are_doubted_where_an_affine_search_gains_much(self, axis, factor, words) -> None:
        scales = {f"affine_scale_{name}": 1.01 for name in "xyz"} | {f"affine_scale_{axis}": factor}
        verdict, reasons = judge(GOOD | scales | {"affine_gain": 0.05})
        assert verdict == "doubtful"
        assert words in reasons[0]
        assert "kind 'affine'" in reasons[0]
        assert judge(GOOD | scales | {"affine_gain": 0.04})[0] == "ok"
        assert judge(GOOD | scales | {"affine_gain": 0.05, "deformation_consistency_mm": 0.5})[0] == "ok"

    def test_an_affine_search_that_scales_little_is_no_doubt(self) -> None:
        scales = {"affine_scale_x": 1.025, "affine_scale_y": 0.98, "affine_scale_z": 1.0}
        assert judge(GOOD | scales | {"affine_gain": 0.5})[0] == "ok"

    def test_a_pose_that_was_kept_is_said_to_be(self) -> None:
        kept = GOOD | {"mi_found": 0.7, "agreement_mm": 0.9, "agreement_deg": 1.1}  # no end of a climb
        said = "the pose before the search was kept: it matches better (mutual information 0.500 nats) than"
        verdict, reasons = judge(kept | {"mi_before": 0.5})
        assert verdict == "ok"
        assert reasons[0].startswith(said)
        assert reasons[1].startswith("a search ended within 0.9 mm of it, both directions within")
        verdict, reasons = judge(kept | {"mi_before": 0.5, "halves_mm": 1.3, "rival": 0.97})
        assert (verdict, len(reasons)) == ("doubtful", 3)  # a search ended beside it
        assert reasons[0].startswith(said)

    def test_a_pose_that_was_kept_and_that_no_search_confirms_may_fail(self) -> None:
        kept = GOOD | {"mi_found": 0.7, "agreement_mm": 9.0}
        assert judge(kept)[0] == "doubtful"
        assert judge(kept | {"rival": 0.97})[0] == "failed"

    def test_edges_have_limits_of_their_own(self) -> None:
        speckled = GOOD | {"inverse_consistency_mm": 1.9, "halves_mm": 1.4}
        assert judge(speckled)[0] == "failed"
        assert judge(speckled, compares="edges")[0] == "ok"

    def test_limits_shrink_with_the_body(self) -> None:
        figures = GOOD | {"agreement_mm": 0.15}
        assert judge(figures)[0] == "ok"
        assert judge(figures, scale=0.3)[0] == "doubtful"
