"""The tables over all studies; the page is made by :mod:`medfuse.batch.results.page`."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from ...errors import ReadError
from ...io.files import replacing
from ...io.records import read_parsed, write_text
from ..csv_cells import cell
from ..jobs import Row
from .page import render_index, worst_verdict

__all__ = ["FACTS", "read_results", "write_outputs"]

FACTS = ("study", "method", "set", "registration", "seconds", "inputs", "medfuse")


def write_outputs(root: Path, rows: Sequence[Row], not_run: Sequence[str] = ()) -> None:
    """Write ``results.csv``, ``failures.csv`` and ``index.html`` into the folder of a batch.

    ``results.csv`` has a row for each study and method: ``set`` is "method" for the chosen one and
    "baseline" for those it is compared with; ``inputs`` tells studies of equal files, ``medfuse`` is the
    version that made the result.  Undefined scores are empty cells.
    """
    finished = [row for row in rows if row["status"] in ("done", "kept")]
    failed = [row for row in rows if row["status"] == "failed"]
    metrics = list(
        dict.fromkeys(key for row in finished for values in row["scores"].values() for key in values)
    )
    _write(
        root / "results.csv", (*FACTS, *metrics), (one for row in finished for one in _scores(row, metrics))
    )
    _write(
        root / "failures.csv",
        ("study", "error", "message"),
        ([row["study"], row["error"]["class"], row["error"]["message"]] for row in failed),
    )
    page = render_index(rows, not_run)
    with replacing(root / "index.html", overwrite=True) as temporary:
        write_text(temporary, page)


def read_results(root: Path) -> dict[str, dict[str, str]]:
    """The rows of ``results.csv`` of the chosen methods: study -> column -> text.

    Raises
    ------
    ReadError
        If there is no such table, or it is damaged.
    """
    path = Path(root) / "results.csv"
    try:
        rows = read_parsed(path, "table of results", _parsed, list[dict[str, str]])
    except ReadError as error:
        raise ReadError(f"{root}: holds no results of a batch: {error}") from error
    return {row["study"]: row for row in rows if row["set"] == "method"}


def _parsed(text: str) -> list[dict[str, str]]:
    """The rows; their scores are empty or finite numbers."""
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise ValueError(error) from error
    for number, row in enumerate(rows, start=2):
        missing = [name for name in FACTS if row.get(name) is None]
        wrong = [name for name, value in row.items() if name not in FACTS and not _is_score(value)]
        if missing or wrong or None in row:
            name = next(iter([*missing, *wrong]), "")
            raise ValueError(f"row {number}: {name or 'too many cells'}: no table that medfuse batch wrote")
    return rows


def _is_score(text: object) -> bool:
    try:
        return text == "" or math.isfinite(float(str(text)))
    except ValueError:
        return False


def _scores(row: Row, metrics: Sequence[str]) -> Iterable[list[object]]:
    inputs = sha256(" ".join(row["inputs"]).encode()).hexdigest()[:16]
    for method, values in row["scores"].items():
        chosen = method == row["method"]
        facts: list[object] = [row["study"], method, "method" if chosen else "baseline", worst_verdict(row)]
        facts += [row["seconds"] if chosen else None, inputs, row["medfuse"]]
        yield [*facts, *(values.get(key) for key in metrics)]


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with (
        replacing(path, overwrite=True) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        table = csv.writer(file)
        table.writerow(header)
        table.writerows([cell(value) for value in row] for row in rows)
