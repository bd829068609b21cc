"""Files that are no files, that hold something else than they should, or at which a library dies."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pytest
from typer.testing import CliRunner

from medfuse import Geometry, Recipe, Study, Volume, read_volume, write_volume
from medfuse.batch import Limits, Planned, run_batch
from medfuse.batch.finding.pseudonyms import Pseudonyms
from medfuse.batch.results.comparison import compare
from medfuse.batch.results.output_folder import OutputFolder
from medfuse.batch.results.tables import FACTS
from medfuse.batch.running.lock import locked
from medfuse.cli import app
from medfuse.errors import MedfuseError, ParameterError, ReadError, WriteError
from medfuse.io import ReaderApart, describe, open_transform, read_image, sha256_of_input
from medfuse.io.landmarks import read_landmarks
from medfuse.io.records import checked, read_json

GRID = Geometry((6, 5, 4), (2.0, 2.0, 3.0))
DEEP = "[" * 200_000
LONG = "1" * 10_000


def volume(path: Path, seed: int = 0) -> Path:
    write_volume(Volume(np.random.default_rng(seed).random(GRID.shape, np.float32), GRID), path)
    return path


class Thing(TypedDict):
    name: str
    numbers: list[float]
    pair: tuple[int, int]
    more: dict[str, bool | None]


GOOD: dict[str, Any] = {"name": "a", "numbers": [1, 2.5], "pair": [1, 2], "more": {"x": True, "y": None}}


class TestCheckedValues:
    def test_what_is_right_comes_back(self, tmp_path):
        (tmp_path / "a.json").write_text(json.dumps({**GOOD, "other": [[]]}))
        found = read_json(tmp_path / "a.json", "thing", Thing)
        assert found == {**GOOD, "pair": (1, 2), "other": [[]]}

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"name": 5}, "thing.name = 5: expected text"),
            ({"name": None}, "thing.name = None: expected text"),
            ({"numbers": 1}, "thing.numbers = 1: expected a list"),
            ({"numbers": [1, "2"]}, r"thing.numbers[1] = '2': expected a finite number"),
            ({"numbers": [float("nan")]}, r"thing.numbers[0] = nan: expected a finite number"),
            ({"numbers": [True]}, r"thing.numbers[0] = True: expected a finite number"),
            ({"numbers": [10**400]}, r"thing.numbers[0] = 1000"),
            ({"pair": [1]}, "thing.pair: 1 values; expected 2"),
            ({"pair": [1, 2.5]}, r"thing.pair[1] = 2.5: expected a whole number"),
            ({"more": []}, "thing.more = []: expected a table"),
            ({"more": {"x": 1}}, "thing.more.x = 1: expected true or false or nothing"),
        ],
    )
    def test_what_is_of_another_type_is_named(self, changed, message):
        with pytest.raises(ParameterError) as caught:
            checked({**GOOD, **changed}, Thing, "thing")
        assert str(caught.value).startswith(message)

    def test_what_is_missing_is_named(self):
        with pytest.raises(ParameterError, match="thing: has no pair"):
            checked({key: value for key, value in GOOD.items() if key != "pair"}, Thing, "thing")

    @pytest.mark.parametrize(
        "text", ["", "{", DEEP, f'{{"name": {LONG}}}', "[]", "null", "\x00", '"\\ud800"']
    )
    def test_any_text_is_one_error(self, tmp_path, text):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(ReadError, match=r"cannot read the thing .*a\.json: ") as caught:
            read_json(tmp_path / "a.json", "thing", Thing)
        assert len(str(caught.value).removeprefix(str(tmp_path))) < 400

    def test_no_utf_8_and_no_file(self, tmp_path):
        (tmp_path / "a.json").write_bytes(b"\xff\xfe{}")
        for path in (tmp_path / "a.json", tmp_path, tmp_path / "missing", tmp_path / "a\0b"):
            with pytest.raises(ReadError, match="cannot read the thing"):
                read_json(path, "thing", Thing)


RECIPES = [
    "windows = [1, 2]", 'windows = [["a"]]', "colour_maps = [1.5]", "method = 3", "grid = ['fixed']",
    "accept_registration = 'yes'", "parameters = 5", "seed = true", "seed = 1.0", f"seed = {2**31}",
    f"seed = {LONG}", f"seed = {'1' * 400}", f"windows = {DEEP}", "[parameters]\npatch = [1]",
    f"[parameters.{'.'.join('a' * 3000)}]", "[parameters]\nx = 1979-05-27", "grid = 'isotropic:1e-9'",
    "grid = 'isotropic:1e-320'", f"method = 'pca'\n[parameters]\npatch = {LONG}", "\x00", "a = ",
]  # fmt: skip


class TestRecipes:
    @pytest.mark.parametrize("text", RECIPES, ids=lambda text: text[:30])
    def test_one_line_and_code_2(self, tmp_path, text):
        (tmp_path / "r.toml").write_text(text)
        with pytest.raises(MedfuseError) as caught:
            Recipe.read(tmp_path / "r.toml")
        assert len(str(caught.value)) < 600

    def test_values_are_checked_in_python_too(self):
        with pytest.raises(ParameterError, match=r"recipe field windows\[0\] = 1: expected text"):
            Recipe(windows=(1,))  # type: ignore[arg-type]

    def test_what_is_right_stays_so(self, tmp_path):
        recipe = Recipe("pca", parameters={"patch": 5}, windows=("brain", "2=1%-99%"), grid="isotropic:0.5")
        recipe.write(tmp_path / "r.toml")
        assert Recipe.read(tmp_path / "r.toml") == recipe


OWNER = {"run": "a", "pid": 999_999_999, "host": socket.gethostname(), "since": "2020-01-01"}


class TestLocks:
    @pytest.mark.parametrize(
        "changed",
        [{"run": 5}, {"pid": "x"}, {"pid": 1.5}, {"pid": None}, {"host": []}, {"since": {}}],
        ids=repr,
    )
    def test_of_wrong_types_belong_to_an_unknown_owner(self, tmp_path, changed):
        self.refused(tmp_path, json.dumps({**OWNER, **changed}))

    @pytest.mark.parametrize("text", ["", DEEP, LONG, "null", "[]"], ids=lambda text: text[:5])
    def test_neither_are_others(self, tmp_path, text):
        self.refused(tmp_path, text)

    @staticmethod
    def refused(folder, text):
        (folder / "lock").write_text(text)
        with pytest.raises(WriteError, match=r"unknown owner.*delete .*lock"), locked(folder / "lock"):
            pytest.fail("the lock was taken")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
    def test_a_pipe_is_no_lock(self, tmp_path):
        os.mkfifo(tmp_path / "lock")
        with pytest.raises(WriteError, match="unknown owner"), locked(tmp_path / "lock"):
            pytest.fail("the lock was taken")

    @pytest.mark.parametrize("pid", [999_999_999, 10**30])
    @pytest.mark.skipif(os.name == "nt", reason="Windows cannot tell whether a process lives")
    def test_of_a_process_that_is_gone_is_taken_over(self, tmp_path, pid):
        (tmp_path / "lock").write_text(json.dumps({**OWNER, "pid": pid}))
        with locked(tmp_path / "lock") as lock:
            assert json.loads((tmp_path / "lock").read_text())["run"] == lock.token


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A batch of one study that has run: its folder, and what runs it again."""
    from concurrent.futures import ThreadPoolExecutor

    folder = tmp_path_factory.mktemp("cohort")
    study = Study(volume(folder / "a.nii.gz"), volume(folder / "b.nii.gz", 1))
    recipe = Recipe(method="average", registration="none")

    def run(out):
        with ThreadPoolExecutor(1) as pool:
            return run_batch([Planned("s", study)], recipe, out, pool, limits=Limits())

    run(folder / "out")
    return folder / "out", run


