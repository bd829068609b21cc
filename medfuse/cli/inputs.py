"""The options of a command that say which volumes there are, and what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ParameterError
from ..io import ReadOptions
from ..study import InputVolume, Study

__all__ = ["InputOptions", "Series", "ToGrey", "reading_options"]

_NONE = "-"

Series = Annotated[
    list[str] | None,
    typer.Option(
        metavar="UID|NUMBER|-",
        help="DICOM series of each volume in order, where a folder holds several; - for none. "
        "'medfuse info' lists them.",
    ),
]

Modalities = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CT|MR|US|PT|NM|OT|-",
        help="Modality of each volume in order, where the file does not say; - for none.",
    ),
]


ToGrey = Annotated[bool, typer.Option("--to-grey", help="Take the luma of what is in colour.")]


@dataclass(frozen=True)
class InputOptions:
    """The volumes of a study; lists are in their order, the fixed one first."""

    volumes: Annotated[
        list[Path],
        typer.Argument(
            metavar="FIXED MOVING...",
            readable=False,
            help="Volumes: NIfTI, NRRD or MHA files, or folders with a DICOM series. "
            "The result lies on the grid of the first.",
        ),
    ]
    modality: Modalities = None
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|-",
            help="What to call each volume in order, in captions and tables, such as 'MR FLAIR'; - for its "
            "modality. It goes into the result: no name of a patient.",
        ),
    ] = None
    series: Series = None
    volume: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N|-",
            help="Which volume of each 4-D file, series or cine in order, from 1; - for none.",
        ),
    ] = None
    spacing: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y[,Z]|-",
            help="Size of a pixel in mm of each volume in order, for 2-D images and ultrasound that do not "
            "say it; one number for squares, - for none.",
        ),
    ] = None
    allow_uneven: Annotated[
        bool, typer.Option("--allow-uneven", help="Interpolate DICOM slices at uneven steps.")
    ] = False
    suv: Annotated[
        bool, typer.Option("--suv", help="Read PET as standardised uptake values by body weight.")
    ] = False
    to_grey: ToGrey = False
    initial_transform: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|-",
            help="Transform of each moving volume in order (- for none), to start from; with "
            "--no-registration used as it stands. ITK's .tfm, .txt, .h5, .mat; 4x4 numbers; FLIRT's .mat; "
            "FreeSurfer's .lta.",
        ),
    ] = None
    transform_convention: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD",
            help="What 4x4 numbers mean: lps (default), ras, fsl, or with -inverse from moving to fixed "
            "points (3D Slicer shows ras-inverse); 'inverse' suits other files too. For each transform, or "
            "one for all.",
        ),
    ] = None
    truth: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|-",
            help="Each volume in order without its noise, on the same grid, where that is known (- for one "
            "that has none): the report compares with it.",
        ),
    ] = None
    landmarks: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="FIXED MOVING",
            help="Landmarks of the fixed and the moving volume (Slicer's .fcsv or .mrk.json), at least "
            "three, to start from; with --no-registration used as they stand. For one moving volume.",
        ),
    ] = None

    def study(self) -> Study:
        """The study that the options describe.

        Raises
        ------
        ParameterError
            If lists do not fit the volumes.
        """
        moving = len(self.volumes) - 1
        if self.landmarks and moving > 1:
            raise ParameterError(
                f"--landmarks with {moving} moving volumes: it is for one; 'medfuse batch' takes landmarks "
                "for each, or give --initial-transform"
            )
        transforms = _one_each("--initial-transform", self.initial_transform, moving, "moving volumes")
        modalities = _one_each("--modality", self.modality, moving + 1)
        labels = _one_each("--label", self.label, moving + 1)
        truths = _one_each("--truth", self.truth, moving + 1)
        reading = reading_options(
            moving + 1,
            self.series,
            self.volume,
            self.spacing,
            allow_uneven=self.allow_uneven,
            suv=self.suv,
            to_grey=self.to_grey,
        )
        starts = zip(["", *transforms], ["", *self._conventions(transforms)], strict=True)
        fixed, *others = (
            InputVolume(
                path,
                modality,
                options,
                Path(start) if start else None,
                convention,
                label=label,
                truth=Path(truth) if truth else None,
            )
            for path, modality, label, options, (start, convention), truth in zip(
                self.volumes, modalities, labels, reading, starts, truths, strict=True
            )
        )
        if self.landmarks:
            others = [replace(others[0], landmarks=self.landmarks)]
        return Study(fixed, others)

    def _conventions(self, transforms: Sequence[str]) -> list[str]:
        words = self.transform_convention or []
        if len(words) == 1 and any(transforms):
            words = [words[0] if path else "" for path in transforms]
        return _one_each("--transform-convention", words, len(transforms), "moving volumes")


def reading_options(
    count: int,
    series: Sequence[str] | None = None,
    volume: Sequence[str] | None = None,
    spacing: Sequence[str] | None = None,
    allow_uneven: bool = False,
    suv: bool = False,
    to_grey: bool = False,
) -> tuple[ReadOptions, ...]:
    """How each of ``count`` volumes is read, from lists in their order; ``-`` says nothing about a volume.

    Raises
    ------
    ParameterError
        If a list has another length, or a word is no number.
    """
    rows = zip(
        _one_each("--series", series, count),
        _one_each("--volume", volume, count),
        _one_each("--spacing", spacing, count),
        strict=True,
    )
    return tuple(
        ReadOptions(
            series=one or None,
            volume=_whole(number) if number else None,
            allow_uneven=allow_uneven,
            spacing=_spacing(steps) if steps else None,
            suv=suv,
            to_grey=to_grey,
        )
        for one, number, steps in rows
    )


def _one_each(option: str, words: Sequence[str] | None, count: int, what: str = "volumes") -> list[str]:
    """The words of an option that is given for each volume; "" where it says nothing."""
    if not words:
        return [""] * count
    if len(words) != count:
        raise ParameterError(
            f"{len(words)} times {option} for {count} {what}: give it for each, in order ({_NONE} for none)"
        )
    return ["" if word == _NONE else word for word in words]


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ParameterError(f"--volume {text}: expected a whole number from 1, or -")
    return int(text)


def _spacing(text: str) -> tuple[float, ...]:
    try:
        steps = tuple(float(word) for word in text.split(","))
    except ValueError:
        raise ParameterError(f"--spacing {text}: expected millimetres, such as 0.5 or 0.5,0.5,3") from None
    return steps * 2 if len(steps) == 1 else steps
