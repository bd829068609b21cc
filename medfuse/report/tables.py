"""Scores as a table."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from ..metrics import Scores, slices_with_content
from ..sources import Sources

__all__ = ["write_metrics"]


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
    keys = list(next(iter(scores.values())).per_slice)
    slices = slices_with_content(sources).nonzero()[0]
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["method", "slice", *keys])
        for method, found in scores.items():
            table.writerow([method, "whole", *(_cell(found.whole[key]) for key in keys)])
            for z in slices:
                table.writerow([method, z, *(_cell(found.per_slice[key][z]) for key in keys)])


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"
