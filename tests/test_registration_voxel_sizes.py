"""Wrong voxel sizes: what an affine climb finds of them, along the axes of the moving volume."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from test_registration_search import GRID, pose, quiet, scan

from medfuse.registration import register
from medfuse.registration.linear import search
from medfuse.registration.linear.climb import MIDDLE, Stage
from medfuse.registration.poses import axis_rotation, distance
from medfuse.registration.pyramid.prepare import prepare
from medfuse.registration.voxel_sizes import scale_figures, worst_axis
from medfuse.transforms import transform_points
from medfuse.volume import Geometry, Volume

OBLIQUE = axis_rotation(2, 30) @ axis_rotation(0, -20)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("factor", [0.9, 1.08])
def test_factors_are_those_of_the_moving_volumes_axes(axis: str, factor: float) -> None:
    """The rotation between the volumes does not hide along which axis of the grid lengths are wrong."""
    factors = np.ones(3)
    factors["xyz".index(axis)] = factor
    affine = np.eye(4)
    affine[:3, :3] = OBLIQUE @ np.diag(factors) @ OBLIQUE.T @ axis_rotation(1, 50)
    figures = scale_figures(affine, Geometry((4, 4, 4), direction=OBLIQUE))
    assert worst_axis(figures) == (axis, pytest.approx(factor))
    others = [value for name, value in figures.items() if not name.endswith(axis)]
    assert others == pytest.approx([1, 1])


def test_the_worst_axis_counts_shrinking_and_growing_alike() -> None:
    figures = {"affine_scale_x": 1.1, "affine_scale_y": 0.9, "affine_scale_z": 1.0}
    assert worst_axis(figures) == ("y", 0.9)  # 1/0.9 is more than 1.1


@pytest.mark.parametrize("factor", [1.0, 0.9])
def test_an_affine_climb_gains_where_a_spacing_is_wrong(factor: float) -> None:
    moving = scan(GRID, np.eye(4), seed=1)
    wrong = replace(moving.geometry, spacing=(5.0, 5.0, 5.0 * factor))
    pair = (prepare(scan(GRID, np.eye(4)), "", 1.0), prepare(replace(moving, geometry=wrong), "", 1.0))
    stage = Stage(*pair, replace(MIDDLE, samples=4000), 1)
    start = stage.climb(pose(shift=(0, 0, 57.5 * (1 - factor))), quiet, "").pose
    affine, figures = search._affine_gain(stage, start, quiet)
    assert (figures["affine_gain"] > 0.06) == (factor != 1)
    assert scale_figures(affine, wrong)["affine_scale_z"] == pytest.approx(factor, abs=0.02)
    assert distance(affine, start, stage.fixed.foreground_points) < 6


def test_a_reported_wrong_slice_spacing_is_doubted(shared_data) -> None:
    """5.0 mm written for slices of 5.5 mm: 3.7 mm off, and every other check repeats perfectly."""
    import SimpleITK

    folder = shared_data("reported_registration/slice_spacing_wrong/truth.txt").parent
    ct, thick = (
        Volume.from_sitk(SimpleITK.ReadImage(str(folder / f"{name}.nii.gz"), SimpleITK.sitkFloat32), kind)
        for name, kind in (("ph_ct", "CT"), ("ph_t1_thick", "MR"))
    )
    result = register(ct, thick)
    assert result.verdict == "doubtful"
    assert re.match("the slices of the moving volume seem about [789]% too close together", result.reasons[0])
    assert result.figures["affine_scale_z"] == pytest.approx(5.0 / 5.5, abs=0.02)
    truth = np.loadtxt(folder / "truth.txt")
    points = np.random.default_rng(0).uniform(-60, 60, (100, 3))
    missed = transform_points(result.transform, points) - (points @ truth[:3, :3].T + truth[:3, 3])
    assert np.linalg.norm(missed, axis=1).mean() > 2
