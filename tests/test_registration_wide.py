"""The wider search: all translations at once, MR without shading, and which of two attempts stands."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from painted_head import head, matrix, rigid
from scipy.ndimage import gaussian_filter
from test_registration_search import GRID, pose, quiet, scan, stage_of

from medfuse.errors import RegistrationError
from medfuse.registration import attempts, register
from medfuse.registration.attempts import Attempt, Question, best_attempt
from medfuse.registration.linear.climb import COARSE, Stage
from medfuse.registration.linear.search import LinearResult, SearchRequest
from medfuse.registration.linear.starts import QuickScore, aside, extents_differ
from medfuse.registration.linear.translations import best_translations
from medfuse.registration.poses import axis_rotation, distance, rotation_angle, rotation_vector
from medfuse.registration.pyramid.prepare import prepare
from medfuse.registration.pyramid.search_volume import SearchVolume
from medfuse.registration.pyramid.shading import unshaded
from medfuse.registration.quality import judge
from medfuse.transforms import apply, inverse
from medfuse.volume import Geometry, Volume

TURNED = np.diag([-1.0, -1.0, 1.0])  # by 180° about z


def landscape(grid: Geometry, moved: np.ndarray) -> Volume:
    """Smooth noise over 800 × 500 × 400 mm, the same at every place of the world before ``moved``."""
    lattice = gaussian_filter(np.random.default_rng(5).normal(size=(40, 50, 80)), 2.0)
    index = np.stack(np.meshgrid(*map(np.arange, grid.size), indexing="ij"), axis=-1)
    points = apply(inverse(moved), grid.world(index.reshape(-1, 3).astype(float)))
    cells = np.rint(np.add(points, (400, 250, 200)) / 10).astype(int)[:, ::-1]
    inside = ((cells >= 0) & (cells < lattice.shape)).all(axis=1)
    values = np.zeros(len(points))
    values[inside] = lattice[tuple(cells[inside].T)]
    return Volume(values.reshape(grid.size).transpose(2, 1, 0) / lattice.std() + 4, grid, "MR")


def pair(moved: np.ndarray) -> Stage:
    """A part of the landscape, 200 mm off its middle, and all of it after ``moved``."""
    part = Geometry((24, 20, 20), (10.0, 10.0, 10.0), (90.0, -190.0, -150.0))
    whole = Geometry((80, 50, 40), (10.0, 10.0, 10.0), tuple(moved[:3, 3] - (395, 245, 195)))
    one, two = prepare(landscape(part, np.eye(4)), "", 10.0), prepare(landscape(whole, moved), "", 10.0)
    return Stage(one, two, replace(COARSE, spacing=10.0), 1)


class TestTranslations:
    def test_the_highest_peak_is_where_the_part_lies(self) -> None:
        moved = np.eye(4)
        moved[:3, :3], moved[:3, 3] = TURNED, (37.0, -52.0, 21.0)
        stage = pair(moved)
        best, *others = best_translations(stage, [np.eye(3), TURNED], 0.2, quiet)
        assert distance(best.pose, moved, stage.fixed.foreground_points) < 10
        elsewhere = [
            one.mi for one in others if distance(one.pose, moved, stage.fixed.foreground_points) > 30
        ]
        assert best.mi > 2 * max(elsewhere)

    def test_the_score_is_the_mutual_information_of_the_same_cells(self) -> None:
        stage = pair(np.eye(4))
        best = best_translations(stage, [np.eye(3)], 0.2, quiet)[0]
        assert best.mi == pytest.approx(QuickScore(stage).score(best.pose), rel=0.3)  # of 6 bins and of 16

    def test_too_little_overlap_does_not_count(self) -> None:
        stage = pair(np.eye(4))
        found = best_translations(stage, [np.eye(3)], 0.9, quiet)
        assert min(QuickScore(stage).overlap(one.pose) for one in found) > 0.85
        assert not best_translations(stage, [np.eye(3)], 1.01, quiet)


def test_fields_of_view_twice_as_long_differ() -> None:
    assert extents_differ(pair(np.eye(4)))
    assert not extents_differ(stage_of(np.eye(4)))


def test_aside_is_12_degrees_and_at_least_12_mm_off() -> None:
    stage = stage_of(np.eye(4), COARSE)
    moved = aside(stage, np.eye(4))
    assert rotation_angle(moved) == pytest.approx(12)
    assert distance(moved, np.eye(4), stage.fixed.foreground_points) > 12


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_rotation_vector_is_its_axis_times_its_angle(axis: int) -> None:
    np.testing.assert_allclose(rotation_vector(30 * np.eye(3)[axis]), axis_rotation(axis, 30), atol=1e-12)
    np.testing.assert_array_equal(rotation_vector(np.zeros(3)), np.eye(3))


class TestShading:
    @staticmethod
    def shaded(volume: Volume) -> Volume:
        z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in volume.array.shape], indexing="ij")
        return volume.with_array(volume.array * np.exp(0.55 * x - 0.4 * y + 0.3 * z**2))

    def test_is_gone(self) -> None:
        plain = scan(GRID, np.eye(4), noise=0)
        even, uneven = (prepare(one, "", 2.5) for one in (plain, self.shaded(plain)))
        body = even.array > 0.5

        def likeness(one: SearchVolume, two: SearchVolume) -> float:
            return float(np.corrcoef(one.array[body], two.array[body])[0, 1])

        assert likeness(even, uneven) < 0.8
        assert likeness(unshaded(even), unshaded(uneven)) > 0.87

    def test_registration_ends_nearer_without_it(self) -> None:
        moved = pose((3, -2, 4), (4, -3, 2))
        one = prepare(scan(GRID, np.eye(4)), "", 2.5)
        two = prepare(self.shaded(scan(GRID, moved, 1)), "", 2.5)
        plain = Stage(one, two, replace(COARSE, spacing=2.5), 1)
        corrected = replace(plain, fixed=unshaded(one), moving=unshaded(two))
        body = one.foreground_points
        ends = [distance(each.climb(moved, quiet, "").pose, moved, body) for each in (plain, corrected)]
        assert ends[1] < 1.5
        assert ends[1] < 0.6 * ends[0]

    def test_a_volume_without_a_body_stays_as_it_is(self) -> None:
        volume = prepare(scan(GRID, np.eye(4)), "", 5.0)
        dark = replace(volume, image=volume.like(np.full_like(volume.array, 0.01)))
        assert unshaded(dark) is dark


class TestAttempts:
    @staticmethod
    def question(**changes: Any) -> Question:
        request = SearchRequest("rigid", changes.pop("start", None), np.eye(4))
        flags = SimpleNamespace(planar=changes.pop("planar", False))
        return Question(flags, None, request, 2.0, changes.pop("compares", "values"))  # type: ignore[arg-type]

    @staticmethod
    def run(
        monkeypatch: pytest.MonkeyPatch, verdicts: list[Any], **changes: Any
    ) -> tuple[Attempt, list[Any]]:
        """The attempt that stands, and what was asked for, where searches end with these verdicts."""
        asked = []

        def attempt(self: Question, stages: Any, wide: bool, progress: Any) -> Attempt:
            asked.append((stages[0], wide))
            verdict = verdicts[len(asked) - 1]
            if verdict is RegistrationError:
                raise RegistrationError("no overlap")
            where = np.eye(4) * len(asked)
            reasons = ("",) * changes.get("doubts", {}).get(len(asked), 0)
            return Attempt(stages, LinearResult(where, np.zeros(3), {}), 1.0, verdict, reasons)

        def stages(without_shading: bool, progress: Any) -> list[Any]:
            return [without_shading, SimpleNamespace(score=lambda at: changes.get("scores", {})[at[0, 0]])]

        monkeypatch.setattr(attempts.Question, "attempt", attempt)
        options = {key: value for key, value in changes.items() if key not in {"scores", "doubts"}}
        return best_attempt(TestAttempts.question(**options), stages, quiet), asked

    def test_one_that_is_ok_is_the_only_one(self, monkeypatch) -> None:
        best, asked = self.run(monkeypatch, ["ok"])
        assert (best.verdict, asked) == ("ok", [(False, False)])

    @pytest.mark.parametrize(("first", "second"), [("doubtful", "ok"), ("failed", "doubtful")])
    def test_a_better_second_one_stands(self, monkeypatch, first: str, second: str) -> None:
        best, asked = self.run(monkeypatch, [first, second], scores={1: 0.9, 2: 0.1})
        assert best.verdict == second
        assert asked == [(False, False), (True, True)]

    def test_the_first_one_stands_where_the_second_is_worse(self, monkeypatch) -> None:
        best, _ = self.run(monkeypatch, ["doubtful", "failed"], scores={1: 0.1, 2: 0.9})
        assert best.verdict == "doubtful"

    @pytest.mark.parametrize("stronger", [1, 2])
    def test_of_equal_verdicts_the_one_that_matches_better_stands(self, monkeypatch, stronger: int) -> None:
        scores = {1: 0.5, 2: 0.5} | {stronger: 0.6}
        best, _ = self.run(monkeypatch, ["failed", "failed"], scores=scores)
        assert best.found.pose[0, 0] == stronger

    @pytest.mark.parametrize("fewer", [1, 2])
    def test_of_equal_verdicts_fewer_doubts_count_before_the_match(self, monkeypatch, fewer: int) -> None:
        other = 3 - fewer
        best, _ = self.run(
            monkeypatch, ["failed", "failed"], scores={fewer: 0.1, other: 0.9}, doubts={fewer: 3, other: 5}
        )
        assert best.found.pose[0, 0] == fewer

    def test_a_second_one_without_overlap_changes_nothing(self, monkeypatch) -> None:
        best, asked = self.run(monkeypatch, ["failed", RegistrationError])
        assert best.found.pose[0, 0] == 1
        assert len(asked) == 2

    @pytest.mark.parametrize("changes", [{"planar": True}, {"start": np.eye(4)}, {"compares": "edges"}])
    def test_slices_starts_and_edges_have_one_only(self, monkeypatch, changes: dict[str, Any]) -> None:
        best, asked = self.run(monkeypatch, ["failed"], **changes)
        assert best.verdict == "failed"
        assert asked == [(False, False)]


@pytest.fixture(scope="module")
def whole() -> Volume:
    """The head on a trunk with arms, 340 mm below the top: 9 mm voxels, 900 mm long."""
    grid = Geometry((56, 34, 100), (9.0, 9.0, 9.0), (-248.0, -149.0, -640.0))
    volume = head(grid, None, "CT")
    index = np.stack(np.meshgrid(*map(np.arange, grid.size), indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(grid.world(index).transpose(2, 1, 0, 3), -1, 0)
    array = volume.array.copy()
    for (cx, cy, cz), (rx, ry, rz), hu in (
        ((0, 20, -370), (170, 110, 250), 45), ((75, 10, -290), (60, 75, 110), -800),
        ((-75, 10, -290), (60, 70, 105), -800), ((-50, 0, -440), (95, 75, 60), 65),
        ((0, 90, -350), (24, 22, 240), 600), ((200, 20, -350), (35, 35, 260), 40),
        ((-200, 20, -350), (35, 35, 260), 40), ((60, 20, -560), (45, 45, 40), 700),
        ((-60, 20, -560), (45, 45, 40), 700),
    ):  # fmt: skip
        array[((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2 < 1] = hu
    return volume.with_array(array)


def test_a_head_is_found_in_a_whole_body(whole: Volume) -> None:
    """Their centres are 340 mm apart, so that no start brings them together."""
    moved = rigid((5, -6, 9), (180, -90, 240))
    part = Geometry((32, 34, 26), (7.0, 7.0, 7.0), (71.0, -208.0, 160.0))
    result = register(whole, head(part, moved, "MR", seed=2))
    points = np.random.default_rng(0).uniform(-50, 50, (100, 3))
    found = np.array([result.transform.TransformPoint(one) for one in points.tolist()])
    assert np.linalg.norm(found - apply(matrix(moved), points), axis=1).mean() < 2.5
    assert result.verdict == "ok", result.reasons


GOOD = {
    "mi_before": 0.1, "mi_after": 0.8, "agreement_mm": 0.0, "agreement_deg": 0.0, "overlap": 1.0,
    "inverse_consistency_mm": 0.3, "halves_mm": 0.3, "halves_deg": 0.1, "rival": 0.98,
}  # fmt: skip


@pytest.mark.parametrize(
    ("away", "words"),
    [
        ((29.0, 2.0), "29 mm away: the body repeats itself, as vertebrae do"),
        ((60.0, 180.0), "rotated by 180°: the body looks much alike"),
    ],
)
def test_the_doubt_says_where_the_rival_lies(away: tuple[float, float], words: str) -> None:
    verdict, reasons = judge(GOOD | dict(zip(("rival_mm", "rival_deg"), away, strict=True)))
    assert verdict == "doubtful"
    assert words in reasons[0]
