"""Where the search for a moving volume's pose begins, and on whose word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ParameterError, RegistrationError
from ..io import open_transform, sha256_of
from ..io.transforms import TransformFile, matrix_in_mat
from ..landmarks import LandmarkFit, fit_landmarks
from ..recipe import Recipe
from ..registration import PRESETS, match, preset_for
from ..study import InputVolume
from ..volume import Volume

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["Start", "choose_start", "open_for", "share_frame"]


@dataclass(frozen=True, eq=False)
class Start:
    """Where a search begins.

    Parameters
    ----------
    transform:
        Fixed to moving points, LPS mm; None: see ``start``.
    start:
        "search" (many poses) or "header", as :func:`medfuse.register` takes it.
    may_search:
        Whether "header" was chosen here, so that many poses may be tried if it is not confirmed.
    landmarks:
        The fit that ``transform`` is from, if it is from landmarks.
    hashes:
        sha256 of the files it was read from.
    notes:
        What was assumed.
    """

    transform: SimpleITK.Transform | None = None
    start: str = "search"
    may_search: bool = False
    landmarks: LandmarkFit | None = None
    hashes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def choose_start(
    recipe: Recipe, fixed: tuple[InputVolume, Volume], moving: tuple[InputVolume, Volume]
) -> Start:
    """Where to begin for a moving volume: its transform, its landmarks, the headers, or anywhere.

    ``fixed`` and ``moving`` are what was asked for, each with what was read.

    Raises
    ------
    ReadError, ParameterError
        If its files cannot be read or used.
    RegistrationError
        If the pair can only be registered near a pose, and there is none.
    """
    asked = moving[0]
    hashes = tuple(sha256_of(path) for path in asked.start_files)
    if asked.transform is not None:
        ends = (fixed[0].path, fixed[1]), (asked.path, moving[1])
        opened, notes = open_for(asked.transform, asked.convention, *ends)
        return Start(opened, hashes=hashes, notes=notes)
    if asked.landmarks is not None:
        fit = fit_landmarks(*asked.landmarks)
        return Start(fit.to_itk(), landmarks=fit, hashes=hashes, notes=(*fit.notes, fit.describe()))
    return _without_files(recipe, fixed[1], moving[1])


def _without_files(recipe: Recipe, fixed: Volume, moving: Volume) -> Start:
    if recipe.registration_start == "header":
        return Start(start="header")
    if recipe.registration_start == "search" or not share_frame(fixed.metadata, moving.metadata):
        _check_may_search(recipe, fixed, moving)
        return Start()
    if recipe.registration == "none":
        return Start(start="header", notes=("both headers name the same frame of reference",))
    note = (
        "both headers name the same frame of reference, so that the search began where they place the volumes"
    )
    return Start(start="header", may_search=_may_search(recipe, fixed, moving), notes=(note,))


def open_for(
    path: Path, convention: str, fixed: tuple[Path, Volume], moving: tuple[Path, Volume]
) -> TransformFile:
    """Open a transform between two volumes with their files.

    FLIRT's millimetres are those of the NIfTI files it had: the grids of any other file would mislead.  4×4
    numbers in ``.mat`` may also be of greedy or c3d, in RAS: which of the two they are is told by the images.

    Raises
    ------
    ParameterError
        If the images match better by the other meaning of the numbers.
    """
    stored = [volume.stored for _, volume in (fixed, moving)]
    grids = None if stored[0] is None or stored[1] is None else (stored[0], stored[1])
    opened = open_transform(path, convention, grids)
    if grids is not None and convention in ("", "inverse") and matrix_in_mat(path):
        inverse = "-inverse" if convention else ""
        other = open_transform(path, f"ras{inverse}").transform
        _check_meaning(path, fixed[1], moving[1], (opened.transform, other), inverse)
    return opened


def _check_meaning(
    path: Path,
    fixed: Volume,
    moving: Volume,
    meanings: tuple[SimpleITK.Transform, SimpleITK.Transform],
    inverse: str,
) -> None:
    """Refuse 4×4 numbers in ``.mat`` that explain the images better as RAS than as FLIRT's."""
    flirt, ras = (match(fixed, moving, meaning) for meaning in meanings)
    if ras > flirt:
        raise ParameterError(
            f"{path}: 4×4 numbers in .mat are taken as FLIRT's, but as a RAS matrix (of greedy or c3d) they "
            f"match the volumes better (mutual information {ras:.2f} against {flirt:.2f} nats): say which "
            f"they are with --transform-convention ras{inverse} or fsl{inverse}"
        )


def share_frame(fixed: Mapping[str, Any], moving: Mapping[str, Any]) -> bool:
    """Whether two headers name one frame of reference: coordinates of one patient in one position."""
    name = fixed.get("FrameOfReferenceUID")
    return bool(name) and name == moving.get("FrameOfReferenceUID")


def _check_may_search(recipe: Recipe, fixed: Volume, moving: Volume) -> None:
    if recipe.registration != "none" and not _may_search(recipe, fixed, moving):
        raise RegistrationError(
            f"{fixed.modality} and {moving.modality} can only be registered near a starting pose: give "
            "--landmarks (three or more) or --initial-transform (of the tracking system, say), or "
            "--registration-start header if they are roughly aligned already"
        )


def _may_search(recipe: Recipe, fixed: Volume, moving: Volume) -> bool:
    name = recipe.registration_preset
    preset = preset_for(fixed.modality, moving.modality) if name == "auto" else PRESETS[name]
    return not preset.needs_start
