"""Too little memory: how much there is, and what a failed allocation says, whatever library it is of."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

__all__ = ["available_bytes", "failed_allocation"]

_FAILED = re.compile(
    r"unable to allocate|can't allocate|not enough memory|failed to allocate|bad.alloc|out of memory|"
    r"cannot allocate memory|failed to map segment|can't start new thread",
    re.IGNORECASE,
)
"""In the words of numpy, torch (two ways), ITK, the C++ library, CUDA, the loader, and threads."""
_WANTED = re.compile(r"(?:unable to allocate|tried to allocate)\s+([\d.]+)\s*(bytes|[KMGT]iB)", re.IGNORECASE)


def failed_allocation(error: BaseException) -> str:
    """One sentence of what could not be had and what helps; "" if the error is of something else."""
    text = str(error)
    is_memory = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
    if not is_memory and not (isinstance(error, (RuntimeError, ImportError)) and _FAILED.search(text)):
        return ""
    wanted = _WANTED.search(text)
    size = ""
    if wanted:
        is_bytes = wanted[2].lower() == "bytes"
        size = f" for {float(wanted[1]) / (1 << 20):.4g} MiB" if is_bytes else f" for {wanted[1]} {wanted[2]}"
    return (
        f"not enough memory{size}: close other programs, raise the limit (ulimit -v), or work on fewer "
        "voxels (a coarser --grid, smaller volumes, fewer jobs at a time)"
    )


def available_bytes() -> int | None:
    """Memory that this process may still take, swap included; None where the system does not tell.

    The least of what is free on the machine, of its control group (version 2) and of ``ulimit -v``.
    """
    found = [one for one in (_free(), _left_of_group(), _left_of_limit()) if one is not None]
    return min(found) if found else None


def _free() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        facts = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        return (facts["MemAvailable"] + facts.get("SwapFree", 0)) << 10
    except (OSError, ValueError, KeyError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _left_of_group() -> int | None:
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = (int((folder / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # none, or "max"
        return None
    return max(0, limit - used)


def _left_of_limit() -> int | None:
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return max(0, limit - pages * resource.getpagesize())
    except (ImportError, OSError, ValueError):
        return None
