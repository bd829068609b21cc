"""``medfuse batch``: many studies, unattended; ``batch plan`` and ``batch compare``."""

from __future__ import annotations

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from ..errors import Cancelled, ParameterError
from .options import Method, Parameters, Preset, Windows, check_folder, parameters_of, recipe_with
from .reporting import ProgressStyle, reporter

if TYPE_CHECKING:
    from ..batch import BatchResult, Planned

__all__ = ["app"]


class _RunByDefault(typer.core.TyperGroup):
    """``medfuse batch TABLE`` is ``medfuse batch run TABLE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``run`` in front of what is no command."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Run many studies: 'medfuse batch TABLE -o DIR'. "
    "See also 'batch run --help', 'batch plan' and 'batch compare'.",
)

_SOURCE = typer.Argument(
    metavar="SOURCE",
    help="A table (CSV or TSV), a BIDS dataset, a folder of DICOM files, or one of files of each patient.",
)
_FIXED = typer.Option(
    metavar="RULE",
    help='Which volume of a folder is the fixed one, such as "CT, most slices" (BIDS: ct; '
    'NIfTI files: "*_ct*").',
)
_MOVING = typer.Option(
    metavar="RULE",
    help='Which is the moving one, such as "MR, description~T1" (BIDS: T1w; NIfTI files: "*_t1*"); '
    "repeatable for more.",
)
_KEY = typer.Option(
    metavar="FILE",
    help="Key of the pseudonyms, made if it is not there. Keep it: it leads back to the patients.",
)
_PROGRESS = typer.Option(help="What to show on stderr.")


@app.command()
def plan(
    source: Annotated[Path, _SOURCE],
    fixed: Annotated[str, _FIXED] = "",
    moving: Annotated[list[str] | None, _MOVING] = None,
    key: Annotated[Path | None, _KEY] = None,
    table: Annotated[
        Path | None, typer.Option("--table", "-t", metavar="FILE", help="Write it as a table (CSV or TSV).")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier table.")] = False,
    progress: Annotated[ProgressStyle, _PROGRESS] = ProgressStyle.bar,
) -> None:
    """Show what would run, and write it as a table that can be edited and run."""
    from ..batch import write_table

    studies = _find(source, fixed, moving, key, progress)
    width = max(len(one.name) for one in studies)
    for one in studies:
        typer.echo(f"{one.name:{width}}  {_line(one)}")
    undecided = sum(not one.study for one in studies)
    typer.echo(f"{len(studies)} studies, {undecided} of them not decided")
    _say_absent(source, studies)
    if table:
        write_table(studies, table, overwrite)
        typer.echo(f"written to {table}" + (": fill in what is not decided and run it" if undecided else ""))


@app.command()
def run(
    source: Annotated[Path, _SOURCE],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")],
    recipe: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Recipe (TOML), as a result's recipe.toml.")
    ] = None,
    method: Method = None,
    preset: Preset = None,
    parameter: Parameters = None,
    window: Windows = None,
    profile: Annotated[
        str | None, typer.Option(help="Metrics to compute, instead of the recipe's profile.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Studies at a time on this machine.")] = 1,
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Threads of each worker. [default: the cores, shared out]"),
    ] = None,
    time_limit: Annotated[
        str | None, typer.Option(metavar="TIME", help="Of one study, such as 90s, 30m or 2h.")
    ] = None,
    memory_limit: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Of one worker, such as 800M or 12G.")
    ] = None,
    fixed: Annotated[str, _FIXED] = "",
    moving: Annotated[list[str] | None, _MOVING] = None,
    key: Annotated[Path | None, _KEY] = None,
    bids_names: Annotated[
        bool, typer.Option("--bids-names", help="Name files as a BIDS derivative does.")
    ] = False,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler to run on, such as tcp://host:8786.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="slurm|pbs|sge|lsf|...", help="Start workers by a queueing system (dask-jobqueue)."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="How many, with --cluster.")] = 1,
    gpu: Annotated[
        bool,
        typer.Option("--gpu", help="Use only Dask workers that have the resource GPU, one study for each."),
    ] = False,
    progress: Annotated[ProgressStyle, _PROGRESS] = ProgressStyle.bar,
    cancel_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Stop when this file appears.")
    ] = None,
) -> None:
    """Run all studies; start it again to run what is not finished.

    The output folder gets a folder for each study, results.csv, failures.csv and index.html.
    Exit codes: 0 all done, 1 some studies failed, 2 bad input, 130 stopped.
    """
    from ..batch import Limits, run_batch

    check_folder(output)
    said = {"method": method, "preset": preset, "windows": tuple(window or ()), "profile": profile}
    own = recipe_with(recipe, {**said, "parameters": parameters_of(parameter or [])})
    seconds, size = _amount(time_limit, "time", _TIMES), _amount(memory_limit, "size", _SIZES)
    # A folder may take minutes to look through; for a program, the fraction is that of the studies alone.
    searching = progress if progress is ProgressStyle.bar and source.is_dir() else ProgressStyle.none
    studies = _find(source, fixed, moving, key, searching)
    for one in studies:
        if not one.study:
            typer.echo(f"not decided, will not run: {one.name}: {one.problem}", err=True)
    _say_absent(source, studies)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a queueing system stops politely
    try:
        with reporter(progress, cancel_file) as report:
            limits = partial(Limits, seconds, int(size) if size else None)
            start = partial(run_batch, studies, own, output, bids_names=bids_names, progress=report)
            if scheduler or cluster:
                from ..batch.running.cluster import connected

                with connected(output, scheduler, cluster, workers, gpu, threads, report) as dask:
                    result = start(dask.executor, limits=limits(threads=dask.threads))
            else:
                share = threads or max(1, (os.cpu_count() or 1) // jobs)
                with ThreadPoolExecutor(jobs) as pool:
                    result = start(pool, limits=limits(threads=share))
    except (Cancelled, KeyboardInterrupt):
        typer.echo("medfuse: stopped; finished studies are kept, start again to run the rest", err=True)
        raise typer.Exit(130) from None
    _conclude(result)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="DIR1", help="Folder of a batch.")],
    second: Annotated[Path, typer.Argument(metavar="DIR2", help="Folder of another, of the same studies.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the table as CSV too.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier table.")] = False,
) -> None:
    """Compare the scores of two batches study by study, with Wilcoxon's signed-rank test."""
    from ..batch.results.comparison import compare as compared
    from ..batch.results.comparison import write_comparison

    comparison = compared(first, second)
    typer.echo(comparison.text())
    if output:
        write_comparison(comparison, output, overwrite)


