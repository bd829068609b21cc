"""The panel: the real .ui file and the real MedFuse.py, with stand-ins for what only Slicer has."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import slicer
import slicer.util
from PySide6 import QtWidgets
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from scene_factory import add_transform, add_volume
from standins import application
from standins.pythonqt import WIDGETS
from waiting import comes_true


@functools.cache
def said(*words: str) -> str:
    """What the real command line says; asked once."""
    command = [sys.executable, "-m", "medfuse", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def app(monkeypatch, tmp_path, scene):
    """Slicer with an empty scene, and the module not imported yet."""
    app = application.install(monkeypatch, tmp_path, scene)
    for name in ("Red", "Green", "Yellow"):
        scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", name)
    monkeypatch.delitem(sys.modules, "MedFuse", raising=False)
    yield app
    assert not app.errors


@pytest.fixture
def module(app):
    yield importlib.import_module("MedFuse")
    sys.modules.pop("MedFuse", None)


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


@pytest.fixture
def panel(module, monkeypatch):
    """The panel as a user sees it who just came to the module; medfuse has answered."""
    monkeypatch.setattr(module, "Run", FakeRun)
    monkeypatch.setattr(module.dependencies, "missing", lambda: ())
    monkeypatch.setattr(module.dependencies, "python_executable", lambda: Path(sys.executable))
    monkeypatch.setattr(module.MedFuseLogic, "ask", answer)
    widget = open_panel(module)
    yield widget
    widget.cleanup()


@pytest.fixture
def dip_panel(panel):
    """The panel with the method that has the most parameters."""
    choose(panel, "method", "dip")
    return panel


def answer(_logic, arguments, on_answer):
    from MedFuseLib.jobs import Outcome

    on_answer(Outcome("done", 0, "Done."), said(*arguments))


def open_panel(module):
    parent = application.make_parent()
    widget = module.MedFuseWidget(parent)
    widget.setup()
    parent.isEntered = True
    widget.enter()
    return widget


def volume(name="CT", size=(4, 5, 6)):
    return add_volume(np.zeros(size, np.float32), np.eye(4), name)


def fill(panel):
    """Choose two volumes, as a user would; Apply is enabled then."""
    fixed, moving = volume("CT"), volume("MR")
    panel.ui.fixedSelector.setCurrentNode(fixed)
    panel.ui.movingSelector.setCheckState(moving, Qt.CheckState.Checked)
    return fixed, moving


# Loading


def test_a_widget_without_stand_in_fails(app, monkeypatch):
    monkeypatch.delitem(WIDGETS, "ctkSliderWidget")
    with pytest.raises(LookupError, match="no stand-in for ctkSliderWidget"):
        slicer.util.loadUI(str(application.MODULE_FOLDER / "Resources" / "UI" / "MedFuse.ui"))


def test_a_misspelt_property_fails(app, tmp_path):
    text = (application.MODULE_FOLDER / "Resources" / "UI" / "MedFuse.ui").read_text(encoding="utf-8")
    (tmp_path / "one.ui").write_text(
        text.replace('name="noneEnabled"', 'name="nonEnabled"'), encoding="utf-8"
    )
    with pytest.raises(LookupError, match="qMRMLNodeComboBox has no property nonEnabled"):
        slicer.util.loadUI(str(tmp_path / "one.ui"))


def test_the_stand_ins_refuse_what_slicer_refuses(panel):
    parameters = panel.logic.getParameterNode()
    with pytest.raises(ValueError, match="not within 1"):
        parameters.seed = 0
    with pytest.raises(ValueError, match="is not one of"):
        parameters.device = "abacus"
    with pytest.raises(AttributeError, match="is no parameter"):
        parameters.seeds = 1
    with pytest.raises(ValueError, match="no signal pressedTwice"):
        panel.ui.applyButton.connect("pressedTwice()", print)
    panel.exit()
    panel.ui.methodSummary.setProperty("SlicerParameterName", "method")
    with pytest.raises(RuntimeError, match="no connector from <class 'str'> to QLabel"):
        parameters.connectGui(panel.ui)


def test_importing_the_module_does_nothing(app, scene, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    nodes, modules = scene.GetNumberOfNodes(), set(sys.modules)
    importlib.import_module("MedFuse")
    new = {name.partition(".")[0] for name in set(sys.modules) - modules}
    assert not new & {"torch", "SimpleITK", "medfuse", "nibabel"}
    assert scene.GetNumberOfNodes() == nodes
    assert not app.connections


def test_the_module_says_what_it_is_and_registers_samples_later(module, app):
    parent = application.make_parent()
    module.MedFuse(parent)
    assert parent.title == "MedFuse"
    assert parent.categories == ["Registration"]
    assert "not a medical device" in parent.helpText
    ((signal, function),) = app.connections
    assert signal == "startupCompleted()"
    assert not application.SampleDataLogic.sources
    function()
    assert [one.sampleName for one in application.SampleDataLogic.sources]


# Two-way binding


def write_widget(panel, widget, value):
    """Do as the user does."""
    kind = widget.className()
    if kind == "qMRMLNodeComboBox":
        widget.setCurrentNode(value)
    elif kind == "qMRMLCheckableNodeComboBox":
        for node in value:
            widget.setCheckState(node, Qt.CheckState.Checked)
    elif kind == "QComboBox":
        widget.setCurrentIndex(widget.findText(value))
        assert widget.currentText == value
    elif kind == "QWidget":  # the form
        panel._bindings["methodParameters"].write(value)
    else:
        setattr(widget, {"QCheckBox": "checked", "QLineEdit": "text"}.get(kind, "value"), value)


def read_widget(panel, widget):
    kind = widget.className()
    if kind == "qMRMLNodeComboBox":
        return widget.currentNode()
    if kind == "qMRMLCheckableNodeComboBox":
        return list(widget.checkedNodes())
    if kind == "QWidget":
        return panel._bindings["methodParameters"].read()
    names = {"QComboBox": "currentText", "QCheckBox": "checked", "QLineEdit": "text"}
    return getattr(widget, names.get(kind, "value"))


def values():
    """Another value than the default of every parameter."""
    return {
        "fixedVolume": volume("CT"),
        "movingVolumes": [volume("T1"), volume("T2")],
        "modalities": "CT;MR;MR",
        "windows": "brain;auto;auto",
        "hardenTransforms": True,
        "registration": "none",
        "registrationPreset": "ct-mr",
        "registrationStart": "header",
        "interpolation": "bspline",
        "initialTransform": add_transform(np.eye(4), "start"),
        "acceptRegistration": True,
        "method": "wavelet",
        "preset": "paper",
        "methodParameters": {"steps": "40", "keep": "average", "warm_start": "yes"},
        "device": "cpu",
        "seed": 12,
        "downloadWeights": True,
        "outputName": "Kopf, früh",
        "foregroundOpacity": 0.25,
        "replaceResults": False,
        "showResults": False,
        "grid": "finest",
        "profile": "ma2021",
    }


NAMES = [
    "fixedVolume",
    "movingVolumes",
    "modalities",
    "windows",
    "hardenTransforms",
    "registration",
    "registrationPreset",
    "registrationStart",
    "interpolation",
    "grid",
    "initialTransform",
    "acceptRegistration",
    "method",
    "preset",
    "methodParameters",
    "device",
    "seed",
    "downloadWeights",
    "outputName",
    "foregroundOpacity",
    "replaceResults",
    "showResults",
    "profile",
]


def widget_of(panel, name):
    (found,) = (
        widget
        for widget in vars(panel.ui).values()
        if name in (widget.property("SlicerParameterName"), widget.property("MedFuseParameterName"))
    )
    return found


def test_every_parameter_is_among_those_tested(module):
    assert set(NAMES) == set(module.MedFuseParameterNode.FIELDS)


@pytest.mark.parametrize("name", NAMES)
def test_the_node_follows_the_widget(panel, name):
    if name == "methodParameters":
        choose(panel, "method", "dip")
    value = values()[name]
    parameters = panel.logic.getParameterNode()
    assert getattr(parameters, name) != value
    write_widget(panel, widget_of(panel, name), value)
    assert getattr(parameters, name) == value


@pytest.mark.parametrize("name", NAMES)
def test_the_widget_follows_the_node(panel, name):
    if name == "methodParameters":
        choose(panel, "method", "dip")
    value, widget = values()[name], widget_of(panel, name)
    assert read_widget(panel, widget) != value
    setattr(panel.logic.getParameterNode(), name, value)
    assert read_widget(panel, widget) == value


def test_a_panel_that_is_left_follows_no_longer(panel):
    parameters = panel.logic.getParameterNode()
    panel.exit()
    parameters.seed = 5
    assert panel.ui.seedSpinBox.value == 1
    panel.ui.windowsEdit.text = "bone"
    panel.ui.methodSelector.setCurrentIndex(panel.ui.methodSelector.findText("pca"))
    assert parameters.windows == ""
    assert parameters.method == "auto"
    panel.enter()
    assert panel.ui.seedSpinBox.value == 5
    assert panel.ui.methodSelector.currentText == "auto"


def test_a_node_that_is_removed_is_unticked(panel, scene):
    _, moving = fill(panel)
    scene.RemoveNode(moving)
    assert panel.ui.movingSelector.checkedNodes() == ()
    assert not panel.ui.applyButton.enabled


# The form of the method


def editors(panel):
    return {
        widget.name.removeprefix("parameter_"): widget
        for widget in panel._bindings["methodParameters"]._editors.values()
    }


def choose(panel, name, value):
    write_widget(panel, widget_of(panel, name), value)


def offered(method):
    """Parameter -> what the command line says of it, without those asked for once for all methods."""
    (entry,) = (one for one in json.loads(said("methods", "--json")) if one["key"] == method)
    return {one["name"]: one for one in entry["parameters"] if one["name"] not in ("seed", "device")}


def test_another_method_rebuilds_the_form(panel):
    assert list(editors(panel)) == list(offered("auto"))
    choose(panel, "method", "dip")
    assert list(editors(panel)) == list(offered("dip"))
    assert panel.ui.methodSummary.text.startswith("Deep image prior")
    choose(panel, "method", "wavelet")
    assert list(editors(panel)) == list(offered("wavelet"))
    levels = offered("wavelet")["levels"]
    assert editors(panel)["levels"].placeholderText == f"as preset: {levels['default']}"
    assert editors(panel)["levels"].toolTip == f"{levels['doc']} (at least {levels['minimum']})"
    assert panel.ui.methodSummary.text.startswith("Discrete wavelet transform")
    assert [panel.ui.presetSelector.itemText(i) for i in range(panel.ui.presetSelector.count)] == ["auto"]
    choose(panel, "method", "average")
    assert editors(panel) == {}


def test_another_method_forgets_what_was_asked_of_the_last(dip_panel):
    choose(dip_panel, "preset", "paper")
    editors(dip_panel)["steps"].text = "7"
    parameters = dip_panel.logic.getParameterNode()
    assert parameters.methodParameters == {"steps": "7"}
    choose(dip_panel, "method", "gmc")
    assert (parameters.preset, parameters.methodParameters) == ("auto", {})


def test_the_form_shows_what_the_preset_holds(dip_panel):
    (dip,) = (one for one in json.loads(said("methods", "--json")) if one["key"] == "dip")
    (default,) = (one["default"] for one in dip["parameters"] if one["name"] == "steps")
    assert editors(dip_panel)["steps"].placeholderText == "as preset"  # auto: the device decides
    choose(dip_panel, "preset", "fast")
    assert editors(dip_panel)["steps"].placeholderText == f"as preset: {dip['presets']['fast']['steps']}"
    assert editors(dip_panel)["warm_start"].itemText(0) == "as preset: yes"
    choose(dip_panel, "preset", "paper")
    assert editors(dip_panel)["steps"].placeholderText == f"as preset: {default}"
    assert editors(dip_panel)["warm_start"].itemText(0) == "as preset: no"


def test_a_parameter_stays_when_the_preset_changes(dip_panel):
    editors(dip_panel)["steps"].text = "7"
    choose(dip_panel, "preset", "fast")
    assert editors(dip_panel)["steps"].text == "7"
    editors(dip_panel)["steps"].text = ""
    assert dip_panel.logic.getParameterNode().methodParameters == {}


def test_every_method_has_a_form_that_keeps_its_defaults(panel):
    for method in panel._offer["method"].values():
        choose(panel, "method", method.key)
        assert set(editors(panel)) == {one.name for one in method.parameters}
        for one in method.parameters:
            text = method.value_in("paper" if "paper" in method.presets else "auto", one)
            assert one.problem(text) == "", f"{method.key}: {one.name} = {text}"


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("steps", "many", "steps = many: expected a whole number."),
        ("steps", "0", "steps = 0: expected at least 1."),
        ("learning_rate", "2", "learning_rate = 2: expected at most 1."),
        ("learning_rate", "nan", "learning_rate = nan: expected at least 1e-06."),
    ],
)
def test_a_wrong_value_is_refused_before_anything_runs(dip_panel, name, text, sentence):
    fill(dip_panel)
    assert dip_panel.ui.applyButton.enabled
    editors(dip_panel)[name].text = text
    assert not dip_panel.ui.applyButton.enabled
    assert dip_panel.ui.applyButton.toolTip == sentence


def test_a_scene_made_with_other_methods_says_so_and_loses_nothing(panel):
    fill(panel)
    parameters = panel.logic.getParameterNode()
    parameters.method, parameters.methodParameters = "of_a_plugin", {"x": "1"}
    assert panel.ui.methodSelector.currentText == "of_a_plugin"
    assert panel.ui.applyButton.toolTip == "This medfuse has no method of_a_plugin."
    assert parameters.methodParameters == {"x": "1"}
    parameters.method, parameters.methodParameters, parameters.registration = "dip", {}, "by_magic"
    assert panel.ui.applyButton.toolTip == "This medfuse has no registration by_magic."


# The command line


def test_every_choice_reaches_the_command_line(dip_panel, module, tmp_path):
    """Said as the user says it in the dip_panel, and understood by medfuse itself."""
    from medfuse.cli import fuse

    for name, value in values().items():
        if name not in (
            "method",
            "registration",
        ):  # those of the dip_panel are kept: others forget their presets
            setattr(dip_panel.logic.getParameterNode(), name, value)
    arguments = list(module.logic.prepare(dip_panel.logic.getParameterNode(), tmp_path).arguments)
    assert tuple(arguments[:3]) == (*module.MEDFUSE, "fuse")
    expected = {
        "--method": ["dip"],
        "--preset": ["paper"],
        "--parameter": ["steps=40", "keep=average", "warm_start=yes"],
        "--registration": ["rigid"],
        "--registration-preset": ["ct-mr"],
        "--registration-start": ["header"],
        "--interpolation": ["bspline"],
        "--grid": ["finest"],
        "--device": ["cpu"],
        "--seed": ["12"],
        "--profile": ["ma2021"],
        "--modality": ["CT", "MR", "MR"],
        "--window": ["1=brain", "2=auto", "3=auto"],
    }
    for option, words in expected.items():
        assert [arguments[i + 1] for i, word in enumerate(arguments) if word == option] == words, option
    assert arguments.count("--initial-transform") == 2
    assert {"--accept-registration", "--download-weights"} <= set(arguments)
    options = set(inspect.signature(fuse.fuse).parameters)
    given = {word for word in arguments if word.startswith("--")}
    assert {word.removeprefix("--").replace("-", "_") for word in given} <= options


# Apply and Cancel


def test_apply_says_what_is_missing(panel):
    button = panel.ui.applyButton
    assert not button.enabled
    assert "fixed" in button.toolTip
    fixed, moving = volume("CT"), volume("MR")
    panel.ui.fixedSelector.setCurrentNode(fixed)
    assert not button.enabled
    assert "moving" in button.toolTip
    panel.ui.movingSelector.setCheckState(moving, Qt.CheckState.Checked)
    assert button.enabled
    assert button.toolTip == "Register, fuse and score the volumes."


def test_apply_becomes_cancel_and_cancel_apply(panel):
    fill(panel)
    button = panel.ui.applyButton
    assert (button.text, panel.ui.progressBar.isHidden()) == ("Apply", True)
    button.click()
    assert (button.text, button.enabled) == ("Cancel", True)
    assert not panel.ui.progressBar.isHidden()
    assert not panel.ui.inputsSection.enabled
    button.click()
    assert FakeRun.last.calls == ["cancel"]
    assert (button.text, button.enabled) == ("Cancelling...", False)
    FakeRun.last.finish("cancelled", "Cancelled; nothing was imported.")
    assert (button.text, button.enabled) == ("Apply", True)
    assert panel.ui.progressBar.isHidden()
    assert panel.ui.inputsSection.enabled
    assert panel.ui.statusLabel.text == "Cancelled; nothing was imported."


def test_progress_remaining_time_and_log(panel):
    fill(panel)
    panel.ui.applyButton.click()
    FakeRun.last.on_log("note: MR was read as it is")
    FakeRun.last.on_progress(0.25, "registering", None)
    assert (panel.ui.progressBar.value, panel.ui.statusLabel.text) == (250, "registering")
    assert panel.ui.remainingLabel.text == ""
    FakeRun.last.on_progress(0.5, "fusing", 61.2)
    assert panel.ui.remainingLabel.text == "61 s left"
    FakeRun.last.on_progress(0.5, "fusing", 610)
    assert panel.ui.remainingLabel.text == "10 min left"
    assert panel.ui.logText.toPlainText() == "note: MR was read as it is"


def test_a_failure_is_one_sentence_and_opens_the_log(panel):
    fill(panel)
    panel.ui.applyButton.click()
    assert panel.ui.logSection.collapsed
    FakeRun.last.finish("failed", "registration of MR failed.")
    assert panel.ui.statusLabel.text == "registration of MR failed."
    assert not panel.ui.logSection.collapsed
    assert panel.ui.applyButton.text == "Apply"


@pytest.mark.parametrize("kind", [ValueError, RuntimeError, OSError])
def test_a_run_that_cannot_start_says_why(panel, monkeypatch, kind):
    def refuse(_run):
        raise kind("CT is under a transform.")

    monkeypatch.setattr(FakeRun, "start", refuse)
    fill(panel)
    panel.ui.applyButton.click()
    assert panel.ui.statusLabel.text == "CT is under a transform."
    assert (panel.ui.applyButton.text, panel.ui.applyButton.enabled) == ("Apply", True)


def test_closing_the_scene_while_running(panel, scene):
    fill(panel)
    panel.ui.applyButton.click()
    run = FakeRun.last
    scene.Clear(False)  # the run itself sees to its end
    assert panel.ui.fixedSelector.currentNode() is None
    assert panel.ui.applyButton.text == "Cancel"
    assert panel.logic.getParameterNode().fixedVolume is None
    run.finish("cancelled", "The scene was closed.")
    assert (panel.ui.applyButton.text, panel.ui.applyButton.enabled) == ("Apply", False)
    panel.ui.seedSpinBox.value = 9
    assert panel.logic.getParameterNode().seed == 9  # the new node is bound
    fill(panel)
    assert panel.ui.applyButton.enabled


def test_closing_the_scene_elsewhere_makes_no_node(panel, scene):
    panel.exit()
    panel.parent.isEntered = False
    scene.Clear(True)
    assert scene.GetSingletonNode("MedFuse", "vtkMRMLScriptedModuleNode") is None


def test_the_end_of_the_application_ends_the_run(module, panel):
    fill(panel)
    panel.ui.applyButton.click()
    panel.cleanup()
    assert FakeRun.last.calls == ["end"]


# Results


class FakeResults:
    summary = "Fused."

    def __init__(self, scene):
        self.fused = volume("Fused")
        self.colour = None
        self.scores = scene.AddNewNodeByClass("vtkMRMLTableNode", "Scores")
        self.charts = (scene.AddNewNodeByClass("vtkMRMLPlotChartNode", "Scores along slices"),)


def layers(scene):
    nodes = [scene.GetNthNodeByClass(i, "vtkMRMLSliceCompositeNode") for i in range(3)]
    return {
        (node.GetBackgroundVolumeID(), node.GetForegroundVolumeID(), node.GetForegroundOpacity())
        for node in nodes
    }


def test_results_are_shown(panel, scene, app):
    fixed, _ = fill(panel)
    panel.ui.applyButton.click()
    results = FakeResults(scene)
    FakeRun.last.finish("done", "Done.", results)
    assert panel.ui.statusLabel.text == "Fused."
    assert layers(scene) == {(fixed.GetID(), results.fused.GetID(), 0.5)}
    selection = app.applicationLogic().GetSelectionNode()
    assert selection.GetActiveTableID() == results.scores.GetID()
    assert selection.GetActivePlotChartID() == results.charts[0].GetID()
    panel.ui.opacitySlider.value = 0.8
    assert layers(scene) == {(fixed.GetID(), results.fused.GetID(), 0.8)}
    assert app.layoutManager().layouts == []  # the layout is the user's
    panel.ui.scoresButton.click()
    assert app.layoutManager().layouts == [slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView]


def test_colour_is_shown_where_there_is_any(panel, scene):
    fixed, _ = fill(panel)
    panel.ui.applyButton.click()
    results = FakeResults(scene)
    results.colour = add_volume(np.zeros((4, 5, 6, 3), np.uint8), np.eye(4), "Fused in colour")
    FakeRun.last.finish("done", "Done.", results)
    assert layers(scene) == {(fixed.GetID(), results.colour.GetID(), 0.5)}


def test_results_are_not_shown_unless_asked_for(panel, scene):
    fill(panel)
    panel.ui.showCheck.checked = False
    before = layers(scene)
    panel.ui.applyButton.click()
    FakeRun.last.finish("done", "Done.", FakeResults(scene))
    assert layers(scene) == before
    panel.ui.opacitySlider.value = 0.8
    assert layers(scene) == before
    assert panel.ui.scoresButton.enabled


# What is not installed


def test_what_is_missing_is_offered_to_install(module, monkeypatch):
    missing = ["torch", "medfuse"]
    installed = []

    def install(names, tools):
        installed.append((tuple(names), tools))
        missing.clear()

    asked = []
    monkeypatch.setattr(module.dependencies, "missing", lambda: tuple(missing))
    monkeypatch.setattr(module.dependencies, "installers", lambda confirm: "tools")
    monkeypatch.setattr(module.dependencies, "install", install)
    monkeypatch.setattr(module.MedFuseLogic, "ask", lambda self, words, _then: asked.append(words))
    panel = open_panel(module)
    fill(panel)
    assert not panel.ui.installFrame.isHidden()
    assert panel.ui.installLabel.text == "Not installed in this Slicer: torch, medfuse."
    assert panel.ui.applyButton.toolTip == "Press Install first: torch, medfuse is missing."
    assert not asked
    panel.ui.installButton.click()
    assert installed == [(("torch", "medfuse"), "tools")]
    assert panel.ui.installFrame.isHidden()
    assert panel.ui.applyButton.toolTip == "medfuse is being asked for its methods."
    assert ("methods", "--json") in asked
    panel.enter()
    assert asked.count(("methods", "--json")) == 1
    panel.cleanup()


def test_an_installation_that_fails_says_so(module, monkeypatch):
    def refuse(_names, _tools):
        raise module.dependencies.InstallError("There is no network.")

    monkeypatch.setattr(module.dependencies, "missing", lambda: ("medfuse",))
    monkeypatch.setattr(module.dependencies, "installers", lambda confirm: None)
    monkeypatch.setattr(module.dependencies, "install", refuse)
    panel = open_panel(module)
    panel.ui.installButton.click()
    assert panel.ui.statusLabel.text == "There is no network."
    assert not panel.ui.installFrame.isHidden()
    panel.cleanup()


def test_without_slicers_python_it_says_so(module, monkeypatch):
    def refuse():
        raise module.dependencies.InstallError("PythonSlicer was not found.")

    monkeypatch.setattr(module.dependencies, "missing", lambda: ())
    monkeypatch.setattr(module.dependencies, "python_executable", refuse)
    panel = open_panel(module)
    fill(panel)
    assert not panel.ui.applyButton.enabled
    assert panel.ui.applyButton.toolTip == "PythonSlicer was not found."
    panel.cleanup()


@pytest.mark.parametrize("broken", [("methods", "--json"), ("registration", "list", "--json")])
def test_an_answer_that_makes_no_sense_is_told_and_asked_again(module, monkeypatch, broken):
    from MedFuseLib.jobs import Outcome

    answers = {broken: [(Outcome("failed", 2, "No such command."), "Usage: medfuse")]}

    def ask(_logic, words, then):
        warned = f"a library's warning\n{said(*words)}\nanother"
        then(*(answers.get(words) or [(Outcome("done", 0, "Done."), warned)]).pop(0))

    monkeypatch.setattr(module.dependencies, "missing", lambda: ())
    monkeypatch.setattr(module.MedFuseLogic, "ask", ask)
    panel = open_panel(module)
    fill(panel)
    assert "No such command." in panel.ui.statusLabel.text
    assert "No such command." in panel.ui.applyButton.toolTip
    panel.exit()
    panel.enter()
    assert panel.ui.applyButton.enabled
    panel.cleanup()


def test_registrations_of_the_command_line_are_offered_with_their_presets(panel):
    kinds = panel.ui.registrationSelector
    assert {"rigid", "affine", "none"} <= {kinds.itemText(i) for i in range(kinds.count)}
    assert kinds.currentText == "rigid"
    presets = panel.ui.registrationPresetSelector
    assert {"auto", "mr-us", "ct-mr"} <= {presets.itemText(i) for i in range(presets.count)}
    choose(panel, "registrationPreset", "mr-us")
    choose(panel, "registration", "affine")
    assert presets.currentText == "auto"
    assert "mr-us" not in {presets.itemText(i) for i in range(presets.count)}  # it is rigid only
    fill(panel)
    panel.logic.getParameterNode().registrationPreset = "mr-us"
    assert panel.ui.applyButton.toolTip == "The registration affine has no preset mr-us."


# The whole way


def process_until(condition, app):
    def looked():
        if condition():
            return True
        QtWidgets.QApplication.processEvents()
        assert not app.errors
        return False

    assert comes_true(looked, pause=0.02), "it does not happen"


def test_a_whole_run_with_the_real_child(module, scene, app, tmp_path, monkeypatch):
    """From two nodes through the panel, its timers and a child process to nodes."""
    monkeypatch.setattr(module.dependencies, "missing", lambda: ())
    monkeypatch.setattr(module.dependencies, "python_executable", lambda: Path(sys.executable))
    panel = open_panel(module)
    process_until(lambda: all(panel._offer.values()), app)
    rng = np.random.default_rng(1)
    images = [rng.uniform(0, 100, (3, 40, 40)).astype(np.float32) for _ in range(2)]
    fixed, moving = (
        add_volume(image, np.diag([-1.5, -1.5, 2, 1]), name) for image, name in zip(images, "AB", strict=True)
    )
    panel.ui.fixedSelector.setCurrentNode(fixed)
    panel.ui.movingSelector.setCheckState(moving, Qt.CheckState.Checked)
    choose(panel, "method", "average")
    choose(panel, "registration", "none")
    choose(panel, "windows", "50/100;50/100")
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip
    panel.ui.applyButton.click()
    process_until(lambda: panel.ui.applyButton.text == "Apply", app)
    assert panel.ui.scoresButton.enabled, panel.ui.statusLabel.text + panel.ui.logText.toPlainText()
    ((background, foreground, opacity),) = layers(scene)
    assert (background, opacity) == (fixed.GetID(), 0.5)
    fused = scene.GetNodeByID(foreground)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(fused), np.mean(images, axis=0) / 100, atol=1e-5)
    assert not list(tmp_path.iterdir())
    panel.cleanup()


def test_the_self_test_of_the_module(module, monkeypatch, tmp_path):
    monkeypatch.setattr(module.dependencies, "missing", lambda: ())
    monkeypatch.setattr(module.dependencies, "python_executable", lambda: Path(sys.executable))
    test = module.MedFuseTest()
    test.runTest()
    assert test.messages[-1] == "Done"
    assert not list(tmp_path.iterdir())


def test_the_test_that_slicer_runs_of_the_panel(panel, monkeypatch):
    import unittest

    monkeypatch.setattr(slicer.util, "getModuleWidget", lambda _name: panel)
    suite = unittest.defaultTestLoader.discover(
        str(application.MODULE_FOLDER / "Testing" / "Python"), pattern="*Test.py"
    )
    result = unittest.TestResult()
    suite.run(result)
    assert result.testsRun == 3
    assert not result.failures + result.errors


@pytest.mark.parametrize("state", ["panel", "parameters", "running"])
def test_a_screenshot_of_the_panel(panel, tmp_path, state):
    """Pictures for people to look at: ``MEDFUSE_SCREENSHOTS=FOLDER`` keeps them."""
    fixed, moving = fill(panel)
    fixed.SetName("Phantom CT")
    moving.SetName("Phantom MR T1")
    panel.ui.movingSelector._refresh()
    panel.ui.fixedSelector._refresh()
    if state == "parameters":
        panel.ui.methodGroup.collapsed = False
        panel.ui.inputsAdvanced.collapsed = False
        choose(panel, "preset", "fast")
    if state == "running":
        panel.ui.applyButton.click()
        FakeRun.last.on_progress(0.41, "fusing slice 20 of 48", 74.0)
        FakeRun.last.on_log("registration of moving MR: ok")
        panel.ui.logSection.collapsed = False
    panel.parent.show()
    panel.parent.resize(430, panel.parent.sizeHint().height() + 30)
    QtWidgets.QApplication.processEvents()
    picture = panel.parent.grab()
    assert picture.save(str(Path(os.environ.get("MEDFUSE_SCREENSHOTS") or tmp_path) / f"{state}.png"))
    grey = picture.toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    shades = {grey.pixelColor(x, y).red() for x in range(0, 430, 3) for y in range(0, 700, 3)}
    assert len(shades) > 20  # something was drawn
