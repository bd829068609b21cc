"""The generated pairs of Sample Data, made by the real child process."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import slicer
import slicer.util
import vtk
from standins import application

from medfuse.phantom import SCANS, Head, SampleStudy, sample_study


@pytest.fixture
def module(monkeypatch, tmp_path, scene):
    application.install(monkeypatch, tmp_path, scene)
    monkeypatch.delitem(sys.modules, "MedFuse", raising=False)
    module = importlib.import_module("MedFuse")
    monkeypatch.setattr(module.dependencies, "missing", lambda: ())
    monkeypatch.setattr(module.dependencies, "python_executable", lambda: Path(sys.executable))
    yield module
    sys.modules.pop("MedFuse", None)


def sources(module):
    module.registerSampleData()
    return {one.sampleName: one for one in application.SampleDataLogic.sources}


def ras(points_lps):
    return np.asarray(points_lps) * (-1, -1, 1)


def test_every_pair_is_offered_with_a_thumbnail(module):
    offered = sources(module)
    assert list(offered) == ["MedFuse CT-MR T1", "MedFuse CT-MR T2", "MedFuse MR-US"]
    for source in offered.values():
        assert source.category == "MedFuse"
        assert Path(source.thumbnailFileName).is_file()
        assert not any("://" in uri for uri in source.uris)  # nothing is fetched


def test_the_pairs_are_scans_of_the_phantom(module):
    for pair in module.samples.PAIRS:
        for scan in (pair.fixed, pair.moving):
            contrast = SCANS[scan.key].contrast
            assert scan.modality == {"CT": "CT", "US": "US"}.get(contrast, "MR")


TRUTH = SampleStudy({}, SCANS, Head())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The files of the pair with a navigation transform, made once by the real command."""
    from MedFuseLib import samples

    folder = tmp_path_factory.mktemp("Slicer 5.12 für alle")
    pair = next(pair for pair in samples.PAIRS if pair.navigated)
    subprocess.run(samples.command(pair, Path(sys.executable), folder), check=True)
    return pair, folder


def load(module, made):
    return module.samples.load(*made, slicer.util.loadVolume, slicer.util.loadTransform)


def test_the_volumes_lie_where_they_were_scanned(module, made, scene):
    fixed, moving, _ = load(module, made)
    for node, key in ((fixed, "t1"), (moving, "us")):
        matrix = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        expected = SCANS[key].geometry.to_ras_affine()
        np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), expected, atol=1e-4)
    (volume,) = sample_study(("t1",)).volumes.values()
    np.testing.assert_allclose(slicer.util.arrayFromVolume(fixed), volume.array, atol=1e-3)
    assert (fixed.GetName(), moving.GetName()) == ("Phantom MR T1", "Phantom US")
    assert scene.GetNumberOfNodesByClass("vtkMRMLStorageNode") == 0  # saving asks for a place


def test_the_navigation_brings_the_moving_scan_near_the_fixed(module, made, scene):
    """Some 3 mm wrong, so that a registration has something to do; without it, far away."""
    _, moving, navigation = load(module, made)
    assert navigation.GetName() == "Navigation of Phantom US"
    moving.SetAndObserveTransformNodeID(navigation.GetID())
    to_world = slicer.util.arrayFromTransformMatrix(navigation, toWorld=True)
    there, here = TRUTH.landmarks("us"), TRUTH.landmarks("t1")
    wrong = [np.linalg.norm((to_world @ [*ras(there[name]), 1])[:3] - ras(here[name])) for name in here]
    apart = [np.linalg.norm(there[name] - here[name]) for name in here]
    assert 2 < min(wrong) < max(wrong) < 6 < min(apart)


def test_the_modality_is_where_slicer_keeps_it(module, made, scene):
    nodes = load(module, made)[:2]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = [hierarchy.GetItemByDataNode(node) for node in nodes]
    assert [hierarchy.GetItemAttribute(item, "DICOM.Modality") for item in items] == ["MR", "US"]


def test_without_medfuse_it_says_what_to_do(module, monkeypatch, scene):
    monkeypatch.setattr(module.dependencies, "missing", lambda: ("medfuse",))
    source = sources(module)["MedFuse CT-MR T1"]
    with pytest.raises(RuntimeError, match="press Install"):
        source.customDownloader(source)
    assert scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0


def test_a_child_that_fails_leaves_nothing(module, monkeypatch, scene, tmp_path):
    monkeypatch.setattr(
        module.samples, "command", lambda *_: [sys.executable, "-c", "raise SystemExit('no space')"]
    )
    source = sources(module)["MedFuse CT-MR T1"]
    with pytest.raises(RuntimeError, match="no space"):
        source.customDownloader(source)
    assert not list(tmp_path.iterdir())
    assert scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0
