"""Pictures of the panel for people to look at, also those of the manual.

``MEDFUSE_SCREENSHOTS=slicer_extension/Screenshots pytest tests/slicer/test_screenshots.py`` keeps them.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import slicer
from panel_factory import FakeResults, FakeRun, choose, frame, pick, volume
from PySide6 import QtWidgets
from PySide6.QtGui import QImage

WIDTH = 430  # pixels: about what Slicer's module panel has
SIZE = (48, 256, 256)


def filled(panel, *names):
    """The panel with volumes of a usual size, whose modality their series tells."""
    for name in names:
        node = volume(name, SIZE)
        node.SetAttribute("DICOM.Modality", {"CT": "CT", "MR": "MR", "PET": "PT"}[name.split()[1]])
        panel.volumeRows.adder.setCurrentNode(node)


def inputs(panel):
    filled(panel, "Phantom CT", "Phantom MR T1")


def three_volumes(panel):
    filled(panel, "Phantom CT", "Phantom MR T1", "Phantom PET")
    pick(frame(panel, 0).window, "brain")
    panel.choiceButtons.buttons["careful"].click()


def parameters(panel):
    inputs(panel)
    choose(panel, "method", "dip")
    choose(panel, "preset", "fast")
    choose(panel, "methodParameters", {"steps": "80"})
    panel.ui.parametersSection.collapsed = False


def running(panel):
    inputs(panel)
    panel.ui.applyButton.click()
    FakeRun.last.on_progress(0.41, "fusing slice 20 of 48", 74.0)
    FakeRun.last.on_log("registration of moving MR: ok")
    panel.ui.logSection.collapsed = False


def result(panel):
    from MedFuseLib.verdicts import Finding

    three_volumes(panel)
    panel.ui.applyButton.click()
    found = FakeResults(
        slicer.mrmlScene,
        Finding(
            "ok", "Registration of Phantom MR T1", ("searches from different starts agree within 0.1 mm",)
        ),
        Finding("doubtful", "Registration of Phantom PET", ("its two halves disagree by 4.1 mm",)),
        Finding("warning", "", ("3 % of the foreground is pure white, and 1 % in the sources",)),
    )
    found.summary = "Phantom CT and Phantom MR T1 and Phantom PET fused by dip in 96 s."
    FakeRun.last.finish("done", "Done.", found)


def failed(panel):
    inputs(panel)
    panel.ui.applyButton.click()
    FakeRun.last.finish(
        "failed",
        "registration of the moving volume failed: searches from different starts end 41 mm apart. Give "
        "--initial-transform, --landmarks or --registration-start header (where the headers place them "
        "roughly right), or look at it and go on with --accept-registration",
    )


@pytest.mark.parametrize("state", [inputs, three_volumes, parameters, running, result, failed])
def test_a_screenshot_of_the_panel(panel, tmp_path, state):
    state(panel)
    panel.parent.resize(WIDTH, 400)
    panel.parent.show()
    QtWidgets.QApplication.processEvents()
    panel.parent.resize(WIDTH, panel.parent.layout().heightForWidth(WIDTH) + 20)
    QtWidgets.QApplication.processEvents()
    picture = panel.parent.grab()
    name = {"inputs": "panel", "result": "result_panel"}.get(state.__name__, state.__name__)
    assert picture.save(str(Path(os.environ.get("MEDFUSE_SCREENSHOTS") or tmp_path) / f"{name}.png"))
    grey = picture.toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    shades = {grey.pixelColor(x, y).red() for x in range(0, 430, 3) for y in range(0, 700, 3)}
    assert len(shades) > 20  # something was drawn
