"""The card of a model, ``medfuse-model.toml``: what goes in, what comes out, whose it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

from ..errors import WeightsError

__all__ = ["LAYOUTS", "PADDINGS", "Card", "Input", "Output", "parse_card", "problems_of"]

LAYOUTS = ("separate", "channels", "stack")
"""How the sources are given: each as an input of its own (b, c, y, x); one after the other as channels of
one input (b, n·c, y, x); stacked in one input (n, b, c, y, x)."""

PADDINGS = ("reflect", "edge", "zero")
"""What stands beyond the edge where a slice is enlarged to a size that the network takes."""


@dataclass(frozen=True)
class Input:
    """What a network takes.

    Parameters
    ----------
    sources:
        How many; 0 for any number.
    layout:
        One of :data:`LAYOUTS`.
    names:
        The ONNX inputs, first source first; () for those of the file in its own order.
    channels:
        Of each source: 1, or 3, which a grey source fills with three equal ones.
    range:
        The values of black and white.
    mean, deviation:
        Taken off and divided by after that, of each channel.
    size_multiple:
        Height and width are enlarged to multiples of it.
    padding:
        One of :data:`PADDINGS`.
    size:
        (height, width), where the network takes one size only; () for any.
    overlap:
        Of neighbouring tiles, in pixels; a pixel that the network sees from farther than a quarter of it
        may differ from a run on the whole slice.
    """

    sources: int = 2
    layout: str = "separate"
    names: tuple[str, ...] = ()
    channels: int = 1
    range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    size_multiple: int = 1
    padding: str = "reflect"
    size: tuple[int, ...] = ()
    overlap: int = 64


@dataclass(frozen=True)
class Output:
    """What a network gives.

    Parameters
    ----------
    name:
        The ONNX output; "" for the first.
    range:
        The values of black and white.
    colour:
        "luma": one grey image, or three channels whose luma counts, and colour sources are fused by their
        luma; "all": three channels that are red, green and blue, and colour sources may be fused as such.
    """

    name: str = ""
    range: tuple[float, float] = (0.0, 1.0)
    colour: str = "luma"


@dataclass(frozen=True)
class Card:
    """The card of a model.

    Parameters
    ----------
    name, licence, citation:
        In words; the licence is that of the weights.
    sha256:
        Of ``model.onnx``.
    modalities:
        DICOM modalities that the network is for, each group in the order in which it takes them; () for any.
    tolerance:
        Largest difference from the result in ``test.npz``, in grey values of [0, 1].
    input, output:
        What goes in and what comes out.
    """

    name: str
    licence: str
    citation: str
    sha256: str
    modalities: tuple[tuple[str, ...], ...]
    tolerance: float
    input: Input
    output: Output


class _Rule(NamedTuple):
    """What a value must be, and what stands for one that is not given."""

    is_right: Callable[[Any], bool]
    expected: str
    default: Any = None  # None: it must be given


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and abs(float(value)) < 1e9


def _is_count(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_list(value: Any, holds: Callable[[Any], bool], least: int, most: int) -> bool:
    return isinstance(value, (list, tuple)) and least <= len(value) <= most and all(map(holds, value))


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable() and len(value) <= 1000


def _is_range(value: Any) -> bool:
    return _is_list(value, _is_number, 2, 2) and value[0] < value[1]


_WORDS = _Rule(_is_word, "words on one line")
_RANGE = _Rule(_is_range, "two numbers, that of black first", (0.0, 1.0))
_INPUT, _OUTPUT = Input(), Output()

_RULES: Mapping[str, Mapping[str, _Rule]] = {
    "": {
        "format": _Rule(lambda value: value == 1 and not isinstance(value, bool), "1"),
        "name": _WORDS,
        "licence": _WORDS,
        "citation": _WORDS,
        "sha256": _Rule(
            lambda value: (
                isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
            ),
            "64 hexadecimal digits, those of model.onnx",
        ),
        "modalities": _Rule(
            lambda value: _is_list(value, lambda group: _is_list(group, _is_word, 2, 16), 0, 64),
            'groups such as [["CT", "MR"]]',
            (),
        ),
        "tolerance": _Rule(
            lambda value: _is_number(value) and 0 < value <= 0.1, "a number in (0, 0.1]", 1e-3
        ),
    },
    "input": {
        "sources": _Rule(
            lambda value: value == "any" or _is_count(value, 2, 16), 'a number from 2 to 16, or "any"', 2
        ),
        "layout": _Rule(lambda value: value in LAYOUTS, " or ".join(LAYOUTS), _INPUT.layout),
        "names": _Rule(
            lambda value: _is_list(value, _is_word, 0, 16), "the names of the ONNX inputs", _INPUT.names
        ),
        "channels": _Rule(lambda value: _is_count(value, 1, 3) and value != 2, "1 or 3", _INPUT.channels),
        "range": _RANGE,
        "mean": _Rule(lambda value: _is_list(value, _is_number, 1, 3), "one or three numbers", _INPUT.mean),
        "deviation": _Rule(
            lambda value: _is_list(value, lambda one: _is_number(one) and one > 0, 1, 3),
            "one or three numbers above 0",
            _INPUT.deviation,
        ),
        "size_multiple": _Rule(lambda value: _is_count(value, 1, 1024), "a number from 1 to 1024", 1),
        "padding": _Rule(lambda value: value in PADDINGS, " or ".join(PADDINGS), _INPUT.padding),
        "size": _Rule(
            lambda value: (
                len(value or ()) != 1 and _is_list(value, lambda one: _is_count(one, 8, 8192), 0, 2)
            ),
            "[height, width] in pixels, or nothing",
            _INPUT.size,
        ),
        "overlap": _Rule(lambda value: _is_count(value, 0, 4096), "a number of pixels", _INPUT.overlap),
    },
    "output": {
        "name": _Rule(lambda value: isinstance(value, str), "the name of the ONNX output", _OUTPUT.name),
        "range": _RANGE,
        "colour": _Rule(lambda value: value in ("luma", "all"), "luma or all", _OUTPUT.colour),
    },
}


def parse_card(text: str) -> Card:
    """The card in a text of TOML.

    Raises
    ------
    WeightsError
        If it is no TOML, or anything in it is wrong; the message names all that is.
    """
    table = _table(text)
    if problems := problems_of(table):
        raise WeightsError(f"medfuse-model.toml: {'; '.join(problems)}")
    values = {section: _values(section, table) for section in _RULES}
    given = values["input"]
    own = values[""]
    return Card(
        **{name: own[name] for name in ("name", "licence", "citation", "sha256")},
        modalities=tuple(tuple(one.upper() for one in group) for group in own["modalities"]),
        tolerance=float(own["tolerance"]),
        input=Input(**{**given, "sources": 0 if given["sources"] == "any" else given["sources"]}),
        output=Output(**values["output"]),
    )


def problems_of(table: Mapping[str, Any]) -> list[str]:
    """What is wrong in the table of a card, in words; nothing if all is right."""
    problems = []
    for section, rules in _RULES.items():
        found = _section(table, section)
        if not isinstance(found, Mapping):
            problems.append(f"[{section}]: expected a table")
            continue
        others = set(_RULES) if not section else set()
        problems += [
            f"{_named(section, str(name))} is not known: expected {', '.join(rules)}"
            for name in found
            if name not in rules and name not in others
        ]
        problems += [one for name, rule in rules.items() if (one := _problem(section, name, rule, found))]
    return problems or _contradictions(table)


def _contradictions(table: Mapping[str, Any]) -> list[str]:
    """What is wrong between values that are right one by one."""
    given = _values("input", table)
    colour = _values("output", table)["colour"]
    inputs = given["sources"] if given["layout"] == "separate" else 1
    size, multiple = given["size"], given["size_multiple"]
    checks = (
        (inputs == "any", 'sources = "any": expected layout channels or stack'),
        (
            inputs != "any" and bool(given["names"]) and len(given["names"]) != inputs,
            f"{len(given['names'])} names: expected {inputs}, one for each ONNX input",
        ),
        *(
            (len(given[name]) not in (1, given["channels"]), f"{name}: expected one number for each channel")
            for name in ("mean", "deviation")
        ),
        (colour == "all" and given["channels"] != 3, "colour = all: expected channels = 3"),
        (any(one % multiple for one in size), f"size {list(size)}: expected multiples of {multiple}"),
        (
            bool(size) and given["overlap"] * 2 > min(size, default=0),
            f"overlap {given['overlap']}: expected at most half of the size {list(size)}",
        ),
    )
    return [f"[input] {words}" for is_wrong, words in checks if is_wrong]


def _table(text: str) -> Mapping[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # too many digits, too deep, or no TOML
        raise WeightsError(f"medfuse-model.toml: no TOML: {' '.join(str(error).split())[:200]}") from error


def _section(table: Mapping[str, Any], section: str) -> Any:
    return table.get(section, {}) if section else table


def _problem(section: str, name: str, rule: _Rule, found: Mapping[str, Any]) -> str:
    if name not in found:
        return "" if rule.default is not None else f"{_named(section, name)} is missing: {rule.expected}"
    if rule.is_right(found[name]):
        return ""
    return f"{_named(section, name)} = {str(found[name])[:60]!r}: expected {rule.expected}"


def _named(section: str, name: str) -> str:
    return f"[{section}] {name}" if section else name


def _values(section: str, table: Mapping[str, Any]) -> dict[str, Any]:
    found = _section(table, section)
    values = {name: found.get(name, rule.default) for name, rule in _RULES[section].items()}
    return {name: tuple(one) if isinstance(one, list) else one for name, one in values.items()}
