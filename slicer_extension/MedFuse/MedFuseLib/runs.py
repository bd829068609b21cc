"""One run from nodes to nodes.  (Being written: the signatures stand.)"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .jobs import Outcome, StartTimer
from .results import Results


class Run:
    """Export, child process, import, and nothing left behind.

    ``on_done(outcome, results)``: results is None unless the outcome's status is "done".
    The scene closing while it runs cancels it.
    """

    def __init__(
        self,
        parameters: Any,
        scene: Any,
        parent_folder: Path,
        python: Path,
        start_timer: StartTimer,
        on_progress: Callable[[float, str, float | None], None],
        on_log: Callable[[str], None],
        on_done: Callable[[Outcome, Results | None], None],
    ):
        raise NotImplementedError

    @property
    def is_running(self) -> bool:
        """Whether the end has not been told yet."""
        raise NotImplementedError

    def start(self) -> None:
        """Export the nodes and start the child; raises ``logic.LogicError`` with a sentence."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Ask the child to stop; ``on_done`` tells when it has."""
        raise NotImplementedError

    def end(self) -> None:
        """End everything now, for the application's exit or the module's reload; ``on_done`` is not called."""
        raise NotImplementedError
