"""The deep image prior: how fast, how good, and whether it earns its place beside its rivals.

    python benchmarks/dip.py                                  # clean phantom volume, 256×256×20
    python benchmarks/dip.py --noise 0.1 --slices 1           # noise of this deviation in both sources
    python benchmarks/dip.py --speckle 0.2 --pair A B         # two images or volumes on one grid
    python benchmarks/dip.py --cases --size 128              # the table of noise levels on several pairs
    python benchmarks/dip.py --stopping --size 128            # discrepancy factors and the variance rule
    python benchmarks/dip.py --warm --size 128 --noise 0.1    # what a warm start saves, and its consistency
    python benchmarks/dip.py --clipping --size 128            # what undoing the clipping is worth
    python benchmarks/dip.py --exposure --size 128            # clip, rescale and shoulder, by score

Noise is added to the sources in [0, 1], which are then clipped again, as windows do.  The truth is `pca` of
the clean sources.  The preset `paper` is timed over --paper-steps steps of one slice and scaled to 2000;
its scores are those of so many steps, no more.  Seconds are of the wall clock; each method runs in a process
of its own, whose peak memory is given without that of Python and torch at rest; on a GPU, that of the GPU.

What a GPU is to be measured by (--device cuda):

    python benchmarks/dip.py --device cuda --slices 1 --paper-steps 2000 --methods "dip paper"
    python benchmarks/dip.py --device cuda --slices 100 --noise 0.1 --methods pca "dip fast" "dip balanced"
    python benchmarks/dip.py --device cuda --slices 100 --noise 0.1 --methods "dip balanced" --batch 8
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.io
import torch
from PIL import Image
from scipy.stats import spearmanr

from medfuse import METRICS, Geometry, fuse, read_volume
from medfuse.fusion import METHODS, make_method
from medfuse.fusion.dip.engine import Engine, noise_in_data, outcome, stop_rule
from medfuse.fusion.dip.method import DeepImagePrior
from medfuse.fusion.dip.problem import Problem
from medfuse.fusion.exposure import EXPOSURES
from medfuse.fusion.gains import PATCH
from medfuse.intensity import choose_window, rescale, window_specs
from medfuse.metrics import psnr
from medfuse.metrics.consistency import interslice_consistency
from medfuse.noise import estimate_noise
from medfuse.phantom import render

KEYS = ("pe", "mi", "q", "cv")
DATA = Path(os.environ.get("MEDFUSE_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
ONE_CURVE = {"exposure": "clip"}  # a measured exposure differs with the noise, and with it every distance
TARGET = make_method(METHODS["pca"], ONE_CURVE)
NLM = {**ONE_CURVE, "denoise": "nlm"}
RIVALS = {"pca": ("pca", ONE_CURVE, None), "pca + nlm": ("pca", {**NLM, "unclip": False}, None)}
UNCLIPPED = {"pca + nlm, unclipped": ("pca", NLM, None)}
PRESETS = {f"dip {name}": ("dip", ONE_CURVE, name) for name in ("fast", "balanced", "paper")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pair", nargs=2, type=Path, metavar=("A", "B"))
    parser.add_argument("--size", type=int, default=256, help="of the phantom's slices")
    parser.add_argument(
        "--slices", type=int, default=20, help="of the phantom, or the middle ones of the pair"
    )
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--speckle", type=float, default=0.0)
    parser.add_argument("--methods", nargs="+", default=[*RIVALS, *UNCLIPPED, *PRESETS])
    parser.add_argument("--paper-steps", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=1, help="slices that dip fits side by side")
    parser.add_argument("--cases", action="store_true")
    parser.add_argument("--stopping", action="store_true")
    parser.add_argument("--only", nargs="*", default=[], help="with --stopping: names of cases")
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--clipping", action="store_true")
    parser.add_argument("--exposure", action="store_true")
    options = parser.parse_args()
    if options.cases:
        several_cases(options)
    elif options.stopping:
        stopping(options)
    elif options.warm:
        warm_start(options)
    elif options.clipping:
        clipping(options)
    elif options.exposure:
        exposure(options)
    else:
        one_case(options)


def one_case(options: argparse.Namespace) -> None:
    """Every method on one volume: seconds, steps, scores, PSNR to the clean target, memory."""
    clean = (
        load_pair(*options.pair, options.slices) if options.pair else phantom(options.size, options.slices)
    )
    noisy = corrupted(clean, options.noise, options.speckle)
    truth = fuse(clean, TARGET).array
    rows = {}
    for name in options.methods:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            arguments = (name, noisy, options.paper_steps, options.device, options.batch)
            rows[name] = pool.apply(measured, arguments)
    slowest = rows.get("dip paper", max(rows.values(), key=lambda row: row["seconds"]))["seconds"]
    shape = "×".join(str(n) for n in clean.shape[:0:-1])
    print(f"{shape}, noise {options.noise:g}, speckle {options.speckle:g}")
    print("\n| method | s a slice | times faster | steps | " + " | ".join(KEYS) + " | PSNR (dB) | MiB |")
    print("|---|--:|--:|--:|" + "--:|" * (len(KEYS) + 2))
    for name, row in rows.items():
        part = slice(0, row["array"].shape[0])
        scores = " | ".join(f"{value:.4f}" for value in mean_scores(clean[:, part], row["array"]))
        print(
            f"| {name} | {row['seconds']:.3g} | {slowest / row['seconds']:.3g} | {row['steps']} | {scores} | "
            f"{psnr(row['array'], truth[part]):.1f} | {row['memory']:.0f} |"
        )


def measured(name: str, sources: np.ndarray, paper_steps: int, device: str, batch: int) -> dict:
    """Fuse and measure; in a fresh process."""
    key, values, preset = {**RIVALS, **UNCLIPPED, **PRESETS}[name]
    is_paper = preset == "paper"
    if key == "dip":
        values = {**values, "device": device, "batch": batch}
        values |= {"steps": paper_steps} if is_paper else {}
    method = make_method(METHODS[key], values, preset)
    sources = sources[:, :1] if is_paper else sources
    at_rest = peak()
    start = time.perf_counter()
    fused = fuse(sources, method)
    seconds = (time.perf_counter() - start) / sources.shape[1]
    iterations = fused.info.get("iterations", [0])
    return {
        "array": fused.array,
        "seconds": seconds * (2000 / paper_steps if is_paper else 1),
        "steps": f"{paper_steps} of 2000, scaled" if is_paper else f"{np.mean(iterations):.0f}",
        "memory": peak() - at_rest if device == "cpu" else torch.cuda.max_memory_allocated() / 2**20,
    }


def several_cases(options: argparse.Namespace) -> None:
    """PSNR of the presets and their rivals on single slices over noise levels, and the presets' margins."""
    levels = [("noise", s) for s in (0.02, 0.05, 0.1, 0.2)] + [("speckle", s) for s in (0.1, 0.2, 0.3)]
    names = [name for name in options.methods if name != "dip paper"]
    presets = [name for name in names if name in PRESETS]
    references = {" and ".join(RIVALS): [*RIVALS], **{name: [name] for name in UNCLIPPED}}
    print("| case | level | " + " | ".join([*names, *(f"ρ {name}" for name in presets)]) + " |")
    print("|---|---|" + "--:|" * (len(names) + len(presets)))
    margins: dict[tuple[str, str], list[float]] = {(n, r): [] for n in presets for r in references}
    for case, clean in pairs(options.size):
        truth = fuse(clean, TARGET).array
        for kind, level in levels:
            noisy = corrupted(clean, **{"noise": 0.0, "speckle": 0.0, kind: level})
            values, follows = {}, []
            for name in names:
                key, parameters, preset = {**RIVALS, **UNCLIPPED, **PRESETS}[name]
                device = {"device": options.device} if key == "dip" else {}
                fused = fuse(noisy, make_method(METHODS[key], {**parameters, **device}, preset))
                values[name] = psnr(fused.array, truth)
                if key == "dip":
                    error = np.abs(fused.array - truth)
                    follows.append(rank_correlation(fused.maps["uncertainty"], error))
            for (name, reference), found in margins.items():
                best = max(
                    (values[rival] for rival in references[reference] if rival in values), default=None
                )
                if level >= 0.05 and best is not None:
                    found.append(values[name] - best)
            cells = " | ".join(f"{value:.2f}" for value in (*values.values(), *follows))
            print(f"| {case} | {kind} {level:g} | {cells} |", flush=True)
    for (name, reference), found in margins.items():
        if found:
            print(
                f"\n{name} above {reference}, noise from 0.05 and speckle: mean {np.mean(found):.2f} dB, ",
                end="",
            )
            print(f"least {min(found):.2f} dB, {len(found)} cases")


