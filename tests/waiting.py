"""Waiting for other processes: until they are where the test needs them, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["PATIENCE", "comes_true"]

PATIENCE = 900.0
"""Seconds until a test takes a process for hung: far more than a slow machine needs, never a measure."""


def comes_true(condition: Callable[[], bool], pause: float = 0.05) -> bool:
    """Look until a condition holds; false if it does not while patience lasts."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
