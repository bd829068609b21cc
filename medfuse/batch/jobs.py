"""What travels to a worker: paths and plain values, never arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from ..study import Study

__all__ = ["Finished", "Job", "Limits", "Row"]

Row = dict[str, Any]
"""What came of a study, as plain values: see :mod:`medfuse.batch.running.study`."""


class _Registration(TypedDict):
    """What a row says of a registration."""

    verdict: str
    reasons: list[str]


class Finished(TypedDict):
    """What the row of a finished study holds, as its record on the disk is checked."""

    study: str
    status: str
    key: str
    inputs: list[str]
    report: str
    bytes: int
    thumbnail: str
    method: str
    registrations: list[_Registration]
    scores: Mapping[str, Mapping[str, float | None]]
    warnings: list[str]
    stages: Mapping[str, float]
    medfuse: str
    seconds: float


@dataclass(frozen=True)
class Limits:
    """What one study may take.

    Parameters
    ----------
    seconds:
        Wall-clock time; None for no limit.
    bytes:
        Resident memory of its worker, looked at several times a second; None for no limit.
    threads:
        Threads of each worker, so that workers that run side by side do not fight for the cores.
    """

    seconds: float | None = None
    bytes: int | None = None
    threads: int = 1


@dataclass(frozen=True)
class Job:
    """One study to run.

    Parameters
    ----------
    name:
        Of the study.
    study:
        Its files, with absolute paths.
    recipe:
        As :meth:`medfuse.Recipe.to_mapping` has it.
    output:
        Folder of the batch.
    run:
        Token of the start that the job belongs to; it is not worked on once that has ended.
    limits:
        What it may take.
    bids:
        Name the files as in a BIDS derivative.
    """

    name: str
    study: Study
    recipe: Mapping[str, Any]
    output: str
    run: str
    limits: Limits = Limits()
    bids: bool = False

    def to_json(self) -> str:
        """On one line."""
        return json.dumps({**asdict(self), "study": self.study.to_mapping()})

    @classmethod
    def from_json(cls, line: str) -> Job:
        """What :meth:`to_json` wrote."""
        values = json.loads(line)
        study, limits = Study.from_mapping(values["study"]), Limits(**values["limits"])
        return cls(**{**values, "study": study, "limits": limits})
