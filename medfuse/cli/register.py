"""``medfuse register``, ``medfuse apply`` and ``medfuse registration list``: alignment without fusion."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options
from .reading import reading_options
from .reporting import ProgressStyle, reporter
from .running import run

__all__ = ["app", "apply", "register"]

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List the kinds and presets of registration."
)

_KINDS = {
    "none": "Without search: the volumes are aligned by their headers, a transform or landmarks.",
    "rigid": "Rotation and translation: one patient, one bony part.",
    "similarity": "Rigid, and one scale for all axes.",
    "affine": "Rigid, and scales and shears along each axis.",
    "deformable": "Rigid, then a smooth displacement field: soft parts that moved.",
}


def register(
    volumes: options.Volumes,
    output: options.Output,
    window: options.Windows = None,
    modality: options.Modalities = None,
    series: options.Series = None,
    volume: options.VolumeNumbers = None,
    spacing: options.Spacings = None,
    allow_uneven: options.AllowUneven = False,
    suv: options.Suv = False,
    registration: options.Kind = None,
    no_registration: options.NoRegistration = False,
    registration_preset: options.RegistrationPreset = None,
    registration_start: options.RegistrationStart = None,
    initial_transform: options.InitialTransforms = None,
    transform_convention: options.Conventions = None,
    landmarks: options.Landmarks = None,
    accept_registration: options.AcceptRegistration = False,
    grid: options.Grid = None,
    interpolation: options.Interpolation = None,
    seed: options.Seed = None,
    recipe: options.RecipeFile = None,
    dicom: options.Dicom = False,
    keep_identifiers: options.KeepIdentifiers = False,
    progress: options.ShowProgress = ProgressStyle.bar,
    cancel_file: options.CancelFile = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Register volumes of one patient: transforms, moving volumes on the fixed grid, figures, a report."""
    from ..pipeline import align
    from ..report import write_aligned

    reading = {
        "series": series,
        "volume": volume,
        "spacing": spacing,
        "allow_uneven": allow_uneven,
        "suv": suv,
    }
    study = options.study_of(volumes, modality, initial_transform, transform_convention, landmarks, reading)
    given = {
        "windows": tuple(window or ()),
        "registration": options.kind_of(registration, no_registration),
        "registration_preset": registration_preset,
        "registration_start": registration_start,
        "accept_registration": accept_registration,
        "grid": grid,
        "interpolation": interpolation,
        "seed": seed,
        "dicom": dicom,
        "keep_identifiers": keep_identifiers,
    }
    work = partial(align, study, options.recipe_with(recipe, given))
    typer.echo(run(work, write_aligned, output, overwrite, progress, cancel_file))


def apply(
    transform: Annotated[Path, typer.Argument(metavar="TRANSFORM", help="As --initial-transform takes it.")],
    volume: Annotated[Path, typer.Argument(metavar="VOLUME", help="What is resampled: the moving volume.")],
    onto: Annotated[
        Path, typer.Option(metavar="FIXED", help="The volume on whose grid the result lies: the fixed one.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Volume to write: .nii.gz, .nrrd, .mha.")
    ],
    interpolation: Annotated[
        str,
        typer.Option(
            metavar="linear|bspline|nearest|label",
            help="label: the label with the largest share wins, written as integers.",
        ),
    ] = "linear",
    inverse: Annotated[
        bool,
        typer.Option("--inverse", help="The other way: VOLUME is the fixed volume, --onto the moving one."),
    ] = False,
    transform_convention: Annotated[
        str, typer.Option(metavar="WORD", help="What the transform's numbers mean, as of 'medfuse fuse'.")
    ] = "",
    series: options.Series = None,
    number: Annotated[
        list[str] | None,
        typer.Option(
            "--volume", metavar="N|-", help="Which volume of VOLUME and of FIXED, from 1; - for none."
        ),
    ] = None,
    progress: options.ShowProgress = ProgressStyle.bar,
    cancel_file: options.CancelFile = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Resample a volume onto another one's grid by a transform that maps fixed to moving points."""
    from ..io import write_volume
    from ..io.volume_files import check_target
    from ..pipeline import apply_transform

    check_target(output, overwrite)
    reading = reading_options(2, series, number, None, False, False)
    with reporter(progress, cancel_file) as report:
        result = apply_transform(
            transform,
            volume,
            onto,
            interpolation=interpolation,
            inverse=inverse,
            convention=transform_convention,
            reading=reading,
            progress=report,
        )
        report(0.9, "writing")
        write_volume(result, output, overwrite=overwrite, integers=interpolation == "label")
        report(1.0, "done")
    for note in result.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(output)


@app.callback()
def _group() -> None:
    """A group, though it has one command."""


@app.command("list")
def list_registrations(
    as_json: Annotated[bool, typer.Option("--json", help="All that is known, as JSON.")] = False,
) -> None:
    """List the kinds of registration, and the presets by pair of modalities."""
    from ..registration import KINDS, PRESETS

    if as_json:
        typer.echo(json.dumps([_schema(kind) for kind in KINDS], indent=2))
        return
    typer.echo("kinds (--registration):")
    for kind in KINDS:
        typer.echo(f"  {kind:10}  {_KINDS[kind]}")
    typer.echo("presets (--registration-preset):")
    for preset in PRESETS.values():
        typer.echo(f"  {preset.name:10}  {preset.about} Kinds: {', '.join(preset.kinds)}.")


def _schema(kind: str) -> dict[str, Any]:
    from ..registration import PRESETS

    presets = {name: asdict(preset) for name, preset in PRESETS.items() if kind in preset.kinds}
    return {"key": kind, "summary": _KINDS[kind], "presets": presets}
