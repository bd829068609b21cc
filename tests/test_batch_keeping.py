"""Which results a batch keeps: what they depend on, and in which order they and their records are written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import medfuse.batch.running.study as running
from medfuse import Geometry, InputVolume, Recipe, Study, Volume, write_volume
from medfuse.batch.jobs import Job
from medfuse.batch.results.output_folder import OutputFolder
from medfuse.batch.running.study import perform
from medfuse.io import ReadOptions
from medfuse.weights import WEIGHTS

RECIPE = Recipe(method="average", registration="none")
GRID = Geometry((6, 5, 4), (2.0, 2.0, 3.0))
FINISHED = {
    "study": "a",
    "status": "done",
    "key": "0",
    "inputs": ["0" * 64],
    "report": "a/report.html",
    "bytes": 1,
    "thumbnail": "data:image/jpeg;base64,",
    "method": "average",
    "registrations": [{"verdict": "given", "reasons": []}],
    "scores": {"average": {"pe": 0.5, "mi": None}},
    "warnings": [],
    "stages": {"read": 0.5},
    "medfuse": "1.0",
    "seconds": 1.5,
}
POINTS = ((0, 0, 0), (9, 0, 0), (0, 9, 0), (0, 0, 9))


@pytest.fixture
def files(tmp_path):
    """Two volumes, a transform and two sets of landmarks; the output folder of a batch."""
    here = tmp_path / "in"
    here.mkdir()
    for seed, name in enumerate(("ct", "t1")):
        array = np.random.default_rng(seed).random(GRID.shape).astype(np.float32)
        write_volume(Volume(array, GRID), here / f"{name}.nii.gz")
    np.savetxt(here / "t.txt", np.eye(4))
    for name in ("ct", "t1"):
        write_marks(here / f"{name}.fcsv", 0.0)
    OutputFolder(tmp_path / "out").prepare()
    return here


def write_marks(path: Path, shift: float) -> None:
    rows = [f"{i},{x + shift},{y},{z},0,0,0,1,1,1,0,P{i},," for i, (x, y, z) in enumerate(POINTS)]
    path.write_text("\n".join(["# CoordinateSystem = LPS", *rows, ""]))


def job(files: Path, recipe: Recipe = RECIPE, bids: bool = False, **moving) -> Job:
    study = Study(
        InputVolume(files / "ct.nii.gz", "CT"),
        InputVolume(files / "t1.nii.gz", **{"modality": "MR", **moving}),
    )
    return Job("a", study, recipe.to_mapping(), str(files.parent / "out"), "run", bids=bids)


def status(one: Job) -> str:
    row = perform(one, "room")
    assert row["status"] in ("done", "kept"), row
    return row["status"]


def key(one: Job) -> str:
    """What decides whether a result is kept."""
    return running._key(one, running._fingerprints(one))


class TestWhatAResultDependsOn:
    def test_the_same_again_is_kept_and_another_key_is_not(self, files, monkeypatch):
        marks = {"landmarks": (files / "ct.fcsv", files / "t1.fcsv")}
        assert status(job(files, **marks)) == "done"
        assert status(job(files, **marks)) == "kept"
        write_marks(files / "t1.fcsv", 3.0)
        assert status(job(files, **marks)) == "done"
        monkeypatch.setattr(running, "__version__", "99.0")
        assert status(job(files, **marks)) == "done"

    def test_where_the_files_lie_does_not_matter(self, files):
        before = key(job(files))
        assert key(job(files.rename(files.parent / "elsewhere"))) == before

    @pytest.mark.parametrize(
        "changed",
        [
            {"modality": "PT"},
            {"reading": ReadOptions(volume=1)},
            {"reading": ReadOptions(spacing=(1, 1))},
            {"bids": True},
            {"recipe": replace(RECIPE, interpolation="nearest")},
        ],
    )
    def test_what_is_said_of_it(self, files, changed):
        assert key(job(files, **changed)) != key(job(files))

    def test_transforms_and_their_conventions(self, files):
        transform = {"transform": files / "t.txt"}
        keys = {key(job(files, **one)) for one in ({}, transform, {**transform, "convention": "ras"})}
        assert len(keys) == 3

    @pytest.mark.parametrize("name", ["t.txt", "ct.fcsv", "t1.fcsv"])
    def test_the_content_of_start_files(self, files, name):
        marks = (files / "ct.fcsv", files / "t1.fcsv")
        one = job(files, **({"landmarks": marks} if name.endswith("fcsv") else {"transform": files / name}))
        before = key(one)
        assert before != key(job(files))
        (files / name).write_text((files / name).read_text() + "\n")
        assert key(one) != before

    @pytest.mark.parametrize("name", ["ct.nii.gz", "t1.nii.gz"])
    def test_the_content_of_volumes(self, files, name):
        before = key(job(files))
        (files / name).write_bytes(b"another volume")
        assert key(job(files)) != before

    def test_which_volume_a_transform_is_for(self, files):
        ct, plain = InputVolume(files / "ct.nii.gz"), InputVolume(files / "t1.nii.gz")
        moved = replace(plain, transform=files / "t.txt")
        one, other = (replace(job(files), study=Study(ct, two)) for two in ((plain, moved), (moved, plain)))
        assert running._fingerprints(one) == running._fingerprints(other)
        assert key(one) != key(other)

    def test_the_version(self, files, monkeypatch):
        before = key(job(files))
        monkeypatch.setattr(running, "__version__", "99.0")
        assert key(job(files)) != before

    @pytest.mark.parametrize("method", ["ifcnn", "densefuse", "vgg", "zero_learning"])
    def test_weights_of_ones_own(self, files, method):
        (files / "w.pth").write_bytes(b"trained")
        one = job(files, replace(RECIPE, method=method, parameters={"weights": str(files / "w.pth")}))
        before = key(one)
        (files / "w.pth").write_bytes(b"trained on")
        assert key(one) != before

    def test_published_weights(self, files, monkeypatch):
        one = job(files, replace(RECIPE, method="ifcnn"))
        before = key(one)
        other = {**WEIGHTS, "ifcnn-max": replace(WEIGHTS["ifcnn-max"], sha256="0" * 64)}
        monkeypatch.setattr("medfuse.weights.table.WEIGHTS", other)
        assert key(one) != before

    def test_a_device_that_is_not_here_does_not_matter(self, files):
        """A page can be made again on a machine without the GPU that the studies ran on."""
        assert len(key(job(files, replace(RECIPE, method="dip", device="cuda:77")))) == 64


class TestOrderOfWriting:
    """Whenever the process ends, what has a folder and a record is whole, and belongs together."""

    @pytest.mark.parametrize("step", ["old result", "record", "new result", "none"])
    def test_ended_before_a_step(self, tmp_path, monkeypatch, step):
        batch = OutputFolder(tmp_path)
        batch.prepare()
        batch.put(*self.made(batch, "0"))
        finished, row, room = self.made(batch, "1")
        self.end_before(
            monkeypatch, {"old result": batch.result("a"), "new result": finished}.get(step), step
        )
        if step == "none":
            batch.put(finished, row, room)
        else:
            with pytest.raises(KeyboardInterrupt):
                batch.put(finished, row, room)
        monkeypatch.undo()
        record = batch.record("a")
        mark = batch.result("a") / "mark"
        assert record is None or record["key"] == mark.read_text()
        assert (record is not None and record["key"] == "1") == (step == "none")
        batch.put(*self.made(batch, "2"))
        assert (batch.record("a")["key"], mark.read_text()) == ("2", "2")

    @staticmethod
    def made(batch: OutputFolder, key: str):
        room = batch.workroom(f"room{key}")
        (room / "result").mkdir()
        (room / "result" / "mark").write_text(key)
        return room / "result", {**FINISHED, "key": key}, room

    @staticmethod
    def end_before(monkeypatch, moved, step) -> None:
        rename = Path.rename

        def ending(path, target):
            if path == moved:
                raise KeyboardInterrupt
            return rename(path, target)

        def write(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "rename", ending)
        if step == "record":
            monkeypatch.setattr(OutputFolder, "_write_record", write)
