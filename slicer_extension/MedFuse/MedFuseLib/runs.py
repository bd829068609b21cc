"""One run, from nodes to nodes: export, child process, import, and nothing left behind.

The scene may be closed while the child works.  Then the run is cancelled, and nothing is imported: the nodes
that it was about are gone, and what is in the scene by then is another patient's.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .jobs import Job, Outcome, StartTimer
from .logic import Prepared, prepare
from .results import Results, import_results

__all__ = ["Run"]

_CLOSED = "The scene was closed: the run was stopped and nothing was imported."


class Run:
    """One run of ``medfuse fuse`` on nodes of a scene.

    Parameters
    ----------
    parameters:
        See :func:`MedFuseLib.logic.problems`; read by :meth:`start` and not after.
    scene:
        The ``vtkMRMLScene``; the run is cancelled when it is closed.
    parent_folder:
        Where the run may make its temporary folder, which is deleted at the end, whatever happens.
    python:
        The interpreter that has medfuse.
    start_timer, on_progress, on_log:
        As for :class:`MedFuseLib.jobs.Job`.
    on_done:
        Called once with the outcome, and with the results if its status is "done".
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
        self._parameters = parameters
        self._scene = scene
        self._parent_folder = Path(parent_folder)
        self._python = python
        self._start_timer = start_timer
        self._on_progress, self._on_log, self._on_done = on_progress, on_log, on_done
        self._folder: Path | None = None
        self._prepared: Prepared | None = None
        self._job: Job | None = None
        self._observer: int | None = None
        self._scene_closed = False

    @property
    def is_running(self) -> bool:
        """Whether it was started and its end has not been told yet."""
        return self._folder is not None

    def start(self) -> None:
        """Export the volumes and start the child.

        Raises
        ------
        LogicError
            If the parameters do not allow it; nothing has happened then.
        OSError
            If the temporary folder cannot be written; nothing is left of it then.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="medfuse-", dir=self._parent_folder))
        try:
            self._prepared = prepare(self._parameters, self._folder)
        except BaseException:
            self._clean()
            raise
        self._observer = self._scene.AddObserver(self._scene.StartCloseEvent, self._on_scene_close)
        self._job = Job(
            [str(self._python), *self._prepared.arguments],
            self._prepared.cancel_file,
            self._start_timer,
            self._on_progress,
            self._on_log,
            self._on_child_gone,
            folder=self._folder,
        )
        self._job.start()

    def cancel(self) -> None:
        """Ask the child to stop; ``on_done`` tells when it has."""
        if self._job is not None:
            self._job.cancel()

    def end(self) -> None:
        """End the child and delete its folder now, before the application or the module goes.

        ``on_done`` is not called.
        """
        if self._job is not None:
            self._job.end()
        self._clean()

    def _on_scene_close(self, *_: object) -> None:
        self._scene_closed = True
        self.cancel()

    def _on_child_gone(self, outcome: Outcome) -> None:
        results = None
        try:
            if self._scene_closed:
                outcome = Outcome("cancelled", outcome.exit_code, _CLOSED)
            elif outcome.status == "done" and self._prepared is not None:
                results = import_results(self._prepared, self._scene)
                outcome = Outcome("done", outcome.exit_code, results.summary)
        except (OSError, RuntimeError, ValueError) as error:
            logging.getLogger("MedFuse").exception("import of the results")
            outcome = Outcome("failed", outcome.exit_code, str(error))
        finally:
            self._clean()
        self._on_done(outcome, results)

    def _clean(self) -> None:
        if self._observer is not None:
            self._scene.RemoveObserver(self._observer)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder, self._prepared, self._job, self._observer = None, None, None, None
