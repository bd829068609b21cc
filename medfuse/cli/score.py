"""``medfuse metrics``: score a fused image or volume that is already there."""

from __future__ import annotations

import csv
import inspect
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ParameterError
from ..metrics import METRICS, PROFILES, Metric, Scores, evaluate, left_out, metric_rows
from ..sources import Sources
from .inputs import Modalities, ToGrey
from .options import Windows
from .score_inputs import Asked, is_result, load, parsed_scale

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

__all__ = ["metrics"]

_BETTER = {True: "higher is better", False: "lower is better", None: "neither is better"}


def metrics(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE SOURCE... FUSED | RESULT [FUSED] | list | show KEY",
            help="Two or more sources and the fused image (2-D images, or volumes on one grid); or the "
            "folder of a result, whose fused volume, or another one, is scored; or list the metrics; or show "
            "one.",
        ),
    ],
    profile: Annotated[str, typer.Option(help=f"Which metrics: {', '.join(PROFILES)}.")] = "default",
    modality: Modalities = None,
    window: Windows = None,
    fused_scale: Annotated[
        str | None,
        typer.Option(
            metavar="WHITE|BLACK,WHITE",
            help="Values of the fused volume that stand for 0 and 1, such as 255, where its file does not "
            "say it: it is never windowed.",
        ),
    ] = None,
    to_grey: ToGrey = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="CSV on stdout: a row for the whole, and one for each slice.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON on stdout: scores, and what each metric is.")
    ] = False,
) -> None:
    """Score a fused image or volume against its sources."""
    if as_csv and as_json:
        raise ParameterError("--csv and --json: give one of them")
    match words:
        case ["list"] if not (as_csv or as_json):
            _list()
        case ["show", key] if not (as_csv or as_json):
            _show(METRICS[key])
        case [first, *others] if len(others) > 1 or is_result(Path(first)):
            PROFILES[profile]  # a name that does not exist is refused before anything is read
            for note in left_out(profile):
                typer.echo(f"note: {note}", err=True)
            asked = Asked(tuple(modality or ()), tuple(window or ()), parsed_scale(fused_scale), to_grey)
            sources, fused = load([Path(word) for word in words], asked)
            scores = evaluate(sources, fused, profile)
            if as_csv:
                _print_csv(scores, sources)
            elif as_json:
                _print_json(scores)
            else:
                _print(scores)
        case _:
            raise ParameterError(
                f"{len(words)} images: give two or more sources and then the fused image, the folder of a "
                "result, or 'list', or 'show KEY'"
            )


def _list() -> None:
    table = _table("key", "metric", "range", "better")
    for row in metric_rows():
        table.add_row(row.key, row.name, f"{row.range} {row.unit}".strip(), row.direction)
    _show_table(table)
    for fault in METRICS.usable()[1].values():
        typer.echo(fault)
    for name, keys in PROFILES.items():
        if name != "all":
            typer.echo(f"profile {name}: {', '.join(keys)}")


def _show(metric: Metric) -> None:
    typer.echo(f"{metric.key}: {metric.name}\n\n{inspect.getdoc(metric.function)}\n")
    typer.echo(f"range {metric.range[0]:g} to {metric.range[1]:g} {metric.unit}".rstrip())
    typer.echo(_BETTER[metric.higher_is_better])
    typer.echo(f"paper: {metric.reference}")
    if metric.code:
        typer.echo(f"equals: {metric.code}")
    if metric.notes:
        typer.echo(f"notes: {metric.notes}")


def _print(scores: Scores) -> None:
    """A table that says, without the paper, what each number is and which way is better."""
    table = _table("key", "value", "range", "", "metric")
    for key, value in scores.whole.items():
        metric = METRICS[key]
        text = f"n/a ({getattr(value, 'reason', 'undefined')})" if math.isnan(value) else f"{value:.6f}"
        limits = " to ".join(f"{limit:.4g}" for limit in metric.range)
        table.add_row(
            key, text, f"{limits} {metric.unit}".strip(), _BETTER[metric.higher_is_better], metric.name
        )
    _show_table(table)
    if scores.consistency and len(scores.consistency.per_gap):
        typer.echo(f"inter-slice consistency {scores.consistency.value:.6f} (0 to 1, higher is better)")


def _print_csv(scores: Scores, sources: np.ndarray | Sources) -> None:
    from ..report.tables import rows_of

    stack = sources if isinstance(sources, Sources) else Sources(sources)
    csv.writer(sys.stdout, lineterminator="\n").writerows(rows_of({"fused": scores}, stack))


def _print_json(scores: Scores) -> None:
    from ..report.provenance import score_facts

    typer.echo(json.dumps(score_facts(scores), indent=2))


def _table(*columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _show_table(table: Table) -> None:
    from rich.console import Console

    Console(markup=False, highlight=False).print(table)
