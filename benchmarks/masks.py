"""What happens near the end of a field of view, and what scores of a common field are worth.

    python benchmarks/masks.py

A CT and a T1 of the generated head on one grid; the T1 is known within a tilted box, a circle, a half plane
or a diagonal one.  Means over these fields.

First table, fusion: mean |difference| (grey values of [0, 1], × 1000) from fusing the whole images, in the
common field within 16 pixels of its end, for what stands beyond that end: zeros, the nearest measured pixel,
the mirror image (what medfuse does).  Second: the noise that is estimated in an image so continued,
of 0.05 in truth.  Third, scores of a slice by its common field: the mean |difference| from
counting the pixels of the field alone, which only metrics without windows allow (pe, mi), for the mirror and
for zeros, both in the rectangle that bounds the field.  Prints Markdown for benchmarks/README.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from medfuse import Geometry, rescale
from medfuse.fusion import METHODS, make_method
from medfuse.metrics import METRICS
from medfuse.metrics._gradient import Gradient, sigmoid, sobel_as_conv2, wrapped_agreement
from medfuse.metrics._histogram import joint_probabilities, own_bins
from medfuse.noise import estimate_noise
from medfuse.phantom import render
from medfuse.sources import mirrored

SIDE = 160
GRID = Geometry((SIDE, SIDE, 3), (220 / SIDE, 220 / SIDE, 12.0), (-110.0, -110.0, 0.0))
KEYS = ("pca", "laplacian", "wavelet", "gff")
EPS = np.finfo(float).eps


def fields() -> dict[str, np.ndarray]:
    y, x = np.indices((SIDE, SIDE)) - SIDE / 2
    along, across = x * math.cos(0.2) + y * math.sin(0.2), y * math.cos(0.2) - x * math.sin(0.2)
    return {
        "tilted box": (abs(along) < 50) & (abs(across) < 45),
        "circle": np.hypot(x, y) < 50,
        "half": x < 5,
        "diagonal": along + across < 20,
    }


def zeros(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask, images, images.dtype.type(0))


def nearest(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    index = distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return images[..., index[0], index[1]]


def mirror(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return images[(..., *mirrored(mask))]


CONTINUED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "zeros": zeros,
    "nearest": nearest,
    "mirror": mirror,
}


def fusion(whole: np.ndarray) -> None:
    print("| method |", *(f"{name} |" for name in CONTINUED))
    print("|---|" + "---|" * len(CONTINUED))
    for key in KEYS:
        method = make_method(METHODS[key], {})
        truth = method(whole).array
        rows = []
        for mask in fields().values():
            near = mask & (distance_transform_edt(mask) <= 16)
            fused = (method(np.stack([whole[0], f(whole[1], mask)])).array for f in CONTINUED.values())
            rows.append([1000 * np.abs(one - truth)[:, near].mean() for one in fused])
        print(f"| `{key}` |", *(f"{value:.1f} |" for value in np.mean(rows, axis=0)))


def noise() -> None:
    print("\n| field |", *(f"{name} |" for name in CONTINUED))
    print("|---|" + "---|" * len(CONTINUED))
    rng = np.random.default_rng(0)
    image = 0.2 + 0.6 * (gaussian_filter(rng.random((SIDE, SIDE)), 8, mode="wrap") * 8 - 3.5).clip(0, 1)
    image += 0.05 * rng.standard_normal(image.shape)
    for name, mask in {**fields(), "narrow strip": np.indices((SIDE, SIDE))[1] < 20}.items():
        found = [estimate_noise(f(image, mask)[None].astype(np.float32)) for f in CONTINUED.values()]
        row = (math.sqrt(one.additive + 0.25 * one.multiplicative) for one in found)  # at a grey of 0.5
        print(f"| {name} |", *(f"{value:.4f} |" for value in row))


def pe_of(sources: np.ndarray, fused: np.ndarray, mask: np.ndarray) -> float:
    """``pe`` of the pixels of a mask alone."""
    source, target = sobel_as_conv2(sources / 8), sobel_as_conv2(fused / 8)
    g, g_fused = source.strength, target.strength
    gain = (np.minimum(g, g_fused) + EPS) / (np.maximum(g, g_fused) + EPS)
    agreement = wrapped_agreement(_angle(source), _angle(target))
    one = np.ones(1)
    kept = (
        sigmoid(gain, 11, 0.7) / sigmoid(one, 11, 0.7) * sigmoid(agreement, 24, 0.8) / sigmoid(one, 24, 0.8)
    )
    return float((np.sqrt(kept) * g)[:, mask].sum() / g[:, mask].sum())


def _angle(gradient: Gradient) -> np.ndarray:
    return np.arctan(gradient.across / (EPS - gradient.along))


def mi_of(sources: np.ndarray, fused: np.ndarray, mask: np.ndarray) -> float:
    """``mi`` of the pixels of a mask alone."""
    bins = own_bins(fused[mask])
    joints = (joint_probabilities(own_bins(source[mask]), bins) for source in sources)
    return float(np.mean([_renyi(j.sum(1)) + _renyi(j.sum(0)) - _renyi(j.ravel()) for j in joints]))


def _renyi(probabilities: np.ndarray) -> float:
    return 2 * math.log2(np.sqrt(probabilities).sum())


def scores(whole: np.ndarray) -> None:
    print("\n| metric | mirror | zeros |")
    print("|---|---|---|")
    for key, truth_of in {"pe": pe_of, "mi": mi_of}.items():
        errors: dict[str, list[float]] = {"mirror": [], "zeros": []}
        for method in ("average", "maximum", *KEYS):
            fused = make_method(METHODS[method], {})(whole).array[1].astype(float)
            sources = whole[:, 1].astype(float)
            for mask in fields().values():
                truth = truth_of(sources, fused, mask)
                rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
                box = (..., slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
                for name, found in errors.items():
                    images = [CONTINUED[name](one[box], mask[box[1:]]) for one in (sources, fused)]
                    found.append(abs(METRICS[key].function(*images) - truth))
        print(f"| `{key}` |", *(f"{np.mean(found):.3f} |" for found in errors.values()))


def main() -> None:
    pair = (rescale(render(contrast, GRID, seed=seed)).array for contrast, seed in (("CT", 1), ("T1", 2)))
    whole = np.stack(list(pair))
    fusion(whole)
    noise()
    scores(whole)


if __name__ == "__main__":
    main()
