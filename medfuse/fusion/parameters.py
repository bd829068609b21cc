"""The parameters of a method: read from its dataclass, set from text.

One source of truth: the fields of the method's dataclass are its ``-p key=value`` options, its
entries in the provenance, and the schema of the panel in 3D Slicer.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

from ..errors import ParameterError, UnknownNameError

if TYPE_CHECKING:
    from .types import FusionMethod

__all__ = [
    "Parameter",
    "check_parameters",
    "configured",
    "method_fault",
    "parameter",
    "parameters_of",
    "presets_of",
    "values_of",
]

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class Parameter(NamedTuple):
    """One parameter of a method, as shown to people."""

    name: str
    kind: type
    default: Any
    doc: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]


def parameter(
    default: Any,
    doc: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field with its meaning and its limits (``minimum`` and ``maximum`` included)."""
    limits = {"doc": doc, "minimum": minimum, "maximum": maximum, "choices": choices}
    return dataclasses.field(default=default, metadata=limits)


def method_fault(thing: object) -> str:
    """Why an object is no fusion method's class; "" if it is one."""
    if not (isinstance(thing, type) and dataclasses.is_dataclass(thing) and "__call__" in dir(thing)):
        return f"expected a dataclass that is called on sources, got {thing!r:.60}"
    parameters_of(thing)  # raises where hints name what is not there
    return ""


def parameters_of(method: type) -> dict[str, Parameter]:
    """The parameters of a method's class by name, in the order of its fields."""
    kinds = get_type_hints(method)
    return {
        field.name: Parameter(
            field.name,
            kinds[field.name],
            field.default,
            field.metadata.get("doc", ""),
            field.metadata.get("minimum"),
            field.metadata.get("maximum"),
            field.metadata.get("choices", ()),
        )
        for field in dataclasses.fields(method)
    }


def values_of(method: FusionMethod) -> dict[str, Any]:
    """The parameters of a configured method: name -> value."""
    return {name: getattr(method, name) for name in parameters_of(type(method))}


def presets_of(method: type) -> Mapping[str, Mapping[str, Any]]:
    """The named sets of parameters that a method's class offers (``PRESETS``), often none."""
    return getattr(method, "PRESETS", {})


def check_parameters(method: Any) -> None:
    """Check every field of a configured method against its kind and limits.

    Call it from ``__post_init__``.

    Raises
    ------
    ParameterError
        Naming the parameter, its value, what was expected.
    """
    for one in parameters_of(type(method)).values():
        value = getattr(method, one.name)
        _check_kind(one, value)
        if one.choices and value not in one.choices:
            raise UnknownNameError(one.name, str(value), one.choices)
        if one.minimum is not None and value < one.minimum:
            raise ParameterError(f"{one.name}={value}: expected at least {one.minimum:g}")
        if one.maximum is not None and value > one.maximum:
            raise ParameterError(f"{one.name}={value}: expected at most {one.maximum:g}")


def _check_kind(one: Parameter, value: Any) -> None:
    allowed = (int, float) if one.kind is float else one.kind
    is_stray_bool = isinstance(value, bool) and one.kind is not bool
    is_nan = isinstance(value, float) and math.isnan(value)
    if not isinstance(value, allowed) or is_stray_bool or is_nan:
        raise ParameterError(f"{one.name}={value!r}: expected {_kind_name(one.kind)}")


def configured(
    method: type[FusionMethod], values: Mapping[str, Any], preset: str | None = None
) -> FusionMethod:
    """A method of that class; see :func:`medfuse.make_method`."""
    known = parameters_of(method)
    for name in values:
        if name not in known:
            raise UnknownNameError("parameter", name, known)
    chosen = {name: _convert(known[name], value) for name, value in values.items()}
    return method(**{**_preset_values(method, preset, chosen.get("device", "auto")), **chosen})


def _preset_values(method: type, preset: str | None, device: str) -> Mapping[str, Any]:
    presets = presets_of(method)
    if preset == "auto":
        preset = method.auto_preset(device) if hasattr(method, "auto_preset") else None
    if preset is None:
        return {}
    if preset not in presets:
        raise UnknownNameError("preset", preset, ("auto", *presets))
    return presets[preset]


def _convert(one: Parameter, value: Any) -> Any:
    if not isinstance(value, str) or one.kind is str:
        return value
    if one.kind is bool and value.lower() in _TRUE + _FALSE:
        return value.lower() in _TRUE
    try:
        if one.kind in (int, float):
            return one.kind(value)
    except ValueError:
        pass
    raise ParameterError(f"{one.name}={value}: expected {_kind_name(one.kind)}")


def _kind_name(kind: type) -> str:
    return {int: "a whole number", float: "a number", bool: "yes or no", str: "a word"}[kind]
