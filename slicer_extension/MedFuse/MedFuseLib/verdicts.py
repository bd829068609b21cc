"""The verdict on each registration and the warnings of a run, as the panel shows them.

A verdict is told by a sign, a word and a colour, in this order: who cannot tell the colours, or has a dark
theme, loses nothing.  The colours are of Okabe and Ito, and the ink on each is readable (WCAG 2, 4.5:1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["BADGES", "VERDICTS", "Badge", "Finding", "as_html", "failure", "in_words_of_the_panel"]


@dataclass(frozen=True)
class Badge:
    """How a verdict looks: its sign, its word, the colour behind it and that of the letters."""

    sign: str
    word: str
    background: str
    ink: str


BADGES = {
    "ok": Badge("✓", "ok", "#009e73", "#000000"),
    "given": Badge("○", "not checked", "#56b4e9", "#000000"),
    "doubtful": Badge("?", "doubtful", "#f0e442", "#000000"),
    "failed": Badge("✗", "failed", "#d55e00", "#000000"),
    "warning": Badge("!", "warning", "#e69f00", "#000000"),
    "stopped": Badge("✗", "stopped", "#d55e00", "#000000"),
}
"""Verdict of medfuse -> badge; with "warning", and "stopped" for a run that ended without a result."""

VERDICTS = frozenset({"ok", "given", "doubtful", "failed"})
"""Those of medfuse on a registration."""


@dataclass(frozen=True)
class Finding:
    """One verdict or warning: a key of :data:`BADGES`, what it is about ("" for the run), and the reasons."""

    level: str
    about: str
    reasons: tuple[str, ...]


def as_html(findings: Sequence[Finding]) -> str:
    """Rich text for a label, a paragraph for each finding; "" for none."""
    return "".join(_paragraph(one) for one in findings)


def _paragraph(finding: Finding) -> str:
    badge = BADGES[finding.level]
    look = f"background-color:{badge.background}; color:{badge.ink}; font-weight:bold"
    shown = f'<span style="{look}">&nbsp;{badge.sign}&nbsp;{escape(badge.word)}&nbsp;</span>'
    about = f" <b>{escape(finding.about)}</b>" if finding.about else ""
    reasons = escape("; ".join(finding.reasons))
    colon = ":" if about and reasons else ""
    return f'<p style="margin-top:4px; margin-bottom:4px">{shown}{about}{colon} {reasons}</p>'


_FAILED = re.compile(r"(registration of the [\w ]+ volume) failed: (.+)", re.DOTALL)


def failure(sentence: str) -> Finding:
    """What a run that failed shows: the registration's verdict, if that is why, else that it stopped."""
    sentence = in_words_of_the_panel(sentence)
    judged = _FAILED.match(sentence)
    if judged:
        return Finding("failed", judged[1][0].upper() + judged[1][1:], (judged[2],))
    return Finding("stopped", "", (sentence,))


_LABELS = {
    "--initial-transform": "a transform under “Start from”",
    "--landmarks": "one made of landmarks",
    "--registration-start header": "“Search from: header”",
    "go on with --accept-registration": "tick “Go on with a registration that is judged failed”",
    "--accept-registration": "“Go on with a registration that is judged failed”",
    "--no-registration": "“Kind: none”",
    "--modality": "“Modality” in their rows",
    "--download-weights": "“Download pretrained weights if they are missing”",
}
"""Option of the command line -> what it is called in the panel."""


def in_words_of_the_panel(sentence: str) -> str:
    """A sentence of the command line with its options by the labels of the panel."""
    for option, label in _LABELS.items():
        sentence = re.sub(rf"(?<![\w-]){re.escape(option)}(?![\w-])", label, sentence)
    return sentence
