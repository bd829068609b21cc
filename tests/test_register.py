"""Registration without fusion: starts, grids, the folder, and the commands ``register`` and ``apply``."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from dicom_factory import write_series
from test_inverses import waves

import medfuse.study
from medfuse import (
    Geometry,
    InputVolume,
    Recipe,
    Registration,
    Study,
    Volume,
    read_volume,
    resample,
    write_volume,
)
from medfuse.errors import ParameterError, ReadError, RegistrationError
from medfuse.io import ReadOptions, read_transform, write_transform
from medfuse.phantom import render, rigid
from medfuse.pipeline import align, alignment, apply_transform, run_study
from medfuse.report import write_aligned, write_result
from medfuse.report.registration import FIGURES

TURN = rigid((4.0, -3.0, 6.0), (5.0, -4.0, 3.0))  # how the patient lies in the MR scanner
MARKS = np.array([[0.0, -85, 10], [70, 10, 0], [-70, 12, 2], [5, 30, 60]])
GIVEN = Recipe(method="average", registration="none")


@pytest.fixture(scope="session")
def head(tmp_path_factory):
    """CT and T1 of one head, each on its own grid and pose, with landmarks of both."""
    folder = tmp_path_factory.mktemp("head")
    ct = Geometry((44, 46, 24), (5.0, 5.0, 8.0), (-107.0, -108.0, -80.0))
    mr = Geometry((42, 48, 20), (5.2, 5.0, 9.0), (-100.0, -118.0, -76.0))
    write_volume(render("CT", ct, seed=1), folder / "ct.nii.gz")
    write_volume(render("T1", mr, pose=TURN, seed=2), folder / "t1.nii.gz")
    clicks = np.random.default_rng(5).normal(0, 1.0, MARKS.shape)
    write_marks(folder / "ct.fcsv", MARKS)
    write_marks(folder / "t1.fcsv", MARKS @ TURN[:3, :3].T + TURN[:3, 3] + clicks)
    write_marks(folder / "line.fcsv", np.outer([0, 1, 2, 3], [1.0, 1, 1]))
    return folder


def write_marks(path, points):
    rows = [f"{i},{x},{y},{z},0,0,0,1,1,1,0,P-{i},," for i, (x, y, z) in enumerate(points * [-1, -1, 1])]
    path.write_text("\n".join(["# CoordinateSystem = RAS", *rows, ""]))


def study_of(head, **options):
    moving = InputVolume(head / "t1.nii.gz", options.pop("modality", "MR"), **options)
    return Study(InputVolume(head / "ct.nii.gz", "CT"), moving)


def tre(transform):
    points = [[0.0, 0, 0], [50, 20, 30], [-40, 60, -20], [10, -70, 40]]
    return max(np.linalg.norm(transform.TransformPoint(p) - (TURN @ [*p, 1])[:3]) for p in points)


def medfuse_command(*words, cwd=None):
    command = [sys.executable, "-m", "medfuse", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=dict(os.environ), check=False)


@pytest.fixture
def stub(monkeypatch):
    """Put a function in the place of the search."""

    def put(function):
        monkeypatch.setattr(alignment, "register", function)

    return put


def found(verdict="ok", **fields):
    transform = SimpleITK.Transform(3, SimpleITK.sitkIdentity)
    return Registration(transform, "rigid", verdict, ("because",), {"overlap": 1.0}, **fields)


class TestLandmarks:
    def test_they_are_the_result_where_nothing_is_searched(self, head, tmp_path):
        aligned = align(study_of(head, landmarks=(head / "ct.fcsv", head / "t1.fcsv")), GIVEN)
        (registration,) = aligned.registrations
        assert tre(registration.transform) < 3
        assert registration.verdict == "given"
        assert any("4 landmarks, fiducial registration error" in note for note in aligned.notes)
        report = write_aligned(aligned, tmp_path / "out").read_text()
        (facts,) = json.loads((tmp_path / "out" / "provenance.json").read_text())["registrations"]
        assert facts["start"] == "landmarks"
        assert facts["landmarks"]["labels"] == [""] * 4  # people write names there
        assert 0 < facts["landmarks"]["fit_rms_mm"] < 2
        assert facts["landmarks"]["errors_mm"] == pytest.approx(facts["landmarks"]["fit_errors_mm"], abs=1e-6)
        assert len(facts["start_sha256"]) == 2
        assert "<td>number 4</td>" in report
        assert "P-3" not in report
        kept = align(
            study_of(head, landmarks=(head / "ct.fcsv", head / "t1.fcsv")),
            dataclasses.replace(GIVEN, keep_identifiers=True),
        )
        assert "<td>P-3</td>" in write_aligned(kept, tmp_path / "kept").read_text()
        assert f"{facts['landmarks']['fit_rms_mm']:.2f}" in report

    def test_they_are_where_the_search_begins(self, head):
        study = study_of(head, landmarks=(head / "ct.fcsv", head / "t1.fcsv"))
        (registration,) = align(study, Recipe()).registrations
        assert (registration.start, registration.verdict) == ("transform", "ok")
        assert tre(registration.transform) < 2

    def test_useless_ones_are_refused_before_the_search(self, head, stub):
        stub(lambda *_, **__: pytest.fail("searched"))
        with pytest.raises(ParameterError, match="fixed volume lie on one line"):
            align(study_of(head, landmarks=(head / "line.fcsv", head / "t1.fcsv")), Recipe())
        with pytest.raises(ReadError, match=r"gone\.fcsv: does not exist"):
            align(study_of(head, landmarks=(head / "gone.fcsv", head / "t1.fcsv")), Recipe())

    def test_a_transform_beside_them_is_refused(self, head):
        with pytest.raises(ParameterError, match=r"both a transform .* and landmarks"):
            study_of(head, transform="t.tfm", landmarks=("a.fcsv", "b.fcsv"))


class TestTransforms:
    @pytest.mark.parametrize(
        ("name", "matrix", "convention"),
        [
            ("m.txt", TURN, ""),
            (
                "m.txt",
                np.diag([-1.0, -1, 1, 1]) @ np.linalg.inv(TURN) @ np.diag([-1.0, -1, 1, 1]),
                "ras-inverse",
            ),
        ],
    )
    def test_plain_numbers(self, head, tmp_path, name, matrix, convention):
        np.savetxt(tmp_path / name, matrix)
        study = study_of(head, transform=tmp_path / name, convention=convention)
        aligned = align(study, GIVEN)
        assert tre(aligned.registrations[0].transform) < 1e-3
        assert any(note.startswith("moving: initial transform: 4×4 numbers") for note in aligned.notes)

    def test_flirt_needs_the_files_it_had(self, head, tmp_path):
        np.savetxt(tmp_path / "m.mat", np.eye(4))
        volume = read_volume(head / "t1.nii.gz", modality="MR")
        write_volume(volume, tmp_path / "t1.nrrd")
        moving = InputVolume(tmp_path / "t1.nrrd", "MR", transform=tmp_path / "m.mat")
        study = Study(InputVolume(head / "ct.nii.gz", "CT"), moving)
        with pytest.raises(ParameterError, match="those of the NIfTI files it had"):
            align(study, GIVEN)
        aligned = align(study_of(head, transform=tmp_path / "m.mat"), GIVEN)
        assert any("FLIRT's, made with -in MOVING -ref FIXED" in note for note in aligned.notes)

    def test_one_that_bends_space_goes_all_the_way(self, head, tmp_path):
        turn = SimpleITK.AffineTransform(3)
        turn.SetMatrix(TURN[:3, :3].ravel().tolist())
        turn.SetTranslation(TURN[:3, 3].tolist())
        both = SimpleITK.CompositeTransform([turn, waves(3)])
        write_transform(both, tmp_path / "start.h5")
        study = study_of(head, transform=tmp_path / "start.h5")
        result = run_study(study, dataclasses.replace(GIVEN, dicom=True))
        write_result(result, tmp_path / "out")
        assert [path.name for path in (tmp_path / "out" / "transforms").iterdir()] == ["moving_1.h5"]
        back = read_transform(tmp_path / "out" / "transforms" / "moving_1.h5")
        for point in MARKS.tolist():
            np.testing.assert_allclose(back.TransformPoint(point), both.TransformPoint(point), atol=1e-9)
        (facts,) = json.loads((tmp_path / "out" / "provenance.json").read_text())["registrations"]
        assert re.fullmatch(r"[0-9a-f]{64}", facts["transform_sha256"])
        assert "transform_parameters" not in facts
        assert not list((tmp_path / "out" / "dicom").glob("registration*"))


class TestFlirt:
    """FLIRT's matrix is one between millimetres of two files: which end is which shows where grids differ."""

    @pytest.fixture
    def matrix(self, head, tmp_path):
        """What FLIRT writes with ``-in t1 -ref ct`` for ``TURN``, fitted through voxels of both grids."""
        fixed, moving = (read_volume(head / f"{name}.nii.gz").geometry for name in ("ct", "t1"))
        index = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9], [7, 6, 5]], float)
        points = np.c_[fixed.world(index), np.ones(len(index))] @ TURN.T
        there = np.linalg.solve(moving.affine, points.T).T[:, :3]
        here, there = self.millimetres(index, fixed), self.millimetres(there, moving)
        found, _, rank, _ = np.linalg.lstsq(there, here, rcond=None)
        assert rank == 4
        np.testing.assert_allclose(there @ found, here, atol=1e-8)
        np.savetxt(tmp_path / "m.mat", found.T)
        return tmp_path / "m.mat"

    @staticmethod
    def millimetres(index, grid):
        """By FSL: index times spacing, x from the other end where axes are right-handed in RAS."""
        own = index.copy()
        if np.linalg.det(grid.to_ras_affine()) > 0:
            own[:, 0] = grid.size[0] - 1 - own[:, 0]
        return np.c_[own * grid.spacing, np.ones(len(own))]

    def test_as_a_start(self, head, matrix):
        aligned = align(study_of(head, transform=matrix), GIVEN)
        assert tre(aligned.registrations[0].transform) < 1e-3

    @pytest.mark.parametrize("inverse", [False, True])
    def test_applied_either_way(self, head, matrix, inverse):
        paths = [head / "t1.nii.gz", head / "ct.nii.gz"]
        source, onto = reversed(paths) if inverse else paths
        turn = SimpleITK.AffineTransform(3)
        turn.SetMatrix(TURN[:3, :3].ravel().tolist())
        turn.SetTranslation(TURN[:3, 3].tolist())
        expected = resample(read_volume(source), read_volume(onto), turn.GetInverse() if inverse else turn)
        made = apply_transform(matrix, source, onto, inverse=inverse)
        assert made.geometry == expected.geometry
        np.testing.assert_allclose(made.array, expected.array, atol=0.05 * expected.array.std())


