"""A child process that tells what it does, can be stopped, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from MedFuseLib.jobs import Job, Outcome, _Remaining, child_environment, plain_sentence
from scene_factory import ManualTimer
from waiting import PATIENCE, comes_true

ON_POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX process groups")


class Heard:
    """A job with all that it told."""

    def __init__(self, tmp_path, code, *arguments, grace=PATIENCE, command=None):
        self.timer = ManualTimer()
        self.progress, self.log, self.outcomes, self.threads = [], [], [], set()
        self.job = Job(
            command or [sys.executable, "-c", code, *arguments],
            tmp_path / "cancel",
            self.timer,
            self._on_progress,
            self._on_log,
            self.outcomes.append,
            folder=tmp_path,
            grace=grace,
        )

    def _on_progress(self, *step):
        self.threads.add(threading.current_thread())
        self.progress.append(step)

    def _on_log(self, line):
        self.threads.add(threading.current_thread())
        self.log.append(line)

    def run(self):
        self.job.start()
        self.timer.run()
        (outcome,) = self.outcomes
        return outcome


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


TALKING = """
import json, sys
print("  first, with blanks", flush=True)
for fraction in (0.0, 0.5, 1.0):
    print(json.dumps({"fraction": fraction, "message": "Größe 磁気"}), file=sys.stderr, flush=True)
print("note: assumed CT", file=sys.stderr)
print('{"not": "progress"}', file=sys.stderr)
print('{"fraction": 0.5, "message": "on stdout it is output"}')
"""


class TestTelling:
    def test_progress_and_log(self, tmp_path):
        heard = Heard(tmp_path, TALKING)
        assert heard.run() == Outcome("done", 0, "Done.")
        assert [step[:2] for step in heard.progress] == [(f, "Größe 磁気") for f in (0.0, 0.5, 1.0)]
        of_stdout = ["  first, with blanks", '{"fraction": 0.5, "message": "on stdout it is output"}']
        of_stderr = ["note: assumed CT", '{"not": "progress"}']
        assert [line for line in heard.log if line in of_stdout] == of_stdout
        assert [line for line in heard.log if line in of_stderr] == of_stderr
        assert len(heard.log) == 4

    def test_all_callbacks_come_in_the_timer_s_thread(self, tmp_path):
        heard = Heard(tmp_path, TALKING)
        heard.run()
        assert heard.threads == {threading.current_thread()}

    def test_the_end_is_told_once_and_nothing_is_left(self, tmp_path):
        before = threading.active_count()
        heard = Heard(tmp_path, TALKING)
        heard.run()
        assert not heard.job.is_running
        assert heard.timer.ticks == []
        assert heard.timer.started == 1
        assert threading.active_count() == before
        heard.job.cancel()
        heard.job.end()
        assert len(heard.outcomes) == 1
        assert not (tmp_path / "cancel").exists()

    def test_much_output_does_not_stall(self, tmp_path):
        heard = Heard(tmp_path, "for i in range(20000): print(f'line {i} ' + 'x' * 80)")
        assert heard.run().status == "done"
        assert len(heard.log) == 20000
        assert heard.log[-1].startswith("line 19999 ")

    def test_bytes_that_are_no_text(self, tmp_path):
        heard = Heard(tmp_path, "import sys; sys.stdout.buffer.write(b'caf\\xe9\\n')")
        assert heard.run().status == "done"
        assert heard.log == ["caf\ufffd"]

    def test_arguments_pass_as_they_are(self, tmp_path):
        words = ("with blank", 'quote"', "$HOME; echo x", "größe", "", "-p", "*")
        heard = Heard(tmp_path, "import sys, json; print(json.dumps(sys.argv[1:]))", *words)
        heard.run()
        assert json.loads(heard.log[0]) == list(words)

    def test_works_in_its_folder_which_is_no_place_for_code(self, tmp_path):
        (tmp_path / "json.py").write_text("raise SystemExit('imported from the data folder')")
        code = "import json, os; print(os.getcwd())"
        heard = Heard(tmp_path, code)
        assert heard.run().status == "done" or sys.version_info < (3, 11)
        if sys.version_info >= (3, 11):  # Slicer's is 3.12
            assert heard.log == [str(tmp_path)]

    def test_reads_nothing_from_the_parent(self, tmp_path):
        heard = Heard(tmp_path, "import sys; print(repr(sys.stdin.read()))")
        heard.run()
        assert heard.log == ["''"]


class TestFailing:
    def test_the_last_error_becomes_the_sentence(self, tmp_path):
        lines = "note: x\nmedfuse: error: a.nii: damaged; export it again\n"
        code = f"import sys; sys.stderr.write({lines!r}); sys.exit(2)"
        assert Heard(tmp_path, code).run() == Outcome("failed", 2, "a.nii: damaged; export it again")

    def test_a_program_that_is_not_there(self, tmp_path):
        heard = Heard(tmp_path, "", command=[str(tmp_path / "no PythonSlicer")])
        outcome = heard.run()
        assert outcome.status == "failed"
        assert "no PythonSlicer could not be started" in outcome.message
        assert not heard.job.is_running
        assert heard.timer.started == 0

    @ON_POSIX
    def test_a_child_that_is_killed(self, tmp_path):
        outcome = Heard(tmp_path, "import os; os.kill(os.getpid(), 9)").run()
        assert (outcome.status, outcome.exit_code) == ("failed", -9)
        assert "signal 9" in outcome.message
        assert "memory" in outcome.message

    @pytest.mark.parametrize(
        ("lines", "code", "sentence"),
        [
            (["Usage: medfuse fuse", "Error: No such option: --x"], 2, "No such option: --x"),
            (
                ["/opt/Slicer 5.12/bin/PythonSlicer: No module named medfuse"],
                1,
                "medfuse is not installed in this Slicer's Python: install it first.",
            ),
            (
                ["Traceback (most recent call last):", '  File "x"', "ValueError: shapes differ"],
                1,
                "medfuse stopped unexpectedly: ValueError: shapes differ (the log tells more).",
            ),
            ([], 3, "medfuse was ended from outside (exit code 3); perhaps the memory ran out."),
        ],
    )
    def test_sentences(self, lines, code, sentence):
        assert plain_sentence(lines, code) == sentence


OBEDIENT = """
import pathlib, sys, time
print("up", flush=True)
while not pathlib.Path("cancel").exists():
    time.sleep(0.01)
