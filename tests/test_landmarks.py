"""Landmarks: read in the right space, paired, and joined by the best pose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from medfuse.errors import MedfuseError, ParameterError, ReadError
from medfuse.io.landmarks import read_landmarks
from medfuse.landmarks import fit_landmarks, fit_points, match, rms

POINTS = np.array([[10.0, -20, 30], [-40, 5, 60], [0, 70, -15], [25, 33, 8]])
LABELS = ("nasion", "left ear", "right ear", "vertex")
RAS = np.array([-1.0, -1, 1])


def pose(angles: tuple[float, ...], shift: tuple[float, ...]) -> np.ndarray:
    transform = SimpleITK.Euler3DTransform()
    transform.SetRotation(*np.radians(angles))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = np.reshape(transform.GetMatrix(), (3, 3)), shift
    return matrix


def moved(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def fcsv(path: Path, points=POINTS, labels=LABELS, system="LPS") -> Path:
    rows = [
        f"vtkMRML_{i},{x},{y},{z},0,0,0,1,1,1,0,{label},,"
        for i, ((x, y, z), label) in enumerate(zip(points, labels, strict=True))
    ]
    head = ["# Markups fiducial file version = 4.11", f"# CoordinateSystem = {system}"]
    head += ["# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"]
    path.write_text("\n".join([*head, *rows, ""]))
    return path


def mrk(path: Path, points=POINTS, labels=LABELS, **fields) -> Path:
    control = [
        {"id": str(i), "label": label, "position": list(map(float, point)), "positionStatus": "defined"}
        for i, (point, label) in enumerate(zip(points, labels, strict=True))
    ]
    markup = {
        "type": "Fiducial",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "controlPoints": control,
    }
    path.write_text(json.dumps({"markups": [{**markup, **fields}]}))
    return path


class TestReading:
    @pytest.mark.parametrize(
        ("system", "factor"), [("LPS", 1), ("1", 1), ("lps", 1), ("RAS", RAS), ("0", RAS)]
    )
    def test_fcsv_in_either_system(self, tmp_path: Path, system: str, factor) -> None:
        found = read_landmarks(fcsv(tmp_path / "a.fcsv", POINTS * factor, system=system))
        np.testing.assert_allclose(found.points, POINTS, atol=1e-12)
        assert found.labels == LABELS
        assert found.notes == ()

    @pytest.mark.parametrize(
        ("fields", "factor"),
        [
            ({}, 1),
            ({"coordinateSystem": "RAS"}, RAS),
            ({"coordinateUnits": ["mm", "mm", "mm"]}, 1),
            ({"coordinateUnits": "cm"}, 0.1),
        ],
    )
    def test_json_in_either_system_and_unit(self, tmp_path: Path, fields, factor) -> None:
        found = read_landmarks(mrk(tmp_path / "a.mrk.json", POINTS * factor, **fields))
        np.testing.assert_allclose(found.points, POINTS, atol=1e-12)
        assert found.labels == LABELS

    def test_a_point_on_the_left_is_positive_in_lps(self, tmp_path: Path) -> None:
        left = read_landmarks(fcsv(tmp_path / "a.fcsv", [[-50, 0, 0]], ["l"], "RAS"))
        assert left.points.tolist() == [[50, 0, 0]]

    def test_json_without_a_system_is_lps_with_a_note(self, tmp_path: Path) -> None:
        found = read_landmarks(mrk(tmp_path / "a.mrk.json", coordinateSystem=None))
        np.testing.assert_array_equal(found.points, POINTS)
        assert "taken as LPS" in found.notes[0]

    def test_points_that_were_never_placed(self, tmp_path: Path) -> None:
        path = mrk(tmp_path / "a.mrk.json")
        content = json.loads(path.read_text())
        content["markups"][0]["controlPoints"][1].update(positionStatus="undefined", position=[0, 0, 0])
        path.write_text(json.dumps(content))
        found = read_landmarks(path)
        assert found.labels == (LABELS[0], *LABELS[2:])
        assert "1 point(s) that were never placed" in found.notes[0]

    def test_labels_in_quotes(self, tmp_path: Path) -> None:
        found = read_landmarks(fcsv(tmp_path / "a.fcsv", POINTS[:1], ['"tip, left"']))
        assert found.labels == ("tip, left",)

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("a.fcsv", "1,2,3,4\n", "does not say its coordinate system; add the line"),
            ("a.fcsv", "# CoordinateSystem = 2\n", "coordinates in 'IJK'; expected LPS or RAS"),
            ("a.fcsv", "# CoordinateSystem = LPS\n", "no placed points"),
            ("a.fcsv", "# CoordinateSystem = LPS\n1,2,x,4,0,0,0,1,1,1,0,a,,\n", "point 1 has no three"),
            ("a.fcsv", "# CoordinateSystem = LPS\n1,2,nan,4,0,0,0,1,1,1,0,a,,\n", "not a finite number"),
            ("a.fcsv", "# CoordinateSystem = LPS\n# columns = id,label\n1,a\n", "do not name x, y and z"),
            ("a.json", "{", "not JSON"),
            ("a.json", "[]", "holds 0 point lists"),
            ("a.json", '{"markups": [{"type": "Line"}]}', "holds 0 point lists"),
            ("a.json", '{"markups": [{"type": "Fiducial"}, {"type": "Fiducial"}]}', "holds 2 point lists"),
            ("a.json", '{"markups": [{"type": "Fiducial", "coordinateUnits": "voxel"}]}', "in 'voxel'"),
            ("a.json", '{"markups": [{"type": "Fiducial", "coordinateSystem": "XYZ"}]}', "in 'XYZ'"),
            ("a.json", '{"markups": 3}', "holds 0 point lists"),
            ("a.json", '{"markups": [{"type": "Fiducial", "coordinateUnits": {}}]}', "expected mm"),
            ("a.json", '{"markups": [{"type": "Fiducial", "controlPoints": [3]}]}', "no list of points"),
            ("a.json", '{"markups": [{"type": "Fiducial", "controlPoints": 3}]}', "no list of points"),
            ("a.csv", "1,2,3", r"expected \.fcsv or \.mrk\.json"),
        ],
    )
    def test_refused(self, tmp_path: Path, name: str, text: str, message: str) -> None:
        (tmp_path / name).write_text(text)
        with pytest.raises(ReadError, match=message):
            read_landmarks(tmp_path / name)

    def test_a_missing_file_and_bytes(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="does not exist"):
            read_landmarks(tmp_path / "a.fcsv")
        (tmp_path / "a.fcsv").write_bytes(b"\xff\xfe\x00\x81")
        with pytest.raises(ReadError, match="cannot be read"):
            read_landmarks(tmp_path / "a.fcsv")


class TestMatching:
    def test_by_label_whatever_the_order(self) -> None:
        assert match(("a", "b", "c"), ("c", "a", "b")) == ([(0, 1), (1, 2), (2, 0)], ())

    def test_partners_that_are_missing(self) -> None:
        pairs, notes = match(("a", "b", "c", "d"), ("c", "a", "b", "e", "f"))
        assert pairs == [(0, 1), (1, 2), (2, 0)]
        assert notes == ("landmarks: 3 without a partner of the same label are left out",)

    @pytest.mark.parametrize(
        ("fixed", "moving", "why"),
        [
            (("F-1", "F-2", "F-3"), ("M-1", "M-2", "M-3"), "no label is in both"),
            (("a", "a", "b"), ("a", "b", "a"), "labels are there twice"),
            (("", "", ""), ("", "", ""), "labels are there twice"),
        ],
    )
    def test_by_order_with_a_note(self, fixed, moving, why) -> None:
        pairs, notes = match(fixed, moving)
        assert pairs == [(0, 0), (1, 1), (2, 2)]
        assert why in notes[0]

    def test_refused(self) -> None:
        with pytest.raises(ParameterError, match=r"only 2 landmark label.* in both files \(‹a›, ‹b›\)"):
            match(("a", "b", "c"), ("a", "b", "d"))
        with pytest.raises(ParameterError, match="3 landmarks of the fixed and 4 of the moving"):
            match(("a", "b", "c"), ("d", "e", "f", "g"))


class TestFit:
    @settings(max_examples=50)
    @given(st.tuples(*[st.floats(-180, 180)] * 3), st.tuples(*[st.floats(-300, 300)] * 3), st.integers(3, 4))
    def test_any_pose_is_found_exactly(self, angles, shift, count) -> None:
        matrix = pose(angles, shift)
        np.testing.assert_allclose(
            fit_points(POINTS[:count], moved(matrix, POINTS[:count])), matrix, atol=1e-9
        )

    def test_equals_the_fit_of_itk(self) -> None:
        """ITK's landmark initialiser (Horn's quaternions) on noisy points."""
        rng = np.random.default_rng(3)
        moving = moved(pose((20, -30, 40), (5, 6, 7)), POINTS) + rng.normal(0, 3, POINTS.shape)
        itk = SimpleITK.VersorRigid3DTransform(
            SimpleITK.LandmarkBasedTransformInitializer(
                SimpleITK.VersorRigid3DTransform(), POINTS.ravel().tolist(), moving.ravel().tolist()
            )
        )
        found = moved(fit_points(POINTS, moving), POINTS)
        np.testing.assert_allclose(found, [itk.TransformPoint(p) for p in POINTS.tolist()], atol=1e-6)

    def test_no_small_move_does_better(self) -> None:
        rng = np.random.default_rng(4)
        moving = POINTS + rng.normal(0, 5, POINTS.shape)
        best = fit_points(POINTS, moving)

        def error(matrix):
            return np.square(moved(matrix, POINTS) - moving).sum()

        for _ in range(50):
            nudge = pose(tuple(rng.normal(0, 0.5, 3)), tuple(rng.normal(0, 0.3, 3)))
            assert error(best) <= error(best @ nudge)

    def test_mirrored_landmarks_give_a_rotation_all_the_same(self) -> None:
        found = fit_points(POINTS, POINTS * [-1, 1, 1])
        assert np.linalg.det(found[:3, :3]) == pytest.approx(1)

    @pytest.mark.parametrize(
        ("points", "message"),
        [
            (POINTS[:2], "2 landmarks: at least 3"),
            (np.outer([0, 1, 2, 5], [1.0, 2, 3]), "fixed volume lie on one line"),
            (np.outer([0, 10, 20, 50], [1.0, 2, 3]) + np.eye(4, 3) * 0.2, "fixed volume lie on one line"),
            (np.ones((3, 3)), "lie on one line"),
        ],
    )
    def test_refused(self, points, message) -> None:
        with pytest.raises(ParameterError, match=message):
            fit_points(points, POINTS[: len(points)])

    def test_a_line_in_the_moving_volume(self) -> None:
        with pytest.raises(ParameterError, match="moving volume lie on one line"):
            fit_points(POINTS, np.outer([0, 1, 2, 5], [1.0, 2, 3]))


class TestFiles:
    def test_from_two_files_of_different_kinds(self, tmp_path: Path) -> None:
        matrix = pose((5, 10, 175), (1, 2, 3))
        fixed = fcsv(tmp_path / "f.fcsv", POINTS * RAS, system="RAS")
        moving = mrk(tmp_path / "m.mrk.json", moved(matrix, POINTS)[::-1], LABELS[::-1])
        fit = fit_landmarks(fixed, moving)
        np.testing.assert_allclose(fit.pose, matrix, atol=1e-9)
        assert fit.labels == LABELS
        assert fit.errors.max() < 1e-9
        transform = fit.to_itk()
        assert fit.errors_under(transform).max() < 1e-6
        assert fit.errors_under(SimpleITK.TranslationTransform(3)).min() > 1

    def test_the_error_of_each_point(self, tmp_path: Path) -> None:
        """Closed form: a square whose corners move out by 1 mm along the diagonals keeps the pose."""
        square = np.array([[10.0, 10, 0], [-10, 10, 0], [-10, -10, 0], [10, -10, 0]])
        out = square * (1 + 1 / np.linalg.norm(square[0]))
        labels = ("a", "b", "c", "d")
        fit = fit_landmarks(fcsv(tmp_path / "f.fcsv", square, labels), fcsv(tmp_path / "m.fcsv", out, labels))
        np.testing.assert_allclose(fit.pose, np.eye(4), atol=1e-9)
        np.testing.assert_allclose(fit.errors, 1, atol=1e-9)
        assert rms(fit.errors) == pytest.approx(1)
        assert "4 landmarks, fiducial registration error 1.00 mm" in fit.describe()

    def test_errors_name_the_remedy(self, tmp_path: Path) -> None:
        two = fcsv(tmp_path / "f.fcsv", POINTS[:2], ("x", "y"))
        with pytest.raises(MedfuseError, match="at least 3"):
            fit_landmarks(two, two)
