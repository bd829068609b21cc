"""What the tests of the Slicer module share: a scene of real MRML, and no silent skipping.

They run where slicer-core and PySide6 have wheels; elsewhere they skip, naming what is missing.  With
``MEDFUSE_REQUIRE_SLICER=1``, as in CI, what is missing is an error.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = str(Path(__file__).parents[1])


def import_slicer() -> None:
    """Import the real package first, and alone.

    It takes every folder named ``slicer`` on the path for a part of itself, and this one is named so.
    """
    path = sys.path[:]
    sys.path[:] = [folder for folder in path if folder != TESTS]
    with contextlib.suppress(ModuleNotFoundError):  # then the tests skip, or fail
        import slicer  # noqa: F401
    sys.path[:] = path


import_slicer()

OPTIONAL = {"slicer": "slicer-core", "vtk": "vtk", "PySide6": "PySide6-Essentials"}


class SlicerModule(pytest.Module):
    """A file of tests that skips as a whole where an optional package is not installed."""

    def collect(self) -> list[Any]:
        try:
            return list(super().collect())
        except self.CollectError as error:
            skip_for(error.__cause__)
            raise


def skip_for(error: BaseException | None) -> None:
    """Skip if the error says that an optional package is not there, and these tests are not required."""
    name = missing_package(error)
    if name is not None and os.environ.get("MEDFUSE_REQUIRE_SLICER") != "1":
        pytest.skip(f"needs {name}: pip install 'medfuse[slicer-test]'", allow_module_level=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    """Skip as well where a fixture is the first to import it."""
    try:
        return (yield)
    except ModuleNotFoundError as error:
        skip_for(error)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Or a test."""
    try:
        return (yield)
    except ModuleNotFoundError as error:
        skip_for(error)
        raise


def missing_package(error: BaseException | None) -> str | None:
    """What to install, if the error says that an optional package is not there."""
    root = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return OPTIONAL.get(root)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    return SlicerModule.from_parent(parent, path=module_path)


@pytest.fixture
def scene() -> Iterator[Any]:
    """An empty scene of real MRML, which is ``slicer.mrmlScene`` as in the application."""
    import slicer

    scene = slicer.vtkMRMLScene()
    slicer.mrmlScene = scene
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)  # the application has it from the start
    yield scene
    scene.Clear(True)
    del slicer.mrmlScene


@pytest.fixture
def app(monkeypatch, tmp_path, scene) -> Iterator[Any]:
    """Slicer with an empty scene, and the module not imported yet."""
    from standins import application

    app = application.install(monkeypatch, tmp_path, scene)
    for name in ("Red", "Green", "Yellow"):
        scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", name)
    monkeypatch.delitem(sys.modules, "MedFuse", raising=False)
    yield app
    assert not app.errors


@pytest.fixture
def module(app) -> Iterator[Any]:
    """The module MedFuse, imported."""
    yield importlib.import_module("MedFuse")
    sys.modules.pop("MedFuse", None)


@pytest.fixture
def panel(module, monkeypatch) -> Iterator[Any]:
    """The panel as a user sees it who just came to the module; medfuse has answered."""
    from panel_factory import FakeRun, answer, open_panel

    monkeypatch.setattr(module, "Run", FakeRun)
    monkeypatch.setattr(module.dependencies, "missing", lambda: ())
    monkeypatch.setattr(module.dependencies, "python_executable", lambda: Path(sys.executable))
    monkeypatch.setattr(module.MedFuseLogic, "ask", answer)
    widget = open_panel(module)
    yield widget
    widget.cleanup()