class TestUltrasound:
    def test_without_a_pose_it_says_what_it_needs(self, head, stub):
        stub(lambda *_, **__: pytest.fail("searched"))
        study = study_of(head, modality="US")
        words = "CT and US can only be registered near a starting pose: give --landmarks"
        with pytest.raises(RegistrationError, match=words):
            align(study, Recipe())

    @pytest.mark.parametrize(
        "recipe", [Recipe(registration_start="header"), Recipe(registration_preset="general")]
    )
    def test_with_one_it_runs(self, head, stub, recipe):
        stub(lambda *_, **__: found())
        study = study_of(head, modality="US")
        assert align(study, recipe).registrations[0].verdict == "ok"


class TestFrameOfReference:
    @pytest.fixture
    def frames(self, monkeypatch):
        """Let the two volumes name frames of reference, as DICOM does."""

        def put(fixed, moving):
            names = cycle((fixed, moving))

            def read(path, **options):
                volume = read_volume(path, **options)
                return dataclasses.replace(volume, metadata={"FrameOfReferenceUID": next(names)})

            monkeypatch.setattr(medfuse.study, "read_volume", read)

        return put

    @staticmethod
    def searches(verdicts):
        calls = []

        def search(*_, start, **__):
            calls.append(start)
            return found(verdicts[start], start=start)

        return calls, search

    @pytest.mark.parametrize("shared", [True, False])
    def test_of_dicom_series(self, tmp_path, stub, shared):
        """Two series of one examination, and two of different ones."""
        stored = np.random.default_rng(0).integers(0, 900, (5, 8, 8), dtype=np.int16)
        for number, name in enumerate(("ct", "mr")):
            frame = "1.2.840.99.1" if shared else f"1.2.840.99.{number + 2}"

            def name_frame(dataset, _, frame=frame):
                dataset.FrameOfReferenceUID = frame

            grid = Geometry((8, 8, 5), (1, 1, 2))
            write_series(tmp_path / name, stored, grid, modality=name.upper(), edit=name_frame)
        calls, search = self.searches({"header": "ok", "search": "ok"})
        stub(search)
        aligned = align(Study(tmp_path / "ct", tmp_path / "mr"), Recipe())
        assert calls == ["header" if shared else "search"]
        assert any("same frame of reference" in note for note in aligned.notes) == shared

    def test_the_same_starts_at_the_headers_and_says_so(self, head, frames, stub):
        frames("1.2.3", "1.2.3")
        calls, search = self.searches({"header": "ok"})
        stub(search)
        aligned = align(study_of(head), Recipe())
        assert calls == ["header"]
        assert any("moving: both headers name the same frame of reference" in note for note in aligned.notes)

    def test_it_is_not_believed_where_the_search_does_not_confirm_it(self, head, frames, stub):
        frames("1.2.3", "1.2.3")
        calls, search = self.searches({"header": "doubtful", "search": "ok"})
        stub(search)
        aligned = align(study_of(head), Recipe())
        assert calls == ["header", "search"]
        assert aligned.registrations[0].start == "search"
        assert any("pose was not confirmed" in note for note in aligned.notes)

    def test_a_search_that_is_no_better_changes_nothing(self, head, frames, stub):
        frames("1.2.3", "1.2.3")
        _, search = self.searches({"header": "doubtful", "search": "failed"})
        stub(search)
        aligned = align(study_of(head), Recipe())
        assert (aligned.registrations[0].start, aligned.registrations[0].verdict) == ("header", "doubtful")

    @pytest.mark.parametrize(
        ("near", "far", "kept"),
        [
            ("doubtful", "doubtful", "header"),
            ("failed", "failed", "header"),
            ("doubtful", "failed", "header"),
            ("failed", "doubtful", "search"),
            ("failed", "ok", "search"),
        ],
    )
    def test_the_headers_give_way_to_a_better_verdict_only(self, head, frames, stub, near, far, kept):
        frames("1.2.3", "1.2.3")
        calls, search = self.searches({"header": near, "search": far})
        stub(search)
        aligned = align(study_of(head), Recipe(accept_registration=True))
        assert calls == ["header", "search"]
        assert aligned.registrations[0].start == kept
        assert any("were tried" in note for note in aligned.notes) == (kept == "search")

    @pytest.mark.parametrize("names", [("1.2.3", "1.2.4"), ("", ""), (None, None)])
    def test_others_are_searched_everywhere(self, head, frames, stub, names):
        frames(*names)
        calls, search = self.searches({"search": "ok"})
        stub(search)
        assert not any("frame of reference" in note for note in align(study_of(head), Recipe()).notes)
        assert calls == ["search"]

    def test_what_is_asked_for_wins(self, head, frames, stub):
        frames("1.2.3", "1.2.3")
        calls, search = self.searches({"search": "doubtful", "header": "doubtful"})
        stub(search)
        for start in ("search", "header"):
            align(study_of(head), Recipe(registration_start=start))
        assert calls == ["search", "header"]


