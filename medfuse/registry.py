"""Names that users type, and the objects behind them, imported when first used.

The built-in table holds ``"module:object"`` strings, so that listing the names of all methods
imports none of them.  Other packages add theirs through entry points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from .errors import PluginError, UnknownNameError

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A read-only mapping from a name to a lazily imported object.

    Parameters
    ----------
    kind:
        What the names stand for, in the singular ("method"); used in error messages.
    table:
        name -> ``"module:object"``.  A built-in name cannot be replaced by an entry point.
    group:
        The entry-point group in which other packages register theirs.
    fault:
        Says of an object that another package registers why it cannot stand here; "" if it can.
    """

    def __init__(
        self, kind: str, table: Mapping[str, str], group: str, fault: Callable[[object], str] = lambda _: ""
    ):
        self._kind = kind
        self._table = dict(table)
        self._group = group
        self._fault = fault
        self._loaded: dict[str, T] = {}

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        found = {point.name: point for point in entry_points(group=self._group)}
        return {name: point for name, point in found.items() if name not in self._table}

    def __getitem__(self, name: str) -> T:
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> T:
        if name in self._table:
            module, _, attribute = self._table[name].partition(":")
            found: T = getattr(import_module(module), attribute)
        elif name in self._plugins:
            found = self._load_plugin(name)
        else:
            raise UnknownNameError(self._kind, name, self)
        return found

    def _load_plugin(self, name: str) -> T:
        point = self._plugins[name]
        try:
            found: T = point.load()
            fault = self._fault(found)
        except (Exception, SystemExit) as error:  # the code of others may raise anything
            raise PluginError(self._refusal(point, f"{type(error).__name__}: {error}")) from error
        if fault:
            raise PluginError(self._refusal(point, fault))
        return found

    def _refusal(self, point: EntryPoint, why: str) -> str:
        package = f" of the package {point.dist.name}" if point.dist else ""
        reason = " ".join(why.split())[:200]
        return (
            f"{self._kind} {point.name!r}{package} cannot be used ({reason}): mend or uninstall that package"
        )

    def usable(self) -> tuple[dict[str, T], dict[str, str]]:
        """All objects by name, and of the names whose plug-in cannot be used what is wrong with it.

        A fault of one package is none of the others: lists show what there is, and only who uses the
        faulty name gets an error.
        """
        found, faults = {}, {}
        for name in self:
            try:
                found[name] = self[name]
            except PluginError as error:
                faults[name] = str(error)
        return found, faults

    def key_of(self, name: str) -> str:
        """The name as it is registered, for one that differs by its case alone; others as they are."""
        return next((key for key in self if key.casefold() == name.casefold()), name)

    def __contains__(self, name: object) -> bool:
        return name in self._table or name in self._plugins

    def __iter__(self) -> Iterator[str]:
        yield from self._table
        yield from self._plugins

    def __len__(self) -> int:
        return len(self._table) + len(self._plugins)

    def __repr__(self) -> str:
        return f"<{self._kind}s: {', '.join(self)}>"
