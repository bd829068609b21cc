"""Which series a folder holds, and which of them can be a volume."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ...errors import ReadError, SeriesError
from ..files import files_below, one_line
from .directory import is_directory, listed_files
from .headers import DicomHeader, is_uid, read_header
from .kinds import is_image, is_localizer, is_ultrasound_picture, refusal_of
from .parse import looks_like_dicom

__all__ = ["FoundSeries", "Series", "checked", "choose", "files_of", "find_series"]

_LISTED = 12  # series in a message
_ONE_SOURCE = (
    "PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "Modality",
    "SOPClassUID",
)  # fmt: skip
_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")


@dataclass(frozen=True)
class Series:
    """The images of one SeriesInstanceUID, localizers taken out."""

    uid: str
    headers: tuple[DicomHeader, ...]
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> DicomHeader:
        """Any of its headers, for what all share."""
        return self.headers[0]

    @property
    def modality(self) -> str:
        """DICOM's modality code, as the file has it."""
        return self.first.text("Modality")

    @property
    def label(self) -> str:
        """One choice of a list: number, description, modality, count and UID; nothing of the patient."""
        count = f"{len(self.headers)} image{'s' if len(self.headers) != 1 else ''}"
        description = self.first.text("SeriesDescription") or "no description"
        return (
            f"{self.first.text('SeriesNumber') or '-'} '{description}' ({self.modality}, {count}) {self.uid}"
        )

    @property
    def is_pictures(self) -> bool:
        """Whether it holds ultrasound pictures, which are read one at a time."""
        return all(is_ultrasound_picture(header) for header in self.headers)

    @cached_property
    def refusal(self) -> str:
        """Why none of its images can be a slice of a volume; empty if one can."""
        reasons = [refusal_of(header) for header in self.headers]
        return reasons[0] if all(reasons) else ""


@dataclass(frozen=True)
class FoundSeries:
    """What a folder holds: its image series, and the files that are DICOM but damaged, with the reason."""

    series: tuple[Series, ...]
    damaged: Mapping[Path, ReadError]


def find_series(path: Path) -> FoundSeries:
    """All image series of a folder (with its subfolders) or a DICOMDIR, or of one file its own series."""
    if path.is_dir():
        headers, damaged = _headers(files_below(path))
    elif is_directory(path):
        headers, damaged = _headers(listed_files(path))
    else:
        own = _image_or_other(read_header(path))
        siblings, damaged = _headers(file for file in _siblings(path) if file != path)
        same = own.get("SeriesInstanceUID")
        headers = [own, *(header for header in siblings if header.get("SeriesInstanceUID") == same)]
    groups: dict[str, list[DicomHeader]] = {}
    for header in headers:
        if header.has_pixels:
            groups.setdefault(header.get("SeriesInstanceUID", ""), []).append(header)
    found = [_series(uid, group) for uid, group in groups.items()]
    found.sort(key=lambda series: (series.first.get("SeriesNumber", 0), series.uid))
    return FoundSeries(tuple(found), damaged)


def files_of(path: Path) -> list[Path]:
    """The files of the series of one file, or of all that a DICOMDIR lists."""
    return [header.path for series in find_series(path).series for header in series.headers]


def _siblings(path: Path) -> list[Path]:
    folder = path.parent
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.is_symlink())


def _headers(files: Iterable[Path]) -> tuple[list[DicomHeader], dict[Path, ReadError]]:
    headers, damaged = [], {}
    for file in files:
        if is_directory(file):
            continue
        try:
            if looks_like_dicom(file):
                headers.append(_image_or_other(read_header(file)))
            elif file.suffix.lower() in _DICOM_SUFFIXES:
                raise ReadError(f"{file}: is named as DICOM but is none (damaged or empty); copy it again")
        except ReadError as error:
            damaged[file] = error
    return headers, damaged


def _image_or_other(header: DicomHeader) -> DicomHeader:
    """Reports, plans and structure sets have no pixels; a CT slice without pixels is damaged."""
    if is_image(header) and not header.has_pixels:
        raise ReadError(f"{header.path}: no pixels: the file is cut off or damaged; copy it again")
    return header


