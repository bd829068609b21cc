"""Where weights lie on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import WeightsError
from ..io.hashes import sha256_of
from .table import Weights, weights_named

__all__ = ["digests_of", "find_weights", "lookup_folders", "matches", "missing_weights"]


def lookup_folders() -> list[Path]:
    """Where weights are looked for, in order; :func:`download_weights` writes to the first."""
    import pooch

    named = os.environ.get("MEDFUSE_WEIGHTS", "").strip()
    cache = Path(pooch.os_cache("medfuse")) / "weights"
    return [Path(named).expanduser(), cache] if named else [cache]


def find_weights(name: str) -> Path:
    """The file of the weights ``name`` on this machine, after checking it.

    Raises
    ------
    WeightsError
        If it is missing or damaged; the message says how to get it, also without a network.
    UnknownNameError
        If no weights have that name.
    """
    one = weights_named(name)
    folders = lookup_folders()
    path = next((folder / one.file for folder in folders if (folder / one.file).is_file()), None)
    if path is None:
        raise WeightsError(
            f"the weights {name} are not on this machine: run 'medfuse weights get {name}' "
            f"({one.megabytes:g} MB from {_host(one.url)}); on a machine without a network, copy {one.file} "
            f"from {one.url} into {folders[0]}, or into a folder that MEDFUSE_WEIGHTS names"
        )
    if not matches(path, one):
        raise WeightsError(
            f"{path}: is not the published file: its sha256 is {sha256_of(path)}, expected "
            f"{one.sha256}; delete it and run 'medfuse weights get {name}'"
        )
    return path


def missing_weights(names: Iterable[str]) -> list[str]:
    """Those of ``names`` that are not on this machine."""
    folders = lookup_folders()
    return [
        name for name in names if not any((folder / weights_named(name).file).is_file() for folder in folders)
    ]


def digests_of(method: object) -> dict[str, str]:
    """The weights of a configured method: name -> sha256 (of published ones as in the table); often none.

    Methods say by ``required_weights`` which published ones they need, and by a parameter ``weights`` or
    ``model`` which file or folder of the user's own they take.

    Raises
    ------
    ReadError
        If the file of the user's own is not there.
    """
    published = {name: weights_named(name).sha256 for name in getattr(method, "required_weights", ())}
    own = getattr(method, "weights", "") or getattr(method, "model", "")
    return {**published, **({"own": sha256_of(Path(own).expanduser())} if own else {})}


def matches(path: Path, weights: Weights) -> bool:
    """Whether a file has the digest of ``weights``."""
    return sha256_of(path).startswith(weights.sha256)


def _host(url: str) -> str:
    return url.split("/")[2]
