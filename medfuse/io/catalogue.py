"""What a file or folder holds, and what is wrong with it; no identity of the patient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import MedfuseError, ReadError
from ..volume import Geometry
from .files import existing, files_below
from .formats import format_of, read_volume

__all__ = ["Description", "describe"]


@dataclass(frozen=True)
class Description:
    """One volume or series.

    Parameters
    ----------
    path:
        The file; for a series the path that was asked for.
    series:
        SeriesInstanceUID; None for what is not DICOM.
    modality:
        As the file has it, or as :func:`medfuse.read_volume` would take it.
    label:
        Series number, description and number of images; None for what is not DICOM.
    geometry:
        The grid; None where there is a problem.
    notes:
        What had to be assumed or repaired.
    problem:
        Why it cannot be read; empty if it can.
    """

    path: Path
    series: str | None
    modality: str
    label: str | None
    geometry: Geometry | None
    notes: tuple[str, ...]
    problem: str

    def __str__(self) -> str:
        """One line for people."""
        what = f"series {self.label}: " if self.label else ""
        if self.geometry is None:
            return f"{self.path}: {what}{self.problem}"
        modality = "" if self.label else f"{self.modality}, "
        noted = f"; note: {'; '.join(self.notes)}" if self.notes else ""
        return f"{self.path}: {what}{modality}{self.geometry.describe()}{noted}"


def describe(path: str | Path) -> list[Description]:
    """List the volumes and series of a file or folder; each can be read, or has its problem as text.

    NIfTI, NRRD and MHA files are read whole, so that what is said of them is sure; of DICOM series
    only the headers are read.

    Raises
    ------
    ReadError
        If the path does not exist, or is a folder without any volume or DICOM image.
    """
    path = existing(path)
    if path.is_dir():
        volumes = [_volume(file) for file in files_below(path) if format_of(file)]
        found = [*_series(path), *volumes]
        if not found:
            raise ReadError(f"{path}: holds no DICOM images and no NIfTI, NRRD or MHA volumes")
        return found
    from . import dicom

    if path.is_file() and not format_of(path) and dicom.looks_like_dicom(path):
        return _series(path)
    return [_volume(path)]


def _volume(path: Path) -> Description:
    try:
        volume = read_volume(path)
    except MedfuseError as error:
        return Description(path, None, "", None, None, (), str(error).removeprefix(f"{path}: "))
    return Description(path, None, volume.modality, None, volume.geometry, volume.notes, "")


def _series(path: Path) -> list[Description]:
    from . import dicom

    return [
        Description(
            path=one.path,
            series=one.series.uid if one.series else None,
            modality=one.series.modality if one.series else "",
            label=one.series.label if one.series else None,
            geometry=one.geometry,
            notes=one.notes,
            problem=one.problem.removeprefix(f"{one.path}: "),
        )
        for one in dicom.inspect(path)
    ]
