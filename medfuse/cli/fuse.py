"""``medfuse fuse``: one study from files to a folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ParameterError
from ..recipe import Recipe
from ..study import Study
from .groups import grouped
from .inputs import InputOptions
from .options import RecipeOptions, RunOptions
from .reporting import ProgressStyle, reporter
from .running import run

__all__ = ["fuse", "fuse_study"]


@grouped
def fuse(
    inputs: InputOptions,
    how: RunOptions,
    method: Annotated[
        str | None, typer.Option(help="Fusion method; see 'medfuse methods'. [default: auto]")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Preset of the method; auto suits the device. [default: auto]")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="KEY=VALUE", help="Parameter of the method; repeatable."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Metrics to compute; see 'medfuse metrics list'. [default: default]")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps. [default: auto]")
    ] = None,
    download_weights: Annotated[
        bool,
        typer.Option("--download-weights", help="Fetch the pretrained weights that the method needs."),
    ] = False,
    *,
    recipe: RecipeOptions,
) -> None:
    """Register volumes of one patient, fuse them, and write a folder with a report."""
    study = inputs.study()
    chosen = recipe.build(
        {
            "method": method,
            "preset": preset,
            "parameters": _parameters(parameter or []),
            "profile": profile,
            "device": device,
        }
    )
    if download_weights:
        _fetch_weights(chosen, how.progress)
    typer.echo(fuse_study(study, chosen, how))


def _fetch_weights(recipe: Recipe, style: ProgressStyle) -> None:
    from .. import weights

    names = weights.missing_weights(getattr(recipe.build_method(), "required_weights", ()))
    if names:
        with reporter(style) as progress:
            for name in names:
                weights.download_weights(name, progress)


def fuse_study(study: Study, recipe: Recipe, how: RunOptions) -> Path:
    """Run one study, write its folder, say what was assumed, and return the path of the report."""
    from ..pipeline import run_study
    from ..report import write_result

    return run(partial(run_study, study, recipe), write_result, how)


def _parameters(pairs: list[str]) -> dict[str, str]:
    parameters = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ParameterError(f"-p {pair}: expected KEY=VALUE, such as -p steps=500")
        parameters[name.strip()] = value.strip()
    return parameters
