"""Verdicts and warnings as the panel shows them: words first, and colours that everybody can read."""

from __future__ import annotations

import itertools
import re
import typing
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK
from MedFuseLib.verdicts import BADGES, VERDICTS, Finding, as_html, failure, in_words_of_the_panel

from medfuse import Recipe
from medfuse.errors import RegistrationError
from medfuse.pipeline import alignment
from medfuse.pipeline.starts import Start
from medfuse.progress import ignore
from medfuse.registration import Registration, Verdict

MODULE = Path(__file__).parents[2] / "slicer_extension" / "MedFuse"
PANEL, FRAMES = MODULE / "Resources" / "UI" / "MedFuse.ui", MODULE / "MedFuseLib" / "frames.py"


def luminance(colour):
    """Relative luminance by WCAG 2.1."""
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_verdict_of_medfuse_has_a_badge():
    assert set(typing.get_args(Verdict)) == VERDICTS
    assert BADGES.keys() >= VERDICTS


@pytest.mark.parametrize("badge", BADGES.values(), ids=list(BADGES))
def test_the_word_can_be_read_on_its_colour(badge):
    assert contrast(badge.ink, badge.background) >= 4.5


def test_verdicts_differ_without_their_colours():
    assert len({badge.word for badge in BADGES.values()}) == len(BADGES)
    assert len({BADGES[one].sign for one in VERDICTS}) == len(VERDICTS)


# Of linear RGB, for full protanopia and deuteranopia: Machado et al. 2009, doi:10.1109/TVCG.2009.113.
BLIND = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}


@pytest.mark.parametrize("blind", BLIND)
def test_the_colours_of_verdicts_differ_for_the_colour_blind(blind):
    seen = {}
    for one in VERDICTS:
        value = np.array([int(BADGES[one].background[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
        seen[one] = np.clip(np.array(BLIND[blind]) @ linear, 0, 1)
    for one, other in itertools.combinations(seen, 2):
        assert np.abs(seen[one] - seen[other]).max() > 0.1, (one, other)


def test_a_finding_is_said_with_sign_word_subject_and_reasons():
    text = as_html([Finding("doubtful", "Registration of T1", ("halves disagree", "little overlap"))])
    shown = re.sub(r"<[^>]+>", "", text).replace("&nbsp;", " ")
    assert " ".join(shown.split()) == "? doubtful Registration of T1: halves disagree; little overlap"
    assert BADGES["doubtful"].background in text
    assert as_html([]) == ""


def test_names_are_no_markup():
    text = as_html([Finding("warning", "<b>&", ("1 < 2",))])
    assert "&lt;b&gt;&amp;" in text
    assert "1 &lt; 2" in text


@pytest.mark.parametrize(("moving", "name"), [(1, "moving"), (2, "moving 1")])
@pytest.mark.parametrize("start", [Start(), Start(transform="one that was given")])
def test_a_failed_registration_is_told_as_medfuse_words_it(monkeypatch, moving, name, start):
    """Of volumes that nobody knows, so that everything is said that can be."""
    found = Registration(SimpleITK.Euler3DTransform(), "rigid", "failed", ("no likeness was found",))
    monkeypatch.setattr(alignment, "_search", lambda *_: found)
    volumes = (1 + moving) * [SimpleNamespace(modality="OT")]
    with pytest.raises(RegistrationError) as caught:
        alignment._register(volumes, moving * [start], Recipe(), ignore)
    finding = failure(str(caught.value))
    assert (finding.level, finding.about) == ("failed", f"Registration of the {name} volume")
    (reasons,) = finding.reasons
    assert reasons.startswith("no likeness was found. Say what the volumes are with “Modality” in their rows")
    assert ("“Start from”" in reasons) == (start.transform is None)
    assert "--" not in reasons


def test_any_other_failure_is_a_run_that_stopped():
    assert failure("the memory ran out.") == Finding("stopped", "", ("the memory ran out.",))


def test_the_panel_has_what_a_sentence_sends_the_user_to():
    texts = {"".join(one.itertext()).strip().rstrip(":") for one in ET.parse(PANEL).getroot().iter("string")}
    texts |= {"Modality"} & set(re.findall(r'"(\w+):"', FRAMES.read_text(encoding="utf-8")))
    options = (
        "--initial-transform",
        "--registration-start header",
        "--accept-registration",
        "--no-registration",
        "--download-weights",
        "--modality",
    )
    for option in options:
        (label,) = re.findall("“([^”]+)”", in_words_of_the_panel(f"say {option}."))
        assert label.partition(":")[0] in texts, option


def test_options_are_replaced_as_whole_words():
    assert in_words_of_the_panel("--initial-transforms") == "--initial-transforms"