class TestAnUnknownModality:
    """NIfTI does not say that a volume is ultrasound, whose values lead a search on CT astray."""

    SAMPLES = Path(medfuse.__file__).parents[1] / "sample_data"

    def study(self) -> Study:
        given = InputVolume(self.SAMPLES / "head_us.nii.gz", transform=self.SAMPLES / "ct_to_us.tfm")
        return Study(self.SAMPLES / "head_ct.nii.gz", given)

    def test_of_ultrasound_is_registered_by_its_edges(self):
        (found,) = align(self.study(), Recipe()).registrations
        true = read_transform(self.SAMPLES / "ct_to_us.tfm")
        points = np.random.default_rng(0).uniform(-50, 50, (100, 3)).tolist()
        apart = [np.subtract(found.transform.TransformPoint(one), true.TransformPoint(one)) for one in points]
        assert np.linalg.norm(apart, axis=1).mean() < 1.5
        assert (found.preset, found.verdict) == ("ct-us", "doubtful")
        assert any("by its edges, as ultrasound is; say --modality" in note for note in found.notes)

    @pytest.mark.parametrize(
        ("edges", "presets"), [("ok", ["auto", "ct-us"]), ("failed", ["auto", "ct-us"]), (None, ["auto"])]
    )
    def test_only_where_its_values_fail(self, stub, edges, presets):
        tried = []

        def search(*_, preset, start, **__):
            tried.append(preset)
            return found("ok" if edges is None else "failed" if preset == "auto" else edges, start=start)

        stub(search)
        if edges == "failed":
            with pytest.raises(RegistrationError, match=r"--modality.*as it stands with --no-registration"):
                align(self.study(), Recipe())
        else:
            align(self.study(), Recipe())
        assert tried == presets

    def test_a_preset_or_a_kind_that_was_asked_for_is_kept(self, stub):
        def search(*_, start, **__):
            return found("failed", start=start)

        stub(search)
        for recipe in (Recipe(registration_preset="general"), Recipe(registration="affine")):
            with pytest.raises(RegistrationError, match="--no-registration"):
                align(self.study(), recipe)


