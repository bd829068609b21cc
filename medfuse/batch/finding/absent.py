"""Files of a batch that are not there, said before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from .planning import Planned

__all__ = ["absent_files"]


def absent_files(studies: Sequence[Planned], base: Path) -> list[str]:
    """A line for each file of ``studies`` that does not exist, with where it was looked for.

    Parameters
    ----------
    studies:
        Of a table.
    base:
        The folder that the paths of the table are relative to.

    The lines are for the terminal: paths may name people.
    """
    return [line for one in studies for line in _of_study(one, base)]


def _of_study(one: Planned, base: Path) -> Iterator[str]:
    if one.study is None:
        return
    for path in (*one.study.paths, *one.study.start_files):
        if not path.exists():
            yield f"{one.name}: {path.resolve()} does not exist{_hint(path, base)}"


def _hint(path: Path, base: Path) -> str:
    """That a path is relative to the table, and where it would be there otherwise."""
    if not path.absolute().is_relative_to(base.absolute()):
        return ""
    here = Path.cwd() / path.absolute().relative_to(base.absolute())
    hint = f" (paths are relative to the folder of the table, {base.resolve()}"
    return f"{hint}; there is {here}, relative to the working directory)" if here.exists() else f"{hint})"
