"""The parts that a batch is run with, each on its own: lock, memory of a process, redaction, failures."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import sys
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from batch_cohort import GRID

from medfuse import InputVolume, Recipe, Study, write_volume
from medfuse.batch.jobs import Job
from medfuse.batch.results.output_folder import OutputFolder
from medfuse.batch.running import lock as locking
from medfuse.batch.running import memory, study
from medfuse.batch.running.lock import is_current, locked
from medfuse.batch.running.memory import check_memory_is_known, resident_bytes
from medfuse.errors import DependencyError, ReadError, WriteError
from medfuse.phantom import Head, render
from medfuse.report.redaction import Redaction

IDENTITY = """#Insight Transform File V1.0
#Transform 0
Transform: Euler3DTransform_double_3_3
Parameters: 0 0 0 0 0 0
FixedParameters: 0 0 0 0
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "out" / ".batch").mkdir(parents=True)
    return tmp_path / "out" / ".batch" / "lock"


def held_by(path, **changes):
    owner = {"run": "x", "pid": os.getpid(), "host": socket.gethostname(), "since": "2020-01-01 00:00:00"}
    path.write_text(json.dumps({**owner, **changes}))


def names(folder):
    return sorted(one.name for one in folder.iterdir())


class TestLock:
    def test_it_says_who_holds_it_and_goes_at_the_end(self, path):
        with locked(path) as lock:
            held = json.loads(path.read_text())
            assert held.keys() == {"run", "pid", "host", "since"}
            assert (held["pid"], held["host"]) == (os.getpid(), socket.gethostname())
            assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", held["since"])
            assert len(held["run"]) == 16
            assert held["run"] == lock.token
            assert path.stat().st_mode & 0o777 == 0o644 & ~_umask()
            assert is_current(path, lock.token)
            assert not is_current(path, "another")
        assert names(path.parent) == []

    def test_it_goes_after_an_error_too(self, path):
        with pytest.raises(ReadError), locked(path):
            raise ReadError("no")
        assert not path.exists()

    def test_every_start_has_a_token_of_its_own(self, path):
        with locked(path) as first:
            pass
        with locked(path) as second:
            assert second.token != first.token

    def test_another_start_is_refused_with_its_owner_and_what_to_do(self, path):
        with locked(path), pytest.raises(WriteError) as caught, locked(path):
            pass
        assert re.fullmatch(
            rf"{re.escape(str(path.parent.parent))}: another batch is at work in this folder \(process "
            rf"{os.getpid()} on {re.escape(socket.gethostname())} since [-0-9: ]+\); wait for it, or stop it",
            str(caught.value),
        )

    @pytest.mark.parametrize(
        "text", ["", "[]", "null", '{"run": "x"}', '{"run": "x", "pid": 1, "host": "h"}', "\xff"]
    )
    def test_a_lock_that_cannot_be_read_is_respected(self, path, text):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(WriteError) as caught, locked(path):
            pass
        assert str(caught.value) == (
            f"{path.parent.parent}: another batch is at work in this folder (unknown owner); if nothing runs "
            f"there any more, delete {path}"
        )
        assert path.read_bytes() == text.encode("latin-1")

    def test_that_of_a_dead_process_is_taken_over(self, path, monkeypatch):
        def gone(pid, sign):
            assert (pid, sign) == (4242, 0)
            raise ProcessLookupError

        monkeypatch.setattr(os, "kill", gone)
        held_by(path, pid=4242)
        with locked(path) as lock:
            assert is_current(path, lock.token)
            assert names(path.parent) == ["lock"]
        assert names(path.parent) == []

    def test_that_of_someone_elses_process_is_not(self, path, monkeypatch):
        def forbidden(pid, sign):
            raise PermissionError

        monkeypatch.setattr(os, "kill", forbidden)
        held_by(path, pid=1)
        with pytest.raises(WriteError, match="process 1 on"), locked(path):
            pass

    def test_where_a_process_cannot_be_asked_it_lives(self, path, monkeypatch):
        def kill(pid, sign):
            raise AssertionError("it would end the process")

        held_by(path)
        monkeypatch.setattr(locking, "os", SimpleNamespace(**{**vars(os), "name": "nt", "kill": kill}))
        with pytest.raises(WriteError, match="wait for it, or stop it"), locked(path):
            pass

    def test_one_that_is_released_in_this_moment_is_tried_for_again(self, path, monkeypatch):
        opened = []

        def opens(*arguments):
            opened.append(arguments)
            if len(opened) < 3:
                raise FileExistsError
            return os.open(*arguments)

        monkeypatch.setattr(locking, "os", SimpleNamespace(**{**vars(os), "open": opens}))
        with locked(path):
            assert len(opened) == 3

    @pytest.fixture
    def meanwhile(self, path, monkeypatch):
        """Let something happen between the look at the lock of a dead process and taking it away."""

        def let(happen):
            rename, kill = Path.rename, os.kill

            def late(one, target):
                if one == path:
                    happen()
                return rename(one, target)

            def asked(pid, sign):
                if pid == 4242:
                    raise ProcessLookupError
                kill(pid, sign)

            monkeypatch.setattr(Path, "rename", late)
            monkeypatch.setattr(os, "kill", asked)
            held_by(path, pid=4242)

        return let

    def test_one_that_another_start_took_over_in_between_is_left_to_it(self, path, meanwhile):
        """Both found the lock of the dead process; the other one was faster, and is at work."""
        meanwhile(lambda: held_by(path, run="faster"))
        with (
            pytest.raises(WriteError, match=f"another batch is at work.*process {os.getpid()}"),
            locked(path),
        ):
            pytest.fail("two starts are at work in one folder")
        assert is_current(path, "faster")
        assert names(path.parent) == ["lock"]

    def test_one_that_is_gone_in_between_is_free(self, path, meanwhile):
        meanwhile(path.unlink)
        with locked(path) as lock:
            assert is_current(path, lock.token)

    def test_starts_that_are_always_faster(self, path, monkeypatch):
        def exists(*_):
            raise FileExistsError

        monkeypatch.setattr(locking, "os", SimpleNamespace(**{**vars(os), "open": exists}))
        with pytest.raises(WriteError) as caught, locked(path):
            pass
        assert str(caught.value) == f"{path.parent.parent}: several starts at the same time; start again"

    def test_a_place_that_cannot_be_written(self, path):
        path = path.parent / "missing" / "lock"
        with pytest.raises(WriteError) as caught, locked(path):
            pass
        assert str(caught.value) == f"cannot write {path}: No such file or directory"

    def test_revoked_it_tells_workers_to_stop_and_keeps_others_out(self, path):
        with locked(path) as lock:
            token = lock.token
            lock.revoke()
            assert not is_current(path, token)
            assert is_current(path, "")
            assert json.loads(path.read_text())["pid"] == os.getpid()
            assert names(path.parent) == ["lock"]
            with pytest.raises(WriteError, match="another batch"), locked(path):
                pass
        assert names(path.parent) == []

    def test_on_a_full_disk_it_goes_when_revoked(self, path, monkeypatch):
        def full(self, *_):
            raise OSError(errno.ENOSPC, "No space left on device")

        with locked(path) as lock:
            monkeypatch.setattr(type(path), "replace", full)
            lock.revoke()
            assert names(path.parent) == []

    def test_what_another_start_holds_by_now_is_left_alone(self, path):
        with locked(path) as lock:
            held_by(path, run="another")
            lock.revoke()
            assert is_current(path, "another")
        assert is_current(path, "another")


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


