"""Progress, cancelling, and the registry of names."""

from __future__ import annotations

import io
import json

import pytest

from medfuse.errors import Cancelled, UnknownNameError
from medfuse.progress import json_lines, stop_when_file_appears, subrange, terminal_bar
from medfuse.registry import Registry


def test_subrange_fills_its_part():
    seen = []
    part = subrange(lambda f, m: seen.append((f, m)), 0.2, 0.6)
    part(0.0, "a")
    part(0.5, "b")
    part(1.0, "c")
    assert seen == [(pytest.approx(0.2), "a"), (pytest.approx(0.4), "b"), (pytest.approx(0.6), "c")]


def test_json_lines_are_one_object_a_line_and_not_too_many():
    stream = io.StringIO()
    report = json_lines(stream, interval=3600)
    for i in range(100):
        report(i / 100, "working")
    report(0.995, "writing")
    report(1.0, "writing")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines == [
        {"fraction": 0.0, "message": "working"},
        {"fraction": 0.995, "message": "writing"},
        {"fraction": 1.0, "message": "writing"},
    ]


def test_the_cancel_file_cancels(tmp_path):
    seen = []
    report = stop_when_file_appears(lambda f, _: seen.append(f), tmp_path / "stop")
    report(0.1, "on")
    (tmp_path / "stop").touch()
    with pytest.raises(Cancelled):
        report(0.2, "on")
    assert seen == [0.1]


def test_the_bar_takes_any_text(capfd):
    with terminal_bar() as report:
        report(0.5, "[bold]half[/nonsense]")
    assert "half" in capfd.readouterr().err


class TestRegistry:
    registry = Registry(
        "thing", {"join": "os.path:join", "gone": "no_such_module:x"}, "medfuse.no_such_group"
    )

    def test_a_mapping_of_lazily_imported_objects(self):
        import os.path

        assert self.registry["join"] is os.path.join
        assert list(self.registry) == ["join", "gone"]
        assert len(self.registry) == 2
        assert "join" in self.registry
        assert "other" not in self.registry
        assert self.registry.get("other") is None

    def test_unknown_name(self):
        with pytest.raises(UnknownNameError) as caught:
            self.registry["joyn"]
        assert str(caught.value) == "unknown thing 'joyn'. Did you mean 'join'? Choose from: join, gone"

    def test_a_broken_entry_says_what_is_broken(self):
        with pytest.raises(ModuleNotFoundError, match="no_such_module"):
            self.registry["gone"]

    def test_entry_points_are_found_and_do_not_replace_built_in_names(self, monkeypatch):
        from importlib.metadata import EntryPoint

        points = [EntryPoint("joined", "posixpath:join", "g"), EntryPoint("join", "posixpath:split", "g")]
        monkeypatch.setattr("medfuse.registry.entry_points", lambda group: points)
        registry = Registry("thing", {"join": "posixpath:join"}, "g")
        import posixpath

        assert list(registry) == ["join", "joined"]
        assert registry["join"] is registry["joined"] is posixpath.join
