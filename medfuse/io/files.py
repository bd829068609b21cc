"""What all readers and writers share: limits, whole-or-nothing writing, errors with the file's name."""

from __future__ import annotations

import logging
import os
import re
import stat
import struct
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from secrets import token_hex

import numpy as np

from ..errors import GeometryError, MedfuseError, ParameterError, ReadError, WriteError
from ..memory import failed_allocation

__all__ = [
    "MARKED",
    "blames_data",
    "check_finite",
    "check_replaceable",
    "check_voxels",
    "existing",
    "files_below",
    "max_voxels",
    "named",
    "one_line",
    "plain",
    "reading",
    "regular_file_beside",
    "replacing",
]

DEFLATE_RATIO = 1032
"""No deflate stream grows by more when it is inflated; a file that claims more is damaged or hostile."""

_DEFAULT_MAX_VOXELS = 1024**3  # 4 GiB as float32; the largest clinical CT has about a quarter of it


_LOG = logging.getLogger(__name__)
_OF_DATA = (OSError, EOFError, ValueError, OverflowError, struct.error, zlib.error)
"""What bad data raise even in a line of ours, where a builtin or numpy takes them apart."""


def max_voxels() -> int:
    """The largest number of voxels that is read: ``$MEDFUSE_MAX_VOXELS``, or 1024³."""
    text = os.environ.get("MEDFUSE_MAX_VOXELS", "").strip()
    if not text:
        return _DEFAULT_MAX_VOXELS
    if not text.isdecimal() or int(text) == 0:
        raise ParameterError(
            f"MEDFUSE_MAX_VOXELS={text!r}: expected a whole number of voxels, e.g. 2000000000"
        )
    return int(text)


def check_voxels(path: Path, size: Sequence[int]) -> None:
    """Refuse a declared ``size`` that is empty or beyond :func:`max_voxels`, before memory is taken."""
    text = "×".join(str(n) for n in size)
    if not size or min(size) < 1:
        raise ReadError(f"{path}: declares {text} voxels; every axis needs at least one: the file is damaged")
    if prod(size) > max_voxels():
        raise ReadError(
            f"{path}: declares {text} voxels, more than the limit of {max_voxels()}; "
            "if the size is real, set MEDFUSE_MAX_VOXELS to a larger number"
        )


def check_finite(path: Path, array: np.ndarray) -> None:
    """Refuse an array with NaN or infinite voxels."""
    # Slice by slice: a mask of the whole volume would cost a quarter of its memory again.
    bad = sum(int(part.size - np.count_nonzero(np.isfinite(part))) for part in array)
    if bad:
        raise ReadError(
            f"{path}: {bad} of {array.size} voxels are NaN or infinite; "
            "replace them (for instance by 0, or by -1024 in CT) and save the file again"
        )


