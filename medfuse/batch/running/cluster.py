"""Batches beyond one machine: Dask workers, started by hand or by a queueing system.

Only paths travel, so the storage must be the same for all; that is checked before anything runs.  The
work itself is done as on one machine: each thread of a Dask worker has a worker process of ours, see
:mod:`medfuse.batch.running.child`, so give Dask workers as many threads as they shall run studies at a time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from threading import Thread
from typing import TYPE_CHECKING, Any

from ...errors import DependencyError, MedfuseError, ParameterError, UnknownNameError, WriteError
from ...progress import Progress, ignore
from ...version import __version__
from ..results.output_folder import OutputFolder

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["CLUSTERS", "Connection", "connected"]

CLUSTERS = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
    "htcondor": "HTCondorCluster",
    "moab": "MoabCluster",
}
"""Name on the command line -> class of dask-jobqueue; its settings come from ``jobqueue.yaml``."""

_CONNECT_SECONDS = 30
_GOODBYE_SECONDS = 5
_WAIT_SECONDS = 2
_RESOURCE = "GPU"


@dataclass(frozen=True)
class Connection:
    """Dask workers that are ready for a batch.

    Parameters
    ----------
    executor:
        For :func:`medfuse.batch.run_batch`.
    threads:
        Of each study, so that the studies of one machine share its cores.
    hosts:
        Where the workers are.
    """

    executor: Executor
    threads: int
    hosts: tuple[str, ...]


@contextmanager
def connected(
    output: Path,
    scheduler: str | None = None,
    cluster: str | None = None,
    workers: int = 1,
    gpu: bool = False,
    threads: int | None = None,
    progress: Progress = ignore,
) -> Iterator[Connection]:
    """Connect to Dask, see that all workers can do the work, and let go of them at the end.

    Parameters
    ----------
    output:
        Folder of the batch; made if it does not exist.
    scheduler:
        Address of a Dask scheduler that has workers, ``tcp://host:8786``.
    cluster:
        Or one of :data:`CLUSTERS`, to have workers started by a queueing system.
    workers:
        How many, with ``cluster``; the batch begins when the first is there.
    gpu:
        Use only workers with the Dask resource ``GPU`` (``dask worker --resources GPU=1``); a study
        takes one of it.
    threads:
        Of each study; None to share out the cores of each machine.
    progress:
        Called while a queueing system takes its time, which may be hours; raise
        :class:`medfuse.Cancelled` in it to give up.

    Raises
    ------
    DependencyError
        If the packages of the extra ``cluster`` are missing.
    ParameterError, UnknownNameError
        If both or neither of ``scheduler`` and ``cluster`` are given, or there is no such cluster.
    MedfuseError
        If there is no scheduler or no worker, or workers have another version of medfuse.
    WriteError
        If the folder is not on storage that all workers share.
    """
    if bool(scheduler) == bool(cluster):
        raise ParameterError("give either --scheduler ADDRESS or --cluster NAME")
    with _client(scheduler, cluster, workers) as client:
        if cluster:
            message = f"waiting for {cluster} to start the first of {workers} workers"
            _wait_for_the_first(client, message, progress)
        seen = _check_workers(client, OutputFolder(Path(output)), gpu)
        resources = {_RESOURCE: 1} if gpu else None
        executor = client.get_executor(pure=False, resources=resources)
        hosts = tuple(sorted({one["host"] for one in seen}))
        try:
            yield Connection(executor, threads or _share(seen), hosts)
        finally:
            goodbye = Thread(target=_let_go, args=(client, executor), daemon=True)
            goodbye.start()
            goodbye.join(_GOODBYE_SECONDS)


@contextmanager
def _client(scheduler: str | None, cluster: str | None, workers: int) -> Iterator[Client]:
    try:
        from distributed import Client
    except ImportError as error:
        raise DependencyError("clusters need Dask: pip install 'medfuse[cluster]'") from error
    if scheduler:
        try:
            client = Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise MedfuseError(
                f"no Dask scheduler answers at {scheduler} ({error}); start one with 'dask scheduler'"
            ) from error
        with client:
            yield client
        return
    with _queue(cluster or "") as own:
        own.scale(jobs=workers)
        with Client(own, set_as_default=False) as client:
            yield client


def _queue(name: str) -> Any:
    if name not in CLUSTERS:
        raise UnknownNameError("cluster", name, CLUSTERS)
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        import dask_jobqueue
    except ImportError as error:
        raise DependencyError("--cluster needs dask-jobqueue: pip install 'medfuse[cluster]'") from error
    finally:
        # Importing it makes Ctrl-C end the process as if all were well; a batch has to say what is left.
        if interrupt is not None and signal.getsignal(signal.SIGINT) is not interrupt:
            signal.signal(signal.SIGINT, interrupt)
    try:
        return getattr(dask_jobqueue, CLUSTERS[name])()
    except (ValueError, TypeError, RuntimeError) as error:
        raise ParameterError(
            f"cluster {name}: {error}; set cores, memory, queue and walltime under jobqueue: {name}: in "
            "~/.config/dask/jobqueue.yaml"
        ) from error


def _wait_for_the_first(client: Client, message: str, progress: Progress) -> None:
    from distributed import TimeoutError as DaskTimeoutError  # not Python's own before 3.11

    while not client.scheduler_info(n_workers=-1)["workers"]:
        progress(0.0, message)
        with contextlib.suppress(DaskTimeoutError):
            client.wait_for_workers(1, timeout=_WAIT_SECONDS)


def _check_workers(client: Client, batch_folder: OutputFolder, gpu: bool) -> list[dict[str, Any]]:
    """What each worker says of itself; refuses workers that cannot take part."""
    batch_folder.prepare()
    token = token_hex(8)
    mark = batch_folder.work / f"{token}.shared"
    mark.write_text(token, encoding="ascii")
    try:
        answers = client.run(_probe, str(mark.absolute()), token)
        # What a worker wrote must be seen from here too: a folder of the same name elsewhere is not shared.
        unseen = [one for one in answers.values() if not Path(one["answer"]).exists()]
    finally:
        for file in batch_folder.work.glob(f"{token}*"):
            file.unlink()
    if not answers:
        raise MedfuseError("the Dask scheduler has no workers; start some with 'dask worker ADDRESS'")
    _refuse_strangers(answers.values(), unseen, batch_folder)
    slots = client.scheduler_info(n_workers=-1)["workers"]
    if gpu and not any(slots[name]["resources"].get(_RESOURCE) for name in answers if name in slots):
        raise MedfuseError("no Dask worker has the resource GPU; start them with --resources GPU=1")
    return [{**one, "slots": slots[name]["nthreads"]} for name, one in answers.items() if name in slots]


def _refuse_strangers(answers: Any, unseen: Sequence[dict[str, Any]], batch_folder: OutputFolder) -> None:
    blind = sorted({one["host"] for one in (*unseen, *(one for one in answers if one["problem"]))})
    if blind:
        reasons = {one["problem"] for one in answers if one["problem"]} or {"what it writes is not seen here"}
        raise WriteError(
            f"{batch_folder.root.absolute()} is not shared with the workers on {', '.join(blind)} "
            f"({'; '.join(sorted(reasons))}); choose a folder on storage that all machines see under one path"
        )
    versions = {one["version"] for one in answers}
    if versions != {__version__}:
        raise MedfuseError(
            f"workers have medfuse {', '.join(sorted(versions))} and this is {__version__}: "
            "install one version"
        )


def _probe(mark: str, token: str) -> dict[str, Any]:
    """On a worker: read what the start wrote, and answer beside it."""
    path = Path(mark)
    answer = path.with_name(f"{token}-{token_hex(6)}")
    problem = ""
    try:
        if path.read_text(encoding="ascii") != token:
            problem = "another file of that name is there"
        else:
            answer.write_text(token, encoding="ascii")
    except OSError as error:
        problem = str(error.strerror)
    facts = {"host": socket.gethostname(), "cores": _cores(), "version": __version__}
    return {**facts, "answer": str(answer), "problem": problem}


def _cores() -> int:
    """Cores that this process may use; a queueing system gives fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _share(seen: Sequence[dict[str, Any]]) -> int:
    """Cores for each study on the machine that has the fewest for each of its slots."""
    slots: dict[str, int] = {}
    for one in seen:
        slots[one["host"]] = slots.get(one["host"], 0) + one["slots"]
    result: int = max(1, min(one["cores"] // slots[one["host"]] for one in seen))
    return result


def _let_go(client: Client, executor: Executor) -> None:
    """Cancel what waits, and end idle processes; in a thread, for Dask waits long for lost machines."""
    with contextlib.suppress(Exception):  # then the processes end with their Dask workers
        executor.shutdown(wait=False)
        client.run(_close_all)


def _close_all() -> None:
    """On a worker: end the processes that wait for more studies."""
    from .child import close_children

    close_children()