class TestGrids:
    @pytest.fixture
    def start(self, tmp_path):
        np.savetxt(tmp_path / "m.txt", TURN)
        return tmp_path / "m.txt"

    def test_all_volumes_lie_on_the_grid_that_was_asked_for(self, head, start, tmp_path):
        recipe = dataclasses.replace(GIVEN, grid="isotropic:6", interpolation="bspline")
        result = run_study(study_of(head, transform=start), recipe)
        grid = result.fused_volume.geometry
        assert grid.spacing == (6, 6, 6)
        assert all(volume.geometry == grid for volume in result.volumes)
        own = read_volume(head / "ct.nii.gz", modality="CT")
        np.testing.assert_array_equal(
            result.volumes[0].array, resample(own, grid, interpolation="bspline").array
        )
        write_result(result, tmp_path / "out")
        facts = json.loads((tmp_path / "out" / "provenance.json").read_text())
        assert facts["grid"]["spacing"] == [6, 6, 6]
        assert any("grid isotropic:6: all volumes, the fixed one too" in note for note in facts["warnings"])
        fused = read_volume(tmp_path / "out" / "fused.nii.gz", modality="OT")
        assert fused.geometry.matches(grid, 1e-3)

    def test_each_volume_is_interpolated_once_from_its_own_voxels(self, head, start):
        recipe = dataclasses.replace(GIVEN, grid="isotropic:7")
        ct, t1 = InputVolume(head / "ct.nii.gz", "CT"), InputVolume(head / "t1.nii.gz", "MR", transform=start)
        study = Study(ct, (t1, ct, t1))
        aligned = align(study, recipe)
        grid = aligned.volumes[0].geometry
        assert grid.spacing == (7, 7, 7)
        original = read_volume(head / "t1.nii.gz", modality="MR")
        for i in (1, 3):
            once = resample(original, grid, aligned.registrations[i - 1].transform)
            np.testing.assert_array_equal(aligned.volumes[i].array, once.array)
        assert aligned.labels == ("fixed CT", "moving 1 MR", "moving 2 CT", "moving 3 MR")

    def test_the_fixed_grid_leaves_the_fixed_volume_alone(self, head, start):
        aligned = align(study_of(head, transform=start), GIVEN)
        np.testing.assert_array_equal(aligned.volumes[0].array, read_volume(head / "ct.nii.gz").array)

    @pytest.mark.parametrize("grid", ["isotropic:0.02"])
    def test_a_huge_one_is_refused_before_the_search(self, head, stub, grid):
        stub(lambda *_, **__: pytest.fail("searched"))
        with pytest.raises(ParameterError, match=r"11000×11500×9600 voxels.* GB for 2 volumes"):
            align(study_of(head), Recipe(grid=grid))


