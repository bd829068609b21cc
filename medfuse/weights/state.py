"""The tensors in a file of weights."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WeightsError
from ..io.hashes import sha256_of
from .lookup import find_weights

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["check_weights", "load_weights", "read_state"]


def read_state(path: Path, entry: str = "") -> dict[str, Tensor]:
    """The tensors by name in a file that ``torch.save`` wrote; code in it is never run.

    Parameters
    ----------
    path:
        The file.
    entry:
        Where in the file they lie, if it holds several things by name.

    Raises
    ------
    WeightsError
        If the file is missing, is no such file, or holds anything else.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler raises whatever its innards do on damaged input
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{path}: cannot be read as weights (a PyTorch state dict): {reason}") from error
    if entry:
        state = state.get(entry) if isinstance(state, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{path}: holds something else than named tensors (a PyTorch state dict)")
    return dict(state)


def load_weights(name: str, file: str = "") -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of the weights ``name``, or of the user's own ``file``, and what the provenance says of it.

    An own file is not compared with anything; it must hold what the network of ``name`` needs.

    Raises
    ------
    WeightsError
        As :func:`find_weights` and :func:`read_state`.
    """
    path = Path(file).expanduser() if file else find_weights(name)
    state, digest = _kept(path, *_version(path))
    return dict(state), {"weights": path.name if file else name, "weights_sha256": digest}


def check_weights(method: object) -> None:
    """Refuse weights of a configured method that are missing or damaged, before any work is done.

    A method that loads something else than weights by name has a ``prepare()``, which is called too.

    Raises
    ------
    WeightsError
        As :func:`load_weights`.
    """
    for name in getattr(method, "required_weights", ()):
        find_weights(name)
    if own := getattr(method, "weights", ""):
        load_weights("", own)  # it stays in memory for the method
    if prepare := getattr(method, "prepare", None):
        prepare()


@lru_cache(maxsize=1)
def _kept(path: Path, *_version: int) -> tuple[dict[str, Tensor], str]:
    """The weights used last stay in memory: a batch uses them for one study after the other."""
    return read_state(path), sha256_of(path)


def _version(path: Path) -> tuple[int, ...]:
    """What changes when another file takes its place; empty if there is none."""
    try:
        facts = path.stat()
    except OSError:
        return ()
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