class TestMemory:
    def test_of_this_process(self):
        resource = pytest.importorskip("resource", reason="needs POSIX")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        assert 0.1 * peak < resident_bytes(os.getpid()) <= 1.05 * peak

    def test_of_a_process_that_is_gone(self):
        assert resident_bytes(2**22 + 1) == 0  # above the largest number that Linux gives

    @pytest.fixture
    def elsewhere(self, monkeypatch):
        """A system without /proc."""
        monkeypatch.setattr(memory, "Path", lambda text: Path(text.replace("/proc", "/no-proc")))

    def test_by_psutil(self, elsewhere):
        pytest.importorskip("psutil", reason="needs psutil (extra 'cluster')")
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        assert resident_bytes(os.getpid()) == pytest.approx(pages * os.sysconf("SC_PAGE_SIZE"), rel=0.1)
        assert resident_bytes(2**22 + 1) == 0

    def test_neither(self, elsewhere, monkeypatch):
        monkeypatch.setitem(sys.modules, "psutil", None)
        with pytest.raises(DependencyError, match="limits of memory need psutil on this system"):
            check_memory_is_known()


class TestRedaction:
    FIXED, MOVING, OTHER = (Path(f"/data/p {i}/{name}.nii") for i, name in enumerate(("ct", "t1", "t2")))

    @pytest.mark.parametrize(
        ("message", "words"),
        [
            ("/data/p 0/ct.nii: empty", "<fixed>: empty"),
            ("/data/p 1/t1.nii and /data/p 2/t2.nii differ", "<moving 1> and <moving 2> differ"),
            ("no /home/doe/x.txt, but 0.5/0.7 mm", "no <path>, but 0.5/0.7 mm"),
            (r"no C:\Users\doe\x.txt; sorry", "no <path>; sorry"),
            ("series 1.2.840.10008.5 of 1.2.3", "series <uid> of 1.2.3"),
            ("t1.nii is not ct.nii, xct.nii is", "<file> is not <file>, xct.nii is"),
            ("see p 2 of the manual", "see <file> of the manual"),
            (
                "/mnt/J Doe/x.nii.gz is a pointer: get it from https://example.org/doc#a or give --series",
                "<path> is a pointer: get it from https://example.org/doc#a or give --series",
            ),
            ("no /mnt/J Doe/key see https://example.org/a", "no <path> https://example.org/a"),
            ("/mnt/a.txt of J/Doe.dcm: no", "<path>: no"),  # what follows may be of the path too
            ("/mnt/J.Doe Smith/a.nii.gz. Give --volume", "<path>. Give --volume"),
        ],
    )
    def test_roles_paths_names_and_uids(self, message, words):
        assert Redaction((self.FIXED, self.MOVING, self.OTHER))(message) == words

    def test_a_single_moving_volume_has_no_number(self):
        assert Redaction((self.FIXED, self.MOVING))("/data/p 1/t1.nii: no") == "<moving>: no"

    def test_what_lies_below_a_folder_is_that_folder(self, tmp_path):
        message = f"{tmp_path}/IM 1.dcm: no pixels, '{tmp_path}/a/b' neither"
        assert Redaction((tmp_path,))(message) == "<fixed>: no pixels, '<fixed>' neither"

    def test_the_longer_path_is_named_first(self):
        paths = (Path("/data/p"), Path("/data/p/t1"))
        assert Redaction(paths)("/data/p/t1: no") == "<moving>: no"

    def test_short_words_are_no_names_but_numbers_are(self):
        paths = (Path("/the/a.nii"), Path("/12/b.nii"))
        assert Redaction(paths)("the 12 of the") == "the <file> of the"

    def test_names_of_files_beside_a_single_file_go_too(self, tmp_path):
        for name in ("ct.nii", "DOE.txt"):
            (tmp_path / name).touch()
        assert Redaction((tmp_path / "ct.nii",))("found DOE.txt") == "found <file>"

    def test_a_long_name_that_holds_a_short_one(self, tmp_path):
        for name in ("IM-1", "IM-1-2"):
            (tmp_path / name).touch()
        assert Redaction((tmp_path,))("IM-1-2 and IM-1") == "<file> and <file>"