def warm_start(options: argparse.Namespace) -> None:
    """The preset `fast` with every slice from nothing, and with each from its neighbour's network."""
    clean = phantom(options.size, options.slices)
    noisy = corrupted(clean, options.noise, options.speckle)
    truth = fuse(clean, TARGET).array
    print("| start | steps a slice | PSNR (dB) | inter-slice consistency |\n|---|--:|--:|--:|")
    plain = fuse(noisy, TARGET).array
    print(f"| `pca` of the clean sources | | | {consistent(clean, truth):.3f} |")
    print(f"| `pca` | | {psnr(plain, truth):.2f} | {consistent(clean, plain):.3f} |")
    common = {"device": options.device, **ONE_CURVE}
    for name, values in (("cold", {"warm_start": False}), ("warm", {})):
        fused = fuse(noisy, make_method(METHODS["dip"], {**common, **values}, "fast"))
        steps = np.mean(fused.info["iterations"])
        shown = psnr(fused.array, truth), consistent(clean, fused.array)
        print(f"| {name} | {steps:.0f} | {shown[0]:.2f} | {shown[1]:.3f} |", flush=True)


def clipping(options: argparse.Namespace) -> None:
    """Non-local means as it is, with the clipping undone, and the preset `fast`: mean PSNR over the pairs."""
    print("| noise | pca + nlm | the same, clipping undone | dip fast |\n|---|--:|--:|--:|")
    method = make_method(METHODS["dip"], {"device": options.device, **ONE_CURVE}, "fast")
    rivals = [make_method(METHODS["pca"], {**NLM, "unclip": how}) for how in (False, True)]
    for level in (0.05, 0.1, 0.2):
        found = []
        for _, clean in pairs(options.size):
            truth, noisy = fuse(clean, TARGET).array, corrupted(clean, level, 0.0)
            found.append([psnr(fuse(noisy, one).array, truth) for one in (*rivals, method)])
        cells = " | ".join(f"{value:.2f}" for value in np.mean(found, axis=0))
        print(f"| {level:g} | {cells} |", flush=True)