def _find(
    source: Path, fixed: str, moving: list[str] | None, key: Path | None, style: ProgressStyle
) -> list[Planned]:
    from ..batch import find_studies

    with reporter(style) as report:
        return find_studies(source, fixed, moving or (), key, report)


def _say_absent(source: Path, studies: list[Planned]) -> None:
    """Name the files that are not there, on the terminal alone: paths may name people."""
    from ..batch.finding.absent import absent_files

    if source.is_file():
        for line in absent_files(studies, source.absolute().parent):
            typer.echo(f"missing: {line}", err=True)


def _line(one: Planned) -> str:
    what = " + ".join(one.labels) if one.labels else ""
    if one.study and not what:
        what = f"{1 + len(one.study.moving)} volumes"
    words = [what, one.note, f"NOT DECIDED: {one.problem}" if not one.study else ""]
    return "; ".join(word for word in words if word)


def _conclude(result: BatchResult) -> None:
    """Say what came of it, and leave with 1 if something failed."""
    for row in result.failed:
        typer.echo(f"failed: {row['study']}: {row['error']['class']}: {row['error']['message']}", err=True)
    typer.echo(f"{len(result.rows) - len(result.failed)} of {len(result.rows)} studies done")
    typer.echo(result.folder / "index.html")
    if result.failed:
        raise typer.Exit(1)


_TIMES = {"s": 1, "m": 60, "h": 3600}
_SIZES = {"m": 1 << 20, "g": 1 << 30}


def _amount(text: str | None, kind: str, units: dict[str, int]) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z])(?:i?b)?", text.strip().lower())
    if not found or found[2] not in units or float(found[1]) == 0:
        raise ParameterError(f"{text!r} is no {kind}: expected a number with one of {', '.join(units)}")
    return float(found[1]) * units[found[2]]
