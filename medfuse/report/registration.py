"""The part of a page that says how the volumes were registered, and whether to trust it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..pipeline import Aligned
from .edges import edges
from .figures import checkerboard, outlined, overlay, panel
from .planes import PLANES, Plane, plane

__all__ = ["FIGURES", "RegistrationRows", "comparisons", "pictures", "registration_rows"]

_VERDICTS = {
    "ok": "the checks found nothing against it; look at the pictures all the same",
    "doubtful": "look at the pictures before the result is used",
    "failed": "do not use it; it is shown because a failed registration was accepted",
    "given": "taken without search; nothing was checked but the overlap",
}
_STARTS = {
    "search": "the search began at many poses",
    "header": "the search began where the headers place the volumes",
    "transform": "the search began at the initial transform",
    "landmarks": "the search began at the pose of the landmarks",
}
FIGURES = {
    "agreement_mm": ("agreement, mm", "how far from it a search from another start ended"),
    "agreement_deg": ("agreement, °", "the same as an angle"),
    "rival": ("rival", "match of the best other place as a share of this one's; 1 would be as good"),
    "rival_mm": ("rival, mm away", "how far away that place lies, over the body"),
    "rival_deg": ("rival, ° away", "the same as an angle"),
    "mi_before": ("match before", "mutual information in nats where the search began"),
    "mi_found": ("match found", "that of what the search found; less than before, which was kept"),
    "mi_rigid": ("match, rigid", "mutual information in nats before the deformation"),
    "mi_after": ("match after", "mutual information in nats at the end; higher is better"),
    "overlap": ("overlap", "part of the smaller field of view that lies within the other, 0 to 1"),
    "inverse_consistency_mm": (
        "inverse consistency, mm",
        "how far a point ends from itself after registration in both directions",
    ),
    "halves_mm": ("halves, mm", "how far apart the results of the two halves of the volume are"),
    "halves_deg": ("halves, °", "the same as an angle"),
    "deformation_consistency_mm": (
        "inverse consistency of the deformation, mm",
        "how far a point ends from itself after the deformations of both directions",
    ),
    "rotation_deg": ("rotation, °", "of the body from the fixed to the moving volume"),
    "translation_mm": ("translation, mm", "of its centre"),
    "scale_min": ("smallest scale", "factor along the direction that is stretched least; 1: none"),
    "scale_max": ("largest scale", "factor along the direction that is stretched most; 1: none"),
    "shear_deg": ("shear, °", "largest change of a right angle"),
    "affine_gain": (
        "affine gain",
        "share of the match that scales and shears would add",
    ),
    "affine_scale_x": ("affine scale, x", "by which they would stretch the moving volume's columns; 1: none"),
    "affine_scale_y": ("affine scale, y", "by which they would stretch its rows; 1: none"),
    "affine_scale_z": ("affine scale, z", "by which they would move its slices apart; 1: none"),
    "displacement_mean_mm": ("mean displacement, mm", "of a point of the body by the deformation"),
    "displacement_max_mm": ("largest displacement, mm", "of a point by the deformation"),
    "jacobian_min": (
        "smallest Jacobian",
        "determinant: change of a small volume by the deformation; 0 or less would be a fold",
    ),
    "jacobian_max": ("largest Jacobian", "determinant: change of a small volume by the deformation"),
    "travel_mm": ("travel, mm", "how far from its start the search ended"),
    "travel_deg": ("travel, °", "the same as an angle"),
    "travel": ("travel", "as a share of what is allowed"),
}
"""Figure of a registration -> what it is called on the page, and what it means."""

_EDGE_PIXELS = 320  # of the longer side: fine enough for thin lines
_BLUR_MM = 1.0


class RegistrationRows(NamedTuple):
    """What the page says of one moving volume."""

    label: str
    verdict: str
    words: str
    reasons: str
    how: str
    figures: list[tuple[str, str, str]]
    landmarks: list[tuple[str, str, str]]


def registration_rows(aligned: Aligned, facts: Mapping[str, Any]) -> list[RegistrationRows]:
    """One for each moving volume, from the ``facts`` of the provenance."""
    return [
        RegistrationRows(
            label,
            one["verdict"],
            _VERDICTS[one["verdict"]],
            _sentence("; ".join(one["reasons"])),
            _how(one),
            [_figure(name, value) for name, value in one["figures"].items()],
            _landmarks(one.get("landmarks")),
        )
        for label, one in zip(aligned.labels[1:], facts["registrations"], strict=True)
    ]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _how(one: Mapping[str, Any]) -> str:
    if one["kind"] == "none":
        return "The transform is the pose of the landmarks." if one["start"] == "landmarks" else ""
    return f"Kind {one['kind']}, preset {one['preset']}; {_STARTS[one['start']]}."


def _figure(name: str, value: float | None) -> tuple[str, str, str]:
    words, meaning = FIGURES.get(name, (name.replace("_", " "), ""))
    return words, "n/a" if value is None or math.isnan(value) else f"{value:.3g}", meaning


def _landmarks(known: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    if known is None:
        return []
    rows = [
        (label or f"number {i}", f"{fit:.2f}", f"{used:.2f}")
        for i, (label, fit, used) in enumerate(
            zip(known["labels"], known["fit_errors_mm"], known["errors_mm"], strict=True), start=1
        )
    ]
    return [*rows, ("root mean square", f"{known['fit_rms_mm']:.2f}", f"{known['rms_mm']:.2f}")]


def pictures(aligned: Aligned, voxel: tuple[int, int, int]) -> list[tuple[str, list[tuple[str, str]]]]:
    """For each plane through ``voxel`` (z, y, x): caption and picture of sources and comparisons."""
    geometry = aligned.volumes[0].geometry
    rows = []
    for name in PLANES:
        planes = [plane(source, geometry, name, voxel) for source in aligned.sources.array]
        if min(planes[0].image.shape) == 1:  # across a single slice there is nothing to see
            continue
        own = list(zip(aligned.labels, map(panel, planes), strict=True))
        rows.append((name, [*own, *comparisons(aligned.labels, planes)]))
    return rows


def comparisons(labels: tuple[str, ...], planes: list[Plane]) -> list[tuple[str, str]]:
    """Each moving volume against the fixed one: edges, overlay and checkerboard."""
    first, *others = planes
    row = []
    for label, other in zip(labels[1:], others, strict=True):
        both = overlay(first.image, other.image)
        board = checkerboard(first.image, other.image)
        row += [
            (f"edges of {label} on fixed", panel(_edged(first, other))),
            (f"fixed green, {label} magenta", panel(first._replace(image=both))),
            (f"checkerboard fixed / {label}", panel(first._replace(image=board))),
        ]
    return row


def _edged(first: Plane, other: Plane) -> Plane:
    """The edges of ``other`` on ``first``, on pixels that are square and small enough for thin lines."""
    from scipy.ndimage import zoom

    size = np.multiply(first.image.shape, (first.row_mm, first.column_mm))
    side = max(float(size.max()) / _EDGE_PIXELS, 1e-6)
    factors = np.maximum(size / side, 1) / first.image.shape
    grey, moving = (zoom(np.asarray(one.image, np.float32), factors, order=1) for one in (first, other))
    lines = edges(moving, max(1.5, _BLUR_MM / side))
    return first._replace(image=outlined(grey, lines), row_mm=side, column_mm=side)
