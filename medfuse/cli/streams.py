"""Standard output and error that may be full, closed, or of an alphabet that lacks a character."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, TextIO, cast

__all__ = ["NobodyReads", "OutputFailed", "let_go", "watch"]


class OutputFailed(Exception):  # noqa: N818 - with NobodyReads below it, which is none
    """Standard output cannot be written, as on a full disk."""


class NobodyReads(OutputFailed):
    """The program at the other end of the pipe has ended, as ``head`` does."""


class _Stream:
    """A text stream; its failures are told from those of files that a command works on."""

    def __init__(self, stream: TextIO, matters: bool):
        self._stream, self._matters = stream, matters

    def write(self, text: str) -> int:
        """Write text; an error is raised as :class:`OutputFailed`, if it matters."""
        return int(self._tried(self._stream.write, text) or 0)

    def flush(self) -> None:
        """Likewise."""
        self._tried(self._stream.flush)

    def _tried(self, function: Any, *values: str) -> Any:
        try:
            return function(*values)
        except BrokenPipeError as error:
            if self._matters:
                raise NobodyReads from error
        except OSError as error:
            if self._matters:
                raise OutputFailed(error.strerror) from error
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def watch() -> None:
    """Put such streams in place.

    What cannot be said on standard error is lost: the work goes on.  A character that the terminal does not
    have, or a byte of a file name that is no text, is written as ``\\xd7`` or ``\\udcfc``.
    """
    for name, matters in (("stdout", True), ("stderr", False)):
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        if stream is not None:
            setattr(sys, name, cast(TextIO, _Stream(stream, matters)))


def let_go() -> None:
    """Forget what is not written yet, so that the end of the program does not fail by it once more."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
