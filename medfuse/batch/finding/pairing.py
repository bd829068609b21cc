"""From the volumes of many patients to studies: pairs that rules choose, ambiguities that they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ...study import InputVolume, Study
from .planning import Planned
from .rules import Candidate, Rule

__all__ = ["pair"]

Name = Callable[[str, Sequence[str]], str]
"""The name of a study from its subject and visits."""


def pair(candidates: Iterable[Candidate], rules: Sequence[Rule], name: Name) -> list[Planned]:
    """Studies of each subject: the fixed volume by the first rule, the moving ones by the others.

    Volumes are paired within a visit (a DICOM study, a BIDS session).  Where no visit of a subject
    holds a volume for every rule, they are paired over all its visits, and a note says so: CT and MR
    are often taken on different days.
    """
    subjects: dict[str, list[Candidate]] = {}
    for one in candidates:
        subjects.setdefault(one.subject, []).append(one)
    return [
        planned for subject in subjects for planned in _of_subject(subject, subjects[subject], rules, name)
    ]


def _of_subject(
    subject: str, candidates: Sequence[Candidate], rules: Sequence[Rule], name: Name
) -> list[Planned]:
    visits: dict[str, list[Candidate]] = {}
    for one in candidates:
        visits.setdefault(one.visit, []).append(one)
    complete = {visit: own for visit, own in visits.items() if all(_matches(rule, own) for rule in rules)}
    if complete:
        return [_planned(name(subject, [visit]), own, rules, "") for visit, own in complete.items()]
    if len(visits) == 1:
        return [_planned(name(subject, list(visits)), candidates, rules, "")]
    return [_planned(name(subject, sorted(visits)), candidates, rules, "paired across visits")]


def _matches(rule: Rule, candidates: Sequence[Candidate]) -> bool:
    return any(all(term.holds(one) for term in rule.terms) for one in candidates)


def _planned(name: str, candidates: Sequence[Candidate], rules: Sequence[Rule], note: str) -> Planned:
    roles = (
        ["fixed", "moving"] if len(rules) == 2 else ["fixed", *(f"moving {i}" for i in range(1, len(rules)))]
    )
    choices = {role: rule.choose(candidates) for role, rule in zip(roles, rules, strict=True)}
    chosen = [choice.one for choice in choices.values() if choice.one]
    labels = tuple(one.label for one in chosen)
    problems = [f"{role}: {choice.problem}" for role, choice in choices.items() if choice.problem]
    if not problems and len({one.path for one in chosen}) < len(rules):
        problems = ["two rules choose the same volume"]
    if problems:
        decided = tuple(None if choice.problem else _path(choice.one) for choice in choices.values())
        files = tuple(
            f"{role}: {one.path}" for role, choice in choices.items() if choice.problem for one in choice.left
        )
        return Planned(name, None, {}, labels, note, "; ".join(problems), decided, files)
    fixed, *moving = (InputVolume(one.path, one.modality) for one in chosen)
    return Planned(name, Study(fixed, moving), labels=labels, note=note)


def _path(one: Candidate | None) -> Path | None:
    return one.path if one else None
