"""``medfuse weights``: pretrained weights, fetched only when asked for."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import ParameterError, WeightsError
from ..progress import subrange
from .reporting import ProgressStyle, reporter

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, fetch and check the pretrained weights that some methods need.",
)


@app.command("list")
def list_weights() -> None:
    """List the weights: size, whether they are here, licence, paper."""
    from ..weights import WEIGHTS, missing_weights

    missing = missing_weights(WEIGHTS)
    width = max(map(len, WEIGHTS))
    for one in WEIGHTS.values():
        here = "missing" if one.name in missing else "here"
        typer.echo(
            f"{one.name:{width}}  {one.megabytes:6.1f} MB  {here:7}  licence: {one.licence}; {one.citation}"
        )


@app.command("get")
def get(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="See 'medfuse weights list'; or a method, for those that it needs."
        ),
    ],
    progress: Annotated[ProgressStyle, typer.Option(help="What to show on stderr.")] = ProgressStyle.bar,
) -> None:
    """Fetch weights from their publisher."""
    from ..weights import download_weights

    names = list(dict.fromkeys(one for name in names for one in _needed(name)))  # all are known from here on
    with reporter(progress) as report:
        paths = [
            download_weights(name, subrange(report, i / len(names), (i + 1) / len(names)))
            for i, name in enumerate(names)
        ]
        report(1.0, "done")
    for path in paths:
        typer.echo(path)


def _needed(name: str) -> tuple[str, ...]:
    """The weights of that name, or those that a method needs as it is by default."""
    from ..fusion import METHODS
    from ..weights import WEIGHTS, weights_named

    key = METHODS.key_of(name)
    if name in WEIGHTS or key not in METHODS:
        return (weights_named(name).name,)
    needed = tuple(getattr(METHODS[key](), "required_weights", ()))
    if not needed:
        raise ParameterError(f"the method {key} needs no weights")
    return needed


@app.command("path")
def path() -> None:
    """Show the folders where weights are looked for, in order; 'get' writes to the first."""
    from ..weights import lookup_folders

    for folder in lookup_folders():
        typer.echo(folder)


@app.command("verify")
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="All that are here, if none is named.")
    ] = None,
) -> None:
    """Check the sha256 of weights on this machine."""
    from ..weights import WEIGHTS, find_weights, missing_weights

    chosen = names or [name for name in WEIGHTS if name not in missing_weights(WEIGHTS)]
    broken = []
    for name in chosen:
        try:
            typer.echo(f"{name}: ok, {find_weights(name)}")
        except WeightsError as error:
            typer.echo(f"{name}: {error}")
            broken.append(name)
    if broken:
        raise WeightsError(f"{len(broken)} of {len(chosen)} failed: {', '.join(broken)}")
    if not chosen:
        typer.echo("no weights on this machine")
