"""The lock of a batch's folder, at the moments in which two starts meet."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from medfuse.batch.running.lock import is_current, locked
from medfuse.errors import WriteError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there the process of a lock cannot be asked for")


@pytest.fixture
def dead() -> int:
    """The number of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def owner(pid: int, run: str) -> str:
    return json.dumps({"run": run, "pid": pid, "host": socket.gethostname(), "since": "now"})


@pytest.fixture
def lock(tmp_path: Path, dead: int) -> Path:
    """The lock that a start left when it was killed."""
    path = tmp_path / "out" / ".batch" / "lock"
    path.parent.mkdir(parents=True)
    path.write_text(owner(dead, "killed"))
    return path


def test_that_of_a_dead_start_is_taken_over(lock):
    with locked(lock) as held:
        assert is_current(lock, held.token)
        assert not is_current(lock, "killed")
    assert list(lock.parent.iterdir()) == []


def test_one_that_another_start_took_over_in_between_is_left_to_it(lock, monkeypatch):
    """Both found the lock of the dead start; the other one was faster, and is at work."""
    rename = Path.rename

    def late(path, target):
        if path == lock:
            path.write_text(owner(os.getpid(), "faster"))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(WriteError, match=f"another batch is at work.*process {os.getpid()}"), locked(lock):
        pytest.fail("two starts are at work in one folder")
    assert is_current(lock, "faster")
    assert [path.name for path in lock.parent.iterdir()] == ["lock"]


def test_one_that_is_gone_in_between_is_free(lock, monkeypatch):
    rename = Path.rename

    def late(path, target):
        path.unlink()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", late)
    with locked(lock) as held:
        assert is_current(lock, held.token)


def test_a_lock_that_was_lost_is_not_released(lock, dead):
    with locked(lock):
        lock.write_text(owner(dead, "another"))
    assert is_current(lock, "another")


def test_the_right_of_way_ends_with_the_start(lock):
    with locked(lock) as held:
        token = held.token
        held.revoke()
        assert not is_current(lock, token)
        assert lock.exists(), "the folder is free before the tables are written"
    assert not lock.exists()
