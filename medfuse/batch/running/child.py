"""A worker process seen from outside: started, asked, watched and, if need be, ended.

Why not one pool of processes for all studies: when a process of such a pool dies, the pool breaks and
takes all studies with it, and nobody knows which was guilty; and its studies cannot be ended when they
take too long.  Here each thread of whatever executor runs the batch has a process of its own.  What
dies or is ended costs exactly its study, on one machine and in a cluster alike, and models stay loaded
from study to study.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from secrets import token_hex
from typing import IO, cast

from ...processes import python_calling
from ..jobs import Job, Row
from ..results.output_folder import OutputFolder
from .lock import is_current
from .memory import resident_bytes
from .study import failure

__all__ = ["close_children", "run_job"]

_TICK = 0.1  # seconds between looks at the answer, the clock and the memory
_LOCK_TICKS = 10  # looks between looks at the lock, which may lie on a file server
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)

_own = threading.local()
_children: set[Child] = set()


def run_job(job: Job) -> Row:
    """Run one study in the worker process of this thread; the function that executors are given.

    Returns
    -------
    dict
        The row of the study; ``status`` is "died" if its process did, "cancelled" if the start that it
        belongs to has ended.
    """
    batch_folder = OutputFolder(Path(job.output))
    if not is_current(batch_folder.lock, job.run):
        return _stopped(job, batch_folder)
    child = _own_child(job.limits.threads)
    token = token_hex(8)
    try:
        return child.ask(job, token, lambda: is_current(batch_folder.lock, job.run))
    finally:
        shutil.rmtree(batch_folder.work / token, ignore_errors=True)


def close_children(run: str | None = None) -> None:
    """End the worker processes of this process that are idle, or those that belong to the start ``run``."""
    for child in list(_children):
        if child.run == run or (run is None and not child.busy):
            child.end()


def _own_child(threads: int) -> Child:
    child = getattr(_own, "child", None)
    if child is None or not child.usable(threads):
        if child is not None:
            child.end()
        child = _own.child = Child(threads)
    return child


class Child:
    """A worker process.

    Parameters
    ----------
    threads:
        How many threads its libraries may use.
    """

    def __init__(self, threads: int):
        self._threads = threads
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        # The numbers of threads are read when libraries are loaded: they must be there before.
        environment = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(threads))}
        self._process = subprocess.Popen(  # noqa: S603 - words of our own, and no shell
            python_calling("medfuse.batch.running.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C reaches us alone, and we end it
        )
        self._stdin, self._stdout = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        self._answers: SimpleQueue[str | None] = SimpleQueue()
        self.run, self.busy = "", False
        threading.Thread(target=self._listen, daemon=True).start()
        _children.add(self)

    def _listen(self) -> None:
        for line in self._stdout:
            self._answers.put(line)
        self._answers.put(None)

    def usable(self, threads: int) -> bool:
        """Whether it runs, with that many threads."""
        return self._threads == threads and self._process.poll() is None

    def ask(self, job: Job, token: str, wanted: Callable[[], bool]) -> Row:
        """Give it a job, and wait for the row, a limit, or the end of its start."""
        self.run, self.busy = job.run, True
        try:
            return self._ask(job, token, wanted)
        finally:
            self.busy = False

    def _ask(self, job: Job, token: str, wanted: Callable[[], bool]) -> Row:
        deadline = time.monotonic() + job.limits.seconds if job.limits.seconds else None
        with contextlib.suppress(OSError):  # it died; the answer tells
            self._stdin.write(f"{token} {job.to_json()}\n")
            self._stdin.flush()
        ticks = 0
        while True:
            with contextlib.suppress(Empty):
                answer = self._answers.get(timeout=_TICK)
                return json.loads(answer) if answer else self._died(job)
            ticks += 1
            broken = self._broken_limit(job, deadline)
            if broken:
                self.end()
                return failure(job, *broken)
            if ticks % _LOCK_TICKS == 0 and not wanted():
                self.end()
                return _stopped(job, OutputFolder(Path(job.output)))

    def end(self) -> None:
        """End it at once, whatever it is doing."""
        _children.discard(self)
        self._process.kill()
        self._process.wait()
        for stream in (self._stdin, self._stdout, self._errors):
            with contextlib.suppress(OSError):  # what was not yet sent is not needed any more
                stream.close()

    def _broken_limit(self, job: Job, deadline: float | None) -> tuple[str, str] | None:
        if deadline is not None and time.monotonic() > deadline:
            return "TimeLimit", f"ended after the time limit of {job.limits.seconds:g} s"
        if job.limits.bytes is None:
            return None
        used = resident_bytes(self._process.pid)
        if used > job.limits.bytes:
            return "MemoryLimit", f"ended at {used >> 20} MiB, over the limit of {job.limits.bytes >> 20} MiB"
        return None

    def _died(self, job: Job) -> Row:
        self._process.wait()
        self._errors.seek(0)
        words = self._errors.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
        self.end()
        code = self._process.returncode
        how = f"with exit status {code}" if code >= 0 else f"by signal {-code} ({_signal_name(-code)})"
        hint = " (was there enough memory?)" if -code == getattr(signal, "SIGKILL", 0) else ""
        last = f": {words[-1]}" if words else ""
        return {**failure(job, "WorkerDied", f"its process was ended {how}{hint}{last}"), "status": "died"}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _stopped(job: Job, batch_folder: OutputFolder) -> Row:
    if not batch_folder.marks.is_dir():
        return failure(
            job, "WriteError", "the output folder is not there; it must be on storage that all workers share"
        )
    return {"study": job.name, "status": "cancelled"}
