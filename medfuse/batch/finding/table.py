"""The table of a batch: one row a study, in CSV or TSV, made by hand or by ``medfuse batch plan``.

======================  =============================================================================
``study``               name in file names and pages; empty: a pseudonym
``fixed``               a volume: a file, or a folder with a DICOM series
``moving``              the next one; ``moving2``, ``moving3``, … for more
``modalities``,         of each volume, fixed first, separated by ``;``; labels are what captions call it
``labels``
``initial_transform``   to start from, for ``moving``; ``initial_transform2``, … for the others
``transform_            what its numbers mean (lps, ras, fsl, with -inverse or inverse), likewise
convention``
``landmarks_fixed``,    landmarks to start from, of the fixed volume and of ``moving``, likewise
``landmarks_moving``
``fixed_series``,       series (UID or number) where a folder holds several; ``moving_series``,
``fixed_volume``        ``moving_volume``, ``moving_series2``, …; volume of a 4-D file, from 1
``fixed_spacing``       mm of a pixel, such as ``0.5,0.5,3``; ``moving_spacing``, …
``fixed_suv``,          yes or no, as the options of ``medfuse fuse``; ``moving_suv``, …
``fixed_allow_uneven``,
``fixed_to_grey``
``note``, ``problem``,  for people, who choose among ``choices`` where a plan could not decide; not
``choices``             read
any field of a recipe   what differs for this study; empty cells differ in nothing
``parameters.NAME``     likewise a parameter of the method
======================  =============================================================================

Paths may be relative to the folder of the table, begin with ``~``, and have backslashes.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ...errors import MedfuseError, ParameterError, ReadError, UnknownNameError
from ...io import ReadOptions
from ...io.files import one_line, replacing
from ...recipe import Recipe
from ...study import InputVolume, Study
from ..csv_cells import cell
from .planning import Planned, check_names
from .pseudonyms import Pseudonyms
from .table_text import read_cells

__all__ = ["read_table", "write_table"]

_WORDY = ("note", "problem", "choices")
_READING = tuple(one.name for one in fields(ReadOptions))
_OWN = ("study", "fixed", *(f"fixed_{name}" for name in _READING), "modalities", "labels", *_WORDY)
_STEMS = (
    "moving",
    "initial_transform",
    "transform_convention",
    "landmarks_fixed",
    "landmarks_moving",
    *(f"moving_{name}" for name in _READING),
)
_NUMBERED = re.compile(rf"({'|'.join(_STEMS)})([2-9]|[1-9]\d)?")
_PARAMETER = "parameters."
_RECIPE = tuple(one.name for one in fields(Recipe))
_MOST = 99  # moving volumes
_LISTED = 5  # faults in a message
_WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def read_table(path: Path, pseudonyms: Pseudonyms | None = None) -> list[Planned]:
    """Read the studies of a table.

    Parameters
    ----------
    path:
        CSV with ``,``, ``;`` or ``|``, or TSV, in UTF-8, with a header; see :mod:`.table_text`.
    pseudonyms:
        For rows without a name.

    Raises
    ------
    ReadError
        If it is no such table, or empty.
    ParameterError
        If rows are faulty; the message has their line numbers.
    """
    known = (*_OWN, *(_nth(stem, i) for stem in _STEMS for i in range(_MOST)), *_RECIPE)
    header, rows = read_cells(path, known)
    _check_columns(path, header)
    studies, faults = [], []
    for line, row in rows:
        try:
            studies.append(_planned(row, path.absolute().parent, pseudonyms))
        except MedfuseError as error:
            faults.append(f"line {line}: {error}")
    if faults:
        more = [f"and {len(faults) - _LISTED} more"] if len(faults) > _LISTED else []
        raise ParameterError(f"{path}: {'; '.join([*faults[:_LISTED], *more])}")
    if not studies:
        raise ReadError(f"{path}: holds no studies; expected a row for each, below the header")
    check_names(studies)
    return studies


def write_table(studies: Sequence[Planned], path: Path, overwrite: bool = False) -> None:
    """Write studies as a table that :func:`read_table` reads, relative to its folder.

    Raises
    ------
    WriteError
        If the file exists or cannot be written.
    """
    rows = [_row(one, path.absolute().parent) for one in studies]
    columns = _columns(rows)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with (
        replacing(path, overwrite) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        table = csv.writer(file, delimiter=delimiter)
        table.writerow(columns)
        table.writerows([[row.get(column, "") for column in columns] for row in rows])


def _check_columns(path: Path, header: Sequence[str]) -> None:
    for needed in ("fixed", "moving"):
        if needed not in header:
            raise ReadError(
                f"{path}: has no column {needed!r}; expected study, fixed, moving, moving2, … and has "
                f"{one_line(', '.join(header)) or 'nothing'}"
            )
    for i, name in enumerate(header):
        if name in header[:i]:
            raise ReadError(f"{path}: has the column {name!r} twice; take one away")
        if not (name in _OWN or _NUMBERED.fullmatch(name) or name.startswith(_PARAMETER)) and (
            name not in _RECIPE or name == "parameters"
        ):
            choices = (*_OWN, *_STEMS, *_RECIPE, _PARAMETER + "NAME")
            raise UnknownNameError(f"column of {path}:", name, choices)


def _planned(row: Mapping[str, str], base: Path, pseudonyms: Pseudonyms | None) -> Planned:
    moving = _numbered(row, "moving")
    given = [row.get("fixed", ""), *moving]
    name = row.get("study", "")
    if not name:
        if pseudonyms is None:
            raise ParameterError(
                "no name in the column 'study': give one, or a key file for pseudonyms (--key)"
            )
        name = "S" + pseudonyms.name("files", *given)
    note, problem = row.get("note", ""), row.get("problem", "")
    if len(given) < 2 or not all(given):
        problem = problem or "no file for the fixed or the moving volume: fusion needs two volumes or more"
        return Planned(name, None, _overrides(row), note=note, problem=problem)
    modalities, labels = (_of_each(row, column, len(given)) for column in ("modalities", "labels"))
    fixed = InputVolume(_file(base, given[0]), modalities[0], _reading(row, "fixed_{}"), label=labels[0])
    others = [
        replace(_moving(row, i, base, modality), label=label)
        for i, (modality, label) in enumerate(zip(modalities[1:], labels[1:], strict=True))
    ]
    if twice := _twice([fixed, *others]):
        return Planned(name, None, _overrides(row), note=note, problem=twice)
    return Planned(name, Study(fixed, others), _overrides(row), note=note)


def _twice(volumes: Sequence[InputVolume]) -> str:
    """Which two volumes of a study are one and the same, in words; "" if none are."""
    seen: dict[tuple[Path, ReadOptions], str] = {}
    for i, one in enumerate(volumes):
        column = "fixed" if i == 0 else _nth("moving", i - 1)
        other = seen.setdefault((one.path.resolve(), one.reading), column)
        if other != column:
            return f"{other} and {column} are the same file: a volume is not fused with itself"
    return ""


def _file(base: Path, text: str) -> Path:
    """A cell as a path: relative to ``base``, ``~`` for the home folder, backslashes as on Windows."""
    path = base / _expanded(text)
    if os.sep == "/" and "\\" in text and not path.exists():
        path = base / _expanded(text.replace("\\", "/"))
    return path


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # nobody of that name: a file whose name begins so
        return Path(text)


def _of_each(row: Mapping[str, str], column: str, count: int) -> list[str]:
    text = row.get(column, "")
    words = [word.strip() for word in text.split(";")] if text else [""] * count
    if len(words) != count:
        raise ParameterError(
            f"{len(words)} {column} for {count} volumes: give one for each, the fixed one first, or none"
        )
    return words


def _moving(row: Mapping[str, str], i: int, base: Path, modality: str) -> InputVolume:
    transform = row.get(_nth("initial_transform", i), "")
    return InputVolume(
        _file(base, row[_nth("moving", i)]),
        modality,
        _reading(row, _nth("moving_{}", i)),
        _file(base, transform) if transform else None,
        row.get(_nth("transform_convention", i), ""),
        _landmarks(row, i, base),
    )


def _reading(row: Mapping[str, str], column: str) -> ReadOptions:
    """What the cells of a volume say of how it is read; ``column`` with ``{}`` for the option."""
    cells = {name: (column.format(name), row.get(column.format(name), "")) for name in _READING}
    said = {name: _option(name, *cell) for name, cell in cells.items() if cell[1]}
    return ReadOptions(**said)


def _option(name: str, column: str, text: str) -> Any:
    if name == "series":
        return text
    if name == "spacing":
        return _spacing(column, text)
    if name == "volume":
        if not text.isdecimal():
            raise ParameterError(f"{column} = {text!r}: expected a whole number from 1")
        return int(text)
    return _typed(column, text, bool)


def _spacing(column: str, text: str) -> tuple[float, ...]:
    try:
        steps = tuple(float(word) for word in re.split("[,;]", text))
    except ValueError:
        raise ParameterError(f"{column} = {text!r}: expected millimetres, such as 0.5,0.5,3") from None
    return steps * 2 if len(steps) == 1 else steps


def _landmarks(row: Mapping[str, str], i: int, base: Path) -> tuple[Path, Path] | None:
    names = _nth("landmarks_fixed", i), _nth("landmarks_moving", i)
    fixed, moving = (row.get(name, "") for name in names)
    if bool(fixed) != bool(moving):
        raise ParameterError(f"only one of {names[0]} and {names[1]} is given; landmarks need both")
    return (_file(base, fixed), _file(base, moving)) if fixed else None


def _numbered(row: Mapping[str, str], stem: str) -> list[str]:
    """Values of ``stem``, ``stem2``, … up to the last that is not empty."""
    values = [row.get(_nth(stem, i), "") for i in range(_MOST)]
    while values and not values[-1]:
        values.pop()
    return values


def _overrides(row: Mapping[str, str]) -> dict[str, Any]:
    default = Recipe()
    given = {one.name: row[one.name] for one in fields(Recipe) if row.get(one.name)}
    overrides = {name: _typed(name, text, type(getattr(default, name))) for name, text in given.items()}
    parameters = {
        name.removeprefix(_PARAMETER): text
        for name, text in row.items()
        if name.startswith(_PARAMETER) and text
    }
    return {**overrides, "parameters": parameters} if parameters else overrides


def _typed(name: str, text: str, kind: type) -> Any:
    if kind is bool and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if kind is int and re.fullmatch(r"-?\d+", text):
        return int(text)
    if kind is tuple:
        return tuple(part.strip() for part in text.split(";"))
    if kind is str:
        return text
    raise ParameterError(f"{name} = {text!r}: expected {'yes or no' if kind is bool else 'a whole number'}")


def _row(one: Planned, base: Path) -> dict[str, str]:
    row = {"study": one.name, "fixed": "", "moving": ""}
    if one.study:
        row |= _cells_of(one.study, base)
    for i, path in enumerate(one.decided):
        row["fixed" if i == 0 else _nth("moving", i - 1)] = _path(path, base) if path else ""
    for name, value in one.overrides.items():
        if name == "parameters":
            row |= {_PARAMETER + key: cell(item) for key, item in value.items()}
        else:
            row[name] = ";".join(value) if isinstance(value, (tuple, list)) else cell(value)
    return row | {
        "note": cell(one.note),
        "problem": cell(one.problem),
        "choices": cell(" | ".join(one.choices)),
    }


def _cells_of(study: Study, base: Path) -> dict[str, str]:
    """The cells of a study's files that are not empty."""
    modalities = [one.modality for one in study.volumes]
    labels = [one.label for one in study.volumes]
    if any(";" in label for label in labels):
        raise ParameterError(f"labels {labels}: a table separates them by ';', which they cannot hold")
    cells = {
        "fixed": _path(study.fixed.path, base),
        "modalities": ";".join(modalities) if any(modalities) else "",
        "labels": cell(";".join(labels)) if any(labels) else "",
        **_choices_of(study.fixed.reading, "fixed_{}"),
    }
    for i, one in enumerate(study.moving):
        cells |= _moving_cells(one, i, base)
    return {name: text for name, text in cells.items() if text}


