"""The generated torso, limb and person: what they show, and that seeds, poses and errors are honest."""

from __future__ import annotations

import numpy as np
import pytest

from medfuse import Geometry
from medfuse.errors import ParameterError, UnknownNameError
from medfuse.phantom import rigid
from medfuse.phantom.bodies import BODY_CONTRASTS, Body, limb, person, render_body, torso
from medfuse.phantom.bodies.body import Blob, Rod
from medfuse.transforms import apply

SLAB = Geometry((80, 56, 3), (5.0, 5.0, 5.0), (-197.5, -137.5, -5.0))


def at(body: Body, contrast: str, place: tuple[float, float, float]) -> float:
    """What a scan without noise shows in one voxel of 2 mm."""
    grid = Geometry((2, 2, 2), (2.0, 2.0, 2.0), tuple(np.subtract(place, 1.0)))
    return float(render_body(contrast, body, grid, noise=0).array.mean())


@pytest.mark.parametrize("contrast", BODY_CONTRASTS)
def test_equal_arguments_give_equal_bytes_and_other_seeds_do_not(contrast: str) -> None:
    one, two = (render_body(contrast, torso(3), SLAB, seed=1).array for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert one.dtype == np.float32
    assert not np.array_equal(one, render_body(contrast, torso(3), SLAB, seed=2).array)
    assert not np.array_equal(one, render_body(contrast, torso(4), SLAB, seed=1).array)


@pytest.mark.parametrize(("contrast", "modality"), [("CT", "CT"), ("T1", "MR"), ("T2", "MR"), ("PET", "PT")])
def test_say_their_modality(contrast: str, modality: str) -> None:
    assert render_body(contrast, limb(), SLAB).modality == modality


def test_a_ball_shows_the_values_of_its_tissue() -> None:
    body = Body((Blob("fat", (0, 0, 0), (60, 60, 60)), Blob("liver", (0, 0, 0), (30, 30, 30))), warp_mm=0.0)
    assert at(body, "CT", (0, 0, 0)) == pytest.approx(62)
    assert at(body, "CT", (45, 0, 0)) == pytest.approx(-100)
    assert at(body, "CT", (90, 0, 0)) == pytest.approx(-1000)
    assert at(body, "PET", (0, 0, 0)) == pytest.approx(2.4)
    assert at(body, "T1", (45, 0, 0)) > at(body, "T1", (0, 0, 0)) > at(body, "T1", (90, 0, 0)) == 0


def test_a_rod_and_its_mirror() -> None:
    rod = Rod("fat", ((10.0, 0.0, 0.0, 4.0), (10.0, 0.0, 50.0, 4.0)))
    for part, x in ((rod, 10.0), (rod.mirrored(), -10.0)):
        inside = part.distance(np.array([[x, x + 4, x + 10], [0, 0, 0], [25, 25, 25]], np.float32))
        np.testing.assert_allclose(inside, (-4, 0, 6), atol=1e-5)
        np.testing.assert_allclose(part.box, [[x - 4, -4, -4], [x + 4, 4, 54]])
    assert Blob("fat", (5, 1, 2), (1, 2, 3)).mirrored() == Blob("fat", (-5, 1, 2), (1, 2, 3))


def test_a_pose_moves_the_scan_exactly() -> None:
    moved = rigid((6, -4, 9), (30, -12, 21))
    grid = Geometry((3, 3, 3), (2.0, 2.0, 2.0), (-64.0, 8.0, -30.0))
    turned = Geometry(grid.size, grid.spacing, tuple(apply(moved, grid.origin)), moved[:3, :3])
    one, two = (render_body("CT", torso(), *place, noise=0).array for place in ((grid,), (turned, moved)))
    np.testing.assert_allclose(one, two, atol=0.1)


def test_neighbouring_vertebrae_are_alike_but_not_equal() -> None:
    bodies = [
        part
        for part in torso().parts
        if isinstance(part, Blob) and part.tissue == "marrow" and part.power == 5
    ]
    assert len(bodies) == 14
    sizes = np.array([part.radii for part in bodies])
    change = np.abs(np.diff(np.log(sizes), axis=0)).max(axis=1)
    assert (change > 0.005).all()
    assert (change < 0.35).all()
    pitch = -np.diff([part.centre[2] for part in bodies])
    assert (np.abs(pitch - 29) < 4).all()


def test_a_person_has_a_head_lungs_and_two_legs() -> None:
    body = person()
    assert 0 < at(body, "CT", (5, 40, 420)) < 60  # brain
    assert at(body, "CT", (80, 10, 110)) < -700 > at(body, "CT", (-80, 10, 110))
    for x in (60, 130, -60, -130):
        assert at(body, "CT", (x, 8, -450)) > -200
    assert at(body, "CT", (0, -60, -450)) == pytest.approx(-1000, abs=1)


def test_a_limb_is_not_round() -> None:
    axis = [at(limb(), "CT", (x, 0, 0)) for x in range(-60, 61, 6)]
    assert max(axis) > 700
    assert np.abs(np.subtract(axis, axis[::-1])).max() > 300


@pytest.mark.parametrize(
    ("error", "words", "arguments"),
    [
        (UnknownNameError, "contrast 'MR'", {"contrast": "MR"}),
        (ParameterError, "seed -1", {"seed": -1}),
        (ParameterError, "noise -0.5", {"noise": -0.5}),
        (ParameterError, "expected a rigid", {"pose": 2 * np.eye(4)}),
    ],
)
def test_refuses_what_makes_no_sense(error: type[Exception], words: str, arguments: dict) -> None:
    with pytest.raises(error, match=words):
        render_body(**{"contrast": "CT", "body": limb(), "geometry": SLAB, **arguments})
    with pytest.raises(ParameterError, match="body seed -1"):
        Body((), -1)
