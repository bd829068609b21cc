"""A worker process seen from outside, with small scripts in the worker's place: they start at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from types import SimpleNamespace

import pytest

from medfuse import InputVolume, Recipe, Study
from medfuse.batch.jobs import Job, Limits
from medfuse.batch.results.output_folder import OutputFolder
from medfuse.batch.running import child as children
from medfuse.batch.running.child import Child, close_children, run_job
from medfuse.processes import python_calling

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")

ANSWERS = """
    for line in sys.stdin:
        token, _, job = line.partition(" ")
        job = json.loads(job)
        row = {"study": job["name"], "status": "done", "token": token, "pid": os.getpid()}
        print(json.dumps({**row, "threads": os.environ["OMP_NUM_THREADS"]}), flush=True)
"""
STUCK = "time.sleep(3600)"


@pytest.fixture
def worker(monkeypatch):
    """Sets the script that every child runs from then on; all children are ended afterwards."""
    popen, script = subprocess.Popen, ["raise SystemExit"]

    def start(command, **options):
        assert command == python_calling("medfuse.batch.running.worker")
        text = "import json, os, signal, sys, time\n" + textwrap.dedent(script[0])
        return popen([sys.executable, "-S", "-c", text], **options)

    monkeypatch.setattr(children.subprocess, "Popen", start)
    monkeypatch.setattr(children, "_own", threading.local())
    monkeypatch.setattr(children, "_TICK", 0.01)
    known = set(children._children)
    yield lambda text: script.__setitem__(0, text)
    for one in set(children._children) - known:
        one.end()


@pytest.fixture
def make_job(tmp_path):
    folder = OutputFolder(tmp_path / "out")
    folder.prepare()
    owner = {"run": "run", "pid": os.getpid(), "host": "here", "since": "now"}
    folder.lock.write_text(json.dumps(owner))
    files = Study(InputVolume(tmp_path / "ct.nii.gz", "CT"), InputVolume(tmp_path / "t1.nii.gz", "MR"))

    def make(limits=Limits(), run="run", name="s01"):  # noqa: B008 - frozen
        return Job(name, files, Recipe(method="average").to_mapping(), str(tmp_path / "out"), run, limits)

    return make


def ended(child):
    return child._process.poll() is not None and child not in children._children


class TestRunJob:
    def test_one_process_does_all_studies_of_a_thread(self, worker, make_job, tmp_path):
        worker(ANSWERS)
        first, second = run_job(make_job()), run_job(make_job(name="s02"))
        assert (first["study"], second["study"]) == ("s01", "s02")
        assert first["pid"] == second["pid"] != os.getpid()
        assert first["token"] != second["token"]
        assert first["threads"] == "1"
        rows = []
        thread = threading.Thread(target=lambda: rows.append(run_job(make_job())))
        thread.start()
        thread.join()
        assert rows[0]["pid"] != first["pid"]

    def test_another_number_of_threads_needs_another_process(self, worker, make_job):
        worker(ANSWERS)
        first = run_job(make_job())
        before = children._own.child
        second = run_job(make_job(Limits(threads=3)))
        assert first["pid"] != second["pid"]
        assert second["threads"] == "3"
        assert ended(before)

    def test_what_it_left_half_done_is_cleared_away(self, worker, make_job, tmp_path):
        work = OutputFolder(tmp_path / "out").work
        (work / "mine").mkdir()
        worker(f"""
            for line in sys.stdin:
                os.makedirs({str(work)!r} + "/" + line.partition(" ")[0] + "/half")
                print("{{}}", flush=True)
        """)
        assert run_job(make_job()) == {}
        assert [one.name for one in work.iterdir()] == ["mine"]

    def test_a_start_that_has_ended_is_not_worked_for(self, worker, make_job, tmp_path):
        worker(ANSWERS)
        assert run_job(make_job(run="older")) == {"study": "s01", "status": "cancelled"}
        assert not hasattr(children._own, "child")

    def test_a_folder_that_is_not_there_is_said(self, worker, make_job, tmp_path):
        (tmp_path / "out").rename(tmp_path / "elsewhere")
        row = run_job(make_job())
        assert row["status"] == "failed"
        assert row["error"] == {
            "class": "WriteError",
            "message": "the output folder is not there; it must be on storage that all workers share",
        }

    def test_a_dead_process_is_replaced(self, worker, make_job):
        worker("sys.stdin.readline()")
        assert run_job(make_job())["status"] == "died"
        worker(ANSWERS)
        assert run_job(make_job())["status"] == "done"


class TestDeath:
    @pytest.mark.parametrize(
        ("script", "how"),
        [
            ("raise SystemExit", "with exit status 0"),
            ("raise SystemExit(3)", "with exit status 3"),
            ("sys.exit('no disk\\nno luck')", "with exit status 1: no luck"),
            ("os.kill(os.getpid(), signal.SIGTERM)", "by signal 15 (SIGTERM)"),
            ("os.kill(os.getpid(), signal.SIGKILL)", "by signal 9 (SIGKILL) (was there enough memory?)"),
            ("sys.stderr.write('x' * 3000 + '\\nlast \\n \\n'); os._exit(2)", "with exit status 2: last"),
            ("sys.stderr.buffer.write(b'caf\\xe9'); os._exit(2)", "with exit status 2: caf\ufffd"),
        ],
    )  # fmt: skip
    def test_how_it_ended_is_said(self, worker, make_job, script, how):
        worker(script)
        row = run_job(make_job())
        message = row["error"]["message"]
        assert (row["study"], row["status"], row["error"]["class"]) == ("s01", "died", "WorkerDied")
        assert message == f"its process was ended {how}"

    def test_a_signal_without_a_name(self):
        assert children._signal_name(signal.SIGINT) == "SIGINT"
        assert children._signal_name(1000) == "unknown"


class TestLimits:
    def ask(self, worker, make_job, limits, wanted=lambda: True):
        worker(STUCK)
        child = Child(limits.threads)
        try:
            return child, child.ask(make_job(limits), "token", wanted)
        finally:
            child.end()

    def test_time(self, worker, make_job, monkeypatch):
        clock = iter([100.0, 100.0, 159.9, 160.0, 160.1])
        monkeypatch.setattr(children, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        child, row = self.ask(worker, make_job, Limits(seconds=60.0))
        assert row["error"] == {"class": "TimeLimit", "message": "ended after the time limit of 60 s"}
        assert next(clock, None) is None, "it was ended early"
        assert ended(child)

    def test_memory(self, worker, make_job, monkeypatch):
        limit, seen = 512 << 20, []
        sizes = iter([0, limit, limit + (100 << 20)])

        def resident(pid):
            seen.append(pid)
            return next(sizes)

        monkeypatch.setattr(children, "resident_bytes", resident)
        child, row = self.ask(worker, make_job, Limits(bytes=limit))
        assert row["error"] == {
            "class": "MemoryLimit", "message": "ended at 612 MiB, over the limit of 512 MiB",
        }  # fmt: skip
        assert seen == [child._process.pid] * 3
        assert ended(child)

    def test_the_end_of_its_start(self, worker, make_job):
        """It looks seldom, for the lock may lie on a file server, and the first answer counts."""
        asked = []

        def wanted():
            asked.append(1)
            return len(asked) < 3

        child, row = self.ask(worker, make_job, Limits(), wanted)
        assert row == {"study": "s01", "status": "cancelled"}
        assert len(asked) == 3
        assert ended(child)

    def test_no_limit_looks_at_nothing(self, worker, make_job, monkeypatch):
        def looks(_):
            raise AssertionError("nobody asked for a limit of memory")

        monkeypatch.setattr(children, "resident_bytes", looks)
        worker("sys.stdin.readline(); time.sleep(0.2); print(json.dumps({'status': 'done'}))")
        assert run_job(make_job()) == {"status": "done"}


class TestClosing:
    def test_idle_ones_and_those_of_a_start(self, worker, make_job):
        worker(ANSWERS)
        idle, busy, other = Child(1), Child(1), Child(1)
        for one, run in ((idle, "a"), (busy, "a"), (other, "b")):
            assert one.ask(make_job(run=run), "token", lambda: True)["status"] == "done"
            assert not one.busy
        busy.busy = True
        close_children("b")
        assert [ended(one) for one in (idle, busy, other)] == [False, False, True]
        close_children()
        assert [ended(one) for one in (idle, busy, other)] == [True, False, True]
        close_children("a")
        assert ended(busy)

    def test_it_is_busy_while_it_works(self, worker, make_job, tmp_path):
        seen_it = tmp_path / "seen"
        worker(
            f"""
            sys.stdin.readline()
            while not os.path.exists({str(seen_it)!r}):
                time.sleep(0.01)
            print("{{}}", flush=True)
            time.sleep(3600)
            """
        )
        child, seen = Child(1), []
        assert (child.run, child.busy) == ("", False)
        broken = child._broken_limit
        child._broken_limit = lambda *a: seen.append((child.run, child.busy)) or seen_it.touch() or broken(*a)
        child.ask(make_job(), "token", lambda: True)
        assert set(seen) == {("run", True)}
        assert child.usable(1)
        assert not child.usable(2)
        child.end()
        assert not child.usable(1)

    def test_ending_twice_does_no_harm(self, worker):
        worker(STUCK)
        child = Child(1)
        child.end()
        child.end()
        assert ended(child)