def one_line(text: object, limit: int = 200) -> str:
    """``text`` for a message: on one line, without control characters, not longer than ``limit``."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


_NUMBERS = re.compile(r"[-+0-9.eE\\]*|None")
MARKED = re.compile("‹[^›]*›?")
"""What :func:`named` marked; a message may have been cut off within it."""


def named(words: object, limit: int = 60) -> str:
    """A name of a file or folder, or words of a header, for a message: ``‹CT_JONES.dcm›``.

    Such words often name the patient.  So marked they are shown on the terminal, and can be taken out of all
    that is written, whatever characters they have.
    """
    return f"‹{one_line(words, limit).replace('‹', '<').replace('›', '>')}›"


def plain(value: object) -> str:
    """A value of a header for a message: numbers as they are, words marked (:func:`named`)."""
    text = one_line("\\".join(map(str, value)) if isinstance(value, tuple) else value, 60)
    return text if _NUMBERS.fullmatch(text) else named(text)


def existing(path: str | Path) -> Path:
    """``path`` as a Path; refused if no regular file and no folder is there, or it cannot be looked at.

    A pipe may wait for ever, and what a device gives has no end.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise ReadError(f"{path}: does not exist; check the name and the folder") from None
    except (OSError, ValueError) as error:  # no right to look, too long a path; a NUL in the name
        raise ReadError(f"{path}: cannot be opened: {_reason(error)}") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
        raise ReadError(f"{path}: is {kind}; expected a regular file or a folder: save what it gives first")
    return path


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def files_below(folder: Path, note: Callable[[str, OSError], None] | None = None) -> Iterator[Path]:
    """Regular files in ``folder`` and its subfolders, in a fixed order; no links that lead out of it.

    What cannot be looked at, as without the rights or beyond the longest path that the system takes, is
    handed to ``note`` with the reason.
    """
    inside = folder.resolve()

    def pass_over(error: OSError) -> None:
        if note is not None:
            note(str(error.filename), error)

    for place, subfolders, names in os.walk(folder, onerror=pass_over):
        subfolders.sort()
        for name in sorted(names):
            file = Path(place, name)
            try:
                mode = file.lstat().st_mode
                if stat.S_ISLNK(mode):
                    wanted = file.is_file() and file.resolve().is_relative_to(inside)
                else:
                    wanted = stat.S_ISREG(mode)
            except OSError as error:
                pass_over(error)
                continue
            if wanted:
                yield file


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a parser raises on a bad file into a ``ReadError`` with the file's name.

    A fault of our own code is none of the file's, and is left as it is (:func:`blames_data`).
    Parsers' warnings are left to the program that reads: to silence them here would change the filters
    of the whole process, in which other threads read too.
    """
    try:
        yield
    except GeometryError as error:
        raise ReadError(f"{path}: {error}") from error
    except MedfuseError:
        raise
    except MemoryError as error:
        raise ReadError(f"{path}: {failed_allocation(error)}") from error
    except RecursionError as error:
        raise ReadError(f"{path}: nested too deeply; the file is damaged or hostile") from error
    except Exception as error:
        if not blames_data(error):
            raise
        _LOG.debug("%s: cannot be read", path, exc_info=True)
        raise ReadError(f"{path}: cannot be read: {one_line(error) or type(error).__name__}") from error


def blames_data(error: Exception) -> bool:
    """Whether an error that came up while data were parsed is the data's fault, and not that of our code.

    Parsers raise whatever their innards do on damaged input: an ``AttributeError`` inside pydicom says that
    the file is bad.  The same in a line of medfuse, or in numpy by what such a line handed to it, says that
    medfuse has a bug.
    """
    if isinstance(error, _OF_DATA):
        return True
    frames = traceback.walk_tb(error.__traceback__)
    packages = [str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame, _ in frames]
    blamed = [package for package in packages if package != "numpy"]
    return not blamed or blamed[-1] != "medfuse"


def check_replaceable(path: Path, overwrite: bool) -> None:
    """Refuse a place that a file cannot be written to; see :func:`replacing`."""
    if path.is_dir():
        raise WriteError(f"{path}: is a folder; give the name of a file")
    if path.exists() and not overwrite:
        raise WriteError(f"{path}: exists already; choose another name, or ask to overwrite it (--overwrite)")
    if not path.parent.is_dir():
        raise WriteError(f"{path}: the folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise WriteError(f"{path}: the folder {path.parent} cannot be written to; choose another")


@contextmanager
def replacing(path: Path, overwrite: bool) -> Iterator[Path]:
    """A temporary name beside ``path`` to write to; it becomes ``path`` if all goes well, else it vanishes.

    Raises
    ------
    WriteError
        If ``path`` exists and ``overwrite`` is false, or if its folder is missing or cannot be written.
    """
    check_replaceable(path, overwrite)
    # The whole suffix stays at the end: nibabel and ITK choose the format by it.
    temporary = path.with_name(f".{token_hex(6)}.{path.name[-40:]}")
    try:
        yield temporary
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # SimpleITK reports a full disk as RuntimeError
        raise WriteError(f"{path}: cannot be written: {one_line(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)


def regular_file_beside(header: Path, name: str) -> Path:
    """The data file that a detached header names; it must be a regular file in the header's own folder.

    ITK would follow any path it is given, ``/etc/passwd`` too.
    """
    name = name.removeprefix("./")
    candidate = header.parent / name
    inside = Path(name).name == name and name not in ("", ".", "..")
    if not inside or candidate.is_symlink() or not candidate.is_file():
        raise ReadError(
            f"{header}: names the data file {one_line(name)!r}; expected the name of one regular file in the "
            "header's own folder; put it there, or save the volume as .nrrd or .mha"
        )
    return candidate
