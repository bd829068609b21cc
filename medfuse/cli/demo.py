"""``medfuse demo``: the whole pipeline on a generated head."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import WriteError
from ..recipe import Recipe
from ..study import InputVolume, Study
from .fuse import fuse_study
from .options import RunOptions, check_folder
from .reporting import ProgressStyle

__all__ = ["demo"]

_ENTRIES = {"head_ct.nii.gz", "head_t1.nii.gz", "result"}


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the volumes and the result.")
    ] = Path("medfuse_demo"),
    method: Annotated[str, typer.Option(help="Fusion method.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    progress: Annotated[ProgressStyle, typer.Option(help="What to show on stderr.")] = ProgressStyle.bar,
) -> None:
    """Make a CT and an MR of a generated head, register and fuse them, and show where the report is."""
    from ..io import write_volume
    from ..phantom import sample_study

    recipe = Recipe(method=method, device=device)
    recipe.build_method()
    check_folder(output)
    _check_own(output)
    output.mkdir(parents=True, exist_ok=True)
    volumes = sample_study(("ct", "t1")).volumes
    paths = {name: output / f"head_{name}.nii.gz" for name in ("ct", "t1")}
    for name, path in paths.items():
        write_volume(volumes[name], path, overwrite=True)
    study = Study(InputVolume(paths["ct"], "CT"), InputVolume(paths["t1"], "MR"))
    report = fuse_study(study, recipe, RunOptions(output / "result", progress, overwrite=True))
    typer.echo(f"The report: {report.absolute()}")


def _check_own(output: Path) -> None:
    """Refuse a folder that holds anything but an earlier demo: what is there would be mixed with it."""
    foreign = (
        sorted(path.name for path in output.iterdir() if path.name not in _ENTRIES) if output.is_dir() else []
    )
    if foreign:
        raise WriteError(
            f"{output}: holds {foreign[0]}, which no demo has written; choose another folder (-o)"
        )
