"""``medfuse demo``: the whole pipeline on a generated head, first with noise whose truth is known."""

from __future__ import annotations

import webbrowser
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

_NOISY, _CLEAN = ("t1_fast", "ct_low_dose"), ("ct", "t1")
_RESULT, _NOISY_RESULT = "result", "noisy"
_MR_FROM_BLACK = "MR=475/950"  # from 0 on, so that the noise of its black is not cut off


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the volumes and the results.")
    ] = Path("medfuse_demo"),
    method: Annotated[str, typer.Option(help="Fusion method.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    progress: Annotated[ProgressStyle, typer.Option(help="What to show on stderr.")] = ProgressStyle.bar,
    show: Annotated[bool, typer.Option("--open", help="Open the reports in the browser at the end.")] = False,
) -> None:
    """Fuse a noisy and a clean pair of a generated head, and show where the reports are.

    The noisy pair, a fast MR and a low-dose CT, is compared with the truth.
    """
    recipe = Recipe(method=method, device=device)
    recipe.build_method()
    check_folder(output)
    _check_own(output)
    output.mkdir(parents=True, exist_ok=True)
    noisy = Recipe(method=method, device=device, windows=(_MR_FROM_BLACK,))
    how = [RunOptions(output / name, progress, overwrite=True) for name in (_NOISY_RESULT, _RESULT)]
    typer.echo("1 of 2: a fast MR and a low-dose CT, whose truth is known", err=True)
    reports = [fuse_study(_study(output, _NOISY, with_truth=True), noisy, how[0])]
    typer.echo("2 of 2: a clean CT and MR", err=True)
    reports.append(fuse_study(_study(output, _CLEAN), recipe, how[1]))
    for words, path in zip(("noisy pair", "clean pair"), reports, strict=True):
        typer.echo(f"The report of the {words}: {path.absolute()}")
    opened = [webbrowser.open(path.absolute().as_uri()) for path in reports] if show else []
    if not all(opened):
        typer.echo("no browser could be opened: open the reports yourself", err=True)


def _study(output: Path, keys: tuple[str, str], with_truth: bool = False) -> Study:
    """The scans of these keys as files in ``output``."""
    from ..io import write_volume
    from ..phantom import sample_study

    generated = sample_study(keys)
    volumes = []
    for key, volume in generated.volumes.items():
        path, truth = output / _file(key), output / _file(f"{key}_truth")
        write_volume(volume, path, overwrite=True)
        if with_truth:
            write_volume(generated.truth(key), truth, overwrite=True)
        volumes.append(InputVolume(path, volume.modality, truth=truth if with_truth else None))
    return Study(volumes[0], volumes[1:])


def _file(key: str) -> str:
    return f"head_{key}.nii.gz"


_ENTRIES = {
    *(_RESULT, _NOISY_RESULT),
    *(_file(key) for key in (*_CLEAN, *_NOISY, *(f"{key}_truth" for key in _NOISY))),
}


def _check_own(output: Path) -> None:
    """Refuse a folder that holds anything but an earlier demo: what is there would be mixed with it."""
    foreign = (
        sorted(path.name for path in output.iterdir() if path.name not in _ENTRIES) if output.is_dir() else []
    )
    if foreign:
        raise WriteError(
            f"{output}: holds {foreign[0]}, which no demo has written; choose another folder (-o)"
        )
