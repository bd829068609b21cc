"""Files that hold several volumes: one must be chosen."""

from __future__ import annotations

from pathlib import Path

from ...errors import ReadError

__all__ = ["choice"]


def choice(path: Path, count: int, wanted: int | None) -> tuple[int, tuple[str, ...]]:
    """The index of the volume ``wanted`` (from 1) of a 4-D file of ``count``, and a note if there are more.

    Raises
    ------
    ReadError
        If there are several and none was chosen, or there is no such volume.
    """
    if wanted is None and count > 1:
        raise ReadError(f"{path}: holds {count} volumes; choose one with --volume N, from 1 to {count}")
    if wanted is not None and wanted > count:
        raise ReadError(f"{path}: no volume {wanted}; it holds {count}")
    return (wanted or 1) - 1, (f"volume {wanted} of {count}",) if count > 1 else ()
