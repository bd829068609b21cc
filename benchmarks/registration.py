"""How often registration succeeds, how exactly, and whether its verdict knows.

    python benchmarks/registration.py --trials 20 --jobs 2
    python benchmarks/registration.py --pairs hard hopeless --trials 10
    python benchmarks/registration.py --pairs ct-t1 t1-t2 --rotation 45 --translation 40
    python benchmarks/registration.py --first 9000 --trials 6 --pairs usual hard --rows trials.jsonl
    python benchmarks/registration.py --summary trials.jsonl

Each trial moves one volume of a registered pair by a random transform (every angle within ±rotation,
every coordinate of its translation within ±translation), samples it on a new grid with another spacing,
crops up to 20 % of its field of view, adds noise and lets `register` find the transform.
The error (TRE) is the mean over 300 random points of the body that both volumes show; a trial is right
up to 2 mm, or up to the edge of a cube as large as the larger voxels of the two.  Pairs "hopeless-*" have no
right answer: every result counts as a failure that the verdict has to find.  CPU seconds are those of
`register` alone, in one thread; memory is what it adds to the peak of the process.

A trial's number is its seed.  With `--rows` every trial is appended to a file as it ends, and those that are
there already are not repeated, so that a long run can be stopped and continued; `--summary` makes the tables
of such files.

Heads and bodies are generated, each trial with another one; "template-*", "totalseg-*", "hard-cord-*",
"hopeless-*" and "mridir" need the real data under $MEDFUSE_TEST_DATA or ../shared/data.  Ultrasound starts
from a pose that is 6 to 15 mm off; "us-far" from one that is 40 to 60 mm off: with "beyond-*" nobody promises
a success, but every failure has to be flagged.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from registration_bodies import BODIES
from registration_heads import HEADS
from registration_trials import Maker, Motion, Rng, Trial

from medfuse import register
from medfuse.errors import RegistrationError
from medfuse.registration.voxel_sizes import resolution
from medfuse.transforms import transform_points

SUCCESS_MM = 2.0
PAIRS: dict[str, Maker] = {**HEADS, **BODIES}
PREFIXES = ("hard", "beyond", "hopeless")
GROUPS = {
    "usual": [name for name in PAIRS if not name.startswith(PREFIXES)],
    **{prefix: [name for name in PAIRS if name.startswith(prefix)] for prefix in PREFIXES},
}


@dataclass(frozen=True)
class Row:
    """One trial; ``limit`` is the largest error in mm that is right."""

    pair: str
    trial: int
    tre: float
    verdict: str
    reasons: tuple[str, ...]
    figures: dict[str, float]
    cpu_seconds: float
    megabytes: float
    limit: float = SUCCESS_MM

    @property
    def succeeded(self) -> bool:
        return self.tre <= self.limit

    @property
    def group(self) -> str:
        return next((prefix for prefix in PREFIXES if self.pair.startswith(prefix)), "usual")


def body_points(trial: Trial, rng: Rng) -> np.ndarray:
    """300 world points of the fixed body that the moving volume shows as well."""
    bright = np.argwhere(trial.fixed.array > np.percentile(trial.fixed.measured(), 60))[:, ::-1]
    points = trial.fixed.geometry.world(rng.permutation(bright)[:6000])
    index = np.rint(trial.moving.geometry.index(trial.truth(points))).astype(int)
    size = np.asarray(trial.moving.geometry.size)
    shown = ((index >= 0) & (index < size)).all(axis=1)
    if trial.moving.valid is not None:
        x, y, z = np.clip(index, 0, size - 1).T
        shown &= trial.moving.valid[z, y, x]
    return points[shown][:300]


def run_trial(pair: str, number: int, motion: Motion) -> Row:
    rng = np.random.default_rng([number, *pair.encode()])
    trial = PAIRS[pair](rng, motion)
    limit = max(SUCCESS_MM, *(resolution(one.geometry) for one in (trial.fixed, trial.moving)))
    memory, clock = peak_megabytes(), time.process_time()
    try:
        result = register(trial.fixed, trial.moving, **trial.options)
    except RegistrationError as error:  # nothing overlapped: as good as a verdict
        spent = time.process_time() - clock
        return Row(pair, number, np.inf, "failed", (str(error),), {}, spent, peak_megabytes() - memory, limit)
    seconds = time.process_time() - clock
    memory = peak_megabytes() - memory
    figures = dict(result.figures)
    if pair.startswith("hopeless"):
        tre = np.inf
    elif pair == "mridir":
        tre = 0.0 if abs(figures["rotation_deg"] - 178) < 1.5 else np.inf
    else:
        points = body_points(trial, rng)
        found = transform_points(result.transform, points)
        tre = float(np.linalg.norm(found - trial.truth(points), axis=1).mean())
    return Row(pair, number, tre, result.verdict, result.reasons, figures, seconds, memory, limit)


def peak_megabytes() -> float:
    """The most memory this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def run(tasks: list[tuple[str, int, Motion]], jobs: int) -> Iterator[Row]:
    # A fresh process for each trial, so that its peak memory is its own.
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
        yield from pool.imap(_run_trial, tasks)


