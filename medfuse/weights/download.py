"""Weights fetched from their publishers, when asked for."""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex

from ..errors import WeightsError
from ..io.hashes import sha256_of
from ..progress import Progress, ignore
from .lookup import lookup_folders, matches
from .table import Weights, weights_named

__all__ = ["download_weights"]


def download_weights(name: str, progress: Progress = ignore) -> Path:
    """Fetch the weights ``name`` from their publisher, unless they are there already.

    The file appears whole and checked, or not at all.

    Raises
    ------
    WeightsError
        If they cannot be fetched or written, or what came is not the published file.
    UnknownNameError
        If no weights have that name.
    """
    one = weights_named(name)
    target = lookup_folders()[0] / one.file
    if target.is_file() and matches(target, one):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch_checked(one, target, progress)
    except OSError as error:  # what requests raises is an OSError, too
        raise WeightsError(
            f"the weights {name} could not be fetched into {target.parent}: {error}; "
            f"without a network, copy {one.file} there by hand from {one.url}"
        ) from error
    return target


def _fetch_checked(one: Weights, target: Path, progress: Progress) -> None:
    import pooch

    partial = target.with_name(f".{token_hex(6)}.{one.file}")
    try:
        pooch.HTTPDownloader(progressbar=_Bar(one.name, progress))(one.url, str(partial), None)
        if not matches(partial, one):
            raise WeightsError(
                f"{one.url}: what came has sha256 {sha256_of(partial)}, expected {one.sha256}: "
                "it was changed on the way or by its publisher, and was not kept"
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


class _Bar:
    """What pooch calls while it downloads, as our progress callback."""

    total = 0

    def __init__(self, name: str, progress: Progress):
        self._name, self._progress, self._done = name, progress, 0

    def update(self, size: int) -> None:
        self._done += size
        share = min(1.0, self._done / self.total) if self.total else 0.0
        self._progress(share, f"fetching {self._name}")

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        pass
