"""Time and memory of reading a CT of 512×512×300 slices, beside the usual ways of reading it.

    python benchmarks/io.py [--repeats 3] [--slices 300]

Each reading runs in a process of its own, the ways in turn; the best time of all repeats counts.
Memory is the highest resident size of the process less that before reading (Linux). The plain
pydicom loop reads the position of each file, sorts, and fills a float32 array in turn by ``dcmread``,
``pixel_array``, slope and intercept, without any check.
"""

# ruff: noqa: PLC0415 - each process imports only what it measures
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

LIMITS = {"time": 1.3, "memory": 1.5}  # ours against the plain pydicom loop


def by_medfuse(path: Path) -> np.ndarray:
    from medfuse import read_volume

    return read_volume(path).array


def by_pydicom(path: Path) -> np.ndarray:
    import pydicom

    def place(file: Path) -> float:
        return float(pydicom.dcmread(file, stop_before_pixels=True).ImagePositionPatient[2])

    files = sorted(path.iterdir(), key=place)
    array = None
    for index, file in enumerate(files):
        dataset = pydicom.dcmread(file)
        values = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        if array is None:
            array = np.empty((len(files), *values.shape), np.float32)
        array[index] = values
    return array


def by_simpleitk(path: Path) -> np.ndarray:
    import SimpleITK

    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(path))
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(names, SimpleITK.sitkFloat32))


def by_nibabel(path: Path) -> np.ndarray:
    import nibabel

    return np.array(nibabel.load(path).get_fdata(dtype=np.float32).T)  # a copy: else the disk is not read yet


WAYS = {
    "dicom": {"medfuse": by_medfuse, "pydicom loop": by_pydicom, "SimpleITK": by_simpleitk},
    "nifti": {"medfuse": by_medfuse, "nibabel": by_nibabel},
}


def measure(kind: str, way: str, path: Path) -> dict[str, float]:
    """Seconds, and MiB beyond what the process needed before."""
    read = WAYS[kind][way]
    import nibabel  # noqa: F401  loading the libraries is not reading
    import pydicom  # noqa: F401
    import SimpleITK  # noqa: F401

    import medfuse

    _ = medfuse.read_volume
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far, which a child inherits, is forgotten
    before = resident("VmRSS")
    start, cpu = time.perf_counter(), time.process_time()
    array = read(path)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    used = resident("VmHWM") - before
    return {
        "seconds": seconds,
        "cpu": cpu,
        "mib": used / 1024,
        "sum": float(array[::10, ::10].sum(dtype=float)),
    }


def resident(name: str) -> int:
    """KiB of memory now (VmRSS) or at its peak (VmHWM); Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def make(folder: Path, slices: int) -> dict[str, Path]:
    from dicom_factory import write_series

    from medfuse import Geometry, Volume, write_volume

    geometry = Geometry((512, 512, slices), (0.7, 0.7, 1.25), (-179, -179, -100))
    generator = np.random.default_rng(0)
    stored = generator.integers(0, 3000, geometry.shape, dtype=np.uint16)
    write_series(folder / "ct", stored, geometry)
    write_volume(Volume(stored.astype(np.float32) - 1024, geometry), folder / "ct.nii")
    return {"dicom": folder / "ct", "nifti": folder / "ct.nii"}


def in_own_process(kind: str, way: str, path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", kind, way, str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        kind, way, path = arguments.one
        print(json.dumps(measure(kind, way, Path(path))))
        return
    with tempfile.TemporaryDirectory() as name:
        paths = make(Path(name), arguments.slices)
        for kind, ways in WAYS.items():
            runs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
            for _ in range(arguments.repeats):
                for way in ways:
                    runs[way].append(in_own_process(kind, way, paths[kind]))
            report(kind, runs)


def report(kind: str, runs: dict[str, list[dict[str, float]]]) -> None:
    best = {way: {key: min(run[key] for run in all_of) for key in all_of[0]} for way, all_of in runs.items()}
    if len({round(one["sum"]) for one in best.values()}) != 1:
        raise SystemExit(f"{kind}: the ways disagree about the values: {best}")
    reference = best["pydicom loop" if kind == "dicom" else "nibabel"]
    print(
        f"\n| {kind} | seconds | CPU seconds | MiB | time ratio | memory ratio |\n|---|---|---|---|---|---|"
    )
    for way, one in best.items():
        print(
            f"| {way} | {one['seconds']:.2f} | {one['cpu']:.2f} | {one['mib']:.0f} | "
            f"{one['seconds'] / reference['seconds']:.2f} | {one['mib'] / reference['mib']:.2f} |"
        )
    if kind == "dicom":
        ours = best["medfuse"]
        for key, figure in (("time", "seconds"), ("memory", "mib")):
            ratio = ours[figure] / reference[figure]
            print(f"{key}: {ratio:.2f} of the plain loop's; limit {LIMITS[key]}: {ratio <= LIMITS[key]}")


if __name__ == "__main__":
    main()
