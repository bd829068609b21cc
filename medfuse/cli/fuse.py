"""``medfuse fuse``: one study from files to a folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..recipe import Recipe
from ..study import Study
from .groups import grouped
from .inputs import InputOptions
from .options import Method, Parameters, Preset, RecipeOptions, RunOptions, parameters_of
from .reporting import ProgressStyle, reporter
from .running import run

__all__ = ["fuse", "fuse_study"]


@grouped
def fuse(
    inputs: InputOptions,
    how: RunOptions,
    method: Method = None,
    preset: Preset = None,
    parameter: Parameters = None,
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
            "parameters": parameters_of(parameter or []),
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
