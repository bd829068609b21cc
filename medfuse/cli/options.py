"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ParameterError
from ..recipe import Recipe, Study
from .reading import reading_options
from .reporting import ProgressStyle

__all__ = [
    "AcceptRegistration",
    "AllowUneven",
    "CancelFile",
    "Conventions",
    "Dicom",
    "Grid",
    "InitialTransforms",
    "Interpolation",
    "KeepIdentifiers",
    "Kind",
    "Landmarks",
    "Modalities",
    "NoRegistration",
    "Output",
    "Overwrite",
    "RecipeFile",
    "RegistrationPreset",
    "RegistrationStart",
    "Seed",
    "Series",
    "ShowProgress",
    "Spacings",
    "Suv",
    "VolumeNumbers",
    "Volumes",
    "Windows",
    "kind_of",
    "recipe_with",
    "study_of",
]

_NONE = "-"

Volumes = Annotated[
    list[Path],
    typer.Argument(
        metavar="FIXED MOVING...",
        help="Volumes: NIfTI, NRRD or MHA files, or folders with a DICOM series. "
        "The result lies on the grid of the first.",
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")]
Windows = Annotated[
    list[str] | None,
    typer.Option(
        "--window",
        metavar="[TARGET=]SPEC",
        help="Values shown as 0 to 1; repeatable. SPEC: auto, a CT window by name (bone, brain, ...), "
        "LEVEL/WIDTH, or LOW%-HIGH% of the foreground. TARGET: a modality (MR=1%-99%) or the number "
        "of a volume (1 is the fixed one); without it, CT.",
    ),
]
Modalities = Annotated[
    list[str] | None,
    typer.Option(
        "--modality",
        metavar="CT|MR|US|PT|NM|OT",
        help="Modality of each volume in order, where the file does not say; repeatable.",
    ),
]
Series = Annotated[
    list[str] | None,
    typer.Option(
        metavar="UID|NUMBER|-",
        help="DICOM series of each volume in order, where a folder holds several; - for none. "
        "'medfuse info' lists them.",
    ),
]
VolumeNumbers = Annotated[
    list[str] | None,
    typer.Option(
        "--volume",
        metavar="N|-",
        help="Which volume of each 4-D file, series or cine in order, from 1; - for none.",
    ),
]
Spacings = Annotated[
    list[str] | None,
    typer.Option(
        "--spacing",
        metavar="X,Y[,Z]|-",
        help="Size of a pixel in mm of each volume in order, for 2-D images and ultrasound that do not "
        "say it; one number for squares, - for none.",
    ),
]
AllowUneven = Annotated[
    bool, typer.Option("--allow-uneven", help="Interpolate DICOM slices at uneven steps.")
]
Suv = Annotated[bool, typer.Option("--suv", help="Read PET as standardised uptake values by body weight.")]
Kind = Annotated[
    str | None,
    typer.Option(
        "--registration",
        metavar="KIND",
        help="What is searched for; see 'medfuse registration list'. [default: rigid]",
    ),
]
NoRegistration = Annotated[
    bool,
    typer.Option("--no-registration", help="The same as --registration none: they are aligned already."),
]
RegistrationPreset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Preset of the registration; auto suits the modalities. [default: auto]"
    ),
]
RegistrationStart = Annotated[
    str | None,
    typer.Option(
        metavar="auto|search|header",
        help="Where the search begins without a transform or landmarks: at many poses, where the headers "
        "place the volumes, or there if both name the same frame of reference. [default: auto]",
    ),
]
InitialTransforms = Annotated[
    list[Path] | None,
    typer.Option(
        "--initial-transform",
        metavar="FILE|-",
        help="Transform of each moving volume in order (- for none), to start from; with --no-registration "
        "used as it stands. ITK's .tfm, .txt, .h5, .mat; 4x4 numbers; FLIRT's .mat; FreeSurfer's .lta.",
    ),
]
Conventions = Annotated[
    list[str] | None,
    typer.Option(
        "--transform-convention",
        metavar="WORD",
        help="What 4x4 numbers mean: lps (default), ras, fsl, or with -inverse from moving to fixed points "
        "(3D Slicer shows ras-inverse); 'inverse' suits other files too. For each transform, or one for all.",
    ),
]
Landmarks = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        metavar="FIXED MOVING",
        help="Landmarks of the fixed and the moving volume (Slicer's .fcsv or .mrk.json), at least three, to "
        "start from; with --no-registration used as they stand. For one moving volume.",
    ),
]
AcceptRegistration = Annotated[
    bool, typer.Option("--accept-registration", help="Go on even if the registration is judged failed.")
]
Grid = Annotated[
    str | None,
    typer.Option(
        metavar="fixed|finest|isotropic:MM",
        help="Grid of the result over the fixed field of view: the fixed volume's, the finest of all, or "
        "cubes. [default: fixed]",
    ),
]
Interpolation = Annotated[
    str | None,
    typer.Option(metavar="linear|bspline|nearest", help="How values are resampled. [default: linear]"),
]
Seed = Annotated[int | None, typer.Option(help="Seed of all random numbers. [default: 1]")]
RecipeFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Recipe (TOML) to start from, as a result's recipe.toml."),
]
Dicom = Annotated[
    bool,
    typer.Option(
        "--dicom", help="Write the result as DICOM too, into the fixed volume's study; names the patient."
    ),
]
KeepIdentifiers = Annotated[
    bool,
    typer.Option("--keep-identifiers", help="Let paths and identity into the report and the provenance."),
]
ShowProgress = Annotated[ProgressStyle, typer.Option("--progress", help="What to show on stderr.")]
CancelFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Stop when this file appears.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result.")]


def study_of(
    volumes: Sequence[Path],
    modalities: Sequence[str] | None,
    transforms: Sequence[Path] | None,
    conventions: Sequence[str] | None,
    landmarks: tuple[Path, Path] | None,
    reading: dict[str, Any],
) -> Study:
    """The study that the options describe; ``reading`` holds those of :func:`reading_options`.

    Raises
    ------
    ParameterError
        If lists do not fit the volumes.
    """
    fixed, *moving = volumes
    files = tuple(None if str(path) == _NONE else path for path in transforms or ())
    words = tuple("" if word == _NONE else word for word in conventions or ())
    if len(words) == 1 and files:
        words = tuple(words[0] if path else "" for path in files)
    if landmarks and len(moving) > 1:
        raise ParameterError(
            f"--landmarks with {len(moving)} moving volumes: it is for one; 'medfuse batch' takes landmarks "
            "for each, or give --initial-transform"
        )
    return Study(
        fixed,
        tuple(moving),
        tuple(name.upper() for name in modalities or ()),
        files,
        reading_options(len(volumes), **reading),
        words,
        (landmarks,) if landmarks else (),
    )


def kind_of(kind: str | None, no_registration: bool) -> str | None:
    """The kind of registration that two options ask for; None for neither."""
    if no_registration and kind not in (None, "none"):
        raise ParameterError(f"--no-registration and --registration {kind}: give one of them")
    return "none" if no_registration else kind


def recipe_with(path: Path | None, given: dict[str, Any]) -> Recipe:
    """The recipe file, with what was said on the command line on top of it."""
    values = (Recipe.read(path) if path else Recipe()).to_mapping()
    parameters = {**values["parameters"], **given.get("parameters", {})}
    said = {name: value for name, value in given.items() if value not in (None, ()) and value is not False}
    if "method" in said and said["method"] != values["method"]:
        parameters = given["parameters"]  # those of the file belong to another method
    return Recipe.from_mapping({**values, **said, "parameters": parameters})
