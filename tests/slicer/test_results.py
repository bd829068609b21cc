"""What a run leaves behind, as nodes: right, in one step, and not twice."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK
import slicer
import slicer.util
import vtk
from MedFuseLib import exports, logic, results, transforms, volumes
from scene_factory import add_transform, add_volume, parameters

from medfuse import Geometry
from medfuse.phantom import LANDMARKS, render, rigid

FIXED_GRID = Geometry((40, 40, 16), (5.6, 5.6, 9), (-110, -105, -62), rigid((0, 0, 12))[:3, :3])
MOVING_GRID = Geometry((36, 44, 18), (6, 5.6, 8), (-100, -120, -60))
POSE = rigid((4, -3, 5), (6, -4, 9))  # of the moving head, LPS; that of the fixed one is the unit matrix
MIRROR = np.diag([-1.0, -1, 1, 1])
TO_FIXED = MIRROR @ np.linalg.inv(POSE) @ MIRROR  # RAS
FIXED_LANDMARKS = np.array(list(LANDMARKS.values())) * [-1, -1, 1]
MOVING_LANDMARKS = (np.c_[np.array(list(LANDMARKS.values())), np.ones(len(LANDMARKS))] @ POSE.T)[:, :3] * [
    -1,
    -1,
    1,
]


@pytest.fixture(scope="module")
def head():
    """CT and T1 of the phantom, each with its matrix to RAS."""
    ct = render("CT", FIXED_GRID, noise=0).array.astype(np.int16)
    t1 = render("T1", MOVING_GRID, pose=POSE, noise=0).array
    return (ct, FIXED_GRID.to_ras_affine()), (t1, MOVING_GRID.to_ras_affine())


@pytest.fixture
def pair(scene, head):
    nodes = [add_volume(*one, name) for one, name in zip(head, ("CT", "T1"), strict=True)]
    for node, modality in zip(nodes, ("CT", "MR"), strict=True):
        node.SetAttribute("MedFuse.Modality", modality)
    nodes[1].GetDisplayNode().SetAutoWindowLevel(False)
    nodes[1].GetDisplayNode().SetWindowLevel(321, 123)
    return nodes


@pytest.fixture(scope="module")
def finished(head, tmp_path_factory):
    """The folder that the real command line writes for this pair, aligned by the true transform."""
    folder = tmp_path_factory.mktemp("run")
    volumes.write_nrrd(folder / "fixed.nrrd", *head[0])
    volumes.write_nrrd(folder / "moving_1.nrrd", *head[1])
    transforms.write_matrix(folder / "start_1.tfm", TO_FIXED)
    command = (
        "-m medfuse fuse fixed.nrrd moving_1.nrrd --output result --modality CT --modality MR "
        "--progress none --method pca -p patch=3 --profile ma2021 --no-registration "
        "--initial-transform start_1.tfm"
    )
    subprocess.run([sys.executable, *command.split()], cwd=folder, check=True, capture_output=True)
    return folder / "result"


@pytest.fixture
def imported(scene, pair, finished, tmp_path):
    """Import the finished run for nodes of a scene, as often as wanted."""

    def do(*nodes, change=lambda folder: None, **asked):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        asked = {"method": "pca", "initialTransform": None, **asked}
        prepared = logic.prepare(parameters(*(nodes or pair), **asked), folder)
        shutil.copytree(finished, prepared.output)
        change(prepared.output)
        return results.import_results(prepared, scene)

    return do


@pytest.fixture
def observe(scene):
    """Observe the scene until the test ends; an observer that outlives its scene crashes."""
    tags = []
    yield lambda event, observer: tags.append(scene.AddObserver(event, observer))
    for tag in tags:
        scene.RemoveObserver(tag)


def all_nodes(scene):
    nodes = scene.GetNodes()
    return [nodes.GetItemAsObject(i) for i in range(nodes.GetNumberOfItems())]


def made_nodes(scene):
    return [node for node in all_nodes(scene) if node.GetAttribute(exports.ROLE)]


def tree(scene):
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def items_below(scene, item):
    found = vtk.vtkIdList()
    tree(scene).GetItemChildren(item, found, True)
    return [found.GetId(i) for i in range(found.GetNumberOfIds())]


def column(table, title):
    array = table.GetTable().GetColumnByName(title)
    return [array.GetValue(i) for i in range(array.GetNumberOfValues())]


def in_world(points, parent):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    for point in points:
        node.AddControlPoint(point.tolist())
    node.SetAndObserveTransformNodeID(parent.GetID())
    moved = []
    for i in range(len(points)):
        point = [0.0, 0.0, 0.0]
        node.GetNthControlPointPositionWorld(i, point)
        moved.append(point)
    return np.array(moved)


class TestVolumes:
    def test_fused_lies_on_the_fixed_volume_and_shows_all_of_it(self, pair, imported, finished):
        fused = imported().fused
        assert np.allclose(volumes.matrix_of(fused), volumes.matrix_of(pair[0]), rtol=0, atol=1e-4)
        image = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(finished / "fused.nii.gz")))
        assert np.array_equal(volumes.array_of(fused), image)
        assert fused.GetName() == "Fused (pca)"
        display = fused.GetDisplayNode()
        assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (1.0, 0.5, 0)
        assert fused.GetParentTransformNode() is None

    def test_registered_moving_in_its_own_units_and_window(self, pair, imported):
        (registered,) = imported().registered
        assert registered.GetName() == "T1, registered"
        assert np.allclose(volumes.matrix_of(registered), volumes.matrix_of(pair[0]), rtol=0, atol=1e-4)
        assert 0.5 < volumes.array_of(registered).max() / volumes.array_of(pair[1]).max() <= 1.001
        display = registered.GetDisplayNode()
        assert (display.GetWindow(), display.GetLevel()) == (321, 123)

    def test_maps(self, imported):
        maps = imported().maps
        assert maps
        for key, node in maps.items():
            array, display = volumes.array_of(node), node.GetDisplayNode()
            assert node.GetName() == f"Fused (pca): {key.replace('_', ' ')}"
            assert display.GetLevel() - display.GetWindow() / 2 == pytest.approx(array.min(), abs=1e-6)
            assert display.GetLevel() + display.GetWindow() / 2 == pytest.approx(array.max(), abs=1e-6)

    def test_no_node_remembers_the_temporary_folder(self, scene, imported):
        imported()
        for node in made_nodes(scene):
            storage = node.GetStorageNode() if node.IsA("vtkMRMLStorableNode") else None
            assert storage is None or not storage.GetFileName()

    def test_the_fixed_volume_too_where_the_grid_is_another(self, pair, imported):
        def coarser(folder):
            for path in (folder / "fused.nii.gz", *(folder / "registered").iterdir()):
                image = SimpleITK.ReadImage(str(path))
                SimpleITK.WriteImage(SimpleITK.Shrink(image, [2, 2, 2]), str(path))

        found = imported(change=coarser)
        assert [node.GetName() for node in found.registered] == ["CT, registered", "T1, registered"]
        assert volumes.array_of(found.registered[0]).shape == (8, 20, 20)

    def test_colour(self, imported):
        def in_colour(folder):
            grey = SimpleITK.Cast(
                255 * SimpleITK.ReadImage(str(folder / "fused.nii.gz")), SimpleITK.sitkUInt8
            )
            SimpleITK.WriteImage(
                SimpleITK.Compose(grey, grey // 2, grey), str(folder / "fused_colour.nii.gz")
            )

        assert imported().colour is None
        colour = imported(change=in_colour).colour
        assert colour.IsA("vtkMRMLVectorVolumeNode")
        assert volumes.array_of(colour).shape == (16, 40, 40, 3)
        assert (colour.GetDisplayNode().GetWindow(), colour.GetDisplayNode().GetLevel()) == (255, 127.5)


class TestTransforms:
    def test_the_moving_volume_observes_it_and_its_landmarks_reach_the_fixed_ones(self, pair, imported):
        moving = pair[1]
        before = volumes.array_of(moving).copy(), volumes.matrix_of(moving)
        (transform,) = imported().transforms
        assert transform.GetName() == "T1 to fixed"
        assert moving.GetParentTransformNode() is transform
        assert np.array_equal(volumes.array_of(moving), before[0])
        assert np.array_equal(volumes.matrix_of(moving), before[1])
        assert np.abs(in_world(MOVING_LANDMARKS, transform) - FIXED_LANDMARKS).max() < 1e-6
        assert np.abs(MOVING_LANDMARKS - FIXED_LANDMARKS).max() > 5

    def test_what_was_hardened_in_the_copy_is_in_it(self, pair, imported, head):
        """The node lies elsewhere by the inverse of its parent: together they are the phantom's volume."""
        parent = rigid((20, -10, 5), (30, 20, -10))
        moved = np.linalg.inv(parent) @ head[1][1]
        pair[1].SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(moved))
        pair[1].SetAndObserveTransformNodeID(add_transform(parent).GetID())
        (transform,) = imported(hardenTransforms=True).transforms
        own = (np.c_[MOVING_LANDMARKS, np.ones(len(MOVING_LANDMARKS))] @ np.linalg.inv(parent).T)[:, :3]
        assert np.abs(in_world(own, transform) - FIXED_LANDMARKS).max() < 1e-6
        kept = transforms.matrix_from_text(transform.GetAttribute(exports.HARDENED))
        assert np.allclose(kept, parent)

    def test_a_transform_that_bends(self, pair, imported):
        field = SimpleITK.BSplineTransformInitializer(
            SimpleITK.Image([60, 60, 60], SimpleITK.sitkFloat32), [3] * 3
        )
        field.SetParameters(np.random.default_rng(0).normal(size=len(field.GetParameters())).tolist())

        def bent(folder):
            (folder / "transforms" / "moving_1.tfm").unlink()
            SimpleITK.WriteTransform(field, str(folder / "transforms" / "moving_1.h5"))

        (transform,) = imported(change=bent).transforms
        assert not transform.IsLinear()
        fixed = np.array([[20.0, 25, 30], [31, 27, 22]])
        moving = np.array([field.TransformPoint(point.tolist()) for point in fixed]) * [-1, -1, 1]
        assert np.abs(in_world(moving, transform) - fixed * [-1, -1, 1]).max() < 1e-3

    def test_none_where_nothing_moves(self, pair, imported):
        def still(folder):
            identity = SimpleITK.Transform(3, SimpleITK.sitkIdentity)
            SimpleITK.WriteTransform(identity, str(folder / "transforms" / "moving_1.tfm"))

        assert imported(change=still).transforms == (None,)
        assert pair[1].GetParentTransformNode() is None

    def test_an_earlier_result_goes_where_nothing_moves_now(self, scene, pair, imported):
        def still(folder):
            identity = SimpleITK.Transform(3, SimpleITK.sitkIdentity)
            SimpleITK.WriteTransform(identity, str(folder / "transforms" / "moving_1.tfm"))

        (transform,) = imported().transforms
        imported(change=still)
        assert pair[1].GetParentTransformNode() is None
        assert transform.GetScene() is None


