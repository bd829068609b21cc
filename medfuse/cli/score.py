"""``medfuse metrics``: score a fused image or volume that is already there."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..errors import GeometryError, ParameterError
from ..metrics import METRICS, Metric, Scores, evaluate

__all__ = ["metrics"]

_IMAGES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".mat"}
_ARROWS = {True: "higher is better", False: "lower is better", None: "no better direction"}


def metrics(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE SOURCE... FUSED | list | show KEY",
            help="Two or more sources and the fused image (2-D images, or volumes on one grid); "
            "or list the metrics; or show one.",
        ),
    ],
) -> None:
    """Score a fused image or volume against its sources."""
    match words:
        case ["list"]:
            for key, metric in METRICS.items():
                typer.echo(f"{key:8}  {metric.name}; {_ARROWS[metric.higher_is_better]}")
        case ["show", key]:
            _show(METRICS[key])
        case [_, _, _, *_]:
            sources, fused = _load([Path(word) for word in words])
            _print(evaluate(sources, fused))
        case _:
            raise ParameterError(
                f"{len(words)} images: give two or more sources and then the fused image, "
                "or 'list', or 'show KEY'"
            )


def _show(metric: Metric) -> None:
    typer.echo(f"{metric.key}: {metric.name}\n\n{inspect.getdoc(metric.function)}\n")
    typer.echo(f"range {metric.range[0]:g} to {metric.range[1]:g} {metric.unit}".rstrip())
    typer.echo(_ARROWS[metric.higher_is_better])
    typer.echo(f"reference: {metric.reference}")
    if metric.notes:
        typer.echo(f"notes: {metric.notes}")


def _print(scores: Scores) -> None:
    for key, value in scores.whole.items():
        metric = METRICS[key]
        reason = next(iter(scores.reasons[key].values()), "a source shows nothing")
        text = f"n/a ({reason})" if math.isnan(value) else f"{value:.6f}"
        typer.echo(f"{key:8}  {text:>10}  {metric.name}; {_ARROWS[metric.higher_is_better]}")


def _load(paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Sources (n, z, y, x) and fused (z, y, x) in [0, 1]; images are one slice."""
    if all(path.suffix.lower() in _IMAGES for path in paths):
        from ..io import read_image

        stack = [read_image(path)[None] for path in paths]
    else:
        stack = _load_volumes(paths)
    shapes = {image.shape for image in stack}
    if len(shapes) > 1:
        raise ParameterError(f"the images differ in size: {sorted(shapes)}; all must be of one size")
    return np.stack(stack[:-1]), stack[-1]


def _load_volumes(paths: list[Path]) -> list[np.ndarray]:
    """Volumes on one grid; those that do not lie in [0, 1] already are rescaled as ``medfuse fuse`` does."""
    from ..intensity import rescale
    from ..io import read_volume

    volumes = [read_volume(path) for path in paths]
    for path, volume in zip(paths, volumes, strict=True):
        if not volume.geometry.matches(volumes[0].geometry):
            raise GeometryError(f"{path} does not lie on the grid of {paths[0]}: resample it first")
    return [v.array if v.array.min() >= 0 and v.array.max() <= 1 else rescale(v).array for v in volumes]
