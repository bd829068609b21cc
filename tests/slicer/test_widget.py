"""The panel: the real .ui file and the real MedFuse.py, with stand-ins for what only Slicer has."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import slicer
import slicer.util
from panel_factory import (
    FakeResults,
    FakeRun,
    choose,
    editors,
    fill,
    frame,
    layers,
    open_panel,
    pick,
    process_until,
    read_widget,
    said,
    volume,
    widget_of,
    write_widget,
)
from scene_factory import add_transform, add_volume
from standins import application
from standins.pythonqt import WIDGETS
from typer.testing import CliRunner

from medfuse import Recipe


@pytest.fixture
def dip_panel(panel):
    """The panel with the method that has the most parameters."""
    choose(panel, "method", "dip")
    return panel


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


def values():
    """Another value than the default of every parameter."""
    return {
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
        "denoise": "nlm",
        "noise": "rice",
        "device": "cpu",
        "seed": 12,
        "downloadWeights": True,
        "outputName": "Kopf, früh",
        "fixedOpacity": 0.25,
        "replaceResults": False,
        "showResults": False,
        "grid": "finest",
        "profile": "ma2021",
    }


NAMES = [
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
    "fixedOpacity",
    "denoise",
    "noise",
    "replaceResults",
    "showResults",
    "profile",
]


def test_every_parameter_is_among_those_tested(module):
    assert {*NAMES, *module.rows.FIELDS} == set(module.MedFuseParameterNode.FIELDS)


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
    panel.ui.outputNameEdit.text = "Fusion"
    panel.ui.methodSelector.setCurrentIndex(panel.ui.methodSelector.findText("pca"))
    panel.volumeRows.adder.setCurrentNode(volume())
    panel.choiceButtons.buttons["published"].click()
    assert parameters.outputName == ""
    assert parameters.fixedVolume is None
    assert parameters.method == "auto"
    panel.enter()
    assert panel.ui.seedSpinBox.value == 5
    assert panel.ui.methodSelector.currentText == "auto"


# The form of the method


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


def test_every_choice_reaches_the_command_line(dip_panel, module, tmp_path, monkeypatch):
    """Said as the user says it in the panel, and understood by medfuse itself."""
    fill(dip_panel)
    dip_panel.volumeRows.adder.setCurrentNode(volume("PET"))
    for i, (modality, window) in enumerate((("CT", "brain"), ("MR", "2%-98%"), ("PT (PET)", "auto"))):
        pick(frame(dip_panel, i).modality, modality)
        pick(frame(dip_panel, i).window, window)
    pick(frame(dip_panel, 2).colour_map, "hot")
    parameters = dip_panel.logic.getParameterNode()
    for name, value in values().items():
        if name not in ("method", "registration"):  # another one forgets its presets
            setattr(parameters, name, value)
    arguments = module.logic.prepare(parameters, tmp_path).arguments
    assert arguments[: len(module.MEDFUSE) + 1] == (*module.MEDFUSE, "fuse")
    study, recipe, _how = understood(arguments[len(module.MEDFUSE) :], tmp_path, monkeypatch)
    assert recipe == Recipe(
        method="dip",
        preset="paper",
        parameters={"steps": "40", "keep": "average", "warm_start": "yes"},
        registration="rigid",
        registration_preset="ct-mr",
        registration_start="header",
        accept_registration=True,
        grid="finest",
        interpolation="bspline",
        denoise="nlm",
        noise="rice",
        windows=("1=brain", "2=2%-98%"),
        colour_maps=("3=hot",),
        profile="ma2021",
        device="cpu",
        seed=12,
    )
    assert [one.modality for one in study.volumes] == ["CT", "MR", "PT"]
    assert all(one.transform is not None for one in study.volumes[1:])
    assert "--download-weights" in arguments


@pytest.mark.parametrize("key", ["automatic", "quick", "careful", "published"])
def test_every_plain_choice_is_one_that_medfuse_can_build(panel, module, tmp_path, monkeypatch, key):
    fill(panel)
    panel.choiceButtons.buttons[key].click()
    arguments = module.logic.prepare(panel.logic.getParameterNode(), tmp_path).arguments
    _study, recipe, _how = understood(arguments[len(module.MEDFUSE) :], tmp_path, monkeypatch)
    wanted = {"automatic": "Auto", "quick": "PatchPCA"}.get(key, "DeepImagePrior")
    assert type(recipe.build_method()).__name__ == wanted


def understood(arguments, folder, monkeypatch):
    """Study, recipe and output as the command line hands them to the run, which is not made."""
    from medfuse.cli import app, fuse

    caught = []
    monkeypatch.setattr(fuse, "fuse_study", lambda *words: caught.append(words) or folder)
    monkeypatch.setattr(fuse, "_fetch_weights", lambda *_: None)
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (words,) = caught
    return words


# Apply and Cancel


def test_apply_says_what_is_missing(panel):
    button = panel.ui.applyButton
    assert not button.enabled
    assert "fixed" in button.toolTip
    fixed, moving = volume("CT"), volume("MR")
    panel.volumeRows.adder.setCurrentNode(fixed)
    assert not button.enabled
    assert "moving" in button.toolTip
    panel.volumeRows.adder.setCurrentNode(moving)
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
    FakeRun.last.finish("failed", "the memory ran out.")
    assert panel.ui.statusLabel.text == ""
    assert "stopped" in panel.ui.findingsLabel.text
    assert "the memory ran out." in panel.ui.findingsLabel.text
    assert not panel.ui.resultSection.isHidden()
    assert not panel.ui.logSection.collapsed
    assert panel.ui.applyButton.text == "Apply"


@pytest.mark.parametrize("kind", [ValueError, RuntimeError, OSError])
def test_a_run_that_cannot_start_says_why(panel, monkeypatch, kind):
    def refuse(_run):
        raise kind("CT is under a transform.")

    monkeypatch.setattr(FakeRun, "start", refuse)
    fill(panel)
    panel.ui.applyButton.click()
    assert "CT is under a transform." in panel.ui.findingsLabel.text
    assert (panel.ui.applyButton.text, panel.ui.applyButton.enabled) == ("Apply", True)


def test_closing_the_scene_while_running(panel, scene):
    fill(panel)
    panel.ui.applyButton.click()
    run = FakeRun.last
    scene.Clear(False)  # the run itself sees to its end
    assert panel.ui.resultSection.isHidden()
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


def test_results_are_shown(panel, scene, app):
    fixed, _ = fill(panel)
    panel.ui.applyButton.click()
    results = FakeResults(scene)
    FakeRun.last.finish("done", "Done.", results)
    assert panel.ui.statusLabel.text == "Fused."
    assert layers(scene) == {(results.fused.GetID(), fixed.GetID(), 0.0)}
    selection = app.applicationLogic().GetSelectionNode()
    assert selection.GetActiveTableID() == results.scores.GetID()
    assert selection.GetActivePlotChartID() == results.charts[0].GetID()
    panel.ui.blendSlider.value = 0.8
    assert layers(scene) == {(results.fused.GetID(), fixed.GetID(), 0.8)}
    assert app.layoutManager().layouts == []  # the layout is the user's
    panel.ui.scoresButton.click()
    assert app.layoutManager().layouts == [slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView]


def test_colour_is_shown_where_there_is_any(panel, scene):
    fixed, _ = fill(panel)
    panel.ui.applyButton.click()
    results = FakeResults(scene)
    results.colour = add_volume(np.zeros((4, 5, 6, 3), np.uint8), np.eye(4), "Fused in colour")
    FakeRun.last.finish("done", "Done.", results)
    assert layers(scene) == {(results.colour.GetID(), fixed.GetID(), 0.0)}


def test_results_are_not_shown_unless_asked_for(panel, scene):
    fill(panel)
    panel.ui.showCheck.checked = False
    before = layers(scene)
    panel.ui.applyButton.click()
    FakeRun.last.finish("done", "Done.", FakeResults(scene))
    assert layers(scene) == before
    assert not panel.ui.blendSlider.enabled
    panel.ui.blendSlider.value = 0.8
    assert layers(scene) == before
    assert not panel.ui.resultViews.isHidden()


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
    for i, node in enumerate((fixed, moving)):
        panel.volumeRows.adder.setCurrentNode(node)
        pick(frame(panel, i).window, "50/100")
    choose(panel, "method", "average")
    choose(panel, "registration", "none")
    assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip
    panel.ui.applyButton.click()
    process_until(lambda: panel.ui.applyButton.text == "Apply", app)
    assert not panel.ui.resultViews.isHidden(), panel.ui.statusLabel.text + panel.ui.logText.toPlainText()
    ((background, foreground, opacity),) = layers(scene)
    assert (foreground, opacity) == (fixed.GetID(), 0.0)
    fused = scene.GetNodeByID(background)
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
