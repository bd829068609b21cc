"""What denoising is worth on the noise that scanners make, and what it costs small lesions.

    python benchmarks/noise.py gains                 # PSNR gain over `pca` for every kind of noise
    python benchmarks/noise.py gains --known         # with what a study knows beyond the pixels
    python benchmarks/noise.py scores                # the paper's four metrics, noise of 0.05 and 0.10
    python benchmarks/noise.py lesions               # response and d' of lesions of 3, 4 and 6 pixels
    python benchmarks/noise.py flat                  # what is invented where there is nothing but noise
    python benchmarks/noise.py clean                 # how near clean pairs stay to `pca`, at three samplings
    python benchmarks/noise.py time --size 256       # seconds a slice

Pairs, noise and the split in tuning and held-out pairs: `benchmarks/noise_cases.py`.  `--only` chooses pairs,
`--methods` methods.  Truth is `pca` of what the sources would be without noise.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from noise_cases import HELD_OUT, NOISES, TUNING, known_noise, noisy, pairs

from medfuse import METRICS
from medfuse.fusion import METHODS, fuse, make_method
from medfuse.metrics import psnr
from medfuse.noise import NoiseModel, observe

KEYS = ("pe", "mi", "q", "cv")
CLIP = {"exposure": "clip"}  # a measured exposure differs with the noise, and with it every distance
TARGET = make_method(METHODS["pca"], CLIP)
CHOICES: dict[str, tuple[str, dict, str | None]] = {
    "pca": ("pca", CLIP, None),
    "pca + nlm": ("pca", {**CLIP, "denoise": "nlm"}, None),
    "pca + prior": ("pca", {**CLIP, "denoise": "prior"}, None),
    "pca + both": ("pca", {**CLIP, "denoise": "both"}, None),
    "dip fast": ("dip", {**CLIP, "device": "cpu"}, "fast"),
    "dip fast, nlm": ("dip", {**CLIP, "device": "cpu", "denoiser": "nlm"}, "fast"),
    "dip balanced": ("dip", {**CLIP, "device": "cpu"}, "balanced"),
}
Fuse = Callable[..., np.ndarray]
"""Sources, and their noise models where these are known -> what is fused of them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("gains", "scores", "lesions", "flat", "clean", "time"))
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--methods", nargs="+", default=list(CHOICES)[:5], choices=CHOICES)
    parser.add_argument("--only", nargs="+", default=[], help="pairs")
    parser.add_argument("--diameters", nargs="+", type=int, default=[3, 4, 6], help="of lesions, in pixels")
    parser.add_argument("--contrasts", nargs="+", type=float, default=[0.05, 0.10, 0.15], help="of lesions")
    parser.add_argument("--kinds", nargs="+", default=list(NOISES)[1:], choices=NOISES)
    parser.add_argument(
        "--known", action="store_true", help="gains: with what a study knows of the noise beyond the pixels"
    )
    options = parser.parse_args()
    methods = {name: fuser(name) for name in options.methods}
    run = {"gains": gains, "scores": scores, "lesions": lesions, "flat": flat, "clean": clean, "time": timed}
    run[options.what](options, methods)


def fuser(name: str) -> Fuse:
    key, values, preset = CHOICES[name]
    method = make_method(METHODS[key], values, preset)
    return lambda sources, noise=None: fuse(sources, method, noise=noise).array


def chosen(names: tuple[str, ...], only: list[str]) -> tuple[str, ...]:
    return tuple(name for name in names if not only or name in only)


def gains(options: argparse.Namespace, methods: dict[str, Fuse]) -> None:
    """Mean gain in dB over `pca` of each method, tuning pairs / held-out pairs, and the least of these."""
    rivals = {name: one for name, one in methods.items() if name != "pca"}
    sets = [list(pairs(chosen(names, options.only), options.size)) for names in (TUNING, HELD_OUT)]
    print("| noise | pca (dB) | " + " | ".join(rivals) + " |")
    print("|---|--:|" + "--:|" * len(rivals))
    for kind in options.kinds:
        columns: dict[str, list[list[float]]] = {name: [] for name in rivals}
        levels = []
        for cases in filter(None, sets):
            found = [
                _gains(
                    truth_and_noisy(pair, kind), rivals, known_noise(pair, kind) if options.known else None
                )
                for _, pair in cases
            ]
            levels.append(np.mean([base for base, _ in found]))
            for i, name in enumerate(rivals):
                columns[name].append([values[i] for _, values in found])
        cells = [" / ".join(f"{np.mean(part):.2f}" for part in parts) for parts in columns.values()]
        least = [min(min(part) for part in parts) for parts in columns.values()]
        shown = " | ".join(f"{cell} (least {low:.2f})" for cell, low in zip(cells, least, strict=True))
        print(f"| {kind} | {' / '.join(f'{one:.2f}' for one in levels)} | {shown} |", flush=True)


