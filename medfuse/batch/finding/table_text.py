"""The cells of a table as people save it: delimiters, marks and lines of spreadsheets, and what is refused.

The delimiter is the one of comma, semicolon, tab and ``|`` that the header has most of, or what a line
``sep=;`` says.  A byte order mark, Windows lines, no-break spaces, lines that begin with ``#``, capitals in
the header and empty columns at its end mean nothing.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from ...errors import ReadError

__all__ = ["Row", "read_cells"]

Row = tuple[int, dict[str, str]]
"""Number of a line, and what it holds: column -> text."""

_DELIMITERS = "\t;,|"
_SAYS_DELIMITER = re.compile(r"sep=(.)")
_NO_TEXT = {
    b"PK\x03\x04": "an Excel or OpenDocument workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\xff\xfe": "in UTF-16",
    b"\xfe\xff": "in UTF-16",
}
_REMEDY = "save it as 'CSV UTF-8' and give that file"


def read_cells(path: Path, lower: Collection[str]) -> tuple[list[str], list[Row]]:
    """The columns of a table, and its rows without those that are empty.

    Names of columns in ``lower``, whatever their capitals, are given as they stand there.

    Raises
    ------
    ReadError
        If it is no table in UTF-8, or a row has more cells than there are columns.
    """
    lines = _lines(_text(path))
    delimiter = ""
    if lines and (found := _SAYS_DELIMITER.fullmatch(lines[0][1].strip().strip('"'))):
        delimiter, lines = found[1], lines[1:]
    if lines and not delimiter:
        delimiter = max(_DELIMITERS, key=lines[0][1].count)
    text = io.StringIO("".join(line for _, line in lines), newline="")
    reader = csv.reader(text, delimiter=delimiter or ",")
    header = _header(next(reader, []), lower)
    rows = []
    for values in reader:
        number = lines[min(reader.line_num, len(lines)) - 1][0]
        if any(value.strip() for value in values):
            rows.append((number, _row(path, number, header, [value.strip() for value in values])))
    return header, rows


def _text(path: Path) -> str:
    try:
        stored = path.read_bytes()
    except OSError as error:
        raise ReadError(f"cannot read the table {path}: {error}; expected CSV or TSV in UTF-8") from error
    kind = next((what for mark, what in _NO_TEXT.items() if stored.startswith(mark)), "")
    if not kind and b"\0" in stored[:4096]:
        kind = "no text (UTF-16, perhaps)"
    if kind:
        raise ReadError(f"the table {path} is {kind}, not CSV or TSV in UTF-8: {_REMEDY}")
    try:
        return _NOT_UTF_8.sub(lambda found: chr(int(found[1], 16)), stored.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = stored.count(b"\n", 0, error.start) + 1
        raise ReadError(
            f"the table {path} is not in UTF-8 (line {line}), but in CP-1252 or the like: {_REMEDY}"
        ) from error


_NOT_UTF_8 = re.compile(r"\\u(dc[89a-f][0-9a-f])")
"""How a table writes a byte of a file name that is no UTF-8, such as a Latin-1 ü: ``\\udcfc``."""


def _lines(text: str) -> list[tuple[int, str]]:
    """Lines with their ends and numbers, without comments and without empty ones above the header."""
    numbered = enumerate(io.StringIO(text, newline=""), 1)
    kept = [(number, line) for number, line in numbered if not line.startswith("#")]
    while kept and not kept[0][1].strip():
        kept.pop(0)
    return kept


def _header(cells: Iterable[str], lower: Collection[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    return [name.lower() if name.lower() in lower else name for name in names]


def _row(path: Path, number: int, header: list[str], values: list[str]) -> dict[str, str]:
    if any(values[len(header) :]):
        raise ReadError(
            f"{path}: line {number} has {len(values)} cells for {len(header)} columns; "
            "put cells that hold the delimiter in quotes"
        )
    return dict(zip(header, values, strict=False))
