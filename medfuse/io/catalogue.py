"""What a file or folder holds, and what is wrong with it; the patient is named only where asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ReadError
from ..volume import Geometry
from .archive import is_zip, unpacked
from .files import existing, files_below, one_line, reading
from .formats import converter_of, format_of_file, is_second_half
from .reading_apart import ReaderApart, geometry_of

if TYPE_CHECKING:
    from .dicom.discovery import Series
    from .dicom.reader import Inspected

__all__ = ["Description", "describe"]

_IDENTITY = ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "StudyDescription")


@dataclass(frozen=True)
class Description:
    """One volume.

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
    volume:
        Its number in a series of several, from 1: what ``--volume`` takes; 0 if it is the only one.
    what:
        What tells it from the others of its series.
    patient, study:
        Numbers that tell the patients and studies of one listing apart; 0 for what is not DICOM.
    images:
        How many files the series has; 0 for what is not DICOM.
    identity:
        Name, ID and birth date of the patient, date and description of the study.  Not for logs.
    """

    path: Path
    series: str | None
    modality: str
    label: str | None
    geometry: Geometry | None
    notes: tuple[str, ...]
    problem: str
    volume: int = 0
    what: str = ""
    patient: int = 0
    study: int = 0
    images: int = 0
    identity: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        """One line for people."""
        what = f"series {self.label}: " if self.label else ""
        if self.volume:
            what += f"volume {self.volume} ({self.what}): "
        if self.geometry is None:
            return f"{self.path}: {what}{self.problem}"
        modality = "" if self.label else f"{self.modality}, "
        noted = f"; note: {'; '.join(self.notes)}" if self.notes else ""
        return f"{self.path}: {what}{modality}{self.geometry.describe()}{noted}"

    def to_mapping(self, *, identity: bool = False) -> dict[str, Any]:
        """Everything as plain values for JSON; who the patient is only with ``identity``."""
        grid = self.geometry
        return {
            "path": str(self.path),
            "patient": self.patient or None,
            "study": self.study or None,
            "series": self.series,
            "label": self.label,
            "modality": self.modality,
            "images": self.images or None,
            "volume": self.volume or None,
            "what": self.what,
            "geometry": grid
            and {
                "size": grid.size,
                "spacing": grid.spacing,
                "origin": grid.origin,
                "direction": grid.direction,
            },
            "notes": list(self.notes),
            "problem": self.problem,
            **({"identity": dict(self.identity)} if identity else {}),
        }


def describe(path: str | Path, reader: ReaderApart | None = None) -> list[Description]:
    """List the volumes of a file, folder, zip or DICOMDIR; each can be read, or has its problem as text.

    NIfTI, NRRD and MHA files are read whole, so that what is said of them is sure; of DICOM series
    only the headers are read.

    Parameters
    ----------
    path:
        What to look at.
    reader:
        The process that reads volumes, where several paths are described one after the other: a file at
        which it dies costs itself only.  None: one for this path.

    Raises
    ------
    ReadError
        If the path does not exist, or holds no volume and no DICOM image.
    """
    if reader is None:
        with ReaderApart() as own:
            return describe(path, own)
    path = existing(path)
    if path.is_dir():
        found = _in_folder(path, reader)
        if not found:
            zipped = next((one_line(file.name) for file in files_below(path) if is_zip(file)), "")
            remedy = f"; it holds a zip: name that itself ({zipped})" if zipped else ""
            raise ReadError(f"{path}: holds no DICOM images and no NIfTI, NRRD or MHA volumes{remedy}")
        return found
    from . import dicom

    if is_zip(path):
        with unpacked(path) as folder:
            found = _series(folder, shown=path)
        if not found:
            raise ReadError(f"{path}: holds no DICOM images")
        return found
    with reading(path):
        is_dicom = not format_of_file(path) and dicom.looks_like_dicom(path)
    if is_dicom:
        return _series(path)
    return [_volume(path, reader)]


def _in_folder(folder: Path, reader: ReaderApart) -> list[Description]:
    """Series, volumes, and what cannot be looked at."""
    closed: dict[Path, str] = {}
    files = list(files_below(folder, lambda name, error: closed.update({Path(name): error.strerror or ""})))
    volumes = [_volume(file, reader) for file in files if _is_volume(file)]
    problems = (_problem(place, f"cannot be looked at: {why}") for place, why in closed.items())
    return [*_series(folder), *volumes, *problems]


def _is_volume(file: Path) -> bool:
    try:
        return bool(converter_of(file) or format_of_file(file)) and not is_second_half(file)
    except OSError:
        return True  # by its name; what reads it tells why it cannot be opened


def _volume(path: Path, reader: ReaderApart) -> Description:
    looked = reader.look(path)
    return Description(
        path, None, looked["modality"], None, geometry_of(looked), tuple(looked["notes"]), looked["problem"]
    )


def _problem(path: Path, problem: str) -> Description:
    return Description(path, None, "", None, None, (), problem)


def _series(path: Path, shown: Path | None = None) -> list[Description]:
    """The series below a path; messages name ``shown`` instead of it."""
    from . import dicom

    found = dicom.inspect(path)
    patients = _numbers(_patient(one.series) for one in found if one.series)
    studies = _numbers(one.series.first.text("StudyInstanceUID") for one in found if one.series)
    return [_description(one, path, shown or path, patients, studies) for one in found]


def _description(
    one: Inspected, path: Path, shown: Path, patients: Mapping[object, int], studies: Mapping[object, int]
) -> Description:
    series = one.series
    own = shown if one.path == path else Path(str(one.path).replace(str(path), str(shown)))
    problem = one.problem.replace(str(path), str(shown)).removeprefix(f"{own}: ")
    if series is None:
        return _problem(own, problem)
    first = series.first
    return Description(
        path=own,
        series=series.uid,
        modality=series.modality,
        label=series.label,
        geometry=one.geometry,
        notes=one.notes,
        problem=problem,
        volume=one.volume,
        what=one.what,
        patient=patients[_patient(series)],
        study=studies[first.text("StudyInstanceUID")],
        images=len(series.headers),
        identity={keyword: first.text(keyword) for keyword in _IDENTITY},
    )


def _patient(series: Series) -> tuple[str, ...]:
    """Who it is; without a PatientID two series are of one patient only if they are of one study."""
    first = series.first
    identity = (first.text("PatientID"), first.text("IssuerOfPatientID"))
    return identity if identity[0] else ("", "", first.text("StudyInstanceUID"))


def _numbers(keys: Iterable[object]) -> dict[object, int]:
    """Each key's number in the order of their first appearance, from 1."""
    return {key: number for number, key in enumerate(dict.fromkeys(keys), start=1)}