def truth_and_noisy(pair: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    observed, truth = noisy(pair, kind)
    return fuse(truth, TARGET).array, observed


def _gains(
    case: tuple[np.ndarray, np.ndarray], rivals: dict[str, Fuse], noise: list[NoiseModel] | None
) -> tuple[float, list[float]]:
    truth, observed = case
    base = psnr(fuse(observed, TARGET).array, truth)
    return base, [psnr(one(observed, noise), truth) - base for one in rivals.values()]


def scores(options: argparse.Namespace, methods: dict[str, Fuse]) -> None:
    """The paper's metrics beside the clean sources, mean over the held-out pairs."""
    cases = list(pairs(chosen(HELD_OUT, options.only), options.size))
    for kind in ("white 0.05", "white 0.10"):
        print(f"\n| {kind} | " + " | ".join(KEYS) + " |\n|---|" + "--:|" * len(KEYS))
        for name, one in methods.items():
            rows = []
            for _, pair in cases:
                fused = one(noisy(pair, kind)[0])[0]
                rows.append([METRICS[key].function(pair[:, 0], fused) for key in KEYS])
            print(f"| {name} | " + " | ".join(f"{v:.4f}" for v in np.mean(rows, axis=0)) + " |", flush=True)


def lesions(options: argparse.Namespace, methods: dict[str, Fuse], sigma: float = 0.05) -> None:
    """Response to lesions in the second source, as a share of that in clean data, and d', mean over pairs."""
    cases = list(pairs(chosen(HELD_OUT, options.only) or ("c02",), options.size))
    print("| diameter, contrast | " + " | ".join(f"{name}: response, d'" for name in methods) + " |")
    print("|---|" + "--:|" * len(methods))
    for diameter in options.diameters:
        for contrast in options.contrasts:
            cells = []
            for one in methods.values():
                found = [_lesion(pair, one, diameter, contrast, sigma) for _, pair in cases]
                cells.append("{:.0f} %, {:.2f}".format(*(np.mean(found, axis=0) * (100, 1))))
            print(f"| {diameter} px, {contrast:.2f} | " + " | ".join(cells) + " |", flush=True)


def _lesion(
    pair: np.ndarray, one: Fuse, diameter: int, contrast: float, sigma: float, draws: int = 3
) -> tuple[float, float]:
    """Share of the response in clean data, and detectability, over several places and draws of noise."""
    places, disc = _places(pair), _disc(diameter)
    marked = pair.copy()
    for y, x in places:
        marked[1, 0, y - 8 : y + 9, x - 8 : x + 9] += (contrast * disc).astype(np.float32)
    wanted = _filtered(fuse(marked, TARGET).array[0] - fuse(pair, TARGET).array[0], places, disc)
    present, absent = [], []
    for seed in range(draws):
        model = NoiseModel(sigma**2, 0.0)
        for stack, kept in ((marked, present), (pair, absent)):
            rng = np.random.default_rng(seed)
            seen = np.stack([observe(source, model, rng) for source in stack]).astype(np.float32)
            kept.append(_filtered(one(seen)[0], places, disc))
    with_it, without = np.asarray(present), np.asarray(absent)
    response = float((with_it - without).mean() / wanted.mean())
    spread = np.sqrt(0.5 * (with_it.var(axis=0, ddof=1) + without.var(axis=0, ddof=1)).mean())
    return response, float((with_it - without).mean() / spread)


def _places(pair: np.ndarray, count: int = 8) -> list[tuple[int, int]]:
    """Where tissue is flattest in both sources and not too bright, 20 pixels apart."""
    middle = slice(12, -12)
    rough = np.zeros(pair.shape[2:])
    for y in range(12, pair.shape[2] - 12):
        for x in range(12, pair.shape[3] - 12):
            part = pair[:, 0, y - 5 : y + 6, x - 5 : x + 6]
            usable = part[1].mean() > 0.15 and part[1].max() < 0.8 and part[0].max() < 0.8
            rough[y, x] = part.std(axis=(1, 2)).max() if usable else np.inf
    rough[:12] = rough[-12:] = rough[:, :12] = rough[:, -12:] = np.inf
    found: list[tuple[int, int]] = []
    while len(found) < count and np.isfinite(rough[middle, middle]).any():
        y, x = np.unravel_index(np.argmin(rough), rough.shape)
        found.append((int(y), int(x)))
        rough[max(0, y - 20) : y + 21, max(0, x - 20) : x + 21] = np.inf
    return found


def _disc(diameter: float) -> np.ndarray:
    y, x = np.mgrid[-8:9, -8:9]
    return np.clip(diameter / 2 - np.hypot(y, x) + 0.5, 0, 1)


def _filtered(image: np.ndarray, places: list[tuple[int, int]], disc: np.ndarray) -> np.ndarray:
    """Mean within the disc minus that of a ring about it, at each place."""
    ring = (np.hypot(*np.mgrid[-8:9, -8:9]) > 6) & (np.hypot(*np.mgrid[-8:9, -8:9]) < 8.5)
    weights = disc / disc.sum() - ring / ring.sum()
    return np.array([(weights * image[y - 8 : y + 9, x - 8 : x + 9]).sum() for y, x in places])


def flat(options: argparse.Namespace, methods: dict[str, Fuse]) -> None:
    """Contrast of discs of 4 pixels in what comes out of two flat sources with noise: rms and 99 %."""
    size = options.size
    places = [(y, x) for y in range(12, size - 12, 9) for x in range(12, size - 12, 9)]
    print("| noise | " + " | ".join(methods) + " |\n|---|" + "--:|" * len(methods))
    for sigma, widths in ((0.05, (0.0, 0.0)), (0.10, (0.0, 0.0)), (0.10, (0.7, 0.7))):
        cells = []
        for one in methods.values():
            rng = np.random.default_rng(0)
            model = NoiseModel(sigma**2, 0.0, "gauss", widths)
            seen = [observe(np.full((1, size, size), value), model, rng) for value in (0.4, 0.5)]
            found = np.abs(_filtered(one(np.stack(seen).astype(np.float32))[0], places, _disc(4)))
            cells.append(f"{100 * np.sqrt(np.mean(found**2)):.2f} %, {100 * np.quantile(found, 0.99):.2f} %")
        print(f"| {sigma:g}, width {widths[0]:g} | " + " | ".join(cells) + " |", flush=True)


def clean(options: argparse.Namespace, methods: dict[str, Fuse]) -> None:
    """PSNR to the closed form of clean pairs at 256², 128² and 64² (templates: as they are); at most 99."""
    print("| pair | size | " + " | ".join(methods) + " |\n|---|--:|" + "--:|" * len(methods))
    for size in (256, 128, 64):
        names = [one for one in TUNING + HELD_OUT if size == 128 or not one.startswith("template")]
        for name, pair in pairs(chosen(tuple(names), options.only), size):
            truth = fuse(pair, TARGET).array
            cells = " | ".join(f"{min(99, psnr(one(pair), truth)):.1f}" for one in methods.values())
            print(f"| {name} | {size} | {cells} |", flush=True)


def timed(options: argparse.Namespace, methods: dict[str, Fuse]) -> None:
    """CPU and wall seconds a slice of a stack of six, after a first run that loads everything."""
    (_, pair), *_ = pairs(("phantom 10",), options.size)
    observed = noisy(np.repeat(pair, 6, axis=1), "white 0.10")[0]
    print("| method | CPU s a slice | wall s a slice |\n|---|--:|--:|")
    for name, one in methods.items():
        one(observed[:, :1])
        wall, cpu = time.perf_counter(), time.process_time()
        one(observed)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        print(f"| {name} | {cpu / 6:.2f} | {wall / 6:.2f} |", flush=True)


if __name__ == "__main__":
    main()
