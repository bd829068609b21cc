"""``medfuse methods`` and ``medfuse info``: what there is."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ParameterError
from ..fusion import METHODS, parameters_of, presets_of

if TYPE_CHECKING:
    from ..io import Description

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
        case ["list"]:
            _list(as_json)
        case ["show", key]:
            _show(key)
        case other:
            raise ParameterError(f"medfuse methods {' '.join(other)}: expected 'list' or 'show KEY'")


def _list(as_json: bool) -> None:
    """All methods; of a plug-in that cannot be used a line says why."""
    found, faults = METHODS.usable()
    if as_json:
        typer.echo(json.dumps([_schema(key) for key in found], indent=2))
        for fault in faults.values():
            typer.echo(f"note: {fault}", err=True)
        return
    lines = {**{key: _summary(method) for key, method in found.items()}, **faults}
    for key in METHODS:
        typer.echo(f"{key:{max(map(len, METHODS))}}  {lines[key]}")


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


def info(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", readable=False, help="Volumes, zips, DICOMDIRs, or folders with DICOM series."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="All that is known, as JSON.")] = False,
    keep_identifiers: Annotated[
        bool, typer.Option("--keep-identifiers", help="Name the patients and the dates of the studies.")
    ] = False,
) -> None:
    """Tell what files or folders hold: patients, studies, series, volumes, grids, and what is wrong."""
    from ..io import ReaderApart, describe

    with ReaderApart() as reader:
        found = {path: describe(path, reader) for path in paths}  # all, so that a wrong name is said at once
    if as_json:
        rows = [one.to_mapping(identity=keep_identifiers) for own in found.values() for one in own]
        typer.echo(json.dumps(rows, indent=2))
        return
    for path, own in found.items():
        if len(found) > 1 and any(one.series is not None for one in own):
            typer.echo(f"{path}:")
        _print(own, keep_identifiers)


def _print(found: Sequence[Description], keep_identifiers: bool) -> None:
    if all(one.series is None for one in found):
        for one in found:
            typer.echo(one)
        return
    for line in _table(found):
        typer.echo(line)
    if keep_identifiers:
        for line in dict.fromkeys(_identity(one) for one in found if one.series):
            typer.echo(line)


_COLUMNS = (
    "patient",
    "study",
    "series",
    "modality",
    "images",
    "volume",
    "size",
    "spacing (mm)",
    "description",
)


def _table(found: Sequence[Description]) -> list[str]:
    """A row for each volume, and below it in full what tells it apart, its notes or its problem."""
    rows = [_row(one) for one in found]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    lines = ["  ".join(word.ljust(n) for word, n in zip(_COLUMNS, widths, strict=True)).rstrip()]
    for one, row in zip(found, rows, strict=True):
        lines.append("  ".join(word.ljust(n) for word, n in zip(row, widths, strict=True)).rstrip())
        if len({other.series for other in found if other.label and _number(other) == _number(one)}) > 1:
            lines.append(f"    {one.series}")  # its number alone would not choose it
        if one.what:
            lines.append(f"    {one.what}")
        lines += [f"    note: {note}" for note in one.notes]
        if one.problem:
            lines.append(f"    cannot be read: {one.problem}")
    return lines


def _number(one: Description) -> str:
    return (one.label or "").partition(" ")[0] or "-"


def _row(one: Description) -> tuple[str, ...]:
    _, _, description = (one.label or "").partition(" ")
    grid = one.geometry
    return (
        str(one.patient or "-"),
        str(one.study or "-"),
        _number(one),
        one.modality or "-",
        str(one.images or "-"),
        str(one.volume or "-"),
        "×".join(map(str, grid.size)) if grid else "-",
        "×".join(f"{step:.4g}" for step in grid.spacing) if grid else "-",
        description.rpartition(" (")[0] or one.path.name,
    )


def _identity(one: Description) -> str:
    words = ", ".join(f"{name} {value}" for name, value in one.identity.items() if value)
    return f"patient {one.patient}, study {one.study}: {words}"
