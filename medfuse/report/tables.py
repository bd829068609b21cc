"""Scores as a table."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..metrics import Scores, slices_with_content
from ..sources import Sources

__all__ = ["rows_of", "write_metrics"]


def write_metrics(scores: Mapping[str, Scores], sources: Sources, path: Path) -> None:
    """Write a table of scores: a row for each method and slice, and one a method with slice "whole".

    A slice in which a source shows nothing has no row.  Undefined scores are empty cells.

    Parameters
    ----------
    scores:
        Method -> its scores.
    sources:
        What they are of.
    path:
        Where to.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows_of(scores, sources))


def rows_of(scores: Mapping[str, Scores], sources: Sources) -> Iterator[list[str]]:
    """The rows of that table, the header first."""
    keys = list(next(iter(scores.values())).per_slice)
    slices = slices_with_content(sources).nonzero()[0]
    yield ["method", "slice", *keys]
    for method, found in scores.items():
        yield [method, "whole", *(_cell(found.whole[key]) for key in keys)]
        for z in slices:
            yield [method, str(z), *(_cell(found.per_slice[key][z]) for key in keys)]


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"
