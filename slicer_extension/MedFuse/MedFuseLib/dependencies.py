"""What medfuse needs and how it gets into Slicer's Python: asked for, and never at the cost of Slicer's own.

torch comes from the extension PyTorch, which picks the build for the graphics card; medfuse and the rest come
by pip, which is held to the versions of what must not move.  What installs is passed in, so that a test needs
neither the application nor a network.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["InstallError", "Installers", "install", "installers", "missing", "python_executable"]

REQUIREMENTS = Path(__file__).parents[1] / "Resources" / "requirements.txt"
_TORCH = ("torch", "torchvision")
_TORCH_VERSION = ">=2.4"
_KEPT = ("numpy", "scipy", "SimpleITK", *_TORCH)


class InstallError(RuntimeError):
    """Something cannot be found or installed; the message is one sentence for the panel."""


@dataclass(frozen=True)
class Installers:
    """What installs.

    Parameters
    ----------
    pip_ensure:
        ``slicer.packaging.pip_ensure``, which asks the user itself; None before Slicer 5.11.
    pip_install:
        ``slicer.util.pip_install``, which does not ask.
    install_torch:
        ``installTorch`` of the extension PyTorch, which asks too; None without that extension.
    confirm:
        Asks the user a question; True for yes.
    """

    pip_ensure: Callable[..., object] | None
    pip_install: Callable[..., object]
    install_torch: Callable[..., object] | None
    confirm: Callable[[str], bool]


def python_executable(executable: str = sys.executable) -> Path:
    """The Python interpreter of this Slicer.

    Within the application, ``sys.executable`` may be the application itself; ``PythonSlicer`` stands beside
    it, or in the folder ``bin`` next to its own (macOS).

    Raises
    ------
    InstallError
        If there is none.
    """
    running = Path(executable)
    for folder in (running.parent, running.parent / "bin", running.parent.parent / "bin"):
        for name in ("PythonSlicer", "PythonSlicer.exe"):
            if (folder / name).is_file():
                return folder / name
    if running.name.lower().startswith("python"):
        return running
    found = shutil.which("PythonSlicer")
    if found:
        return Path(found)
    raise InstallError(f"PythonSlicer was not found beside {running}: reinstall Slicer.")


def missing() -> tuple[str, ...]:
    """What is not installed, or too old, such as ``("torch", "medfuse")``; empty if all is there.

    Nothing is imported for it.
    """
    importlib.invalidate_caches()
    absent = [name for name in _TORCH if importlib.util.find_spec(name) is None]
    return (*absent, *(name for name, least in _requirements().items() if not _is_installed(name, least)))


def installers(confirm: Callable[[str], bool]) -> Installers:
    """Those of the running application."""
    import slicer.util

    try:
        from slicer.packaging import pip_ensure
    except ImportError:
        pip_ensure = None
    try:
        from PyTorchUtils import PyTorchUtilsLogic
    except ImportError:
        install_torch = None
    else:
        install_torch = PyTorchUtilsLogic().installTorch
    return Installers(pip_ensure, slicer.util.pip_install, install_torch, confirm)


def install(names: Sequence[str], tools: Installers) -> bool:
    """Install what :func:`missing` named, after the user agreed.

    Returns
    -------
    bool
        False if the user declined.

    Raises
    ------
    InstallError
        With one sentence that says what to do, if it could not be installed.
    """
    if not names:
        return True
    try:
        agreed = _install_torch(names, tools) and _install_packages(names, tools)
    except (subprocess.CalledProcessError, OSError) as error:
        raise InstallError(
            "The installation failed: the log of the application tells why; a common cause is a network "
            "that is missing or needs a proxy."
        ) from error
    left = [name for name in missing() if name in names] if agreed else []
    if left:
        raise InstallError(f"Still missing: {', '.join(left)}; restart Slicer and try again.")
    return agreed


def _install_torch(names: Sequence[str], tools: Installers) -> bool:
    if not set(names) & set(_TORCH):
        return True
    if tools.install_torch is None:
        raise InstallError(
            'PyTorch is missing: install the extension "PyTorch" in the Extensions Manager, restart Slicer, '
            "and press Install again."
        )
    with _constraints() as file, _pip_held_to(file):
        return tools.install_torch(askConfirmation=True, torchVersionRequirement=_TORCH_VERSION) is not None


def _install_packages(names: Sequence[str], tools: Installers) -> bool:
    wanted = [f"{name}>={least}" for name, least in _requirements().items() if name in names]
    if not wanted:
        return True
    with _constraints() as file:
        if tools.pip_ensure is not None:
            try:
                tools.pip_ensure(wanted, constraints=file, requester="MedFuse")
            except RuntimeError:  # how it says that the user declined
                return False
            return True
        question = f"{', '.join(wanted)} and what it needs will be installed into Slicer's Python. Continue?"
        if not tools.confirm(question):
            return False
        tools.pip_install(["--constraint", str(file), *wanted])
        return True


@contextlib.contextmanager
def _constraints() -> Iterator[Path]:
    """A file that keeps what is installed of Slicer's own, and torch, at its version."""
    lines = []
    for name in _KEPT:
        try:
            lines.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError as error:
            if importlib.util.find_spec(name) is not None:
                raise InstallError(
                    f"{name} of this Slicer does not tell its version, so pip would replace it: use Slicer "
                    "5.10 or later."
                ) from error
    with tempfile.TemporaryDirectory(prefix="medfuse-") as folder:
        path = Path(folder) / "constraints.txt"
        path.write_text("\n".join((*lines, "")), encoding="utf-8")
        yield path


@contextlib.contextmanager
def _pip_held_to(file: Path) -> Iterator[None]:
    """Hold every pip that is started meanwhile; by a URI, for pip takes a blank for the end of a path."""
    before = os.environ.get("PIP_CONSTRAINT")
    os.environ["PIP_CONSTRAINT"] = " ".join([*([before] if before else []), file.as_uri()])
    try:
        yield
    finally:
        del os.environ["PIP_CONSTRAINT"]
        if before is not None:
            os.environ["PIP_CONSTRAINT"] = before


def _requirements() -> dict[str, str]:
    """Name -> least version, from the file of requirements."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return dict(line.strip().split(">=") for line in lines if line.strip() and not line.startswith("#"))


def _is_installed(name: str, least: str) -> bool:
    try:
        return _numbers(importlib.metadata.version(name)) >= _numbers(least)
    except importlib.metadata.PackageNotFoundError:
        return False


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3])
