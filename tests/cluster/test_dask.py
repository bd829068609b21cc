"""Batches on a real Dask scheduler with real workers, all on this machine's loopback."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from batch_cohort import (
    RECIPE,
    check_faulty_cohort,
    check_no_identity,
    command_running,
    faulty_cohort,
    faulty_methods,
    gone,
    planned,
    write_volumes,
    written_to,
)
from waiting import PATIENCE, comes_true

from medfuse.batch import run_batch, write_table
from medfuse.errors import MedfuseError, ParameterError, UnknownNameError, WriteError

pytest.importorskip("distributed", reason="needs the extra 'cluster' (dask distributed)")

from medfuse.batch.running import cluster
from medfuse.batch.running.cluster import connected

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals"),
    # distributed leaves sockets to the garbage collector when a peer is killed.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    return write_volumes(tmp_path_factory.mktemp("batch"))


@pytest.fixture(autouse=True)
def faults(tmp_path, monkeypatch):
    with faulty_methods(tmp_path, monkeypatch) as folder:
        yield folder


class Dask:
    """A scheduler and its workers, each a process."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        self.contact = folder / "scheduler.json"
        self.scheduler = self.start("scheduler", "--port", "0", "--scheduler-file", str(self.contact))
        assert comes_true(self.is_up), "the scheduler did not start"
        self.address = json.loads(self.contact.read_text())["address"]

    def is_up(self):
        """Whether the scheduler has told where it is, to the end."""
        return self.contact.exists() and self.contact.read_text().rstrip().endswith("}")

    def worker(self, *options):
        place = ("--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder / "dask"))
        return self.start("worker", self.address, *place, *options)

    def start(self, *words):
        command = [sys.executable, "-m", "dask", *words, "--host", "127.0.0.1", "--no-dashboard"]
        log = (self.folder / "dask.log").open("ab")
        with log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def wait_for(self, n):
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(n, timeout=PATIENCE)

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
            process.wait()


@pytest.fixture
def dask(tmp_path):
    with contextlib.closing(Dask(tmp_path)) as one:
        yield one


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc to find a worker's process")
def test_faulty_cohort_with_a_killed_worker(volumes, tmp_path, dask):
    """Twenty studies, four faults, two workers, one of which is killed in the middle."""
    workers = {process.pid: process for process in (dask.worker(), dask.worker())}
    dask.wait_for(2)
    killed = []

    def kill_its_worker(fraction, message):
        if (tmp_path / "pid").exists() and not killed:
            killed.append(parent_of(written_to(tmp_path / "pid")))
            workers[killed[0]].kill()

    out = tmp_path / "out"
    with connected(out, dask.address) as connection:
        result = run_batch(faulty_cohort(volumes), RECIPE, out, connection.executor, progress=kill_its_worker)
    assert len(killed) == 1
    assert gone(int((tmp_path / "pid").read_text())), "a study outlives its Dask worker"
    check_faulty_cohort(volumes, out, result)
    check_no_identity(volumes, out)


class TestCommand:
    @pytest.fixture
    def words(self, volumes, tmp_path):
        def make(*cohort):
            write_table(cohort, tmp_path / "table.csv", overwrite=True)
            RECIPE.write(tmp_path / "recipe.toml")
            return [
                sys.executable, "-m", "medfuse", "batch", str(tmp_path / "table.csv"), "--progress", "none",
                "--recipe", str(tmp_path / "recipe.toml"), "-o", str(tmp_path / "out"),
            ]  # fmt: skip

        return make

    def test_stopping_reaches_the_workers(self, volumes, tmp_path, dask, words):
        dask.worker()
        command = [
            *words(planned(volumes, 0), planned(volumes, 1, method="stuck")),
            "--scheduler",
            dask.address,
        ]
        with command_running(command) as process:
            worker = written_to(tmp_path / "pid")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130, errors
        assert gone(worker)
        assert (tmp_path / "out" / "s00" / "report.html").exists()
        assert not (tmp_path / "out" / "s01").exists()

    def test_workers_with_a_gpu(self, volumes, tmp_path, dask, words):
        """Studies go to the worker with the resource only."""
        plain = dask.worker()
        command = [*words(planned(volumes, 0, method="fragile")), "--scheduler", dask.address, "--gpu"]
        dask.wait_for(1)
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        assert refused.returncode == 2
        assert "no Dask worker has the resource GPU" in refused.stderr
        gpu = dask.worker("--resources", "GPU=1")
        dask.wait_for(2)
        with command_running(command) as process:
            worker = written_to(tmp_path / "pid")
            assert parent_of(worker) == gpu.pid != plain.pid
            os.kill(worker, signal.SIGKILL)
            output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors
        assert "1 of 1 studies done" in output

    def test_slurm(self, volumes, tmp_path, monkeypatch, words):
        """``--cluster slurm`` submits job scripts; here ``sbatch`` runs them at once on this machine."""
        if importlib.util.find_spec("dask_jobqueue") is None:
            pytest.skip("needs the extra 'cluster' (dask-jobqueue)")
        commands = tmp_path / "bin"
        commands.mkdir()
        for name, text in (
            ("sbatch", f'cp "$1" {tmp_path}/job; bash {tmp_path}/job >{tmp_path}/job.log 2>&1 &\n'
                       f'echo $! >{tmp_path}/job.pid; echo "Submitted batch job 1"'),
            ("scancel", f"kill $(cat {tmp_path}/job.pid); touch {tmp_path}/cancelled"),
        ):  # fmt: skip
            (commands / name).write_text(f"#!/bin/bash\n{text}\n")
            (commands / name).chmod(stat.S_IRWXU)
        monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
        command = [*words(planned(volumes, 0), planned(volumes, 1)), "--cluster", "slurm"]
        bare = subprocess.run(command, capture_output=True, text=True, check=False)
        assert bare.returncode == 2
        assert "jobqueue.yaml" in bare.stderr
        settings = tmp_path / "config"
        settings.mkdir()
        (settings / "jobqueue.yaml").write_text(
            "jobqueue:\n  slurm:\n    cores: 1\n    memory: 2GB\n    walltime: '00:20:00'\n"
            "    queue: brains\n"
            "    scheduler-options: {host: 127.0.0.1, dashboard_address: null}\n"
        )
        monkeypatch.setenv("DASK_CONFIG", str(settings))
        done = subprocess.run(
            [*command, "--workers", "1"], capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stderr
        assert "2 of 2 studies done" in done.stdout
        assert "#SBATCH -p brains" in (tmp_path / "job").read_text()
        assert (tmp_path / "cancelled").exists()


def test_dask_jobqueue_leaves_ctrl_c_alone(tmp_path):
    """It takes Ctrl-C for itself when imported: a stopped batch would look like one that is done."""
    if importlib.util.find_spec("dask_jobqueue") is None:
        pytest.skip("needs the extra 'cluster' (dask-jobqueue)")
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from medfuse.batch.running import cluster\n"
        "try: cluster._queue('slurm')\n"
        "except cluster.ParameterError: pass\n"
        "import sys; print('dask_jobqueue' in sys.modules, signal.getsignal(signal.SIGINT).__name__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert run.stdout.split() == ["True", "default_int_handler"]


class TestRefusals:
    def test_neither_or_both(self, tmp_path):
        for options in ({}, {"scheduler": "tcp://127.0.0.1:1", "cluster": "slurm"}):
            with pytest.raises(ParameterError, match="either --scheduler"), connected(tmp_path, **options):
                pass

    def test_unknown_cluster(self, tmp_path):
        with (
            pytest.raises(UnknownNameError, match="Did you mean 'slurm'"),
            connected(tmp_path, cluster="slrum"),
        ):
            pass

    def test_no_scheduler(self, tmp_path, monkeypatch):
        monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)
        with (
            pytest.raises(MedfuseError, match="no Dask scheduler answers"),
            connected(tmp_path, "tcp://127.0.0.1:9"),
        ):
            pass

    def test_no_workers_and_storage_that_is_not_shared(self, tmp_path, dask):
        with pytest.raises(MedfuseError, match="has no workers"), connected(tmp_path / "out", dask.address):
            pass
        dask.worker()
        dask.wait_for(1)
        # A root of its own is not at hand: the folder is made another one in the eyes of the worker.
        real = cluster._probe
        for probe, words in (
            (lambda mark, token: real(mark + "x", token), "No such file"),
            (lambda mark, token: {**real(mark, token), "answer": mark + "y"}, "not seen here"),
        ):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(cluster, "_probe", probe)
                with (
                    pytest.raises(WriteError, match=f"not shared.*{words}"),
                    connected(tmp_path / "out", dask.address),
                ):
                    pass
        assert list((tmp_path / "out" / ".batch" / "work").iterdir()) == []

    def test_cores_are_shared_out(self):
        one = {"host": "a", "cores": 8, "slots": 2}
        assert cluster._share([one]) == 4
        assert cluster._share([one, one]) == 2
        assert cluster._share([one, {"host": "b", "cores": 3, "slots": 1}]) == 3
        assert cluster._share([{"host": "b", "cores": 1, "slots": 4}]) == 1
