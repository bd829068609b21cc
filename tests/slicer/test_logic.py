"""What Apply needs, and the command line that it becomes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from MedFuseLib import exports, logic, transforms, volumes
from MedFuseLib.jobs import MEDFUSE
from scene_factory import add_transform, add_volume, parameters

from medfuse import read_volume
from medfuse.io import read_transform
from medfuse.phantom import rigid

MATRIX = np.array([[0, -1.5, 0, 10], [1.2, 0, 0, -20], [0, 0, 3, 30], [0, 0, 0, 1.0]])
TURN = rigid((10, 20, 30), (7, -8, 9))


@pytest.fixture
def pair(scene):
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    return add_volume(array, MATRIX, "CT of Müller, Jürgen"), add_volume(
        array + 1, np.eye(4), "T1 w/ contrast"
    )


def options(prepared, name):
    words = prepared.arguments
    return [words[i + 1] for i, word in enumerate(words) if word == name]


class TestProblems:
    def test_none(self, pair):
        assert logic.problems(parameters(*pair)) == ""

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"fixedVolume": None}, "Choose the fixed volume"),
            ({"movingVolumes": []}, "Choose a moving volume"),
            ({"movingVolumes": [None]}, "Choose a moving volume"),
            ({"method": ""}, "Choose a fusion method"),
            ({"windows": ["bone", "1%-99%", "auto"]}, "3 windows for 2 volumes"),
            ({"colourMaps": ["", "", "hot"]}, "3 colourMaps for 2 volumes"),
            ({"modalities": ["CT", "MR", "US"]}, "3 modalities for 2 volumes"),
            (
                {"windows": ["", "bone"], "modalities": ["CT", "MR"]},
                'The window "bone" of "T1 w/ contrast" is in HU',
            ),
            ({"windows": ["40"]}, 'The window "40" of "CT of Müller, Jürgen" is none'),
        ],
    )
    def test_sentences(self, pair, change, sentence):
        assert sentence in logic.problems(parameters(*pair, **change))

    def test_the_same_volume_twice(self, pair):
        fixed, moving = pair
        assert "chosen twice" in logic.problems(parameters(fixed, moving, fixed))
        assert "chosen twice" in logic.problems(parameters(fixed, moving, moving))

    def test_an_empty_volume(self, scene, pair):
        empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
        assert '"empty" has no voxels' in logic.problems(parameters(pair[0], empty))
        assert '"empty" has no voxels' in logic.problems(parameters(empty, pair[0]))

    @pytest.mark.parametrize("which", [0, 1])
    def test_a_volume_under_a_transform(self, pair, which):
        pair[which].SetAndObserveTransformNodeID(add_transform(TURN, "navigation").GetID())
        assert 'is under the transform "navigation": tick' in logic.problems(parameters(*pair))
        assert logic.problems(parameters(*pair, hardenTransforms=True)) == ""

    @pytest.mark.parametrize("which", [0, 1])
    def test_a_bent_volume_cannot_be_hardened(self, scene, pair, which):
        bent = scene.AddNewNodeByClass("vtkMRMLGridTransformNode", "warp")
        pair[which].SetAndObserveTransformNodeID(bent.GetID())
        assert '"warp" is not linear' in logic.problems(parameters(*pair, hardenTransforms=True))

    def test_a_shearing_transform(self, pair):
        shear = np.eye(4)
        shear[0, 1] = 0.2
        pair[1].SetAndObserveTransformNodeID(add_transform(shear).GetID())
        assert "makes its axes sheared" in logic.problems(parameters(*pair, hardenTransforms=True))

    def test_an_initial_transform_that_cannot_be_inverted(self, pair):
        flat = add_transform(np.diag([1.0, 1, 0, 1]), "flat")
        assert '"flat" cannot be inverted' in logic.problems(parameters(*pair, initialTransform=flat))

    def test_prepare_refuses_with_the_same_sentence(self, pair, tmp_path):
        with pytest.raises(logic.LogicError, match="Choose a fusion method"):
            logic.prepare(parameters(*pair, method=""), tmp_path)
        assert list(tmp_path.iterdir()) == []


class TestArguments:
    def test_the_whole_line(self, pair, tmp_path):
        wanted = parameters(
            *pair,
            method="dip",
            preset="fast",
            methodParameters={"steps": "50", "guided": "true"},
            windows=["bone", " 1%-99%"],
            modalities=["ct", "MR"],
            colourMaps=["", "hot"],
            denoise="nlm",
            noise="rice",
            device="cpu",
            seed=7,
            acceptRegistration=True,
            downloadWeights=True,
            outputName="  Fusion  ",
        )
        prepared = logic.prepare(wanted, tmp_path)
        assert prepared.arguments == (
            *(*MEDFUSE, "fuse", "fixed.nrrd", "moving_1.nrrd", "--output", "result"),
            *("--method", "dip", "--preset", "fast", "--profile", "ma2021", "--device", "cpu", "--seed", "7"),
            *("--denoise", "nlm", "--noise", "rice"),
            *("--parameter", "steps=50", "--parameter", "guided=true"),
            *("--no-registration", "--accept-registration", "--download-weights"),
            *("--modality", "CT", "--modality", "MR"),
            *("--window", "1=bone", "--window", "2=1%-99%", "--colour-map", "2=hot"),
            *("--progress", "json", "--cancel-file", "cancel"),
        )
        assert prepared.output == tmp_path / "result"
        assert prepared.cancel_file == tmp_path / "cancel"
        assert prepared.name == "Fusion"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["fixed.nrrd", "moving_1.nrrd"]

    def test_the_command_line_knows_every_option(self, pair, tmp_path):
        from typer.main import get_command

        from medfuse.cli import app

        everything = parameters(
            *pair,
            preset="auto",
            methodParameters={"a": "1"},
            windows=["auto", "40/80"],
            modalities=["CT", "PT"],
            colourMaps=["", "hot"],
            denoise="tv",
            noise="auto",
            acceptRegistration=True,
            downloadWeights=True,
            initialTransform=add_transform(TURN),
        )
        prepared = logic.prepare(everything, tmp_path)
        known = {name for one in get_command(app).commands["fuse"].params for name in one.opts}
        assert {word for word in prepared.arguments[3:] if word.startswith("--")} <= known

    def test_empty_fields_leave_it_to_the_command_line(self, pair, tmp_path):
        prepared = logic.prepare(parameters(*pair, profile="", device="", windows=["", "40/80"]), tmp_path)
        assert "--profile" not in prepared.arguments
        assert "--preset" not in prepared.arguments
        assert "--modality" not in prepared.arguments
        assert "--denoise" not in prepared.arguments
        assert options(prepared, "--window") == ["2=40/80"]

    def test_no_name_of_a_patient_on_the_line_or_in_a_file_name(self, pair, tmp_path):
        prepared = logic.prepare(parameters(*pair), tmp_path)
        assert not any("ller" in word for word in prepared.arguments)

    def test_what_the_panel_becomes_meanwhile_does_not_matter(self, pair, tmp_path):
        asked = parameters(*pair)
        prepared = logic.prepare(asked, tmp_path)
        asked.fixedVolume, asked.replaceResults = None, False
        asked.movingVolumes.clear()
        assert (prepared.fixed.node, prepared.moving[0].node) == pair
        assert prepared.replace

    def test_the_user_s_modality_goes_first_and_none_is_left_empty(self, pair, tmp_path):
        pair[0].SetAttribute("MedFuse.Modality", "CT")
        assert options(logic.prepare(parameters(*pair), tmp_path), "--modality") == ["CT", ""]
        asked = parameters(*pair, modalities=["", "us"])
        assert options(logic.prepare(asked, tmp_path), "--modality") == ["CT", "US"]


class TestPlaces:
    """Where the exported copies lie: fixed → moving by the start has to lead where the scene shows it."""

    def exported(self, prepared, name):
        return read_volume(prepared.folder / name, modality="OT").geometry.to_ras_affine()

    def start(self, prepared, number=1):
        """4×4 in RAS from the moving copy to the fixed volume."""
        mirror = np.diag([-1.0, -1, 1, 1])
        transform = read_transform(prepared.folder / options(prepared, "--initial-transform")[number - 1])
        points = [transform.TransformPoint(p) for p in ([0.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0])]
        matrix = np.eye(4)
        matrix[:3, 3] = points[0]
        matrix[:3, :3] = np.transpose([np.subtract(point, points[0]) for point in points[1:]])
        return mirror @ np.linalg.inv(matrix) @ mirror

    def test_as_they_are(self, pair, tmp_path):
        prepared = logic.prepare(parameters(*pair), tmp_path)
        assert np.allclose(self.exported(prepared, "fixed.nrrd"), MATRIX, atol=1e-12)
        assert "--initial-transform" not in prepared.arguments

    @pytest.mark.parametrize("which", [0, 1])
    def test_hardened_in_the_copy_alone(self, pair, tmp_path, which):
        node = pair[which]
        own = volumes.matrix_of(node)
        parent = add_transform(TURN)
        node.SetAndObserveTransformNodeID(parent.GetID())
        prepared = logic.prepare(parameters(*pair, hardenTransforms=True), tmp_path)
        name = ("fixed.nrrd", "moving_1.nrrd")[which]
        assert np.allclose(self.exported(prepared, name), TURN @ own, atol=1e-10)
        assert np.array_equal(volumes.matrix_of(node), own)
        assert node.GetParentTransformNode() is parent

    def test_the_initial_transform(self, pair, tmp_path):
        prepared = logic.prepare(parameters(*pair, initialTransform=add_transform(TURN)), tmp_path)
        assert np.allclose(self.start(prepared), TURN, atol=1e-10)

    def test_the_initial_transform_that_the_volume_is_under_is_not_applied_twice(self, pair, tmp_path):
        node = add_transform(TURN)
        pair[1].SetAndObserveTransformNodeID(node.GetID())
        for harden in (False, True):
            asked = parameters(*pair, initialTransform=node, hardenTransforms=harden)
            prepared = logic.prepare(asked, tmp_path)
            assert np.allclose(self.exported(prepared, "moving_1.nrrd"), np.eye(4))
            assert np.allclose(self.start(prepared), TURN, atol=1e-10)

    def test_the_initial_transform_comes_after_a_hardened_one(self, pair, tmp_path):
        first = rigid((1, 2, 3), (4, 5, 6))
        pair[1].SetAndObserveTransformNodeID(add_transform(first).GetID())
        asked = parameters(*pair, initialTransform=add_transform(TURN), hardenTransforms=True)
        prepared = logic.prepare(asked, tmp_path)
        assert np.allclose(self.exported(prepared, "moving_1.nrrd"), first, atol=1e-10)
        assert np.allclose(self.start(prepared), TURN, atol=1e-10)

    def result_of_an_earlier_run(self, node):
        parent = add_transform(TURN, "T1 to fixed")
        parent.SetAttribute(exports.ROLE, "transform 1")
        node.SetAndObserveTransformNodeID(parent.GetID())
        return parent

    def test_the_result_of_an_earlier_run_is_looked_through(self, pair, tmp_path):
        self.result_of_an_earlier_run(pair[1])
        prepared = logic.prepare(parameters(*pair, registration="rigid"), tmp_path)
        assert np.allclose(self.exported(prepared, "moving_1.nrrd"), np.eye(4))
        assert "--initial-transform" not in prepared.arguments

    def test_and_what_was_hardened_then_is_hardened_again(self, pair, tmp_path):
        first = rigid((1, 2, 3), (4, 5, 6))
        parent = self.result_of_an_earlier_run(pair[1])
        parent.SetAttribute(exports.HARDENED, transforms.matrix_to_text(first))
        prepared = logic.prepare(parameters(*pair, registration="rigid"), tmp_path)
        assert np.allclose(self.exported(prepared, "moving_1.nrrd"), first, atol=1e-10)

    def test_without_registration_it_is_what_aligns(self, pair, tmp_path):
        self.result_of_an_earlier_run(pair[1])
        prepared = logic.prepare(parameters(*pair, registration="none"), tmp_path)
        assert np.allclose(self.exported(prepared, "moving_1.nrrd"), np.eye(4))
        assert np.allclose(self.start(prepared), TURN, atol=1e-10)

    def test_each_moving_volume_gets_a_start(self, scene, pair, tmp_path):
        third = add_volume(np.zeros((3, 4, 5), np.int16), np.eye(4), "T2")
        self.result_of_an_earlier_run(third)
        prepared = logic.prepare(parameters(*pair, third, registration="none"), tmp_path)
        assert np.allclose(self.start(prepared, 1), np.eye(4))
        assert np.allclose(self.start(prepared, 2), TURN, atol=1e-10)
        asked = parameters(*pair, third, initialTransform=add_transform(TURN), registration="rigid")
        prepared = logic.prepare(asked, tmp_path)
        assert np.allclose([self.start(prepared, 1), self.start(prepared, 2)], [TURN, TURN], atol=1e-10)


def test_nodes_are_not_altered(pair, tmp_path):
    before = [(node.GetMTime(), node.GetImageData().GetMTime()) for node in pair]
    logic.prepare(parameters(*pair), tmp_path)
    assert [(node.GetMTime(), node.GetImageData().GetMTime()) for node in pair] == before


def test_a_folder_that_cannot_be_written(pair, tmp_path):
    with pytest.raises(OSError, match="absent"):
        logic.prepare(parameters(*pair), Path(tmp_path / "absent"))