def _series(uid: str, headers: list[DicomHeader]) -> Series:
    images = [header for header in headers if not is_localizer(header)]
    if not images or len(images) == len(headers):
        return Series(uid, tuple(headers))
    note = f"{len(headers) - len(images)} localizer image(s) in the series left out"
    return Series(uid, tuple(images), (note,))


def choose(path: Path, found: FoundSeries, wanted: str | None) -> Series:
    """The series ``wanted`` by UID or number; without a wish, the only one that can be a volume.

    Raises
    ------
    ReadError
        If there is no image, or a file is damaged (its slice would be missing from some series).
    SeriesError
        If the choice is not unique, listing the choices, or the chosen series cannot be a volume.
    """
    for error in found.damaged.values():
        raise error
    if not found.series:
        raise ReadError(
            f"{path}: no DICOM images here; give the folder or a file of a CT or MR series, "
            "or the name of a NIfTI, NRRD or MHA file"
        )
    if wanted is not None:
        return checked(path, _wanted(path, found.series, wanted))
    chosen = _only_usable(path, found.series)
    aside = (f"left aside: series {series.label}" for series in found.series if series is not chosen)
    ready = checked(path, chosen)
    return replace(ready, notes=(*ready.notes, *aside))


def _only_usable(path: Path, found: tuple[Series, ...]) -> Series:
    usable = [series for series in found if not series.refusal]
    if len(usable) > 1:
        raise SeriesError(
            f"{path}: holds {len(usable)} series; choose one with --series and its UID or number: "
            + _listed(usable)
        )
    if not usable and len(found) > 1:
        raise SeriesError(
            f"{path}: none of its {len(found)} series can be read as a volume: "
            + "; ".join(f"{series.label}: {series.refusal}" for series in found[:_LISTED])
        )
    return (usable or found)[0]


def _listed(found: Sequence[Series]) -> str:
    more = [f"and {len(found) - _LISTED} more: medfuse info lists them"] if len(found) > _LISTED else []
    return "; ".join([*(series.label for series in found[:_LISTED]), *more])


def _wanted(path: Path, found: tuple[Series, ...], wanted: str) -> Series:
    matching = [series for series in found if series.uid == wanted]
    matching = matching or [series for series in found if str(series.first.get("SeriesNumber")) == wanted]
    if len(matching) != 1:
        how_many = "no series" if not matching else f"{len(matching)} series"
        raise SeriesError(f"{path}: {how_many} {one_line(wanted)!r}; choose by UID: " + _listed(found))
    return matching[0]


def checked(path: Path, series: Series) -> Series:
    """The series without files that are there twice; refused if it cannot be a volume."""
    if not is_uid(series.uid):
        raise SeriesError(
            f"{series.first.path}: SeriesInstanceUID {one_line(series.uid)!r} is no DICOM UID "
            "(digits and dots, at most 64); export the series again"
        )
    if series.refusal:
        raise SeriesError(f"{path}: {series.refusal}")
    for header in series.headers:
        if reason := refusal_of(header):
            raise SeriesError(
                f"{header.path}: unlike the rest of its series: {reason}, or take this file away"
            )
    _check_one_source(path, series)
    return _without_duplicates(series)


def _check_one_source(path: Path, series: Series) -> None:
    """One volume is of one patient, one study, one modality and one kind of object; no value is shown."""
    for keyword in _ONE_SOURCE:
        first: dict[object, DicomHeader] = {}
        for header in series.headers:
            first.setdefault(header.get(keyword), header)
        if len(first) > 1:
            a, b = (header.path.name for header in list(first.values())[:2])
            raise SeriesError(
                f"{path}: {keyword} differs within one series (in {a} and {b}): images of several sources "
                "share a SeriesInstanceUID; put those of each into a folder of its own"
            )


def _without_duplicates(series: Series) -> Series:
    kept: dict[str, DicomHeader] = {}
    for header in series.headers:
        twin = kept.setdefault(header.get("SOPInstanceUID", str(header.path)), header)
        if twin is not header and _digest(header.path) != _digest(twin.path):
            raise SeriesError(
                f"{header.path}: has the SOPInstanceUID of {twin.path.name} but other content; "
                "take one of the two files away"
            )
    dropped = len(series.headers) - len(kept)
    notes = (f"{dropped} file(s) that were there twice left out",) if dropped else ()
    return Series(series.uid, tuple(kept.values()), (*series.notes, *notes))


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
