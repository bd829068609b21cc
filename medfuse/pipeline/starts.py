"""Where the search for a moving volume's pose begins, and on whose word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RegistrationError
from ..io import open_transform, sha256_of
from ..io.formats import format_of
from ..io.transforms import TransformFile
from ..landmarks import LandmarkFit, fit_landmarks
from ..recipe import Recipe
from ..registration import PRESETS, preset_for
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

    FLIRT's millimetres are those of the NIfTI files it had: the grids of any other file would mislead.
    """
    are_nifti = all((format_of(file) or ("",))[0] in (".nii", ".nii.gz") for file, _ in (fixed, moving))
    grids = (fixed[1].geometry, moving[1].geometry) if are_nifti else None
    return open_transform(path, convention, grids)


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
