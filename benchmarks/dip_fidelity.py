"""The deep image prior beside the paper's own figures, on the paper's own phantom and on CT–MR pairs.

    python benchmarks/dip_fidelity.py                       # the beef and PVA phantom, MR and ultrasound
    python benchmarks/dip_fidelity.py --case c01            # a published CT–MR pair
    python benchmarks/dip_fidelity.py --output-channels 1   # instead of the paper's ten
    python benchmarks/dip_fidelity.py --amplitude           # the ultrasound read as log10 of an amplitude
    python benchmarks/dip_fidelity.py --amplitude --blur 0.7   # and every row smoothed beside it
    python benchmarks/dip_fidelity.py --amplitude --steps 0    # `pca` alone

Needs the phantom of Ma et al. 2021 and the pairs under $MEDFUSE_TEST_DATA or ../shared/data.  Prints a
Markdown table, a row each time the number of steps reaches one of --report.  The paper has one row for
its phantom, and for CT–MR the mean over nine pairs.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import scipy.io
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from medfuse import METRICS, fuse
from medfuse.fusion.dip.engine import Engine
from medfuse.fusion.dip.method import DeepImagePrior
from medfuse.fusion.dip.problem import Problem
from medfuse.fusion.pca import PatchPCA
from medfuse.intensity import quantize
from medfuse.metrics import psnr
from medfuse.noise import NoiseModel

KEYS = ("pe", "mi", "q", "cv")
PAPER_PHANTOM = (0.6625, 1.9533, 0.8474, 0.6152)
PAPER_CT_MR = (0.6548, 1.8177, 0.8176, 0.4223)
SIZE = 256
DATA = Path(os.environ.get("MEDFUSE_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--case", choices=("phantom", "c01", "c02"), default="phantom")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--report", type=int, nargs="*", default=[100, 500, 1000, 2000])
    parser.add_argument("--perturbation", type=float, default=0.03)
    parser.add_argument("--output-channels", type=int, default=10)
    parser.add_argument(
        "--amplitude", action="store_true", help="take the phantom's ultrasound as 10 to its power"
    )
    parser.add_argument("--blur", type=float, default=0.0, help="show all smoothed by a Gaussian too, pixels")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--save", type=Path, help="folder for pictures of the fused images")
    options = parser.parse_args()

    sources = load_phantom(options.amplitude) if options.case == "phantom" else load_pair(options.case)
    paper = PAPER_PHANTOM if options.case == "phantom" else PAPER_CT_MR
    target = fuse(sources[:, None].astype(np.float32), PatchPCA(exposure="clip")).array[0]
    print("| | " + " | ".join(KEYS) + " | PSNR to pca (dB) | seconds a step |")
    print("|---|" + "---|" * (len(KEYS) + 2))
    print("| paper | " + " | ".join(f"{value:.4f}" for value in paper) + " | | |")
    show_both("pca", sources, target, target, None, options.blur)
    if not options.steps:
        return
    settings = DeepImagePrior(
        steps=options.steps,
        perturbation=options.perturbation,
        output_channels=options.output_channels,
        device=options.device,
    )
    unused = (NoiseModel(0, 0),) * len(sources)  # the paper's loop knows of no noise
    engine = Engine(settings, unused, torch.device(options.device))
    run = engine.start([Problem(sources, unused, settings.patch)])
    start = time.perf_counter()
    while run.goes_on():
        engine.step()
        if run.steps in options.report:
            fused = run.fitted(0).images[0].clip(0, 1)
            per_step = (time.perf_counter() - start) / run.steps
            show_both(f"dip, {run.steps} steps", sources, fused, target, per_step, options.blur)
            if options.save:
                options.save.mkdir(parents=True, exist_ok=True)
                Image.fromarray(quantize(fused)).save(options.save / f"dip_{run.steps:04d}.png")


def load_phantom(amplitude: bool = False) -> np.ndarray:
    """MR and ultrasound (2, 256, 256) in [0, 1]: stretched to their range, resized bicubically."""
    images = []
    for name, variable in (("irm.mat", "irm"), ("us.mat", "us")):
        path = existing(DATA / "mr_us" / "phantom_beef_pva" / name)
        image = scipy.io.loadmat(path)[variable].astype(np.float32)
        if amplitude and variable == "us":
            image = 10**image
        image = (image - image.min()) / (image.max() - image.min())
        resized = Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        images.append(np.asarray(resized).clip(0, 1))
    return np.stack(images)


def load_pair(case: str) -> np.ndarray:
    """CT and MR (2, 256, 256) in [0, 1], as published."""
    paths = [existing(DATA / "pairs2d" / "medical" / f"{case}_{i}.tif") for i in (1, 2)]
    images = [Image.open(path).convert("L").resize((SIZE, SIZE), Image.Resampling.BICUBIC) for path in paths]
    return np.stack([np.asarray(image, dtype=np.float32) / 255 for image in images])


def existing(path: Path) -> Path:
    if not path.exists():
        raise SystemExit(f"needs {path}: set MEDFUSE_TEST_DATA to the folder of the real data")
    return path


def show_both(
    name: str,
    sources: np.ndarray,
    fused: np.ndarray,
    target: np.ndarray,
    seconds: float | None,
    blur: float,
) -> None:
    """One row for the fused image and, where `blur` is not 0, one for it smoothed by a Gaussian."""
    show(name, sources, fused, target, seconds)
    if blur:
        show(f"{name}, smoothed by {blur:g} px", sources, gaussian_filter(fused, blur), target, None)


def show(
    name: str, sources: np.ndarray, fused: np.ndarray, target: np.ndarray, seconds: float | None
) -> None:
    """Print one row; scores are of 8-bit images, as the paper's were."""
    as_8_bit = quantize(sources) / 255, quantize(fused) / 255
    scores = " | ".join(f"{METRICS[key].function(*as_8_bit):.4f}" for key in KEYS)
    distance = psnr(fused, target)
    shown = f"{distance:.1f}" if np.isfinite(distance) else "–"
    print(f"| {name} | {scores} | {shown} | {'' if seconds is None else f'{seconds:.2f}'} |", flush=True)


if __name__ == "__main__":
    main()
