"""Inverses of transforms, and both ways applied."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from oriented import ORIENTED

from medfuse.errors import ParameterError
from medfuse.resampling.inverses import inverted
from medfuse.volume import Geometry

GRID = Geometry((40, 36, 30), (3, 3, 4), (-58, -52, -58))


def waves(amplitude: float, period: float = 80.0) -> SimpleITK.Transform:
    """A smooth field of displacements (mm) over GRID and 40 mm around it."""
    axes = [np.arange(-110, 111, 5.0)] * 3
    z, y, x = np.meshgrid(*axes, indexing="ij")
    wave = amplitude * np.stack([np.sin(2 * np.pi * a / period) for a in (y, z, x)], axis=-1)
    image = SimpleITK.GetImageFromArray(wave, isVector=True)
    image.SetSpacing((5.0,) * 3)
    image.SetOrigin((-110.0,) * 3)
    return SimpleITK.DisplacementFieldTransform(SimpleITK.Cast(image, SimpleITK.sitkVectorFloat64))


def rigid(*degrees: float) -> SimpleITK.Transform:
    transform = SimpleITK.Euler3DTransform()
    transform.SetRotation(*np.radians(degrees))
    transform.SetTranslation((12.0, -8.0, 5.0))
    return transform


def errors(transform: SimpleITK.Transform, back: SimpleITK.Transform, grid: Geometry) -> np.ndarray:
    """|T(T⁻¹(q)) − q| at points of ``grid`` that are no points of the inverse's lattice."""
    rng = np.random.default_rng(0)
    points = grid.world(rng.uniform(0, 1, (300, 3)) * (np.array(grid.size) - 1))
    there = [transform.TransformPoint(back.TransformPoint(point)) for point in points.tolist()]
    return np.linalg.norm(np.array(there) - points, axis=1)


@pytest.mark.parametrize("name", ORIENTED)
def test_linear_transforms_exactly(name: str) -> None:
    assert (
        errors(rigid(40, 170, -20), inverted(rigid(40, 170, -20), ORIENTED[name]), ORIENTED[name]).max()
        < 1e-9
    )


def test_a_smooth_field() -> None:
    field = waves(4)
    found = errors(field, inverted(field, GRID), GRID)
    assert found.max() < 0.25  # of 4 mm: the rest is what lines between points 4 mm apart miss
    assert found.mean() < 0.07


@pytest.mark.parametrize("degrees", [(5, -10, 15), (0, 178, 0)])
def test_a_field_within_a_turn_as_a_deformable_registration_has_it(degrees) -> None:
    both = SimpleITK.CompositeTransform([rigid(*degrees), waves(3)])  # the field acts first
    centre = both.TransformPoint((0.0, 0.0, 0.0))
    grid = Geometry((20, 20, 20), (4, 4, 4), tuple(np.array(centre) - 38))
    assert errors(both, inverted(both, grid), grid).max() < 0.2


def test_a_field_that_folds_is_refused() -> None:
    with pytest.raises(ParameterError, match="cannot be inverted: at one in a hundred points"):
        inverted(waves(60, 60), GRID)
