"""Which files of a folder, a zip or a disc are images, and which were passed over, so that none is unsaid.

One rule for all: DICOM is told by content.  What is named as DICOM, or has no suffix as on discs, but is
empty or something else is damaged and may be a slice; twins that a Mac adds, links that lead elsewhere,
files of other kinds and objects without pixels are passed over, counted and named.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ReadError
from ..files import named
from .directory import is_directory
from .headers import DicomHeader, read_header, series_of
from .kinds import is_image
from .parse import is_dicom_start

__all__ = ["START_BYTES", "Damaged", "PassedOver", "Scan", "check_has_pixels", "files_in", "scan"]

START_BYTES = 132
"""As much of a file tells what it is."""

_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima", ".dc3")
_APPLE_DOUBLE = (b"\x00\x05\x16\x07", b"\x00\x05\x16\x00")
_LINK_BYTES = 1024  # git writes a link as a small file of text where the disc knows no links
_NAMED = 3  # files in a message


@dataclass(frozen=True)
class Damaged:
    """Why a file cannot be read, and the SeriesInstanceUID if so much can."""

    error: ReadError
    series: str | None


@dataclass
class PassedOver:
    """Names of files by the reason for which they were passed over."""

    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, name: str) -> None:
        """Count one more."""
        self.names.setdefault(reason, []).append(name)

    def __str__(self) -> str:
        """One sentence with numbers, reasons and some names; empty if there were none."""
        parts = [
            f"{len(names)} {reason} ({', '.join(named(name) for name in names[:_NAMED])}"
            + (", …)" if len(names) > _NAMED else ")")
            for reason, names in self.names.items()
        ]
        return f"passed over: {'; '.join(parts)}" if parts else ""


@dataclass(frozen=True)
class Scan:
    """The images among files, those that are damaged, and what was passed over."""

    headers: tuple[DicomHeader, ...]
    damaged: Mapping[Path, Damaged]
    passed: PassedOver


def files_in(folder: Path, passed: PassedOver, below: bool = True) -> Iterator[Path]:
    """Regular files of a folder (and ``below`` it) in a fixed order, and links that stay below it."""
    inside = folder.resolve()

    def note(error: OSError) -> None:
        passed.add("folder(s) or file(s) that cannot be looked at", Path(str(error.filename)).name)

    for place, subfolders, names in os.walk(folder, onerror=note):
        subfolders.sort()
        for name in subfolders:
            if not _leads_inside(Path(place, name), inside):
                passed.add("link(s) to folders elsewhere", name)
        for name in sorted(names):
            file = Path(place, name)
            try:
                reason = _reason_to_leave(file, inside)
            except OSError as error:  # beyond the longest path that the system takes, for instance
                note(error)
                continue
            if reason:
                passed.add(reason, name)
            else:
                yield file
        if not below:
            return


def _reason_to_leave(file: Path, inside: Path) -> str:
    """Why an entry of a folder is not opened; "" for a file, or a link whose file is missing."""
    mode = file.lstat().st_mode
    if stat.S_ISLNK(mode) and file.exists():
        if not _leads_inside(file, inside):
            return "link(s) that lead out of the folder: give the folder that holds all"
        mode = file.stat().st_mode
    return "" if stat.S_ISREG(mode) or stat.S_ISLNK(mode) else "pipe(s), socket(s) or device(s)"


def _leads_inside(path: Path, inside: Path) -> bool:
    """Whether a path is no link, or one that stays below ``inside``."""
    try:
        return not path.is_symlink() or path.resolve().is_relative_to(inside)
    except OSError:  # too long a path: what walks there says so
        return True
    except RuntimeError:  # a circle of links
        return False


def scan(files: Iterable[Path], passed: PassedOver) -> Scan:
    """Read the headers of all images among ``files``."""
    headers, damaged = [], {}
    for file in files:
        try:
            reason = _reason_to_pass(file)
            header = None if reason else read_header(file)
            if header is not None:
                check_has_pixels(header)
        except ReadError as error:
            damaged[file] = Damaged(error, series_of(file))
            continue
        if header is not None and header.has_pixels:
            headers.append(header)
        elif reason != _DIRECTORY:
            passed.add(reason or "DICOM object(s) without pixels", file.name)
    return Scan(tuple(headers), damaged, passed)


def check_has_pixels(header: DicomHeader) -> None:
    """Reports, plans and structure sets have no pixels; a CT slice without pixels is damaged."""
    if is_image(header) and not header.has_pixels:
        raise ReadError(f"{header.path}: no pixels: the file is cut off or damaged; copy it again")


_DIRECTORY = "DICOMDIR"  # no image, and no file that anybody would miss


def _reason_to_pass(file: Path) -> str:
    """Why the file is no image; empty if it is DICOM.

    Raises
    ------
    ReadError
        If it should be DICOM, but is not.
    """
    if is_directory(file):
        return _DIRECTORY
    try:
        with file.open("rb") as stream:
            start = stream.read(START_BYTES)
    except FileNotFoundError:
        raise ReadError(
            f"{file}: a link whose file is not there; fetch it (git annex get, datalad get) or copy it again"
        ) from None
    except OSError as error:
        raise ReadError(f"{file}: cannot be opened: {error.strerror}") from error
    if file.name.startswith("._") and start[:4] in _APPLE_DOUBLE:
        return "AppleDouble twin(s) of a Mac"
    if is_dicom_start(start):
        return ""
    if file.suffix.lower() not in _DICOM_SUFFIXES and (start or file.suffix):
        return "file(s) that are not DICOM" if start else "empty file(s)"
    raise ReadError(f"{file}: is named as DICOM but is none ({_what(file, start)}); copy it again")


def _what(file: Path, start: bytes) -> str:
    if not start:
        return "empty"
    is_text = start.isascii() and b"\n" not in start.strip()
    if is_text and b"/" in start and file.stat().st_size <= _LINK_BYTES:
        return "a link that was written as text: fetch it with git annex or datalad"
    return "damaged"