class TestRecords:
    @pytest.fixture
    def out(self, cohort, tmp_path):
        return Path(shutil.copytree(cohort[0], tmp_path / "out"))

    def test_a_whole_record_is_kept(self, out):
        assert OutputFolder(out).record("s")["status"] == "done"

    @pytest.mark.parametrize(
        "changed",
        [
            {"inputs": 5}, {"inputs": [[1]]}, {"key": []}, {"scores": [1]},
            {"scores": {"average": {"pe": "x"}}}, {"scores": {}}, {"registrations": None},
            {"registrations": []}, {"registrations": [{}]},
            {"seconds": "1"}, {"bytes": 1.5}, {"thumbnail": None}, {"report": "../../x"}, {"method": 3},
            {"warnings": [5]}, {"study": "other"},
        ],
        ids=repr,
    )  # fmt: skip
    def test_of_wrong_types_is_none(self, out, changed):
        self.edit(out, lambda row: {**row, **changed})
        assert OutputFolder(out).record("s") is None

    def test_without_a_field_is_none(self, out):
        self.edit(out, lambda row: {"study": row["study"]})
        assert OutputFolder(out).record("s") is None

    def test_the_batch_goes_on_and_runs_the_study_again(self, cohort, out):
        self.edit(out, lambda row: {**row, "scores": [1], "registrations": 5})
        result = cohort[1](out)
        assert [row["status"] for row in result.rows] == ["done"]
        assert [row["status"] for row in cohort[1](out).rows] == ["kept"]

    @staticmethod
    def edit(out, change):
        path = OutputFolder(out).records / "s.json"
        path.write_text(json.dumps(change(json.loads(path.read_text()))))


