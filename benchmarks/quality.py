"""Scores of every method on pairs of images: one table for each profile of metrics.

    python benchmarks/quality.py
    python benchmarks/quality.py --pairs CT MR --methods average gff ifcnn:rule=mean --profile ma2021
    python benchmarks/quality.py --methods zero_learning:backbone=squeezenet1_0,depth=2 --csv scores.csv

Without --pairs it takes the pairs c01 to c04 of the shared data ($MEDFUSE_TEST_DATA); with it, all images
that have the same name in both folders.  A method is a key, and after a colon its parameters and its
preset.  Each value is the mean over the pairs; --csv keeps every one.  A method whose weights are not on
this machine is left out, and the table says so.  The best of a column is bold, where one direction is
better: that plain `maximum` and `average` win several of them says more about the metric than about
the image.  Prints Markdown for benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from medfuse.errors import WeightsError
from medfuse.fusion import METHODS, FusionMethod, make_method
from medfuse.io.formats.images import read_image
from medfuse.metrics import METRICS, PROFILES, evaluate

DATA = Path(os.environ.get("MEDFUSE_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
PAPERS = ("ma2021", "li2018", "zhang2020", "lahoud2019")
ARROW = {True: " ↑", False: " ↓", None: ""}

Row = tuple[str, str, str, float]
"""Method, pair, metric, value."""


def shared_pairs() -> Iterator[tuple[str, np.ndarray]]:
    folder = DATA / "pairs2d" / "medical"
    for name in ("c01", "c02", "c03", "c04"):
        yield name, np.stack([read_image(folder / f"{name}_{i}.tif")[None] for i in (1, 2)])


def pairs_of(first: Path, second: Path) -> Iterator[tuple[str, np.ndarray]]:
    names = sorted({path.name for path in first.iterdir()} & {path.name for path in second.iterdir()})
    if not names:
        sys.exit(f"{first} and {second} have no file name in common")
    for name in names:
        yield Path(name).stem, np.stack([read_image(folder / name)[None] for folder in (first, second)])


def method_of(text: str) -> FusionMethod:
    key, _, rest = text.partition(":")
    values = dict(part.split("=", 1) for part in rest.split(",") if part)
    preset = values.pop("preset", "auto")
    return make_method(METHODS[key], values, preset)


def score(texts: list[str], pairs: list[tuple[str, np.ndarray]], metrics: list[str]) -> Iterator[Row]:
    for text in texts:
        for name, sources in pairs:
            print(f"{text} on {name}", file=sys.stderr)
            try:
                fused = method_of(text)(sources).array
            except WeightsError as error:
                print(f"left out: {error}", file=sys.stderr)
                break
            for metric, values in evaluate(sources, fused, metrics).per_slice.items():
                yield text, name, metric, float(values[0])


def table(rows: list[Row], texts: list[str], metrics: tuple[str, ...]) -> Iterator[str]:
    """A table in Markdown: methods by metrics, the mean over the pairs where a metric is defined."""
    means = {
        (text, metric): mean([value for t, _, m, value in rows if (t, m) == (text, metric)])
        for text in texts
        for metric in metrics
    }
    best = {metric: best_of([means[text, metric] for text in texts], metric) for metric in metrics}
    yield "| method | " + " | ".join(f"{m}{ARROW[METRICS[m].higher_is_better]}" for m in metrics) + " |"
    yield "|---|" + "--:|" * len(metrics)
    for text in texts:
        if all(math.isnan(means[text, metric]) for metric in metrics):
            yield f"| `{text}` | " + " | ".join("–" for _ in metrics) + " |"
            continue
        cells = (cell(means[text, metric], best[metric]) for metric in metrics)
        yield f"| `{text}` | " + " | ".join(cells) + " |"


def mean(values: list[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def best_of(values: list[float], metric: str) -> float:
    higher = METRICS[metric].higher_is_better
    defined = [value for value in values if not math.isnan(value)]
    if higher is None or not defined:
        return math.nan
    return max(defined) if higher else min(defined)


def cell(value: float, best: float) -> str:
    text = "–" if math.isnan(value) else f"{value:.4g}"
    return f"**{text}**" if value == best else text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", nargs=2, type=Path, metavar=("DIR_A", "DIR_B"))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), metavar="KEY[:NAME=VALUE,...]")
    parser.add_argument("--profile", nargs="+", default=list(PAPERS), choices=list(PROFILES))
    parser.add_argument("--csv", type=Path, metavar="FILE")
    arguments = parser.parse_args()

    pairs = list(pairs_of(*arguments.pairs) if arguments.pairs else shared_pairs())
    metrics = list(dict.fromkeys(metric for name in arguments.profile for metric in PROFILES[name]))
    rows = list(score(arguments.methods, pairs, metrics))
    if arguments.csv:
        with arguments.csv.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("method", "pair", "metric", "value"), *rows])
    print(f"Mean over {len(pairs)} pairs ({', '.join(name for name, _ in pairs)}).")
    for name in arguments.profile:
        print(f"\n#### Profile `{name}`\n")
        print("\n".join(table(rows, arguments.methods, PROFILES[name])))


if __name__ == "__main__":
    main()
