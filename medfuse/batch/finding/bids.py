"""Volumes of a BIDS dataset (https://bids-specification.readthedocs.io)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from .rules import Candidate, Value

__all__ = ["bids_candidates", "bids_name", "is_bids"]

_SUFFIXES = (".nii.gz", ".nii")
_POINTER_BYTES = 4096
_POINTERS = (b"version https://git-lfs",)
_MODALITY = {
    **dict.fromkeys(
        ("t1w", "t2w", "pdw", "flair", "t2starw", "swi", "inplanet1", "inplanet2", "unit1"), "MR"
    ),
    **dict.fromkeys(("bold", "dwi", "angio", "t1map", "t2map", "pdt2", "asl"), "MR"),
    "ct": "CT",
    "pet": "PT",
    "us": "US",
}


def is_bids(folder: Path) -> bool:
    """Whether a folder holds subjects as BIDS has them."""
    return any(path.is_dir() for path in folder.glob("sub-*"))


def bids_candidates(folder: Path) -> Iterator[Candidate]:
    """NIfTI files of ``sub-*/[ses-*/]*/``; rules can ask for suffix, entities, folder and file.

    Where a subject has sessions, what lies beside them is of no session.  Links that lead nowhere and
    pointers to files that were not fetched are candidates that cannot be read.
    """
    for subject in sorted(path for path in folder.glob("sub-*") if path.is_dir()):
        sessions = sorted(path for path in subject.glob("ses-*") if path.is_dir())
        for place in (subject, *sessions):
            for path in sorted(place.glob("*/*")):
                suffix = next((s for s in _SUFFIXES if path.name.endswith(s)), None)
                if suffix and (path.is_file() or path.is_symlink()):
                    visit = "" if place is subject else place.name
                    yield _candidate(path, subject.name, visit, path.name.removesuffix(suffix))


def _candidate(path: Path, subject: str, visit: str, stem: str) -> Candidate:
    *parts, kind = stem.split("_")
    values: dict[str, Value] = {
        "kind": kind, "suffix": kind, "folder": path.parent.name, "name": stem, "file": path.name
    }  # fmt: skip
    values |= {
        key.lower(): value for key, dash, value in (part.partition("-") for part in parts) if dash and key
    }
    modality = _MODALITY.get(kind.lower(), "")
    return Candidate(subject, visit, path, modality, path.name, values, _problem(path))


def _problem(path: Path) -> str:
    """Why the content of a file is not there, if so."""
    if not path.is_file():
        return f"{path.name} is a link that leads nowhere: fetch its content (datalad get, git annex get)"
    if path.stat().st_size > _POINTER_BYTES:
        return ""
    with path.open("rb") as file:
        start = file.read(_POINTER_BYTES)
    if start.startswith(_POINTERS) or b"/annex/objects/" in start:
        return f"{path.name} is a pointer to a file that was not fetched (git annex get, git lfs pull)"
    return ""


def bids_name(subject: str, visits: Sequence[str]) -> str:
    """``sub-01_ses-1``; BIDS labels are pseudonyms already.  Over several sessions only the subject."""
    (visit,) = visits if len(visits) == 1 else ("",)
    return f"{subject}_{visit}" if visit else subject
