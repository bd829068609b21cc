"""What a worker does with one study: run it, put its folder in place, and tell what came of it in a row.

A row holds plain values: ``study``, ``status`` (done, kept, failed, died, cancelled), ``error`` (``class``,
``message``, and for the log alone, as it may name the patient, ``trace``) or the facts of the result:
``key``, ``inputs``, ``method``, ``registrations``, ``scores`` (method -> metric -> value), ``warnings``,
``seconds``, ``bytes``, ``thumbnail``, ``report``, ``medfuse`` (its version).
"""

from __future__ import annotations

import json
import shutil
import time
import traceback
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from ...errors import MedfuseError
from ...io import sha256_of, sha256_of_input
from ...memory import failed_allocation
from ...progress import ignore
from ...recipe import Recipe
from ...report.redaction import Redaction
from ...version import __version__
from ...weights import digests_of
from ..jobs import Job, Row
from ..results.output_folder import OutputFolder

__all__ = ["failure", "perform"]

_OF_THE_USER = ("ParameterError", "UnknownNameError", "WeightsError", "DeviceError", "RegistrationError")
"""Errors whose quoted words come from the recipe, and not from a file of the patient's."""

_PACKAGE = Path(__file__).parents[2]


def perform(job: Job, token: str) -> Row:
    """Run one study, or keep its result if recipe and inputs are those of the one that is there.

    Parameters
    ----------
    job:
        The study.
    token:
        Name of the folder for this attempt; whoever started the attempt clears it away.
    """
    start = time.perf_counter()
    try:
        batch_folder = OutputFolder(Path(job.output))
        kept = _kept(job, batch_folder)
        if kept is not None:
            return {**kept, "status": "kept"}
        room = batch_folder.workroom(token)
        row = _run(job, batch_folder, room, start)
        shutil.rmtree(room, ignore_errors=True)
    except Exception as error:  # noqa: BLE001 - whatever it is, it costs only this study
        row = failure(job, type(error).__name__, _said(error))
        row["error"]["trace"] = "".join(traceback.format_exception(error))
    return row


def failure(job: Job, kind: str, message: str) -> Row:
    """The row of a study that failed; nothing in it tells who the patient is, unless that is wanted."""
    if not job.recipe["keep_identifiers"]:
        redaction = Redaction(job.study.paths, job.study.other_files)
        message = redaction(message, quotes=kind not in _OF_THE_USER)
    return {"study": job.name, "status": "failed", "error": {"class": kind, "message": message}}


def _kept(job: Job, batch_folder: OutputFolder) -> Row | None:
    row = batch_folder.record(job.name)
    if row is None or row["key"] != _key(job, row["inputs"]):
        return None  # another recipe, version or weights; that is known without reading the inputs
    return row if row["inputs"] == _fingerprints(job) else None


def _run(job: Job, batch_folder: OutputFolder, room: Path, start: float) -> Row:
    from ...pipeline import run_study
    from ...report import write_result
    from ...report.names import PROVENANCE
    from ..results.bids_names import rename_as_bids
    from ..results.thumbnail import thumbnail

    result = run_study(job.study, Recipe.from_mapping(job.recipe), ignore)
    folder = room / "result"
    report = write_result(result, folder)
    facts = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    if job.bids:
        report = rename_as_bids(folder, job.name)
    inputs = [*result.hashes, *(one for start in result.starts for one in start.hashes)]
    row = {
        "study": job.name,
        "status": "done",
        "key": _key(job, inputs),
        "inputs": inputs,
        "report": f"{job.name}/{report.name}",
        "bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        "thumbnail": thumbnail(result),
        **_facts(facts),
        "seconds": round(time.perf_counter() - start, 3),
    }
    batch_folder.put(folder, row, room)
    return row


def _facts(facts: Mapping[str, Any]) -> Row:
    """What the tables and the page of the batch show of a study's provenance."""
    return {
        "method": facts["method"]["key"],
        "registrations": [
            {key: one[key] for key in ("verdict", "reasons")} for one in facts["registrations"]
        ],
        "scores": facts["scores"],
        "warnings": facts["warnings"],
        "stages": facts["seconds"],
        "medfuse": facts["medfuse"],
    }


def _key(job: Job, inputs: Sequence[str]) -> str:
    """What a result depends on, as 64 hexadecimal digits."""
    said = [one.to_mapping() for one in job.study.volumes]
    for one in said:  # what lies there is in the inputs, by its content and not by its place
        one |= {name: one[name] is not None for name in ("path", "transform", "landmarks", "truth")}
    weights = digests_of(Recipe.from_mapping(job.recipe).on_cpu().build_method())
    parts = [__version__, weights, job.recipe, said, job.bids, inputs]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _fingerprints(job: Job) -> list[str]:
    """SHA-256 of each input, of each truth, then of each file of transforms and landmarks."""
    return [
        *(sha256_of_input(path) for path in (*job.study.paths, *job.study.truth_files)),
        *(sha256_of(path) for path in job.study.start_files),
    ]


def _said(error: Exception) -> str:
    if isinstance(error, MedfuseError):
        return str(error)
    if said := failed_allocation(error):
        return said
    return f"{error} (at {_where(error)})"


def _where(error: Exception) -> str:
    """File, line and function of the last of our own frames, for a bug report."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)] or frames
    return f"{Path(own[-1].filename).name} line {own[-1].lineno} in {own[-1].name}"
