"""Rules that choose one volume among many: ``CT, most slices`` or ``MR, description~T1``.

A rule is a list of terms, separated by commas, that must all hold:

=====================  ==========================================================================
``CT``                 the modality (DICOM) or suffix (BIDS: ``T1w``)
``description~T1``     the value contains the text (case does not matter); ``!~``: it does not
``number=3``           the value is this; ``!=``: it is not
``slices>20``          likewise ``<``, ``>=``, ``<=``, for numbers
``*_ct*``              the name of the file is like that: ``*`` for anything, ``?`` for one letter
``most slices``        of those left, the one with the largest value; ``fewest``: the smallest
=====================  ==========================================================================

What a rule does not decide is an ambiguity, and is said; it is never guessed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from ...errors import ParameterError, UnknownNameError

__all__ = ["Candidate", "Choice", "Rule", "like"]

_LISTED = 6  # candidates in a message

Value = str | float


@dataclass(frozen=True)
class Candidate:
    """A volume that a rule may choose.

    Parameters
    ----------
    subject, visit:
        Whose, and of which study or session; for pairing only, never shown.
    path:
        What :func:`medfuse.read_volume` takes.
    modality:
        For :class:`medfuse.Study`; "" where the file says it.
    label:
        For people; nothing of the patient.
    values:
        What rules can ask for; ``kind`` is what a bare word is compared with.
    problem:
        Why it cannot be read, if so.
    """

    subject: str
    visit: str
    path: Path
    modality: str
    label: str
    values: Mapping[str, Value]
    problem: str = ""


class Choice(NamedTuple):
    """What a rule makes of candidates: one of them, or a problem and those that it leaves."""

    one: Candidate | None
    problem: str
    left: Sequence[Candidate]


@dataclass(frozen=True)
class _Term:
    key: str
    sign: str
    wanted: str

    def holds(self, candidate: Candidate) -> bool:
        value = candidate.values.get(self.key, "")
        return _SIGNS[self.sign](value, self.wanted)


@dataclass(frozen=True)
class Rule:
    """A parsed rule."""

    text: str
    terms: tuple[_Term, ...]
    extreme: tuple[Callable[..., Value], str] | None = None

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read a rule.

        Raises
        ------
        ParameterError
            If a term cannot be understood.
        """
        terms, extreme = [], None
        for term in (part.strip() for part in text.split(",")):
            if found := _EXTREME.fullmatch(term):
                if extreme:
                    raise ParameterError(f"rule {text!r}: only one 'most' or 'fewest'")
                extreme = (max if found[1].lower() == "most" else min, found[2].lower())
            elif found := _COMPARISON.fullmatch(term):
                terms.append(_checked(text, _Term(found[1].lower(), found[2], found[3].strip())))
            elif _PATTERN.fullmatch(term):
                terms.append(_Term("file", "like", term))
            elif re.fullmatch(r"\w+", term):
                terms.append(_Term("kind", "=", term))
            else:
                raise ParameterError(
                    f"rule {text!r}: cannot understand {term!r}; expected terms such as CT, description~T1, "
                    "number=3, slices>20, *_ct* or 'most slices', separated by commas"
                )
        return cls(text, tuple(terms), extreme)

    @property
    def patterns(self) -> tuple[str, ...]:
        """What it asks of the name of a file."""
        return tuple(term.wanted for term in self.terms if term.sign == "like")

    def check_keys(self, known: Iterable[str]) -> None:
        """Refuse a key that no volume has: a rule with a typing error would match nothing, or everything.

        Raises
        ------
        UnknownNameError
            With the keys there are.
        """
        names = sorted(set(known))
        asked = [term.key for term in self.terms] + ([self.extreme[1]] if self.extreme else [])
        for key in asked:
            if key not in names:
                raise UnknownNameError(f"key in the rule {self.text!r}:", key, names)

    def choose(self, candidates: Sequence[Candidate]) -> Choice:
        """The one candidate that the rule leaves, or what stands in the way."""
        left = [one for one in candidates if all(term.holds(one) for term in self.terms)]
        if self.extreme and left:
            pick, key = self.extreme
            numbers = {id(one): _number(one.values.get(key, "")) for one in left}
            best = pick(numbers.values())
            left = [one for one in left if numbers[id(one)] == best]
        if len(left) == 1:
            return Choice(left[0], left[0].problem, left)
        if not left:
            return Choice(None, f"nothing matches {self.text!r} among {_listed(candidates)}", candidates)
        return Choice(None, f"{len(left)} match {self.text!r}: {_listed(left)}", left)


_EXTREME = re.compile(r"(most|fewest)\s+(\w+)", re.IGNORECASE)
_PATTERN = re.compile(r"(?=.*[*?])[^\s,<>=~]+")
_COMPARISON = re.compile(r"(\w+)\s*(!~|~|>=|<=|!=|=|>|<)\s*(.+)")


def _number(value: Value | str) -> float:
    try:
        return float(value)
    except ValueError:
        return float("-inf")


def _equal(value: Value, wanted: str) -> bool:
    if isinstance(value, float):
        return value == _number(wanted)
    return value.casefold() == wanted.casefold()


def _contains(value: Value, wanted: str) -> bool:
    return wanted.casefold() in str(value).casefold()


def like(value: Value, wanted: str) -> bool:
    """Whether a name is like a pattern with ``*`` and ``?``, whatever the capitals."""
    return fnmatchcase(str(value).casefold(), wanted.casefold())


def _compared(compare: Callable[[float, float], bool]) -> Callable[[Value, str], bool]:
    return lambda value, wanted: compare(_number(value), float(wanted))


_SIGNS: Mapping[str, Callable[[Value, str], bool]] = {
    "=": _equal,
    "!=": lambda value, wanted: not _equal(value, wanted),
    "like": like,
    "~": _contains,
    "!~": lambda value, wanted: not _contains(value, wanted),
    ">": _compared(operator.gt),
    "<": _compared(operator.lt),
    ">=": _compared(operator.ge),
    "<=": _compared(operator.le),
}


def _checked(text: str, term: _Term) -> _Term:
    if term.sign[0] in "<>" and _number(term.wanted) == float("-inf"):
        raise ParameterError(f"rule {text!r}: {term.wanted!r} is no number")
    return term


def _listed(candidates: Sequence[Candidate]) -> str:
    if not candidates:
        return "no volumes"
    more = f" and {len(candidates) - _LISTED} more" if len(candidates) > _LISTED else ""
    return "; ".join(one.label for one in candidates[:_LISTED]) + more
