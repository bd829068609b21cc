"""``medfuse register``, ``medfuse apply`` and ``medfuse registration list``: alignment without fusion."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..study import InputVolume
from . import options
from .groups import grouped
from .inputs import InputOptions, Series, reading_options
from .options import RecipeOptions, RunOptions
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


@grouped
def register(inputs: InputOptions, how: RunOptions, recipe: RecipeOptions) -> None:
    """Register volumes of one patient: transforms, moving volumes on the fixed grid, figures, a report."""
    from ..pipeline import align
    from ..report import write_aligned

    typer.echo(run(partial(align, inputs.study(), recipe.build()), write_aligned, how))


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
    series: Series = None,
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
    options_of_volume, options_of_onto = reading_options(2, series, number)
    with reporter(progress, cancel_file) as report:
        result = apply_transform(
            transform,
            InputVolume(volume, reading=options_of_volume),
            InputVolume(onto, reading=options_of_onto),
            interpolation=interpolation,
            inverse=inverse,
            convention=transform_convention,
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
