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


class TestWhatAResultDependsOn:
    def test_the_same_again_is_kept(self, files):
        assert status(job(files)) == "done"
        assert status(job(files)) == "kept"

    def test_where_the_files_lie_does_not_matter(self, files):
        assert status(job(files)) == "done"
        assert status(job(files.rename(files.parent / "elsewhere"))) == "kept"

    @pytest.mark.parametrize(
        "changed",
        [
            {"modality": "PT"},
            {"reading": ReadOptions(volume=1)},
            {"transform": "t.txt"},
            {"transform": "t.txt", "convention": "ras"},
            {"landmarks": ("ct.fcsv", "t1.fcsv")},
            {"bids": True},
            {"recipe": replace(RECIPE, interpolation="nearest")},
        ],
        ids="-".join,
    )
    def test_what_is_said_of_it(self, files, changed):
        """Each alone, against a study without it; a convention against the same transform without one."""
        before = {"transform": files / "t.txt"} if "convention" in changed else {}
        for name in ("transform", "landmarks"):
            if name in changed:
                value = changed[name]
                found = files / value if isinstance(value, str) else tuple(files / one for one in value)
                changed = {**changed, name: found}
        assert status(job(files, **before)) == "done"
        assert status(job(files, **changed)) == "done"
        assert status(job(files, **changed)) == "kept"

    @pytest.mark.parametrize("name", ["ct.fcsv", "t1.fcsv"])
    def test_content_of_landmarks(self, files, name):
        one = job(files, landmarks=(files / "ct.fcsv", files / "t1.fcsv"))
        assert status(one) == "done"
        write_marks(files / name, 3.0)
        assert status(one) == "done"

    def test_content_of_a_transform(self, files):
        one = job(files, transform=files / "t.txt")
        assert status(one) == "done"
        np.savetxt(files / "t.txt", np.diag([1.0, 1, 1.1, 1]))
        assert status(one) == "done"

    def test_the_version(self, files, monkeypatch):
        assert status(job(files)) == "done"
        monkeypatch.setattr(running, "__version__", "99.0")
        assert status(job(files)) == "done"

    def test_weights_of_ones_own(self, files):
        import torch
        from made_weights import identity_ifcnn

        torch.save(identity_ifcnn(), files / "w.pth")
        weights = {"weights": str(files / "w.pth"), "rule": "mean"}
        one = job(files, replace(RECIPE, method="ifcnn", parameters=weights))
        assert status(one) == "done"
        assert status(one) == "kept"
        other = identity_ifcnn()
        other["conv4.bias"] += 0.1
        torch.save(other, files / "w.pth")
        assert status(one) == "done"

    def test_published_weights(self, files, monkeypatch):
        one = job(files, replace(RECIPE, method="ifcnn"))
        before = running._key(one, ["0" * 64])
        other = {**WEIGHTS, "ifcnn-max": replace(WEIGHTS["ifcnn-max"], sha256="0" * 64)}
        monkeypatch.setattr("medfuse.weights.table.WEIGHTS", other)
        assert running._key(one, ["0" * 64]) != before

    def test_a_device_that_is_not_here_does_not_matter(self, files):
        """A page can be made again on a machine without the GPU that the studies ran on."""
        recipe = replace(RECIPE, method="dip", device="cuda:77")
        assert len(running._key(job(files, recipe), [])) == 64

    def test_which_volume_a_transform_is_for(self, files):
        ct, plain = InputVolume(files / "ct.nii.gz"), InputVolume(files / "t1.nii.gz")
        moved = replace(plain, transform=files / "t.txt")
        one, other = (replace(job(files), study=Study(ct, two)) for two in ((plain, moved), (moved, plain)))
        assert running._fingerprints(one) == running._fingerprints(other)
        assert running._key(one, running._fingerprints(one)) != running._key(
            other, running._fingerprints(other)
        )


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
        return room / "result", {"study": "a", "key": key}, room

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
