"""What the viewer shows: the volumes of a result, how each is looked at, where they lie in the patient."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...intensity import CT_WINDOWS, luma, unit_of
from ...pipeline import Aligned, StudyResult
from ...volume import Geometry
from ..planes import PLANES, cut
from .blocks import BUDGET, Block, Codes, encoded, packed, packed_size, shrunk

__all__ = ["Viewer", "viewer_of_aligned", "viewer_of_result"]

_LEVELS = {"PT": 4095, "NM": 4095, "US": 255}
"""Values told apart, by modality: activity is looked at in narrow windows and packs well."""

_OTHERS = 1023  # MR and what nobody names
_PICTURE = 255  # fused, maps and rivals: grey values of [0, 1]
_COLOUR_MAPS = ("gray", "inferno", "viridis", "cividis")  # told apart by colour-blind readers, too
_LARGEST_FACTOR = 8


@dataclass(frozen=True, eq=False)
class Layer:
    """A volume that can be chosen.

    Parameters
    ----------
    name:
        As people read it.
    group:
        "volume", "fused", "map" or "rival".
    array:
        (z, y, x), or colour (z, y, x, 3) 0 to 255.
    valid:
        What was measured; None: all.
    unit:
        Of the values.
    window:
        (lower, upper) at first.
    levels, whole:
        See :func:`medfuse.report.viewer.blocks.encoded`.
    colours:
        One of the colour maps, at first.
    presets:
        Name -> (lower, upper).
    """

    name: str
    group: str
    array: np.ndarray
    valid: np.ndarray | None
    unit: str
    window: tuple[float, float]
    levels: int = _PICTURE
    whole: bool = False
    colours: str = "gray"
    presets: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True)
class Viewer:
    """What stands in the page for the viewer.

    Parameters
    ----------
    facts:
        JSON that is safe inside a page.
    blocks:
        The packed volumes, in the order of the facts.
    notes:
        What a reader must know: that volumes were shrunk, or left out.
    """

    facts: str
    blocks: tuple[str, ...]
    notes: tuple[str, ...] = ()


def viewer_of_result(result: StudyResult, voxel: tuple[int, int, int]) -> Viewer:
    """The viewer of a study, at ``voxel`` (z, y, x) first: fused, volumes, maps and, with room, rivals."""
    colour = result.fused_colour
    field = result.sources.valid
    seen: np.ndarray | None = None if field is None else np.logical_or.reduce(field)
    fused = Layer(
        f"fused: {result.ran.title}",
        "fused",
        result.fused.array if colour is None else colour.array,
        seen,
        "grey value" if colour is None else "",
        (0.0, 1.0),
    )
    maps = [
        Layer(
            _map_name(name, result.labels),
            "map",
            array,
            None,
            "",
            _map_window(name, array),
            colours="viridis",
        )
        for name, array in result.fused.maps.items()
    ]
    rivals = [
        Layer(f"rival: {name}", "rival", array, seen, "grey value", (0.0, 1.0))
        for name, array in result.baselines.items()
    ]
    curves = {
        method: {key: [_finite(value) for value in values] for key, values in one.per_slice.items()}
        for method, one in result.scores.items()
    }
    layers = [fused, *_volumes(result, result.colour_maps), *maps]
    return _viewer(result.volumes[0].geometry, voxel, layers, rivals, curves)


def viewer_of_aligned(aligned: Aligned, voxel: tuple[int, int, int]) -> Viewer:
    """The viewer of a registration alone, likewise."""
    layers = list(_volumes(aligned, ("none",) * len(aligned.volumes)))
    return _viewer(aligned.volumes[0].geometry, voxel, layers, [], {})


def _volumes(aligned: Aligned, maps: tuple[str, ...]) -> Iterator[Layer]:
    for label, volume, window, colours in zip(
        aligned.labels, aligned.volumes, aligned.windows, maps, strict=True
    ):
        is_ct = volume.modality == "CT"
        named = [(name, level - width / 2, level + width / 2) for name, (level, width) in CT_WINDOWS.items()]
        shown = (window.lower, window.upper)
        yield Layer(
            label,
            "volume",
            volume.array if volume.is_colour else luma(volume).array,
            volume.valid,
            "" if volume.is_colour else unit_of(volume),
            shown,
            _LEVELS.get(volume.modality, _OTHERS),
            is_ct,  # whole HU: of a resampled CT, too, nobody reads more
            "inferno" if colours != "none" else "gray",
            (("as fused", *shown), *(named if is_ct else ())),
        )


def _map_name(name: str, labels: tuple[str, ...]) -> str:
    if name.startswith("weight_"):
        return f"share of {labels[int(name.removeprefix('weight_'))]}"
    return name


def _map_window(name: str, array: np.ndarray) -> tuple[float, float]:
    return (0.0, 1.0 if name.startswith("weight_") else max(float(np.percentile(array, 99.5)), 1e-6))


def _finite(value: float) -> float | None:
    return float(f"{value:.5g}") if np.isfinite(value) else None


def _viewer(
    geometry: Geometry,
    voxel: tuple[int, int, int],
    layers: list[Layer],
    rivals: list[Layer],
    curves: dict[str, dict[str, list[float | None]]],
) -> Viewer:
    factor = _factor(layers)
    notes = []
    if factor > 1:
        notes.append(f"Shown at 1/{factor} of the resolution, so that the page stays below 20 MB.")
    blocks = [packed(_codes(layer, factor)) for layer in layers]
    left_out = []
    for rival in rivals:
        codes = _codes(rival, factor)
        if sum(len(block.text) for block in blocks) + packed_size(codes) < BUDGET:
            layers.append(rival)
            blocks.append(packed(codes))
        else:
            left_out.append(rival.name.removeprefix("rival: "))
    if left_out:
        notes.append(f"Left out, so that the page stays below 20 MB: {', '.join(left_out)}.")
    facts = {
        "grid": _grid(geometry, factor),
        "voxel": [index // factor for index in voxel],
        "planes": {name: _plane(geometry, name, factor) for name in PLANES},
        "colours": {name: _ramp(name) for name in _COLOUR_MAPS},
        "layers": [_described(one, block) for one, block in zip(layers, blocks, strict=True)],
        "curves": curves,
        "factor": factor,
    }
    return Viewer(_safe_json(facts), tuple(block.text for block in blocks), tuple(notes))


def _factor(layers: list[Layer]) -> int:
    """The least whole number by which all must be shrunk to fit."""
    factor = 1
    while factor < _LARGEST_FACTOR and sum(packed_size(_codes(one, factor)) for one in layers) > BUDGET:
        factor += 1
    return factor


def _codes(layer: Layer, factor: int) -> Codes:
    array = shrunk(layer.array, factor)
    if array.ndim == 4:
        return Codes(np.rint(array).clip(0, 255).astype(np.uint8), 0.0, 1.0)
    valid = layer.valid
    if valid is not None and factor > 1:
        valid = shrunk(valid.astype(np.float32), factor) > 0.5
    return encoded(array, valid, layer.levels, layer.whole)


def _grid(geometry: Geometry, factor: int) -> dict[str, Any]:
    """Size, and the affine from voxel (x, y, z) to LPS in mm, of what is shown."""
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(geometry.direction) * np.asarray(geometry.spacing)
    affine[:3, 3] = geometry.origin
    size = list(geometry.size)
    if factor > 1:
        # A block of voxels has its centre in its middle.
        affine[:3, 3] += affine[:3, :3] @ [(min(factor, n) - 1) / 2 for n in size]
        affine[:3, :3] *= factor
        size = [-(-n // factor) for n in size]
    return {"size": size, "affine": affine.round(6).tolist()}


def _plane(geometry: Geometry, name: str, factor: int) -> dict[str, Any]:
    how = cut(geometry, name)
    spacing = geometry.spacing[::-1]
    opposite = {"R": "L", "A": "P", "S": "I"}
    return {
        "across": how.across,
        "rows": how.rows,
        "columns": how.columns,
        "rowsFlipped": how.rows_flipped,
        "columnsFlipped": how.columns_flipped,
        "rowMm": spacing[how.rows] * factor,
        "columnMm": spacing[how.columns] * factor,
        "left": how.left,
        "right": opposite[how.left],
        "top": how.top,
        "bottom": opposite[how.top],
    }


def _ramp(name: str) -> str:
    """256 colours of a map as base64 of red, green, blue."""
    from matplotlib import colormaps

    colours = np.rint(255 * np.asarray(colormaps[name](np.linspace(0, 1, 256)))[:, :3]).astype(np.uint8)
    return base64.b64encode(colours.tobytes()).decode("ascii")


def _described(layer: Layer, block: Block) -> dict[str, Any]:
    return {
        "name": layer.name,
        "group": layer.group,
        "unit": layer.unit,
        "window": list(layer.window),
        "colours": layer.colours,
        "presets": [list(one) for one in layer.presets],
        "lower": block.lower,
        "step": block.step,
        "wide": block.wide,
        "colour": block.colour,
    }


def _safe_json(facts: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in, whatever a header says."""
    text = json.dumps(facts, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
