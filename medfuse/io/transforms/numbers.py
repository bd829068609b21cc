"""Matrices as text or as numpy arrays: 4×4, 3×4, twelve numbers in a row, however people write them."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np

from ...errors import ParameterError, ReadError
from ...transforms import Matrix

__all__ = ["checked", "decoded", "npy_matrix", "parse"]

_ROUNDED = 2e-4  # largest |R Rᵀ − I| of a rotation written with four decimals
_PRINTED = 1e-6  # what is lost by seven digits or more is no news to the reader
_SINGULAR = 1e-6
_NPY = b"\x93NUMPY"
_BRACKETS = str.maketrans(";[](){}", "\n      ")
_NUMPY_WORDS = re.compile(r"\b(np\.)?(array|matrix)\b|,?\s*\bdtype=\w+")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d*)?([eE][+-]?\d+)?")


def decoded(start: bytes) -> str:
    """Text of a file, whatever mark stands before it; "" if it is none."""
    for mark, name in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if start.startswith(mark):
            return start.decode(name, "replace")
    return "" if b"\0" in start else start.decode("utf-8", "replace")


def parse(text: str) -> Matrix | None:
    """The matrix of ``text``: 4×4 or 3×4 numbers, or the twelve of a 3×4 matrix in one row; else None.

    Numbers stand apart by blanks, commas or semicolons, in brackets or not, with decimal points or commas;
    ``#`` and ``%`` begin comments.
    """
    lines = [re.split(r"[#%]", line)[0] for line in text.splitlines()]
    rows = _rows(_NUMPY_WORDS.sub("", "\n".join(lines)))
    if [len(row) for row in rows] == [12]:
        rows = [rows[0][:4], rows[0][4:8], rows[0][8:]]
    if [len(row) for row in rows] == [4, 4, 4]:
        rows.append(["0", "0", "0", "1"])
    if [len(row) for row in rows] != [4, 4, 4, 4]:
        return None
    try:
        return _proper(np.array([[float(word) for word in row] for row in rows]))
    except ValueError:
        return None


def _rows(text: str) -> list[list[str]]:
    if text.count("]") + text.count(")") > 1 and ";" not in text:  # rows of numpy, perhaps all in one line
        text = text.replace("\n", " ").replace("]", "]\n").replace(")", ")\n")
        text = re.sub(r"(?m)^\s*,", "", text)
    elif text.count(";") in (9, 12):  # between all numbers, as spreadsheets write tables with decimal commas
        text = text.replace(";", " ")
    text = text.translate(_BRACKETS)
    words = text.split()
    if any("," in word for word in words) and all(_DECIMAL_COMMA.fullmatch(word) for word in words):
        text = text.replace(",", ".")
    rows = [line.replace(",", " ").split() for line in text.splitlines()]
    return [row for row in rows if row]


def _proper(matrix: Matrix) -> Matrix | None:
    good = np.isfinite(matrix).all() and np.allclose(matrix[3], [0, 0, 0, 1], atol=1e-6)
    return matrix if good and abs(np.linalg.det(matrix)) > _SINGULAR else None


def npy_matrix(path: Path, start: bytes) -> Matrix | None:
    """The matrix of a ``.npy`` file; None for other files.

    Raises
    ------
    ReadError
        If it holds something else than 4×4 or 3×4 numbers.
    """
    if not start.startswith(_NPY):
        return None
    try:
        array = np.load(io.BytesIO(start), allow_pickle=False)
        matrix = np.asarray(array, dtype=float)
        matrix = np.vstack([matrix, [0, 0, 0, 1]]) if matrix.shape == (3, 4) else matrix
        found = _proper(matrix) if matrix.shape == (4, 4) else None
    except (ValueError, TypeError, EOFError):
        found = None
    if found is None:
        raise ReadError(f"{path}: a numpy file without a regular matrix; expected 4×4 or 3×4 numbers")
    return found


def checked(path: Path, matrix: Matrix) -> tuple[Matrix, tuple[str, ...]]:
    """``matrix`` if it does not mirror; a rotation that was rounded when it was written is made exact.

    Raises
    ------
    ParameterError
        If it mirrors the patient, as a wrong convention does.
    """
    linear = matrix[:3, :3]
    if np.linalg.det(linear) <= 0:
        raise ParameterError(
            f"{path}: mirrors left and right, which no patient does: is it in another convention "
            "(lps, ras, fsl)? If a mirror is meant, give it as an ITK .tfm"
        )
    error = np.abs(linear @ linear.T - np.eye(3)).max()
    if error > _ROUNDED:
        return matrix, ()
    left, _, right = np.linalg.svd(linear)
    exact = matrix.copy()
    exact[:3, :3] = left @ right
    if error <= _PRINTED:
        return exact, ()
    return exact, ("initial transform: its rounded numbers were taken as the nearest rotation",)
