"""What medfuse needs and how it is installed.  (Being written: the signatures stand.)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


class InstallError(Exception):
    """Something cannot be installed; the message is one sentence for the panel."""


@dataclass(frozen=True)
class Installers:
    """What installs: the application's own tools, or those of a test.

    ``pip_ensure`` is None before Slicer 5.11; ``install_torch`` is None without the PyTorch extension.
    """

    pip_ensure: Callable[..., object] | None
    pip_install: Callable[..., object]
    install_torch: Callable[..., object] | None
    confirm: Callable[[str], bool]


def python_executable() -> Path:
    """The Python interpreter of this Slicer."""
    raise NotImplementedError


def missing() -> tuple[str, ...]:
    """Names of what is not installed, such as ("torch", "medfuse"); empty if all is there."""
    raise NotImplementedError


def installers(confirm: Callable[[str], bool]) -> Installers:
    """Those of the running application."""
    raise NotImplementedError


def install(names: Sequence[str], tools: Installers) -> bool:
    """Install what :func:`missing` named; False if the user declined.  Raises ``InstallError``."""
    raise NotImplementedError