def exposure(options: argparse.Namespace) -> None:
    """Scores of the preset `fast` for each way to deal with what exceeds 1, mean over the pairs."""
    print("| exposure | " + " | ".join(KEYS) + " |\n|---|" + "--:|" * len(KEYS))
    cases = [(clean, corrupted(clean, 0.05, 0.0)) for _, clean in pairs(options.size)]
    for how in EXPOSURES:
        method = make_method(METHODS["dip"], {"device": options.device, "exposure": how}, "fast")
        scores = [mean_scores(clean, fuse(noisy, method).array) for clean, noisy in cases]
        print(
            f"| {how} | " + " | ".join(f"{value:.4f}" for value in np.mean(scores, axis=0)) + " |", flush=True
        )


def stopping(options: argparse.Namespace) -> None:
    """How far each rule stops from the best step of the guided network without recorruption, in dB.

    And how far the end of the preset `fast`, which has no rule, is from the best that its run reached.
    """
    settings = {"input": "sources", "perturbation": 0.0, "width": 16, "learning_rate": 0.02}
    settings |= {"output_channels": 1, "device": options.device, "steps": 120}
    rules = {f"discrepancy × {f}": {"stop": "discrepancy", "stop_factor": f} for f in (1.0, 1.1, 1.2, 1.3)}
    rules["variance"] = {"stop": "variance", "stop_window": 8, "stop_patience": 40}
    methods = {name: DeepImagePrior(**settings, **rule) for name, rule in rules.items()}
    print("| case | level | best | at step | " + " | ".join(rules) + " | fast | at its end |")
    print("|---|---|--:|--:|" + "--:|" * (len(rules) + 2))
    for case, clean in pairs(options.size):
        if options.only and case not in options.only:
            continue
        truth = fuse(clean, TARGET).array[0]
        for noise, speckle in ((0.02, 0), (0.05, 0), (0.1, 0), (0.2, 0), (0, 0.2)):
            noisy = corrupted(clean, noise, speckle)
            course, kept = course_and_stops(noisy, truth, methods)
            level = f"speckle {speckle:g}" if speckle else f"noise {noise:g}"
            cells = " | ".join(f"{course[step] - max(course):.2f}" for step in kept)
            fast = course_of_fast(noisy, truth, options.device)
            cells += f" | {max(fast):.2f} | {fast[-1] - max(fast):.2f}"
            print(f"| {case} | {level} | {max(course):.2f} | {np.argmax(course) + 1} | {cells} |", flush=True)


def course_and_stops(
    noisy: np.ndarray, truth: np.ndarray, methods: dict[str, DeepImagePrior]
) -> tuple[list[float], list[int]]:
    """PSNR of every step of one run, and which step (from 0) each rule keeps; all see the same run."""
    noise = tuple(estimate_noise(source) for source in noisy)
    problem = Problem(noisy[:, 0], noise, PATCH)
    free = next(iter(methods.values()))
    engine = Engine(replace(free, stop="never"), noise, torch.device(free.device))
    run = engine.start([problem])
    rules = [stop_rule(method, run.last) for method in methods.values()]
    for rule in rules:
        rule.restart(torch.tensor([noise_in_data(problem, free)]))
    scores: list[list[float]] = [[] for _ in rules]
    stopped = [False] * len(rules)
    course = []
    while run.goes_on():
        engine.step()
        course.append(psnr(run.last[0, 0].cpu().numpy(), truth))
        for i, rule in enumerate(rules):
            if not stopped[i]:
                score, stops = rule.look(run.last, run.distances[-1], torch.tensor(run.steps))
                scores[i].append(float(score))
                stopped[i] = bool(stops)
    return course, [int(np.argmin(one)) for one in scores]


