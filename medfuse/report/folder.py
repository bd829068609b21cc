"""A folder that appears whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import WriteError
from .names import ENTRIES

__all__ = ["check_output", "staged"]


def check_output(folder: Path, overwrite: bool = False) -> None:
    """Refuse a place that a result cannot be written to, before any work is done.

    Raises
    ------
    WriteError
        If the parent folder is missing or cannot be written, if ``folder`` exists and is not empty
        (without ``overwrite``), or if it holds anything but an earlier result (with it).
    """
    parent = folder.absolute().parent
    if not parent.is_dir():
        raise WriteError(f"cannot write {folder}: the folder {parent} does not exist; make it first")
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise WriteError(f"cannot write {folder}: {parent} cannot be written ({error.strerror})") from error
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir() or folder.is_symlink():
        raise WriteError(f"cannot write {folder}: it exists and is no folder; choose another name")
    _check_contents(folder, {entry.name for entry in folder.iterdir()}, overwrite)


def _check_contents(folder: Path, entries: set[str], overwrite: bool) -> None:
    if entries and not overwrite:
        raise WriteError(f"{folder} exists and is not empty: choose another folder, or add --overwrite")
    foreign = sorted(entries - ENTRIES)
    if foreign:
        raise WriteError(
            f"{folder} holds {foreign[0]!r}, which is no part of a medfuse result: "
            "it will not be overwritten; choose another folder"
        )


@contextmanager
def staged(folder: Path, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder beside ``folder`` that takes its place when the block ends without an error.

    Raises
    ------
    WriteError
        As :func:`check_output`, or if the disk is full.
    """
    check_output(folder, overwrite)
    try:
        stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.absolute().parent))
        try:
            yield stage
            stage.chmod(0o755)  # mkdtemp makes it private; a result is as readable as its neighbours
            _put_in_place(stage, folder)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        raise WriteError(f"cannot write {folder}: {error.strerror or error}") from error


def _put_in_place(stage: Path, folder: Path) -> None:
    if not folder.exists():
        stage.rename(folder)
        return
    old = stage.with_name(stage.name + "-old")
    folder.rename(old)
    try:
        stage.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old)
