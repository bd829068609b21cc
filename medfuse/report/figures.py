"""Pictures of the report, as PNG files inside the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ..colour import coloured
from .planes import Plane

__all__ = ["along_slices", "checkerboard", "colour_bar", "outlined", "overlay", "panel"]

_HEIGHT_INCHES = 2.6
_DPI = 110
_TILES = 8
_ORANGE = (1.0, 0.45, 0.1)


def panel(picture: Plane, colours: str = "gray", top: float = 1.0, bottom: float = 0.0) -> str:
    """One plane in [``bottom``, ``top``] with the patient's directions at its edges, as a data URI."""
    height, width = picture.image.shape[:2]
    ratio = (width * picture.column_mm) / (height * picture.row_mm)
    figure = Figure(figsize=(_HEIGHT_INCHES * min(max(ratio, 0.2), 5), _HEIGHT_INCHES), facecolor="black")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(
        picture.image,
        cmap=colours,
        vmin=bottom,
        vmax=top,
        aspect=picture.row_mm / picture.column_mm,
        interpolation="bilinear",
    )
    size = 8 * min(max(ratio, 1), 2)  # planes are shown equally wide: so are their letters then
    style: dict[str, Any] = {"color": "#ffd75e", "fontsize": size, "transform": axes.transAxes}
    axes.text(0.015, 0.5, picture.left, va="center", ha="left", **style)
    axes.text(0.5, 0.985, picture.top, va="top", ha="center", **style)
    return _data_uri(figure)


def checkerboard(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Tiles of two images (rows, columns) in turn: edges that run on across tiles are aligned."""
    side = max(1, max(a.shape) // _TILES)
    rows, columns = np.indices(a.shape) // side
    return np.where((rows + columns) % 2 == 0, a, b)


def overlay(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``a`` in green, ``b`` in magenta (rows, columns, 3): what both show alike is grey."""
    return np.stack([b, a, b], axis=-1).clip(0, 1)


def outlined(grey: np.ndarray, lines: npt.NDArray[np.bool_]) -> np.ndarray:
    """``grey`` (rows, columns) with ``lines`` in orange, (rows, columns, 3)."""
    return np.where(lines[..., None], _ORANGE, np.asarray(grey)[..., None]).clip(0, 1)


def along_slices(values: Mapping[str, npt.NDArray[np.float64]], label: str) -> str:
    """One metric along the slices for several methods, the first one drawn strongest, as a data URI."""
    figure = Figure(figsize=(4.2, 2.1), layout="constrained")
    axes = figure.add_subplot()
    for i, (method, series) in enumerate(values.items()):
        axes.plot(series, label=method, linewidth=2.2 if i == 0 else 1, color=f"C{i}", zorder=10 - i)
    axes.set_xlabel("slice", fontsize=8)
    axes.set_ylabel(label, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False)
    return _data_uri(figure)


def colour_bar(name: str, lower: float, upper: float, unit: str) -> str:
    """The colours of a map from ``lower`` to ``upper``, in ``unit``, as a data URI."""
    figure = Figure(figsize=(3.4, 0.62), layout="constrained")
    axes = figure.add_subplot()
    ramp = coloured(np.linspace(0, 1, 256)[None], name)
    axes.imshow(ramp, extent=(lower, upper, 0, 1), aspect="auto")
    axes.set_yticks([])
    axes.tick_params(labelsize=7)
    axes.set_xlabel(unit, fontsize=8)
    return _data_uri(figure)


def _data_uri(figure: Figure) -> str:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
