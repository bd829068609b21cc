"""The part of a page that says what noise was found, and shows what was taken out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..intensity import rescale
from ..noise import MUCH_STRUCTURE
from ..pipeline import StudyResult
from .figures import panel
from .planes import plane

__all__ = ["noise_section"]

_DENOISERS = {
    "nlm": "non-local means",
    "tv": "total variation",
    "prior": "the trained prior",
    "both": "non-local means and the trained prior",
}
_SHARE = 99.5  # percentile of what was taken out that is black or white


class _Row(NamedTuple):
    """What the page says of one source."""

    label: str
    found: str
    done: str
    warning: str


def noise_section(result: StudyResult, voxel: tuple[int, int, int]) -> dict[str, Any] | None:
    """Rows and pictures of noise for the page; None where nobody looked for it.

    Pictures, axial through ``voxel``, share one grey scale, whose middle is 0 and whose ends are
    ``limit`` and −``limit`` of the sources' grey scale.
    """
    found = _found(result)
    if not found:
        return None
    residuals = _on_own_grid(result) or _by_the_method(result)
    shown = [np.take(array, voxel[0], axis=0) for array in residuals.values()]
    limit = max(float(np.percentile(np.abs(np.stack(shown)), _SHARE)), 1e-3) if shown else 0.0
    geometry = result.volumes[0].geometry
    return {
        "rows": [_row(result, i, *pair) for i, pair in enumerate(zip(result.labels, found, strict=True))],
        "limit": f"{limit:.2g}",
        "pictures": [
            (caption, panel(plane(array, geometry, "axial", voxel), top=limit, bottom=-limit))
            for caption, array in residuals.items()
        ],
    }


def _found(result: StudyResult) -> list[str]:
    """What noise each source has, in words; none where nobody looked."""
    if result.removed:
        return [f"{one.finding} (as a share of {one.full_scale:.4g})" for one in result.removed]
    return [one.finding for one in result.known_noise]


def _row(result: StudyResult, i: int, label: str, found: str) -> _Row:
    structure = 0.0
    done = "nothing"
    if result.removed and result.removed[i].planes:
        where = "in its slices" if result.removed[i].planes == 1 else "in three orientations"
        done = f"by {_DENOISERS[result.recipe.denoise]}, on its own grid, {where}"
        structure = result.removed[i].structure
    elif figure := _structures(result)[i]:
        done, structure = f"by {result.ran.key}", figure
    warning = f"has structure, {structure:.1f} times that of noise: look at it"
    return _Row(label, found, done, warning if structure > MUCH_STRUCTURE else "")


def _structures(result: StudyResult) -> list[float]:
    figures: list[float] = result.fused.info.get("removed_structure", [0.0] * len(result.volumes))
    return figures


def _on_own_grid(result: StudyResult) -> dict[str, np.ndarray]:
    """Caption -> what was taken out before resampling, on the grid of the result."""
    parts = zip(
        result.labels, result.removed, result.volumes, result.windows, result.sources.array, strict=False
    )
    return {
        label: rescale(volume, window).array - source
        for label, removed, volume, window, source in parts
        if removed.planes
    }


def _by_the_method(result: StudyResult) -> dict[str, np.ndarray]:
    """Caption -> what the method took out."""
    maps = result.fused.maps
    found = {
        label: maps[f"removed_{i}"]
        for i, (label, structure) in enumerate(zip(result.labels, _structures(result), strict=True))
        if structure
    }
    if "removed" in maps:
        found[f"fused by {result.ran.key}, against the closed form of the noisy sources"] = maps["removed"]
    return found
