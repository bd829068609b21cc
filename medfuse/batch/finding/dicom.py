"""Series of an archive of DICOM files, as volumes that rules can choose from.

One pass over the headers; of each series only a summary is kept, for archives are larger than memory.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ReadError
from ...io.dicom import looks_like_dicom
from ...io.dicom.discovery import Series
from ...io.dicom.headers import DicomHeader, read_header
from ...io.dicom.identity import is_ours
from ...io.files import files_below
from ...progress import Progress, ignore
from .pseudonyms import Pseudonyms
from .rules import Candidate, Value

__all__ = ["DicomNames", "dicom_candidates"]

_LOG = logging.getLogger(__name__)

KEYS = ("kind", "modality", "description", "protocol", "number", "slices", "body")
"""What rules can ask for."""


@dataclass
class _Summary:
    """What is kept of a series."""

    first: DicomHeader
    births: set[str] = field(default_factory=set)
    files: dict[Path, int] = field(default_factory=dict)  # folder -> how many

    @property
    def count(self) -> int:
        return sum(self.files.values())


def dicom_candidates(root: Path, progress: Progress = ignore) -> list[Candidate]:
    """The series below a folder that can be volumes.

    Localizers, reports, pictures of screens and the like are no candidates, nor is what medfuse wrote.
    Damaged files are left to the reader, which refuses the series that they belong to.

    Raises
    ------
    ReadError
        If there is no series at all.
    """
    found = _scan(root, progress)
    if not found:
        raise ReadError(
            f"{root}: holds no DICOM series that can be volumes, and is no BIDS dataset; volumes in other "
            'files are chosen by their names, such as --fixed "*_ct*" --moving "*_t1*"'
        )
    inside = _series_inside(root, found)
    births: dict[str, set[str]] = {}
    for one in found.values():
        births.setdefault(_subject(one.first), set()).update(one.births)
    return [_candidate(uid, one, inside, births[_subject(one.first)]) for uid, one in found.items()]


def _scan(root: Path, progress: Progress) -> dict[str, _Summary]:
    files = list(files_below(root))
    found: dict[str, _Summary] = {}
    for i, file in enumerate(files):
        if i % 50 == 0:
            progress(i / len(files), f"{i} of {len(files)} files looked at, {len(found)} series")
        header = _header(file)
        if header is None or is_ours(header.values) or Series("", (header,)).refusal:
            continue
        uid = header.get("SeriesInstanceUID", "")
        one = found.setdefault(uid, _Summary(header))
        one.files[file.parent] = one.files.get(file.parent, 0) + 1
        one.births |= {header.text("PatientBirthDate")} - {""}
    return found


def _header(file: Path) -> DicomHeader | None:
    try:
        if file.name.upper() != "DICOMDIR" and looks_like_dicom(file):
            header = read_header(file)
            return header if header.has_pixels else None
    except (ReadError, OSError):
        # It has no series to belong to; where it lies in one's folder, reading that series tells.
        _LOG.debug("%s: passed over", file, exc_info=True)
    return None


def _series_inside(root: Path, found: dict[str, _Summary]) -> dict[Path, set[str]]:
    """Folder -> the series below it."""
    inside: dict[Path, set[str]] = {}
    for uid, one in found.items():
        for folder in one.files:
            for place in (folder, *folder.parents):
                inside.setdefault(place, set()).add(uid)
                if place == root:
                    break
    return inside


def _candidate(uid: str, one: _Summary, inside: dict[Path, set[str]], births: set[str]) -> Candidate:
    first = one.first
    folder = Path(os.path.commonpath(one.files))
    path, problem = folder, ""
    if inside[folder] != {uid}:
        path = first.path  # one file stands for its series among the others of its folder
        if len(one.files) > 1:
            problem = "its images lie in several folders among other series; give it a folder of its own"
    if len(births) > 1:
        problem = "its PatientID is shared by patients with different birth dates; give a table"
    values: dict[str, Value] = {
        "kind": _modality(first),
        "modality": _modality(first),
        "description": first.text("SeriesDescription"),
        "protocol": first.text("ProtocolName"),
        "number": float(first.get("SeriesNumber", "nan")),
        "slices": float(one.count),
        "body": first.text("BodyPartExamined"),
    }
    number = first.text("SeriesNumber") or "-"
    label = f"{number} '{values['description']}' ({values['modality']}, {one.count} images)"
    return Candidate(_subject(first), first.text("StudyInstanceUID"), path, "", label, values, problem)


def _modality(header: DicomHeader) -> str:
    return header.text("Modality")


def _subject(header: DicomHeader) -> str:
    """Who it is; without a PatientID two files are of one patient only if they are of one study."""
    patient = (header.text("PatientID"), header.text("IssuerOfPatientID"))
    return "\x1f".join(patient) if patient[0] else "\x1f\x1f" + header.text("StudyInstanceUID")


class DicomNames:
    """Pseudonymous names: ``P`` and 10 digits for the patient, then 6 for the study."""

    def __init__(self, pseudonyms: Pseudonyms):
        self._pseudonyms = pseudonyms

    def __call__(self, subject: str, visits: Sequence[str]) -> str:
        """The name of a study of one patient."""
        patient = self._pseudonyms.name("patient", subject)
        return f"P{patient}-{self._study(visits)}"

    def _study(self, visits: Iterable[str]) -> str:
        return self._pseudonyms.name("study", *visits, digits=6)
