"""Two batches of the same studies, compared study by study."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import ReadError
from ...io.files import replacing
from ...metrics import METRICS
from ..csv_cells import cell
from .tables import FACTS, read_results

__all__ = ["Comparison", "Difference", "compare", "write_comparison"]

_FEW = 6  # pairs; with fewer the two-sided test cannot reach 0.05
_COLUMNS = (
    "metric", "studies", "mean_1", "mean_2", "mean_difference", "median_difference", "lower_quartile",
    "upper_quartile", "second_better", "p", "p_holm",
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """One metric over the studies that both batches have, second minus first.

    ``second_better`` counts the studies whose score is better in the second batch; None where the metric
    has no better direction.  ``p`` is of Wilcoxon's two-sided signed-rank test (pairs without a
    difference left out; Wilcoxon 1945, doi:10.2307/3001968), ``p_holm`` corrected for the number of
    metrics (Holm 1979); None where there are fewer than 6 pairs that differ.
    """

    metric: str
    studies: int
    mean_1: float
    mean_2: float
    mean_difference: float
    median_difference: float
    lower_quartile: float
    upper_quartile: float
    second_better: int | None
    p: float | None
    p_holm: float | None = None


@dataclass(frozen=True)
class Comparison:
    """All metrics, and what a reader must know before trusting them."""

    differences: tuple[Difference, ...]
    methods: tuple[str, str]
    notes: tuple[str, ...]

    def text(self) -> str:
        """A table for a terminal."""
        rows = [_COLUMNS, *(tuple(map(_short, _values(one))) for one in self.differences)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
        lines = ["  ".join(f"{word:>{w}}" for word, w in zip(row, widths, strict=True)) for row in rows]
        methods = f"1: {self.methods[0]}, 2: {self.methods[1]}; differences are 2 minus 1"
        return "\n".join([methods, *lines, *(f"note: {note}" for note in self.notes)])


def compare(first: Path, second: Path) -> Comparison:
    """Compare the chosen methods' scores of two batches.

    Parameters
    ----------
    first, second:
        Folders of batches over the same studies.

    Raises
    ------
    ReadError
        If one holds no results, or they have no study or no metric in common.
    """
    results = read_results(first), read_results(second)
    common = [study for study in results[0] if study in results[1]]
    if not common:
        raise ReadError(
            f"{first} and {second} have no finished study in common: compare batches of one table"
        )
    columns = [set(next(iter(one.values()))) - set(FACTS) for one in results]
    metrics = [key for key in next(iter(results[0].values())) if key in columns[0] & columns[1]]
    if not metrics:
        raise ReadError(f"{first} and {second} have no metric in common: score both with the same profile")
    differences = [
        _difference(key, [[one[study][key] for study in common] for one in results]) for key in metrics
    ]
    methods = [" + ".join(sorted({one[study]["method"] for study in common})) for one in results]
    return Comparison(
        tuple(_holm([one for one in differences if one])),
        (methods[0], methods[1]),
        (*_notes(results, common), *_untested([one for one in differences if one])),
    )


def write_comparison(comparison: Comparison, path: Path, overwrite: bool = False) -> None:
    """Write a comparison as CSV.

    Raises
    ------
    WriteError
        If the file exists or cannot be written.
    """
    with (
        replacing(path, overwrite) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        table = csv.writer(file)
        table.writerow(_COLUMNS)
        table.writerows([cell(value) for value in _values(one)] for one in comparison.differences)


def _values(one: Difference) -> list[str | float | None]:
    return [getattr(one, name) for name in _COLUMNS]


def _short(value: str | float | None) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _difference(metric: str, texts: Sequence[Sequence[str]]) -> Difference | None:
    """None where no study has the metric in both batches."""
    pairs = np.array([(float(a), float(b)) for a, b in zip(*texts, strict=True) if a and b])
    if not len(pairs):
        return None
    change = pairs[:, 1] - pairs[:, 0]
    lower, median, upper = np.percentile(change, (25, 50, 75))
    known = METRICS.get(metric)
    better = None
    if known is not None and known.higher_is_better is not None:
        better = int(np.count_nonzero(change > 0 if known.higher_is_better else change < 0))
    return Difference(
        metric, len(pairs), float(pairs[:, 0].mean()), float(pairs[:, 1].mean()), float(change.mean()),
        float(median), float(lower), float(upper), better, _wilcoxon(change),
    )  # fmt: skip


def _wilcoxon(change: np.ndarray) -> float | None:
    from scipy.stats import wilcoxon

    change = change[change != 0]
    return float(wilcoxon(change).pvalue) if len(change) >= _FEW else None


def _holm(differences: Sequence[Difference]) -> list[Difference]:
    """With p-values corrected by Holm's step-down procedure."""
    tested = sorted((one.p, i) for i, one in enumerate(differences) if one.p is not None)
    corrected: dict[int, float] = {}
    highest = 0.0
    for rank, (p, i) in enumerate(tested):
        highest = max(highest, min(1.0, p * (len(tested) - rank)))
        corrected[i] = highest
    return [replace(one, p_holm=corrected.get(i)) for i, one in enumerate(differences)]


def _untested(differences: Sequence[Difference]) -> list[str]:
    without = [one.metric for one in differences if one.p is None]
    if not without:
        return []
    return [
        f"no p for {', '.join(without)}: fewer than {_FEW} studies differ, and with so few the test cannot "
        "reach 0.05"
    ]


def _notes(results: Sequence[Mapping[str, Mapping[str, str]]], common: Sequence[str]) -> list[str]:
    notes = []
    for number, one in enumerate(results, start=1):
        if len(one) > len(common):
            notes.append(
                f"{len(one) - len(common)} studies of batch {number} are not in the other, and are left out"
            )
    versions = [sorted({one[study].get("medfuse", "") for study in common} - {""}) for one in results]
    if versions[0] != versions[1]:
        first, second = (", ".join(own) or "an unknown version" for own in versions)
        notes.append(f"batch 1 was made by medfuse {first}, batch 2 by {second}")
    changed = [study for study in common if len({one[study]["inputs"] for one in results}) > 1]
    if changed:
        named = ", ".join(changed[:5]) + (" and more" if len(changed) > 5 else "")
        notes.append(f"{len(changed)} studies have other inputs in batch 2 than in batch 1: {named}")
    return notes