def course_of_fast(noisy: np.ndarray, truth: np.ndarray, device: str) -> list[float]:
    """PSNR of what the preset `fast` would return, every ten steps."""
    method = make_method(METHODS["dip"], {"device": device}, "fast")
    noise = tuple(estimate_noise(source) for source in noisy)
    problem = Problem(noisy[:, 0], noise, method.patch)
    engine = Engine(method, noise, torch.device(device))
    run = engine.start([problem])
    course = []
    while run.goes_on():
        engine.step()
        if run.steps % 10 == 0:
            course.append(psnr(outcome(run.fitted(0), problem, method).fused.clip(0, 1), truth))
    return course


def pairs(size: int) -> Iterator[tuple[str, np.ndarray]]:
    """Single-slice pairs: three of the phantom, and the published ones where the data are."""
    volume = phantom(size, 20)
    for z in (5, 10, 14):
        yield f"phantom {z}", volume[:, z : z + 1]
    folder = DATA / "pairs2d" / "medical"
    for case in ("c01", "c02", "c03", "c04"):
        if (folder / f"{case}_1.tif").exists():
            yield case, picture_pair(folder / f"{case}_1.tif", folder / f"{case}_2.tif", size)
    folder = DATA / "mr_us" / "simulated_data3"
    if folder.exists():
        yield "simulated MR–US", matlab_pair(folder / "IRM_GT.mat", folder / "US_GT.mat", size)


def phantom(size: int, slices: int) -> np.ndarray:
    """CT and T1 of the generated head (2, z, y, x) in [0, 1], without noise."""
    spacing = 230 / size
    grid = Geometry((size, size, slices), (spacing, spacing, 4.0), (-115.0, -115.0, -2.0 * slices))
    volumes = [render(contrast, grid, noise=0.0, seed=1) for contrast in ("CT", "T1")]
    specs = window_specs((), [volume.modality for volume in volumes])
    pairs = zip(volumes, specs, strict=True)
    return np.stack([rescale(volume, choose_window(volume, spec)).array for volume, spec in pairs])


def load_pair(one: Path, other: Path, slices: int) -> np.ndarray:
    """Two volumes or images on one grid, each stretched to [0, 1]; the middle slices."""
    volumes = [read_volume(path) for path in (one, other)]
    if volumes[0].array.shape != volumes[1].array.shape:
        raise SystemExit(f"{one} and {other} are not on one grid: register them first (medfuse register)")
    specs = window_specs((), [volume.modality for volume in volumes])
    pairs = zip(volumes, specs, strict=True)
    stack = np.stack([rescale(volume, choose_window(volume, spec)).array for volume, spec in pairs])
    first = max(0, (stack.shape[1] - slices) // 2)
    return stack[:, first : first + slices]


def picture_pair(one: Path, other: Path, size: int) -> np.ndarray:
    images = [
        Image.open(path).convert("L").resize((size, size), Image.Resampling.BICUBIC) for path in (one, other)
    ]
    return np.stack([np.asarray(image, dtype=np.float32) / 255 for image in images])[:, None]


def matlab_pair(one: Path, other: Path, size: int) -> np.ndarray:
    images = []
    for path in (one, other):
        (array,) = [value for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")]
        array = np.asarray(array, dtype=np.float32)
        array = (array - array.min()) / np.ptp(array)
        resized = Image.fromarray(array).resize((size, size), Image.Resampling.BICUBIC)
        images.append(np.asarray(resized).clip(0, 1))
    return np.stack(images)[:, None]


def corrupted(clean: np.ndarray, noise: float, speckle: float) -> np.ndarray:
    """Sources with white noise and speckle of these deviations, clipped to [0, 1]."""
    rng = np.random.default_rng(0)
    draw = rng.standard_normal(clean.shape)
    return np.clip(clean * (1 + speckle * draw) + noise * draw, 0, 1).astype(np.float32)


def mean_scores(sources: np.ndarray, fused: np.ndarray) -> list[float]:
    """The metrics beside the clean sources, mean over slices with content."""
    filled = [z for z in range(fused.shape[0]) if all(source[z].any() for source in sources)]
    return [float(np.mean([METRICS[key].function(sources[:, z], fused[z]) for z in filled])) for key in KEYS]


def consistent(sources: np.ndarray, fused: np.ndarray) -> float:
    return float(interslice_consistency(sources, fused).value)


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


def peak() -> float:
    """Peak resident memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