class TestTablesOfResults:
    HEADER = ",".join((*FACTS, "pe"))
    ROW = "s0,average,method,ok,1,abc,1.0,0.5"

    @pytest.mark.parametrize(
        "text",
        [
            "", "set,study,pe\nmethod,s0,1\n", f"{HEADER}\n{ROW[:-3]}hello\n", f"{HEADER}\n{ROW[:-3]}nan\n",
            f"{HEADER}\ns0\n", f"{HEADER}\n{ROW},extra\n", f'{HEADER}\n"s0', "\x00",
        ],
        ids=repr,
    )  # fmt: skip
    def test_damaged_ones_are_one_error(self, tmp_path, text):
        for name, content in (("good", f"{self.HEADER}\n{self.ROW}\n"), ("bad", text)):
            (tmp_path / name).mkdir()
            (tmp_path / name / "results.csv").write_text(content)
        with pytest.raises(ReadError):
            compare(tmp_path / "good", tmp_path / "bad")
        assert len(compare(tmp_path / "good", tmp_path / "good").differences) == 1


def opens(path: Path) -> dict[str, Any]:
    """Everything that takes a path of the user's."""
    return {
        "volume": lambda: read_volume(path),
        "info": lambda: describe(path),
        "picture": lambda: read_image(path),
        "transform": lambda: open_transform(path),
        "landmarks": lambda: read_landmarks(path),
        "recipe": lambda: Recipe.read(path),
        "key": lambda: Pseudonyms.from_file(path),
        "hash": lambda: sha256_of_input(path),
    }


NAMES = ["DICOMDIR", "p.nii", "p.nii.gz", "p.mha", "p.dcm", "p.png", "p.mat", "p.tfm", "p.fcsv", "p.toml"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
class TestWhatIsNoFile:
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("how", opens(Path()))
    def test_pipes_are_refused_at_once(self, tmp_path, name, how):
        os.mkfifo(tmp_path / name)
        with pytest.raises(ReadError, match=r"is a pipe|expected a regular file"):
            opens(tmp_path / name)[how]()

    def test_sockets_and_devices_too(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)  # the name of a socket is short
        with socket.socket(socket.AF_UNIX) as own:
            own.bind("s.nii")
            with pytest.raises(ReadError, match="is a socket"):
                read_volume("s.nii")
        with pytest.raises(ReadError, match="is a device"):
            describe("/dev/null")

    def test_in_a_folder_they_are_passed_over(self, tmp_path):
        for name in NAMES:
            os.mkfifo(tmp_path / name)
        (tmp_path / "link.dcm").symlink_to(tmp_path / "p.dcm")
        volume(tmp_path / "v.nii.gz")
        assert [one.path.name for one in describe(tmp_path)] == ["v.nii.gz"]
        with pytest.raises(ReadError, match=r"11 pipe\(s\), socket\(s\) or device\(s\)"):
            read_volume(tmp_path)


class TestPathsThatCannotBeOpened:
    def test_folders_beyond_the_longest_path(self, tmp_path, monkeypatch):
        volume(tmp_path / "v.nii.gz")
        monkeypatch.chdir(tmp_path)
        for _ in range(25):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
        volume(Path("deep.nii.gz"))
        os.chdir(tmp_path)
        found = describe(tmp_path)
        assert [one.problem for one in found[:1]] == [""]
        assert "cannot be looked at: File name too long" in found[1].problem
        with pytest.raises(ReadError, match=r"cannot be looked at \(‹d"):
            read_volume(tmp_path)
        with pytest.raises(ReadError, match="cannot be opened: File name too long"):
            read_volume(tmp_path / "/".join(["d" * 200] * 25) / "deep.nii.gz")
        shutil.rmtree(tmp_path / ("d" * 200))

    @pytest.mark.parametrize("path", ["a\0b.nii", "x" * 5000])
    def test_names_that_no_system_takes(self, path):
        with pytest.raises(ReadError, match="cannot be opened"):
            read_volume(path)

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may open every file")
    def test_without_the_right_to(self, tmp_path):
        path = volume(tmp_path / "v.nii.gz")
        path.chmod(0)
        (found,) = describe(tmp_path)
        assert "Permission denied" in found.problem

    def test_the_right_is_missing_in_any_case(self, tmp_path, monkeypatch):
        """Also where root runs the tests."""
        path = volume(tmp_path / "v.nii.gz")
        opened = Path.open

        def refused(self, *words, **more):
            if self == path:
                raise PermissionError(13, "Permission denied", str(path))
            return opened(self, *words, **more)

        monkeypatch.setattr(Path, "open", refused)
        with pytest.raises(ReadError, match=r"v\.nii\.gz: cannot be read: .*Permission denied"):
            describe(path)


DEADLY = """
import os, sys
sys.addaudithook(lambda event, words: os.abort() if event == "open" and "deadly" in str(words[0]) else None)
"""
"""Loaded by every Python that is started: it dies where it opens a file, as by a fault of a library."""


@pytest.fixture
def deadly(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(DEADLY)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *sys.path[1:]]))


