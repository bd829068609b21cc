"""Volumes of a folder with files of each patient, chosen by patterns of their names.

Either a folder for each patient (``p01/head_ct.nii.gz``), however deep, or all files in one, where what
stands before the first letters that a pattern asks for tells the patient: with ``*_ct*`` and ``*_t1*``, both
``p01_ct.nii.gz`` and ``p01_t1.nii.gz`` are of ``p01``.  Names of files and folders may name people: nothing
but the table of the plan holds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...errors import ReadError
from ...io.files import files_below
from ...report import names
from .pseudonyms import Pseudonyms
from .rules import Candidate, Rule, like

__all__ = ["FileNames", "named_candidates"]

_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh")


def named_candidates(root: Path, rules: Sequence[Rule]) -> list[Candidate]:
    """The volumes below ``root``, without those that medfuse wrote.

    Raises
    ------
    ReadError
        If there are none.
    """
    files = [path for path in files_below(root) if path.name.lower().endswith(_SUFFIXES)]
    places = {folder for path in files for folder in _folders(path, root)}
    results = {folder for folder in places if _is_result(folder)}
    kept = [path for path in files if results.isdisjoint(_folders(path, root))]
    if not kept:
        raise ReadError(f"{root}: holds no volumes ({', '.join(_SUFFIXES)}) but results of medfuse, if any")
    patterns = [pattern for rule in rules for pattern in rule.patterns]
    return [_candidate(path, root, patterns, number) for number, path in enumerate(kept, 1)]


def _folders(path: Path, root: Path) -> Iterator[Path]:
    """The folders from that of a file up to ``root``."""
    for folder in path.parents:
        yield folder
        if folder == root:
            return


def _is_result(folder: Path) -> bool:
    """Whether medfuse wrote it, also with the names of BIDS."""
    return all(any(folder.glob(f"*{name}")) for name in (names.PROVENANCE, names.RECIPE))


def _candidate(path: Path, root: Path, patterns: Sequence[str], number: int) -> Candidate:
    folder = path.parent.relative_to(root).as_posix()
    subject = _before(path.name, patterns) if folder == "." else folder
    return Candidate(subject, "", path, "", f"volume {number} of the folder", {"file": path.name})


def _before(name: str, patterns: Sequence[str]) -> str:
    """What stands before the letters that the first pattern that fits asks for; else the whole name."""
    for pattern in patterns:
        letters = re.split(r"[*?]", pattern.lstrip("*"))[0].casefold()
        start = name.casefold().find(letters)
        if letters and start > 0 and pattern.startswith("*") and like(name, pattern):
            return name[:start]
    return name


class FileNames:
    """Pseudonymous names: ``P`` and 10 digits."""

    def __init__(self, pseudonyms: Pseudonyms):
        self._pseudonyms = pseudonyms

    def __call__(self, subject: str, _visits: Sequence[str]) -> str:
        """The name of a study of one patient."""
        return f"P{self._pseudonyms.name('patient', subject)}"
