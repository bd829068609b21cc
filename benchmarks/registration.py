"""How often registration succeeds, how exactly, and whether its verdict knows.

    python benchmarks/registration.py --trials 20 --jobs 2
    python benchmarks/registration.py --trials 20 --pairs phantom-ct-t1 --turn 45 --shift 40

Each trial moves one volume of a registered pair by a random rigid transform (every angle within
±turn, every shift within ±shift), samples it on a new grid with another spacing, crops up to 20 % of
its field of view, adds noise (Rician for MR, normal for CT) and lets `register` find the transform
with no hint.  The error (TRE) is the mean over 300 random points of the body that both volumes show;
a trial succeeds below 2 mm.  Pairs "hopeless-*" have no right answer: every result counts as a failure
that the verdict has to find.  CPU seconds are those of `register` alone, in one thread; memory is what
it adds to the peak of the process.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter

from medfuse import Geometry, Volume, register, resample
from medfuse.phantom import Head, render

SUCCESS_MM = 2.0
DATA = Path(os.environ.get("MEDFUSE_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
TEMPLATES = DATA / "volumes" / "mni_templates"


@dataclass(frozen=True)
class Row:
    """One trial."""

    pair: str
    trial: int
    tre: float
    verdict: str
    reasons: tuple[str, ...]
    figures: dict[str, float]
    cpu_seconds: float
    megabytes: float

    @property
    def succeeded(self) -> bool:
        return self.tre < SUCCESS_MM


Scanner = Callable[[Geometry, SimpleITK.Transform, np.random.Generator], Volume]


@dataclass(frozen=True)
class Pair:
    """A fixed volume, and how its partner is scanned: ``scan(grid, pose, rng)``, by default on ``grid``."""

    fixed: Volume
    grid: Geometry
    scan: Scanner


def template(name: str) -> Volume:
    image = SimpleITK.ReadImage(str(TEMPLATES / f"{name}.nii"), SimpleITK.sitkFloat32)
    return Volume.from_sitk(image, "CT" if name == "scct" else "MR")


def templates(fixed: Volume, moving: Volume, rng: np.random.Generator) -> Pair:
    """Volumes on one grid; the moving one is scanned by resampling it."""

    def scan(grid: Geometry, pose: SimpleITK.Transform, rng: np.random.Generator) -> Volume:
        return noisy(resample(moving, grid, pose.GetInverse()), rng)

    return Pair(noisy(fixed, rng), moving.geometry, scan)


def simulated_ct() -> tuple[Volume, Volume]:
    """A CT made from the T1 template, so that the truth is exact.

    (The CT template comes from other people: mutual information sees it 1.6 mm off the T1 template.)
    Air around the body, bone where the head is dark near its surface, soft tissue with little contrast.
    """
    t1 = template("avg152T1")
    body = binary_fill_holes(t1.array > 0.12)
    depth = distance_transform_edt(body, sampling=t1.geometry.spacing[::-1])
    bone = body & (depth > 3) & (depth < 18) & (gaussian_filter(t1.array, 0.5) < 0.32)
    soft = 60 - 60 * np.abs(t1.array - 0.6)
    hounsfield = np.where(bone, 900, np.where(body, soft, -1000))
    return replace(t1, array=gaussian_filter(hounsfield, 0.4), modality="CT"), t1


def phantom(fixed: str, moving: str, slices: int, rng: np.random.Generator) -> Pair:
    """Two scans of one generated head; every trial has another head.  ``slices`` of 4 mm."""
    head = Head(int(rng.integers(1_000_000)))
    grid = Geometry((96, 108, 50), (2.0, 2.0, 3.5), (-95, -100, -70))
    other = Geometry((96, 108, slices), (2.0, 2.0, 4.0), (-95, -100, 12 - 2 * slices))

    def scan(grid: Geometry, pose: SimpleITK.Transform, rng: np.random.Generator) -> Volume:
        return render(moving, grid, matrix_of(pose), head, seed=int(rng.integers(1_000_000)))

    return Pair(render(fixed, grid, head=head, seed=int(rng.integers(1_000_000))), other, scan)


def matrix_of(pose: SimpleITK.Transform) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = pose.TransformPoint((0, 0, 0))
    for axis, unit in enumerate(np.eye(3).tolist()):
        matrix[:3, axis] = np.asarray(pose.TransformPoint(unit)) - matrix[:3, 3]
    return matrix


def pure_noise(rng: np.random.Generator) -> Volume:
    geometry = template("avg152T1").geometry
    noise = gaussian_filter(rng.normal(size=geometry.shape), 1.5)
    return Volume(noise - noise.min(), geometry, "MR")


def torso(name: str) -> Volume:
    path = DATA / "volumes" / "totalseg" / f"example_{name}_sm.nii.gz"
    image = SimpleITK.ReadImage(str(path), SimpleITK.sitkFloat32)
    return Volume.from_sitk(image, "CT" if name == "ct" else "MR")


PAIRS: dict[str, Callable[[np.random.Generator], Pair]] = {
    "phantom-ct-t1": lambda rng: phantom("CT", "T1", 40, rng),
    "phantom-t1-t2": lambda rng: phantom("T1", "T2", 40, rng),
    "phantom-ct-t2-slab": lambda rng: phantom("CT", "T2", 14, rng),
    "template-ct-t1": lambda rng: templates(*simulated_ct(), rng),
    "template-t1-pd": lambda rng: templates(template("avg152T1"), template("avg152PD"), rng),
    "template-t1-t2": lambda rng: templates(template("avg152T1"), template("avg152T2"), rng),
    "hopeless-noise": lambda rng: templates(simulated_ct()[0], pure_noise(rng), rng),
    "hopeless-region": lambda rng: templates(simulated_ct()[0], torso("mr"), rng),
    "hopeless-patient": lambda rng: templates(torso("ct"), torso("mr"), rng),
}


def random_pose(
    centre: np.ndarray, rng: np.random.Generator, turn: float, shift: float
) -> SimpleITK.Transform:
    pose = SimpleITK.Euler3DTransform()
    pose.SetCenter(centre.tolist())
    pose.SetRotation(*np.radians(rng.uniform(-turn, turn, 3)).tolist())
    pose.SetTranslation(rng.uniform(-shift, shift, 3).tolist())
    return pose


def new_grid(old: Geometry, pose: SimpleITK.Transform, rng: np.random.Generator) -> Geometry:
    """A grid of another spacing around where ``pose`` takes the old one, up to 20 % cropped per axis."""
    spacing = rng.uniform(0.8, 1.5, 3) * old.spacing
    extent = np.asarray(old.size) * old.spacing
    low, high = rng.uniform(0, 0.1, 3) * extent, rng.uniform(0.9, 1, 3) * extent
    size = np.maximum(np.floor((high - low) / spacing), 2).astype(int)
    middle = np.asarray(pose.TransformPoint(old.centre.tolist()))
    origin = middle + np.asarray(old.direction) @ (low - extent / 2 + spacing / 2)
    return Geometry(tuple(size.tolist()), tuple(spacing), tuple(origin), old.direction)


def noisy(volume: Volume, rng: np.random.Generator) -> Volume:
    """Normal noise of 20 HU, or Rician noise of 1 to 5 % of the brightest values."""
    if volume.modality == "CT":
        return volume.with_array(volume.array + rng.normal(scale=20, size=volume.array.shape))
    sigma = rng.uniform(0.01, 0.05) * np.percentile(volume.measured(), 99.5)
    real, imaginary = rng.normal(scale=sigma, size=(2, *volume.array.shape))
    return volume.with_array(np.hypot(volume.array + real, imaginary))


def body_points(
    fixed: Volume, moving: Volume, pose: SimpleITK.Transform, rng: np.random.Generator
) -> np.ndarray:
    """300 world points of the fixed body that the moving volume shows as well."""
    bright = np.argwhere(fixed.array > np.percentile(fixed.measured(), 60))[:, ::-1]
    points = fixed.geometry.world(rng.permutation(bright)[:6000])
    index = moving.geometry.index([pose.TransformPoint(point) for point in points.tolist()])
    shown = ((index >= 0) & (index <= np.asarray(moving.geometry.size) - 1)).all(axis=1)
    return points[shown][:300]


def make_trial(
    pair: str, rng: np.random.Generator, turn: float, shift: float
) -> tuple[Volume, Volume, SimpleITK.Transform]:
    """A fixed volume, its partner scanned elsewhere, and the true transform between them."""
    made = PAIRS[pair](rng)
    pose = random_pose(made.grid.centre, rng, turn, shift)
    return made.fixed, made.scan(new_grid(made.grid, pose, rng), pose, rng), pose


def trial(pair: str, number: int, turn: float, shift: float) -> Row:
    rng = np.random.default_rng([number, *pair.encode()])
    fixed, moving, pose = make_trial(pair, rng, turn, shift)
    points = body_points(fixed, moving, pose, rng).tolist()
    memory, clock = peak_megabytes(), time.process_time()
    result = register(fixed, moving)
    seconds = time.process_time() - clock
    found = np.array([result.transform.TransformPoint(point) for point in points])
    true = np.array([pose.TransformPoint(point) for point in points])
    tre = np.linalg.norm(found - true, axis=1).mean()
    if pair.startswith("hopeless"):
        tre = np.inf
    figures = dict(result.figures)
    return Row(
        pair, number, float(tre), result.verdict, result.reasons, figures, seconds, peak_megabytes() - memory
    )


def peak_megabytes() -> float:
    """The most memory this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def run(pairs: list[str], trials: int, jobs: int, turn: float, shift: float) -> Iterator[Row]:
    tasks = [(pair, number, turn, shift) for number in range(trials) for pair in pairs]
    # A fresh process for each trial, so that its peak memory is its own.
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
        yield from pool.imap(_trial, tasks)


def _trial(task: tuple[str, int, float, float]) -> Row:
    return trial(*task)


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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=20, help="trials of each pair")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--pairs", nargs="+", choices=list(PAIRS), default=list(PAIRS))
    parser.add_argument("--turn", type=float, default=20, help="largest angle about each axis, degrees")
    parser.add_argument("--shift", type=float, default=20, help="largest shift along each axis, mm")
    parser.add_argument("--rows", type=Path, help="also append every trial to this file, as a line of JSON")
    options = parser.parse_args()
    rows = []
    for row in run(options.pairs, options.trials, options.jobs, options.turn, options.shift):
        rows.append(row)
        print(f"{row.pair} {row.trial}: {row.tre:.2f} mm, {row.verdict}", file=sys.stderr, flush=True)
        if options.rows:
            with options.rows.open("a") as file:
                file.write(json.dumps(asdict(row)) + "\n")
    print(f"`python benchmarks/registration.py {' '.join(sys.argv[1:])}`\n\n{table(rows)}")


if __name__ == "__main__":
    main()
