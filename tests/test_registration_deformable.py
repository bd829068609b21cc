"""The displacement field in its parts, on small volumes whose deformation is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from test_registration_search import pose, quiet, texture

from medfuse.registration.deformable import displacement, refine
from medfuse.registration.deformable.displacement import Deformation, deform
from medfuse.registration.linear.climb import MIDDLE, Stage
from medfuse.registration.linear.search import LinearResult
from medfuse.registration.poses import axis_rotation
from medfuse.registration.pyramid.prepare import prepare
from medfuse.registration.pyramid.search_volume import SearchVolume
from medfuse.transforms import apply, to_affine, transform_points
from medfuse.volume import Geometry, Volume

GRID = Geometry((34, 34, 34), (3.5, 3.5, 3.5), (-40, -70, -57.5))
CENTRE = np.array([17.5, -12.5, 0.0])
LINEAR = pose((4, -3, 6), (6, -5, 4))


def bulge(points: np.ndarray) -> np.ndarray:
    """Displacement (mm) of points of the fixed volume, up to 5 mm."""
    near = np.exp(-0.5 * np.square((points - CENTRE - (8, -5, 4)) / 22).sum(axis=-1))
    return near[..., np.newaxis] * (4, 2, -2.5)


def structure(points: np.ndarray) -> np.ndarray:
    """The body of the search's tests with details of 12 mm, which tell places apart."""
    x, y, z = np.moveaxis((points - CENTRE) / 4, -1, 0)
    return texture(points) * (1 + 0.5 * np.sin(x + np.cos(y / 3)) * np.cos(y) * np.sin(z + np.cos(x / 3)))


def noisy(values: np.ndarray, grid: Geometry, seed: int) -> Volume:
    noise = np.random.default_rng(seed).normal(scale=0.1, size=values.shape)
    return Volume((values + noise).transpose(2, 1, 0), grid, "MR")


def still(grid: Geometry) -> Volume:
    """As the fixed volume shows it."""
    index = np.stack(np.meshgrid(*map(np.arange, grid.size), indexing="ij"), axis=-1)
    return noisy(structure(grid.world(index)), grid, 0)


def deformed(grid: Geometry) -> Volume:
    """As the moving volume shows it: what lies at p in the fixed one lies at LINEAR(p + u(p))."""
    index = np.stack(np.meshgrid(*map(np.arange, grid.size), indexing="ij"), axis=-1)
    there = apply(np.linalg.inv(LINEAR), grid.world(index))
    points = there.copy()
    for _ in range(30):
        points = there - bulge(points)
    return noisy(5 - structure(points), grid, 1)


@pytest.fixture(scope="module")
def pair() -> tuple[SearchVolume, SearchVolume]:
    return prepare(still(GRID), "", 3.5), prepare(deformed(GRID), "", 3.5)


@pytest.fixture(scope="module")
def found(pair) -> Deformation:
    return deform(*pair, LINEAR, 1.0, quiet)


def body_points(volume: SearchVolume) -> np.ndarray:
    return volume.foreground_points[::25]


def test_finds_the_displacement_before_the_linear_transform(pair, found) -> None:
    points = body_points(pair[0])
    missing = transform_points(found.transform(), points) - points - bulge(points)
    before = np.linalg.norm(bulge(points), axis=1)
    assert before.mean() > 1.2
    assert np.linalg.norm(missing, axis=1).mean() < 0.6 * before.mean()
    top = before > 3.5
    assert np.linalg.norm(missing[top], axis=1).mean() < 0.45 * before[top].mean()


def test_calls_progress_from_start_to_end(pair) -> None:
    steps: list[tuple[float, str]] = []
    deform(*(one.coarser(10.0) for one in pair), LINEAR, 3.0, lambda *step: steps.append(step))
    fractions = [fraction for fraction, _ in steps]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert 0.9 < fractions[-1] <= 1
    assert len(steps) == 40  # twenty on each of two grids
    assert all(message for _, message in steps)


def test_lies_on_the_fine_grid_and_shrinks_with_the_body(pair, found) -> None:
    assert found.image.GetSpacing() == pytest.approx((3.5,) * 3)
    assert found.field.shape == (*found.image.GetSize()[::-1], 3)
    np.testing.assert_allclose(found.image.GetOrigin(), pair[0].image.GetOrigin(), atol=1e-6)


def test_large_bodies_get_a_coarser_grid() -> None:
    """At most 400,000 voxels."""
    side = 7.0 * 100
    image = SimpleITK.Image((100, 100, 100), SimpleITK.sitkFloat32)
    image.SetSpacing((7.0, 7.0, 7.0))
    spacing = displacement._least_spacing(SearchVolume(image, None))
    assert (side / spacing) ** 3 == pytest.approx(400_000, rel=1e-6)


def test_a_field_is_the_same_field_on_another_grid() -> None:
    """In mm; given and returned in voxels of the two grids."""
    direction = axis_rotation(2, 25)
    grids = []
    for spacing, size in ((4.0, 20), (2.5, 26)):
        array = np.zeros((size,) * 3, np.float32)
        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing((spacing,) * 3)
        image.SetDirection(direction.ravel().tolist())
        image.SetOrigin((direction @ np.full(3, 5.0 if size == 26 else 0.0)).tolist())
        grids.append(SearchVolume(image, None))
    old, new = grids
    z, y, x = np.indices(old.array.shape).astype(np.float32)
    field = np.stack([0.1 * z, 0.05 * y, 0.2 * x])  # along z, y, x in voxels of 4 mm
    moved = displacement._regridded(field, old, new)
    z, y, x = (2 + np.indices(new.array.shape) * 2.5 / 4 - 0.75).astype(np.float32)  # 5 mm are 1.25 voxels
    expected = np.stack([0.1 * z, 0.05 * y, 0.2 * x]) * 4 / 2.5
    inner = (slice(None), *(slice(2, -2),) * 3)
    np.testing.assert_allclose(moved[inner], expected[inner], atol=1e-4)


