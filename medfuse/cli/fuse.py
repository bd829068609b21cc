"""``medfuse fuse``: one study from files to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ParameterError
from ..progress import subrange
from ..recipe import Recipe, Study
from .reading import reading_options
from .reporting import ProgressStyle, reporter

__all__ = ["fuse", "run"]


def fuse(
    volumes: Annotated[
        list[Path],
        typer.Argument(
            metavar="FIXED MOVING...",
            help="Volumes: NIfTI, NRRD or MHA files, or folders with a DICOM series. "
            "The result lies on the grid of the first.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")],
    method: Annotated[
        str | None, typer.Option(help="Fusion method; see 'medfuse methods'. [default: dip]")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Preset of the method; auto suits the device. [default: auto]")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="KEY=VALUE", help="Parameter of the method; repeatable."),
    ] = None,
    window: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[TARGET=]SPEC",
            help="Values shown as 0 to 1; repeatable. SPEC: auto, a CT window by name (bone, brain, ...), "
            "LEVEL/WIDTH, or LOW%-HIGH% of the foreground. TARGET: a modality (MR=1%-99%) or the number "
            "of a volume (1 is the fixed one); without it, CT.",
        ),
    ] = None,
    modality: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CT|MR|US|PT|NM|OT",
            help="Modality of each volume in order, where the file does not say; repeatable.",
        ),
    ] = None,
    series: Annotated[
        list[str] | None,
        typer.Option(
            metavar="UID|NUMBER|-",
            help="DICOM series of each volume in order, where a folder holds several; - for none. "
            "'medfuse info' lists them.",
        ),
    ] = None,
    volume: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N|-",
            help="Which volume of each 4-D file, series or cine in order, from 1; - for none.",
        ),
    ] = None,
    spacing: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y[,Z]|-",
            help="Size of a pixel in mm of each volume in order, for 2-D images and ultrasound that do not "
            "say it; one number for squares, - for none.",
        ),
    ] = None,
    allow_uneven: Annotated[
        bool, typer.Option("--allow-uneven", help="Interpolate DICOM slices at uneven steps.")
    ] = False,
    suv: Annotated[
        bool, typer.Option("--suv", help="Read PET as standardised uptake values by body weight.")
    ] = False,
    no_registration: Annotated[
        bool, typer.Option("--no-registration", help="The volumes are aligned already.")
    ] = False,
    initial_transform: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="ITK transform (fixed to moving points, LPS) of each moving volume in order, to start from; "
            "with --no-registration used as it stands.",
        ),
    ] = None,
    accept_registration: Annotated[
        bool, typer.Option("--accept-registration", help="Go on even if the registration is judged failed.")
    ] = False,
    profile: Annotated[
        str | None, typer.Option(help="Metrics to compute; see 'medfuse metrics list'. [default: default]")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps. [default: auto]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random numbers. [default: 1]")] = None,
    download_weights: Annotated[
        bool,
        typer.Option("--download-weights", help="Fetch the pretrained weights that the method needs."),
    ] = False,
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Recipe (TOML) to start from, as a result's recipe.toml."),
    ] = None,
    dicom: Annotated[
        bool,
        typer.Option(
            "--dicom", help="Write the result as DICOM too, into the fixed volume's study; names the patient."
        ),
    ] = False,
    keep_identifiers: Annotated[
        bool,
        typer.Option("--keep-identifiers", help="Let paths and identity into the report and the provenance."),
    ] = False,
    progress: Annotated[ProgressStyle, typer.Option(help="What to show on stderr.")] = ProgressStyle.bar,
    cancel_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Stop when this file appears.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result.")] = False,
) -> None:
    """Register volumes of one patient, fuse them, and write a folder with a report."""
    fixed, *moving = volumes
    study = Study(
        fixed,
        tuple(moving),
        tuple(name.upper() for name in modality or ()),
        tuple(initial_transform or ()),
        reading_options(len(volumes), series, volume, spacing, allow_uneven, suv),
    )
    given = {
        "method": method,
        "preset": preset,
        "parameters": _parameters(parameter or []),
        "windows": tuple(window or ()),
        "registration": "none" if no_registration else None,
        "accept_registration": accept_registration,
        "profile": profile,
        "device": device,
        "seed": seed,
        "dicom": dicom,
        "keep_identifiers": keep_identifiers,
    }
    chosen = _recipe(recipe, given)
    if download_weights:
        _fetch_weights(chosen, progress)
    report = run(study, chosen, output, overwrite, progress, cancel_file)
    typer.echo(report)


def _fetch_weights(recipe: Recipe, style: ProgressStyle) -> None:
    from .. import weights

    names = weights.missing_weights(getattr(recipe.build_method(), "required_weights", ()))
    if names:
        with reporter(style) as progress:
            for name in names:
                weights.download_weights(name, progress)


def run(
    study: Study,
    recipe: Recipe,
    output: Path,
    overwrite: bool,
    style: ProgressStyle,
    cancel_file: Path | None = None,
) -> Path:
    """Run one study, write its folder, say what was assumed, and return the path of the report."""
    from ..pipeline import run_study
    from ..report import check_output, write_result

    check_output(output, overwrite)
    with reporter(style, cancel_file) as progress:
        result = run_study(study, recipe, subrange(progress, 0.0, 0.97))
        progress(0.97, "writing")
        report = write_result(result, output, overwrite)
        progress(1.0, "done")
    for label, registration in zip(result.labels[1:], result.registrations, strict=True):
        typer.echo(f"registration of {label}: {registration.verdict}", err=True)
    for note in result.notes:
        typer.echo(f"note: {note}", err=True)
    return report


def _recipe(path: Path | None, given: dict[str, Any]) -> Recipe:
    """The recipe file, with what was said on the command line on top of it."""
    values = (Recipe.read(path) if path else Recipe()).to_mapping()
    parameters = {**values["parameters"], **given["parameters"]}
    said = {name: value for name, value in given.items() if value not in (None, ()) and value is not False}
    if "method" in said and said["method"] != values["method"]:
        parameters = given["parameters"]  # those of the file belong to another method
    return Recipe.from_mapping({**values, **said, "parameters": parameters})


def _parameters(pairs: list[str]) -> dict[str, str]:
    parameters = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ParameterError(f"-p {pair}: expected KEY=VALUE, such as -p steps=500")
        parameters[name.strip()] = value.strip()
    return parameters
