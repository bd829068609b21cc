"""How a start hands out its studies and files their rows, with an executor that works in this process."""

from __future__ import annotations

import logging
from concurrent.futures import BrokenExecutor, Executor, Future
from concurrent.futures._base import DoneAndNotDoneFutures
from types import SimpleNamespace

import pytest

from medfuse import Recipe, Study
from medfuse.batch import Limits, Planned, run_batch
from medfuse.batch.results.output_folder import OutputFolder
from medfuse.batch.running import runner
from medfuse.errors import Cancelled, MedfuseError, WriteError

RECIPE = Recipe(method="average")


class Worker(Executor):
    """Does what it is told at once; ``broken`` after so many jobs, as a pool whose process was killed is."""

    def __init__(self, do, lasts=None):
        self.do, self.lasts, self.jobs, self.closed = do, lasts, [], None

    def submit(self, _, job):
        if self.lasts is not None and len(self.jobs) >= self.lasts:
            raise BrokenExecutor("broken")
        self.jobs.append(job)
        future = Future()
        try:
            future.set_result(self.do(job))
        except Exception as error:  # noqa: BLE001 - whatever an executor passes on
            future.set_exception(error)
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        self.closed = (wait, cancel_futures)


def done(job, **facts):
    return {
        "study": job.name, "status": "done", "key": "", "inputs": [], "report": f"{job.name}/report.html",
        "method": "average", "scores": {"average": {"q": 0.5}}, "warnings": [],
        "registrations": [{"verdict": "ok", "reasons": []}],
        "seconds": 1.0, "bytes": 1, "thumbnail": "", "stages": {}, "medfuse": "0", **facts,
    }  # fmt: skip


def died(job):
    return {"study": job.name, "status": "died", "error": {"class": "WorkerDied", "message": "it died"}}


def broke(job):
    error = {"class": "KeyError", "message": "'x' (at a.py)", "trace": "Traceback of /DOE/ct.nii"}
    return {"study": job.name, "status": "failed", "error": error}


def planned(*names):
    return [Planned(name, Study(f"/{name}/ct.nii", f"/{name}/t1.nii")) for name in names]


@pytest.fixture
def start(tmp_path):
    def run(studies, executor, **options):
        return run_batch(studies, RECIPE, tmp_path / "out", executor, **options)

    return run


def statuses(result):
    return {row["study"]: row["status"] for row in result.rows}


class TestTraces:
    def test_where_an_error_came_up_is_logged_and_nowhere_else(self, start, tmp_path, caplog):
        caplog.set_level(logging.DEBUG, "medfuse")
        result = start(planned("a"), Worker(broke))
        assert result.rows[0]["error"] == {"class": "KeyError", "message": "'x' (at a.py)"}
        (record,) = caplog.records
        assert (record.levelno, record.name.partition(".")[0]) == (logging.DEBUG, "medfuse")
        assert record.getMessage() == "study a failed:\nTraceback of /DOE/ct.nii"
        written = [path.read_text() for path in (tmp_path / "out").iterdir() if path.is_file()]
        assert len(written) == 3
        assert not any("DOE" in text for text in written)


class TestJobs:
    def test_what_a_job_says(self, start, tmp_path):
        worker = Worker(done)
        start(planned("a"), worker, limits=Limits(seconds=5.0, threads=2), bids_names=True)
        (job,) = worker.jobs
        assert (job.name, job.study, job.bids) == ("a", Study("/a/ct.nii", "/a/t1.nii"), True)
        assert job.limits == Limits(seconds=5.0, threads=2)
        assert job.output == str(tmp_path / "out")
        assert job.recipe == RECIPE.to_mapping()
        assert len(job.run) == 16
        assert (tmp_path / "out" / "dataset_description.json").exists()

    def test_the_lock_is_held_while_it_runs_and_workers_are_told_at_the_end(self, start, tmp_path):
        folder = OutputFolder(tmp_path / "out")

        def look(job):
            assert job.run in folder.lock.read_text()
            assert list(folder.work.iterdir()) == []
            (folder.work / "half").mkdir()
            return done(job)

        folder.prepare()
        (folder.work / "from an earlier start").mkdir()
        assert statuses(start(planned("a"), Worker(look))) == {"a": "done"}
        assert not folder.lock.exists()
        assert list(folder.work.iterdir()) == []
        assert not (folder.root / "dataset_description.json").exists()

    def test_rows_come_in_the_order_of_the_studies(self, start):
        studies = [Planned("z", None, problem="2 match"), *planned("b", "a")]
        result = start(studies, Worker(done))
        assert [row["study"] for row in result.rows] == ["z", "b", "a"]
        assert [row["study"] for row in result.failed] == ["z"]

    def test_an_executor_is_closed_if_it_was_made_here(self, start):
        given, made = Worker(done), Worker(done)
        start(planned("a"), given)
        start(planned("a"), lambda: made)
        assert (given.closed, made.closed) == (None, (False, True))


