"""What travels to a worker: paths and plain values, never arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..io import ReadOptions
from ..recipe import Recipe, Study

__all__ = ["Job", "Limits", "Row"]

Row = dict[str, Any]
"""What came of a study, as plain values: see :mod:`medfuse.batch.running.study`."""


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
    paths:
        Absolute, the fixed volume first.
    modalities, initial_transforms, conventions, landmarks, reading:
        As in :class:`medfuse.Study`, in plain values; "" for no transform.
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
    paths: tuple[str, ...]
    modalities: tuple[str, ...]
    initial_transforms: tuple[str, ...]
    recipe: Mapping[str, Any]
    output: str
    run: str
    limits: Limits = Limits()
    bids: bool = False
    conventions: tuple[str, ...] = ()
    landmarks: tuple[tuple[str, str] | None, ...] = ()
    reading: tuple[Mapping[str, Any], ...] = ()

    @property
    def study(self) -> Study:
        """Its files."""
        fixed, *moving = map(Path, self.paths)
        transforms = tuple(Path(text) if text else None for text in self.initial_transforms)
        reading = tuple(ReadOptions(**values) for values in self.reading)
        pairs = tuple((Path(pair[0]), Path(pair[1])) if pair else None for pair in self.landmarks)
        return Study(fixed, tuple(moving), self.modalities, transforms, reading, self.conventions, pairs)

    @classmethod
    def of(
        cls, name: str, study: Study, recipe: Recipe, output: Path, run: str, limits: Limits, bids: bool
    ) -> Job:
        """The job of a study, with absolute paths."""
        return cls(
            name,
            tuple(str(path.absolute()) for path in study.paths),
            study.modalities,
            tuple(str(path.absolute()) if path else "" for path in study.initial_transforms),
            recipe.to_mapping(),
            str(output.absolute()),
            run,
            limits,
            bids,
            study.conventions,
            tuple((str(p[0].absolute()), str(p[1].absolute())) if p else None for p in study.landmarks),
            tuple(asdict(one) for one in study.reading),
        )

    def to_json(self) -> str:
        """On one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Job:
        """What :meth:`to_json` wrote."""
        values = json.loads(line)
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **lists, "limits": Limits(**values["limits"])})
