"""What a batch costs beyond the work in it, how it scales, and whether its memory stays flat.

    export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1
    python benchmarks/batch.py                  # all
    python benchmarks/batch.py overhead --studies 40

Prints Markdown.  ``overhead`` and ``speed-up`` compare with the same studies run one after the other in
this process; ``memory`` runs many tiny studies; ``page`` opens the page of many studies in Chromium.
The workers use one thread each.  Needs an idle machine with two cores or more.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import shutil
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from medfuse import Geometry, InputVolume, Recipe, Study, run_study, write_result, write_volume
from medfuse.batch import Limits, Planned, run_batch
from medfuse.batch.results.tables import write_outputs
from medfuse.batch.running.child import _children
from medfuse.batch.running.memory import resident_bytes
from medfuse.phantom import Head, render

RECIPE = Recipe(method="pca", registration="none")
TINY = Geometry((12, 12, 1), (18.0, 18.0, 10.0), (-99.0, -99.0, 10.0))
SMALL = Geometry((64, 72, 24), (3.4, 3.2, 6.0), (-107.0, -112.0, -60.0))


def main() -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
        if os.environ.get(name) != "1":  # read when libraries are loaded: set before the start
            raise SystemExit(f"run with {name}=1, as the workers do")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="*", default=["overhead", "speed-up", "memory", "page"])
    parser.add_argument("--studies", type=int, default=20, help="for overhead and speed-up")
    parser.add_argument("--tiny", type=int, default=1000, help="studies for memory")
    parser.add_argument("--page", type=int, default=2000, help="studies for the page")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start\n")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if {"overhead", "speed-up"} & set(options.what):
            scaling(place, options.studies)
        if "memory" in options.what:
            memory(place, options.tiny)
        if "page" in options.what:
            page(place, options.page)


def make_studies(folder: Path, grid: Geometry, n: int, distinct: int) -> list[Planned]:
    """``n`` studies over ``distinct`` pairs of volumes."""
    folder.mkdir(exist_ok=True)
    head = Head()
    pairs = []
    for i in range(distinct):
        paths = [folder / f"{i}_{contrast}.nii.gz" for contrast in ("CT", "T1")]
        for path, contrast in zip(paths, ("CT", "T1"), strict=True):
            if not path.exists():
                write_volume(render(contrast, grid, head=head, seed=i), path)
        pairs.append(Study(InputVolume(paths[0], "CT"), InputVolume(paths[1], "MR")))
    return [Planned(f"s{i:04d}", pairs[i % distinct]) for i in range(n)]


def scaling(place: Path, n: int) -> None:
    studies = make_studies(place / "small", SMALL, n, 2)
    run_alone(studies[:1], place / "warm")  # imports
    alone = run_alone(studies, place / "alone")
    print("| | seconds | per study | CPU per study | |\n|---|---|---|---|---|")
    show("one after the other in one process", alone, n)
    one = run_in_batch(studies, place / "jobs1", 1)
    more = Cost(*(b - a for a, b in zip(alone, one, strict=True)))
    show("batch, 1 worker", one, n, f"{more.wall / n:+.3f} s a study, {more.cpu / n:+.3f} s of CPU")
    two = run_in_batch(studies, place / "jobs2", 2)
    show("batch, 2 workers", two, n, f"speed-up {one.wall / two.wall:.2f}")
    show("started again, all kept", run_in_batch(studies, place / "jobs2", 2), n)
    print()


class Cost(NamedTuple):
    """Seconds on the clock, and of all processors, in this process and those it has ended."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Cost:
        return cls(time.perf_counter(), sum(os.times()[:4]))

    def until_now(self) -> Cost:
        return Cost(*(b - a for a, b in zip(self, Cost.now(), strict=True)))


def show(name: str, cost: Cost, n: int, words: str = "") -> None:
    print(f"| {name} | {cost.wall:.1f} | {cost.wall / n:.3f} | {cost.cpu / n:.3f} | {words} |")