sys.exit(130)
"""
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", deaf])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
LAUNCHER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
child.wait()
"""


class TestStopping:
    def test_a_child_that_obeys(self, tmp_path):
        heard = Heard(tmp_path, OBEDIENT)
        heard.job.start()
        heard.timer.run(until=lambda: heard.log)
        heard.job.cancel()
        heard.job.cancel()
        heard.timer.run()
        assert heard.outcomes == [Outcome("cancelled", 130, "Cancelled; nothing was imported.")]

    def test_a_child_that_was_done_by_then_is_cancelled_all_the_same(self, tmp_path):
        heard = Heard(tmp_path, "print('up')")
        heard.job.start()
        heard.job.cancel()
        heard.timer.run()
        assert heard.outcomes[0].status == "cancelled"

    @ON_POSIX
    def test_a_child_that_does_not_obey_goes_with_its_children(self, tmp_path, monkeypatch):
        monkeypatch.setattr("MedFuseLib.jobs._TERMINATE_SECONDS", 0.2)
        heard = Heard(tmp_path, STUBBORN, grace=0.2)
        heard.job.start()
        heard.timer.run(until=lambda: heard.log)
        pids = [int(word) for word in heard.log[0].split()]
        assert all(map(is_alive, pids))
        heard.job.cancel()
        heard.timer.run()
        assert heard.outcomes[0].status == "cancelled"
        assert comes_true(lambda: not any(map(is_alive, pids)))

    @ON_POSIX
    def test_what_a_launcher_launched_goes_too(self, tmp_path):
        """PythonSlicer is a launcher: ended alone, it would leave the interpreter running."""
        heard = Heard(tmp_path, LAUNCHER)
        heard.job.start()
        heard.timer.run(until=lambda: heard.log)
        heard.job.end()
        assert not heard.job.is_running
        assert heard.timer.ticks == []
        assert heard.outcomes == []
        assert comes_true(lambda: not is_alive(int(heard.log[0])))

    @ON_POSIX
    def test_a_callback_may_end_the_job(self, tmp_path):
        heard = Heard(tmp_path, OBEDIENT)
        heard._on_log = lambda line: heard.job.end()
        heard.job._on_log = heard._on_log
        heard.job.start()
        heard.timer.run()
        assert heard.outcomes == []
        assert not heard.job.is_running

    @ON_POSIX
    def test_the_child_ends_when_its_parent_dies(self, tmp_path):
        """Slicer crashes: the next line of progress finds nobody who reads it."""
        child = (
            "import sys, time; sys.path.insert(0, ''); from medfuse.progress import json_lines;\n"
            "report = json_lines(sys.stderr, 0.0)\n"
            "for i in range(10**6): report(0.5, f'step {i}'); time.sleep(0.02)"
        )
        parent = f"""
import os, pathlib, sys, time
sys.path.insert(0, {str(Path(__file__).parents[2] / "slicer_extension" / "MedFuse")!r})
from MedFuseLib.jobs import Job
job = Job([sys.executable, "-c", {child!r}], pathlib.Path("cancel"), lambda tick: None, print, print, print)
job.start()
print(job._process.pid, flush=True)
time.sleep(600)
"""
        process = subprocess.Popen(
            [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True, cwd=tmp_path
        )
        with process:
            pid = int(process.stdout.readline())
            assert is_alive(pid)
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert comes_true(lambda: not is_alive(pid))


class TestRemaining:
    def test_a_steady_pace(self):
        now = [0.0]
        remaining = _Remaining(lambda: now[0])
        for second in range(1, 51):
            now[0] = float(second)
            left = remaining(second / 100)
        assert left == pytest.approx(50.0)

    def test_the_pace_of_late_counts(self):
        now = [0.0]
        remaining = _Remaining(lambda: now[0])
        for fraction in range(1, 26):  # a quarter within 25 s, then a tenth of that speed
            now[0] += 1
            remaining(fraction / 100)
        for step in range(1, 101):
            now[0] += 1
            left = remaining(0.25 + step / 1000)
        assert left == pytest.approx(650.0, rel=0.05)

    def test_unknown_at_first_and_while_nothing_moves(self):
        now = [0.0]
        remaining = _Remaining(lambda: now[0])
        now[0] = 0.5
        assert remaining(0.1) is None
        now[0] = 60.0
        remaining(0.2)
        now[0] = 600.0
        assert remaining(0.2) is None or remaining(0.2) > 0


def test_the_environment_of_the_child(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://nonsense")
    monkeypatch.setenv("KEPT", "größe")
    given = child_environment()
    assert given["PYTHONUTF8"] == "1"
    assert given["MPLBACKEND"] == "Agg"
    assert given["KEPT"] == "größe"