@pytest.fixture
def job(tmp_path):
    (tmp_path / "out").mkdir()
    files = Study(tmp_path / "DOE" / "ct.nii.gz", tmp_path / "DOE" / "t1.nii.gz")
    recipe = Recipe(method="average", registration="none")
    return Job("s01", files, recipe.to_mapping(), str(tmp_path / "out"), "run")


class TestFailures:
    """What of a study goes wrong becomes a row, and nothing in it tells who the patient is."""

    def perform(self, job, monkeypatch, error):
        def fail(*_):
            raise error

        monkeypatch.setattr(study, "_kept", fail)
        return study.perform(job, "token")

    @pytest.mark.parametrize(
        ("error", "kind", "message"),
        [
            (ReadError("{fixed}: no header"), "ReadError", "<fixed>: no header"),
            (
                MemoryError(),
                "MemoryError",
                "not enough memory: close other programs, raise the limit (ulimit -v), or work on "
                "fewer voxels (a coarser --grid, smaller volumes, fewer jobs at a time)",
            ),
            (KeyError("x"), "KeyError", "<words> (at study.py line "),
        ],
    )
    def test_each_error_is_a_row(self, job, monkeypatch, error, kind, message):
        if isinstance(error, ReadError):
            error = ReadError(str(error).format(fixed=job.study.fixed.path))
        row = self.perform(job, monkeypatch, error)
        assert {**row, "error": None} == {"study": "s01", "status": "failed", "error": None}
        assert row["error"]["class"] == kind
        assert row["error"]["message"].startswith(message)
        assert "in fail" in row["error"]["trace"]

    def test_a_bug_names_the_last_line_of_ours(self, job, monkeypatch):
        """Not that of a library below it."""
        monkeypatch.setattr(study.OutputFolder, "record", lambda *_: json.loads("{"))
        row = study.perform(job, "token")
        message = row["error"]["message"]
        assert re.search(r"\(at study\.py line \d+ in \w*_kept\w*\)$", message), message

    def test_a_library_below_a_folder_of_our_name_is_not_ours(self, job, monkeypatch):
        made = {}
        exec(compile("def fail(*_): raise KeyError('x')", "/home/me/medfuse/.venv/other.py", "exec"), made)
        monkeypatch.setattr(study, "_kept", made["fail"])
        message = study.perform(job, "token")["error"]["message"]
        assert re.fullmatch(r"<words> \(at study\.py line \d+ in \w*perform\w*\)", message), message

    def test_paths_stay_where_they_are_wanted(self, job):
        message = f"{job.study.fixed.path}: no header"
        assert "DOE" not in study.failure(job, "ReadError", message)["error"]["message"]
        job.recipe["keep_identifiers"] = True
        assert study.failure(job, "ReadError", message)["error"]["message"] == message


