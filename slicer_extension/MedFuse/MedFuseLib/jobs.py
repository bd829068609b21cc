"""A child process with progress, log and cancelling.  (Being written: the signatures stand.)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

StartTimer = Callable[[Callable[[], None]], Callable[[], None]]


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``status`` is "done", "failed" or "cancelled"; ``message`` one plain sentence."""

    status: str
    exit_code: int | None
    message: str


class Job:
    """One run of a command in its own process."""

    def __init__(
        self,
        command: Sequence[str],
        cancel_file: Path,
        start_timer: StartTimer,
        on_progress: Callable[[float, str, float | None], None],
        on_log: Callable[[str], None],
        on_done: Callable[[Outcome], None],
        folder: Path | None = None,
    ):
        raise NotImplementedError

    @property
    def is_running(self) -> bool:
        """Whether the child is there, or its end has not been told yet."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the child and the timer."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Ask the child to stop; end it if it does not within the time of grace."""
        raise NotImplementedError

    def end(self) -> None:
        """End the child now and wait until it is gone; ``on_done`` is not called."""
        raise NotImplementedError