def test_a_step_goes_uphill_and_is_no_longer_than_it_may() -> None:
    """Of ramps the step of Lucas and Kanade is known: misfit over slope, less by the damping."""
    z, y, x = np.indices((16, 16, 16)).astype(np.float32)
    seen = np.stack([0.2 * x + 0.1 * y, 0.3 * y, 0.25 * z])
    shift = np.array([0.3, -0.2, 0.4])  # along z, y, x
    wanted = np.stack(
        [0.2 * (x + shift[2]) + 0.1 * (y + shift[1]), 0.3 * (y + shift[1]), 0.25 * (z + shift[0])]
    )
    weight = np.ones(x.shape, np.float32)
    update = displacement._update(wanted, seen, weight)
    # The damped normal equations of the ramps, solved by hand with numpy:
    slopes = np.array([[0, 0.1, 0.2], [0, 0.3, 0], [0.25, 0, 0]])  # of each channel along z, y, x
    matrix = slopes.T @ slopes
    expected = np.linalg.solve(matrix + np.trace(matrix) * np.eye(3), matrix @ shift)
    np.testing.assert_allclose(update[:, 8, 8, 8], expected, rtol=2e-3)
    far = displacement._update(wanted + 5, seen, weight)
    assert np.linalg.norm(far, axis=0).max() == pytest.approx(0.7, rel=1e-4)
    nowhere = displacement._update(wanted, seen, np.zeros_like(weight))
    np.testing.assert_array_equal(nowhere, 0)


class TestFigures:
    def stages(self, pair) -> list[Stage]:
        level = replace(MIDDLE, samples=3000)
        return [Stage(*pair, level, 1)] * 3

    def test_of_a_deformation(self, pair) -> None:
        linear = LinearResult(LINEAR, CENTRE, {"overlap": 0.9})
        transform, result = refine.refine(self.stages(pair), linear, quiet)
        figures = result.figures
        points = body_points(pair[0])
        true = apply(LINEAR, points + bulge(points))
        error = np.linalg.norm(transform_points(transform, points) - true, axis=1).mean()
        rigid = np.linalg.norm(apply(LINEAR, points) - true, axis=1).mean()
        assert error < 0.6 * rigid
        assert figures["overlap"] == 0.9
        stage = self.stages(pair)[0]
        assert figures["mi_rigid"] == refine._information(stage, to_affine(LINEAR))
        assert figures["mi_after"] == refine._information(stage, transform)
        assert 0 < figures["deformation_consistency_mm"] < 1
        assert 0.8 < figures["displacement_mean_mm"] < 2.5
        image = SimpleITK.DisplacementFieldTransform(transform.GetNthTransform(1)).GetDisplacementField()
        field = Deformation(SimpleITK.GetArrayFromImage(image), image)
        assert figures["displacement_max_mm"] == pytest.approx(np.linalg.norm(field.field, axis=-1).max())
        assert figures["jacobian_min"] == pytest.approx(field.jacobian().min())
        assert figures["jacobian_max"] == pytest.approx(field.jacobian().max())
        assert 0.4 < figures["jacobian_min"] < 1 < figures["jacobian_max"] < 1.8
        np.testing.assert_array_equal(result.pose, LINEAR)
        assert [transform.GetNthTransform(i).GetName() for i in (0, 1)] == [
            "Euler3DTransform",
            "DisplacementFieldTransform",
        ]

    def test_of_inverse_consistency_are_what_points_miss(self) -> None:
        points = np.random.default_rng(0).normal(size=(7, 3)) * 20
        there, back = to_affine(LINEAR), to_affine(np.linalg.inv(LINEAR) @ pose(shift=(0, 3, 4)))
        lost = refine._inverse_consistency(points, there, back)
        assert lost == pytest.approx(5)
        assert refine._inverse_consistency(points, there, there.GetInverse()) == pytest.approx(0, abs=1e-9)

    def test_of_information_equal_the_textbook_formula(self, pair) -> None:
        (stage, *_) = self.stages(pair)
        identity = SimpleITK.Transform(3, SimpleITK.sitkIdentity)
        joint, _, _ = np.histogram2d(
            stage.fixed.array.ravel(), stage.moving.array.ravel(), bins=32, range=((0, 1 + 1e-9),) * 2
        )
        joint /= joint.sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = joint * np.log(joint / np.outer(joint.sum(axis=1), joint.sum(axis=0)))
        assert refine._information(stage, identity) == pytest.approx(np.nansum(terms), rel=1e-3)
        mask = np.indices(stage.fixed.array.shape)[0] < 3
        masked = replace(stage.fixed, mask=stage.fixed.like(mask.astype(np.uint8)))
        part = refine._information(replace(stage, fixed=masked), identity)
        assert part != pytest.approx(np.nansum(terms), rel=0.02)
        far = SimpleITK.TranslationTransform(3, (900.0, 0, 0))
        assert np.isnan(refine._information(stage, far))
