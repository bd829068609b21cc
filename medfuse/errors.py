"""Everything medfuse raises on purpose.

::

    MedfuseError                bad input, bad data, or a missing part; the message says what to do
    ├── ReadError               a file or folder that cannot be read as a volume
    │   └── SeriesError         a DICOM series that is ambiguous, incomplete or inconsistent
    ├── WriteError              an output that exists, or a place that cannot be written
    ├── GeometryError           grids that are invalid or do not fit together
    ├── RegistrationError       registration that could not run, or that failed and was not accepted
    ├── ParameterError          a value out of range or of the wrong kind
    │   └── UnknownNameError    a method, metric, preset or parameter that does not exist
    ├── DeviceError             a compute device that is not there, or has too little memory
    ├── DependencyError         an optional package that is not installed
    ├── PluginError             a method or metric of another package that cannot be used
    └── WeightsError            pretrained weights that are missing or damaged

    Cancelled                   the user asked to stop; not an error, hence outside the tree

One ``except MedfuseError`` catches all that a user can mend.  A message is one line: what,
the value, what was expected, and the remedy.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "Cancelled",
    "DependencyError",
    "DeviceError",
    "GeometryError",
    "MedfuseError",
    "ParameterError",
    "PluginError",
    "ReadError",
    "RegistrationError",
    "SeriesError",
    "UnknownNameError",
    "WeightsError",
    "WriteError",
]

_LONGEST = 80  # characters of a name in a message


class MedfuseError(Exception):
    """Base of all errors that medfuse raises on purpose."""


class ReadError(MedfuseError):
    """A file or folder cannot be read as a volume."""


class SeriesError(ReadError):
    """A DICOM series is ambiguous, incomplete or inconsistent."""


class WriteError(MedfuseError):
    """An output exists already, or its place cannot be written."""


class GeometryError(MedfuseError):
    """A grid is invalid, or two grids do not fit together."""


class RegistrationError(MedfuseError):
    """Registration could not run, or it failed and the result was not accepted."""


class ParameterError(MedfuseError):
    """A parameter is out of range or of the wrong kind."""


class UnknownNameError(ParameterError, KeyError):
    """A name that is not in a list of names; the message carries the choices.

    Also a ``KeyError``, so that a registry behaves as any other mapping does.
    """

    __str__ = Exception.__str__  # KeyError would show the message in quotes

    def __init__(self, kind: str, name: str, choices: Iterable[str]):
        choices = list(choices)
        close = get_close_matches(name, choices, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
        super().__init__(f"unknown {kind} {shown!r}.{hint} Choose from: {', '.join(choices)}")


class DeviceError(MedfuseError):
    """The compute device that was asked for is not there, or has too little memory."""


class DependencyError(MedfuseError):
    """An optional package is needed and not installed."""


class PluginError(MedfuseError):
    """A method or metric that another package registers cannot be loaded, or is none."""


class WeightsError(MedfuseError):
    """Pretrained weights are missing or damaged."""


class Cancelled(Exception):  # noqa: N818 - not an error
    """The user asked to stop.  Deliberately not a :class:`MedfuseError`."""
