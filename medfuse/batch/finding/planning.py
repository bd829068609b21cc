"""What a batch is made of: studies with names, and what is to be done differently for some of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import MedfuseError, ParameterError
from ...recipe import Recipe
from ...study import Study

__all__ = ["Planned", "check_name", "check_names", "recipe_of"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RESERVED = ("index.html", "results.csv", "failures.csv", "dataset_description.json")


@dataclass(frozen=True)
class Planned:
    """One study of a batch.

    Parameters
    ----------
    name:
        What it is called in file names and pages; letters, digits, ``.``, ``_`` and ``-``.
    study:
        Its files; None where they could not be decided, and ``problem`` says why.
    overrides:
        Fields of the recipe that differ for this study, as plain values.
    labels:
        What each volume is, for people: nothing of the patient.
    note, problem:
        What was assumed, and why the study cannot run.
    decided:
        Where ``study`` is None: the volumes that are sure, None for the others.
    choices:
        Where ``study`` is None: the files to choose from, for the table that the user edits.
    """

    name: str
    study: Study | None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    note: str = ""
    problem: str = ""
    decided: tuple[Path | None, ...] = ()
    choices: tuple[str, ...] = ()


def check_name(name: str) -> str:
    """``name`` if it can be a folder everywhere, else a :class:`ParameterError`."""
    if not _NAME.fullmatch(name) or name.endswith(".") or name.casefold() in _RESERVED:
        raise ParameterError(
            f"study {name[:40]!r}: expected up to 100 letters, digits, '.', '_' or '-', beginning with a "
            f"letter or digit, and not {', '.join(_RESERVED)}"
        )
    return name


def check_names(studies: Iterable[Planned]) -> None:
    """Refuse names that are there twice; a file share does not tell ``A`` from ``a``."""
    seen: dict[str, str] = {}
    for one in studies:
        folded = check_name(one.name).casefold()
        if folded in seen:
            raise ParameterError(
                f"study {one.name!r} is there twice (as {seen[folded]!r} before): give each its own name"
            )
        seen[folded] = one.name


def recipe_of(planned: Planned, recipe: Recipe) -> Recipe:
    """The recipe of one study of a batch, checked as far as is possible away from the worker's device.

    Raises
    ------
    ParameterError
        For a value that is not allowed, with the name of the study.
    """
    values = recipe.to_mapping()
    given = dict(planned.overrides)
    parameters = dict(given.pop("parameters", {}))
    if given.get("method", recipe.method) == recipe.method:
        parameters = {**recipe.parameters, **parameters}  # those of another method would not fit
    try:
        own = Recipe.from_mapping({**values, **given, "parameters": parameters})
        own.on_cpu().build_method()  # the machine that plans may not have the worker's device
    except MedfuseError as error:
        raise ParameterError(f"study {planned.name}: {error}") from error
    return own
