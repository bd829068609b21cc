"""Scores as a table."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from ..metrics import slices_with_content
from ..pipeline import StudyResult

__all__ = ["write_metrics"]


def write_metrics(result: StudyResult, path: Path) -> None:
    """Write ``metrics.csv``: a row for each method and slice, and one a method with slice "whole".

    A slice in which a source shows nothing has no row.  Undefined scores are empty cells.
    """
    keys = list(result.scores[result.recipe.method].per_slice)
    slices = slices_with_content(result.sources).nonzero()[0]
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["method", "slice", *keys])
        for method, scores in result.scores.items():
            table.writerow([method, "whole", *(_cell(scores.whole[key]) for key in keys)])
            for z in slices:
                table.writerow([method, z, *(_cell(scores.per_slice[key][z]) for key in keys)])


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"
