"""What ``medfuse metrics`` scores: images or volumes, brought to [0, 1], and what was used for it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import typer

from ..errors import GeometryError, ParameterError
from ..sources import Sources

if TYPE_CHECKING:
    from ..volume import Volume

__all__ = ["load", "parsed_scale"]

Scale = tuple[float, float]
"""The values that stand for 0 and 1."""

_IMAGES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".mat"}


def parsed_scale(text: str | None) -> Scale | None:
    """The values of black and white that ``--fused-scale`` says; None without it."""
    if text is None:
        return None
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    black, white = [0.0, *numbers] if len(numbers) == 1 else numbers if len(numbers) == 2 else (0.0, 0.0)
    if not (math.isfinite(black) and math.isfinite(white) and black < white):
        raise ParameterError(
            f"--fused-scale {text}: expected the value of white, such as 255, or those of black and white, "
            "such as 0,4095"
        )
    return black, white


def load(paths: list[Path], scale: Scale | None) -> tuple[np.ndarray | Sources, np.ndarray]:
    """Sources (n, z, y, x) and fused (z, y, x) in [0, 1]; images are one slice."""
    if not all(path.suffix.lower() in _IMAGES for path in paths):
        return _load_volumes(paths, scale)
    from ..io import read_image

    if scale is not None:
        raise ParameterError("--fused-scale is for volumes: 2-D images say their range by their type")
    stack = [read_image(path)[None] for path in paths]
    shapes = {image.shape for image in stack}
    if len(shapes) > 1:
        raise ParameterError(f"the images differ in size: {sorted(shapes)}; all must be of one size")
    return np.stack(stack[:-1]), stack[-1]


def _load_volumes(paths: list[Path], scale: Scale | None) -> tuple[Sources, np.ndarray]:
    """Volumes on one grid; sources that do not lie in [0, 1] are rescaled as ``medfuse fuse`` does.

    What the fused volume marks as padding is in no field.
    """
    from ..io import read_volume

    *volumes, fused = [read_volume(path) for path in paths[:-1]] + [read_volume(paths[-1], modality="OT")]
    for path, volume in zip(paths, (*volumes, fused), strict=True):
        if not volume.geometry.matches(volumes[0].geometry):
            raise GeometryError(f"{path} does not lie on the grid of {paths[0]}: resample it first")
    shown = [_in_range(volume) for volume in volumes]
    sources = Sources.of([one.array for one in shown], [_both(one.valid, fused.valid) for one in shown])
    if fused.is_colour:
        raise ParameterError(
            f"{paths[-1]}: in colour: metrics are of grey values; give the grey fused volume"
        )
    black, white = _fused_scale(paths[-1], fused, scale)
    array = (fused.array - np.float32(black)) / np.float32(white - black)
    return sources, array if fused.valid is None else np.where(fused.valid, array, np.float32(0))


def _in_range(volume: Volume) -> Volume:
    from ..intensity import rescale

    values = volume.measured()
    return volume if not volume.is_colour and values.min() >= 0 and values.max() <= 1 else rescale(volume)


def _both(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    return second if first is None else first if second is None else first & second


def _fused_scale(path: Path, fused: Volume, scale: Scale | None) -> Scale:
    """The values of the fused volume that stand for 0 and 1, by the option or the file's type.

    Raises
    ------
    ParameterError
        If nothing says it, or values lie outside.
    """
    from ..io.stored_range import stored_white

    low, high = float(fused.measured().min()), float(fused.measured().max())
    white = stored_white(path)
    if scale is not None:
        why = "--fused-scale"
    elif white is not None:
        scale, why = (0.0, float(white)), f"whole numbers of {8 if white == 255 else 16} bits"
    elif low >= 0 and high <= 1:
        scale, why = (0.0, 1.0), "as they are"
    else:
        raise ParameterError(
            f"{path}: values from {low:g} to {high:g}, and nothing says which of them stand for 0 and 1: "
            "give --fused-scale, such as 255 or 0,4095 (a fused volume is never windowed)"
        )
    if low < scale[0] or high > scale[1]:
        raise ParameterError(
            f"{path}: values from {low:g} to {high:g} lie outside --fused-scale {scale[0]:g},{scale[1]:g}"
        )
    typer.echo(f"{path}: {scale[0]:g} to {scale[1]:g} stand for 0 to 1 ({why})")
    return scale
