"""``slicer.app``, the base classes of scripted modules, and Sample Data."""

from __future__ import annotations

import os
import sys
import types
import unittest
from pathlib import Path

import slicer
import slicer.util
import vtk
from PySide6 import QtCore, QtWidgets

from .parameter_node import make_parameter_node_wrapper
from .pythonqt import make_qt
from .widgets import make_ctk, qmrml_widgets

__all__ = ["MODULE_FOLDER", "Application", "install", "make_parent"]

MODULE_FOLDER = Path(__file__).resolve().parents[3] / "slicer_extension" / "MedFuse"


class _LayoutManager:
    def __init__(self):
        self.layouts = []

    def setLayout(self, layout):
        self.layouts.append(layout)

    def mrmlSliceLogics(self):
        return vtk.vtkCollection()


class Application:
    """``slicer.app``."""

    def __init__(self, folder: Path, scene):
        self.temporaryPath = str(folder)
        self.connections = []
        self.errors = []  # of callbacks; Qt would only print them
        self._layouts = _LayoutManager()
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetMRMLScene(scene)

    def connect(self, signal, function):
        self.connections.append((signal, function))

    def applicationLogic(self):
        return self._logic

    def layoutManager(self):
        return self._layouts

    def moduleManager(self):
        return types.SimpleNamespace(connect=lambda *_: None, disconnect=lambda *_: None)

    @staticmethod
    def processEvents(*_):
        QtCore.QCoreApplication.processEvents()


class ScriptedLoadableModule:
    def __init__(self, parent):
        self.parent = parent


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None):
        super().__init__()
        self.parent = parent
        self.layout = parent.layout()

    def resourcePath(self, name):
        return str(MODULE_FOLDER / "Resources" / name)

    def setup(self):
        pass


class ScriptedLoadableModuleLogic:
    def __init__(self):
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self):
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.vtkMRMLScriptedModuleNode()
            node.SetSingletonTag(self.moduleName)
            node.SetName(self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    def __init__(self):
        super().__init__("runTest")

    def runTest(self):
        raise NotImplementedError

    def delayDisplay(self, message):
        self.messages = [*getattr(self, "messages", []), message]


class SampleDataLogic:
    """Keeps what is registered; a source with its own downloader is all that is supported."""

    sources: list[types.SimpleNamespace] = []  # noqa: RUF012 - one list for all, as in Slicer

    @classmethod
    def registerCustomSampleDataSource(
        cls, category, sampleName, uris, fileNames, nodeNames, customDownloader, thumbnailFileName
    ):
        if not len(uris) == len(fileNames) == len(nodeNames):
            raise ValueError(f"{sampleName}: as many addresses, files and nodes are expected")
        cls.sources.append(types.SimpleNamespace(**{k: v for k, v in locals().items() if k != "cls"}))


def load_volume(path, properties=None):
    """``slicer.util.loadVolume`` without the application's readers."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", (properties or {}).get("name", ""))
    return _read(node, slicer.vtkMRMLNRRDStorageNode(), path)


def load_transform(path):
    """``slicer.util.loadTransform`` without the application's readers."""
    return _read(
        slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode"), slicer.vtkMRMLTransformStorageNode(), path
    )


def _read(node, storage, path):
    slicer.mrmlScene.AddNode(storage)
    storage.SetFileName(path)
    if not storage.ReadData(node):
        raise RuntimeError(f"{path} cannot be read")
    node.SetAndObserveStorageNodeID(storage.GetID())
    return node


def install(monkeypatch, folder: Path, scene) -> Application:
    """Put the stand-ins where ``import`` finds them, until the test ends."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    modules = types.ModuleType("slicer.ScriptedLoadableModule")
    for base in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(modules, base.__name__, base)
    sample_data = types.ModuleType("SampleData")
    sample_data.SampleDataLogic = SampleDataLogic
    SampleDataLogic.sources = []
    for name, module in {
        "qt": make_qt(),
        "ctk": make_ctk(),
        "slicer.ScriptedLoadableModule": modules,
        "slicer.parameterNodeWrapper": make_parameter_node_wrapper(),
        "SampleData": sample_data,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    for name, widget in qmrml_widgets().items():
        monkeypatch.setattr(slicer, name, widget, raising=False)
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    monkeypatch.setattr(slicer.util, "loadVolume", load_volume)
    monkeypatch.setattr(slicer.util, "loadTransform", load_transform)
    app = Application(folder, scene)
    monkeypatch.setattr(sys, "excepthook", lambda _kind, error, _trace: app.errors.append(error))
    monkeypatch.setattr(slicer, "app", app, raising=False)
    monkeypatch.setattr(slicer, "modules", types.SimpleNamespace(), raising=False)
    return app


def make_parent():
    """The widget that Slicer gives a module to fill."""
    parent = qmrml_widgets()["qMRMLWidget"]()
    QtWidgets.QVBoxLayout(parent)
    parent.isEntered = False
    return parent
