"""How a volume is to be read, where the file leaves a choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

from ..errors import ParameterError

__all__ = ["ReadOptions"]

_SPACING_MM = (1e-3, 100.0)


@dataclass(frozen=True)
class ReadOptions:
    """Choices among what a file or folder holds, and what it does not say itself.

    Parameters
    ----------
    series:
        SeriesInstanceUID or series number, where a folder holds several DICOM series.
    volume:
        Which volume, counted from 1: of a 4-D file, of a DICOM series with several images at each
        position, or the frame of an ultrasound cine.
    allow_uneven:
        Interpolate DICOM slices that lie at uneven steps onto even ones; else they are refused.
    spacing:
        Size of a pixel in mm along x and y, or along x, y and the slice's thickness; for 2-D images
        and ultrasound pictures that do not say it.
    suv:
        Give DICOM PET as standardised uptake values by body weight, or refuse it saying what is
        missing.  Other modalities are read as without it.
    to_grey:
        Take the luma of what is in colour; else its colour is kept beside it.

    Raises
    ------
    ParameterError
        For a value out of range.
    """

    series: str | None = None
    volume: int | None = None
    allow_uneven: bool = False
    spacing: tuple[float, ...] | None = None
    suv: bool = False
    to_grey: bool = False

    def __post_init__(self) -> None:
        if self.volume is not None and self.volume < 1:
            raise ParameterError(f"volume {self.volume}: volumes are counted from 1")
        if self.spacing is None:
            return
        spacing = tuple(float(value) for value in self.spacing)
        object.__setattr__(self, "spacing", spacing)
        low, high = _SPACING_MM
        if len(spacing) not in (2, 3) or not all(isfinite(v) and low <= v <= high for v in spacing):
            raise ParameterError(
                f"spacing {spacing}: expected two or three numbers from {low:g} to {high:g} mm: "
                "along x, along y and, if it is known, the thickness of the slice"
            )

    def given(self) -> Mapping[str, Any]:
        """The choices that were made, for the provenance."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value not in (None, False)}

    def refuse(self, path: Path, kind: str, *names: str) -> None:
        """Refuse choices that a kind of file does not offer, such as a series of a NIfTI file.

        Raises
        ------
        ParameterError
            If one of ``names`` is given.
        """
        for name in names:
            if getattr(self, name) is not None:
                raise ParameterError(f"{name} {getattr(self, name)!r}: {path} is {kind}, which has no {name}")
