"""That these tests cannot be skipped unnoticed, and that the module's library needs no application."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "slicer_extension" / "MedFuse" / "MedFuseLib"
WIDGETS = {"boxes", "forms", "frames"}  # these are made of Qt
MODULES = sorted(
    path.stem for path in LIBRARY.glob("*.py") if path.stem not in {"__init__", "samples", *WIDGETS}
)


PLACES = {
    "module": "import {}\n\ndef test_one():\n    pass\n",
    "test": "def test_one():\n    import {}\n",
    "fixture": "import pytest\n\n@pytest.fixture\ndef one():\n    import {}\n\ndef test_one(one): ...\n",
}
"""Where a test may import something."""


def run_tests(
    folder: Path, imported: str, required: bool, place: str = "module"
) -> subprocess.CompletedProcess:
    """Run a test file that imports what is not there, with the conftest of this folder."""
    conftest = (Path(__file__).parent / "conftest.py").read_text(encoding="utf-8")
    (folder / "conftest.py").write_text(
        conftest.replace('"vtk": "vtk"', '"absent": "absent"'), encoding="utf-8"
    )
    (folder / "test_one.py").write_text(PLACES[place].format(imported))
    environment = {**os.environ, "MEDFUSE_REQUIRE_SLICER": "1" if required else ""}
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "-p", "no:xdist", str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("place", PLACES)
def test_what_is_missing_is_named(tmp_path, place):
    ended = run_tests(tmp_path, "absent", False, place)
    assert "needs absent: pip install 'medfuse[slicer-test]'" in ended.stdout
    assert "1 skipped" in ended.stdout


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("imported", "required"), [("absent", True), ("json.nonsense", False)])
def test_what_is_required_or_our_own_is_no_skip(tmp_path, imported, required, place):
    ended = run_tests(tmp_path, imported, required, place)
    assert ended.returncode == (2 if place == "module" else 1)
    assert f"No module named '{imported}'" in ended.stdout


def test_importing_needs_no_application_and_runs_nothing():
    """No Qt, no application, no scene, no heavy package, no process, no warning; nothing on the streams."""
    import slicer.util  # noqa: F401 - where it is not there this test skips

    code = f"""
import importlib, subprocess, sys, threading
def refuse(*_, **__): raise AssertionError("a process was started")
subprocess.Popen.__init__ = refuse
import slicer.util
before = set(sys.modules)
unwanted = {{"qt", "ctk", "PySide6", "torch", "SimpleITK", "medfuse", "PyTorchUtils"}}
for name in {MODULES}:
    importlib.import_module(f"MedFuseLib.{{name}}")
    assert not unwanted & (set(sys.modules) - before), (name, unwanted & set(sys.modules))
    assert not hasattr(slicer, "app") and not hasattr(slicer, "mrmlScene"), name
    assert threading.active_count() == 1, name
"""
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY.parent)}
    command = [sys.executable, "-W", "error", "-c", code]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_every_module_of_the_library_is_tested_for_that():
    assert {"volumes", "logic", "results", "jobs", "runs", "dependencies"} <= set(MODULES)
