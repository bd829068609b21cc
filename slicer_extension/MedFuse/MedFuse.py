"""The module MedFuse of 3D Slicer: its panel, its parameters and its self test.

The work is done by the command line of medfuse in a child process; what goes there and what comes back
is in ``MedFuseLib``, which knows neither Qt nor the application.
"""

import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import qt
import slicer
import vtk
from MedFuseLib import dependencies, expected, forms, logic, methods, rows, samples, verdicts, views
from MedFuseLib.choices import CHOICES, OTHER, choice_of
from MedFuseLib.frames import VolumeRows
from MedFuseLib.jobs import MEDFUSE, Job, Outcome
from MedFuseLib.results import Results
from MedFuseLib.runs import Run
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLTransformNode
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import NodeModify, VTKObservationMixin

HOMEPAGE = "https://github.com/medfuse/medfuse/tree/main/slicer_extension#readme"
LINKS = {
    "The panel": HOMEPAGE,
    "methods": "https://github.com/medfuse/medfuse/blob/main/docs/methods.md",
    "registration": "https://github.com/medfuse/medfuse/blob/main/docs/registration.md",
    "windows and colour": "https://github.com/medfuse/medfuse/blob/main/docs/intensity.md",
}
PROFILES = ("default", "ma2021", "li2018", "zhang2020", "lahoud2019", "cddfuse", "all")
DEVICES = ("auto", "cpu", "cuda", "cuda:1", "cuda:2", "cuda:3", "mps")
GRIDS = ("fixed", "finest", "isotropic:0.5", "isotropic:1", "isotropic:2")
INTERPOLATIONS = ("linear", "bspline", "nearest")
STARTS = ("auto", "search", "header")
DENOISERS = ("none", "nlm", "tv", "prior", "both")
NOISES = ("auto", "gauss", "rice", "speckle", "none")


class MedFuse(ScriptedLoadableModule):
    """The module as Slicer lists it."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "MedFuse"
        parent.categories = ["Registration"]
        parent.dependencies = []
        parent.contributors = ["The medfuse contributors"]
        parent.helpText = (
            "Registers volumes of one patient (CT, MR, ultrasound), fuses them and scores the result. "
            f"See <a href='{HOMEPAGE}'>how to use it</a>. "
            "For research use; not a medical device."
        )
        parent.acknowledgementText = "The README names the papers behind each method; please cite them."
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer pairs of generated scans in the module Sample Data."""
    icons = Path(__file__).parent / "Resources" / "Icons"
    samples.register(lambda pair: MedFuseLogic().loadSample(pair), icons)


@parameterNodeWrapper
class MedFuseParameterNode:
    """What the panel asks for; it is saved with the scene.  ``medfuse fuse --help`` explains most of it.

    ``modalities``, ``windows`` and ``colourMaps`` have a word for each volume, the fixed one first; "", or
    nothing, leaves it to what the scene knows and to medfuse.
    """

    fixedVolume: vtkMRMLScalarVolumeNode
    movingVolumes: list[vtkMRMLScalarVolumeNode]
    modalities: list[str]
    windows: list[str]
    colourMaps: list[str]
    hardenTransforms: bool = False
    registration: str = "rigid"
    initialTransform: vtkMRMLTransformNode
    registrationPreset: str = "auto"
    registrationStart: Annotated[str, Choice(STARTS)] = "auto"
    interpolation: Annotated[str, Choice(INTERPOLATIONS)] = "linear"
    acceptRegistration: bool = False
    method: str = "auto"
    preset: str = "auto"
    methodParameters: dict[str, str]
    denoise: Annotated[str, Choice(DENOISERS)] = "none"
    noise: Annotated[str, Choice(NOISES)] = "auto"
    device: Annotated[str, Choice(DEVICES)] = "auto"
    seed: Annotated[int, WithinRange(1, 2**31 - 1)] = 1
    downloadWeights: bool = False
    outputName: str
    fixedOpacity: Annotated[float, WithinRange(0, 1)] = 0.0
    replaceResults: bool = True
    showResults: bool = True
    grid: Annotated[str, Choice(GRIDS)] = "fixed"
    profile: Annotated[str, Choice(PROFILES)] = "default"


class MedFuseWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: shows the parameter node, and starts, watches and cancels runs."""

    def __init__(self, parent=None):
        self.logic = None
        self._parameters = None
        self._guiTag = None
        self._isShowing = False
        self._offer = {"method": {}, "registration": {}}
        self._noOffer = ""
        self._isAsked = False
        self._formShows = None
        self._run: Run | None = None
        self._isCancelling = False
        self._isOther = False
        self._fixed = None
        self._shownOpacity = None
        VTKObservationMixin.__init__(self)
        ScriptedLoadableModuleWidget.__init__(self, parent)  # may call setup()

    # Slicer's own calls

    def setup(self):
        """Build the panel, once."""
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/MedFuse.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        self.logic = MedFuseLogic()
        self._bindings = {
            name: binding(widget, partial(self._take, name))
            for name, binding, widget in (
                ("registration", forms.ChoiceBox, self.ui.registrationSelector),
                ("registrationPreset", forms.ChoiceBox, self.ui.registrationPresetSelector),
                ("method", forms.ChoiceBox, self.ui.methodSelector),
                ("preset", forms.ChoiceBox, self.ui.presetSelector),
                ("methodParameters", forms.ParameterForm, self.ui.methodForm),
            )
        }
        self.volumeRows = VolumeRows(self.ui.volumeRows, self._takeVolumes)
        self.choiceButtons = forms.ChoiceButtons(self.ui.choiceButtons, CHOICES, self._takeChoice)
        self.ui.linksLabel.text = ", ".join(f"<a href='{url}'>{name}</a>" for name, url in LINKS.items())
        panel.setMRMLScene(slicer.mrmlScene)
        self.volumeRows.set_scene(slicer.mrmlScene)
        self._forgetResults()
        self._say("")
        self.ui.installFrame.visible = False
        self.ui.applyButton.connect("clicked(bool)", self.onApplyOrCancel)
        self.ui.scoresButton.connect("clicked(bool)", self.onScores)
        self.ui.installButton.connect("clicked(bool)", self.onInstall)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.initializeParameterNode()

    def cleanup(self):
        """The application ends, or the module is loaded again."""
        if self._run:
            self._run.end()
        self.logic.endQuestions()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self):
        """The user comes to the module."""
        self.initializeParameterNode()
        self._ask()

    def exit(self):
        """The user goes to another module; a run goes on."""
        self.setParameterNode(None)

    def onSceneStartClose(self, _caller=None, _event=None):
        """The nodes are about to go; a run is cancelled by itself."""
        self.setParameterNode(None)
        self._forgetResults()

    def onSceneEndClose(self, _caller=None, _event=None):
        """A new parameter node, if the panel is seen."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    # The parameter node

    def initializeParameterNode(self):
        """Show the parameter node of the scene, which is made if there is none."""
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameters):
        """Show ``parameters`` from now on, or nothing if None."""
        if self._parameters:
            self._parameters.disconnectGui(self._guiTag)
            self.removeObserver(self._parameters, vtk.vtkCommand.ModifiedEvent, self._onModified)
        self._parameters = parameters
        self._isOther = False
        if self._parameters:
            self._guiTag = self._parameters.connectGui(self.ui)
            self.addObserver(self._parameters, vtk.vtkCommand.ModifiedEvent, self._onModified)
        self._onModified()

    def _onModified(self, _caller=None, _event=None):
        if self._parameters and not self._isShowing:
            self._isShowing = True
            try:
                self._showVolumes()
                self._showChoice()
                self._showForm()
                for name, binding in self._bindings.items():
                    binding.write(getattr(self._parameters, name))
                self._showOpacity()
            finally:
                self._isShowing = False
        self._showButtons()

    def _take(self, name):
        """The user changed a widget that Slicer's connectors do not know."""
        if not self._parameters or self._isShowing:
            return
        with NodeModify(self._parameters):
            setattr(self._parameters, name, self._bindings[name].read())
            if name == "method":  # what was asked of another method says nothing about this one
                self._parameters.preset = "auto"
                self._parameters.methodParameters = {}
            if name == "registration":
                self._parameters.registrationPreset = "auto"

    def _takeVolumes(self):
        if not self._parameters or self._isShowing:
            return
        with NodeModify(self._parameters):
            for name, value in self.volumeRows.read().items():
                setattr(self._parameters, name, value)

    def _takeChoice(self, key):
        """A plain choice sets method and preset, and forgets parameters; Other leaves them to choose."""
        if not self._parameters:
            return
        self._isOther = key == OTHER
        (choice,) = (one for one in CHOICES if one.key == key)
        with NodeModify(self._parameters):
            if not self._isOther:
                self._parameters.method, self._parameters.preset = choice.method, choice.preset
                self._parameters.methodParameters = {}
        self._onModified()

    def _showVolumes(self):
        volumes = rows.rows_of(self._parameters)
        self.volumeRows.write(volumes)
        self.ui.volumesHint.text = rows.hint(volumes)
        self.ui.volumesHint.visible = bool(self.ui.volumesHint.text)

    def _showChoice(self):
        parameters = self._parameters
        choice = choice_of(parameters.method, parameters.preset)
        self._isOther = self._isOther or choice.key == OTHER
        self.choiceButtons.write(OTHER if self._isOther else choice.key)
        self.ui.otherGroup.visible = self._isOther
        changed = len(parameters.methodParameters)
        self.ui.parametersSection.text = f"Parameters ({changed} changed)" if changed else "Parameters"
        self.ui.timeLabel.text = expected.time_of(parameters)

    def _showForm(self):
        method = self._offer["method"].get(self._parameters.method)
        registration = self._offer["registration"].get(self._parameters.registration)
        shows = (method, self._parameters.preset, registration)
        if shows == self._formShows:
            return
        self._formShows = shows
        presets = dict.fromkeys(method.presets if method else (), "A preset of this method.")
        self._bindings["preset"].offer({"auto": "The preset that suits the device.", **presets})
        self._bindings["methodParameters"].build(method, self._parameters.preset)
        self.ui.methodSummary.text = method.summary if method else ""
        presets = registration.presets if registration else {}
        self._bindings["registrationPreset"].offer(
            {"auto": "The preset that suits the modalities.", **presets}
        )

    # What medfuse offers

    def _ask(self):
        """Ask medfuse, once, for its methods and kinds of registration; or offer to install it."""
        missing = dependencies.missing()
        self.ui.installFrame.visible = bool(missing)
        self.ui.installLabel.text = f"Not installed in this Slicer: {', '.join(missing)}."
        if missing:
            self._noOffer = f"Press Install first: {', '.join(missing)} is missing."
        elif not self._isAsked:
            self._askMedfuse()
        self._showButtons()

    def _askMedfuse(self):
        self._isAsked = True
        self._noOffer = "medfuse is being asked for its methods."
        try:
            for name, words, read in (
                ("method", ("methods", "--json"), methods.read_methods),
                ("registration", ("registration", "list", "--json"), methods.read_registrations),
            ):
                self.logic.ask(words, partial(self._onAnswer, name, read))
        except RuntimeError as error:  # there is no interpreter
            self._isAsked = False
            self._noOffer = str(error)

    def _onAnswer(self, name, read, outcome: Outcome, text: str):
        try:
            self._offer[name] = read(text)
        except ValueError as error:
            self._isAsked = False  # entering the module asks again
            self._noOffer = f"medfuse does not tell what it offers: {outcome.message or error}"
            self._say(self._noOffer)
        else:
            self._bindings[name].offer({key: one.summary for key, one in self._offer[name].items()})
        self._onModified()

    def onInstall(self, _checked=False):
        """Install what is missing, after asking."""
        try:
            tools = dependencies.installers(slicer.util.confirmOkCancelDisplay)
            dependencies.install(dependencies.missing(), tools)
        except dependencies.InstallError as error:
            self._say(str(error))
        self._ask()

    # Runs

    def _problem(self) -> str:
        """Why Apply cannot be pressed, in one sentence; "" if it can."""
        parameters = self._parameters
        if not parameters:
            return "There is no scene."
        for name, offered in self._offer.items():
            if not offered:
                return self._noOffer
            if getattr(parameters, name) not in offered:
                return f"This medfuse has no {name} {getattr(parameters, name)}."
        registration = self._offer["registration"][parameters.registration]
        if parameters.registrationPreset not in ("auto", *registration.presets):
            return f"The registration {registration.key} has no preset {parameters.registrationPreset}."
        method = self._offer["method"][parameters.method]
        return method.problem(parameters.preset, parameters.methodParameters) or logic.problems(parameters)

    def _showButtons(self):
        problem = "" if self._run else self._problem()
        button = self.ui.applyButton
        button.text = "Cancelling..." if self._isCancelling else "Cancel" if self._run else "Apply"
        button.enabled = not problem and not self._isCancelling
        idle = problem or "Register, fuse and score the volumes."
        button.toolTip = "Stop the run; the scene stays as it is." if self._run else idle
        for section in ("inputsSection", "registrationSection", "fusionSection", "outputSection"):
            getattr(self.ui, section).enabled = self._run is None
        self.ui.progressBar.visible = self._run is not None
        self.ui.remainingLabel.visible = self._run is not None

    def onApplyOrCancel(self, _checked=False):
        """Start a run, or stop the one that goes on."""
        if self._run:
            self._isCancelling = True
            self._run.cancel()
        else:
            self._start()
        self._showButtons()

    def _start(self):
        self.ui.logText.clear()
        self.ui.remainingLabel.text = ""
        self.ui.progressBar.value = 0
        self._say("")
        self._fixed = self._parameters.fixedVolume
        try:
            run = self.logic.start(
                self._parameters, self._onProgress, self.ui.logText.appendPlainText, self._onDone
            )
        except (ValueError, RuntimeError, OSError) as error:
            self._showFailure(str(error))
        else:
            self._run = run if run.is_running else None  # a child that cannot be started has ended by now

    def _onProgress(self, fraction: float, message: str, remaining: float | None):
        self.ui.progressBar.value = round(1000 * fraction)
        self._say(message)
        self.ui.remainingLabel.text = "" if remaining is None else f"{_duration(remaining)} left"

    def _onDone(self, outcome: Outcome, results: Results | None):
        self._run = None
        self._isCancelling = False
        if results:
            self._showResults(results)
        elif outcome.status == "failed":
            self._showFailure(outcome.message)
            self.ui.logSection.collapsed = False
        else:
            self._say(outcome.message)
        self._showButtons()

    def _say(self, sentence: str):
        self.ui.statusLabel.text = sentence
        self.ui.statusLabel.visible = bool(sentence)

    def _showFailure(self, sentence: str):
        """What is in the scene of an earlier run is no longer told of, but stays to be looked at."""
        self._say("")
        self._showFindings([verdicts.failure(sentence)])

    def _showFindings(self, findings):
        self.ui.resultSection.visible = True
        self.ui.findingsLabel.text = verdicts.as_html(findings)

    def _showResults(self, results: Results):
        self._say(results.summary)
        self.ui.resultViews.visible = True
        self._showFindings(results.findings)
        parameters = self.logic.getParameterNode()
        if parameters.showResults:
            views.show(results, self._fixed)
            self._shownOpacity = parameters.fixedOpacity = 0.0
        self.ui.blendSlider.enabled = self._shownOpacity is not None

    def _showOpacity(self):
        opacity = self._parameters.fixedOpacity
        if self._shownOpacity is not None and opacity != self._shownOpacity:
            self._shownOpacity = opacity
            views.blend(opacity)

    def _forgetResults(self):
        self._fixed = None
        self._shownOpacity = None
        self.ui.resultViews.visible = False
        self.ui.resultSection.visible = False

    def onScores(self, _checked=False):
        """Show slices, table and chart side by side."""
        views.show_scores()