def _moving_cells(one: InputVolume, i: int, base: Path) -> dict[str, str]:
    fixed, moving = (_path(path, base) for path in one.landmarks) if one.landmarks else ("", "")
    return {
        _nth("moving", i): _path(one.path, base),
        _nth("initial_transform", i): _path(one.transform, base) if one.transform else "",
        _nth("transform_convention", i): one.convention,
        _nth("landmarks_fixed", i): fixed,
        _nth("landmarks_moving", i): moving,
        **_choices_of(one.reading, _nth("moving_{}", i)),
    }


def _choices_of(options: ReadOptions, column: str) -> dict[str, str]:
    """The cells of what :func:`_reading` reads."""
    spacing = ",".join(repr(step) for step in options.spacing or ())
    given = {**options.given(), **({"spacing": spacing} if spacing else {})}
    return {column.format(name): cell(value) for name, value in given.items()}


def _nth(stem: str, i: int) -> str:
    return stem if i == 0 else f"{stem}{i + 1}"


def _path(path: Path, base: Path) -> str:
    """Relative where it lies below the table; never the beginning of a formula or of a home folder."""
    absolute = path.absolute()
    text = absolute.relative_to(base).as_posix() if absolute.is_relative_to(base) else str(absolute)
    return f"./{text}" if cell(text) != text or text.startswith("~") else text


def _columns(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """The union of columns: files first, then overrides, then words."""
    seen = {name for row in rows for name in row}
    files = sorted((n for n in seen if _NUMBERED.fullmatch(n)), key=lambda n: (n[0] != "m", len(n), n))
    first = ["study", "fixed", *files, "modalities", "labels"]
    middle = sorted(seen - {*first, *_WORDY})
    return [name for name in (*first, *middle, *_WORDY) if name in seen]
