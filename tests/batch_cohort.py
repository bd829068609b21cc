"""A cohort of small studies with planted faults, and what must come of it on any executor."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import batch_faults
import numpy as np
import pytest
from waiting import comes_true

import medfuse
from medfuse import METHODS, Geometry, InputVolume, Recipe, Study, read_volume, run_study, write_volume
from medfuse.batch import Planned
from medfuse.batch.results.output_folder import OutputFolder
from medfuse.phantom import Head, render

RECIPE = Recipe(method="average", registration="none")
GRID = Geometry((14, 15, 1), (16.0, 15.0, 12.0), (-105.0, -100.0, 10.0))
SECRET = "DOE_JOHN"


def write_volumes(folder):
    """Small CT and T1 volumes of one head, with a patient's name in their paths."""
    folder = folder / SECRET
    folder.mkdir()
    head = Head()
    for i in range(20):
        for contrast in ("CT", "T1"):
            write_volume(render(contrast, GRID, head=head, seed=i), folder / f"{i:02d} {contrast}.nii.gz")
    (folder / "rubbish.nii.gz").write_bytes(b"no volume")
    return folder


@contextmanager
def faulty_methods(folder, monkeypatch):
    """The faulty methods as an installed plugin, here and in every process that is started."""
    installed = folder / "site"
    batch_faults.install(installed)
    tests = Path(batch_faults.__file__).parent
    ours = Path(medfuse.__file__).parents[1]  # workers run the package that is tested, installed or not
    monkeypatch.syspath_prepend(str(installed))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (installed, tests, ours))))
    monkeypatch.setenv("BATCH_FAULTS", str(folder))
    METHODS.__dict__.pop("_plugins", None)
    yield folder
    METHODS.__dict__.pop("_plugins", None)


def planned(volumes, i, **overrides):
    ct, t1 = (volumes / f"{i:02d} {contrast}.nii.gz" for contrast in ("CT", "T1"))
    return Planned(f"s{i:02d}", Study(InputVolume(ct, "CT"), InputVolume(t1, "MR")), overrides)


def with_moving(one, name):
    moving = replace(one.study.moving[0], path=one.study.fixed.path.with_name(name))
    return replace(one, study=Study(one.study.fixed, moving))


@contextmanager
def command_running(words):
    """A command as a terminal starts it: Ctrl-C reaches it even where the tests themselves ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what is ignored stays ignored in it
    try:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            yield process
        finally:
            process.kill()


def kill_when_it_works(folder):
    """Kill the process that leaves its number in ``folder``, once."""

    def wait_and_kill():
        os.kill(written_to(folder / "pid"), signal.SIGKILL)

    thread = threading.Thread(target=wait_and_kill, daemon=True)
    thread.start()
    return thread


def gone(pid):
    """Whether a process ends."""

    def ended():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        stat = Path(f"/proc/{pid}/stat")
        return stat.exists() and ") Z " in stat.read_text()

    return comes_true(ended)


def written_to(file):
    assert comes_true(file.exists), f"{file.name} did not appear"
    return int(file.read_text())


def table(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def check_faulty_cohort(volumes, out, result):
    """All healthy studies ended with the results of a serial run; each fault cost one study."""
    errors = {row["study"]: row["error"]["class"] for row in result.failed}
    assert errors == {"s03": "ReadError", "s06": "ReadError", "s09": "WorkerDied", "s12": "ZeroDivisionError"}
    assert [row["study"] for row in result.rows] == [f"s{i:02d}" for i in range(20)]
    for row in result.rows:
        if row["status"] == "failed":
            assert not (out / row["study"]).exists()
            continue
        i = int(row["study"][1:])
        serial = run_study(planned(volumes, i).study, RECIPE)
        np.testing.assert_array_equal(
            read_volume(out / row["study"] / "fused.nii.gz", modality="OT").array, serial.fused.array
        )
        scores = list(serial.scores["average"].whole.values())
        assert list(row["scores"][row["method"]].values())[: len(scores)] == [
            None if np.isnan(value) else pytest.approx(value) for value in scores
        ]
    failures = {row["study"]: row for row in table(out / "failures.csv")}
    assert set(failures) == set(errors)
    assert "SIGKILL" in failures["s09"]["message"]
    assert "tried twice" in failures["s09"]["message"]
    assert list(OutputFolder(out).work.iterdir()) == []
    assert not OutputFolder(out).lock.exists()


def faulty_cohort(volumes):
    cohort = [planned(volumes, i) for i in range(20)]
    cohort[3] = with_moving(cohort[3], "rubbish.nii.gz")
    cohort[6] = with_moving(cohort[6], "missing.nii.gz")
    cohort[9] = planned(volumes, 9, method="deadly")
    cohort[12] = planned(volumes, 12, method="buggy")
    cohort[15] = planned(volumes, 15, method="fragile")
    return cohort


def check_no_identity(volumes, out):
    """No path of an input and no patient's name in any name or text of a batch."""
    texts = [path for path in out.rglob("*") if path.is_file() and path.suffix != ".gz"]
    assert len(texts) > 20
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert SECRET not in text
        assert str(volumes) not in text
    assert not [path for path in out.rglob("*") if SECRET in path.name]
