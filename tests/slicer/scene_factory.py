"""Nodes for tests, and parameters as the panel's parameter node has them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import slicer
import slicer.util
from waiting import comes_true

__all__ = ["ManualTimer", "add_transform", "add_volume", "parameters"]


def add_volume(array, ijk_to_ras, name, class_name=None):
    """A volume node in ``slicer.mrmlScene``; colour becomes a vector volume, as in Slicer."""
    class_name = class_name or ("vtkMRMLVectorVolumeNode" if array.ndim == 4 else "vtkMRMLScalarVolumeNode")
    return slicer.util.addVolumeFromArray(array, ijk_to_ras, name, class_name)


def add_transform(to_parent, name="transform"):
    """A linear transform node with a matrix (4×4, RAS) to its parent."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", name)
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.asarray(to_parent, float)))
    return node


def parameters(fixed=None, *moving, **others):
    """The fields of the parameter node with the panel's defaults, but for a fast method."""
    values = {
        "fixedVolume": fixed,
        "movingVolumes": list(moving),
        "initialTransform": None,
        "method": "average",
        "preset": "",
        "methodParameters": {},
        "registration": "none",
        "registrationPreset": "",
        "registrationStart": "",
        "interpolation": "",
        "grid": "",
        "acceptRegistration": False,
        "modalities": [],
        "windows": [],
        "colourMaps": [],
        "denoise": "",
        "noise": "",
        "profile": "ma2021",
        "device": "cpu",
        "seed": 1,
        "hardenTransforms": False,
        "replaceResults": True,
        "outputName": "",
        "downloadWeights": False,
    }
    assert others.keys() <= values.keys()
    return SimpleNamespace(**{**values, **others})


class ManualTimer:
    """A repeating timer that ticks while :meth:`run` is called, in the thread that calls it."""

    def __init__(self):
        self.ticks = []
        self.started = 0

    def __call__(self, tick):
        self.started += 1
        self.ticks.append(tick)
        return lambda: self.ticks.remove(tick)

    def run(self, until=lambda: False):
        """Tick until nothing is left to tick, or ``until()``."""

        def ended():
            if not self.ticks or until():
                return True
            for tick in list(self.ticks):
                tick()
            return False

        assert comes_true(ended, pause=0.02), "still running"