class TestScores:
    def test_the_table_equals_the_provenance_with_units_and_directions(self, imported, finished):
        facts = json.loads((finished / "provenance.json").read_text(encoding="utf-8"))
        table = imported().scores
        keys = column(table, "key")
        assert keys == [*facts["metrics"], "consistency"]
        assert column(table, "better") == ["higher"] * len(keys)
        assert dict(zip(keys, column(table, "unit"), strict=True))["mi"] == "bit"
        assert dict(zip(keys, column(table, "range"), strict=True))["pe"] == "0 to 1"
        for method in ("pca", "average", "maximum"):
            assert column(table, method) == [facts["scores"][method][key] for key in keys]

    def test_a_metric_without_an_upper_end_or_a_value(self, imported):
        def undefined(folder):
            facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
            facts["metrics"]["pe"].update(range=[0.0, None], better=None)
            facts["scores"]["pca"]["pe"] = None
            (folder / "provenance.json").write_text(json.dumps(facts), encoding="utf-8")

        table = imported(change=undefined).scores
        assert column(table, "range")[0] == "0 to ∞"
        assert column(table, "better")[0] == "neither"
        assert np.isnan(column(table, "pca")[0])

    def test_the_slices_equal_the_file(self, imported, finished):
        with (finished / "metrics.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["slice"] != "whole"]
        table = imported().slices
        assert column(table, "slice") == [int(row["slice"]) for row in rows if row["method"] == "pca"]
        for title, method in (("mi", "pca"), ("mi (average)", "average")):
            wanted = [float(row["mi"] or "nan") for row in rows if row["method"] == method]
            assert np.array_equal(column(table, title), wanted, equal_nan=True)
            assert table.GetColumnUnitLabel(title) == "bit"
            assert "higher is better" in table.GetColumnDescription(title)

    def test_a_chart_for_each_unit(self, imported):
        found = imported()
        assert [chart.GetYAxisTitle() for chart in found.charts] == ["score", "bit"]
        titles = set()
        for chart in found.charts:
            for i in range(chart.GetNumberOfPlotSeriesNodes()):
                series = chart.GetNthPlotSeriesNode(i)
                assert series.GetTableNode() is found.slices
                assert series.GetXColumnName() == "slice"
                assert len(column(found.slices, series.GetYColumnName())) == len(
                    column(found.slices, "slice")
                )
                titles.add(series.GetYColumnName())
        assert titles == {"pe", "mi", "q", "cv"}

    def test_no_slice_with_content(self, imported):
        def empty(folder):
            lines = (folder / "metrics.csv").read_text().splitlines()
            kept = [line for line in lines if ",whole," in line or line.startswith("method,")]
            (folder / "metrics.csv").write_text("\n".join(kept) + "\n")

        found = imported(change=empty)
        assert column(found.slices, "slice") == []
        assert len(found.charts) == 2

    def test_provenance_summary_and_notes(self, imported, finished):
        found = imported()
        assert json.loads(found.provenance.GetText()) == json.loads(
            (finished / "provenance.json").read_text(encoding="utf-8")
        )
        assert found.summary.startswith("CT and T1 fused by pca in ")
        assert found.summary.endswith(" s.")
        verdict, *warnings = found.findings
        assert (verdict.level, verdict.about) == ("given", "Registration of T1")
        assert verdict.reasons == ("the initial transform was applied as given; not checked",)
        noted = json.loads((finished / "provenance.json").read_text(encoding="utf-8"))["warnings"]
        assert [(one.level, *one.reasons) for one in warnings] == [("warning", words) for words in noted]

    def test_it_is_named_after_what_ran(self, imported):
        def told(folder):
            change_facts(folder, lambda facts: facts["method"].update(asked="auto", why="no noise to remove"))

        found = imported(method="auto", change=told)
        assert found.fused.GetName() == "Fused (pca)"
        assert found.summary.startswith("CT and T1 fused by pca (auto: no noise to remove) in ")

    @pytest.mark.parametrize(
        "change",
        [
            lambda facts: facts["registrations"][0].update(verdict="splendid"),
            lambda facts: facts["registrations"].clear(),
            lambda facts: facts["method"].pop("key"),
            lambda facts: facts.pop("warnings"),
        ],
    )
    def test_facts_that_cannot_be_shown_are_found_before_the_scene_is_touched(
        self, scene, pair, imported, change
    ):
        before = {node.GetID(): node.GetMTime() for node in all_nodes(scene)}
        with pytest.raises(OSError, match="damaged or of another version"):
            imported(change=lambda folder: change_facts(folder, change))
        assert {node.GetID(): node.GetMTime() for node in all_nodes(scene)} == before


def change_facts(folder, change):
    path = folder / "provenance.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    change(facts)
    path.write_text(json.dumps(facts), encoding="utf-8")


class TestFolder:
    def test_one_folder_beside_the_fixed_volume(self, scene, pair, imported):
        study = tree(scene).CreateStudyItem(tree(scene).GetSceneItemID(), "Study")
        tree(scene).CreateItem(study, pair[0])
        found = imported()
        assert tree(scene).GetItemParent(found.folder_item) == study
        assert tree(scene).GetItemName(found.folder_item) == "MedFuse: Fused (pca)"
        below = {tree(scene).GetItemDataNode(item) for item in items_below(scene, found.folder_item)}
        assert below - {None} == set(made_nodes(scene))

    def test_items_that_the_application_made_are_moved(self, scene, imported, observe):
        """In the application the tree makes an item for each node at once, elsewhere."""
        hierarchy = tree(scene)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def add_item(_caller, _event, node):
            if node.IsA("vtkMRMLDisplayableNode") and not hierarchy.GetItemByDataNode(node):
                hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

        observe(scene.NodeAddedEvent, add_item)
        found = imported()
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(found.fused)) == found.folder_item
        items = [hierarchy.GetItemDataNode(item) for item in items_below(scene, hierarchy.GetSceneItemID())]
        assert len([node for node in items if node]) == len({node for node in items if node})


