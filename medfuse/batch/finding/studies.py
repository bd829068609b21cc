"""Which studies there are: in a table, a BIDS dataset, or a folder of DICOM or other files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import ParameterError, ReadError
from ...progress import Progress, ignore
from .bids import bids_candidates, bids_name, is_bids
from .dicom import KEYS, DicomNames, dicom_candidates
from .named_files import FileNames, named_candidates
from .pairing import pair
from .planning import Planned, check_names
from .pseudonyms import Pseudonyms
from .rules import Rule
from .table import read_table

__all__ = ["find_studies"]


def find_studies(
    source: Path,
    fixed: str = "",
    moving: Sequence[str] = (),
    key: Path | None = None,
    progress: Progress = ignore,
) -> list[Planned]:
    """The studies of a table or a folder.

    Parameters
    ----------
    source:
        A CSV or TSV table, a BIDS dataset, a folder of DICOM files in any order, or one with NIfTI and
        other files of each patient, which rules choose by their names.
    fixed, moving:
        Rules that choose each volume of a folder, see :mod:`medfuse.batch.finding.rules`.
    key:
        File with the key of the pseudonyms (made if it does not exist); needed for folders
        without BIDS, and for tables that do not name their studies.
    progress:
        Called with (fraction, message) while headers are read.

    Returns
    -------
    list of Planned
        One for each study; one that the rules do not decide has no files and says why.

    Raises
    ------
    ReadError
        If there is nothing at ``source``, or nothing in it.
    ParameterError
        If rules or the key are missing, or faulty.
    """
    source = Path(source)
    pseudonyms = Pseudonyms.from_file(key) if key else None
    if source.is_file():
        if fixed or moving:
            raise ParameterError("--fixed and --moving choose from a folder; a table names its files")
        return read_table(source, pseudonyms)
    if not source.is_dir():
        raise ReadError(f"{source}: does not exist; give a table, a BIDS dataset or a folder of DICOM files")
    if not fixed or not moving:
        raise ParameterError(
            "a folder needs rules for the fixed and the moving volume, such as "
            '--fixed "CT, most slices" --moving "MR, description~T1" (BIDS: --fixed ct --moving T1w; '
            'files of each patient: --fixed "*_ct*" --moving "*_t1*")'
        )
    rules = [Rule.parse(text) for text in (fixed, *moving)]
    if is_bids(source):
        studies = _in_bids(source, rules)
    elif any(rule.patterns for rule in rules):
        studies = _in_files(source, rules, _given(pseudonyms))
    else:
        studies = _in_dicom(source, rules, _given(pseudonyms), progress)
    check_names(studies)
    return studies


def _in_bids(source: Path, rules: Sequence[Rule]) -> list[Planned]:
    candidates = list(bids_candidates(source))
    if not candidates:
        raise ReadError(f"{source}: a BIDS dataset without NIfTI files in sub-*/[ses-*/]*/")
    for rule in rules:
        rule.check_keys(key for one in candidates for key in one.values)
    return pair(candidates, rules, bids_name)


def _given(pseudonyms: Pseudonyms | None) -> Pseudonyms:
    if pseudonyms is None:
        raise ParameterError(
            "studies of a folder without BIDS get pseudonyms, and these need a key: give --key FILE "
            "(made if it is not there; keep it)"
        )
    return pseudonyms


def _in_files(source: Path, rules: Sequence[Rule], pseudonyms: Pseudonyms) -> list[Planned]:
    for rule in rules:
        rule.check_keys(("file",))
    return pair(named_candidates(source, rules), rules, FileNames(pseudonyms))


def _in_dicom(
    source: Path, rules: Sequence[Rule], pseudonyms: Pseudonyms, progress: Progress
) -> list[Planned]:
    for rule in rules:
        rule.check_keys(KEYS)
    return sorted(
        pair(dicom_candidates(source, progress), rules, DicomNames(pseudonyms)), key=lambda one: one.name
    )