def run_alone(studies: list[Planned], out: Path) -> Cost:
    out.mkdir()
    start = Cost.now()
    for one in studies:
        write_result(run_study(one.study, RECIPE), out / one.name)
    return start.until_now()


def run_in_batch(studies: list[Planned], out: Path, jobs: int) -> Cost:
    start = Cost.now()
    with ThreadPoolExecutor(jobs) as pool:
        result = run_batch(studies, RECIPE, out, pool)
    if result.failed:
        raise SystemExit(f"studies failed: {result.failed[0]}")
    return start.until_now()


def memory(place: Path, n: int) -> None:
    """Resident memory of the batch and of its worker while many tiny studies run."""
    studies = make_studies(place / "tiny", TINY, n, 2)
    samples: list[tuple[float, int, int]] = []
    done = threading.Event()
    fraction = [0.0]

    def watch() -> None:
        while not done.wait(0.5):
            worker = max((resident_bytes(child._process.pid) for child in list(_children)), default=0)
            samples.append((fraction[0], resident_bytes(os.getpid()), worker))

    thread = threading.Thread(target=watch)
    thread.start()
    start = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        run_batch(
            studies, Recipe(method="average", registration="none"), place / "memory", pool,
            limits=Limits(threads=1), progress=lambda f, _: fraction.__setitem__(0, f),
        )  # fmt: skip
    done.set()
    thread.join()
    print(f"{n} tiny studies in {time.perf_counter() - start:.0f} s; MiB resident:\n")
    print("| studies done | batch | worker |\n|---|---|---|")
    for part in (0.05, 0.1, 0.25, 0.5, 0.75, 1.0):
        at = [one for one in samples if one[0] <= part and one[2]]
        if at:
            print(f"| {at[-1][0] * n:.0f} | {at[-1][1] >> 20} | {at[-1][2] >> 20} |")
    print()


def page(place: Path, n: int) -> None:
    """Time for Chromium to load and lay out the page of ``n`` studies, with a picture of its own in each."""
    from selenium import webdriver  # noqa: PLC0415 - for this part only

    rng = np.random.default_rng(0)
    rows = []
    for i in range(n):
        blob = io.BytesIO()
        small = rng.integers(0, 255, (9, 8), np.uint8)
        Image.fromarray(small).resize((60, 72), Image.Resampling.BICUBIC).save(blob, "JPEG", quality=72)
        scores = {key: dict(zip(("pe", "q", "mi", "cv", "nabf", "viff"), rng.random(6).tolist(), strict=True))
                  for key in ("dip", "average", "maximum", "pca")}  # fmt: skip
        rows.append({
            "study": f"P{i:010x}-{i:06x}", "status": "done", "inputs": [], "method": "dip", "scores": scores,
            "registrations": [{"verdict": "ok", "reasons": []}], "warnings": [], "seconds": float(i % 90),
            "thumbnail": "data:image/jpeg;base64," + base64.b64encode(blob.getvalue()).decode(),
            "report": f"{i}/report.html",
        })  # fmt: skip
    out = place / "page"
    out.mkdir()
    start = time.perf_counter()
    write_outputs(out, rows)
    size = (out / "index.html").stat().st_size / 1e6
    print(
        f"page of {n} studies: {size:.1f} MB, written in {time.perf_counter() - start:.1f} s; in Chromium:\n"
    )
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (
        "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync",
        "disable-background-networking", "disable-component-update", "window-size=1300,1000",
        f"user-data-dir={place / 'browser'}",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    with webdriver.Chrome(options=options, service=service) as browser:
        for _ in range(3):
            browser.get("about:blank")
            start = time.perf_counter()
            browser.get((out / "index.html").as_uri())
            browser.execute_script("return document.getElementById('studies').offsetHeight")
            loaded = time.perf_counter() - start
            sorting = browser.execute_script(
                "const t = performance.now(); document.querySelectorAll('#studies th button')[3].click();"
                "document.getElementById('studies').offsetHeight; return performance.now() - t"
            )
            print(f"- loaded and laid out in {loaded:.2f} s, sorted in {sorting / 1000:.2f} s")


if __name__ == "__main__":
    main()
