"""Fusion of what is in memory, as one would guess it: what is taken, what is refused, how it is shown."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

import medfuse
from medfuse import Geometry, Recipe, Sources, Volume, evaluate, fuse, rescale
from medfuse.errors import GeometryError, MedfuseError, ParameterError, UnknownNameError
from medfuse.fusion.dip.method import DeepImagePrior
from medfuse.fusion.pca import PatchPCA
from medfuse.fusion.simple import Average
from medfuse.pipeline import in_memory

GRID = Geometry((16, 14, 3), (1.0, 1.0, 2.0))
ARRAYS = np.random.default_rng(0).random((2, *GRID.shape)).astype(np.float32)


@pytest.fixture
def volumes() -> list[Volume]:
    """CT and MR on one grid, in units of their own; a part of the MR was not measured."""
    valid = np.ones(GRID.shape, bool)
    valid[:, :4] = False
    return [Volume(2000 * ARRAYS[0] - 1000, GRID, "CT"), Volume(700 * ARRAYS[1], GRID, "MR", valid)]


class TestWhatIsTaken:
    def test_stacks_lists_and_sources_are_the_same(self):
        wanted = fuse(ARRAYS, "pca").array
        for given in (list(ARRAYS), tuple(ARRAYS), Sources(ARRAYS)):
            np.testing.assert_array_equal(fuse(given, "pca").array, wanted)

    def test_pictures_are_stacks_of_one_slice(self):
        fused = fuse([ARRAYS[0, 0], ARRAYS[1, 0]], "average")
        np.testing.assert_allclose(fused.array[0], ARRAYS[:, 0].mean(axis=0), atol=1e-6)

    def test_volumes_are_rescaled_and_keep_their_masks(self, volumes):
        fused = fuse(volumes, "average").array
        ct, mr = (rescale(volume).array for volume in volumes)
        np.testing.assert_allclose(fused[:, 4:], (ct + mr)[:, 4:] / 2, atol=1e-6)
        np.testing.assert_allclose(fused[:, :4], ct[:, :4], atol=1e-6)  # the MR says nothing there

    def test_what_is_rescaled_already_stays(self, volumes):
        bone, mr = rescale(volumes[0], "bone"), rescale(volumes[1])
        np.testing.assert_array_equal(fuse([bone, mr], "pca").array, fuse([bone, volumes[1]], "pca").array)
        np.testing.assert_allclose(fuse([bone, mr], "average").array[:, :4], bone.array[:, :4], atol=1e-6)

    def test_the_defaults_are_those_of_the_command_line(self, monkeypatch):
        made = []
        monkeypatch.setattr(in_memory, "fuse_stack", lambda stack, method, progress: made.append(method))
        fuse(ARRAYS)
        fuse(ARRAYS, "dip")
        assert made == [Recipe().build_method(), Recipe(method="dip").build_method()]

    def test_parameters_and_presets(self, monkeypatch):
        made = []
        monkeypatch.setattr(in_memory, "fuse_stack", lambda stack, method, progress: made.append(method))
        fuse(ARRAYS, "pca", parameters={"patch": 5})
        fuse(ARRAYS, "DIP", "fast", parameters={"steps": "12", "device": "cpu"})
        fuse(ARRAYS, PatchPCA(patch=3))
        assert [one.patch for one in (made[0], made[2])] == [5, 3]
        assert isinstance(made[1], DeepImagePrior)
        assert (made[1].steps, made[1].width) == (12, 16)

    def test_scores_of_what_came_out(self, volumes):
        fused = fuse(ARRAYS, "pca")
        wanted = evaluate(ARRAYS, fused.array, "ma2021").whole
        assert evaluate(ARRAYS, fused, "ma2021").whole == wanted
        assert evaluate(ARRAYS, volumes[0].with_array(fused.array), "ma2021").whole == wanted
        shown = [rescale(volume) for volume in volumes]
        masked = Sources.of([one.array for one in shown], [one.valid for one in shown])
        assert evaluate(volumes, fused, "ma2021").whole == evaluate(masked, fused, "ma2021").whole


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ("ct.nii", r"sources of type str: expected .*run_study\(Study\(fixed, moving\)\)"),
            (["ct.nii", "t1.nii"], "sources that hold str: expected two or more Volumes"),
            ([], "sources that hold nothing"),
            (3, "sources of type int"),
            (ARRAYS[:1], "one source: fusion needs two or more"),
            (ARRAYS[0], r"shape \(3, 14, 16\): expected a filled stack"),
            ([ARRAYS[0], ARRAYS[1, :2]], r"arrays of shapes \(2, 14, 16\), \(3, 14, 16\)"),
            (ARRAYS * 255, "rescale them to"),
            ([ARRAYS[0], Volume(ARRAYS[1], GRID)], "sources that hold Volume, ndarray"),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_what_is_no_pair_of_images(self, given, says):
        with pytest.raises(ParameterError, match=says):
            fuse(given, "average")

    def test_a_single_volume(self, volumes):
        with pytest.raises(ParameterError, match="sources of type Volume"):
            fuse(volumes[0], "average")
        with pytest.raises(ParameterError, match="one source"):
            fuse(volumes[:1], "average")

    def test_volumes_on_different_grids(self, volumes):
        moved = Volume(ARRAYS[1], replace(GRID, origin=(5.0, 0, 0)))
        with pytest.raises(GeometryError, match=r"volume 2 lies on .*resample\(volume, first"):
            fuse([volumes[0], moved], "average")

    @pytest.mark.parametrize(
        ("arguments", "options", "error", "says"),
        [
            (("average", "fast"), {}, UnknownNameError, "unknown preset 'fast'"),
            (("avrage",), {}, UnknownNameError, "Did you mean 'average'"),
            (("pca",), {"parameters": {"pach": 5}}, UnknownNameError, "unknown parameter 'pach'"),
            ((Average,), {}, ParameterError, "expected a key such as 'pca', or a configured method"),
            ((3,), {}, ParameterError, "method 3: expected a key"),
            ((Average(), "fast"), {}, ParameterError, "beside Average, which is configured already"),
            ((Average(),), {"parameters": {"a": 1}}, ParameterError, "beside Average"),
        ],
    )
    def test_methods_that_cannot_be(self, arguments, options, error, says):
        with pytest.raises(error, match=says):
            fuse(ARRAYS, *arguments, **options)

    def test_methods_are_checked_before_the_sources(self):
        with pytest.raises(MedfuseError, match="unknown fusion method"):
            fuse("ct.nii", "nonsense")


class TestHowItIsShown:
    @pytest.fixture
    def bars(self, monkeypatch):
        import contextlib

        made = []

        @contextlib.contextmanager
        def bar():
            made.append([])
            yield lambda *step: made[-1].append(step)

        monkeypatch.setattr("medfuse.progress.terminal_bar", bar)
        return made

    @pytest.mark.parametrize("terminal", [True, False])
    def test_a_bar_where_somebody_looks(self, monkeypatch, bars, terminal):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
        fuse(ARRAYS, "pca")
        assert len(bars) == terminal
        assert all(steps[-1][0] == 1.0 for steps in bars)

    @pytest.mark.parametrize("run", [medfuse.run_study, medfuse.align])
    def test_a_bar_for_studies_too(self, monkeypatch, bars, volumes, tmp_path, run):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        for name, volume in zip(("ct", "t1"), volumes, strict=True):
            medfuse.write_volume(volume, tmp_path / f"{name}.nii.gz")
        study = medfuse.Study(tmp_path / "ct.nii.gz", tmp_path / "t1.nii.gz")
        run(study, Recipe(method="average", registration="none"))
        (steps,) = bars
        assert [fraction for fraction, _ in steps] == sorted(fraction for fraction, _ in steps)
        run(study, Recipe(method="average", registration="none"), lambda *_: None)
        assert len(bars) == 1

    def test_ones_own_progress(self, monkeypatch, bars):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        steps = []
        fuse(ARRAYS, "pca", progress=lambda *step: steps.append(step))
        assert steps
        assert bars == []

    def test_arrays_are_not_printed(self, volumes):
        assert repr(volumes[0]) == "<Volume CT: 16×14×3 voxels of 1×1×2 mm>"
        assert repr(volumes[1]) == "<Volume MR: 16×14×3 voxels of 1×1×2 mm, 71 % measured>"
        assert volumes[0].shape == (3, 14, 16)
        fused = fuse(volumes, "pca")
        assert repr(fused) == "<Fused 3×14×16, maps weight_0, weight_1>"
        assert repr(Sources(ARRAYS)) == "<Sources 2×3×14×16>"

    def test_a_study_is_one_line(self, volumes, tmp_path):
        for name, volume in zip(("ct", "t1"), volumes, strict=True):
            medfuse.write_volume(volume, tmp_path / f"{name}.nii.gz")
        study = medfuse.Study(medfuse.InputVolume(tmp_path / "ct.nii.gz", "CT"), tmp_path / "t1.nii.gz")
        aligned = medfuse.align(study, Recipe(registration="none"))
        assert repr(aligned) == (
            "<Aligned fixed CT + moving on 16×14×3 voxels of 1×1×2 mm; registration given>"
        )
