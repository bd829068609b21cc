"""Fusion methods that do what goes wrong in long batches, for workers of tests; registered as a plugin is.

What a method needs to know it reads from ``$BATCH_FAULTS``, a folder.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from waiting import PATIENCE

from medfuse.fusion import Fused
from medfuse.progress import Progress, ignore

ENTRY_POINTS = {
    "deadly": "Deadly",
    "fragile": "Fragile",
    "stuck": "Stuck",
    "hungry": "Hungry",
    "buggy": "Buggy",
}


def install(folder: Path) -> None:
    """Make an installed distribution of this module in ``folder``."""
    info = folder / "batch_faults-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: batch-faults\nVersion: 1.0\n")
    lines = (f"{key} = batch_faults:{name}" for key, name in ENTRY_POINTS.items())
    (info / "entry_points.txt").write_text("\n".join(["[medfuse.fusion]", *lines]) + "\n")


def leave_pid() -> bool:
    """Tell the test which process works here; false if one did before."""
    path = Path(os.environ["BATCH_FAULTS"]) / "pid"
    if path.exists():
        return False
    path.with_suffix(".new").write_text(str(os.getpid()))
    path.with_suffix(".new").rename(path)
    return True


def average(sources: np.ndarray) -> Fused:
    return Fused(sources.mean(axis=0, dtype=np.float32))


@dataclass(frozen=True)
class Deadly:
    """Ends its process, as running out of memory does."""

    def __call__(self, sources: np.ndarray, progress: Progress = ignore) -> Fused:
        os.kill(os.getpid(), signal.SIGKILL)
        return average(sources)


@dataclass(frozen=True)
class Fragile:
    """Waits to be killed the first time it runs, and is well the second time."""

    def __call__(self, sources: np.ndarray, progress: Progress = ignore) -> Fused:
        if leave_pid():
            time.sleep(PATIENCE)
        return average(sources)


@dataclass(frozen=True)
class Stuck:
    """Never ends, and hears nothing."""

    def __call__(self, sources: np.ndarray, progress: Progress = ignore) -> Fused:
        leave_pid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(1)


@dataclass(frozen=True)
class Hungry:
    """Takes more and more memory, up to 2 GiB, and keeps it until it is ended."""

    def __call__(self, sources: np.ndarray, progress: Progress = ignore) -> Fused:
        kept = []
        for _ in range(64):
            kept.append(np.ones(1 << 22))
            time.sleep(0.1)
        time.sleep(PATIENCE)
        return average(sources)


@dataclass(frozen=True)
class Buggy:
    """Fails as our own faults do, with a path in its words."""

    def __call__(self, sources: np.ndarray, progress: Progress = ignore) -> Fused:
        raise ZeroDivisionError("while reading /data/DOE_JOHN/1.dcm: division by zero")
