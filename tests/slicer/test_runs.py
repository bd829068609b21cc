"""From nodes to nodes by the real command line; and what is left when it is stopped: nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import slicer
import slicer.util
from MedFuseLib import exports, logic, runs, volumes
from MedFuseLib.results import ResultsError
from MedFuseLib.runs import Run
from scene_factory import ManualTimer, add_volume, parameters
from waiting import PATIENCE, comes_true

from medfuse import Geometry
from medfuse.phantom import LANDMARKS, render, rigid

POSE = rigid((4, -3, 5), (6, -4, 9))  # of the moving head, LPS; that of the fixed one is the unit matrix
TRUTH = np.diag([-1.0, -1, 1, 1]) @ np.linalg.inv(POSE) @ np.diag([-1.0, -1, 1, 1])  # RAS, moving to fixed
FIXED_GRID = Geometry((48, 48, 20), (4.7, 4.7, 7.5), (-110, -105, -62))
MOVING_GRID = Geometry((44, 50, 22), (4.9, 5, 6.5), (-100, -120, -60))


@pytest.fixture(scope="module")
def head():
    ct = render("CT", FIXED_GRID, noise=0).array.astype(np.int16)
    t1 = render("T1", MOVING_GRID, pose=POSE, noise=0).array
    return (ct, FIXED_GRID.to_ras_affine()), (t1, MOVING_GRID.to_ras_affine())


@pytest.fixture
def pair(scene, head):
    """CT and T1 of the phantom, with names as a hospital has them."""
    nodes = [add_volume(*one, name) for one, name in zip(head, ("CT Schädel é", "T1 磁気"), strict=True)]
    for node, modality in zip(nodes, ("CT", "MR"), strict=True):
        node.SetAttribute("MedFuse.Modality", modality)
    return nodes


class Panel:
    """What the widget does with a run, with a timer that ticks by hand."""

    def __init__(self, scene, folder):
        self.scene, self.folder = scene, folder
        self.timer = ManualTimer()
        self.progress, self.log, self.ended = [], [], []
        self.group = None

    def start(self, asked, python=sys.executable):
        self.run = Run(
            asked,
            self.scene,
            self.folder,
            Path(python),
            self.timer,
            lambda *step: self.progress.append(step),
            self.log.append,
            lambda *outcome: self.ended.append(outcome),
        )
        self.run.start()
        job = self.run._job
        if job:
            job._grace = PATIENCE  # what is asked to stop stops by itself, however busy the machine
        self.group = job._process.pid if job and job._process else None
        return self

    def until_end(self):
        self.timer.run()
        (ended,) = self.ended
        return ended

    def until_fusing(self):
        """The first step of the method itself: what it needs is loaded by then."""
        self.timer.run(until=lambda: any(", step 2 of" in step[1] for step in self.progress))
        assert self.run.is_running, self.ended
        return self


@pytest.fixture
def panel(scene, tmp_path):
    folder = tmp_path / "Max Müller (磁気)" / "Slicer 5.12"
    folder.mkdir(parents=True)
    panel = Panel(scene, folder)
    yield panel
    panel.run.end()


def nothing_left(panel):
    """No file, no timer, no observer, and no process."""
    return (
        list(panel.folder.iterdir()) == []
        and panel.timer.ticks == []
        and not panel.run.is_running
        and not panel.scene.HasObserver(panel.scene.StartCloseEvent)
        and not (panel.group and not comes_true(lambda: not is_alive(panel.group)))
    )


def is_alive(group):
    """Whether any process is left of the child's group: itself or what it started."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def ids(scene):
    nodes = scene.GetNodes()
    return [nodes.GetItemAsObject(i).GetID() for i in range(nodes.GetNumberOfItems())]


def landmark_error(transform):
    """How far, at most, the landmarks of the moving head end up from those of the fixed one, in mm."""
    matrix = slicer.util.arrayFromTransformMatrix(transform)
    fixed = np.c_[np.array(list(LANDMARKS.values())) * [-1, -1, 1], np.ones(len(LANDMARKS))]
    moving = fixed @ np.linalg.inv(TRUTH).T
    return np.linalg.norm((moving @ matrix.T - fixed)[:, :3], axis=1).max()


LONG = {"method": "dip", "methodParameters": {"steps": "5000"}, "preset": "paper"}  # would take hours