class TestAgain:
    def test_running_twice_changes_no_node(self, scene, imported):
        first = imported()
        before = {node.GetID(): node for node in all_nodes(scene)}
        folders = len(items_below(scene, tree(scene).GetSceneItemID()))
        second = imported()
        assert {node.GetID(): node for node in all_nodes(scene)} == before
        assert second.fused is first.fused
        assert second.folder_item == first.folder_item
        assert len(items_below(scene, tree(scene).GetSceneItemID())) == folders

    def test_what_the_user_set_to_look_at_it_stays(self, imported):
        display = imported().fused.GetDisplayNode()
        display.SetWindowLevel(0.3, 0.2)
        assert imported().fused.GetDisplayNode() is display
        assert (display.GetWindow(), display.GetLevel()) == (0.3, 0.2)

    def test_what_the_new_run_has_not_goes(self, scene, imported):
        first = imported()
        gone = next(iter(first.maps.values()))
        second = imported(change=lambda folder: shutil.rmtree(folder / "maps"))
        assert second.maps == {}
        assert gone.GetScene() is None
        items = items_below(scene, second.folder_item)
        assert not any("gain" in tree(scene).GetItemName(item) for item in items)
        assert len(made_nodes(scene)) == len([i for i in items if tree(scene).GetItemDataNode(i)])

    def test_a_new_name_is_taken_over(self, scene, imported):
        imported()
        second = imported(outputName="Second look")
        assert second.fused.GetName() == "Second look"
        assert tree(scene).GetItemName(second.folder_item) == "MedFuse: Second look"

    def test_kept_if_asked(self, scene, imported):
        first = imported()
        count = len(made_nodes(scene))
        second = imported(replaceResults=False)
        assert second.folder_item != first.folder_item
        assert len(made_nodes(scene)) == 2 * count
        names = [node.GetName() for node in (first.fused, second.fused)]
        assert len(set(names)) == 2
        third = imported()
        assert third.fused is second.fused
        assert len(made_nodes(scene)) == 2 * count
        assert first.fused.GetScene() is scene

    def test_of_other_volumes_nothing_is_replaced(self, scene, pair, imported, head):
        first = imported()
        other = add_volume(*head[1], "T1 of the other day")
        second = imported(pair[0], other)
        assert second.fused is not first.fused
        assert first.fused.GetScene() is scene
        assert second.folder_item != first.folder_item

    def test_a_folder_that_the_user_took_apart(self, scene, imported):
        first = imported()
        hierarchy = tree(scene)
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(first.fused), hierarchy.GetSceneItemID())
        second = imported()
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(second.fused)) == second.folder_item

    def test_the_sources_are_known_by_references_which_survive_saving_the_scene(self, pair, imported):
        fused = imported().fused
        assert [fused.GetNthNodeReference("MedFuse.Source", i) for i in range(2)] == pair


