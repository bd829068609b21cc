"""Progress and cancelling: one callback does both.

Long work calls ``progress(fraction, message)`` often.  To cancel it, the callback raises
:class:`~medfuse.errors.Cancelled`, which travels up through whatever was running; no thread,
flag or second channel is needed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from .errors import Cancelled

__all__ = [
    "Progress",
    "ignore",
    "json_lines",
    "shown",
    "stop_when_file_appears",
    "subrange",
    "terminal_bar",
]

Progress = Callable[[float, str], None]
"""Called with the fraction done in [0, 1] and a short message; raises ``Cancelled`` to stop."""


def ignore(fraction: float, message: str) -> None:
    """The progress callback that does nothing."""


def subrange(progress: Progress, start: float, stop: float) -> Progress:
    """A callback for one part of the work, which fills ``start``..``stop`` of ``progress``."""

    def report(fraction: float, message: str) -> None:
        progress(start + (stop - start) * fraction, message)

    return report


def stop_when_file_appears(progress: Progress, path: Path) -> Progress:
    """Wrap ``progress`` so that it raises ``Cancelled`` once ``path`` exists.

    A file, because killing Slicer's Python launcher does not reach the process behind it.
    """

    def report(fraction: float, message: str) -> None:
        if path.exists():
            raise Cancelled(f"cancelled: {path} appeared")
        progress(fraction, message)

    return report


def json_lines(stream: TextIO, interval: float = 0.1) -> Progress:
    """Write ``{"fraction": f, "message": m}`` as one JSON object a line, for another program.

    At most one line every ``interval`` seconds, save for a new message and the end.
    """
    last_time, last_message = 0.0, None

    def report(fraction: float, message: str) -> None:
        nonlocal last_time, last_message
        now = time.monotonic()
        if message == last_message and fraction < 1 and now - last_time < interval:
            return
        last_time, last_message = now, message
        line = json.dumps({"fraction": round(fraction, 5), "message": message})
        stream.write(line + "\n")
        stream.flush()

    return report


@contextmanager
def terminal_bar() -> Iterator[Progress]:
    """A progress bar with the remaining time on stderr, for people."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.percentage:>3.0f}%"),
        BarColumn(bar_width=28),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Bar(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task("starting", total=1.0)

        def report(fraction: float, message: str) -> None:
            bar.update(task, completed=fraction, description=message)

        yield report


@contextmanager
def shown(progress: Progress | None) -> Iterator[Progress]:
    """``progress``; where none is given a bar on stderr, if that is a terminal that somebody looks at."""
    if progress is not None:
        yield progress
    elif sys.stderr.isatty():
        with terminal_bar() as bar:
            yield bar
    else:
        yield ignore
