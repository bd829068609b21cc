"""What the methods that use torch share.  torch is imported here and in those methods only."""

from __future__ import annotations

import torch

from ..errors import DeviceError, ParameterError
from ..memory import failed_allocation

__all__ = ["is_out_of_memory", "resolve_device"]

_KINDS = ("cpu", "cuda", "mps")


def resolve_device(name: str) -> torch.device:
    """The device called ``name``: "auto" (cuda, else mps, else cpu), "cpu", "cuda", "cuda:1", "mps".

    Raises
    ------
    DeviceError
        If the device is not there.  Never falls back: a user who asked for a GPU must know.
    ParameterError
        If ``name`` is not a device's name.
    """
    if name == "auto":
        name = next((kind for kind in ("cuda", "mps") if _count(kind)), "cpu")
    kind, _, index = name.partition(":")
    if kind not in _KINDS or (index and not index.isdigit()):
        raise ParameterError(f"device={name}: expected auto, cpu, cuda, cuda:N or mps")
    if int(index or 0) >= _count(kind):
        raise DeviceError(f"device {name!r} is not there; this machine has: {', '.join(_present())}")
    return torch.device(name)


def _count(kind: str) -> int:
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    return 1


def _present() -> list[str]:
    names = [f"{kind}:{i}" for kind in ("cuda", "mps") for i in range(_count(kind))]
    return ["cpu", *names]


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a device or the machine had too little memory left."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or bool(failed_allocation(error))
