"""What is asked of Dask, with a stand-in for its client; real schedulers and workers are in ``cluster/``."""

from __future__ import annotations

import os
import socket

import pytest

from medfuse.batch.results.output_folder import OutputFolder
from medfuse.batch.running import cluster
from medfuse.errors import Cancelled, MedfuseError, WriteError
from medfuse.version import __version__


class Client:
    """Workers that answer as they are told, each with so many slots."""

    def __init__(self, answers, resources=None, slots=2):
        self.answers, self.waited, self.resources, self.slots = answers, [], resources or {}, slots

    def scheduler_info(self, n_workers):
        assert n_workers == -1
        made = {name: {"nthreads": self.slots, "resources": self.resources} for name in self.answers}
        return {"workers": made}

    def run(self, probe, mark, token):
        return {name: {**probe(mark, token), **more} for name, more in self.answers.items()}

    def wait_for_workers(self, n, timeout):
        from distributed import TimeoutError as DaskTimeoutError

        self.waited.append((n, timeout))
        if len(self.waited) == 3:
            self.answers["one"] = {}
            return
        raise DaskTimeoutError


class TestWorkers:
    def test_each_says_what_it_has(self, tmp_path):
        client = Client({"one": {}, "two": {"host": "b", "cores": 3}}, slots=4)
        one, two = cluster._check_workers(client, OutputFolder(tmp_path / "out"), gpu=False)
        assert (one["host"], one["version"], one["problem"]) == (socket.gethostname(), __version__, "")
        assert one["cores"] == cluster._cores() >= 1
        assert (two["host"], two["cores"], two["slots"]) == ("b", 3, 4)
        assert list(OutputFolder(tmp_path / "out").work.iterdir()) == []

    def test_there_must_be_one(self, tmp_path):
        with pytest.raises(MedfuseError, match="has no workers; start some with 'dask worker ADDRESS'"):
            cluster._check_workers(Client({}), OutputFolder(tmp_path / "out"), gpu=False)

    def test_with_a_gpu(self, tmp_path):
        folder = OutputFolder(tmp_path / "out")
        with pytest.raises(MedfuseError, match="no Dask worker has the resource GPU"):
            cluster._check_workers(Client({"one": {}}, {"GPU": 0}), folder, gpu=True)
        assert len(cluster._check_workers(Client({"one": {}}, {"GPU": 1}), folder, gpu=True)) == 1

    def test_with_another_version(self, tmp_path):
        client = Client({"one": {"version": "9"}, "two": {"version": "10"}})
        with pytest.raises(MedfuseError) as caught:
            cluster._check_workers(client, OutputFolder(tmp_path / "out"), gpu=False)
        assert (
            str(caught.value) == f"workers have medfuse 10, 9 and this is {__version__}: install one version"
        )

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ({"problem": "No such file or directory"}, "No such file or directory"),
            ({"answer": "/nowhere"}, "what it writes is not seen here"),
        ],
    )
    def test_without_the_folder(self, tmp_path, more, words):
        client = Client({"one": {}, "two": {"host": "b", **more}, "three": {"host": "b", **more}})
        with pytest.raises(WriteError) as caught:
            cluster._check_workers(client, OutputFolder(tmp_path / "out"), gpu=False)
        assert str(caught.value) == (
            f"{tmp_path / 'out'} is not shared with the workers on b ({words}); choose a folder on storage "
            "that all machines see under one path"
        )
        assert list(OutputFolder(tmp_path / "out").work.iterdir()) == []


class TestProbe:
    def test_it_reads_and_answers(self, tmp_path):
        mark = tmp_path / "t.shared"
        mark.write_text("t")
        facts = cluster._probe(str(mark), "t")
        (answer,) = (path for path in tmp_path.iterdir() if path != mark)
        assert facts == {
            "host": socket.gethostname(), "cores": cluster._cores(), "version": __version__,
            "answer": str(answer), "problem": "",
        }  # fmt: skip
        assert answer.name.startswith("t-")
        assert answer.read_text() == "t"

    def test_it_sees_another_file_or_none(self, tmp_path):
        mark = tmp_path / "t.shared"
        assert cluster._probe(str(mark), "t")["problem"] == os.strerror(2)
        mark.write_text("u")
        assert cluster._probe(str(mark), "t")["problem"] == "another file of that name is there"
        assert list(tmp_path.iterdir()) == [mark]


class TestWaiting:
    def test_for_the_first_worker_and_it_can_be_given_up(self):
        pytest.importorskip("distributed", reason="needs the extra 'cluster' (dask distributed)")
        client, said = Client({}), []
        cluster._wait_for_the_first(client, "waiting", lambda *a: said.append(a))
        assert said == [(0.0, "waiting")] * 3
        assert client.waited == [(1, 2)] * 3
        cluster._wait_for_the_first(client, "waiting", lambda *a: said.append(a))
        assert len(said) == 3

        def stop(fraction, message):
            raise Cancelled(message)

        with pytest.raises(Cancelled):
            cluster._wait_for_the_first(Client({}), "waiting", stop)


def test_cores_are_shared_out_by_machine():
    """8 cores for 2 + 2 slots are 2 each, 3 for one are 3: the least counts, and never less than one."""
    wide, narrow = ({"host": "a", "cores": 8, "slots": 2}, {"host": "b", "cores": 3, "slots": 1})
    assert cluster._share([wide]) == 4
    assert repr(cluster._share([{**wide, "slots": 3}])) == "2"  # whole ones
    assert cluster._share([wide, wide, narrow]) == 2
    assert cluster._share([narrow, wide]) == 3
    assert cluster._share([{"host": "b", "cores": 1, "slots": 4}]) == 1
