"""Single slices are registered within their planes, wherever these lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from painted_head import head, matrix, rigid

from medfuse.errors import ParameterError, RegistrationError
from medfuse.registration import register
from medfuse.volume import Geometry, Volume

SLICE = Geometry((120, 130, 1), (1.6, 1.6, 4.0), (-95, -104, 8))
MOVE = rigid((0, 0, 17), (9, -14, 0))  # within the plane
CORNERS = [(-50.0, -60.0, 8.0), (50, -60, 8), (-50, 60, 8), (50, 60, 8)]


def scan(pose: SimpleITK.Transform, modality: str) -> Volume:
    """The slice of the head at z = 8 after ``pose``, on a grid that moves with it, but for ``MOVE``."""
    to_plane = matrix(pose) @ np.linalg.inv(matrix(MOVE))
    origin = to_plane[:3, :3] @ SLICE.origin + to_plane[:3, 3]
    return head(replace(SLICE, origin=tuple(origin), direction=to_plane[:3, :3]), pose, modality, seed=1)


@pytest.fixture(scope="module")
def ct() -> Volume:
    return head(SLICE, None, "CT")


def test_finds_a_turn_within_the_plane(ct: Volume) -> None:
    moving = scan(MOVE, "MR")
    result = register(ct, moving)
    for corner in CORNERS:
        assert result.transform.TransformPoint(corner) == pytest.approx(MOVE.TransformPoint(corner), abs=0.5)
    assert result.verdict == "ok", result.reasons
    assert result.figures["rotation_deg"] == pytest.approx(17, abs=0.3)
    again = register(ct, moving)
    assert again.transform.GetParameters() == result.transform.GetParameters()


OTHER_PLANES = {
    "oblique": rigid((90, 20, -35), (300, -80, 45)),
    "below, tilted": rigid((4, 0, 17), (9, -14, -70)),
}


@pytest.mark.parametrize("pose", OTHER_PLANES.values(), ids=OTHER_PLANES)
def test_finds_a_slice_in_another_plane(ct: Volume, pose: SimpleITK.Transform) -> None:
    result = register(ct, scan(pose, "MR"))
    for corner in CORNERS:
        assert result.transform.TransformPoint(corner) == pytest.approx(pose.TransformPoint(corner), abs=0.5)
    assert result.verdict == "ok", result.reasons


def test_finds_a_slice_that_is_stored_upside_down(ct: Volume) -> None:
    moving = scan(MOVE, "MR")
    old = moving.geometry
    last = old.world([0, old.size[1] - 1, 0])
    flipped = replace(old, origin=tuple(last), direction=np.asarray(old.direction) * [1, -1, -1])
    result = register(ct, Volume(moving.array[:, ::-1], flipped, "MR"))
    for corner in CORNERS:
        assert result.transform.TransformPoint(corner) == pytest.approx(MOVE.TransformPoint(corner), abs=0.5)


def test_finds_wrong_pixel_sizes(ct: Volume) -> None:
    moving = scan(MOVE, "MR")
    geometry = moving.geometry
    wrong = replace(geometry, spacing=(1.5, 1.5, 4.0))
    result = register(ct, replace(moving, geometry=wrong), kind="similarity")
    for corner in CORNERS:
        true = wrong.world(geometry.index(MOVE.TransformPoint(corner)))
        assert result.transform.TransformPoint(corner) == pytest.approx(tuple(true), abs=0.6)
    assert result.figures["scale_min"] == pytest.approx(1.5 / 1.6, abs=0.005)
    assert result.verdict == "ok", result.reasons


def test_headers_say_where_parallel_slices_lie(ct: Volume) -> None:
    """Also where the planes are 60 mm apart and tilted by 4°."""
    tilted = matrix(rigid((4, 0, 0), (0, 0, 60)))
    origin = tilted[:3, :3] @ SLICE.origin + tilted[:3, 3]
    moving = Volume(ct.array, replace(SLICE, origin=tuple(origin), direction=tilted[:3, :3]), "CT")
    result = register(ct, moving, start="header")
    for corner in CORNERS:
        true = tilted[:3, :3] @ corner + tilted[:3, 3]
        assert result.transform.TransformPoint(corner) == pytest.approx(tuple(true), abs=0.5)
    assert result.start == "header"
    upright = replace(SLICE, direction=matrix(rigid((90, 0, 0), (0, 0, 0)))[:3, :3])
    with pytest.raises(RegistrationError, match="do not lie in parallel planes"):
        register(ct, Volume(ct.array, upright, "CT"), start="header")


def test_noise_is_not_ok(ct: Volume) -> None:
    noise = np.random.default_rng(2).normal(size=SLICE.shape)
    assert register(ct, Volume(noise, SLICE, "MR")).verdict != "ok"


def test_what_leaves_the_plane_is_refused(ct: Volume) -> None:
    with pytest.raises(ParameterError, match="out of the plane"):
        register(ct, ct, initial_transform=rigid((5, 0, 0), (0, 0, 0)))
    with pytest.raises(ParameterError, match="'deformable' needs volumes"):
        register(ct, ct, kind="deformable", preset="general")


def test_a_slice_against_a_volume_is_refused(ct: Volume) -> None:
    volume = Volume(np.repeat(ct.array, 3, axis=0), replace(SLICE, size=(120, 130, 3)), "MR")
    with pytest.raises(RegistrationError, match=r"fixed volume has a single slice.*the moving one has 3"):
        register(ct, volume)
    with pytest.raises(RegistrationError, match=r"moving volume has a single slice.*the fixed one has 3"):
        register(volume, ct)


@pytest.mark.parametrize(
    ("name", "centre", "degrees"),
    [("Shifted13x17y", (123.0, 145.0), 0), ("R10X13Y17", (123.0, 144.5), 10)],
)
def test_finds_known_moves_of_real_slices(shared_data, name: str, centre, degrees: float) -> None:
    fixed, moving = (
        Volume(SimpleITK.GetArrayFromImage(image)[np.newaxis], Geometry((221, 257, 1)), "MR")
        for image in (
            SimpleITK.ReadImage(str(shared_data(f"itk2d/{file}.png")))
            for file in ("BrainT1SliceBorder20", f"BrainProtonDensitySlice{name}")
        )
    )
    result = register(fixed, moving)
    assert result.verdict == "ok", result.reasons
    assert result.figures["rotation_deg"] == pytest.approx(degrees, abs=0.3)
    assert result.transform.TransformPoint((110.0, 128.0, 0.0))[:2] == pytest.approx(centre, abs=0.7)