class TestPerform:
    """One study, as a worker does it, in this process."""

    @pytest.fixture
    def job(self, tmp_path):
        head = Head()
        for name, contrast in (("ct", "CT"), ("t1", "T1")):
            write_volume(render(contrast, GRID, head=head, seed=1), tmp_path / f"{name}.nii.gz")
        (tmp_path / "ct_to_t1.tfm").write_text(IDENTITY)
        volumes = Study(
            InputVolume(tmp_path / "ct.nii.gz", "CT"),
            (InputVolume(tmp_path / "t1.nii.gz", "MR", transform=tmp_path / "ct_to_t1.tfm"),),
        )
        OutputFolder(tmp_path / "out").prepare()
        recipe = Recipe(method="average", registration="none")
        return Job("sub-01", volumes, recipe.to_mapping(), str(tmp_path / "out"), "run", bids=True)

    def test_its_row_and_its_folder(self, job, tmp_path):
        row = study.perform(job, "token")
        folder = tmp_path / "out" / "sub-01"
        files = [tmp_path / name for name in ("ct.nii.gz", "t1.nii.gz", "ct_to_t1.tfm")]
        assert row["inputs"] == [sha256(file.read_bytes()).hexdigest() for file in files]
        assert (row["study"], row["status"], row["method"]) == ("sub-01", "done", "average")
        assert [one["verdict"] for one in row["registrations"]] == ["given"]
        assert row["report"] == "sub-01/sub-01_report.html"
        assert (tmp_path / "out" / row["report"]).exists()
        assert row["bytes"] == sum(file.stat().st_size for file in folder.iterdir())
        assert 0 < row["seconds"] < 3600
        assert {"average", "maximum", "pca"} <= row["scores"].keys()
        assert list(OutputFolder(tmp_path / "out").work.iterdir()) == []

        assert study.perform(job, "again") == {**row, "status": "kept"}
        (tmp_path / "ct_to_t1.tfm").write_text(IDENTITY.replace("0 0 0 0 0 0", "0 0 0 1 0 0"))
        moved = study.perform(job, "moved")
        assert moved["status"] == "done"
        assert moved["inputs"][:2] == row["inputs"][:2]
        assert moved["inputs"][2] != row["inputs"][2]
