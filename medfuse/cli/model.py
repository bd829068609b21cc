"""``medfuse model``: published networks as folders, checked and made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ParameterError, WeightsError

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Check or make the folder of a published network, for --method network -p model=FOLDER.",
)


@app.command("check")
def check(
    path: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder, or a zip of it.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Say what is wrong with a model, or whose it is and that it does what its card says."""
    from ..models import check_model, read_bundle

    problems = check_model(path, device)
    for problem in problems:
        typer.echo(f"wrong: {problem}")
    if problems:
        raise WeightsError(f"{path}: {len(problems)} thing{'s' * (len(problems) > 1)} wrong, see above")
    card = read_bundle(path).card
    sources = card.input.sources or "any number of"
    typer.echo(f"{card.name}: fuses {sources} sources; draws its test pair as it should")
    for group in card.modalities:
        typer.echo(f"for: {' + '.join(group)}")
    typer.echo(f"licence: {card.licence}")
    typer.echo(f"cite: {card.citation}")


@app.command("export")
def export(
    state: Annotated[Path, typer.Argument(metavar="STATE", help="File that torch.save(state_dict) wrote.")],
    network: Annotated[
        str,
        typer.Argument(
            metavar="CLASS", help="path/to/file.py:Class or package.module:Class; its code is run."
        ),
    ],
    card: Annotated[Path, typer.Option(metavar="TOML", help="A medfuse-model.toml without sha256.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="The new folder.")],
    arguments: Annotated[
        str, typer.Option(metavar="JSON", help="Arguments of the class, such as '{\"nfeats\": 64}'.")
    ] = "{}",
    entry: Annotated[
        str, typer.Option(help="Entry of STATE that holds the state dict, where it holds several things.")
    ] = "",
) -> None:
    """Turn a PyTorch network of your own into a model folder, and check it."""
    from ..models import export_model

    made = export_model(state, network, card, output, arguments=_arguments(arguments), entry=entry)
    typer.echo(f"checked and written: {made}")


def _arguments(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"--arguments {text[:80]}: expected JSON: {error}") from error
    if not isinstance(values, dict):
        raise ParameterError(f'--arguments {text[:80]}: expected an object such as {{"nfeats": 64}}')
    return values
