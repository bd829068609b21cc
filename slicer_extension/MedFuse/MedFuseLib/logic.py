"""From the panel's parameters to a command line of ``medfuse``.  (Being written: the signatures stand.)"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


class LogicError(Exception):
    """What the user asked for cannot be done; the message is one sentence for the panel."""


@dataclass(frozen=True)
class Prepared:
    """Inputs on disk, the command that works on them, and a snapshot of what was asked for."""

    folder: Path
    output: Path
    cancel_file: Path
    arguments: tuple[str, ...]


def problems(parameters: Any) -> str:
    """Why Apply cannot be pressed, in one sentence; "" if it can."""
    raise NotImplementedError


def prepare(parameters: Any, folder: Path) -> Prepared:
    """Export the nodes below ``folder`` and build the command line."""
    raise NotImplementedError