class TestFailure:
    def test_it_stops_unless_accepted_and_the_page_says_so(self, head, stub, tmp_path):
        stub(lambda *_, **__: found("failed"))
        with pytest.raises(
            RegistrationError,
            match=r"because\. Give --initial-transform, --landmarks or --registration-start header",
        ):
            align(study_of(head), Recipe())
        aligned = align(study_of(head), Recipe(accept_registration=True))
        page = write_aligned(aligned, tmp_path / "out").read_text()
        assert 'class="badge failed"' in page
        assert "do not use it; it is shown because a failed registration was accepted" in page


@pytest.fixture(scope="session")
def out(head, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "out"
    words = ("--modality", "CT", "--modality", "MR", "--landmarks", head / "ct.fcsv", head / "t1.fcsv")
    run = medfuse_command(
        "register", head / "ct.nii.gz", head / "t1.nii.gz", "-o", out, *words, "--progress", "json"
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(out / "report.html")
    assert "registration of moving MR: ok" in run.stderr
    lines = [json.loads(line) for line in run.stderr.splitlines() if line.startswith("{")]
    assert lines[-1] == {"fraction": 1.0, "message": "done"}
    assert [line["fraction"] for line in lines] == sorted(line["fraction"] for line in lines)
    return out


class TestRegisterCommand:
    def test_the_folder(self, out):
        names = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
        assert names == [
            "provenance.json",
            "recipe.toml",
            "registered/fixed.nii.gz",
            "registered/moving_1.nii.gz",
            "registered/moving_1_mask.nii.gz",
            "report.html",
            "transforms/moving_1.tfm",
        ]
        assert tre(read_transform(out / "transforms" / "moving_1.tfm")) < 2
        facts = json.loads((out / "provenance.json").read_text())
        assert facts["registrations"][0]["figures"]["agreement_mm"] < 2
        assert set(facts["registrations"][0]["figures"]) <= set(FIGURES)  # every one is explained
        assert set(facts["seconds"]) == {"read", "register", "resample", "noise"}

    def test_the_moving_volume_keeps_its_units(self, out, head):
        moving, own = (read_volume(p) for p in (out / "registered" / "moving_1.nii.gz", head / "t1.nii.gz"))
        assert moving.geometry.matches(read_volume(head / "ct.nii.gz").geometry)
        bright = [np.percentile(volume.array, 95) for volume in (moving, own)]
        assert bright[0] == pytest.approx(bright[1], rel=0.25)  # parts of the head are outside

    def test_the_page(self, out, head):
        page = (out / "report.html").read_text()
        for words in ("edges of moving MR on fixed", "checkerboard", "Landmarks", "root mean square", "nats"):
            assert words in page
        assert page.count("<img") == 15  # of five a plane
        assert not re.search(r"(?:href|src)=[\"']?(?:http|//|file)", page)
        assert str(head) not in page + (out / "provenance.json").read_text()

    def test_apply_repeats_it(self, out, head, tmp_path):
        run = medfuse_command(
            "apply", out / "transforms" / "moving_1.tfm", head / "t1.nii.gz",
            "--onto", head / "ct.nii.gz", "-o", tmp_path / "again.nii.gz", "--progress", "none",
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert run.stdout.strip() == str(tmp_path / "again.nii.gz")
        again, there = (
            read_volume(p, modality="MR")
            for p in (tmp_path / "again.nii.gz", out / "registered/moving_1.nii.gz")
        )
        np.testing.assert_allclose(again.array, there.array, atol=1e-2)
        refused = medfuse_command(
            "apply", out / "transforms" / "moving_1.tfm", head / "t1.nii.gz",
            "--onto", head / "ct.nii.gz", "-o", tmp_path / "again.nii.gz",
        )  # fmt: skip
        assert refused.returncode == 2
        assert "exists already" in refused.stderr

    def test_cancelled_it_leaves_nothing(self, head, tmp_path):
        (tmp_path / "stop").touch()
        words = ("-o", tmp_path / "out", "--cancel-file", tmp_path / "stop")
        run = medfuse_command("register", head / "ct.nii.gz", head / "t1.nii.gz", *words)
        assert run.returncode == 130
        assert [p.name for p in tmp_path.iterdir()] == ["stop"]

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--registration", "elastic"], r"unknown registration 'elastic'.*Choose from: none, rigid"),
            (["--registration", "rigid", "--no-registration"], r"give one of them"),
            (["--registration-preset", "ct-xx"], r"unknown registration preset 'ct-xx'"),
            (["--registration-start", "here"], r"unknown registration start 'here'"),
            (["--grid", "fine"], r"grid 'fine': expected fixed, finest, isotropic:MM"),
            (["--interpolation", "label"], r"unknown interpolation 'label'"),
            (["--landmarks", "{head}/ct.fcsv", "gone.fcsv"], r"gone\.fcsv: does not exist"),
            (["--initial-transform", "{head}/ct.fcsv"], r"ct\.fcsv: not a transform that is known"),
            (["--transform-convention", "ras"], r"there is no transform file"),
            (["{head}/ct.nii.gz", "--landmarks", "a", "b"], r"--landmarks with 2 moving volumes"),
        ],
    )
    def test_refused_in_one_line(self, head, tmp_path, words, message):
        words = [word.format(head=head) for word in words]
        run = medfuse_command(
            "register", head / "ct.nii.gz", head / "t1.nii.gz", *words, "-o", "out", "--progress", "none",
            cwd=tmp_path,
        )  # fmt: skip
        assert run.returncode == 2, run.stderr
        assert re.search(message, run.stderr), run.stderr
        assert len(run.stderr.strip().splitlines()) == 1, run.stderr
        assert list(tmp_path.iterdir()) == []

    def test_the_list(self):
        shown = medfuse_command("registration", "list").stdout
        assert "rigid" in shown
        assert "ct-mr" in shown
        kinds = {
            one["key"]: one for one in json.loads(medfuse_command("registration", "list", "--json").stdout)
        }
        assert list(kinds) == ["none", "rigid", "similarity", "affine", "deformable"]
        assert all(one["summary"] for one in kinds.values())
        assert "mr-us" in kinds["rigid"]["presets"]
        assert "mr-us" not in kinds["affine"]["presets"]
        assert kinds["rigid"]["presets"]["mr-us"]["needs_start"] is True


class TestApplyCommand:
    @pytest.fixture
    def place(self, tmp_path):
        """Labels and a picture of one patient, and a transform from the picture's to the labels' world."""
        labels = np.zeros((20, 24, 28))
        labels[5:15, 6:18, 7:20] = 3
        labels[9:12, 10:14, 10:16] = 40
        grid = Geometry((28, 24, 20), (1, 1, 1), (-14, -12, -10))
        write_volume(Volume(labels, grid), tmp_path / "labels.nrrd")
        coarse = Geometry((14, 12, 10), (2, 2, 2), (-10, -11, -9))
        write_volume(Volume(np.zeros(coarse.shape), coarse), tmp_path / "picture.nii.gz")
        np.savetxt(tmp_path / "m.txt", np.array([[1.0, 0, 0, -3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
        write_transform(waves(1.5), tmp_path / "bent.h5")
        return tmp_path

    def apply(self, place, *words):
        return medfuse_command("apply", *words, "--progress", "none", cwd=place)

    def test_labels_stay_labels(self, place):
        words = (
            "m.txt",
            "labels.nrrd",
            "--onto",
            "picture.nii.gz",
            "-o",
            "out.nrrd",
            "--interpolation",
            "label",
        )
        run = self.apply(place, *words)
        assert run.returncode == 0, run.stderr
        assert "note: initial transform: 4×4 numbers taken as fixed to moving points in LPS mm" in run.stderr
        out = read_volume(place / "out.nrrd", modality="OT")
        assert set(np.unique(out.array)) == {0, 3, 40}
        assert SimpleITK.ReadImage(str(place / "out.nrrd")).GetPixelID() == SimpleITK.sitkInt32
        assert out.geometry.spacing == (2, 2, 2)

    @pytest.mark.parametrize("transform", ["m.txt", "bent.h5"])
    def test_there_and_back(self, place, transform):
        """The middle of the labels returns to where it was."""
        middle = []
        for words in (
            ("labels.nrrd", "labels.nrrd", "a.nrrd", False),
            ("a.nrrd", "labels.nrrd", "b.nrrd", True),
        ):
            volume, onto, out, inverse = words
            run = self.apply(place, transform, volume, "--onto", onto, "-o", out, *["--inverse"] * inverse)
            assert run.returncode == 0, run.stderr
            middle.append(self.middle(place / out))
        start = self.middle(place / "labels.nrrd")
        moved = np.linalg.norm(middle[0] - start)
        assert moved > 0.1
        np.testing.assert_allclose(middle[1], start, atol=min(0.1, moved / 5))

    @staticmethod
    def middle(path):
        volume = read_volume(path, modality="OT")
        z, y, x = np.indices(volume.array.shape)
        weights = volume.array / volume.array.sum()
        return volume.geometry.world([(weights * axis).sum() for axis in (x, y, z)])

    def test_the_direction_is_that_of_the_transform(self, place):
        """Fixed to moving: the fixed point p shows what lies at p − 3 mm along x, so that all moves by +3."""
        self.apply(place, "m.txt", "labels.nrrd", "--onto", "labels.nrrd", "-o", "a.nrrd")
        moved = self.middle(place / "a.nrrd") - self.middle(place / "labels.nrrd")
        np.testing.assert_allclose(moved, [3, 0, 0], atol=1e-3)
        words = ("--transform-convention", "ras")
        self.apply(place, "m.txt", "labels.nrrd", "--onto", "labels.nrrd", "-o", "b.nrrd", *words)
        moved = self.middle(place / "b.nrrd") - self.middle(place / "labels.nrrd")
        np.testing.assert_allclose(moved, [-3, 0, 0], atol=1e-3)

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["gone.tfm", "labels.nrrd", "-o", "o.nrrd"], r"gone\.tfm: does not exist"),
            (["m.txt", "gone.nrrd", "-o", "o.nrrd"], r"gone\.nrrd"),
            (["m.txt", "labels.nrrd", "-o", "o.png"], r"o\.png: volumes are written as"),
            (["m.txt", "labels.nrrd", "-o", "no/o.nrrd"], r"does not exist; make it first"),
            (["m.txt", "labels.nrrd", "-o", "o.nrrd", "--interpolation", "cubic"], r"unknown interpolation"),
            (["m.txt", "labels.nrrd", "-o", "o.nrrd", "--transform-convention", "rsa"], r"'rsa'"),
            (["bent.h5", "labels.nrrd", "-o", "o.nrrd", "--transform-convention", "ras"], r"is in LPS"),
        ],
    )
    def test_refused_in_one_line(self, place, words, message):
        before = sorted(p.name for p in place.iterdir())
        run = self.apply(place, *words, "--onto", "picture.nii.gz")
        assert run.returncode == 2, run.stderr
        assert re.search(message, run.stderr), run.stderr
        assert len(run.stderr.strip().splitlines()) == 1, run.stderr
        assert sorted(p.name for p in place.iterdir()) == before


def test_two_pictures_in_one_plane(tmp_path):
    """A slice has one plane to show; across it there is nothing to see."""
    from PIL import Image

    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 255, (12, 14)), np.ones((4, 4))).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    one = InputVolume(tmp_path / "a.png", "MR", ReadOptions(spacing=(1.0, 1.0)))
    aligned = align(Study(one, one), dataclasses.replace(GIVEN, grid="isotropic:0.5"))
    assert aligned.volumes[0].geometry.size == (112, 96, 1)
    page = write_aligned(aligned, tmp_path / "out").read_text()
    assert page.count("<img") == 5
    assert "Axial" in page
    assert "Coronal" not in page
