"""What each kind of registration finds, which presets there are, and what they ask for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from painted_head import head, matrix, rigid

from medfuse.errors import ParameterError, RegistrationError, UnknownNameError
from medfuse.registration import KINDS, PRESETS, Registration, preset_for, register
from medfuse.volume import MODALITIES, Geometry, Volume

BLOCK = Geometry((32, 34, 28), (4.6, 4.6, 4.6), (-73, -80, -58))
COARSE = Geometry((26, 28, 23), (5.7, 5.7, 5.7), (-73, -80, -58))  # to be quick
MOVED = matrix(rigid((4, -3, 5), (5, -4, 3)))
SCALES = {"similarity": (1.06, 1.06, 1.06), "affine": (1.07, 0.95, 1.02)}
POINTS = np.random.default_rng(0).uniform(-45, 45, (200, 3))


def contrast(volume: Volume) -> Volume:
    """The same as if by another MR sequence: what was bright is dark, and fluid stands out."""
    return volume.with_array(900 - volume.array + 0.001 * (volume.array - 400) ** 2)


def mean_error(transform: SimpleITK.Transform, true: np.ndarray) -> float:
    found = [transform.TransformPoint(point) for point in POINTS.tolist()]
    return float(np.linalg.norm(np.subtract(found, true), axis=1).mean())


@pytest.fixture(scope="module")
def fixed() -> Volume:
    return head(BLOCK, None, "MR")


class TestLinear:
    @pytest.mark.parametrize("kind", ["similarity", "affine"])
    def test_finds_wrong_voxel_sizes(self, kind: str) -> None:
        fixed = head(COARSE, None, "MR")
        true = MOVED @ np.diag([*SCALES[kind], 1.0])
        back = np.linalg.inv(true)
        moving = head(COARSE, lambda points: points @ back[:3, :3].T + back[:3, 3], "MR", seed=1)
        result = register(fixed, contrast(moving), kind=kind, start="header")
        wanted = POINTS @ true[:3, :3].T + true[:3, 3]
        assert mean_error(SimpleITK.Transform(3, SimpleITK.sitkIdentity), wanted) > 6
        assert mean_error(result.transform, wanted) < 1.0
        assert result.verdict == "ok", result.reasons
        assert (result.kind, result.preset, result.start) == (kind, "mr-mr", "header")
        assert result.figures["scale_max"] == pytest.approx(max(SCALES[kind]), abs=0.01)
        assert result.figures["scale_min"] == pytest.approx(min(SCALES[kind]), abs=0.01)
        assert result.transform.GetName() == {"similarity": "Similarity3DTransform"}.get(
            kind, "AffineTransform"
        )
        again = register(fixed, contrast(moving), kind=kind, start="header")
        assert again.transform.GetParameters() == result.transform.GetParameters()
        assert again.transform.GetFixedParameters() == result.transform.GetFixedParameters()


def bulge(points: np.ndarray) -> np.ndarray:
    """Which point of the head is seen at a point of the moving scan: up to 7 mm away."""
    near = np.exp(-0.5 * np.square((points - (20, -15, 10)) / 36).sum(axis=1))
    return points + near[:, None] * (4, 5, -3)


@pytest.fixture(scope="module")
def deformed() -> Volume:
    return contrast(head(BLOCK, bulge, "MR", seed=1))


@pytest.fixture(scope="module")
def result(fixed: Volume, deformed: Volume) -> Registration:
    return register(fixed, deformed, kind="deformable", start="header")


class TestDeformable:
    def test_undoes_a_bulge(self, fixed: Volume, deformed: Volume, result: Registration) -> None:
        true = POINTS.copy()
        for _ in range(50):
            true -= bulge(true) - POINTS
        linear = SimpleITK.Transform(result.transform.GetNthTransform(0))
        assert mean_error(linear, true) > 1.5
        assert mean_error(result.transform, true) < 0.6 * mean_error(linear, true)
        assert result.verdict == "ok", result.reasons
        assert 0.5 < result.figures["jacobian_min"] < 1 < result.figures["jacobian_max"] < 2
        assert 2 < result.figures["displacement_max_mm"] < 10
        assert result.figures["deformation_consistency_mm"] < 1

    def test_the_same_bits_again(self, fixed: Volume, deformed: Volume, result: Registration) -> None:
        again = register(fixed, deformed, kind="deformable", start="header")
        assert again.transform.GetParameters() == result.transform.GetParameters()
        assert dict(again.figures) == dict(result.figures)

    def test_an_itk_file_holds_it_exactly(self, result: Registration, tmp_path) -> None:
        SimpleITK.WriteTransform(result.transform, str(tmp_path / "moving.h5"))
        again = SimpleITK.ReadTransform(str(tmp_path / "moving.h5"))
        for point in POINTS[:50].tolist():
            assert again.TransformPoint(point) == result.transform.TransformPoint(point)

    def test_is_not_offered_where_it_made_things_worse(self, fixed: Volume) -> None:
        with pytest.raises(ParameterError, match=r"ct-mr.*expected one of none, rigid, similarity, affine"):
            register(replace(fixed, modality="CT"), fixed, kind="deformable")


class TestPresets:
    def test_every_pair_of_modalities_has_one_in_either_order(self) -> None:
        for one in MODALITIES:
            for two in MODALITIES:
                assert preset_for(one, two) is preset_for(two, one)
        assert [preset_for(*pair).name for pair in (("MR", "CT"), ("MR", "MR"), ("PT", "CT"))] == [
            "ct-mr",
            "mr-mr",
            "ct-pt",
        ]
        assert [preset_for(*pair).name for pair in (("US", "MR"), ("CT", "US"), ("OT", "CT"))] == [
            "mr-us",
            "ct-us",
            "general",
        ]

    def test_are_told_apart_by_their_rows(self) -> None:
        for name, preset in PRESETS.items():
            assert preset.name == name
            assert preset.compares in {"values", "edges"}
            assert preset.needs_start == (preset.travel_mm is not None) == (preset.travel_deg is not None)
            assert set(preset.kinds) <= set(KINDS)
            assert preset.about.endswith(".")

    def test_ultrasound_says_what_it_needs(self, fixed: Volume) -> None:
        ultrasound = replace(fixed, modality="US")
        with pytest.raises(RegistrationError, match=r"MR and US need a starting pose.*landmarks.*'header'"):
            register(fixed, ultrasound)
        taken = register(fixed, ultrasound, kind="none")
        assert (taken.preset, taken.start, taken.verdict) == ("mr-us", "header", "given")

    def test_unknown_names_are_refused(self, fixed: Volume) -> None:
        with pytest.raises(UnknownNameError, match=r"registration preset 'ct-mri'.*Did you mean 'ct-mr'"):
            register(fixed, fixed, preset="ct-mri")
        with pytest.raises(UnknownNameError, match=r"registration start.*search, header"):
            register(fixed, fixed, start="headers")
