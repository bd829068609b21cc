"""Seconds of each fusion method for a slice, and how much of the machine its network uses.

    python benchmarks/methods.py
    python benchmarks/methods.py --threads 2 --size 256 --slices 8 --methods gff ifcnn
    python benchmarks/methods.py --threads 1 --processor-time      # on a machine that does other work

Two generated sources of 256×256; the wall time of a stack, from the first slice to the last and without
loading weights, divided by its slices; the best of several runs.  Weights are random: they do not change
the time.  Beside it the multiply–adds of the convolutions and matrix products of a slice, as torch
counts them, and the share of this machine's measured rate of float32 matrix products that they reach (a
convolution by Winograd's algorithm can seem to reach more than it does).
Prints Markdown for benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch.utils.flop_counter import FlopCounterMode

from medfuse.fusion import METHODS, make_method, parameters_of
from medfuse.fusion.networks.architectures.densefuse import DenseFuseNetwork
from medfuse.fusion.networks.architectures.ifcnn import IFCNNNetwork
from medfuse.fusion.networks.torchvision_operators import import_torchvision

BACKBONES = ("resnet50", "squeezenet1_0", "vgg16")


class Case(NamedTuple):
    """One row: a method with parameters; ``network`` names the weights that it needs."""

    key: str
    values: Mapping[str, str] = MappingProxyType({})
    network: str = ""

    @property
    def label(self) -> str:
        shown = ",".join(f"{name}={value}" for name, value in self.values.items())
        return f"{self.key}:{shown}" if shown else self.key


def cases() -> Iterator[Case]:
    special = {
        "dip": [Case("dip", {"preset": "fast"})],
        "vgg": [Case("vgg", {}, "vgg19")],
        "zero_learning": [Case("zero_learning", {"backbone": name}, name) for name in BACKBONES],
        "ifcnn": [Case("ifcnn", {}, "ifcnn")],
        "densefuse": [
            Case("densefuse", {}, "densefuse"),
            Case("densefuse", {"rule": "l1"}, "densefuse"),
        ],
    }
    for key in METHODS:
        yield from special.get(key, [Case(key)])


def random_weights(network: str, folder: Path) -> Path:
    """A file with random weights for a network."""
    path = folder / f"{network}.pth"
    if not path.exists():
        own = {"ifcnn": lambda: IFCNNNetwork("max"), "densefuse": DenseFuseNetwork}
        build = own.get(network) or (lambda: import_torchvision().models.get_model(network, weights=None))
        torch.save(build().state_dict(), path)
    return path


def images(slices: int, size: int) -> np.ndarray:
    noise = np.random.default_rng(0).random((2, slices, size, size))
    smooth = gaussian_filter(noise, (0, 0, 2, 2))
    return ((smooth - smooth.min()) / np.ptp(smooth)).astype(np.float32)


def seconds_per_slice(method, sources: np.ndarray, clock: Callable[[], float]) -> float:
    """From the first word of progress, which comes when weights are loaded, to the result."""
    started: list[float] = []
    method(sources, lambda *_: started.append(clock()))  # the result is on the CPU: nothing is pending
    return (clock() - started[0]) / sources.shape[1]


def matrix_rate(device: str, clock: Callable[[], float]) -> float:
    """Multiply–adds a second of a large float32 matrix product; the best of ten."""
    size = 2048 if device == "cpu" else 8192
    a = torch.rand(size, size, device=device)
    best = 0.0
    for _ in range(10):
        start = clock()
        a @ a
        if device != "cpu":
            torch.cuda.synchronize()
        best = max(best, size**3 / (clock() - start))
    return best


def measure(
    case: Case, device: str, sources: np.ndarray, arguments: argparse.Namespace, folder: Path
) -> tuple[float, float]:
    """Seconds and multiply–adds for a slice."""
    values = dict(case.values)
    preset = values.pop("preset", None)
    known = parameters_of(METHODS[case.key])
    if "device" in known:
        values["device"] = device
    if case.network:
        values["weights"] = str(random_weights(case.network, folder))
    method = make_method(METHODS[case.key], values, preset)
    with FlopCounterMode(display=False) as counter:
        method(sources[:, :1])
    seconds = min(seconds_per_slice(method, sources, arguments.clock) for _ in range(arguments.runs))
    return seconds, counter.get_total_flops() / 2


def table(device: str, arguments: argparse.Namespace, folder: Path) -> Iterator[str]:
    rate = matrix_rate(device, arguments.clock)
    sources = images(arguments.slices, arguments.size)
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    threads = f"{arguments.threads} threads, " if device == "cpu" else ""
    load = f"; load average {os.getloadavg()[0]:.1f} of {os.cpu_count()}" if hasattr(os, "getloadavg") else ""
    clock = "processor time" if arguments.clock is time.process_time else "wall time"
    yield f"{name}, {threads}{clock}, torch {torch.__version__}, matrices {rate / 1e9:.0f} GMAC/s{load}."
    yield ""
    yield f"| method | s per {arguments.size}×{arguments.size} slice | GMAC | share of the matrix rate |"
    yield "|---|--:|--:|--:|"
    for case in cases():
        if arguments.methods and case.key not in arguments.methods:
            continue
        if device == "cuda" and "device" not in parameters_of(METHODS[case.key]):
            continue
        stack = sources[:, :1] if case.key == "dip" else sources
        seconds, work = measure(case, device, stack, arguments, folder)
        network = f"{work / 1e9:.2f} | {work / seconds / rate:.0%}" if work else "– | –"
        yield f"| `{case.label}` | {seconds:.3g} | {network} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS))
    parser.add_argument(
        "--processor-time",
        dest="clock",
        action="store_const",
        const=time.process_time,
        default=time.perf_counter,
        help="of all threads together, which other work on the machine disturbs less than wall time",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
            for line in table(device, arguments, Path(folder)):
                print(line, flush=True)
            print()


if __name__ == "__main__":
    main()
