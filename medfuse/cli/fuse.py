"""``medfuse fuse``: one study from files to a folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ParameterError
from ..recipe import Recipe, Study
from . import options
from .reporting import ProgressStyle, reporter
from .running import run

__all__ = ["fuse", "fuse_study"]


def fuse(
    volumes: options.Volumes,
    output: options.Output,
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
    profile: Annotated[
        str | None, typer.Option(help="Metrics to compute; see 'medfuse metrics list'. [default: default]")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps. [default: auto]")
    ] = None,
    seed: options.Seed = None,
    download_weights: Annotated[
        bool,
        typer.Option("--download-weights", help="Fetch the pretrained weights that the method needs."),
    ] = False,
    recipe: options.RecipeFile = None,
    dicom: options.Dicom = False,
    keep_identifiers: options.KeepIdentifiers = False,
    progress: options.ShowProgress = ProgressStyle.bar,
    cancel_file: options.CancelFile = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Register volumes of one patient, fuse them, and write a folder with a report."""
    reading = {
        "series": series,
        "volume": volume,
        "spacing": spacing,
        "allow_uneven": allow_uneven,
        "suv": suv,
    }
    study = options.study_of(volumes, modality, initial_transform, transform_convention, landmarks, reading)
    given = {
        "method": method,
        "preset": preset,
        "parameters": _parameters(parameter or []),
        "windows": tuple(window or ()),
        "registration": options.kind_of(registration, no_registration),
        "registration_preset": registration_preset,
        "registration_start": registration_start,
        "accept_registration": accept_registration,
        "grid": grid,
        "interpolation": interpolation,
        "profile": profile,
        "device": device,
        "seed": seed,
        "dicom": dicom,
        "keep_identifiers": keep_identifiers,
    }
    chosen = options.recipe_with(recipe, given)
    if download_weights:
        _fetch_weights(chosen, progress)
    typer.echo(fuse_study(study, chosen, output, overwrite, progress, cancel_file))


def _fetch_weights(recipe: Recipe, style: ProgressStyle) -> None:
    from .. import weights

    names = weights.missing_weights(getattr(recipe.build_method(), "required_weights", ()))
    if names:
        with reporter(style) as progress:
            for name in names:
                weights.download_weights(name, progress)


def fuse_study(
    study: Study,
    recipe: Recipe,
    output: Path,
    overwrite: bool,
    style: ProgressStyle,
    cancel_file: Path | None = None,
) -> Path:
    """Run one study, write its folder, say what was assumed, and return the path of the report."""
    from ..pipeline import run_study
    from ..report import write_result

    work = partial(run_study, study, recipe)
    return run(work, write_result, output, overwrite, style, cancel_file)


def _parameters(pairs: list[str]) -> dict[str, str]:
    parameters = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ParameterError(f"-p {pair}: expected KEY=VALUE, such as -p steps=500")
        parameters[name.strip()] = value.strip()
    return parameters
