"""How much memory another process has."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import DependencyError

__all__ = ["check_memory_is_known", "resident_bytes"]


def resident_bytes(pid: int) -> int:
    """Resident memory of a process in bytes; 0 if it is gone.

    Raises
    ------
    DependencyError
        If this system has no ``/proc`` and psutil is not installed.
    """
    if Path("/proc/self/statm").exists():
        try:
            return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0
    try:
        import psutil
    except ImportError as error:
        raise DependencyError(
            "limits of memory need psutil on this system: pip install psutil, or leave the limit out"
        ) from error
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def check_memory_is_known() -> None:
    """Refuse a limit of memory that could not be watched, before any work is done."""
    resident_bytes(os.getpid())
