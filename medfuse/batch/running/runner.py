"""Run the studies of a batch on whatever executor there is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path

from ...errors import Cancelled, MedfuseError, WriteError
from ...progress import Progress, ignore
from ...recipe import Recipe
from ..finding.planning import Planned, check_names, recipe_of
from ..jobs import Job, Limits, Row
from ..results.bids_names import write_description
from ..results.output_folder import OutputFolder
from ..results.tables import write_outputs
from .child import close_children, run_job
from .lock import Lock, locked
from .memory import check_memory_is_known
from .study import failure

__all__ = ["BatchResult", "run_batch"]

_LOG = logging.getLogger(__name__)
_TICK = 0.5  # seconds between looks at what is done
_HEARTBEAT = 2.0  # seconds between words on the progress, which can also cancel, where nothing is new
_PATIENCE = 15.0  # seconds that workers get to notice that they shall stop
_MIN_FREE = 200 << 20  # bytes; what a batch that runs may not go below
_REBUILDS = 3  # of a broken pool without any study finished in between


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch.

    Parameters
    ----------
    folder:
        Where it is.
    rows:
        One a study, in the order of the studies; see :mod:`medfuse.batch.running.study`.
    """

    folder: Path
    rows: tuple[Row, ...]

    @property
    def failed(self) -> tuple[Row, ...]:
        """Rows of the studies that failed."""
        return tuple(row for row in self.rows if row["status"] == "failed")


MakeExecutor = Callable[[], Executor]


def run_batch(
    studies: Sequence[Planned],
    recipe: Recipe,
    output: Path,
    executor: Executor | MakeExecutor,
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    bids_names: bool = False,
    progress: Progress = ignore,
) -> BatchResult:
    """Run studies, each in a worker process of its own, and write tables and a page over all.

    Studies whose result is there already, with the same recipe and the same inputs, are kept, and the tables
    and the page go on to show those of other studies that an earlier batch left in the folder.  A study
    that fails becomes a row; one whose process dies is tried once more.

    Parameters
    ----------
    studies:
        From :func:`medfuse.batch.find_studies`.
    recipe:
        What to do, but for what a study overrides.
    output:
        Folder of the batch; made if it does not exist.
    executor:
        Any ``concurrent.futures.Executor``: its threads or processes only wait for the workers that they
        start.  ``ThreadPoolExecutor(4)`` runs four studies at a time on this machine; Dask's
        ``client.get_executor()`` runs them in a cluster.  Or a function that makes an executor: one that
        breaks is then replaced, and what was lost is run again.
    limits:
        What a study may take.
    bids_names:
        Name files as a BIDS derivative does.
    progress:
        Called with (fraction, message) about twice a second; raise :class:`medfuse.Cancelled` in it, or
        press Ctrl-C, to stop.

    Returns
    -------
    BatchResult

    Raises
    ------
    ParameterError
        For names or recipes that are not allowed; nothing has been run then.
    WriteError
        If the folder cannot be written, another start is at work in it, or the disk is about to be full.
    Cancelled
        If it was stopped; whole results are kept, and the page shows them.
    """
    check_names(studies)
    recipes = [recipe_of(one, recipe) for one in studies]
    if limits.bytes is not None:
        check_memory_is_known()
    batch_folder = OutputFolder(Path(output))
    batch_folder.prepare()
    for one in studies:
        batch_folder.check_free_for(one.name)
    with locked(batch_folder.lock) as lock:
        batch_folder.clear_work()
        if bids_names:
            write_description(batch_folder.root)
        jobs = [
            Job(
                one.name,
                one.study.absolute(),
                own.to_mapping(),
                str(batch_folder.root.absolute()),
                lock.token,
                limits,
                bids_names,
            )
            for one, own in zip(studies, recipes, strict=True)
            if one.study
        ]
        run = _Run(batch_folder, lock, executor, progress, {one.name: _undecided(one) for one in studies})
        try:
            run.all(jobs)
        finally:
            lock.revoke()
            run.wait_for_stragglers()
            close_children(run.token)
            batch_folder.clear_work()  # what killed workers had half done
            rows, not_run = run.rows(), run.not_run()
            earlier = batch_folder.earlier({one.name for one in studies})
            write_outputs(batch_folder.root, (*rows, *earlier), not_run)
    if not_run:
        raise WriteError(
            f"{batch_folder.lock} was taken away while the batch ran: {len(not_run)} studies were not run; "
            "start again"
        )
    return BatchResult(batch_folder.root, rows)


