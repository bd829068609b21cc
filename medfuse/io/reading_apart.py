"""Volumes looked at in another process, so that a file at which a library dies costs itself only.

One process looks at file after file; only after one at which it died another is started.
"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypedDict, cast

from ..errors import MedfuseError
from ..processes import python_calling
from ..volume import Geometry
from .volume_files import read_volume

__all__ = ["Looked", "ReaderApart", "geometry_of", "look", "main"]

_LOG = logging.getLogger(__name__)


class Looked(TypedDict):
    """What was seen of a volume: its problem, or the rest; ``trace`` is for the log."""

    modality: str
    grid: dict[str, Any] | None
    notes: list[str]
    problem: str
    trace: str


def look(path: Path) -> Looked:
    """Read a volume whole, and tell what it is."""
    try:
        volume = read_volume(path)
    except MedfuseError as error:
        problem = str(error).removeprefix(f"{path}: ")
        return _problem(problem, "".join(traceback.format_exception(error)))
    return Looked(
        modality=volume.modality,
        grid=asdict(volume.geometry),
        notes=[*volume.notes],
        problem="",
        trace="",
    )


def geometry_of(looked: Looked) -> Geometry | None:
    """The grid of a volume; None where it has a problem."""
    return None if looked["grid"] is None else Geometry(**looked["grid"])


def _problem(problem: str, trace: str = "") -> Looked:
    return Looked(modality="", grid=None, notes=[], problem=problem, trace=trace)


class ReaderApart:
    """A process that looks at volumes; started with the first, and again where it died.

    >>> with ReaderApart() as reader:
    ...     reader.look(Path("/nonexistent.nii"))["problem"]
    'does not exist; check the name and the folder'
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> ReaderApart:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def look(self, path: Path) -> Looked:
        """As :func:`look`; where the process died at it, that is the problem."""
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - words of our own, and no shell
                python_calling("medfuse.io.reading_apart"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="ascii",
            )
        answer = self._ask(self._process, path)
        if not answer:
            return _problem(self._how_it_died(self._process))
        looked: Looked = json.loads(answer)
        if looked["trace"]:
            _LOG.debug("%s: described as unreadable\n%s", path, looked["trace"])
        return looked

    @staticmethod
    def _ask(process: subprocess.Popen[str], path: Path) -> str:
        stdin, stdout = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
        with suppress(BrokenPipeError):  # it died before; that it has no answer tells
            stdin.write(json.dumps(str(path)) + "\n")
            stdin.flush()
        return stdout.readline()

    def _how_it_died(self, process: subprocess.Popen[str]) -> str:
        self._end()
        code = process.returncode
        how = f"with exit status {code}"
        if code < 0:
            how = f"by {signal.Signals(-code).name}" if -code in {*signal.Signals} else f"by signal {-code}"
        return f"the process that read it was ended {how}: the file is damaged or hostile, or memory ran out"

    def _end(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            with suppress(BrokenPipeError):
                process.communicate()


def main() -> None:
    """Look at the volumes named on standard input, a line each, until it ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print must not get in between
    for line in sys.stdin:
        answers.write(json.dumps(look(Path(json.loads(line)))) + "\n")
        answers.flush()
