"""Batches run on executors, with what goes wrong in them; every process here is a real one."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from batch_cohort import (
    RECIPE,
    check_faulty_cohort,
    check_no_identity,
    command_running,
    faulty_cohort,
    faulty_methods,
    gone,
    kill_when_it_works,
    planned,
    table,
    with_moving,
    write_volumes,
    written_to,
)
from waiting import PATIENCE

from medfuse import InputVolume, Study, run_study, write_result
from medfuse.batch import Limits, Planned, run_batch
from medfuse.batch.results.output_folder import OutputFolder
from medfuse.batch.running import child
from medfuse.errors import Cancelled, MedfuseError, ParameterError, WriteError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    return write_volumes(tmp_path_factory.mktemp("batch"))


@pytest.fixture(autouse=True)
def faults(tmp_path, monkeypatch):
    with faulty_methods(tmp_path, monkeypatch) as folder:
        yield folder


class TestFaultyCohort:
    """Twenty studies, four faults, and one worker killed in the middle."""

    def test_on_a_pool_of_processes(self, volumes, tmp_path):
        killer = kill_when_it_works(tmp_path)
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            result = run_batch(faulty_cohort(volumes), RECIPE, tmp_path / "out", pool)
        killer.join(PATIENCE)
        assert not killer.is_alive()
        check_faulty_cohort(volumes, tmp_path / "out", result)
        check_no_identity(volumes, tmp_path / "out")


class TestFaults:
    def run(self, studies, out, pool=None, **options):
        with pool or ThreadPoolExecutor(2) as executor:
            return run_batch(studies, RECIPE, out, executor, **options)

    def test_a_stuck_study_is_ended_and_costs_itself_only(self, volumes, tmp_path, monkeypatch):
        """The clock runs ahead by the limit once the study is stuck; the next one has its hour."""
        ahead = lambda: 3601 if (tmp_path / "pid").exists() else 0  # noqa: E731
        monkeypatch.setattr(child, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + ahead()))
        cohort = [planned(volumes, 0, method="stuck"), planned(volumes, 1)]
        result = self.run(cohort, tmp_path / "out", ThreadPoolExecutor(1), limits=Limits(seconds=3600))
        assert [row["status"] for row in result.rows] == ["failed", "done"]
        assert result.rows[0]["error"]["class"] == "TimeLimit"
        assert "3600 s" in result.rows[0]["error"]["message"]
        assert gone(int((tmp_path / "pid").read_text()))

    def test_a_hungry_study_is_ended(self, volumes, tmp_path):
        cohort = [planned(volumes, 0, method="hungry"), planned(volumes, 1)]
        result = self.run(cohort, tmp_path / "out", limits=Limits(bytes=1 << 30))
        assert [row["status"] for row in result.rows] == ["failed", "done"]
        assert result.rows[0]["error"]["class"] == "MemoryLimit"
        assert "over the limit of 1024 MiB" in result.rows[0]["error"]["message"]

    def test_a_broken_pool_is_replaced(self, volumes, tmp_path):
        """The processes that wait for the workers can be killed too."""
        make = partial(ProcessPoolExecutor, 1, mp_context=multiprocessing.get_context("spawn"))
        pools = []

        def making():
            pools.append(make())
            return pools[-1]

        def kill():
            written_to(tmp_path / "pid")
            (process,) = pools[0]._processes.values()
            process.kill()

        thread = threading.Thread(target=kill)
        thread.start()
        cohort = [planned(volumes, 0, method="fragile"), planned(volumes, 1)]
        result = run_batch(cohort, RECIPE, tmp_path / "out", making)
        thread.join()
        for pool in pools:
            pool.shutdown()
        assert len(pools) == 2
        assert [row["status"] for row in result.rows] == ["done", "done"]
        assert gone(int((tmp_path / "pid").read_text()))

    def test_a_broken_pool_that_cannot_be_replaced_is_said(self, volumes, tmp_path):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            pool.submit(int).result()
            (process,) = pool._processes.values()
            process.kill()
            with pytest.raises(MedfuseError, match="pool of processes broke"):
                run_batch([planned(volumes, 0)], RECIPE, tmp_path / "out", pool)

    def test_undecided_studies_are_failures(self, volumes, tmp_path):
        cohort = [Planned("a", None, problem="moving: 2 match 'MR'"), planned(volumes, 1)]
        result = self.run(cohort, tmp_path / "out")
        assert result.rows[0]["error"] == {
            "class": "SeriesError", "message": "not decided: moving: 2 match 'MR'",
        }  # fmt: skip
        assert result.rows[1]["status"] == "done"

    def test_faulty_recipes_stop_before_anything_runs(self, volumes, tmp_path):
        with pytest.raises(ParameterError, match="study s01: unknown fusion method 'averag'"):
            self.run([planned(volumes, 0), planned(volumes, 1, method="averag")], tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_cancelled_by_progress(self, volumes, tmp_path):
        def stop(fraction, message):
            if (tmp_path / "pid").exists():
                raise Cancelled(message)

        cohort = [planned(volumes, 0), planned(volumes, 1, method="stuck"), planned(volumes, 2)]
        with pytest.raises(Cancelled):
            self.run(cohort, tmp_path / "out", ThreadPoolExecutor(1), progress=stop)
        assert gone(int((tmp_path / "pid").read_text()))
        assert (tmp_path / "out" / "s00" / "report.html").exists()
        assert not (tmp_path / "out" / "s01").exists()
        page = (tmp_path / "out" / "index.html").read_text()
        assert "Stopped before the end" in page
        assert "s01, s02" in page

    def test_progress_counts_up_to_one(self, volumes, tmp_path):
        said = []
        self.run(
            [planned(volumes, i) for i in range(3)], tmp_path / "out", progress=lambda *a: said.append(a)
        )
        assert [fraction for fraction, _ in said] == sorted(fraction for fraction, _ in said)
        assert said[0] == (0.0, "0 of 3 studies")
        assert said[-1] == (1.0, "3 of 3 studies")


class TestSecondStart:
    def start(self, cohort, out, recipe=RECIPE):
        with ThreadPoolExecutor(1) as pool:
            return [row["status"] for row in run_batch(cohort, recipe, out, pool).rows]

    def test_finished_studies_are_kept_and_the_rest_is_done(self, volumes, tmp_path):
        here = tmp_path / "in"
        shutil.copytree(volumes, here)
        out = tmp_path / "out"
        cohort = [planned(here, i) for i in range(3)]
        assert self.start([*cohort[:2], with_moving(cohort[2], "missing.nii.gz")], out) == [
            "done",
            "done",
            "failed",
        ]
        made = {i: (out / f"s0{i}" / "report.html").stat().st_mtime_ns for i in range(2)}
        shutil.copyfile(here / "05 T1.nii.gz", here / "01 T1.nii.gz")  # other content under the same name
        assert self.start(cohort, out) == ["kept", "done", "done"]
        again = {i: (out / f"s0{i}" / "report.html").stat().st_mtime_ns for i in range(2)}
        assert again[0] == made[0]
        assert again[1] > made[1]
        assert len([row for row in table(out / "results.csv") if row["set"] == "method"]) == 3
        assert table(out / "failures.csv") == []

        assert self.start(cohort, out) == ["kept"] * 3
        assert self.start(cohort, out, replace(RECIPE, seed=2)) == ["done"] * 3
        cohort[0] = planned(here, 0, method="maximum")
        assert self.start(cohort, out, replace(RECIPE, seed=2)) == ["done", "kept", "kept"]
        shutil.rmtree(out / "s01")
        assert self.start(cohort[1:2], out, replace(RECIPE, seed=2)) == ["done"]
        chosen = [row["study"] for row in table(out / "results.csv") if row["set"] == "method"]
        assert chosen == ["s01", "s00", "s02"]  # the rows of the others are not lost
        assert all(f"{name}/report.html" in (out / "index.html").read_text() for name in chosen)

    def test_a_detached_header_is_more_than_itself(self, volumes, tmp_path):
        import SimpleITK as sitk

        here = tmp_path / "in"
        here.mkdir()
        for name, seed in (("ct", 1), ("t1", 2)):
            array = np.random.default_rng(seed).random((3, 8, 8)).astype("float32")
            sitk.WriteImage(sitk.GetImageFromArray(array), str(here / f"{name}.mhd"))
        cohort = [Planned("a", Study(InputVolume(here / "ct.mhd", "CT"), InputVolume(here / "t1.mhd", "MR")))]
        assert self.start(cohort, tmp_path / "out") == ["done"]
        assert self.start(cohort, tmp_path / "out") == ["kept"]
        shutil.copyfile(here / "ct.raw", here / "t1.raw")
        assert self.start(cohort, tmp_path / "out") == ["done"]

    def test_what_no_batch_has_written_is_not_replaced(self, volumes, tmp_path):
        (tmp_path / "out" / "s00").mkdir(parents=True)
        (tmp_path / "out" / "s00" / "thesis.txt").write_text("mine")
        with pytest.raises(WriteError, match="no result of a batch"):
            self.start([planned(volumes, 0)], tmp_path / "out")
        assert (tmp_path / "out" / "s00" / "thesis.txt").read_text() == "mine"

    def test_the_lock_of_another_start(self, volumes, tmp_path):
        place = OutputFolder(tmp_path / "out")
        place.prepare()

        def locked_by(pid, host):
            owner = {"run": "x", "pid": pid, "host": host, "since": "now"}
            place.lock.write_text(json.dumps(owner))

        locked_by(os.getpid(), socket.gethostname())
        with pytest.raises(WriteError, match=f"another batch is at work.*process {os.getpid()} on"):
            self.start([planned(volumes, 0)], place.root)
        locked_by(1, "another-host")
        with pytest.raises(WriteError, match=r"another-host.*if nothing runs there any more, delete"):
            self.start([planned(volumes, 0)], place.root)
        place.lock.write_text("garbage")
        with pytest.raises(WriteError, match="unknown owner"):
            self.start([planned(volumes, 0)], place.root)
        assert place.lock.read_text() == "garbage"
        place.lock.unlink()

        def take_away(fraction, message):
            if (tmp_path / "pid").exists():
                place.lock.unlink(missing_ok=True)

        with (
            ThreadPoolExecutor(1) as pool,
            pytest.raises(WriteError, match=r"taken away.*1 studies were not run"),
        ):
            run_batch([planned(volumes, 0, method="stuck")], RECIPE, place.root, pool, progress=take_away)
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        locked_by(dead.pid, socket.gethostname())
        assert self.start([planned(volumes, 0)], place.root) == ["done"]
        assert not place.lock.exists()


class TestDisk:
    def test_unwritable_and_full_are_found_before_anything_runs(self, volumes, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        with ThreadPoolExecutor(1) as pool:
            with pytest.raises(WriteError, match="cannot write to"):
                run_batch([planned(volumes, 0)], RECIPE, tmp_path / "file" / "out", pool)
            monkeypatch.setattr(OutputFolder, "free", lambda self: 10 << 20)
            with pytest.raises(WriteError, match="only 10 MiB of disk are free"):
                run_batch([planned(volumes, 0)], RECIPE, tmp_path / "out", pool)

    def test_a_disk_that_fills_stops_the_batch_and_keeps_what_is_done(self, volumes, tmp_path, monkeypatch):
        out = tmp_path / "out"
        free = lambda self: (10 if (out / "s01").exists() else 1000) << 20  # noqa: E731
        monkeypatch.setattr(OutputFolder, "free", free)
        cohort = [planned(volumes, i) for i in range(2)] + [planned(volumes, 2, method="stuck")]
        with ThreadPoolExecutor(1) as pool, pytest.raises(WriteError, match="stopped before it is full"):
            run_batch(cohort, RECIPE, out, pool)
        assert {row["study"] for row in table(out / "results.csv")} == {"s00", "s01"}


class TestWorkers:
    def test_models_stay_loaded_and_threads_are_set(self, volumes, tmp_path, monkeypatch):
        """One worker does all studies of its thread, with the number of threads it was told."""
        (tmp_path / "sitecustomize.py").write_text(
            "import os, sys, pathlib\n"
            "log = pathlib.Path(os.environ['BATCH_FAULTS'], 'started')\n"
            "if any('medfuse.batch.running.worker' in word for word in sys.orig_argv):\n"
            "    log.open('a').write(os.environ['OMP_NUM_THREADS'] + '\\n')\n"
        )
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}")
        with ThreadPoolExecutor(1) as pool:
            result = run_batch(
                [planned(volumes, i) for i in range(3)],
                RECIPE,
                tmp_path / "out",
                pool,
                limits=Limits(threads=3),
            )
        assert not result.failed
        assert (tmp_path / "started").read_text() == "3\n"

    def test_bids_names(self, volumes, tmp_path):
        cohort = [replace(planned(volumes, 0), name="sub-01_ses-1")]
        with ThreadPoolExecutor(1) as pool:
            run_batch(cohort, RECIPE, tmp_path / "out", pool, bids_names=True)
            again = run_batch(cohort, RECIPE, tmp_path / "out", pool, bids_names=True)
        assert again.rows[0]["status"] == "kept"
        folder = tmp_path / "out" / "sub-01_ses-1"
        names = {path.name.removeprefix("sub-01_ses-1_") for path in folder.iterdir()}
        assert {
            "desc-fused_vol.nii.gz", "space-fixed_desc-moving1_vol.nii.gz",
            "space-fixed_desc-fixed_vol.nii.gz", "from-fixed_to-moving1_mode-image_xfm.tfm",
            "metrics.csv", "provenance.json", "recipe.toml", "report.html",
        } <= names  # fmt: skip
        assert all(path.is_file() and path.name.startswith("sub-01_ses-1_") for path in folder.iterdir())
        facts = json.loads((tmp_path / "out" / "dataset_description.json").read_text())
        assert facts["DatasetType"] == "derivative"
        assert "sub-01_ses-1/sub-01_ses-1_report.html" in (tmp_path / "out" / "index.html").read_text()

    def test_a_folder_is_what_one_study_alone_leaves(self, volumes, tmp_path):
        with ThreadPoolExecutor(1) as pool:
            run_batch([planned(volumes, 0)], RECIPE, tmp_path / "out", pool)
        write_result(run_study(planned(volumes, 0).study, RECIPE), tmp_path / "alone")
        files = [
            sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))
            for root in (tmp_path / "out" / "s00", tmp_path / "alone")
        ]
        assert files[0] == files[1]
        texts = [
            (root / "metrics.csv").read_text() for root in (tmp_path / "out" / "s00", tmp_path / "alone")
        ]
        assert texts[0] == texts[1]


class TestCommand:
    @pytest.fixture
    def words(self, volumes, tmp_path):
        lines = ["study,fixed,moving,modalities,method"]
        for name, method in (("ok", ""), ("stays", "stuck")):
            i = len(lines)
            lines.append(
                f'{name},"{volumes / f"{i:02d} CT.nii.gz"}","{volumes / f"{i:02d} T1.nii.gz"}",CT;MR,{method}'
            )
        (tmp_path / "table.csv").write_text("\n".join(lines))
        RECIPE.write(tmp_path / "recipe.toml")
        return [
            sys.executable, "-m", "medfuse", "batch", str(tmp_path / "table.csv"), "-o",
            str(tmp_path / "out"), "--recipe", str(tmp_path / "recipe.toml"), "--progress", "json",
        ]  # fmt: skip

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
    def test_stopping(self, words, tmp_path, how):
        with command_running(words) as process:
            worker = written_to(tmp_path / "pid")
            process.send_signal(how)
            _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130, errors
        assert "start again to run the rest" in errors
        assert gone(worker)
        out = tmp_path / "out"
        assert sorted(path.name for path in out.iterdir()) == [
            ".batch", "failures.csv", "index.html", "ok", "results.csv",
        ]  # fmt: skip
        assert (out / "ok" / "report.html").exists()
        assert not OutputFolder(out).lock.exists()
        assert list(OutputFolder(out).work.iterdir()) == []
        fractions = [json.loads(line)["fraction"] for line in errors.splitlines() if line.startswith("{")]
        assert fractions[0] == 0
        assert fractions[-1] == 0.5

    def test_killed_and_started_again(self, words, tmp_path):
        with command_running(words) as process:
            worker = written_to(tmp_path / "pid")
            second = subprocess.run(words, capture_output=True, text=True, check=False)
            process.kill()
            process.communicate()
        assert second.returncode == 2
        assert f"another batch is at work in this folder (process {process.pid} on" in second.stderr
        assert gone(worker), "a worker outlives the batch"
        (tmp_path / "table.csv").write_text((tmp_path / "table.csv").read_text().replace("stuck", "maximum"))
        third = subprocess.run(words, capture_output=True, text=True, check=False)
        assert third.returncode == 0, third.stderr
        assert third.stdout.splitlines() == ["2 of 2 studies done", str(tmp_path / "out" / "index.html")]
        assert list(OutputFolder(tmp_path / "out").work.iterdir()) == []

    def test_some_failed(self, words, tmp_path):
        (tmp_path / "table.csv").write_text((tmp_path / "table.csv").read_text().replace("stuck", "buggy"))
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        assert "failed: stays: ZeroDivisionError" in done.stderr
        assert "1 of 2 studies done" in done.stdout

    def test_limits_reach_every_study(self, words, tmp_path):
        """A limit that nothing can keep: the time is over before a child has started."""
        limited = subprocess.run(
            [*words, "--time-limit", "0.1s"], capture_output=True, text=True, check=False
        )
        assert limited.returncode == 1, limited.stderr
        for name in ("ok", "stays"):
            assert f"failed: {name}: TimeLimit: ended after the time limit of 0.1 s" in limited.stderr
        assert "0 of 2 studies done" in limited.stdout

    def test_plan(self, words, tmp_path):
        plan = [*words[:4], "plan", words[4], "--progress", "none"]
        shown = subprocess.run(
            [*plan, "-t", str(tmp_path / "p.tsv")], capture_output=True, text=True, check=False
        )
        assert shown.returncode == 0, shown.stderr
        assert "stays  2 volumes" in shown.stdout
        assert "2 studies, 0 of them not decided" in shown.stdout
        assert [line.split("\t")[0] for line in (tmp_path / "p.tsv").read_text().splitlines()] == [
            "study", "ok", "stays",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("extra", "words_in_error"),
        [(["--time-limit", "soon"], "'soon' is no time"), (["--memory-limit", "3x"], "'3x' is no size")],
    )
    def test_faulty_options(self, words, extra, words_in_error):
        refused = subprocess.run([*words, *extra], capture_output=True, text=True, check=False)
        assert refused.returncode == 2
        assert words_in_error in refused.stderr
