"""How the commands tell what they are doing."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from ..progress import Progress, ignore, json_lines, stop_when_file_appears, terminal_bar

__all__ = ["ProgressStyle", "reporter", "show_log"]


class ProgressStyle(str, Enum):
    """What is written to stderr while work is done."""

    bar = "bar"
    json = "json"
    none = "none"


@contextmanager
def reporter(style: ProgressStyle, cancel_file: Path | None = None) -> Iterator[Progress]:
    """The progress callback of one command; with ``cancel_file`` it cancels once that file exists."""
    if style is ProgressStyle.bar:
        with terminal_bar() as bar:
            yield _cancelled_by(cancel_file, bar)
    else:
        yield _cancelled_by(cancel_file, json_lines(sys.stderr) if style is ProgressStyle.json else ignore)


def _cancelled_by(cancel_file: Path | None, progress: Progress) -> Progress:
    return stop_when_file_appears(progress, cancel_file) if cancel_file else progress


def show_log() -> None:
    """Write what medfuse logs to stderr: it logs no more than where errors come from."""
    log = logging.getLogger("medfuse")
    log.setLevel(logging.DEBUG)
    log.addHandler(logging.StreamHandler())