class _Run:
    """One start: what is under way, and what is done."""

    def __init__(
        self,
        batch_folder: OutputFolder,
        lock: Lock,
        executor: Executor | MakeExecutor,
        progress: Progress,
        rows: dict[str, Row | None],
    ):
        self.token = lock.token
        self._folder = batch_folder
        self._make = None if isinstance(executor, Executor) else executor
        self._executor = executor if isinstance(executor, Executor) else executor()
        self._progress = progress
        self._rows = rows
        self._pending: dict[Future[Row], Job] = {}
        self._tried: dict[str, int] = {}
        self._rebuilds = 0
        self._start = time.monotonic()
        self._said = (-1.0, 0.0)  # fraction and time of the last word on the progress

    def all(self, jobs: Iterable[Job]) -> None:
        """Run all jobs."""
        try:
            self._again(list(jobs))
            while self._pending:
                self._report()
                done, _ = wait(self._pending, timeout=_TICK, return_when=FIRST_COMPLETED)
                lost = [job for future in done for job in self._take(future)]
                self._again(lost)
                self._check_disk()
            self._report()
        except KeyboardInterrupt:
            raise Cancelled("stopped") from None

    def wait_for_stragglers(self) -> None:
        """Take what is ready, after workers were told to stop, and let go of the executor."""
        running = [future for future in self._pending if not future.cancel()]
        for future in wait(running, timeout=_PATIENCE).done:
            self._take(future)
        if self._make:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def rows(self) -> tuple[Row, ...]:
        """Rows of the studies that were decided, in the order of the studies."""
        return tuple(row for row in self._rows.values() if row)

    def not_run(self) -> tuple[str, ...]:
        """Names of the others."""
        return tuple(name for name, row in self._rows.items() if not row)

    def _submit(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._pending[self._executor.submit(run_job, job)] = job

    def _take(self, future: Future[Row]) -> list[Job]:
        """File the row of a future; the job, if it is to be run again."""
        job = self._pending.pop(future)
        try:
            row = future.result()
        except BrokenExecutor:
            return [job]
        except Exception as error:  # noqa: BLE001 - whatever an executor has for a lost task
            _LOG.debug("study %s: the executor lost it", job.name, exc_info=True)
            row = {**failure(job, "WorkerDied", f"the executor lost it: {error!r}"), "status": "died"}
        if row["status"] == "cancelled":
            return []
        if row["status"] == "died":
            return self._after_death(job, row)
        if trace := row.get("error", {}).pop("trace", ""):
            _LOG.debug("study %s failed:\n%s", job.name, trace)
        self._rows[job.name] = row
        self._rebuilds = 0
        return []

    def _after_death(self, job: Job, row: Row) -> list[Job]:
        self._tried[job.name] = self._tried.get(job.name, 0) + 1
        if self._tried[job.name] == 1:
            return [job]
        message = f"{row['error']['message']}; tried twice"
        self._rows[job.name] = {**row, "status": "failed", "error": {**row["error"], "message": message}}
        return []

    def _again(self, jobs: list[Job]) -> None:
        """Submit lost jobs once more, to a new executor if theirs broke, as often as that is worth it."""
        while True:
            try:
                self._submit(jobs)
                return
            except BrokenExecutor as error:
                self._rebuilds += 1
                if self._make is None or self._rebuilds > _REBUILDS:
                    raise MedfuseError(
                        "the pool of processes broke; finished studies are kept, start again to run the rest"
                    ) from error
            # All that the broken pool had is lost: the rest is collected here, and goes to the new one.
            jobs = list({job.name: job for job in (*self._pending.values(), *jobs)}.values())
            self._pending.clear()
            self._executor = self._make()

    def _check_disk(self) -> None:
        """Stop before the disk is full: a full disk would fail all that are left, one by one."""
        needed = max(_MIN_FREE, 4 * max((row.get("bytes", 0) for row in self.rows()), default=0))
        if self._pending and self._folder.free() < needed:
            raise WriteError(
                f"{self._folder.root}: only {self._folder.free() >> 20} MiB of disk are free; stopped before "
                "it is full. Finished studies are kept: make room and start again"
            )

    def _report(self) -> None:
        rows = self.rows()
        failed = sum(row["status"] == "failed" for row in rows)
        words = [f"{len(rows)} of {len(self._rows)} studies"]
        words += [f"{failed} failed"] if failed else []
        ran = sum(row["status"] == "done" for row in rows)
        left = len(self._rows) - len(rows)
        if ran and left:
            seconds = (time.monotonic() - self._start) / ran * left
            words.append(f"about {_duration(seconds)} left")
        fraction = len(rows) / max(1, len(self._rows))
        if fraction != self._said[0] or time.monotonic() - self._said[1] >= _HEARTBEAT:
            self._said = (fraction, time.monotonic())
            self._progress(fraction, ", ".join(words))


def _undecided(one: Planned) -> Row | None:
    if one.study:
        return None
    return {
        "study": one.name,
        "status": "failed",
        "error": {"class": "SeriesError", "message": f"not decided: {one.problem}"},
    }


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