class TestFilesAtWhichALibraryDies:
    def test_one_costs_itself_only(self, tmp_path, deadly):
        for name in ("a", "deadly1", "deadly2", "z"):
            volume(tmp_path / f"{name}.nii.gz")
        found = {one.path.name: one.problem for one in describe(tmp_path)}
        assert found["a.nii.gz"] == found["z.nii.gz"] == ""
        for name in ("deadly1.nii.gz", "deadly2.nii.gz"):
            assert found[name].startswith("the process that read it was ended by SIGABRT")

    def test_several_files_named(self, tmp_path, deadly):
        files = [str(volume(tmp_path / f"{name}.nii.gz")) for name in ("deadly", "z")]
        result = CliRunner().invoke(app, ["info", *files])
        assert result.exit_code == 0
        assert "SIGABRT" in result.output.splitlines()[0]
        assert "6×5×4 voxels" in result.output.splitlines()[1]

    def test_one_process_for_all_that_are_well(self, tmp_path, monkeypatch):
        started = []
        popen = subprocess.Popen
        monkeypatch.setattr(subprocess, "Popen", lambda *w, **m: started.append(w) or popen(*w, **m))
        for i in range(12):
            volume(tmp_path / f"{i}.nii.gz")
        assert len(describe(tmp_path)) == 12
        assert len(started) == 1

    def test_none_without_volumes(self, tmp_path, monkeypatch):
        monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started a process"))
        with pytest.raises(ReadError, match="holds no DICOM images"):
            describe(tmp_path)

    def test_what_it_says_is_what_the_volume_is(self, tmp_path):
        affine = Geometry(
            (3, 4, 5), (0.1, 1 / 3, 7.0), (1e-9, -3.25, 4e5), ((0, 1, 0), (1, 0, 0), (0, 0, -1))
        )
        write_volume(Volume(np.zeros(affine.shape, np.float32), affine), tmp_path / "v.nrrd")
        (one,) = describe(tmp_path)
        own = read_volume(tmp_path / "v.nrrd")
        assert (one.geometry, one.notes, one.modality) == (own.geometry, own.notes, own.modality)

    def test_in_a_batch(self, tmp_path, deadly):
        """Here each study has a process anyway."""
        from concurrent.futures import ThreadPoolExecutor

        a, b, c = (volume(tmp_path / f"{name}.nii.gz") for name in ("a", "b", "deadly"))
        studies = [Planned("bad", Study(a, c)), Planned("good", Study(a, b))]
        with ThreadPoolExecutor(1) as pool:
            recipe = Recipe(method="average", registration="none")
            result = run_batch(studies, recipe, tmp_path / "out", pool)
        assert [row["status"] for row in result.rows] == ["failed", "done"]
        assert "SIGABRT" in result.failed[0]["error"]["message"]


class TestOtherFormatsUnderOurNames:
    """A file named as a picture is opened as one of those pictures, or not at all."""

    POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n{} loop\n%%EOF\n"

    @pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".bmp", ".gif"])
    def test_postscript_is_not_run(self, tmp_path, monkeypatch, suffix):
        monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started a program"))
        (tmp_path / f"loop{suffix}").write_bytes(self.POSTSCRIPT)
        with pytest.raises(ReadError, match="cannot identify image file"):
            read_image(tmp_path / f"loop{suffix}")

    @pytest.mark.parametrize("dimension", ["-3", "0", "4", "99999999999", "x", ""])
    def test_metaimages_of_impossible_dimensions(self, tmp_path, dimension):
        header = (
            f"ObjectType = Image\nNDims = {dimension}\nDimSize = 4 4 4\nElementSpacing = 1 1 1\n"
            "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
        )
        (tmp_path / "bad.mha").write_bytes(header.encode() + bytes(128))
        volume(tmp_path / "good.mha")
        bad, good = describe(tmp_path)
        assert bad.problem
        assert good.geometry == GRID


def test_landmarks_without_end_are_refused(tmp_path):
    for name, text in (("a.mrk.json", DEEP), ("b.mrk.json", f'{{"markups": {LONG}}}'), ("c.fcsv", LONG)):
        (tmp_path / name).write_text(text)
        with pytest.raises(ReadError):
            read_landmarks(tmp_path / name)


def test_a_reader_apart_can_be_asked_again(tmp_path):
    path = volume(tmp_path / "v.nii.gz")
    with ReaderApart() as reader:
        assert [reader.look(path)["problem"] for _ in range(2)] == ["", ""]
        assert reader.look(tmp_path)["problem"]
