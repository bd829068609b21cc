"""A panel to try: opened as Slicer does, worked as a user does, with the test as the child process."""

from __future__ import annotations

import functools
import subprocess
import sys

import numpy as np
from PySide6 import QtWidgets
from scene_factory import add_volume
from standins import application
from waiting import comes_true


@functools.cache
def said(*words: str) -> str:
    """What the real command line says; asked once."""
    command = [sys.executable, "-m", "medfuse", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class FakeRun:
    """What :class:`MedFuseLib.runs.Run` is for the panel, with the test as the child process."""

    last: FakeRun

    def __init__(self, parameters, scene, folder, python, start_timer, on_progress, on_log, on_done):
        self.parameters, self.on_progress, self.on_log, self._on_done = (
            parameters,
            on_progress,
            on_log,
            on_done,
        )
        self.is_running, self.calls = False, []
        FakeRun.last = self

    def start(self):
        self.is_running = True

    def cancel(self):
        self.calls.append("cancel")

    def end(self):
        self.calls.append("end")
        self.is_running = False

    def finish(self, status, message, results=None):
        from MedFuseLib.jobs import Outcome

        self.is_running = False
        self._on_done(Outcome(status, 0, message), results)


def answer(_logic, arguments, on_answer):
    from MedFuseLib.jobs import Outcome

    on_answer(Outcome("done", 0, "Done."), said(*arguments))


def open_panel(module):
    """The panel as Slicer opens it."""
    parent = application.make_parent()
    widget = module.MedFuseWidget(parent)
    widget.setup()
    parent.isEntered = True
    widget.enter()
    return widget


def volume(name="CT", size=(4, 5, 6)):
    """A volume in the scene, of zeros."""
    return add_volume(np.zeros(size, np.float32), np.eye(4), name)


def fill(panel):
    """Choose two volumes, as a user would; Apply is enabled then."""
    fixed, moving = volume("CT"), volume("MR")
    for node in (fixed, moving):
        panel.volumeRows.adder.setCurrentNode(node)
    return fixed, moving


def write_widget(panel, widget, value):
    """Do as the user does."""
    kind = widget.className()
    if kind == "qMRMLNodeComboBox":
        widget.setCurrentNode(value)
    elif kind == "QComboBox":
        widget.setCurrentIndex(widget.findText(value))
        assert widget.currentText == value
    elif kind == "QWidget":  # the form
        panel._bindings["methodParameters"].write(value)
    else:
        setattr(widget, {"QCheckBox": "checked", "QLineEdit": "text"}.get(kind, "value"), value)


def read_widget(panel, widget):
    """What the user sees."""
    kind = widget.className()
    if kind == "qMRMLNodeComboBox":
        return widget.currentNode()
    if kind == "QWidget":
        return panel._bindings["methodParameters"].read()
    names = {"QComboBox": "currentText", "QCheckBox": "checked", "QLineEdit": "text"}
    return getattr(widget, names.get(kind, "value"))


def frame(panel, index):
    """The widgets of a row."""
    return panel.volumeRows.frames[index]


def shown_frames(panel):
    """The rows that are seen."""
    return [one for one in panel.volumeRows.frames if not one.widget.isHidden()]


def pick(box, text):
    """Choose an entry of a box as the user does; the list may be typed over where it is editable."""
    if box.editable:
        box.setEditText(text)
        return
    assert box.findText(text) >= 0, [box.itemText(i) for i in range(box.count)]
    box.setCurrentIndex(box.findText(text))


def widget_of(panel, name):
    """The widget of a parameter that has one for itself."""
    (found,) = (
        widget
        for widget in vars(panel.ui).values()
        if name in (widget.property("SlicerParameterName"), widget.property("MedFuseParameterName"))
    )
    return found


def editors(panel):
    """Parameter -> its widget."""
    return {
        widget.name.removeprefix("parameter_"): widget
        for widget in panel._bindings["methodParameters"]._editors.values()
    }


def choose(panel, name, value):
    """Change the widget of a parameter as the user does."""
    write_widget(panel, widget_of(panel, name), value)


class FakeResults:
    """What :class:`MedFuseLib.results.Results` is for the panel."""

    summary = "Fused."

    def __init__(self, scene, *findings):
        self.findings = findings
        self.fused = volume("Fused")
        self.colour = None
        self.scores = scene.AddNewNodeByClass("vtkMRMLTableNode", "Scores")
        self.charts = (scene.AddNewNodeByClass("vtkMRMLPlotChartNode", "Scores along slices"),)


def layers(scene):
    """Background, foreground and its opacity of the slice views: one, if they are alike."""
    nodes = [scene.GetNthNodeByClass(i, "vtkMRMLSliceCompositeNode") for i in range(3)]
    return {
        (node.GetBackgroundVolumeID(), node.GetForegroundVolumeID(), node.GetForegroundOpacity())
        for node in nodes
    }


def process_until(condition, app):
    """Let Qt work until something is true."""

    def looked():
        if condition():
            return True
        QtWidgets.QApplication.processEvents()
        assert not app.errors
        return False

    assert comes_true(looked, pause=0.02), "it does not happen"
