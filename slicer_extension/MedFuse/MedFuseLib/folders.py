"""The result folder that ``medfuse fuse`` wrote, as plain values.

All of it is read before the scene is touched: a damaged file must not leave half a result there.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .transforms import read_transform
from .verdicts import VERDICTS
from .volumes import read_image

__all__ = ["Image", "MetricInfo", "ResultFolder", "read_folder"]

Image = tuple[np.ndarray, np.ndarray]
"""Voxels (z, y, x[, 3]) and the matrix from index (x, y, z) to RAS."""


@dataclass(frozen=True)
class MetricInfo:
    """What a reader needs to judge a score."""

    name: str
    unit: str
    range: str
    better: str


@dataclass(frozen=True, eq=False)
class ResultFolder:
    """What one run left behind.

    Parameters
    ----------
    fused, colour:
        The fused volume, and the one with the colour of its sources or None.
    registered:
        The fixed and the moving volumes on one grid.
    transforms:
        One node for each moving volume, in no scene.
    maps:
        Name -> image.
    whole:
        Method -> key of a metric -> score; NaN where it is undefined.  The chosen method comes first.
    per_slice:
        Method -> key -> scores (slices,).
    slices:
        Indices of the slices that were scored.
    metrics:
        Key -> what it is.
    method, ran:
        Key of the method that made the result; the same with the reason: ``pca (auto: no noise to remove)``.
    verdicts:
        On the registration of each moving volume: the word, and the reasons.
    warnings:
        What had to be assumed, and what to beware of.
    seconds:
        How long it took.
    provenance:
        The whole of ``provenance.json``.
    """

    fused: Image
    colour: Image | None
    registered: tuple[Image, ...]
    transforms: tuple[Any, ...]
    maps: Mapping[str, Image]
    whole: Mapping[str, Mapping[str, float]]
    per_slice: Mapping[str, Mapping[str, np.ndarray]]
    slices: np.ndarray
    metrics: Mapping[str, MetricInfo]
    method: str
    ran: str
    verdicts: tuple[tuple[str, tuple[str, ...]], ...]
    warnings: tuple[str, ...]
    seconds: float
    provenance: Mapping[str, Any]


def read_folder(folder: Path, moving: int) -> ResultFolder:
    """Read the result of fusing a fixed volume and ``moving`` others.

    Raises
    ------
    OSError
        If a file is missing or damaged; the message names it.
    """
    try:
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        per_slice, slices = _read_slices(folder / "metrics.csv")
        colour = folder / "fused_colour.nii.gz"
        names = [f"moving_{i}" for i in range(1, moving + 1)]
        return ResultFolder(
            fused=read_image(folder / "fused.nii.gz"),
            colour=read_image(colour) if colour.is_file() else None,
            registered=tuple(read_image(folder / "registered" / f"{n}.nii.gz") for n in ("fixed", *names)),
            transforms=tuple(_transform(folder / "transforms", name) for name in names),
            maps={
                path.name.removesuffix(".nii.gz"): read_image(path)
                for path in sorted((folder / "maps").glob("*.nii.gz"))
            },
            whole={
                method: {key: _number(value) for key, value in scores.items()}
                for method, scores in provenance["scores"].items()
            },
            per_slice={method: per_slice[method] for method in provenance["scores"]},
            slices=slices,
            metrics={key: _metric(value) for key, value in provenance["metrics"].items()},
            method=str(provenance["method"]["key"]),
            ran=_ran(provenance["method"]),
            verdicts=_verdicts(provenance["registrations"], moving),
            warnings=tuple(map(str, provenance["warnings"])),
            seconds=float(sum(provenance["seconds"].values())),
            provenance=provenance,
        )
    except (KeyError, ValueError, TypeError) as error:
        raise OSError(
            f"the result in {folder} is damaged or of another version of medfuse: {error}"
        ) from error


def _ran(method: Mapping[str, Any]) -> str:
    key, asked, why = (str(method[name]) for name in ("key", "asked", "why"))
    if not why:
        return key
    return f"{key} ({why})" if asked == key else f"{key} ({asked}: {why})"


def _verdicts(
    registrations: Sequence[Mapping[str, Any]], moving: int
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if len(registrations) != moving:
        raise ValueError(f"{len(registrations)} registrations of {moving} moving volumes")
    unknown = {one["verdict"] for one in registrations} - VERDICTS
    if unknown:
        raise ValueError(f"the verdict {unknown.pop()} is none of {', '.join(sorted(VERDICTS))}")
    return tuple((one["verdict"], tuple(map(str, one["reasons"]))) for one in registrations)


def _transform(folder: Path, name: str) -> Any:
    found = sorted(folder.glob(f"{name}.*"))
    if not found:
        raise OSError(f"the transform of {name} is missing in {folder}")
    return read_transform(found[0])


def _read_slices(path: Path) -> tuple[dict[str, dict[str, np.ndarray]], np.ndarray]:
    """Method -> key -> scores, and the slices they belong to; the rows of the whole volume are left out."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    slices = np.array(sorted({int(row["slice"]) for row in rows if row["slice"] != "whole"}), dtype=np.int32)
    place = {str(z): i for i, z in enumerate(slices)}
    scores: dict[str, dict[str, np.ndarray]] = {}
    for row in rows:
        columns = scores.setdefault(row["method"], {})
        for key in row.keys() - {"method", "slice"}:
            column = columns.setdefault(key, np.full(len(slices), np.nan))
            if row["slice"] != "whole":
                column[place[row["slice"]]] = float(row[key] or "nan")
    return scores, slices


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _metric(facts: Mapping[str, Any]) -> MetricInfo:
    lowest, highest = ("∞" if limit is None else f"{limit:g}" for limit in facts["range"])
    return MetricInfo(facts["name"], facts["unit"], f"{lowest} to {highest}", facts["better"] or "neither")
