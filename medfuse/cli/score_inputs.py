"""What ``medfuse metrics`` scores, brought to [0, 1] as ``medfuse fuse`` does it; what was used is said.

2-D images say their range by their type.  Sources that are volumes are windowed by the same function as in a
study; those of a result folder by the windows of that study, with its masks.  A fused volume is never
windowed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import typer

from ..errors import GeometryError, ParameterError, ReadError
from ..sources import Sources

if TYPE_CHECKING:
    from ..intensity import Window
    from ..volume import Volume

__all__ = ["Asked", "is_result", "load", "parsed_scale"]

Scale = tuple[float, float]
"""The values that stand for 0 and 1."""


class _Input(TypedDict):
    """What a provenance says of a volume, as far as it is used here."""

    modality: str
    window_limits: tuple[float, float]


class _Recipe(TypedDict, total=False):
    denoise: str


class _Known(TypedDict):
    inputs: list[_Input]


class _Facts(_Known, total=False):
    """Likewise of a study; older versions did not say the recipe."""

    recipe: _Recipe


@dataclass(frozen=True)
class Asked:
    """What the options say of the volumes; empty for nothing."""

    modalities: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    fused_scale: Scale | None = None
    to_grey: bool = False


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


def is_result(path: Path) -> bool:
    """Whether a path is a folder that ``medfuse fuse`` wrote."""
    from ..report import names

    return (path / names.PROVENANCE).is_file() and (path / names.FUSED).is_file()


def load(paths: Sequence[Path], asked: Asked) -> tuple[np.ndarray | Sources, np.ndarray]:
    """Sources (n, z, y, x) and fused (z, y, x) in [0, 1]; images are one slice.

    Parameters
    ----------
    paths:
        The sources and the fused image, or a result folder, alone or with another fused volume.
    asked:
        The options.
    """
    from ..io.formats import is_picture
    from ..report import names

    if is_result(paths[0]):
        fused = paths[1] if len(paths) > 1 else paths[0] / names.FUSED
        return _load_volumes([*_registered(paths[0]), fused], asked)
    if not all(is_picture(path) for path in paths):
        return _load_volumes(paths, asked)
    if asked != Asked(to_grey=asked.to_grey):
        raise ParameterError(
            "--modality, --window and --fused-scale are for volumes: 2-D images say their range by their type"
        )
    stack = _load_pictures(paths, asked.to_grey)
    _check_sizes(paths, [image.shape for image in stack])
    return np.stack(stack[:-1])[:, None], stack[-1][None]


def _load_pictures(paths: Sequence[Path], to_grey: bool) -> list[np.ndarray]:
    """Images (y, x) in [0, 1]; 16-bit files that use fewer bits are scaled by these, and it is said."""
    from ..intensity import levels_in_use
    from ..io.formats.images import load_image

    found = []
    for path in paths:
        array, white, notes = load_image(path, to_grey)
        found.append((array, white))
        for note in notes:
            typer.echo(f"note: {path}: {note}", err=True)
    wide = [array for array, white in found if white == 65535]
    step, top = levels_in_use(wide) if wide else (1, 65535)
    if top != 65535:
        steps = f" in steps of {step}" if step > 1 else ""
        typer.echo(f"note: the 16-bit images use 0 to {top}{steps}, which stand for 0 to 1", err=True)
    whites = [top if white == 65535 else white for _, white in found]
    return [array.astype(np.float32) / np.float32(w) for (array, _), w in zip(found, whites, strict=True)]


def _registered(folder: Path) -> list[Path]:
    """The registered volumes of a result, the fixed one first."""
    from ..report import names

    called = names.volume_names(len(_inputs(folder)))
    return [folder / names.REGISTERED / f"{name}.nii.gz" for name in called]


def _inputs(folder: Path) -> list[_Input]:
    """What the provenance of a result says of its volumes.

    Raises
    ------
    ReadError
        If it is damaged, or of a version that did not say it.
    """
    from ..report import names

    path = folder / names.PROVENANCE
    try:
        return _facts(folder)["inputs"]
    except ReadError as error:
        raise ReadError(
            f"{path}: does not say how the volumes were shown: it is damaged or of another version; fuse "
            "them again, or give the volumes with --modality and --window"
        ) from error


def _facts(folder: Path) -> _Facts:
    from ..io.records import read_json
    from ..report import names

    return read_json(folder / names.PROVENANCE, "provenance", _Facts)


def _note_on_denoising(folder: Path) -> None:
    """Say where the study scored against denoised sources, which its folder does not hold."""
    how = _facts(folder).get("recipe", {}).get("denoise", "none")
    if how != "none":
        typer.echo(
            f"note: {folder}: its own scores are against sources denoised by {how}; these are against the "
            "registered volumes as they were read",
            err=True,
        )


def _of_study(path: Path) -> _Input | None:
    """What the provenance says of a volume that lies in the folder ``registered`` of a result.

    Where it does not say it, that is a note, and the volume is taken as any other.
    """
    from ..report import names

    folder = path.absolute().parent.parent
    if path.absolute().parent.name != names.REGISTERED or not is_result(folder):
        return None
    try:
        known = dict(zip((one.name for one in _registered(folder)), _inputs(folder), strict=True))
    except ReadError as error:
        typer.echo(f"note: {error}", err=True)
        return None
    return known.get(path.name)


def _load_volumes(paths: Sequence[Path], asked: Asked) -> tuple[Sources, np.ndarray]:
    """Volumes on one grid.  What the fused volume marks as padding is in no field."""
    from ..intensity import rescale
    from ..io import read_volume

    *names, last = paths
    if len(asked.modalities) not in (0, len(names)):
        raise ParameterError(
            f"{len(asked.modalities)} times --modality for {len(names)} sources: give it for each"
        )
    studies = [_of_study(path) for path in names]
    known = [path.absolute() for path, study in zip(names, studies, strict=True) if study]
    for folder in {path.parent.parent for path in known}:
        _note_on_denoising(folder)
    volumes = [
        _read(path, study, modality)
        for path, study, modality in zip(names, studies, asked.modalities or [""] * len(names), strict=True)
    ]
    fused = read_volume(last, modality="OT", to_grey=asked.to_grey)
    for path, volume in zip(paths, (*volumes, fused), strict=True):
        if not volume.geometry.matches(volumes[0].geometry):
            raise GeometryError(
                f"{path} ({volume.geometry.describe()}) does not lie on the grid of {names[0]} "
                f"({volumes[0].geometry.describe()}): resample it first"
            )
    windows = _windows(volumes, studies, asked)
    for path, volume, window in zip(names, volumes, windows, strict=True):
        typer.echo(f"{path}: {volume.modality}, {window.describe()}", err=True)
    shown = [rescale(*pair) for pair in zip(volumes, windows, strict=True)]
    masks = [_both(one.valid, fused.valid) for one in shown]
    return Sources.of([one.array for one in shown], masks), _fused(last, fused, asked.fused_scale)


def _read(path: Path, study: _Input | None, modality: str) -> Volume:
    """One source; if it is of a study, measured where that says."""
    from ..io import read_volume

    said = "" if modality == "-" else modality.upper()
    known = said or (study["modality"] if study else "")
    volume = read_volume(path, modality=known or None)
    if study is not None:
        return replace(volume, valid=_mask_of_study(path))
    for note in volume.notes:
        typer.echo(f"note: {path}: {note}", err=True)
    return volume


def _mask_of_study(path: Path) -> np.ndarray | None:
    """The mask beside a registered volume; None where it was measured everywhere."""
    from ..io import read_volume
    from ..report import names

    mask = path.with_name(f"{names.mask_name(path.name.removesuffix('.nii.gz'))}.nii.gz")
    if not mask.is_file():
        return None
    typer.echo(f"{path}: only where {mask.name} is not 0", err=True)
    return np.asarray(read_volume(mask, modality="OT").array > 0)


def _windows(volumes: Sequence[Volume], studies: Sequence[_Input | None], asked: Asked) -> tuple[Window, ...]:
    """Those of the study that all volumes are of, if nothing else is asked; else as a study chooses them."""
    from ..intensity import Window, choose_windows

    known = [study for study in studies if study is not None]
    if len(known) < len(volumes) or asked.modalities or asked.windows:
        return choose_windows(volumes, asked.windows)
    limits = (one["window_limits"] for one in known)
    return tuple(Window(lower, upper, "as in its study") for lower, upper in limits)


def _both(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    return second if first is None else first if second is None else first & second


def _fused(path: Path, fused: Volume, scale: Scale | None) -> np.ndarray:
    """The fused volume (z, y, x) in [0, 1]; 0 where it is padding."""
    if fused.is_colour:
        raise ParameterError(f"{path}: in colour: metrics are of grey values; give the grey fused volume")
    black, white = _fused_scale(path, fused, scale)
    array = (fused.array - np.float32(black)) / np.float32(white - black)
    return array if fused.valid is None else np.where(fused.valid, array, np.float32(0))


def _fused_scale(path: Path, fused: Volume, scale: Scale | None) -> Scale:
    """The values of the fused volume that stand for 0 and 1, by the option or the file's type.

    Raises
    ------
    ParameterError
        If nothing says it, or values lie outside.
    """
    low, high = float(fused.measured().min()), float(fused.measured().max())
    scale, why = (scale, "--fused-scale") if scale is not None else _own_scale(path, fused)
    if low < scale[0] or high > scale[1]:
        raise ParameterError(
            f"{path}: values from {low:g} to {high:g} lie outside --fused-scale {scale[0]:g},{scale[1]:g}"
        )
    typer.echo(f"{path}: fused, {scale[0]:g} to {scale[1]:g} ({why})", err=True)
    return scale


def _own_scale(path: Path, fused: Volume) -> tuple[Scale, str]:
    from ..intensity import levels_in_use
    from ..io.stored_range import stored_white

    values = fused.measured()
    white = stored_white(path)
    if white == 65535:
        step, top = levels_in_use([values.astype(np.uint16)])
        steps = f" in steps of {step}" if step > 1 else ""
        return (
            0.0,
            float(top),
        ), f"what its whole numbers of 16 bits use{steps}" if top < white else "16 bits"
    if white is not None:
        return (0.0, float(white)), "8 bits"
    if values.min() >= 0 and values.max() <= 1:
        return (0.0, 1.0), "as they are"
    raise ParameterError(
        f"{path}: values from {values.min():g} to {values.max():g}, and nothing says which of them stand for "
        "0 and 1: give --fused-scale, such as 255 or 0,4095 (a fused volume is never windowed)"
    )


def _check_sizes(paths: Sequence[Path], shapes: Sequence[tuple[int, ...]]) -> None:
    for path, shape in zip(paths, shapes, strict=True):
        if shape != shapes[0]:
            raise ParameterError(
                f"{path} is of {'×'.join(map(str, shape[::-1]))} pixels and {paths[0]} of "
                f"{'×'.join(map(str, shapes[0][::-1]))}: all images must be of one size"
            )
