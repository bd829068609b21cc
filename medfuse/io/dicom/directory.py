"""The files that a DICOMDIR lists: CDs from hospitals begin with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import ReadError
from ..files import one_line, reading
from .parse import load

__all__ = ["is_directory", "listed_files"]

_LIMIT = 256 << 20
_NAMES = ("DICOMDIR", "DIRFILE")


def is_directory(path: Path) -> bool:
    """Whether the file is a DICOMDIR by its name."""
    return path.name.upper() in _NAMES


def listed_files(path: Path) -> list[Path]:
    """The image files that a DICOMDIR lists, all in its own folder or below.

    Raises
    ------
    ReadError
        If it is damaged, lists a file outside its folder, or one that is not there.
    """
    with reading(path):
        dataset, _ = load(path, ("DirectoryRecordSequence",), _LIMIT, pixels=False)
        records = dataset.get("DirectoryRecordSequence") or ()
        ids = [
            record.ReferencedFileID
            for record in records
            if record.get("DirectoryRecordType") == "IMAGE" and record.get("ReferencedFileID")
        ]
        if not ids:
            raise ReadError(f"{path}: lists no images; give the folder with the images instead")
        return [_file(path, identity) for identity in dict.fromkeys(map(_parts, ids))]


def _parts(identity: Any) -> tuple[str, ...]:
    return (identity,) if isinstance(identity, str) else tuple(str(part) for part in identity)


def _file(path: Path, parts: tuple[str, ...]) -> Path:
    """The file by its name's parts; discs are upper case, what is copied from them often not."""
    file = path.parent
    for part in parts:
        if Path(part).name != part or part in ("", ".", ".."):
            raise ReadError(f"{path}: lists a file outside its folder: {one_line('/'.join(parts))!r}")
        choices = [file / part, file / part.lower(), file / part.upper()]
        file = next((choice for choice in choices if choice.exists()), choices[0])
    if not file.is_file() or not file.resolve().is_relative_to(path.parent.resolve()):
        raise ReadError(
            f"{path}: lists {one_line('/'.join(parts))!r}, which is not there; copy the whole disc"
        )
    return file
