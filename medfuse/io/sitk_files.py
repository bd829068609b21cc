"""SimpleITK and the names of files: the one place where a path is handed to it.

SimpleITK takes a path as UTF-8 and ends the whole process (SIGABRT) where a name is no UTF-8, as
names from a Latin-1 disc are; on Windows it opens neither other alphabets nor long paths everywhere.
Such a file is read by a plain name in a temporary folder, and written there first.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["first_reason", "to_read", "to_write"]

_LONGEST = 200  # of a path in characters; Windows has 260 for all


def _is_plain(path: Path) -> bool:
    text = str(path)
    return text.isascii() and text.isprintable() and len(text) <= _LONGEST


@contextmanager
def to_read(path: Path) -> Iterator[str]:
    """A name of the file ``path`` that SimpleITK takes."""
    if _is_plain(path):
        yield str(path)
        return
    with _plain_name(path) as plain:
        shutil.copyfile(path, plain)
        yield str(plain)


@contextmanager
def to_write(path: Path) -> Iterator[str]:
    """A name that SimpleITK writes to; what it wrote is at ``path`` in the end."""
    if _is_plain(path):
        yield str(path)
        return
    with _plain_name(path) as plain:
        yield str(plain)
        shutil.copyfile(plain, path)


@contextmanager
def _plain_name(path: Path) -> Iterator[Path]:
    """A place in a new temporary folder, with the suffix, by which SimpleITK tells the format."""
    suffix = path.suffix if path.suffix.isascii() and path.suffix.isprintable() else ""
    with tempfile.TemporaryDirectory(prefix="medfuse-") as folder:
        yield Path(folder, f"file{suffix}")


def first_reason(error: RuntimeError) -> str:
    """The last sentence of ITK's report, which says what failed, without its own source paths."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else "ITK gave no reason"
