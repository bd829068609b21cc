"""One start at a time in one folder: a file that says who is at work.

The file works on every file system, across the machines of a cluster too.  Its token also tells
workers, wherever they run, that the start they work for has ended: they look for it about every
second and stop when it is gone.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import TypedDict

from ...errors import ReadError, WriteError
from ...io.records import read_json

__all__ = ["Lock", "is_current", "locked"]


class _Owner(TypedDict):
    """Who holds a lock: the token of a start ("" when it tells its workers to stop), and its process."""

    run: str
    pid: int
    host: str
    since: str


class Lock:
    """A lock that is held.

    Parameters
    ----------
    path:
        The file.
    token:
        Of this start.
    """

    def __init__(self, path: Path, token: str):
        self.path, self.token = path, token

    def revoke(self) -> None:
        """Tell all workers to stop; the folder stays locked."""
        if is_current(self.path, self.token):
            temporary = self.path.with_name(f".{token_hex(6)}")
            try:
                temporary.write_text(_owner(""), encoding="utf-8")
                temporary.replace(self.path)
            except OSError:  # a full disk; workers stop all the same when the file is gone
                temporary.unlink(missing_ok=True)
                self.path.unlink(missing_ok=True)
            self.token = ""

    def release(self) -> None:
        """Let others start here."""
        if is_current(self.path, self.token):
            self.path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[Lock]:
    """Hold the lock while the block runs.

    Raises
    ------
    WriteError
        If another start is at work, or may be.
    """
    lock = _acquire(path)
    try:
        yield lock
    finally:
        lock.release()


def is_current(path: Path, token: str) -> bool:
    """Whether the start with this token still holds the lock."""
    held = _read(path)
    return held is not None and held["run"] == token


def _acquire(path: Path) -> Lock:
    token = token_hex(8)
    for _ in range(3):
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            _remove_if_stale(path)
            continue
        except OSError as error:
            raise WriteError(f"cannot write {path}: {error.strerror}") from error
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_owner(token))
        return Lock(path, token)
    raise WriteError(f"{path.parent.parent}: several starts at the same time; start again")


def _remove_if_stale(path: Path) -> None:
    """Take the lock of a dead process away; refuse that of a living one, and one that cannot be judged."""
    held = _read(path)
    if held is None and not path.exists():
        return  # released in this moment
    here = held is not None and held["host"] == socket.gethostname()
    if held is None or not here or _alive(held["pid"]):
        owner = f"process {held['pid']} on {held['host']} since {held['since']}" if held else "unknown owner"
        hint = "wait for it, or stop it" if here else f"if nothing runs there any more, delete {path}"
        raise WriteError(f"{path.parent.parent}: another batch is at work in this folder ({owner}); {hint}")
    aside = path.with_name(f"lock-{token_hex(6)}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return  # another start was faster
    if _read(aside) != held:  # another start took it over in between: that one has it
        aside.rename(path)
    else:
        aside.unlink()


def _owner(token: str) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return json.dumps({"run": token, "pid": os.getpid(), "host": socket.gethostname(), "since": since})


def _read(path: Path) -> _Owner | None:
    """What a lock says; None if there is none, or nobody can tell whose it is."""
    try:
        return read_json(path, "lock", _Owner)
    except ReadError:
        return None


def _alive(pid: int) -> bool:
    if os.name == "nt":
        return True  # asking would end the process there; the user deletes the file
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has so large a number
        return False
    except PermissionError:
        return True
    return True
