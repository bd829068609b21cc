"""The linear search in its parts, on small volumes of which every figure is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from scipy.ndimage import gaussian_filter

from medfuse.errors import RegistrationError
from medfuse.registration.linear import search
from medfuse.registration.linear.climb import COARSE, FINE, MIDDLE, ScoredPose, Stage
from medfuse.registration.linear.search import LinearResult, SearchRequest, search_linear
from medfuse.registration.linear.stages import make_stages
from medfuse.registration.linear.starts import best_starts, distinct, everywhere, is_near, nearby
from medfuse.registration.poses import axis_rotation, distance, rotation_about, rotation_angle
from medfuse.registration.pyramid.prepare import prepare
from medfuse.registration.pyramid.search_volume import SearchVolume
from medfuse.transforms import apply, inverse
from medfuse.volume import Geometry, Volume

GRID = Geometry((24, 24, 24), (5, 5, 5), (-40, -70, -57.5))
SLICE = Geometry((48, 48, 1), (2, 2, 4), (-47, -47, 0))


def quiet(fraction: float, message: str) -> None:
    """No progress is shown."""


def pose(degrees=(0.0, 0, 0), shift=(0.0, 0, 0), centre=(17.5, -12.5, 0)) -> np.ndarray:
    rotation = axis_rotation(2, degrees[2]) @ axis_rotation(1, degrees[1]) @ axis_rotation(0, degrees[0])
    return rotation_about(rotation, np.array(centre), np.add(centre, shift))


def texture(points: np.ndarray) -> np.ndarray:
    """Smooth structure without a period, bright within a ball of 45 mm around (17.5, −12.5, 0)."""
    x, y, z = np.moveaxis(points - (17.5, -12.5, 0), -1, 0)
    waves = (
        np.sin(x / 9 + 1.3 * np.cos(y / 13)) + np.sin(y / 8 - 0.7 * np.cos(z / 11)) + np.sin(z / 10 + x / 31)
    )
    body = 1 / (1 + np.exp((np.sqrt(x**2 + 1.1 * y**2 + 0.9 * z**2) - 45) / 2))
    return body * (4 + waves)


def scan(grid: Geometry, moved: np.ndarray, seed: int = 0, noise: float = 0.02) -> Volume:
    """The structure after ``moved``, on ``grid``."""
    index = np.stack(np.meshgrid(*map(np.arange, grid.size), indexing="ij"), axis=-1)
    values = texture(apply(inverse(moved), grid.world(index))).transpose(2, 1, 0)
    values = values + noise * np.random.default_rng(seed).normal(size=values.shape)
    return Volume(values, grid, "MR")


def stage_of(moved: np.ndarray, level=MIDDLE, planar: bool = False, **changes) -> Stage:
    grid = SLICE if planar else GRID
    one, two = (prepare(scan(grid, at, seed), "", 1.0) for seed, at in enumerate((np.eye(4), moved)))
    return Stage(one, two, replace(level, samples=4000), 1, planar=planar, **changes)


@pytest.fixture(scope="module")
def stage() -> Stage:
    return stage_of(np.eye(4))


class TestClimb:
    @pytest.mark.parametrize(
        ("kind", "matrix"),
        [
            ("rigid", np.eye(3)),
            ("similarity", 1.05 * np.eye(3)),
            ("affine", np.diag([1.05, 0.96, 1.03])),
        ],
    )
    def test_finds_what_its_kind_may_change(self, kind: str, matrix: np.ndarray) -> None:
        true = pose((3, -4, 5), (3, -2, 4)) @ rotation_about(
            matrix, np.array([17.5, -12.5, 0]), np.array([17.5, -12.5, 0])
        )
        pair = stage_of(true)
        body = pair.fixed.foreground_points
        start = pose((0, 0, 0), (1, 0, 0))
        found = pair.climb(start, quiet, "", kind)
        assert distance(start, true, body) > 4
        assert distance(found.pose, true, body) < 0.5
        assert found.mi > pair.score(start)
        assert found.mi == pytest.approx(pair.score(found.pose), abs=0.05)

    def test_stays_in_the_plane_of_slices(self) -> None:
        true = pose((0, 0, 6), (3, -2, 0))
        pair = stage_of(true, planar=True)
        found = pair.climb(np.eye(4), quiet, "")
        assert distance(found.pose, true, pair.fixed.foreground_points) < 0.3
        np.testing.assert_array_equal(found.pose[2], (0, 0, 1, 0))
        np.testing.assert_array_equal(found.pose[:, 2], (0, 0, 1, 0))

    def test_reports_each_step_and_its_message(self, stage: Stage) -> None:
        steps: list[tuple[float, str]] = []
        stage.climb(pose(shift=(3, 0, 0)), lambda *step: steps.append(step), "climbing")
        fractions = [fraction for fraction, _ in steps]
        assert fractions == sorted(fractions)
        assert len(set(fractions)) > 5
        assert 0 <= fractions[0] < fractions[-1] <= 1
        assert {message for _, message in steps} == {"climbing"}

    def test_takes_no_more_steps_than_its_level(self, stage: Stage) -> None:
        steps: list[float] = []
        brief = replace(stage, level=replace(stage.level, iterations=3))
        brief.climb(pose(shift=(4, 0, 0)), lambda fraction, _: steps.append(fraction), "")
        assert len(steps) == 3

    def test_the_seed_draws_the_samples(self, stage: Stage) -> None:
        few = replace(stage, level=replace(stage.level, samples=500))
        ends = [
            replace(few, seed=seed).climb(pose(shift=(3, 0, 0)), quiet, "").pose.tolist()
            for seed in (1, 1, 2)
        ]
        assert ends[0] == ends[1] != ends[2]

    def test_the_bins_are_those_of_the_level(self, stage: Stage) -> None:
        """More bins, more information of an image about itself: log(bins) at most."""
        scores = [replace(stage, level=replace(stage.level, bins=bins)).score(np.eye(4)) for bins in (16, 48)]
        assert scores[0] < scores[1] < math.log(48)

    def test_padding_of_either_volume_takes_no_part(self, stage: Stage) -> None:
        one = stage.fixed
        rng = np.random.default_rng(3)
        mask = np.ones(one.array.shape, bool)
        mask[:, :, :12] = False
        noise = np.where(mask, one.array, rng.uniform(size=mask.shape)).astype(np.float32)
        masked = SearchVolume(one.like(noise), one.like(mask.astype(np.uint8)))
        unmasked = SearchVolume(one.like(noise), None)
        for exchange in (False, True):
            scores = [
                Stage(*((other, volume) if exchange else (volume, other)), stage.level, 1).score(np.eye(4))
                for volume, other in ((masked, one), (unmasked, one))
            ]
            assert scores[0] > 1.5 * scores[1]

    def test_scaled_levels_keep_their_counts(self) -> None:
        small = COARSE.scaled(0.5)
        assert (small.spacing, small.step, small.least_step) == (2.5, 2.0, 0.01)
        assert (small.bins, small.samples, small.iterations, small.relaxation) == (
            COARSE.bins, COARSE.samples, COARSE.iterations, COARSE.relaxation,
        )  # fmt: skip


class TestHalves:
    def test_share_no_voxel_and_leave_none_out(self, stage: Stage) -> None:
        one, two = (stage.half(odd).fixed.measured for odd in (False, True))
        assert not (one & two).any()
        assert (one | two).all()
        assert one[:4, :4, :4].all()  # cubes of 20 mm are 4 voxels of 5 mm
        assert two[4:8, :4, :4].all()
        assert two[:4, 4:8, :4].all()
        assert two[:4, :4, 4:8].all()
        assert one[4:8, 4:8, :4].all()

    def test_shrink_with_the_body(self, stage: Stage) -> None:
        small = replace(stage, scale=0.5).half(True).fixed.measured
        assert small[:2, :2, 2:4].all()
        assert not small[:2, :2, :2].any()

    def test_leave_padding_out(self, stage: Stage) -> None:
        mask = np.indices(stage.fixed.array.shape)[0] < 12
        padded = replace(stage.fixed, mask=stage.fixed.like(mask.astype(np.uint8)))
        for odd in (False, True):
            assert not replace(stage, fixed=padded).half(odd).fixed.measured[12:].any()

    def test_that_contradict_each_other_end_apart(self, stage: Stage) -> None:
        """One half of the moving volume lies 6 mm away from the other: no single half could see that."""
        board = stage.half(False).fixed.measured
        left, right = (scan(GRID, pose(shift=(mm, 0, 0)), seed=1).array for mm in (-3, 3))
        torn = prepare(Volume(np.where(board, left, right), GRID, "MR"), "", 1.0)
        torn_stage = replace(stage, moving=torn)
        assert search._halves(torn_stage, np.eye(4), "rigid", quiet)["halves_mm"] > 3
        whole = replace(stage, moving=prepare(scan(GRID, np.eye(4), seed=1), "", 1.0))
        assert search._halves(whole, np.eye(4), "rigid", quiet)["halves_mm"] < 0.6


class TestFigures:
    def test_of_the_shape(self, stage: Stage) -> None:
        linear = axis_rotation(2, 30) @ np.diag([1.2, 0.9, 1.0])
        centre = stage.fixed.centre_of_mass
        found = LinearResult(rotation_about(linear, centre, np.add(centre, (3, 4, 0))), centre, {})
        figures = search._shape(found, stage, SearchRequest("affine", None, None))
        assert figures["rotation_deg"] == pytest.approx(30, abs=0.3)
        assert figures["translation_mm"] == pytest.approx(5)
        assert (figures["scale_min"], figures["scale_max"]) == pytest.approx((0.9, 1.2))
        assert figures["shear_deg"] == pytest.approx(0, abs=1e-6)
        assert set(figures) == {"rotation_deg", "translation_mm", "scale_min", "scale_max", "shear_deg"}
        assert set(search._shape(found, stage, SearchRequest("rigid", None, None))) == {
            "rotation_deg", "translation_mm",
        }  # fmt: skip

    def test_of_slices_leave_their_thickness_out(self) -> None:
        flat = stage_of(np.eye(4), planar=True)
        found = LinearResult(np.diag([1.1, 1.05, 1, 1.0]), np.zeros(3), {})
        figures = search._shape(found, flat, SearchRequest("similarity", None, None))
        assert (figures["scale_min"], figures["scale_max"]) == pytest.approx((1.05, 1.1))

    @pytest.mark.parametrize(
        ("moved", "share"), [(pose(shift=(6, 0, 0)), 0.6), (pose(degrees=(0, 0, 16)), 0.8)]
    )
    def test_of_travel_take_the_larger_share(self, stage: Stage, moved: np.ndarray, share: float) -> None:
        start = pose((5, 0, 0), (30, 0, 0))
        request = SearchRequest("rigid", start, None, travel_mm=10.0, travel_deg=20.0)
        found = LinearResult(moved @ start, np.zeros(3), {})
        half = search._shape(found, replace(stage, scale=0.5), request)
        figures = search._shape(found, stage, request)
        if share == 0.6:
            assert figures["travel"] == pytest.approx(share)
            assert figures["travel_mm"] == pytest.approx(6)
            assert half["travel"] == pytest.approx(1.2)  # of a smaller body it is farther
        else:
            assert figures["travel_deg"] == pytest.approx(16)
            assert figures["travel"] == pytest.approx(max(share, figures["travel_mm"] / 10))

    def test_of_a_comparison_are_taken_at_their_poses(self, stage: Stage) -> None:
        before, after, back = pose(shift=(20, 0, 0)), np.eye(4), pose(shift=(0, 0, 2))
        figures = search._comparison(stage, before, after, back)
        assert figures["mi_after"] == stage.score(after)
        assert figures["mi_before"] == stage.score(before)
        assert figures["inverse_consistency_mm"] == pytest.approx(2)
        assert figures["overlap"] == pytest.approx(1)
        assert math.isnan(search._comparison(stage, None, after, back)["mi_before"])
        far = pose(shift=(900, 0, 0))
        assert math.isnan(search._comparison(stage, far, after, back)["mi_before"])


class TestSearch:
    def stages(self, fixed: Volume, moving: Volume) -> list[Stage]:
        made = make_stages(fixed, moving, 1, quiet, compares="values", planar=False)
        return [replace(one, level=replace(one.level, samples=3000)) for one in made]

    @pytest.mark.parametrize("smaller", ["fixed", "moving"])
    def test_leads_from_fixed_to_moving_whichever_is_smaller(self, smaller: str) -> None:
        true = pose((4, -5, 6), (5, -4, 3))
        less = Geometry((22, 22, 22), (5, 5, 5), (-35, -65, -52.5))
        one, two = (less, GRID) if smaller == "fixed" else (GRID, less)
        stages = self.stages(scan(one, np.eye(4)), scan(two, true, seed=1))
        found = search_linear(stages, SearchRequest("rigid", np.eye(4), np.eye(4)), quiet)
        body = stages[0].fixed.foreground_points
        assert distance(found.pose, true, body) < 0.5
        assert np.linalg.norm(found.centre - (17.5, -12.5, 0)) < 8
        figures = found.figures
        assert figures["mi_after"] > figures["mi_before"] > 0
        assert figures["rotation_deg"] == pytest.approx(rotation_angle(true), abs=0.5)
        assert figures["agreement_mm"] < 0.3
        assert figures["inverse_consistency_mm"] < 0.5
        assert figures["halves_mm"] < 0.8
        assert "travel" not in figures

    def test_does_not_go_farther_than_it_may(self) -> None:
        true = pose(shift=(20, 0, 0))
        stages = self.stages(scan(GRID, np.eye(4)), scan(GRID, true, seed=1))
        request = SearchRequest("rigid", np.eye(4), None, travel_mm=6.0, travel_deg=5.0)
        found = search_linear(stages, request, quiet)
        assert distance(found.pose, np.eye(4), stages[0].fixed.foreground_points) < 6 + 4 + 2 + 0.5  # steps
        assert found.figures["travel"] > 0.9

    def test_that_never_overlaps_says_so(self) -> None:
        stages = self.stages(scan(GRID, np.eye(4)), scan(GRID, np.eye(4), seed=1))
        far = pose(shift=(900, 0, 0))
        with pytest.raises(RegistrationError, match="in none of the poses that were tried"):
            search_linear(stages, SearchRequest("rigid", far, None), quiet)

    def test_requests_are_exchanged_with_the_volumes(self) -> None:
        request = SearchRequest("affine", pose(shift=(1, 2, 3)), pose((0, 0, 9)), 4.0, 5.0)
        other = request.exchanged()
        np.testing.assert_allclose(other.start @ request.start, np.eye(4), atol=1e-12)
        np.testing.assert_allclose(other.before @ request.before, np.eye(4), atol=1e-12)
        assert (other.kind, other.travel_mm, other.travel_deg) == ("affine", 4.0, 5.0)
        assert SearchRequest("rigid", None, None).exchanged().start is None


class TestFinalists:
    class Guided:
        """Stands for a stage whose climbs end where they are told."""

        scale, level = 1.0, MIDDLE

        def __init__(self, fixed: SearchVolume, ends: dict[float, tuple[float, float]]):
            self.fixed, self.ends, self.asked = fixed, ends, []

        def millimetres(self, length: float) -> float:
            return length

        def climb(self, start, progress, message, kind="rigid", within=None) -> ScoredPose:
            mm = float(start[0, 3])
            self.asked.append(mm)
            end, mi = self.ends[mm]
            return ScoredPose(pose(shift=(end, 0, 0)), mi)

    def run(self, stage: Stage, ends, within=lambda pose: True):
        guided = self.Guided(stage.fixed, ends)
        tried = [ScoredPose(pose(shift=(mm, 0, 0)), 1.0) for mm in ends]
        found = search._finalists(guided, tried, quiet, within, 3)
        return guided.asked, [(float(one.pose[0, 3]), float(one.began[0, 3])) for one in found]

    def test_two_that_agree_need_no_third(self, stage: Stage) -> None:
        asked, found = self.run(stage, {0.0: (5.0, 0.8), 20.0: (5.9, 0.9), 40.0: (7.0, 1.0)})
        assert asked == [0, 20]
        assert np.array(found) == pytest.approx(np.array([(5.9, 20.0), (5.0, 0.0)]))

    def test_a_third_is_climbed_where_they_do_not(self, stage: Stage) -> None:
        asked, found = self.run(
            stage, {0.0: (5.0, 0.8), 20.0: (6.1, 0.9), 40.0: (7.0, 1.0), 60.0: (9.0, 2.0)}
        )
        assert asked == [0, 20, 40]
        assert [mm for mm, _ in found] == pytest.approx([7.0, 6.1, 5.0])

    def test_what_went_too_far_comes_last(self, stage: Stage) -> None:
        _, found = self.run(stage, {0.0: (5.0, 0.8), 20.0: (6.5, 0.9)}, lambda at: at[0, 3] < 6)
        assert [mm for mm, _ in found] == [5.0, 6.5]

    def test_what_lost_the_overlap_is_left_out(self, stage: Stage) -> None:
        _, found = self.run(stage, {0.0: (5.0, -math.inf), 20.0: (6.5, 0.9)})
        assert [mm for mm, _ in found] == [6.5]


class TestStarts:
    def test_everywhere_begins_with_the_headers_and_has_the_rotations_by_180(self, stage: Stage) -> None:
        poses = everywhere(stage)
        np.testing.assert_array_equal(poses[0], np.eye(4))
        assert len(poses) == 1 + 4 * 5**3 * 3
        angles = np.array([rotation_angle(one) for one in poses])
        assert angles.max() > 170
        body, moving = stage.fixed.centre_of_mass, stage.moving.centre_of_mass
        ends = np.array([apply(one, body) for one in poses[1:]])
        assert np.linalg.norm(ends - moving, axis=1).min() < 6
        for axis in range(3):
            flip = rotation_about(axis_rotation(axis, 180), body, moving)
            assert min(rotation_angle(one @ inverse(flip)) for one in poses) < 9

    def test_they_are_jittered_by_the_seed(self, stage: Stage) -> None:
        """By up to 5° about each axis and 5 mm along each, so that no two lie on one lattice."""
        start = pose(shift=(2, 0, 0))
        poses = nearby(stage, start)
        np.testing.assert_array_equal(poses[0], start)
        assert len(poses) == 1 + 27 * 7
        centre = stage.fixed.centre_of_mass
        first = apply(poses[1], centre) - apply(start, centre)  # the unrotated, unshifted one
        assert 0 < np.abs(first).max() <= 5
        assert 0 < rotation_angle(poses[1]) <= 5 * math.sqrt(3) + 0.1
        np.testing.assert_array_equal(poses[5], nearby(stage, start)[5])
        assert not np.array_equal(poses[5], nearby(replace(stage, seed=2), start)[5])
        away = np.array([apply(one, centre) - apply(start, centre) for one in poses[1:]])
        assert 8 < np.linalg.norm(away, axis=1).max() <= 8 + 5 * math.sqrt(3)
        assert 8 < max(rotation_angle(one) for one in poses) < 25

    def test_of_a_small_body_are_nearer(self, stage: Stage) -> None:
        small = replace(stage, scale=0.1)
        centre = stage.fixed.centre_of_mass
        away = np.array([apply(one, centre) - centre for one in nearby(small, np.eye(4))])
        assert 0.8 < np.linalg.norm(away, axis=1).max() <= 0.8 + 0.5 * math.sqrt(3)

    def test_of_slices_stay_in_the_plane(self) -> None:
        flat = stage_of(np.eye(4), planar=True)
        for poses in (everywhere(flat), nearby(flat, np.eye(4))):
            for one in poses:
                np.testing.assert_allclose(one[2], (0, 0, 1, 0), atol=1e-12)
        assert len(everywhere(flat)) == 1 + 18 * 3
        assert len(nearby(flat, np.eye(4))) == 1 + 3 * 5
        assert max(rotation_angle(one) for one in everywhere(flat)) > 170

    def test_near_is_12_degrees_and_12_mm(self, stage: Stage) -> None:
        assert is_near(np.eye(4), pose(shift=(11.9, 0, 0)), stage)
        assert not is_near(np.eye(4), pose(shift=(12.1, 0, 0)), stage)
        assert not is_near(np.eye(4), pose(shift=(7, 0, 0)), replace(stage, scale=0.5))
        assert is_near(np.eye(4), pose((0, 0, 11.9)), stage)
        assert not is_near(np.eye(4), pose((0, 0, 12.1)), replace(stage, scale=9.0))

    def test_distinct_keeps_the_first_of_each_place(self, stage: Stage) -> None:
        at = [ScoredPose(pose(shift=(mm, 0, 0)), 0.0) for mm in (0, 5, 30, 33, 60, 90)]
        assert [float(one.pose[0, 3]) for one in distinct(at, stage, 3)] == [0, 30, 60]
        assert len(distinct(at, stage, 10)) == 4

    def test_the_best_come_first_and_rivals_lie_elsewhere(self) -> None:
        coarse = stage_of(pose((0, 0, 20), (10, -5, 5)), level=COARSE)
        found = best_starts(coarse, everywhere(coarse), quiet)
        body = coarse.fixed.foreground_points
        assert distance(found[0].pose, pose((0, 0, 20), (10, -5, 5)), body) < 6
        scores = [one.mi for one in found]
        assert scores[0] == max(scores)
        assert 3 <= len(found) <= 5
        for i, one in enumerate(found[2:], start=2):
            assert not any(is_near(one.pose, other.pose, coarse) for other in found[2:i])

    def test_quick_steps_obey_the_limit(self) -> None:
        coarse = stage_of(pose(shift=(24, 0, 0)), level=COARSE)
        for most in (5.0, 40.0):
            found = best_starts(coarse, [np.eye(4)], quiet, lambda at, most=most: abs(at[0, 3]) < most)
            assert (abs(found[0].pose[0, 3]) > 15) == (most == 40)

    def test_nothing_that_overlaps_leaves_no_start(self, stage: Stage) -> None:
        assert best_starts(stage, [pose(shift=(900, 0, 0))], quiet) == []


class TestStages:
    def spacings(self, side: float, planar: bool = False, compares: str = "values") -> list[float]:
        size = (60, 60, 1) if planar else (60, 60, 60)
        grid = Geometry(size, (side / 60,) * 3)
        array = gaussian_filter(np.random.default_rng(0).normal(size=grid.shape), 1)
        volume = Volume(array, grid, "MR")
        made = make_stages(volume, volume, 5, quiet, compares=compares, planar=planar)
        assert [one.seed for one in made] == [5] * 3
        assert all(one.planar == planar for one in made)
        assert all(one.fixed.edges == one.moving.edges == (compares == "edges") for one in made)
        return [one.level.spacing for one in made]

    def test_levels_go_from_coarse_to_fine_and_shrink_with_the_body(self) -> None:
        assert self.spacings(150) == pytest.approx([5.0, 2.5, 1.5])
        assert self.spacings(100) == pytest.approx([5.0, 2.5, 1.5])
        assert self.spacings(50) == pytest.approx([2.5, 1.25, 0.75])
        assert [COARSE.spacing, MIDDLE.spacing, FINE.spacing] == [5.0, 2.5, 1.5]

    def test_slices_and_edges_are_searched_on_finer_grids(self) -> None:
        assert self.spacings(150, planar=True) == pytest.approx([2.5, 1.25, 0.75])
        assert self.spacings(150, compares="edges") == pytest.approx([3.5, 1.75, 1.05])

    def test_the_smaller_field_of_view_sets_the_scale(self) -> None:
        rng = np.random.default_rng(0)
        large, small = (Volume(rng.normal(size=(20,) * 3), Geometry((20,) * 3, (mm,) * 3)) for mm in (9, 2.5))
        for pair in ((large, small), (small, large)):
            made = make_stages(*pair, 1, quiet, compares="values", planar=False)
            assert [one.scale for one in made] == pytest.approx([0.5] * 3)
            assert made[0].millimetres(10) == pytest.approx(5)

    def test_only_edges_narrow_the_range_of_ct(self) -> None:
        array = np.full((20, 20, 20), 40.0)
        array[:, :, 10:] = 60
        array[:4] = 1200
        volume = Volume(array, Geometry((20,) * 3, (6,) * 3), "CT")
        values = make_stages(volume, volume, 1, quiet, compares="values", planar=False)[2]
        assert np.ptp(values.fixed.array[10]) < 0.05
        edges = make_stages(volume, volume, 1, quiet, compares="edges", planar=False)[2]
        assert np.ptp(edges.fixed.array[10]) > 0.3


class TestSearchVolumes:
    def test_know_their_world(self) -> None:
        grid = Geometry((6, 5, 4), (2, 2, 2), (10, -20, 30), axis_rotation(2, 90) @ axis_rotation(0, 30))
        volume = prepare(scan(grid, np.eye(4)), "", 1.0)
        index = np.array([[0.0, 0, 0], [5, 4, 3], [1.5, 2, 0.25]])
        np.testing.assert_allclose(volume.world(index), grid.world(index), atol=1e-9)
        np.testing.assert_allclose(apply(volume.to_index, grid.world(index)), index, atol=1e-9)
        np.testing.assert_allclose(volume.centre, grid.centre, atol=1e-9)
        assert volume.volume == pytest.approx(6 * 5 * 4 * 8)

    def test_know_their_radius(self, stage: Stage) -> None:
        points = stage.fixed.foreground_points
        middle = points.mean(axis=0)
        np.testing.assert_allclose(stage.fixed.centre_of_mass, middle)
        expected = np.sqrt(np.mean(np.sum((points - middle) ** 2, axis=1)))
        assert stage.fixed.radius == pytest.approx(expected)
        assert 30 < expected < 40  # of a ball of 45 mm: 45 √(3/5)

    def test_are_placed_by_a_pose_in_its_unit(self, stage: Stage) -> None:
        at = pose((10, 20, 30), (5, 6, 7))
        mask = stage.fixed.like(np.ones(stage.fixed.array.shape, np.uint8))
        placed = replace(stage.fixed, mask=mask).placed(at, 10.0)
        index = np.array([[0.0, 0, 0], [3, 7, 11]])
        expected = apply(at, stage.fixed.world(index)) / 10
        np.testing.assert_allclose(placed.world(index), expected, atol=1e-9)
        assert placed.mask.GetSpacing() == placed.image.GetSpacing()
        assert placed.mask.GetOrigin() == placed.image.GetOrigin()
        assert placed.mask.GetDirection() == placed.image.GetDirection()

    def test_are_seen_through_a_transform_without_their_padding(self, stage: Stage) -> None:
        mask = np.ones(stage.fixed.array.shape, bool)
        mask[:, :, :8] = False
        padded = replace(stage.fixed, mask=stage.fixed.like(mask.astype(np.uint8)))
        shift = SimpleITK.TranslationTransform(3, (10.0, 0, 0))  # two voxels along x
        values, seen = padded.onto(stage.fixed, shift)
        np.testing.assert_allclose(values[:, :, 6:22], stage.fixed.array[:, :, 8:], atol=1e-5)
        assert seen[:, :, 6:22].all()
        assert not seen[:, :, :6].any()
        assert not seen[:, :, 22:].any()

    def test_coarser_ones_cover_the_same_box(self) -> None:
        grid = Geometry((30, 24, 18), (2, 2, 2), (-5, 7, 9))
        fine = prepare(scan(grid, np.eye(4)), "", 1.0)
        coarse = fine.coarser(5.0)
        np.testing.assert_allclose(coarse.image.GetSpacing(), 5)
        assert coarse.image.GetSize() == (12, 10, 8)  # 60, 48 and 36 mm
        np.testing.assert_allclose(coarse.centre, fine.centre, atol=1e-9)
        assert fine.coarser(1.0) is fine

    def test_coarsening_in_steps_equals_coarsening_at_once(self) -> None:
        """Gaussian variances add up, but for what interpolation adds."""
        fine = prepare(scan(Geometry((40, 40, 40), (2, 2, 2), (-22, -52, -40)), np.eye(4)), "", 1.0)
        once, twice = fine.coarser(8.0), fine.coarser(4.0).coarser(8.0)
        assert np.corrcoef(once.array.ravel(), twice.array.ravel())[0, 1] > 0.995

    def test_what_is_bright_is_not_smoothed_into_padding(self) -> None:
        array = np.full((24, 24, 24), 1.0)
        array[:, :, 12:] = 2.0
        valid = np.indices(array.shape)[2] < 18
        volume = prepare(Volume(np.where(valid, array, 0), Geometry((24,) * 3), valid=valid), "", 3.0)
        inside = volume.array[4, 4]
        np.testing.assert_allclose(inside[:3], 0, atol=0.05)
        np.testing.assert_allclose(inside[5:6], 1, atol=0.05)
        assert volume.measured[4, 4].tolist() == [True] * 6 + [False] * 2
        assert (inside[6:] == 0).all()
