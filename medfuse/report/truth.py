"""A result beside the truth: one large picture, and a row of the table of scores for each method."""

from __future__ import annotations

import base64
import math
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ..pipeline import StudyResult, TruthScores
from .planes import central_voxel, plane

__all__ = ["beside_truth", "named", "truth_facts", "truth_picture"]

_SIDE_INCHES, _DPI = 4.0, 130


class _Panel(NamedTuple):
    title: str
    below: str
    array: np.ndarray


def named(result: StudyResult, key: str) -> str:
    """What the page calls a method: ``pca`` beside a denoised result is the undenoised one."""
    plain = key == "pca" and key != result.ran.key and not result.removed
    words = {"pca_nlm": "pca + nlm", "pca_undenoised": "pca, undenoised"}
    return "pca, undenoised" if plain and result.noise is not None else words.get(key, key)


def beside_truth(result: StudyResult) -> dict[str, Any] | None:
    """What the page shows where the truth is known: the picture, and PSNR and SSIM of each method."""
    known = result.beside_truth
    if known is None:
        return None
    uri = "data:image/png;base64," + base64.b64encode(truth_picture(result, known)).decode("ascii")
    best = [max(values) for values in zip(*known.likeness.values(), strict=True)]
    cells = {
        key: [(text, value == top) for text, value, top in zip(_texts(one), one, best, strict=True)]
        for key, one in known.likeness.items()
    }
    return {"picture": uri, "exposure": known.exposure, "cells": cells}


def truth_facts(result: StudyResult) -> dict[str, Any] | None:
    """The same for the provenance, as plain numbers."""
    known = result.beside_truth
    if known is None:
        return None
    return {
        "picture": f"pca of the volumes without noise, exposure {known.exposure}",
        "sha256": list(result.truth_hashes),
        "psnr_db": {key: one.psnr for key, one in known.likeness.items()},
        "ssim": {key: one.ssim for key, one in known.likeness.items()},
    }


def truth_picture(result: StudyResult, known: TruthScores) -> bytes:
    """PNG of one axial slice: the sources and the truth, below them what was made of the sources."""
    voxel = central_voxel(result.sources.array)
    geometry = result.volumes[0].geometry
    rows = _rows(result, known)
    first = plane(known.picture, geometry, "axial", voxel)
    height = _SIDE_INCHES * (first.image.shape[0] * first.row_mm) / (first.image.shape[1] * first.column_mm)
    columns = max(map(len, rows))
    figure = Figure(figsize=(_SIDE_INCHES * columns, (height + 0.62) * len(rows)), facecolor="black")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    figure.subplots_adjust(left=0.004, right=0.996, bottom=0.035, top=0.965, wspace=0.012, hspace=0.17)
    for axes in grid.ravel():
        axes.set_axis_off()
    for row, line in zip(grid, rows, strict=True):
        for axes, one in zip(row, line, strict=False):
            shown = plane(one.array, geometry, "axial", voxel)
            aspect = shown.row_mm / shown.column_mm
            axes.imshow(shown.image, cmap="gray", vmin=0, vmax=1, aspect=aspect, interpolation="bicubic")
            axes.set_title(one.title, color="white", fontsize=15, pad=5)
            axes.text(
                0.5, -0.015, one.below, color="#ffd75e", fontsize=14, ha="center", va="top",
                transform=axes.transAxes,
            )  # fmt: skip
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def _rows(result: StudyResult, known: TruthScores) -> tuple[list[_Panel], list[_Panel]]:
    sources = zip(result.labels, result.sources.array, strict=True)
    given = [_Panel(label, "", array) for label, array in sources]
    images = {**result.baselines, result.ran.key: result.fused.array}
    made = ("pca_undenoised", "pca", "pca_nlm", result.ran.key)
    shown = [key for key in dict.fromkeys(made) if key in images]
    panels = [
        _Panel(named(result, key), f"{_decibels(known.likeness[key].psnr)} to the truth", images[key])
        for key in shown
    ]
    return [*given, _Panel("truth", "pca of the sources without noise", known.picture)], panels


def _texts(one: tuple[float, float]) -> tuple[str, str]:
    return _decibels(one[0]).removesuffix(" dB"), f"{one[1]:.4f}"


def _decibels(value: float) -> str:
    return "∞ dB" if math.isinf(value) else f"{value:.2f} dB"
