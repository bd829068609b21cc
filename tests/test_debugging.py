"""Errors are one line, but where they come from is not lost: the log, ``--debug``, and bugs of our own."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from medfuse import Geometry, Volume, read_volume, write_volume
from medfuse.errors import ReadError
from medfuse.io import volume_files
from medfuse.io.files import blames_data, reading

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "MEDFUSE_DEBUG"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_volume(Volume(np.ones((3, 4, 5)), Geometry((5, 4, 3))), tmp_path / "v.nii.gz")
    return tmp_path / "v.nii.gz"


def info(*words, **environment) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "medfuse", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**ENVIRONMENT, **environment}
    )


class TestBugsOfOurOwn:
    """What is raised in a line of medfuse is its fault, and not that of the file it was reading."""

    @pytest.mark.parametrize(
        "error", [KeyError("x"), AttributeError("x"), TypeError("x"), ZeroDivisionError()], ids=repr
    )
    def test_they_are_not_blamed_on_the_file(self, path, monkeypatch, error):
        names = {"__name__": volume_files.__name__, "error": error}
        exec("def fail(*_):\n    raise error\n", names)
        monkeypatch.setattr(volume_files, "_read", names["fail"])
        with pytest.raises(type(error)):
            read_volume(path)

    def test_nor_where_numpy_raises_what_we_handed_to_it(self):
        names = {"__name__": "medfuse.io.somewhere", "np": np}
        exec("def bug():\n    np.vstack(3)\n", names)
        with pytest.raises(TypeError) as caught:
            names["bug"]()
        assert not blames_data(caught.value)


class TestFaultsOfFiles:
    @staticmethod
    def parsed_by(package: str, error: Exception):
        """A function that raises inside ``package``, called by a line of medfuse."""
        inner = {"__name__": f"{package}.inside", "error": error}
        exec("def parse():\n    raise error\n", inner)
        outer = {"__name__": "medfuse.io.somewhere", "parse": inner["parse"]}
        exec("def read():\n    parse()\n", outer)
        return outer["read"]

    @pytest.mark.parametrize("package", ["pydicom", "nibabel", "PIL", "SimpleITK", "zipfile"])
    def test_whatever_parsers_raise(self, tmp_path, caplog, package):
        read = self.parsed_by(package, AttributeError("no such tag"))
        caplog.set_level(logging.DEBUG, "medfuse")
        message = r"x\.dcm: cannot be read: no such tag"
        with pytest.raises(ReadError, match=message), reading(tmp_path / "x.dcm"):
            read()
        assert [record.levelname for record in caplog.records] == ["DEBUG"]
        assert "in parse" in caplog.text
        assert "AttributeError: no such tag" in caplog.text

    @pytest.mark.parametrize(
        "bad",
        [
            lambda: zlib.decompress(b"no stream"),
            lambda: float("wide"),
            lambda: np.frombuffer(b"123", "<f8"),
            lambda: b"\xff".decode("ascii"),
            lambda: int(float("inf")),
        ],
    )
    def test_what_bad_data_raise_in_a_line_of_ours(self, tmp_path, bad):
        with pytest.raises(ReadError, match="cannot be read"), reading(tmp_path / "x.dcm"):
            bad()


class TestDebug:
    def test_an_error_is_one_line(self, path):
        run = info("fuse", path, path.parent / "gone.nii", "-o", path.parent / "out", "--progress", "none")
        assert run.returncode == 2
        assert len(run.stderr.splitlines()) == 1

    @pytest.mark.parametrize("how", ["option", "environment"])
    def test_it_shows_where_the_error_came_up(self, path, how):
        words = ("fuse", path, path.parent / "gone.nii", "-o", path.parent / "out", "--progress", "none")
        run = info("--debug", *words) if how == "option" else info(*words, MEDFUSE_DEBUG="1")
        assert run.returncode == 2
        assert "Traceback (most recent call last)" in run.stderr
        assert "in existing" in run.stderr
        assert run.stderr.splitlines()[-1].startswith("medfuse: error: ")

    def test_it_shows_what_a_listing_passes_over(self, path):
        path.write_bytes(b"no volume")
        plain, debug = info("info", path.parent), info("--debug", "info", path.parent)
        assert plain.returncode == debug.returncode == 0
        assert plain.stdout == debug.stdout
        assert plain.stderr == ""
        assert "ReadError" in debug.stderr
