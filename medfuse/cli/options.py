"""Options that several commands share: what is to be done, and how it is shown and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ParameterError
from ..io.formats import format_of
from ..recipe import Recipe
from .reporting import ProgressStyle

__all__ = [
    "CancelFile",
    "Method",
    "Overwrite",
    "Parameters",
    "Preset",
    "RecipeOptions",
    "RunOptions",
    "ShowProgress",
    "Windows",
    "check_folder",
    "kind_of",
    "parameters_of",
    "recipe_with",
]

ShowProgress = Annotated[ProgressStyle, typer.Option("--progress", help="What to show on stderr.")]
CancelFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Stop when this file appears.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result.")]

Windows = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[TARGET=]SPEC",
        help="Values shown as 0 to 1; repeatable. SPEC: auto, a CT window by name (bone, brain, ...), "
        "LEVEL/WIDTH, or LOW%-HIGH% of the foreground. TARGET: a modality (MR=1%-99%) or the number "
        "of a volume (1 is the fixed one); without it, CT.",
    ),
]

ColourMaps = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[TARGET=]NAME",
        help="Colour of PET and NM, or of the TARGET named as with --window; repeatable. NAME: inferno, "
        "magma, hot, gist_heat or none. [default: inferno for PET and NM]",
    ),
]


Method = Annotated[str | None, typer.Option(help="Fusion method; see 'medfuse methods'.")]
Preset = Annotated[str | None, typer.Option(help="Preset of the method; auto suits the device.")]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--parameter", "-p", metavar="KEY=VALUE", help="Parameter of the method; repeatable."),
]


@dataclass(frozen=True)
class RecipeOptions:
    """What is done before fusion, and what is written; on top of a recipe file."""

    window: Windows = None
    colour_map: ColourMaps = None
    registration: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="What is searched for; see 'medfuse registration list'. [default: rigid]",
        ),
    ] = None
    no_registration: Annotated[
        bool,
        typer.Option("--no-registration", help="The same as --registration none: they are aligned already."),
    ] = False
    registration_preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Preset of the registration; auto suits the modalities. [default: auto]"
        ),
    ] = None
    registration_start: Annotated[
        str | None,
        typer.Option(
            metavar="auto|search|header",
            help="Where the search begins without a transform or landmarks: at many poses, where the headers "
            "place the volumes, or there if both name the same frame of reference. [default: auto]",
        ),
    ] = None
    accept_registration: Annotated[
        bool, typer.Option("--accept-registration", help="Go on even if the registration is judged failed.")
    ] = False
    grid: Annotated[
        str | None,
        typer.Option(
            metavar="fixed|finest|isotropic:MM",
            help="Grid of the result over the fixed field of view: the fixed volume's, the finest of all, or "
            "cubes. [default: fixed]",
        ),
    ] = None
    interpolation: Annotated[
        str | None,
        typer.Option(metavar="linear|bspline|nearest", help="How values are resampled. [default: linear]"),
    ] = None
    denoise: Annotated[
        str | None,
        typer.Option(
            metavar="none|nlm|tv|prior|both",
            help="Remove the noise of each volume on its own grid before it is resampled: by non-local "
            "means, total variation, the trained prior, or non-local means and prior. [default: none]",
        ),
    ] = None
    noise: Annotated[
        str | None,
        typer.Option(
            metavar="auto|gauss|rice|speckle|none",
            help="What is known of that noise; auto finds out for each volume. [default: auto]",
        ),
    ] = None
    seed: Annotated[int | None, typer.Option(help="Seed of all random numbers. [default: 1]")] = None
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Recipe (TOML) to start from, as a result's recipe.toml."),
    ] = None
    dicom: Annotated[
        bool,
        typer.Option(
            "--dicom",
            help="Write the result as DICOM too, into the fixed volume's study; names the patient.",
        ),
    ] = False
    keep_identifiers: Annotated[
        bool,
        typer.Option("--keep-identifiers", help="Let paths and identity into the report and the provenance."),
    ] = False

    def build(self, more: Mapping[str, Any] | None = None) -> Recipe:
        """The recipe of these options and of ``more``: fields of a recipe, None where nothing is said."""
        given = {
            "windows": tuple(self.window or ()),
            "colour_maps": tuple(self.colour_map or ()),
            "registration": kind_of(self.registration, self.no_registration),
            "registration_preset": self.registration_preset,
            "registration_start": self.registration_start,
            "accept_registration": self.accept_registration,
            "grid": self.grid,
            "interpolation": self.interpolation,
            "denoise": self.denoise,
            "noise": self.noise,
            "seed": self.seed,
            "dicom": self.dicom,
            "keep_identifiers": self.keep_identifiers,
        }
        return recipe_with(self.recipe, {**given, **(more or {})})


@dataclass(frozen=True)
class RunOptions:
    """How a command that ends in a folder is shown, stopped and written."""

    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")]
    progress: ShowProgress = ProgressStyle.bar
    cancel_file: CancelFile = None
    overwrite: Overwrite = False


def check_folder(output: Path) -> None:
    """Refuse the name of a volume where a folder is to be written.

    Raises
    ------
    ParameterError
        With the remedy.
    """
    known = format_of(output)
    if known and not output.is_dir():
        folder = output.name[: -len(known[0])] or "result"
        raise ParameterError(
            f"--output {output}: is the name of a file, and a folder is written; say --output {folder}: the "
            f"fused volume is {folder}/fused.nii.gz"
        )


def parameters_of(pairs: Sequence[str]) -> dict[str, str]:
    """The parameters that ``-p KEY=VALUE`` says."""
    parameters = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ParameterError(f"-p {pair}: expected KEY=VALUE, such as -p steps=500")
        parameters[name.strip()] = value.strip()
    return parameters


def kind_of(kind: str | None, no_registration: bool) -> str | None:
    """The kind of registration that two options ask for; None for neither."""
    if no_registration and kind not in (None, "none"):
        raise ParameterError(f"--no-registration and --registration {kind}: give one of them")
    return "none" if no_registration else kind


def recipe_with(path: Path | None, given: Mapping[str, Any]) -> Recipe:
    """The recipe file, with what was said on the command line on top of it."""
    values = (Recipe.read(path) if path else Recipe()).to_mapping()
    parameters = {**values["parameters"], **given.get("parameters", {})}
    said = {name: value for name, value in given.items() if value not in (None, ()) and value is not False}
    if "method" in said and said["method"] != values["method"]:
        parameters = given["parameters"]  # those of the file belong to another method
    return Recipe.from_mapping({**values, **said, "parameters": parameters})
