"""The page over all studies: self-contained, sortable, read from a file share without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ...metrics import METRICS
from ...version import __version__
from ..jobs import Row
from .statistics import Summary, summaries

__all__ = ["render_index", "worst_verdict"]

_COLUMNS = 6  # metrics in the table; all of them are in results.csv and in the plots
_BASELINES = 4  # marks beside the chosen method's
_VERDICTS = ("failed", "doubtful", "given", "ok")  # worst first
_ARROWS = {True: "↑", False: "↓", None: ""}
_OUTLIERS = 100  # dots of one box plot


def worst_verdict(row: Row) -> str:
    """The worst verdict on the registrations of a finished study."""
    verdicts = [one["verdict"] for one in row["registrations"]]
    result: str = min(verdicts, key=lambda one: _VERDICTS.index(one) if one in _VERDICTS else 0)
    return result


def render_index(rows: Sequence[Row], not_run: Sequence[str] = ()) -> str:
    """The page, as HTML.

    Parameters
    ----------
    rows:
        Of the studies that were decided, see :mod:`medfuse.batch.running.study`.
    not_run:
        Names of those that a stop left undone.
    """
    environment = Environment(
        loader=PackageLoader("medfuse.batch.results"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    finished = [row for row in rows if row["status"] in ("done", "kept")]
    failed = [row for row in rows if row["status"] == "failed"]
    tables = summaries(finished)
    spans = {metric: _span(own) for metric, own in tables.items() if own}  # undefined everywhere: no column
    metrics = list(spans)[:_COLUMNS]
    return environment.get_template("index.html").render(
        version=__version__,
        made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        failed=failed,
        not_run=not_run,
        counts=_counts(rows, not_run),
        metrics=[_heading(metric) for metric in metrics],
        more_metrics=len(tables) - len(metrics),
        studies=[_study(row, metrics, spans) for row in sorted(finished, key=_worst_first)],
        plots=[_plot(metric, tables[metric], spans[metric]) for metric in spans],
    )


def _counts(rows: Sequence[Row], not_run: Sequence[str]) -> list[tuple[str, int]]:
    finished = [row for row in rows if row["status"] in ("done", "kept")]
    counts = {
        "failed": len(rows) - len(finished),
        "not run": len(not_run),
        "doubtful": sum(worst_verdict(row) in ("failed", "doubtful") for row in finished),
        "finished": len(finished),
    }
    return [(name, count) for name, count in counts.items() if count or name == "finished"]


def _worst_first(row: Row) -> int:
    verdict = worst_verdict(row)
    return {"failed": 0, "doubtful": 1}.get(verdict, 2)


def _heading(metric: str) -> dict[str, str]:
    known = METRICS.get(metric)
    return {
        "key": metric,
        "name": known.name if known else metric,
        "arrow": _ARROWS[known.higher_is_better] if known else "",
    }


def _span(methods: Sequence[Summary]) -> tuple[float, float]:
    return min(one.minimum for one in methods), max(one.maximum for one in methods)


def _at(value: float, span: tuple[float, float]) -> float:
    """Where ``value`` lies in ``span``, in percent."""
    return 50.0 if span[0] == span[1] else round(100 * (value - span[0]) / (span[1] - span[0]), 1)


def _study(row: Row, metrics: Sequence[str], spans: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    own = row["scores"][row["method"]]
    others = [values for method, values in row["scores"].items() if method != row["method"]][:_BASELINES]
    cells = []
    for metric in metrics:
        value = own.get(metric)
        marks = [other[metric] for other in others if other.get(metric) is not None]
        at = [] if value is None else [_at(one, spans[metric]) for one in (value, *marks)]
        cells.append((value, at))
    verdict = worst_verdict(row)
    reasons = [reason for one in row["registrations"] for reason in one["reasons"]]
    return {
        "study": row["study"],
        "report": row["report"],
        "thumbnail": row["thumbnail"],
        "method": row["method"],
        "medfuse": row["medfuse"],
        "verdict": verdict,
        "rank": _VERDICTS.index(verdict) if verdict in _VERDICTS else -1,
        "reasons": "; ".join(reasons) if verdict != "ok" else "",
        "cells": cells,
        "seconds": row["seconds"],
        "warnings": row["warnings"],
    }


def _plot(metric: str, methods: Sequence[Summary], span: tuple[float, float]) -> dict[str, Any]:
    """A box plot of each method, positions in percent of the common span."""
    boxes = [
        {
            "summary": one,
            "low": _at(one.low, span),
            "lower": _at(one.lower, span),
            "median": _at(one.median, span),
            "upper": _at(one.upper, span),
            "high": _at(one.high, span),
            "outliers": [_at(value, span) for value in one.outliers[:_OUTLIERS]],
        }
        for one in methods
    ]
    return {**_heading(metric), "boxes": boxes, "span": span}