class TestNodeToNode:
    def test_average_of_aligned_volumes(self, panel, pair, head):
        outcome, results = panel.start(parameters(*pair, outputName="Größe")).until_end()
        assert outcome.status == "done"
        assert outcome.message == results.summary
        assert results.summary.startswith("CT Schädel é and T1 磁気 fused by average in ")
        assert np.allclose(volumes.matrix_of(results.fused), head[0][1], atol=1e-4)
        assert results.fused.GetName() == "Größe"
        assert results.transforms == (None,)
        assert panel.progress[-1][:2] == (1.0, "done")
        assert nothing_left(panel)

    def test_registered_and_fused(self, panel, pair):
        asked = parameters(
            *pair, method="pca", registration="rigid", windows=["bone", "1%-99%"], modalities=["CT", "MR"]
        )
        outcome, results = panel.start(asked).until_end()
        assert outcome.status == "done", outcome.message
        (transform,) = results.transforms
        assert pair[1].GetParentTransformNode() is transform
        assert landmark_error(transform) < 2.0
        assert np.linalg.norm(TRUTH[:3, 3]) > 10
        assert nothing_left(panel)

    def test_a_second_run_starts_from_what_is_there(self, panel, pair):
        """Without registration, the scene as it is shown is what is fused."""
        parent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "from an earlier run")
        parent.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(TRUTH))
        parent.SetAttribute(exports.ROLE, "transform 1")
        pair[1].SetAndObserveTransformNodeID(parent.GetID())
        _, first = panel.start(parameters(*pair)).until_end()
        assert landmark_error(first.transforms[0]) < 1e-6
        panel.ended.clear()
        _, second = panel.start(parameters(*pair, method="maximum")).until_end()
        assert second.transforms == first.transforms
        assert landmark_error(second.transforms[0]) < 1e-6
        assert pair[1].GetParentTransformNode() is second.transforms[0]

    def test_colour(self, panel, pair, head):
        red = np.stack([head[1][0], 0 * head[1][0], 0 * head[1][0]], axis=-1)
        node = add_volume((255 * red / red.max()).astype(np.uint8), head[1][1], "PET in colour")
        outcome, results = panel.start(parameters(pair[0], node, modalities=["CT", "PT"])).until_end()
        assert outcome.status == "done", outcome.message
        colour = volumes.array_of(results.colour).astype(int)
        assert (colour[..., 0] - colour[..., 2]).max() > 50
        assert volumes.array_of(results.registered[0]).shape[3] == 3


class TestRefused:
    def test_before_anything_happens(self, panel, pair):
        with pytest.raises(logic.LogicError, match="Choose a fusion method"):
            panel.start(parameters(*pair, method=""))
        assert nothing_left(panel)
        assert panel.ended == []

    def test_by_the_child_in_one_sentence(self, panel, pair, scene):
        before = ids(scene)
        outcome, results = panel.start(
            parameters(*pair, method="pca", methodParameters={"speed": "9"})
        ).until_end()
        assert (outcome.status, outcome.exit_code, results) == ("failed", 2, None)
        assert outcome.message.startswith("unknown parameter 'speed'. Choose from: patch")
        assert "\n" not in outcome.message
        assert ids(scene) == before
        assert nothing_left(panel)

    def test_without_an_interpreter(self, panel, pair):
        outcome, results = panel.start(parameters(*pair), python="/nowhere/PythonSlicer").until_end()
        assert (outcome.status, results) == ("failed", None)
        assert "PythonSlicer could not be started" in outcome.message
        assert nothing_left(panel)

    def test_a_result_that_cannot_be_imported(self, panel, pair, monkeypatch):
        def refuse(*_):
            raise ResultsError("The volumes are no longer in the scene.")

        monkeypatch.setattr(runs, "import_results", refuse)
        outcome, results = panel.start(parameters(*pair)).until_end()
        assert (outcome.status, outcome.message) == ("failed", "The volumes are no longer in the scene.")
        assert results is None
        assert nothing_left(panel)


class TestStopped:
    def test_cancelled_while_it_fuses(self, panel, pair, scene):
        before = ids(scene)
        panel.start(parameters(*pair, **LONG)).until_fusing()
        panel.run.cancel()
        outcome, results = panel.until_end()
        assert (outcome.status, outcome.exit_code, results) == ("cancelled", 130, None)
        assert outcome.message == "Cancelled; nothing was imported."
        assert ids(scene) == before
        assert nothing_left(panel)

    def test_the_scene_is_closed_meanwhile(self, panel, pair, scene, head):
        """Another patient is loaded before the child has noticed: nodes of the same IDs get nothing."""
        old = [node.GetID() for node in pair]
        panel.start(parameters(*pair, **LONG)).until_fusing()
        scene.Clear(False)
        new = [add_volume(*one, "another patient") for one in head]
        assert [node.GetID() for node in new] == old
        before = ids(scene)
        outcome, results = panel.until_end()
        assert (outcome.status, results) == ("cancelled", None)
        assert outcome.message == "The scene was closed: the run was stopped and nothing was imported."
        assert ids(scene) == before
        assert new[1].GetParentTransformNode() is None
        assert nothing_left(panel)

    def test_ended_at_once(self, panel, pair):
        """The application quits, or the module is loaded again."""
        panel.start(parameters(*pair, **LONG)).until_fusing()
        panel.run.end()
        assert nothing_left(panel)
        assert panel.ended == []
        panel.run.end()
        panel.run.cancel()

    @pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to see open files")
    def test_no_file_stays_open(self, panel, pair):
        before = len(list(Path("/proc/self/fd").iterdir()))
        panel.start(parameters(*pair, methodParameters={"speed": "9"})).until_end()
        assert len(list(Path("/proc/self/fd").iterdir())) <= before