def _run_trial(task: tuple[str, int, Motion]) -> Row:
    return run_trial(*task)


def table(rows: list[Row]) -> str:
    head = (
        "| pair | success | median TRE | worst TRE | CPU s | memory | successes doubted | failures flagged |"
    )
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for pair in dict.fromkeys(row.pair for row in rows):
        mine = [row for row in rows if row.pair == pair]
        good, bad = [r for r in mine if r.succeeded], [r for r in mine if not r.succeeded]
        tre = [row.tre for row in mine]
        doubted, flagged = sum(r.verdict != "ok" for r in good), sum(r.verdict != "ok" for r in bad)
        lines.append(
            f"| {pair} | {len(good)}/{len(mine)} | {np.median(tre):.2f} mm | {max(tre):.2f} mm "
            f"| {np.median([r.cpu_seconds for r in mine]):.1f} | +{max(r.megabytes for r in mine):.0f} MB "
            f"| {doubted}/{len(good)} | {flagged}/{len(bad)} |"
        )
    return "\n".join(lines)


def truth_table(rows: list[Row]) -> str:
    """The verdict against the truth, by groups of pairs."""
    lines = ["| pairs | truth | ok | doubtful | failed | right |", "|---|---|---|---|---|---|"]
    for group in dict.fromkeys(row.group for row in rows):
        mine = [row for row in rows if row.group == group]
        for name, wanted in (("right", True), ("wrong", False)):
            verdicts = [row.verdict for row in mine if row.succeeded == wanted]
            counts = " | ".join(str(verdicts.count(one)) for one in ("ok", "doubtful", "failed"))
            lines.append(f"| {group} | {name} | {counts} | {len(verdicts) / len(mine):.0%} |")
    return "\n".join(lines)


def rows_of(path: Path) -> list[Row]:
    return [Row(**json.loads(line)) for line in path.read_text().splitlines()]


def summary(rows: list[Row]) -> str:
    wrong = [f"{r.pair} {r.trial}: {r.tre:.1f} mm" for r in rows if not r.succeeded and r.verdict == "ok"]
    silent = f"Wrong and called ok ({len(wrong)}): {', '.join(wrong) or 'none'}"
    return f"{table(rows)}\n\n{truth_table(rows)}\n\n{silent}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=10, help="trials of each pair")
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first trial; each number is another move"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument(
        "--pairs", nargs="+", choices=[*GROUPS, *PAIRS], default=["usual", "hopeless"], help="pairs or groups"
    )
    parser.add_argument("--rotation", type=float, default=20, help="largest angle about each axis, degrees")
    parser.add_argument("--translation", type=float, default=20, help="largest shift along each axis, mm")
    parser.add_argument("--rows", type=Path, help="append every trial to this file; skip those it holds")
    parser.add_argument("--summary", nargs="+", type=Path, help="run nothing: the tables of these files")
    options = parser.parse_args()
    if options.summary:
        print(summary([row for path in options.summary for row in rows_of(path)]))
        return
    pairs = [name for chosen in options.pairs for name in GROUPS.get(chosen, [chosen])]
    rows = rows_of(options.rows) if options.rows and options.rows.exists() else []
    done = {(row.pair, row.trial) for row in rows}
    numbers = range(options.first, options.first + options.trials)
    motion = Motion(options.rotation, options.translation)
    tasks = [
        (pair, number, motion)
        for number in numbers
        for pair in pairs
        if (pair, number) not in done and (pair != "mridir" or number == numbers[0])
    ]
    for row in run(tasks, options.jobs):
        rows.append(row)
        print(f"{row.pair} {row.trial}: {row.tre:.2f} mm, {row.verdict}", file=sys.stderr, flush=True)
        if options.rows:
            with options.rows.open("a") as file:
                file.write(json.dumps(asdict(row)) + "\n")
    print(f"`python benchmarks/registration.py {' '.join(sys.argv[1:])}`\n")
    print(summary(rows))


if __name__ == "__main__":
    main()
