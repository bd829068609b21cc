"""Padding that no header declares, volumes in wrong units, and a volume with itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from scipy.ndimage import gaussian_filter
from test_registration_search import GRID, pose, scan

from medfuse.errors import RegistrationError
from medfuse.registration import register
from medfuse.registration.linear import search
from medfuse.registration.linear.climb import MIDDLE, ScoredPose, Stage
from medfuse.registration.pyramid.constant_surround import masked_surround
from medfuse.registration.pyramid.prepare import prepare
from medfuse.registration.voxel_sizes import resolution, unit_hint
from medfuse.transforms import transform_points
from medfuse.volume import Geometry, Volume

SMALL = Geometry((30, 28, 26))


def brain(noise: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """A ball of tissue, and where it is."""
    z, y, x = np.indices(SMALL.shape)
    inside = (x - 14) ** 2 + (y - 13) ** 2 + (z - 12) ** 2 < 100
    tissue = 100 + 30 * np.sin(x / 3) + noise * np.random.default_rng(0).normal(size=SMALL.shape)
    return tissue, inside


class TestSurround:
    @pytest.mark.parametrize("value", [0.0, -3024.0, -32768.0])
    def test_of_a_stripped_brain_is_padding(self, value: float) -> None:
        tissue, inside = brain()
        tissue[12, 13, 14] = value  # a hole within is none
        volume = Volume(np.where(inside, tissue, value), SMALL, "MR")
        found, note = masked_surround(volume)
        expected = inside.copy()
        expected[12, 13, 14] = True
        np.testing.assert_array_equal(found.valid, expected)
        share = round(100 * (1 - expected.mean()))
        assert f"{share}% of the voxels, around the rest, hold exactly {value:g}: taken as padding" in note

    def test_is_joined_to_padding_that_was_declared(self) -> None:
        tissue, inside = brain()
        declared = np.indices(SMALL.shape)[0] < 24
        volume = Volume(np.where(declared, np.where(inside, tissue, 0), -99), SMALL, "MR", valid=declared)
        found, note = masked_surround(volume)
        np.testing.assert_array_equal(found.valid, inside & declared)
        assert "hold exactly 0" in note

    def test_of_air_is_none(self) -> None:
        """Noisy air, air that was cut off at 0, and a body that fades into it."""
        tissue, inside = brain()
        rng = np.random.default_rng(1)
        noisy = np.where(inside, tissue, np.abs(rng.normal(scale=4, size=SMALL.shape)))
        cut_off = np.where(inside, tissue, np.maximum(rng.normal(scale=4, size=SMALL.shape), 0))
        faded = gaussian_filter(np.where(inside, tissue, 0.0), 1.5)
        faded[faded < 4] = 0
        for array in (noisy, cut_off, faded):
            volume = Volume(array, SMALL, "MR")
            assert masked_surround(volume) == (volume, "")

    def test_is_large_and_touches_the_border(self) -> None:
        tissue, inside = brain()
        hole = np.where(inside, 0.0, tissue)  # dark within, not around
        few = tissue.copy()
        few[:1] = 0  # one slice of 26: 4 %
        enough = tissue.copy()
        enough[:2] = 0
        for array in (hole, few, np.full(SMALL.shape, 5.0)):
            volume = Volume(array, SMALL, "MR")
            assert masked_surround(volume) == (volume, "")
        assert not masked_surround(Volume(enough, SMALL, "MR"))[0].valid[:2].any()

    def test_is_left_to_others_in_ultrasound_and_colour(self) -> None:
        tissue, inside = brain()
        array = np.where(inside, tissue, 0)
        for volume in (Volume(array, SMALL, "US"), Volume(np.stack([array] * 3, -1), SMALL)):
            assert masked_surround(volume) == (volume, "")

    def test_nan_is_left_to_the_check_that_refuses_it(self) -> None:
        tissue, inside = brain()
        volume = Volume(np.where(inside, tissue, np.nan), SMALL, "MR")
        assert masked_surround(volume) == (volume, "")


def test_a_reported_skull_stripped_brain_is_found_in_a_ct(shared_data) -> None:
    folder = shared_data("reported_registration/skullstripped_mr_whole_ct/truth.txt").parent
    brain, ct = (
        Volume.from_sitk(SimpleITK.ReadImage(str(folder / f"{n}.nii.gz"), SimpleITK.sitkFloat32), kind)
        for n, kind in (("strip_ct_f", "MR"), ("strip_ct_m", "CT"))
    )
    result = register(brain, ct)
    truth = np.loadtxt(folder / "strip_ct_truth_lps.txt")
    points = brain.geometry.world(np.argwhere(brain.array > 0)[::997, ::-1])
    missed = transform_points(result.transform, points) - (points @ truth[:3, :3].T + truth[:3, 3])
    assert np.linalg.norm(missed, axis=1).mean() < 2
    assert result.verdict == "ok", result.reasons
    assert result.notes == (
        "the fixed volume: 64% of the voxels, around the rest, hold exactly 0: taken as padding by the "
        "registration",
    )


@pytest.fixture(scope="module")
def stage() -> Stage:
    one = prepare(scan(GRID, np.eye(4), noise=0.2), "", 1.0)
    return Stage(one, one, replace(MIDDLE, samples=4000), 1)


class TestBeforeTheSearch:
    def test_a_volume_with_itself_stays_where_it_is(self) -> None:
        volume = scan(GRID, np.eye(4), noise=0.2)
        result = register(volume, volume, start="header")
        assert result.verdict == "ok", result.reasons
        points = volume.geometry.corners()
        np.testing.assert_allclose(transform_points(result.transform, points), points, atol=1e-9)

    def test_what_matched_better_nearby_is_kept(self, stage: Stage) -> None:
        off = ScoredPose(pose(shift=(0.2, 0, 0)), 1.0)
        kept = search._unless_beside_before(stage, off, np.eye(4))
        np.testing.assert_array_equal(kept.pose, np.eye(4))
        assert kept.mi == stage.score(np.eye(4))

    def test_what_matched_less_or_lay_elsewhere_is_not(self, stage: Stage) -> None:
        right = ScoredPose(np.eye(4), 1.0)
        assert search._unless_beside_before(stage, right, pose(shift=(3, 0, 0))) is right
        elsewhere = ScoredPose(pose(shift=(30, 0, 0)), 1.0)
        assert search._unless_beside_before(stage, elsewhere, np.eye(4)) is elsewhere
        assert search._unless_beside_before(stage, right, None) is right

    def test_the_headers_pose_is_among_the_starts(self, stage: Stage) -> None:
        far = [ScoredPose(pose(shift=(mm, 0, 0)), 1.0) for mm in (30, 60)]
        starts = search._with_header(stage, far, np.eye(4))
        assert starts[:2] == far
        np.testing.assert_array_equal(starts[2].began, np.eye(4))
        assert starts[2].mi == stage.score(np.eye(4))
        near = [ScoredPose(pose(shift=(3, 0, 0)), 1.0)]
        assert search._with_header(stage, near, np.eye(4)) == near
        assert search._with_header(stage, far, None) == far


class TestUnits:
    @pytest.mark.parametrize(("factor", "said"), [(1000, "µm for mm"), (10, "cm for mm")])
    def test_of_a_wrong_header_are_told_by_the_size(self, factor: int, said: str) -> None:
        large = Geometry((20, 22, 24), (5.0 * factor, 4.0 * factor, 3.0 * factor))
        small = Geometry((25, 21, 20), (4, 4, 3.5))
        for pair, longer in (((large, small), "fixed"), ((small, large), "moving")):
            found, words = unit_hint(*pair)
            assert found == factor
            assert words.startswith(f"the {longer} volume is about {factor} times as long as the ")
            assert said in words

    @pytest.mark.parametrize("ratio", [1.0, 5.0, 17.0, 100.0])
    def test_of_a_body_and_its_part_are_none(self, ratio: float) -> None:
        one, two = Geometry((20, 20, 20)), Geometry((20, 20, 20), (ratio,) * 3)
        assert unit_hint(one, two) == (1, "")

    def test_of_microns_are_refused_before_the_search(self) -> None:
        volume = scan(GRID, np.eye(4))
        tiny = replace(volume, geometry=replace(GRID, spacing=(5000.0,) * 3))
        with pytest.raises(RegistrationError, match=r"cannot show the same body: the moving .* µm for mm"):
            register(volume, tiny)

    def test_of_centimetres_are_named_where_the_search_failed(self) -> None:
        volume = scan(GRID, np.eye(4))
        noise = np.random.default_rng(0).normal(size=GRID.shape)
        large = Volume(noise, Geometry(GRID.size, (50.0,) * 3), "MR")
        result = register(volume, large)
        assert result.verdict == "failed"
        assert "cm for mm" in result.reasons[-1]


def test_resolution_is_the_edge_of_a_cube_or_a_square() -> None:
    assert resolution(Geometry((4, 4, 4), (2, 4, 8))) == pytest.approx(4)
    assert resolution(Geometry((4, 4, 1), (2, 8, 50))) == pytest.approx(4)
