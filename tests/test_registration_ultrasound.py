"""MR and ultrasound by their edges: near a starting pose, and no farther than its limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK

from medfuse.phantom import Probe, render, render_us, rigid, sample_study
from medfuse.phantom.head import Head
from medfuse.registration import PRESETS, register
from medfuse.registration.linear.climb import MIDDLE, Stage
from medfuse.registration.poses import distance
from medfuse.registration.pyramid.edges import edges_of
from medfuse.registration.pyramid.prepare import prepare
from medfuse.transforms import inverse, to_affine
from medfuse.volume import Geometry, Volume

DRIFT = rigid((4, -5, 3), (5, 8, -4))  # how the head of the ultrasound lies in its world
PROBE = Probe(beams=(72, 40), samples=130)


@pytest.fixture(scope="module")
def mr() -> Volume:
    return render("T1", Geometry((56, 66, 46), (2.4, 2.4, 2.6), (-52, -62, -46)), noise=0.5)


@pytest.fixture(scope="module")
def ultrasound() -> Volume:
    grid = Geometry((62, 60, 66), (2.0, 2.0, 2.0), (-40, -30, -42))
    return render_us(Head(0), grid, DRIFT, seed=3, probe=PROBE)


@pytest.fixture(scope="module")
def fan(ultrasound: Volume) -> np.ndarray:
    """Points of the MR's world that the ultrasound shows."""
    index = np.argwhere(ultrasound.valid)[::500, ::-1]
    to_mr = np.linalg.inv(DRIFT)
    return ultrasound.geometry.world(index) @ to_mr[:3, :3].T + to_mr[:3, 3]


def off(millimetres: float) -> np.ndarray:
    """A pose beside the true one."""
    return DRIFT @ rigid((3, -2, 4), np.array([0.6, -0.6, 0.5]) * millimetres)


def test_finds_the_pose_near_the_start_bit_by_bit(mr: Volume, ultrasound: Volume, fan: np.ndarray) -> None:
    start = off(10)
    assert distance(start, DRIFT, fan) > 8
    results = [register(mr, ultrasound, initial_transform=to_affine(start)) for _ in range(2)]
    found = np.array([results[0].transform.TransformPoint(point) for point in fan.tolist()])
    true = fan @ DRIFT[:3, :3].T + DRIFT[:3, 3]
    assert np.linalg.norm(found - true, axis=1).mean() < 1.5
    assert results[0].verdict == "ok", results[0].reasons
    assert (results[0].preset, results[0].start) == ("mr-us", "transform")
    assert 8 < results[0].figures["travel_mm"] < 15
    assert results[0].transform.GetParameters() == results[1].transform.GetParameters()
    assert dict(results[0].figures) == dict(results[1].figures)


def test_keeps_a_start_that_matches_better_than_what_is_found() -> None:
    """The true transform of the sample study: the search ends 0.9 mm beside it, and matches less."""
    study = sample_study(["ct", "us"])
    true = study.transform("ct", "us")
    result = register(study.volumes["ct"], study.volumes["us"], initial_transform=to_affine(true))
    points = study.volumes["us"].geometry.world(np.argwhere(study.volumes["us"].array > 0)[::9000, ::-1])
    points = points @ inverse(true)[:3, :3].T + inverse(true)[:3, 3]
    there = np.array([result.transform.TransformPoint(point) for point in points.tolist()])
    np.testing.assert_allclose(there, points @ true[:3, :3].T + true[:3, 3], atol=0.01)
    assert result.figures["mi_found"] < 0.99 * result.figures["mi_before"]
    assert result.figures["mi_after"] == result.figures["mi_before"]
    assert result.figures["agreement_mm"] < 1.5  # the searches ended beside it
    assert result.verdict == "doubtful"
    assert "the pose before the search was kept" in result.reasons[0]


def test_does_not_leave_the_neighbourhood_of_a_wrong_start(mr: Volume, ultrasound: Volume) -> None:
    preset = PRESETS["mr-us"]
    result = register(mr, ultrasound, initial_transform=to_affine(off(60)))
    assert result.verdict != "ok"
    assert result.figures["travel_mm"] < 1.3 * preset.travel_mm
    assert result.figures["travel_deg"] < 1.3 * preset.travel_deg


def test_a_climb_ends_where_it_may_go_no_farther(mr: Volume, ultrasound: Volume) -> None:
    one, two = (edges_of(prepare(volume, "", 3.0)) for volume in (ultrasound, mr))
    stage = Stage(one, two, replace(MIDDLE, samples=5000), 1)
    start = inverse(off(10))
    points = one.foreground_points[::50]
    limited = stage.climb(start, lambda *_: None, "", within=lambda pose: distance(pose, start, points) < 4)
    free = stage.climb(start, lambda *_: None, "")
    assert distance(free.pose, start, points) > 6
    assert 4 <= distance(limited.pose, start, points) < 6  # one step beyond the limit


def test_black_around_a_fan_takes_no_part() -> None:
    _, y, x = np.indices((24, 30, 28))
    sector = (np.hypot(y - 2, x - 14) < 24) & (np.abs(x - 14) < y - 1)
    speckle = np.random.default_rng(0).rayleigh(60, sector.shape)
    speckle[8:10, 14:16, 13:15] = 0  # a vessel is black too
    volume = Volume(np.where(sector, speckle, 0), Geometry((28, 30, 24)), "US")
    measured = prepare(volume, "fixed", 1.0).measured
    assert (measured == sector).mean() > 0.98
    assert measured[8:10, 14:16, 13:15].all()
    assert prepare(replace(volume, modality="MR"), "fixed", 1.0).mask is None
    assert prepare(volume.with_array(speckle + 1), "fixed", 1.0).mask is None  # no black at all


def test_edges_have_none_at_the_rim_of_the_fan() -> None:
    rng = np.random.default_rng(0)
    sector = np.broadcast_to(np.indices((20, 20))[1] < 12, (20, 20, 20))
    values = np.where(np.indices((20, 20, 20))[0] < 10, 100.0, 160.0) + rng.normal(size=(20, 20, 20))
    edges = edges_of(prepare(Volume(values, Geometry((20,) * 3), "MR", valid=sector), "fixed", 1.0))
    assert edges.edges
    assert not edges.measured[:, :, 10:].any()  # two voxels less than was measured
    assert edges.measured[:, :, :10].all()
    profile = edges.array[:, 5:15, :10].mean(axis=(1, 2))
    assert profile.argmax() in {9, 10}
    assert profile[9:11].min() > 3 * np.median(profile)
    np.testing.assert_allclose(edges.array[9:11, 5:15, 9], edges.array[9:11, 5:15, 4], atol=0.2)


def test_metal_and_bone_do_not_drown_the_edges_of_soft_tissue() -> None:
    values = np.full((16, 16, 16), 40.0)
    values[:, :, 8:] = 60
    values[:3] = 1200
    soft = prepare(Volume(values, Geometry((16,) * 3), "CT"), "fixed", 1.0, ct_range=(-20.0, 100.0))
    whole = prepare(Volume(values, Geometry((16,) * 3), "CT"), "fixed", 1.0)
    assert np.ptp(soft.array[10]) > 10 * np.ptp(whole.array[10])
    assert isinstance(soft.image, SimpleITK.Image)
