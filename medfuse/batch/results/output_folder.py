"""The folder of a batch, and the marks in it that let a second start find what the first has done.

::

    STUDY/                 what ``medfuse fuse`` writes, one folder for each study
    results.csv            scores
    failures.csv           what failed, and why
    index.html             the page that shows it all
    .batch/lock            which process is at work here
    .batch/records/        one JSON file for each finished study
    .batch/work/           half-done results; empty when nothing runs
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path
from secrets import token_hex

from ...errors import ReadError, WriteError
from ...io.records import read_json
from ..jobs import Finished, Row

__all__ = ["OutputFolder"]

_LOG = logging.getLogger(__name__)
_MIN_FREE = 200 << 20  # enough for the tables and the page of a large batch


class OutputFolder:
    """Paths below the folder of a batch.

    Parameters
    ----------
    root:
        The folder.
    """

    def __init__(self, root: Path):
        self.root = Path(root)
        self.marks = self.root / ".batch"
        self.records = self.marks / "records"
        self.work = self.marks / "work"
        self.lock = self.marks / "lock"

    def prepare(self) -> None:
        """Make the folders, and see that they can be written and that the disk is not full.

        Raises
        ------
        WriteError
            If not.
        """
        try:
            for folder in (self.records, self.work):
                folder.mkdir(parents=True, exist_ok=True)
            for folder in (self.root, self.records, self.work):
                with tempfile.TemporaryFile(dir=folder) as probe:
                    probe.write(b"0" * 4096)
        except OSError as error:
            raise WriteError(
                f"cannot write to {self.root}: {error.strerror}; choose another folder"
            ) from error
        if self.free() < _MIN_FREE:
            raise WriteError(
                f"{self.root}: only {self.free() >> 20} MiB of disk are free, and a batch needs "
                f"{_MIN_FREE >> 20} MiB or more; make room, or choose another folder"
            )

    def free(self) -> int:
        """Bytes that are free on the disk."""
        return shutil.disk_usage(self.root).free

    def clear_work(self) -> None:
        """Take away what an earlier start left half done."""
        for folder in self.work.iterdir():
            shutil.rmtree(folder, ignore_errors=True)

    def workroom(self, token: str) -> Path:
        """An empty folder for one attempt at one study."""
        room = self.work / token
        room.mkdir()
        return room

    def result(self, name: str) -> Path:
        """The folder of a study."""
        return self.root / name

    def record(self, name: str) -> Row | None:
        """What is known of a finished study; None if its folder is missing, or its record or that is damaged.

        Such a study is run again.
        """
        if not self.result(name).is_dir():
            return None
        try:
            row: Row = dict(read_json(self.records / f"{name}.json", "record of a study", Finished))
        except ReadError:
            _LOG.debug("study %s: its record is not used", name, exc_info=True)
            return None
        whole = row["study"] == name and row["method"] in row["scores"] and row["registrations"]
        return row if whole and row["report"].startswith(f"{name}/") else None

    def earlier(self, names: Collection[str]) -> list[Row]:
        """What is known of the finished studies but those of ``names``, as rows that were kept."""
        others = sorted(path.stem for path in self.records.glob("*.json") if path.stem not in names)
        found = (self.record(name) for name in others)
        return [{**row, "status": "kept"} for row in found if row is not None]

    def check_free_for(self, name: str) -> None:
        """Refuse a study whose folder holds something that no batch has written.

        Raises
        ------
        WriteError
            If so.
        """
        folder = self.result(name)
        known = (self.records / f"{name}.json").exists()
        if not known and (
            folder.is_symlink() or folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
        ):
            raise WriteError(
                f"{folder} exists and is no result of a batch: it will not be replaced; choose another folder"
            )

    def put(self, finished: Path, row: Row, room: Path) -> None:
        """Move a finished result to its place, and record it.

        In this order, so that whenever the process ends, what has a folder and a record is whole: the old
        result goes, the new record comes, the new result comes.
        """
        folder = self.result(row["study"])
        if folder.exists():
            folder.rename(room / "old")
        self._write_record(row)
        finished.rename(folder)

    def _write_record(self, row: Row) -> None:
        path = self.records / f"{row['study']}.json"
        temporary = path.with_name(f".{token_hex(6)}")
        try:
            temporary.write_text(json.dumps(row), encoding="utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