class TestDeaths:
    def test_once_is_forgiven(self, start):
        deaths = []

        def do(job):
            deaths.append(job.name)
            return died(job) if deaths == ["a"] else done(job)

        assert statuses(start(planned("a", "b"), Worker(do))) == {"a": "done", "b": "done"}
        assert sorted(deaths) == ["a", "a", "b"]

    def test_twice_is_not(self, start):
        worker = Worker(lambda job: died(job) if job.name == "a" else done(job))
        result = start(planned("a", "b"), worker)
        assert [job.name for job in worker.jobs].count("a") == 2
        assert result.failed == (
            {"study": "a", "status": "failed",
             "error": {"class": "WorkerDied", "message": "it died; tried twice"}},
        )  # fmt: skip

    def test_what_an_executor_loses_counts_as_a_death(self, start):
        def lose(job):
            raise RuntimeError("lost")

        (row,) = start(planned("a"), Worker(lose)).failed
        assert row["error"]["class"] == "WorkerDied"
        assert row["error"]["message"] == "the executor lost it: RuntimeError(<words>); tried twice"

    def test_studies_of_a_lock_that_was_taken_away(self, start, tmp_path):
        cancel = lambda job: done(job) if job.name == "b" else {"study": job.name, "status": "cancelled"}  # noqa: E731
        with pytest.raises(WriteError, match=r"lock was taken away .*: 2 studies were not run; start again"):
            start(planned("a", "b", "c"), Worker(cancel))
        page = (tmp_path / "out" / "index.html").read_text()
        assert "a, c" in page


class TestBrokenPools:
    def test_what_was_lost_goes_to_the_next_one(self, start):
        def breaks(job):
            if not pools[1:]:
                raise BrokenExecutor("killed")
            return done(job)

        pools = []

        def make():
            pools.append(Worker(breaks, lasts=None if pools else 2))
            return pools[-1]

        assert statuses(start(planned("a", "b"), make)) == {"a": "done", "b": "done"}
        assert len(pools) == 2
        assert sorted(job.name for job in pools[1].jobs) == ["a", "b"]

    def test_it_is_replaced_three_times_without_a_study_between(self, start):
        pools = []

        def make():
            pools.append(Worker(done, lasts=0))
            return pools[-1]

        with pytest.raises(MedfuseError) as caught:
            start(planned("a"), make)
        assert str(caught.value) == (
            "the pool of processes broke; finished studies are kept, start again to run the rest"
        )
        assert len(pools) == 4

    def test_each_finished_study_gives_new_credit(self, start):
        """Every second study breaks the pool: more pools than three in all, but never two in a row."""
        pools, count = [], []

        def do(job):
            count.append(1)
            if len(count) % 2 == 0:
                raise BrokenExecutor("killed")
            return done(job)

        def make():
            pools.append(Worker(do, lasts=None))
            return pools[-1]

        names = [f"s{i}" for i in range(10)]
        assert set(statuses(start(planned(*names), make)).values()) == {"done"}


