"""From the panel's parameters to inputs on disk and a command line of ``medfuse``.

What methods, presets, registrations and devices there are, the command line knows; here is checked only what
concerns the scene.  The parameters are any object with the attributes of the module's parameter node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import rows
from .exports import Placement, export, export_start, place_fixed, place_moving
from .jobs import MEDFUSE
from .transforms import matrix_to_world

__all__ = ["LogicError", "Prepared", "prepare", "problems"]

_ALIGNED = "none"  # the one kind of registration that changes what is exported


class LogicError(ValueError):
    """What was asked for cannot be done; the message is one sentence for the panel."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Inputs on disk, the command that works on them, and what was asked for when it was.

    Parameters
    ----------
    folder:
        Holds everything of this run; the child's working folder.
    output:
        The result folder that the child will write.
    cancel_file:
        The child stops when this file appears.
    arguments:
        For the Python interpreter, in ``folder``.
    fixed, moving:
        The volumes, and how their copies lie.
    name:
        What the results shall be called; "" for a name made of method and volumes.
    replace:
        Whether the results take the place of those of an earlier run with the same volumes.
    """

    folder: Path
    output: Path
    cancel_file: Path
    arguments: tuple[str, ...]
    fixed: Placement
    moving: tuple[Placement, ...]
    name: str
    replace: bool


def problems(parameters: Any) -> str:
    """Why Apply cannot be pressed, in one sentence; "" if it can.

    Cheap enough to be asked at every change.
    """
    try:
        _check(parameters)
        _placements(parameters)
    except ValueError as error:
        return str(error)
    return ""


def prepare(parameters: Any, folder: Path) -> Prepared:
    """Export the volumes below ``folder`` and build the command line.  To be called in the main thread.

    Parameters
    ----------
    parameters:
        As for :func:`problems`.
    folder:
        Exists, is empty, and belongs to this run alone.

    Raises
    ------
    LogicError
        With the sentence of :func:`problems`.
    OSError
        If the folder cannot be written.
    """
    reason = problems(parameters)
    if reason:
        raise LogicError(reason)
    fixed, moving = _placements(parameters)
    names = ("fixed.nrrd", *(f"moving_{i}.nrrd" for i in range(1, len(moving) + 1)))
    for placement, name in zip((fixed, *moving), names, strict=True):
        export(placement, folder / name)
    arguments = (
        *(*MEDFUSE, "fuse", *names, "--output", "result"),
        *_options(parameters),
        *_said_of_volumes(rows.rows_of(parameters)),
        *_starts(moving, folder),
        *("--progress", "json", "--cancel-file", "cancel"),
    )
    return Prepared(
        folder=folder,
        output=folder / "result",
        cancel_file=folder / "cancel",
        arguments=arguments,
        fixed=fixed,
        moving=moving,
        name=parameters.outputName.strip(),
        replace=parameters.replaceResults,
    )


def _moving(parameters: Any) -> list[Any]:
    return [node for node in parameters.movingVolumes or () if node is not None]


def _check(parameters: Any) -> None:
    reason = rows.problem(parameters)
    if reason:
        raise LogicError(reason)
    if not parameters.method:
        raise LogicError("Choose a fusion method.")


def _placements(parameters: Any) -> tuple[Placement, tuple[Placement, ...]]:
    harden, initial = parameters.hardenTransforms, parameters.initialTransform
    if initial is not None and initial.IsTransformToWorldLinear():
        matrix_to_world(initial)  # refuses one that cannot be inverted, before anything is exported
    aligned = parameters.registration == _ALIGNED
    moving = (place_moving(node, harden, initial, aligned) for node in _moving(parameters))
    return place_fixed(parameters.fixedVolume, harden), tuple(moving)


def _options(parameters: Any) -> list[str]:
    given = {
        "--method": parameters.method,
        "--preset": parameters.preset,
        "--profile": parameters.profile,
        "--device": parameters.device,
        "--seed": str(parameters.seed),
        "--grid": parameters.grid,
        "--interpolation": parameters.interpolation,
        "--denoise": parameters.denoise,
        "--noise": parameters.noise,
        "--registration-preset": parameters.registrationPreset,
        "--registration-start": parameters.registrationStart,
    }
    words = [word for option, value in given.items() if value for word in (option, value)]
    for name, value in parameters.methodParameters.items():
        words += ["--parameter", f"{name}={value}"]
    words += _registration(parameters)
    return words + (["--download-weights"] if parameters.downloadWeights else [])


def _registration(parameters: Any) -> list[str]:
    words = ["--accept-registration"] if parameters.acceptRegistration else []
    if parameters.registration == _ALIGNED:
        return ["--no-registration", *words]
    return [*(["--registration", parameters.registration] if parameters.registration else []), *words]


def _said_of_volumes(volumes: Sequence[rows.Row]) -> list[str]:
    """Modalities, windows and colour maps; "" leaves a modality to the child, which says so."""
    known = [row.modality for row in volumes]
    words = [word for one in known for word in ("--modality", one)] if any(known) else []
    for number, row in enumerate(volumes, start=1):
        words += ["--window", f"{number}={row.window}"] if row.window else []
        words += ["--colour-map", f"{number}={row.colour_map}"] if row.colour_map else []
    return words


def _starts(moving: tuple[Placement, ...], folder: Path) -> list[str]:
    """Where the volumes start: none, or a file for each of them."""
    if all(placement.start is None for placement in moving):
        return []
    files = [export_start(one, folder, f"start_{i}") for i, one in enumerate(moving, start=1)]
    return [word for file in files for word in ("--initial-transform", file.name)]
