"""``medfuse methods`` and ``medfuse info``: what there is."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ParameterError
from ..fusion import METHODS, parameters_of, presets_of

__all__ = ["info", "methods"]


def methods(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[list | show KEY]", help="List the methods, or show one with its parameters."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="All methods with their parameters as JSON.")
    ] = False,
) -> None:
    """List the fusion methods, or show one."""
    match words or ["list"]:
        case ["list"] if as_json:
            typer.echo(json.dumps([_schema(key) for key in METHODS], indent=2))
        case ["list"]:
            width = max(map(len, METHODS))
            for key in METHODS:
                typer.echo(f"{key:{width}}  {_summary(METHODS[key])}")
        case ["show", key]:
            _show(key)
        case other:
            raise ParameterError(f"medfuse methods {' '.join(other)}: expected 'list' or 'show KEY'")


def _summary(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _show(key: str) -> None:
    method = METHODS[key]
    typer.echo(f"{key}\n\n{inspect.getdoc(method)}\n")
    for name, values in presets_of(method).items():
        typer.echo(f"preset {name}: {', '.join(f'{k}={v}' for k, v in values.items()) or 'the defaults'}")
    typer.echo("parameters:" if parameters_of(method) else "no parameters")
    for one in parameters_of(method).values():
        limits = f" ({' | '.join(one.choices)})" if one.choices else ""
        typer.echo(f"  {one.name}={one.default}  {one.doc}{limits}")


def _schema(key: str) -> dict[str, Any]:
    method = METHODS[key]
    parameters = [{**one._asdict(), "kind": one.kind.__name__} for one in parameters_of(method).values()]
    presets = {name: dict(values) for name, values in presets_of(method).items()}
    return {"key": key, "summary": _summary(method), "presets": presets, "parameters": parameters}


def info(path: Annotated[Path, typer.Argument(help="A volume, or a folder with DICOM series.")]) -> None:
    """Tell what a file or folder holds: modality, grid, and what is wrong with it."""
    from ..io import describe

    for one in describe(path):
        typer.echo(one)
