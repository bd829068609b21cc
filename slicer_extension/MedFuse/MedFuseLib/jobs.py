"""A child process with progress, a log, and an end that is always told.

Threads read what the child writes into a queue; a timer in the main thread empties it, so that all
callbacks come in the main thread, where nodes and widgets may be touched.  To cancel, a file is made that the
child looks for; if it does not stop within the time of grace, it is ended with all its children: ending
Slicer's ``PythonSlicer`` alone ends a launcher and not what it launched.  If this process dies first, the
child ends by itself, at its next line of progress, for nobody reads it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

__all__ = ["MEDFUSE", "Job", "Outcome", "StartTimer", "child_environment", "plain_sentence"]

MEDFUSE = (
    "-c",
    "import sys; sys.path[:] = [place for place in sys.path if place]; sys.argv[0] = 'medfuse'; "
    "from medfuse.cli import main; main()",
)
"""What makes a Python interpreter the command line of medfuse, without the working folder on its path: ``-m``
puts it first, where a folder ``medfuse`` would be taken for the package (Python 3.10 has no ``-P``)."""

StartTimer = Callable[[Callable[[], None]], Callable[[], None]]
"""Calls its argument again and again in the main thread, until the function that it returns is called."""

_GRACE_SECONDS = 10.0  # a step of a fusion network, or of a registration, takes less
_TERMINATE_SECONDS = 3.0
_CANCELLED = 130
_LINES_KEPT = 200


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Parameters
    ----------
    status:
        "done", "failed" or "cancelled".
    exit_code:
        Of the child; None if it could not be started.
    message:
        One plain sentence for the panel.
    """

    status: str
    exit_code: int | None
    message: str


