"""Which series a folder holds, and which of them can be a volume."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ...errors import ReadError, SeriesError
from ...volume import MODALITIES
from ..files import named, one_line
from .directory import is_directory, listed_files
from .distinguish import order
from .folder import Damaged, PassedOver, check_has_pixels, files_in, scan
from .headers import DicomHeader, is_uid, read_header
from .kinds import is_enhanced, is_localizer, is_ultrasound_picture, refusal_of

__all__ = ["FoundSeries", "Series", "checked", "choose", "files_of", "find_series"]

_LISTED = 12  # series in a message
_ONE_SOURCE = (
    "PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "Modality",
    "SOPClassUID",
)  # fmt: skip
_NAMED = 3  # files in a message
_ALONE = 2  # series of one slice that may well be meant so


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
        description = self.first.text("SeriesDescription")
        said = named(description, 64) if description else "no description"
        modality = self.modality if self.modality in MODALITIES else named(self.modality, 16)
        number = self.first.text("SeriesNumber") or "-"
        number = number if number.isdecimal() or number == "-" else named(number, 16)
        return f"{number} {said} ({modality}, {count}) {self._said_uid}"

    @property
    def _said_uid(self) -> str:
        return self.uid if is_uid(self.uid) else named(self.uid, 70)

    @property
    def is_pictures(self) -> bool:
        """Whether it holds ultrasound pictures, which are read one at a time."""
        return all(is_ultrasound_picture(header) for header in self.headers)

    @property
    def is_one_slice(self) -> bool:
        """Whether it is a single image of a single slice."""
        return len(self.headers) == 1 and not is_enhanced(self.first) and not self.is_pictures

    @cached_property
    def refusal(self) -> str:
        """Why none of its images can be a slice of a volume; empty if one can."""
        reasons = [refusal_of(header) for header in self.headers]
        return reasons[0] if all(reasons) else ""


@dataclass(frozen=True)
class FoundSeries:
    """What a place holds: image series, damaged files, and a sentence of what was passed over."""

    series: tuple[Series, ...]
    damaged: Mapping[Path, Damaged]
    passed: str


def find_series(path: Path) -> FoundSeries:
    """All image series of a folder (with its subfolders) or a DICOMDIR, or of one file its own series."""
    passed = PassedOver()
    if path.is_dir():
        found = scan(files_in(path, passed), passed)
        headers = found.headers
    elif is_directory(path):
        found = scan(listed_files(path), passed)
        headers = found.headers
    else:
        own = read_header(path)
        check_has_pixels(own)
        found = scan((file for file in files_in(path.parent, passed, below=False) if file != path), passed)
        same = own.get("SeriesInstanceUID")
        siblings = [header for header in found.headers if header.get("SeriesInstanceUID") == same]
        headers = (own, *siblings) if own.has_pixels else ()
    groups: dict[str, list[DicomHeader]] = {}
    for header in headers:
        groups.setdefault(header.get("SeriesInstanceUID", ""), []).append(header)
    series = [_series(uid, group) for uid, group in groups.items()]
    series.sort(key=lambda one: (order(one.first.get("SeriesNumber", 0)), one.uid))
    return FoundSeries(tuple(series), found.damaged, str(passed))


def files_of(path: Path) -> list[Path]:
    """The files of the series of one file, or of all that a DICOMDIR lists."""
    return [header.path for series in find_series(path).series for header in series.headers]


def _series(uid: str, headers: list[DicomHeader]) -> Series:
    images = [header for header in headers if not is_localizer(header)]
    if not images or len(images) == len(headers):
        return Series(uid, tuple(headers))
    note = f"{len(headers) - len(images)} localizer image(s) in the series left out"
    return Series(uid, tuple(images), (note,))


def choose(path: Path, found: FoundSeries, wanted: str | None) -> Series:
    """The series ``wanted`` by UID or number; without a wish, the only one that can be a volume.

    A damaged file blocks the series that it names; one that names none blocks them all, for its slice
    would be missing from one, unless a series or one of its files was asked for: then it is a note.

    Raises
    ------
    ReadError
        If there is no image, or a damaged file may be a slice of the series.
    SeriesError
        If the choice is not unique, listing the choices, or the chosen series cannot be a volume.
    """
    if not found.series:
        for damaged in found.damaged.values():
            raise damaged.error
        raise ReadError(
            f"{path}: no DICOM images here; give the folder or a file of a CT or MR series, "
            "or the name of a NIfTI, NRRD or MHA file" + (f" ({found.passed})" if found.passed else "")
        )
    asked = wanted is not None or (path.is_file() and not is_directory(path))
    chosen = _only_usable(path, found.series) if wanted is None else _wanted(path, found.series, wanted)
    elsewhere = []
    for file, damaged in found.damaged.items():
        # Of a file that is cut off within it, the UID is the beginning of the series'.
        own = damaged.series is not None and chosen.uid.startswith(damaged.series)
        if own or (damaged.series is None and not asked):
            raise damaged.error
        elsewhere.append(file.name)
    notes = [found.passed] if found.passed else []
    if elsewhere:
        names = ", ".join(named(name) for name in elsewhere[:_NAMED])
        notes.append(f"{len(elsewhere)} damaged file(s) that do not name this series passed over ({names})")
    if not asked:
        notes += [f"left aside: series {series.label}" for series in found.series if series is not chosen]
    ready = checked(path, chosen)
    return replace(ready, notes=(*ready.notes, *notes))


def _only_usable(path: Path, found: tuple[Series, ...]) -> Series:
    usable = [series for series in found if not series.refusal]
    if len(usable) > _ALONE and all(series.is_one_slice for series in usable):
        raise SeriesError(
            f"{path}: each of its {len(usable)} images is a series of its own (SeriesInstanceUID), as some "
            "anonymisers leave them: which of them make a volume is not said; export the series again"
        )
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
    if not series.uid:
        raise SeriesError(f"{series.first.path}: no SeriesInstanceUID; export the series again")
    if not is_uid(series.uid):
        note = f"SeriesInstanceUID {named(series.uid, 70)} is no DICOM UID (digits and dots, at most 64)"
        series = replace(series, notes=(*series.notes, note))
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
            a, b = (named(header.path.name) for header in list(first.values())[:2])
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
                f"{header.path}: has the SOPInstanceUID of {named(twin.path.name)} but other content; "
                "take one of the two files away"
            )
    dropped = len(series.headers) - len(kept)
    notes = (f"{dropped} file(s) that were there twice left out",) if dropped else ()
    return Series(series.uid, tuple(kept.values()), (*series.notes, *notes))


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
