"""Registration finds known poses, and says when it did not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from painted_head import GRID, around, error, head, matrix, rigid

from medfuse.errors import Cancelled, ParameterError, RegistrationError, UnknownNameError
from medfuse.registration import KINDS, Registration, register
from medfuse.resampling import resample
from medfuse.volume import Geometry, Volume

FEET_FIRST = rigid((4, 176, -7), (12, -9, 16))
LARGE = (rigid((-19, 14, 20), (-18, 20, 11)), np.diag([-1.0, -1, 1]), (3.0, 3.3, 4.5))
FAR_AWAY = (rigid((8, 11, -16), (400, -300, 900)), np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]]), (3.5,) * 3)


@pytest.fixture(scope="module")
def ct() -> Volume:
    return head(GRID, None, "CT")


@pytest.fixture(scope="module")
def mr() -> Volume:
    """The head in another pose, as MR; see ``FEET_FIRST``."""
    return head(around(FEET_FIRST, np.eye(3), (3.5, 3.5, 4.0)), FEET_FIRST, "MR", seed=1)


@pytest.fixture(scope="module")
def steps() -> list[tuple[float, str]]:
    """What ``found`` reported on its way."""
    return []


@pytest.fixture(scope="module")
def found(ct: Volume, mr: Volume, steps: list[tuple[float, str]]) -> Registration:
    return register(ct, mr, progress=lambda fraction, message: steps.append((fraction, message)))


def test_finds_the_half_turn_of_a_patient_scanned_feet_first(found: Registration) -> None:
    assert error(found.transform, FEET_FIRST) < 1.0
    assert found.verdict == "ok", found.reasons
    assert found.figures["rotation_deg"] > 170


def test_finds_a_pose_far_away_on_another_grid(ct: Volume) -> None:
    pose, direction, spacing = FAR_AWAY
    result = register(ct, head(around(pose, direction, spacing), pose, "MR", seed=1))
    assert error(result.transform, pose) < 1.0
    assert result.verdict == "ok", result.reasons
    assert (result.kind, result.seed, result.threads) == ("rigid", 1, 1)
    turned = np.degrees(np.arccos((np.trace(matrix(pose)[:3, :3]) - 1) / 2))
    assert result.figures["rotation_deg"] == pytest.approx(turned, abs=1)
    assert np.isnan(result.figures["mi_before"])  # by the headers they do not even touch
    assert result.figures["mi_after"] > 0.5
    assert result.figures["agreement_mm"] < 2
    assert result.figures["inverse_consistency_mm"] < 2
    assert 0.7 < result.figures["overlap"] <= 1


def test_the_other_direction_is_the_inverse(ct: Volume, mr: Volume) -> None:
    assert error(register(mr, ct).transform, FEET_FIRST.GetInverse()) < 1.0


def test_the_resampled_volume_lies_on_the_fixed_one(ct: Volume, mr: Volume, found: Registration) -> None:
    result = resample(mr, ct, found.transform)
    truth = head(GRID, None, "MR", seed=2)
    measured = np.ones(GRID.shape, dtype=bool) if result.valid is None else result.valid
    assert np.corrcoef(result.array[measured], truth.array[measured])[0, 1] > 0.98
    assert np.corrcoef(mr.array[:50, :50, :50].ravel(), truth.array[:50, :50, :50].ravel())[0, 1] < 0.9


def test_the_same_seed_gives_the_same_transform_bit_by_bit(
    ct: Volume, mr: Volume, found: Registration
) -> None:
    threads = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    one, two = found, register(ct, mr)
    other = register(ct, mr, initial_transform=one.transform, seed=7)
    assert one.transform.GetParameters() == two.transform.GetParameters()
    assert one.transform.GetFixedParameters() == two.transform.GetFixedParameters()
    assert dict(one.figures) == dict(two.figures)
    assert one.transform.GetParameters() != other.transform.GetParameters()
    assert error(other.transform, FEET_FIRST) < 1.0
    assert SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads() == threads


def test_writes_a_file_that_itk_reads(found: Registration, tmp_path) -> None:
    SimpleITK.WriteTransform(found.transform, str(tmp_path / "moving.tfm"))
    again = SimpleITK.ReadTransform(str(tmp_path / "moving.tfm"))
    assert "Euler3DTransform" in (tmp_path / "moving.tfm").read_text()
    assert error(again, found.transform) < 1e-9


def test_padding_takes_no_part(ct: Volume) -> None:
    pose, direction, spacing = LARGE
    moving = head(around(pose, direction, spacing), pose, "MR", seed=1)
    rows, columns = np.indices(GRID.shape[1:])
    field = np.hypot(rows - 29.5, columns - 27.5) < 27  # a round field of view
    valid = np.broadcast_to(field, GRID.shape)
    stripes = np.where(np.indices(GRID.shape)[0] % 8 < 4, -3000, 3000)
    padded = replace(ct, array=np.where(valid, ct.array, stripes), valid=valid)
    result = register(padded, moving)
    assert error(result.transform, pose) < 1.0
    assert result.verdict == "ok", result.reasons


def test_a_small_animal_is_a_small_head(ct: Volume) -> None:
    pose = rigid((10, -12, 15), (3, -2, 2.5))

    def shrunk(volume: Volume) -> Volume:
        old = volume.geometry
        small = Geometry(old.size, np.multiply(old.spacing, 0.2), np.multiply(old.origin, 0.2), old.direction)
        return replace(volume, geometry=small)

    as_large = rigid((10, -12, 15), (15, -10, 12.5))
    moving = head(around(as_large, np.eye(3), (3.5, 3.5, 3.5)), as_large, "MR", seed=1)
    result = register(shrunk(ct), shrunk(moving))
    assert error(result.transform, pose, scale=0.2) < 0.2
    assert result.verdict == "ok", result.reasons


class TestHopelessPairs:
    def test_noise_fails(self, ct: Volume) -> None:
        noise = np.random.default_rng(3).normal(size=GRID.shape)
        result = register(ct, Volume(noise, GRID, "MR"))
        assert result.verdict == "failed"
        assert "nothing in common" in result.reasons[0]

    def test_something_else_is_not_ok(self, ct: Volume) -> None:
        """Bars at random places: structure and edges, but no head."""
        rng = np.random.default_rng(5)
        array = np.zeros(GRID.shape)
        for _ in range(25):
            z, y, x = rng.integers(0, 40, 3)
            d, h, w = rng.integers(4, 24, 3)
            array[z : z + d, y : y + h, x : x + w] += rng.uniform(50, 300)
        result = register(ct, Volume(array + rng.normal(scale=5, size=GRID.shape), GRID, "MR"))
        assert result.verdict != "ok"
        assert result.reasons


class TestCancelling:
    @pytest.mark.parametrize("at", [0.0, 0.2, 0.35, 0.6])
    def test_stops_at_the_next_step(self, ct: Volume, mr: Volume, at: float) -> None:
        stop = Cancelled("enough")
        calls = []

        def progress(fraction: float, message: str) -> None:
            calls.append(fraction)
            if fraction >= at:
                raise stop

        with pytest.raises(Cancelled) as caught:
            register(ct, mr, progress=progress)
        assert caught.value is stop
        assert [fraction >= at for fraction in calls].count(True) == 1

    def test_progress_runs_from_0_to_1_in_small_steps(
        self, found: Registration, steps: list[tuple[float, str]]
    ) -> None:
        fractions = [fraction for fraction, _ in steps]
        assert fractions == sorted(fractions)
        assert fractions[0] == 0
        assert fractions[-1] == 1
        assert max(np.diff(fractions)) < 0.2
        assert all(message for _, message in steps)


class TestInitialTransform:
    def test_is_where_the_search_starts(self, ct: Volume, mr: Volume) -> None:
        start = rigid((10, 170, 0), (5, -5, 20))
        result = register(ct, mr, initial_transform=start)
        assert error(start, FEET_FIRST) > 8
        assert error(result.transform, FEET_FIRST) < 1.0
        assert result.verdict == "ok", result.reasons

    def test_may_be_a_quarter_turn(self, ct: Volume) -> None:
        quarter = rigid((90, 90, 0), (0, 0, 0))  # where Euler angles lock
        pose = SimpleITK.CompositeTransform([quarter, rigid((6, 5, -4), (4, 6, -5))])
        moving = head(around(pose, np.eye(3), (3.5, 3.5, 3.5)), pose, "MR", seed=1)
        result = register(ct, moving, initial_transform=quarter)
        assert error(result.transform, pose) < 1.0

    def test_only_its_neighbourhood_is_searched(self, ct: Volume, mr: Volume) -> None:
        result = register(ct, mr, initial_transform=rigid((0, 0, 0), (12, -9, 16)))
        assert error(result.transform, FEET_FIRST) > 20  # a half turn away: not for a local search
        assert result.verdict != "ok"
        assert "mi_found" not in result.figures  # nothing speaks for the start that was given

    def test_the_true_one_stays_right(self, ct: Volume, mr: Volume) -> None:
        result = register(ct, mr, initial_transform=FEET_FIRST)
        assert error(result.transform, FEET_FIRST) < 1.0
        assert result.verdict == "ok", result.reasons

    def test_a_wrong_one_is_left(self, ct: Volume, mr: Volume) -> None:
        start = SimpleITK.CompositeTransform([FEET_FIRST, rigid((9, -7, 5), (9, 11, -8))])
        assert error(start, FEET_FIRST) > 15
        result = register(ct, mr, initial_transform=start)
        assert error(result.transform, FEET_FIRST) < 1.0
        assert "mi_found" not in result.figures
        assert result.verdict == "ok", result.reasons

    def test_must_be_rigid_for_a_rigid_search(self, ct: Volume) -> None:
        scaling = SimpleITK.ScaleTransform(3, (1.1, 1.0, 1.0))
        with pytest.raises(ParameterError, match="scales or shears"):
            register(ct, ct, initial_transform=scaling)
        mirror = SimpleITK.ScaleTransform(3, (-1.0, 1.0, 1.0))
        with pytest.raises(ParameterError, match="scales or shears"):
            register(ct, ct, initial_transform=mirror)
        deformable = SimpleITK.DisplacementFieldTransform(
            SimpleITK.Image((4, 4, 4), SimpleITK.sitkVectorFloat64)
        )
        with pytest.raises(ParameterError, match="deformable"):
            register(ct, ct, initial_transform=deformable)

    def test_that_leads_nowhere_is_refused(self, ct: Volume, mr: Volume) -> None:
        with pytest.raises(RegistrationError, match="initial transform"):
            register(ct, mr, initial_transform=rigid((0, 0, 0), (5000, 0, 0)))


class TestNoSearch:
    def test_takes_the_headers_at_their_word(self, ct: Volume) -> None:
        result = register(ct, ct, kind="none")
        assert error(result.transform, rigid((0, 0, 0), (0, 0, 0))) == 0
        assert (result.kind, result.verdict) == ("none", "given")
        assert result.figures["overlap"] == 1
        assert "headers" in result.reasons[0]

    def test_takes_a_transform_as_it_stands(self, ct: Volume, mr: Volume) -> None:
        for given in (FEET_FIRST, SimpleITK.ScaleTransform(3, (1.1, 1.0, 1.0))):
            result = register(ct, mr, kind="none", initial_transform=given)
            assert result.transform is given
            assert (result.kind, result.verdict) == ("none", "given")
            assert 0.3 < result.figures["overlap"] <= 1

    def test_refuses_volumes_that_do_not_overlap(self, ct: Volume) -> None:
        far = Volume(ct.array, replace(GRID, origin=(900, -106, -99)))
        with pytest.raises(RegistrationError, match="999 mm apart"):
            register(ct, far, kind="none")
        with pytest.raises(RegistrationError, match="under the initial transform"):
            register(ct, ct, kind="none", initial_transform=rigid((0, 0, 0), (0, 500, 0)))


class TestRefusals:
    def test_a_constant_volume(self, ct: Volume) -> None:
        for pair in ((ct, ct.with_array(np.zeros(GRID.shape))), (ct.with_array(np.zeros(GRID.shape)), ct)):
            with pytest.raises(RegistrationError, match=r"constant \(0\).*right series"):
                register(*pair)

    def test_a_single_slice(self, ct: Volume) -> None:
        slice_ = Volume(ct.array[:1], replace(GRID, size=(56, 60, 1)))
        with pytest.raises(RegistrationError, match="moving volume has a single slice"):
            register(ct, slice_)

    def test_values_that_are_not_finite(self, ct: Volume) -> None:
        array = ct.array.copy()
        array[3, 4, 5] = np.nan
        with pytest.raises(RegistrationError, match="fixed volume holds NaN"):
            register(ct.with_array(array), ct)

    def test_padding_only(self, ct: Volume) -> None:
        with pytest.raises(RegistrationError, match="padding only"):
            register(ct, replace(ct, valid=np.zeros(GRID.shape, dtype=bool)))

    @pytest.mark.parametrize("seed", [0, -1, 2**31, 1.5, True])
    def test_a_seed_that_itk_would_take_for_the_clock(self, ct: Volume, seed) -> None:
        with pytest.raises(ParameterError, match="seed"):
            register(ct, ct, seed=seed)

    def test_an_unknown_kind(self, ct: Volume) -> None:
        with pytest.raises(UnknownNameError, match=", ".join(KINDS)):
            register(ct, ct, kind="rigidd")


def test_finds_the_half_turn_of_a_real_pair(shared_data) -> None:
    """Bone in muscle; the CT lies feet first.  No truth is published: judged by contrast and by eye."""
    volumes = []
    for name, modality in (("CT", "CT"), ("T2", "MR")):
        path = shared_data(f"volumes/mridir/mridir_{name}_1p5mm.nii.gz")
        volumes.append(Volume.from_sitk(SimpleITK.ReadImage(str(path)), modality))
    ct, t2 = volumes
    ct = replace(ct, valid=ct.array > -2000)
    result = register(ct, t2)
    assert result.verdict == "ok", result.reasons
    assert result.figures["rotation_deg"] == pytest.approx(178, abs=1.5)
    up = matrix(result.transform)[:3, 1]
    np.testing.assert_allclose(up, (0, 1, 0), atol=0.08)  # turned about y
    aligned = resample(t2, ct, result.transform)
    bone = (ct.array > 500) & (aligned.valid if aligned.valid is not None else True)
    muscle = (ct.array > 20) & (ct.array < 120) & (aligned.valid if aligned.valid is not None else True)
    # Cortical bone is dark in T2 and marrow is not: 0.78 when aligned, 1.0 by the headers.
    assert np.median(aligned.array[bone]) < 0.85 * np.median(aligned.array[muscle])