class Job:
    """One run of a command in its own process.

    Parameters
    ----------
    command:
        The program and its arguments; no shell sees them.
    cancel_file:
        The child stops when this file appears; it must not exist yet.
    start_timer:
        Starts a repeating timer in the main thread; see :data:`StartTimer`.
    on_progress:
        Called with the fraction done, a message, and the seconds that remain (None while unknown).
    on_log:
        Called with every other line that the child writes, as it is.
    on_done:
        Called once, at the end, when the child is gone.
    folder:
        Where the child works; None for the current folder.
    grace:
        Seconds between asking the child to stop and ending it.
    """

    def __init__(
        self,
        command: Sequence[str],
        cancel_file: Path,
        start_timer: StartTimer,
        on_progress: Callable[[float, str, float | None], None],
        on_log: Callable[[str], None],
        on_done: Callable[[Outcome], None],
        folder: Path | None = None,
        grace: float = _GRACE_SECONDS,
    ):
        self._command = [str(word) for word in command]
        self._cancel_file = cancel_file
        self._start_timer = start_timer
        self._on_progress, self._on_log, self._on_done = on_progress, on_log, on_done
        self._folder = folder
        self._grace = grace
        self._process: subprocess.Popen[str] | None = None
        self._threads: list[threading.Thread] = []
        self._lines: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._last_lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._remaining = _Remaining()
        self._deadlines: list[tuple[float, bool]] = []
        self._cancelled = False
        self._stop_timer: Callable[[], None] = lambda: None

    @property
    def is_running(self) -> bool:
        """Whether the child was started and its end has not been told yet."""
        return self._process is not None

    def start(self) -> None:
        """Start the child and the timer; if the program is not there, ``on_done`` is called at once."""
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a list of words, and no shell
                self._command,
                cwd=self._folder,
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                **_apart(),
            )
        except OSError as error:
            reason = error.strerror or str(error)
            self._on_done(Outcome("failed", None, f"{self._command[0]} could not be started: {reason}."))
            return
        streams = (("out", self._process.stdout), ("err", self._process.stderr))
        self._threads = [
            threading.Thread(target=self._read, args=stream, name="MedFuse reader", daemon=True)
            for stream in streams
        ]
        for thread in self._threads:
            thread.start()
        self._stop_timer = self._start_timer(self._tick)

    def cancel(self) -> None:
        """Ask the child to stop, and end it if it does not within the time of grace."""
        if self._process is None or self._cancelled:
            return
        self._cancelled = True
        with contextlib.suppress(OSError):  # without the file, time will do it
            self._cancel_file.touch()
        now = time.monotonic()
        self._deadlines = [(now + self._grace, False), (now + self._grace + _TERMINATE_SECONDS, True)]

    def end(self) -> None:
        """End the child now and wait until it is gone; ``on_done`` is not called."""
        process = self._process
        if process is None:
            return
        self._stop_timer()
        for by_force in (False, True):
            _end_tree(process, by_force)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_TERMINATE_SECONDS)
                break
        self._forget()

    def _read(self, name: str, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._lines.put((name, line.rstrip("\r\n")))

    def _tick(self) -> None:
        process = self._process
        if process is None:
            return
        gone = process.poll() is not None and not any(thread.is_alive() for thread in self._threads)
        self._empty_queue()
        self._press(process)
        if gone and self._process is process:  # a callback may have ended it
            self._finish(process)

    def _empty_queue(self) -> None:
        with contextlib.suppress(queue.Empty):
            while self._process is not None:
                name, line = self._lines.get_nowait()
                step = _progress_in(line) if name == "err" else None
                if step is not None:
                    self._on_progress(*step, self._remaining(step[0]))
                    continue
                if name == "err" and line.strip():
                    self._last_lines.append(line)
                self._on_log(line)

    def _press(self, process: subprocess.Popen[str]) -> None:
        """End what did not stop in time; also what a child that is gone has left behind."""
        while self._deadlines and time.monotonic() > self._deadlines[0][0]:
            _end_tree(process, self._deadlines.pop(0)[1])

    def _finish(self, process: subprocess.Popen[str]) -> None:
        self._stop_timer()
        code, last_lines, cancelled = process.returncode, list(self._last_lines), self._cancelled
        self._forget()
        if cancelled or code == _CANCELLED:
            self._on_done(Outcome("cancelled", code, "Cancelled; nothing was imported."))
        elif code == 0:
            self._on_done(Outcome("done", code, "Done."))
        else:
            self._on_done(Outcome("failed", code, plain_sentence(last_lines, code)))

    def _forget(self) -> None:
        for thread in self._threads:
            thread.join(_TERMINATE_SECONDS)
        self._process, self._threads, self._deadlines = None, [], []


class _Remaining:
    """The time that is left, by the speed of late: the parts of a run differ in speed."""

    _SHARE = 0.3  # of the time so far; what was earlier no longer counts
    _FIRST_SECONDS = 2.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._steps: deque[tuple[float, float]] = deque([(self._start, 0.0)])

    def __call__(self, fraction: float) -> float | None:
        now = self._clock()
        self._steps.append((now, fraction))
        since = now - max(self._FIRST_SECONDS, self._SHARE * (now - self._start))
        while len(self._steps) > 2 and self._steps[1][0] <= since:
            self._steps.popleft()
        then, before = self._steps[0]
        if now - self._start < self._FIRST_SECONDS or fraction <= before:
            return None
        return (1.0 - fraction) * (now - then) / (fraction - before)


def child_environment() -> dict[str, str]:
    """The environment of this process, but text is UTF-8 in any locale, and data are no place for code."""
    return {
        **os.environ,
        "PYTHONUTF8": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",
        "MPLBACKEND": "Agg",
    }


def _apart() -> dict[str, Any]:
    """The child in a group of its own, which can be ended as a whole; on Windows without a console."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _end_tree(process: subprocess.Popen[str], by_force: bool) -> None:
    if sys.platform == "win32":
        command = ["taskkill", "/PID", str(process.pid), "/T", "/F"]
        subprocess.run(  # noqa: S603 - as above
            command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW
        )
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL if by_force else signal.SIGTERM)


def _progress_in(line: str) -> tuple[float, str] | None:
    """Fraction and message, if the line is ``{"fraction": …, "message": …}``."""
    if not line.startswith("{"):
        return None
    try:
        step = json.loads(line)
        return float(step["fraction"]), str(step["message"])
    except (ValueError, KeyError, TypeError):
        return None


def plain_sentence(lines: Sequence[str], exit_code: int) -> str:
    """What went wrong, in one sentence: the last error that the child wrote.

    Parameters
    ----------
    lines:
        The last lines of its error stream.
    exit_code:
        Negative on POSIX if a signal ended it.
    """
    for line in reversed(lines):
        if re.search(r"No module named '?medfuse'?", line):
            return "medfuse is not installed in this Slicer's Python: install it first."
        said = re.match(r"(?:medfuse: )?error: (.+)", line, re.IGNORECASE)
        if said:
            return said[1]
    if exit_code < 0 or not lines:
        reason = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
        return f"medfuse was ended from outside ({reason}); perhaps the memory ran out."
    return f"medfuse stopped unexpectedly: {lines[-1].strip()} (the log tells more)."
