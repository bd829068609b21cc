"""Processes of our own: Python that runs a function of the package."""

from __future__ import annotations

import sys

__all__ = ["python_calling"]


def python_calling(module: str) -> list[str]:
    """The command that starts this Python and calls ``main`` of a module of medfuse.

    The working folder is not on its path, where ``-m`` would put it first (``-P`` is not known to Python
    3.10): a folder called ``medfuse`` there, such as a clone, would be taken for the package.
    """
    start = "import sys; sys.path[:] = [place for place in sys.path if place]; "
    return [sys.executable, "-c", f"{start}from {module} import main; main()"]
