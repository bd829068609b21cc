"""Work that ends in a folder: checked, reported, cancelled and written in one way by all commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from ..progress import Progress, subrange
from .options import RunOptions, check_folder
from .reporting import reporter

if TYPE_CHECKING:
    from ..pipeline import Aligned

__all__ = ["run"]

Result = TypeVar("Result", bound="Aligned")


def run(
    work: Callable[[Progress], Result], write: Callable[[Result, Path, bool], Path], how: RunOptions
) -> Path:
    """Do the work, write its folder, say what was assumed, and return the path of the report."""
    from ..report import check_output

    check_folder(how.output)
    check_output(how.output, how.overwrite)
    with reporter(how.progress, how.cancel_file) as progress:
        result = work(subrange(progress, 0.0, 0.97))
        progress(0.97, "writing")
        report = write(result, how.output, how.overwrite)
        progress(1.0, "done")
    for line in result.summary:
        typer.echo(line, err=True)
    for note in result.notes:
        typer.echo(f"note: {note}", err=True)
    return report
