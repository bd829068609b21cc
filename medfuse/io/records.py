"""Small files that people or medfuse itself wrote, read back into checked values.

Whatever such a file holds, it is a value of the type that its reader expects, or one ``ReadError``: locks,
records of studies, provenance, recipes.  A pipe that nobody writes to, a list nested ten thousand deep and a
number of ten thousand digits are no more than that.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

from ..errors import ParameterError, ReadError
from .files import one_line

__all__ = ["checked", "read_json", "read_parsed", "read_text", "write_text"]

_MOST_BYTES = 64 << 20

T = TypeVar("T")


def read_text(path: Path, what: str) -> str:
    """The text of a small file, UTF-8 with or without a mark.

    Parameters
    ----------
    path:
        The file.
    what:
        It is expected to be, for the message ("recipe", "record of a study").

    Raises
    ------
    ReadError
        If it is missing, no regular file, larger than 64 MiB, or no UTF-8.
    """
    try:
        # A pipe would wait for a writer for ever, unless it is opened so.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode):
                raise ReadError(f"cannot read the {what} {path}: expected a regular file")
            if facts.st_size > _MOST_BYTES:
                raise ReadError(
                    f"cannot read the {what} {path}: {facts.st_size >> 20} MiB; expected at most "
                    f"{_MOST_BYTES >> 20} MiB"
                )
            return file.read(_MOST_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError, as is what is no UTF-8
        reason = getattr(error, "strerror", None) or error
        raise ReadError(f"cannot read the {what} {path}: {one_line(reason)}") from error


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8.

    A byte of a file name that is no UTF-8, such as a Latin-1 ü, becomes ``\\udcfc``: what JSON has for it.
    """
    Path(path).write_text(text, encoding="utf-8", errors="backslashreplace")


def read_parsed(path: Path, what: str, parse: Callable[[str], Any], kind: type[T]) -> T:
    """What ``parse`` makes of the text of a file, as a value of the type ``kind``; see :func:`checked`.

    Raises
    ------
    ReadError
        If the file cannot be read or parsed, or holds something else.
    """
    text = read_text(path, what)
    try:
        found: T = checked(parse(text), kind, what)
    except RecursionError as error:
        raise ReadError(f"cannot read the {what} {path}: nested too deeply") from error
    except (ValueError, ParameterError) as error:  # all parsers' errors are ValueErrors
        reason = one_line(error).partition("; use sys.")[0]  # of a number of thousands of digits
        raise ReadError(f"cannot read the {what} {path}: {reason}") from error
    return found


def read_json(path: Path, what: str, kind: type[T]) -> T:
    """The content of a JSON file as a value of the type ``kind``.

    Raises
    ------
    ReadError
        As :func:`read_parsed`.
    """
    return read_parsed(path, what, json.loads, kind)


def checked(value: Any, kind: Any, what: str) -> Any:
    """``value`` if it is of the type ``kind``, with lists as tuples where a tuple is meant.

    Parameters
    ----------
    value:
        Of the words of JSON and TOML.
    kind:
        ``str``, ``bool``, ``int``, ``float`` (finite; whole numbers too), ``None``, ``Any``, ``list[T]``,
        ``tuple[T, ...]``, ``tuple[S, T]``, ``Mapping[str, T]``, a union of these, or a ``TypedDict`` (whose
        other keys are left as they are).
    what:
        Name of the value, for the message.

    Raises
    ------
    ParameterError
        Naming the value that is of another type.
    """
    if kind is Any:
        return value
    if is_typeddict(kind):
        return _record(value, kind, what)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _one_of(value, get_args(kind), what)
    if origin in (list, tuple):
        return _sequence(value, kind, what)
    if origin is not None:
        _check(isinstance(value, Mapping), value, kind, what)
        return {key: checked(item, get_args(kind)[1], f"{what}.{key}") for key, item in value.items()}
    _check(_is_plain(value, kind), value, kind, what)
    return value


def _is_plain(value: Any, kind: Any) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and _is_finite(value)
    if kind is None or kind is type(None):
        return value is None
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _record(value: Any, kind: Any, what: str) -> dict[str, Any]:
    _check(isinstance(value, Mapping), value, kind, what)
    found = dict(value)
    for name, hint in get_type_hints(kind).items():
        if name in found:
            found[name] = checked(found[name], hint, f"{what}.{name}")
        elif name in kind.__required_keys__:
            raise ParameterError(f"{what}: has no {name}")
    return found


def _one_of(value: Any, kinds: Sequence[Any], what: str) -> Any:
    faults = []
    for kind in kinds:
        try:
            return checked(value, kind, what)
        except ParameterError as error:
            faults.append(error)
    inside = [fault for fault in faults if not str(fault).startswith(f"{what} =")]
    _check(bool(inside), value, kinds, what)
    raise inside[0]


def _sequence(value: Any, kind: Any, what: str) -> Any:
    _check(isinstance(value, (list, tuple)), value, kind, what)
    kinds = get_args(kind)
    if get_origin(kind) is list or kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise ParameterError(f"{what}: {len(value)} values; expected {len(kinds)}")
    found = [
        checked(item, one, f"{what}[{i}]") for i, (item, one) in enumerate(zip(value, kinds, strict=True))
    ]
    return get_origin(kind)(found)


_CALLED: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
}
_CALLED |= {list: "a list", tuple: "a list", type(None): "nothing"}


def _check(holds: bool, value: Any, kind: Any, what: str) -> None:
    if not holds:
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = " or ".join(_CALLED.get(get_origin(one) or one, "a table") for one in kinds)
        raise ParameterError(f"{what} = {_shown(value)}: expected {expected}")


def _shown(value: Any) -> str:
    try:
        return one_line(repr(value), 60)
    except (ValueError, RecursionError):  # of thousands of digits, or nested as deeply
        return f"a {type(value).__name__}"
