"""Volumes of a BIDS dataset (https://bids-specification.readthedocs.io)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from .rules import Candidate, Value

__all__ = ["bids_candidates", "bids_name", "is_bids"]

_SUFFIXES = (".nii.gz", ".nii")
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
    """NIfTI files of ``sub-*/[ses-*/]*/``; rules can ask for the suffix, the entities and the folder."""
    for subject in sorted(path for path in folder.glob("sub-*") if path.is_dir()):
        sessions = sorted(path for path in subject.glob("ses-*") if path.is_dir())
        for place in sessions or [subject]:
            for path in sorted(place.glob("*/*")):
                suffix = next((s for s in _SUFFIXES if path.name.endswith(s)), None)
                if suffix and path.is_file():
                    visit = place.name if sessions else ""
                    yield _candidate(path, subject.name, visit, path.name.removesuffix(suffix))


def _candidate(path: Path, subject: str, visit: str, stem: str) -> Candidate:
    *parts, kind = stem.split("_")
    values: dict[str, Value] = {"kind": kind, "suffix": kind, "folder": path.parent.name, "name": stem}
    values |= {
        key.lower(): value for key, dash, value in (part.partition("-") for part in parts) if dash and key
    }
    return Candidate(subject, visit, path, _MODALITY.get(kind.lower(), ""), path.name, values)


def bids_name(subject: str, visits: Sequence[str]) -> str:
    """``sub-01_ses-1``; BIDS labels are pseudonyms already.  Over several sessions only the subject."""
    (visit,) = visits if len(visits) == 1 else ("",)
    return f"{subject}_{visit}" if visit else subject
