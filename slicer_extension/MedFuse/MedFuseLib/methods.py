"""What medfuse offers: methods with their presets and parameters, and kinds of registration.

Values stay text, as on the command line; medfuse itself converts and checks them again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["Method", "Parameter", "Registration", "read_methods", "read_registrations"]

_ELSEWHERE = ("device", "seed")
"""Parameters of methods that the panel asks for once, for all methods."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a method; ``kind`` is "int", "float", "bool" or "str"."""

    name: str
    kind: str
    default: Any
    doc: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]

    @property
    def options(self) -> tuple[str, ...]:
        """The values it can have, where they can be listed."""
        return ("yes", "no") if self.kind == "bool" else self.choices

    @property
    def hint(self) -> str:
        """Its meaning and its limits, as a tooltip."""
        low = [] if self.minimum is None else [f"at least {self.minimum:g}"]
        high = [] if self.maximum is None else [f"at most {self.maximum:g}"]
        limits = ", ".join(low + high)
        return f"{self.doc} ({limits})" if limits else self.doc

    def problem(self, text: str) -> str:
        """Why ``text`` is no value of this parameter, in one sentence; "" if it is one."""
        if self.options:
            known = text in self.options
            return "" if known else f"{self.name} = {text}: expected one of {', '.join(self.options)}."
        if self.kind == "str":
            return ""
        try:
            value = int(text) if self.kind == "int" else float(text)
        except ValueError:
            return f"{self.name} = {text}: expected a {'whole ' if self.kind == 'int' else ''}number."
        # Written so that "not a number" is out of range, too.
        if self.minimum is not None and not value >= self.minimum:
            return f"{self.name} = {text}: expected at least {self.minimum:g}."
        if self.maximum is not None and not value <= self.maximum:
            return f"{self.name} = {text}: expected at most {self.maximum:g}."
        return ""


@dataclass(frozen=True)
class Method:
    """One fusion method."""

    key: str
    summary: str
    presets: dict[str, dict[str, Any]]
    parameters: tuple[Parameter, ...]

    def value_in(self, preset: str, parameter: Parameter) -> str:
        """The value of a parameter if nothing else is asked for; "" where ``preset`` leaves it open."""
        if preset == "auto" and any(parameter.name in values for values in self.presets.values()):
            return ""  # which preset it will be depends on the device
        return _as_text(self.presets.get(preset, {}).get(parameter.name, parameter.default))

    def problem(self, preset: str, values: dict[str, str]) -> str:
        """Why the method cannot run like this, in one sentence; "" if it can."""
        if preset not in ("auto", *self.presets):
            return f"{self.key} has no preset {preset}."
        known = {one.name: one for one in self.parameters}
        for name, text in values.items():
            problem = known[name].problem(text) if name in known else f"{self.key} has no parameter {name}."
            if problem:
                return problem
        return ""


@dataclass(frozen=True)
class Registration:
    """One kind of registration; ``presets``: name -> what it is for."""

    key: str
    summary: str
    presets: dict[str, str]


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_methods(text: str) -> dict[str, Method]:
    """The methods by key, from the output of ``medfuse methods --json``.

    Raises
    ------
    ValueError
        If ``text`` is not what medfuse writes.
    """
    try:
        methods = [_method(entry) for entry in _entries(text)]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"medfuse did not list its methods as expected: {error!r}") from error
    return {one.key: one for one in methods}


def _entries(text: str) -> list[dict[str, Any]]:
    """The list in ``text``, without the warnings that a library may have printed around it."""
    result: list[dict[str, Any]] = json.loads(text[text.index("[") : text.rindex("]") + 1])
    return result


def _method(entry: dict[str, Any]) -> Method:
    parameters = tuple(
        Parameter(**{**one, "choices": tuple(one["choices"])})
        for one in entry["parameters"]
        if one["name"] not in _ELSEWHERE
    )
    return Method(entry["key"], entry["summary"], entry["presets"], parameters)


def read_registrations(text: str) -> dict[str, Registration]:
    """The kinds of registration by key, from the output of ``medfuse registration list --json``.

    Raises
    ------
    ValueError
        If ``text`` is not what medfuse writes.
    """
    try:
        kinds = [_registration(entry) for entry in _entries(text)]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"medfuse did not list its registrations as expected: {error!r}") from error
    return {one.key: one for one in kinds}


def _registration(entry: dict[str, Any]) -> Registration:
    presets = {name: preset["about"] for name, preset in entry["presets"].items()}
    return Registration(entry["key"], entry["summary"], presets)
