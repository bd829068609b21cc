"""From the panel's parameters to inputs on disk and a command line of ``medfuse``.

What methods, presets, registrations and devices there are, the command line knows; here is checked only what
concerns the scene.  The parameters are any object with the attributes of the module's parameter node.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .exports import Placement, export, export_start, modality_of, place_fixed, place_moving
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
    method:
        Key of the fusion method.
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
    method: str
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
        *_modalities(parameters, fixed, moving),
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
        method=parameters.method,
        replace=parameters.replaceResults,
    )


def _moving(parameters: Any) -> list[Any]:
    return [node for node in parameters.movingVolumes or () if node is not None]


def _check(parameters: Any) -> None:
    fixed, moving = parameters.fixedVolume, _moving(parameters)
    if fixed is None:
        raise LogicError("Choose the fixed volume: the result lies on its grid.")
    if not moving:
        raise LogicError("Choose a moving volume: it is brought onto the fixed one.")
    if len({node.GetID() for node in (fixed, *moving)}) <= len(moving):
        raise LogicError("The same volume is chosen twice: fixed and moving volumes must differ.")
    if not parameters.method:
        raise LogicError("Choose a fusion method.")
    for what in ("windows", "modalities"):
        given = len(_parts(getattr(parameters, what)))
        if given > len(moving) + 1:
            raise LogicError(
                f"{given} {what} for {len(moving) + 1} volumes: give one for each, with ; between, or none."
            )


def _placements(parameters: Any) -> tuple[Placement, tuple[Placement, ...]]:
    harden, initial = parameters.hardenTransforms, parameters.initialTransform
    if initial is not None and initial.IsTransformToWorldLinear():
        matrix_to_world(initial)  # refuses one that cannot be inverted, before anything is exported
    aligned = parameters.registration == _ALIGNED
    moving = (place_moving(node, harden, initial, aligned) for node in _moving(parameters))
    return place_fixed(parameters.fixedVolume, harden), tuple(moving)


def _parts(text: str) -> list[str]:
    """What the panel holds as one text: a word for each volume, with ; between."""
    return [part.strip() for part in text.split(";")] if text.strip() else []


def _options(parameters: Any) -> list[str]:
    given = {
        "--method": parameters.method,
        "--preset": parameters.preset,
        "--profile": parameters.profile,
        "--device": parameters.device,
        "--seed": str(parameters.seed),
        "--grid": parameters.grid,
        "--interpolation": parameters.interpolation,
        "--registration-preset": parameters.registrationPreset,
        "--registration-start": parameters.registrationStart,
    }
    words = [word for option, value in given.items() if value for word in (option, value)]
    for name, value in parameters.methodParameters.items():
        words += ["--parameter", f"{name}={value}"]
    for number, window in enumerate(_parts(parameters.windows), start=1):
        words += ["--window", f"{number}={window}"] if window else []
    words += _registration(parameters)
    return words + (["--download-weights"] if parameters.downloadWeights else [])


def _registration(parameters: Any) -> list[str]:
    words = ["--accept-registration"] if parameters.acceptRegistration else []
    if parameters.registration == _ALIGNED:
        return ["--no-registration", *words]
    return [*(["--registration", parameters.registration] if parameters.registration else []), *words]


def _modalities(parameters: Any, fixed: Placement, moving: tuple[Placement, ...]) -> list[str]:
    """One for each volume, the user's before the scene's; "" leaves it to the child, which says so."""
    given = _parts(parameters.modalities)
    known = [
        (given[i].upper() if i < len(given) else "") or modality_of(placement.node)
        for i, placement in enumerate((fixed, *moving))
    ]
    return [word for one in known for word in ("--modality", one)] if any(known) else []


def _starts(moving: tuple[Placement, ...], folder: Path) -> list[str]:
    """Where the volumes start: none, or a file for each of them."""
    if all(placement.start is None for placement in moving):
        return []
    files = [export_start(one, folder, f"start_{i}") for i, one in enumerate(moving, start=1)]
    return [word for file in files for word in ("--initial-transform", file.name)]