class TestStopping:
    def test_ctrl_c(self, start, tmp_path):
        def press(job):
            raise KeyboardInterrupt

        class Pressed(Worker):
            def submit(self, _, job):
                raise KeyboardInterrupt

        with pytest.raises(Cancelled, match=r"^stopped$"):
            start(planned("a"), Pressed(press))
        assert "Stopped before the end" in (tmp_path / "out" / "index.html").read_text()
        assert not OutputFolder(tmp_path / "out").lock.exists()

    def test_what_is_ready_when_it_stops_is_filed(self, start, tmp_path):
        def stop(fraction, message):
            raise Cancelled(message)

        with pytest.raises(Cancelled, match="0 of 2 studies"):
            start(planned("a", "b"), Worker(done), progress=stop)
        page = (tmp_path / "out" / "index.html").read_text()
        assert "a/report.html" in page
        assert "Stopped before the end" not in page

    def test_workers_get_a_quarter_of_a_minute_to_notice(self, tmp_path, monkeypatch):
        stuck, late, waiting = Future(), Future(), Future()
        for one in (stuck, late):
            one.set_running_or_notify_cancel()
        asked = []

        def wait(futures, timeout):
            asked.append((futures, timeout))
            late.set_result(done(SimpleNamespace(name="b")))
            return DoneAndNotDoneFutures({late}, {stuck})

        monkeypatch.setattr(runner, "wait", wait)
        names = {"a": None, "b": None, "c": None}
        run = runner._Run(OutputFolder(tmp_path), SimpleNamespace(token="t"), Worker(done), print, names)
        futures = {"a": stuck, "b": late, "c": waiting}
        run._pending = {one: SimpleNamespace(name=name) for name, one in futures.items()}
        run.wait_for_stragglers()
        assert asked == [([stuck, late], 15.0)]
        assert waiting.cancelled()
        assert [row["study"] for row in run.rows()] == ["b"]
        assert run.not_run() == ("a", "c")

    @pytest.mark.parametrize(("largest", "free", "stops"), [
        (1, (200 << 20) - 1, True), (1, 200 << 20, False),
        (100 << 20, (400 << 20) - 1, True), (100 << 20, 400 << 20, False),
    ])  # fmt: skip
    def test_a_disk_with_room_for_less_than_four_more(self, tmp_path, monkeypatch, largest, free, stops):
        """… of the largest result so far, or for 200 MiB."""
        monkeypatch.setattr(OutputFolder, "free", lambda self: free)
        folder = OutputFolder(tmp_path)
        run = runner._Run(folder, SimpleNamespace(token="t"), Worker(done), lambda *_: None, {})
        run._rows = {"a": {"bytes": 5}, "b": {"bytes": largest}, "c": {}, "d": None}
        run._check_disk()  # nothing is left to run
        run._pending = {Future(): "d"}
        if not stops:
            run._check_disk()
            return
        with pytest.raises(WriteError) as caught:
            run._check_disk()
        assert str(caught.value) == (
            f"{tmp_path}: only {free >> 20} MiB of disk are free; stopped before it is full. "
            "Finished studies are kept: make room and start again"
        )


class TestProgress:
    def test_what_is_said(self, start, monkeypatch):
        clock = SimpleNamespace(now=1000.0)
        monkeypatch.setattr(runner, "time", SimpleNamespace(monotonic=lambda: clock.now))
        one = lambda pending, **_: DoneAndNotDoneFutures(set(list(pending)[:1]), set())  # noqa: E731
        monkeypatch.setattr(runner, "wait", one)

        def do(job):
            return (
                done(job, status="failed", error={"class": "", "message": ""})
                if job.name == "b"
                else done(job)
            )

        said = []

        def progress(fraction, message):
            said.append((fraction, message))
            clock.now += 60

        start(planned("a", "b", "c", "d"), Worker(do), progress=progress)
        assert said == [
            (0.0, "0 of 4 studies"),
            (0.25, "1 of 4 studies, about 3 min left"),
            (0.5, "2 of 4 studies, 1 failed, about 4 min left"),
            (0.75, "3 of 4 studies, 1 failed, about 2 min left"),
            (1.0, "4 of 4 studies, 1 failed"),
        ]

    def test_where_nothing_is_new_it_is_said_every_two_seconds(self, tmp_path, monkeypatch):
        clock, said = SimpleNamespace(now=0.0), []
        monkeypatch.setattr(runner, "time", SimpleNamespace(monotonic=lambda: clock.now))
        run = runner._Run(
            OutputFolder(tmp_path), SimpleNamespace(token="t"), Worker(done),
            lambda *_: said.append(clock.now), {"a": None},
        )  # fmt: skip
        for clock.now in (0.0, 0.5, 1.9, 2.0, 2.5, 3.9, 4.0):
            run._report()
        assert said == [0.0, 2.0, 4.0]

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(0.4, "0 s"), (89.4, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (36000, "10.0 h")],
    )
    def test_durations(self, seconds, words):
        assert runner._duration(seconds) == words


def test_a_limit_of_memory_that_cannot_be_watched_is_refused_first(start, tmp_path, monkeypatch):
    def unknown():
        raise MedfuseError("no psutil")

    monkeypatch.setattr(runner, "check_memory_is_known", unknown)
    with pytest.raises(MedfuseError, match="no psutil"):
        start(planned("a"), Worker(done), limits=Limits(bytes=1 << 30))
    assert not (tmp_path / "out").exists()
    start(planned("a"), Worker(done))
    assert (tmp_path / "out").exists()
