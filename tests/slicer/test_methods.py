"""What the command line offers, as the panel reads it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from MedFuseLib.methods import read_methods, read_registrations

from medfuse.fusion import METHODS, make_method, parameters_of, presets_of
from medfuse.registration import KINDS, PRESETS

METHOD = {
    "key": "one",
    "summary": "A method.",
    "presets": {"fast": {"steps": 5}, "exact": {"tolerance": 1e-6}},
    "parameters": [
        {
            "name": "steps",
            "kind": "int",
            "default": 100,
            "doc": "how often",
            "minimum": 1,
            "maximum": 200,
            "choices": [],
        },
        {
            "name": "tolerance",
            "kind": "float",
            "default": 0.001,
            "doc": "when to stop",
            "minimum": 0.0,
            "maximum": None,
            "choices": [],
        },
        {
            "name": "smooth",
            "kind": "bool",
            "default": True,
            "doc": "",
            "minimum": None,
            "maximum": None,
            "choices": [],
        },
        {
            "name": "rule",
            "kind": "str",
            "default": "max",
            "doc": "",
            "minimum": None,
            "maximum": None,
            "choices": ["max", "mean"],
        },
        {
            "name": "seed",
            "kind": "int",
            "default": 1,
            "doc": "",
            "minimum": None,
            "maximum": None,
            "choices": [],
        },
    ],
}


def said(*words):
    command = [sys.executable, "-m", "medfuse", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def method():
    return read_methods(json.dumps([METHOD]))["one"]


def parameter(method, name):
    return next(one for one in method.parameters if one.name == name)


def test_what_the_command_line_says_of_its_methods():
    methods = read_methods(said("methods", "--json"))
    assert list(methods) == list(METHODS)
    for key, method in methods.items():
        known = parameters_of(METHODS[key])
        assert [one.name for one in method.parameters] == [n for n in known if n not in ("device", "seed")]
        assert set(method.presets) == set(presets_of(METHODS[key]))
        assert method.summary


def test_every_value_that_is_shown_makes_the_same_method_when_given():
    """Defaults and presets survive the way to text, as the panel shows them, and back."""
    for key, method in read_methods(said("methods", "--json")).items():
        for preset in ("", *method.presets):
            texts = {one.name: method.value_in(preset, one) for one in method.parameters}
            assert make_method(METHODS[key], texts) == make_method(METHODS[key], {}, preset or None), key


def test_what_the_command_line_says_of_its_registrations():
    registrations = read_registrations(said("registration", "list", "--json"))
    assert list(registrations) == list(KINDS)
    for key, one in registrations.items():
        assert set(one.presets) == {name for name, preset in PRESETS.items() if key in preset.kinds}
        assert one.summary
        assert all(one.presets.values())


@pytest.mark.parametrize("read", [read_methods, read_registrations])
@pytest.mark.parametrize("text", ["", "Usage: medfuse", "[", '[{"key": "one"}]', "[1]"])
def test_what_is_no_answer_is_refused(read, text):
    with pytest.raises(ValueError, match="as expected"):
        read(text)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("steps", ["1", "200"], ["0", "201", "1.5", "many", ""]),
        ("tolerance", ["0", "1e-9", "3"], ["-1", "nan", "x"]),
        ("smooth", ["yes", "no"], ["perhaps", "1"]),
        ("rule", ["max", "mean"], ["sum"]),
    ],
)
def test_values_and_their_limits(method, name, good, bad):
    one = parameter(method, name)
    assert [text for text in good if one.problem(text)] == []
    assert [text for text in bad if not one.problem(text)] == []
    assert all(one.problem(text).startswith(f"{name} = {text}: expected ") for text in bad)


def test_hints_name_the_limits(method):
    assert parameter(method, "steps").hint == "how often (at least 1, at most 200)"
    assert parameter(method, "tolerance").hint == "when to stop (at least 0)"


def test_the_device_decides_what_auto_leaves_open(method):
    steps, smooth = parameter(method, "steps"), parameter(method, "smooth")
    assert method.value_in("auto", steps) == ""
    assert method.value_in("auto", smooth) == "yes"
    assert method.value_in("fast", steps) == "5"
    assert method.value_in("exact", steps) == "100"
    assert method.value_in("exact", parameter(method, "tolerance")) == "1e-06"


def test_presets_and_parameters_that_the_method_does_not_have(method):
    assert method.problem("auto", {}) == ""
    assert method.problem("best", {}) == "one has no preset best."
    assert method.problem("fast", {"seed": "2"}) == "one has no parameter seed."
    assert method.problem("fast", {"steps": "0"}) == "steps = 0: expected at least 1."