class TestOneStep:
    def test_the_scene_is_in_batch_mode_once_and_only_meanwhile(self, scene, imported, observe):
        seen = []
        observe(scene.StartBatchProcessEvent, lambda *_: seen.append("start"))
        observe(scene.EndBatchProcessEvent, lambda *_: seen.append("end"))
        observe(scene.NodeAddedEvent, lambda *_: seen.append(scene.IsBatchProcessing()))
        imported()
        assert (seen[0], seen[-1]) == ("start", "end")
        assert seen.count("start") == seen.count("end") == 1
        assert all(one for one in seen[1:-1])
        assert not scene.IsBatchProcessing()

    @pytest.mark.parametrize(
        "name",
        [
            "fused.nii.gz",
            "metrics.csv",
            "provenance.json",
            "registered/moving_1.nii.gz",
            "transforms/moving_1.tfm",
        ],
    )
    @pytest.mark.parametrize(
        "damage", [os.unlink, lambda path: path.write_bytes(b"{}")], ids=["missing", "damaged"]
    )
    def test_a_damaged_result_leaves_the_scene_alone(self, scene, pair, imported, name, damage):
        before = {node.GetID(): node.GetMTime() for node in all_nodes(scene)}
        with pytest.raises(OSError, match=name.split("/")[-1].split(".")[0] + "|damaged"):
            imported(change=lambda folder: damage(folder / name))
        assert {node.GetID(): node.GetMTime() for node in all_nodes(scene)} == before
        assert pair[1].GetParentTransformNode() is None
        assert not scene.IsBatchProcessing()

    def test_an_error_halfway_ends_batch_mode(self, scene, imported, monkeypatch):
        monkeypatch.setattr(results, "add_charts", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            imported()
        assert not scene.IsBatchProcessing()


class TestAnotherScene:
    """The nodes of the new scene may have the very IDs of the old one."""

    def test_a_scene_that_was_closed_gets_nothing(self, scene, pair, imported, head):
        def close(folder):
            ids = [node.GetID() for node in pair]
            scene.Clear(False)
            new = [add_volume(*one, "another patient") for one in head]
            assert [node.GetID() for node in new] == ids

        with pytest.raises(results.ResultsError, match="no longer in the scene"):
            imported(change=close)
        assert made_nodes(scene) == []
        assert all(
            scene.GetNodeByID(f"vtkMRMLScalarVolumeNode{i}").GetParentTransformNode() is None for i in (1, 2)
        )

    def test_a_volume_that_was_deleted(self, scene, pair, imported):
        with pytest.raises(results.ResultsError, match="deleted while medfuse ran"):
            imported(change=lambda folder: scene.RemoveNode(pair[1]))
        assert made_nodes(scene) == []