class MedFuseLogic(ScriptedLoadableModuleLogic):
    """Runs for the panel and for scripts.

    >>> logic = slicer.util.getModuleLogic("MedFuse")
    >>> parameters = logic.getParameterNode()
    >>> parameters.fixedVolume, parameters.movingVolumes = ct, [mr]
    >>> results = logic.run(parameters)
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self._questions: list[Job] = []

    def getParameterNode(self):
        """The parameter node of the scene, with typed fields."""
        return MedFuseParameterNode(super().getParameterNode())

    def start(self, parameters, onProgress, onLog, onDone) -> Run:
        """Start a run; ``onDone(outcome, results)`` is called in the main thread when it has ended."""
        folder, python = Path(slicer.app.temporaryPath), dependencies.python_executable()
        run = Run(parameters, slicer.mrmlScene, folder, python, _startTimer, onProgress, onLog, onDone)
        run.start()
        return run

    def run(self, parameters) -> Results:
        """Run and wait for the end; ``RuntimeError`` with one sentence if it fails."""
        ended = []
        run = self.start(parameters, _ignore, _ignore, lambda *outcome: ended.append(outcome))
        _wait(run)
        outcome, results = ended[0]
        if results is None:
            raise RuntimeError(outcome.message)
        return results

    def ask(self, arguments: tuple[str, ...], onAnswer: Callable[[Outcome, str], None]):
        """Hand what ``medfuse ARGUMENTS`` prints to ``onAnswer(outcome, text)``."""
        command = (str(dependencies.python_executable()), *MEDFUSE, *arguments)
        lines: list[str] = []
        job = _job(command, lines.append, lambda outcome: onAnswer(outcome, "\n".join(lines)))
        self._questions.append(job)

    def endQuestions(self):
        """End every question that has no answer yet."""
        for job in self._questions:
            if job.is_running:
                job.end()

    def loadSample(self, pair: samples.Pair):
        """Make a pair of scans in a child process and load it; the nodes, the fixed volume first."""
        if dependencies.missing():
            raise RuntimeError("medfuse is not installed: open the module MedFuse and press Install.")
        folder = Path(slicer.util.tempDirectory(key="MedFuse"))
        try:
            ended: list[Outcome] = []
            _wait(
                _job(samples.command(pair, dependencies.python_executable(), folder), _ignore, ended.append)
            )
            if ended[0].status != "done":
                raise RuntimeError(ended[0].message)
            return samples.load(pair, folder, slicer.util.loadVolume, slicer.util.loadTransform)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _job(command, onLog, onDone) -> Job:
    never = Path(slicer.app.temporaryPath) / "medfuse-is-not-cancelled"
    job = Job(command, never, _startTimer, _ignore, onLog, onDone)
    job.start()
    return job


def _startTimer(tick: Callable[[], None]) -> Callable[[], None]:
    timer = qt.QTimer()
    timer.setInterval(100)
    timer.connect("timeout()", tick)
    timer.start()
    return timer.stop


def _wait(work: Run | Job):
    while work.is_running:
        slicer.app.processEvents()
        time.sleep(0.02)


def _ignore(*_):
    pass


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


class MedFuseTest(ScriptedLoadableModuleTest):
    """From a generated pair to a fused volume; runs in Slicer ("Reload and Test") and without a network."""

    def setUp(self):
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run all tests."""
        self.setUp()
        self.test_fusesSample()

    def test_fusesSample(self):
        """The fused volume lies on the grid of the fixed one, and its scores are there."""
        self.delayDisplay("Making a CT and an MR of the phantom")
        logic = MedFuseLogic()
        fixed, moving = logic.loadSample(samples.PAIRS[0])
        parameters = logic.getParameterNode()
        parameters.fixedVolume, parameters.movingVolumes = fixed, [moving]
        parameters.method, parameters.registration, parameters.profile = "average", "none", "ma2021"
        self.delayDisplay("Fusing them")
        results = logic.run(parameters)
        self.assertEqual(results.fused.GetImageData().GetDimensions(), fixed.GetImageData().GetDimensions())
        self.assertGreater(results.scores.GetNumberOfRows(), 0)
        self.delayDisplay("Done")
