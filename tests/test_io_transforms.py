"""Every kind of transform file leads to the same points, whatever its space, direction and grids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from oriented import ORIENTED

from medfuse.errors import ParameterError, ReadError, UnknownNameError, WriteError
from medfuse.io import open_transform, read_transform, write_transform
from medfuse.io.transforms import CONVENTIONS
from medfuse.io.transforms.numbers import parse
from medfuse.io.transforms.voxel_based import from_flirt
from medfuse.transforms import flipped, inverse, to_affine
from medfuse.volume import Geometry, StoredGrid

POINTS = np.random.default_rng(0).uniform(-100, 100, (5, 3))
FLIP = np.diag([-1.0, -1, 1])  # between LPS and RAS


def turn(x: float, y: float, z: float) -> np.ndarray:
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians([x, y, z])), np.sin(np.radians([x, y, z]))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def matrix_of(rotation: np.ndarray, shift: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, shift
    return matrix


LPS = matrix_of(turn(3, -5, 8), (4, -7, 9))  # fixed to moving points


def mapped(transform: SimpleITK.Transform, points: np.ndarray = POINTS) -> np.ndarray:
    return np.array([transform.TransformPoint(point) for point in points.tolist()])


def moved(matrix: np.ndarray, points: np.ndarray = POINTS) -> np.ndarray:
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def grids(fixed: Geometry, moving: Geometry) -> tuple[StoredGrid, StoredGrid]:
    return StoredGrid.of(fixed), StoredGrid.of(moving)


def rigid() -> SimpleITK.Transform:
    return SimpleITK.Euler3DTransform((1.0, 2.0, 3.0), 0.1, 0.2, 0.3, (10.0, 20.0, 30.0))


def deformable() -> SimpleITK.Transform:
    field = np.random.default_rng(1).normal(size=(6, 6, 6, 3))
    image = SimpleITK.GetImageFromArray(field, isVector=True)
    image.SetSpacing((50.0, 50.0, 50.0))
    image.SetOrigin((-125.0, -125.0, -125.0))
    image = SimpleITK.Cast(image, SimpleITK.sitkVectorFloat64)
    return SimpleITK.CompositeTransform([rigid(), SimpleITK.DisplacementFieldTransform(image)])


class TestItk:
    @pytest.mark.parametrize("suffix", [".tfm", ".txt", ".h5"])
    @pytest.mark.parametrize("make", [rigid, deformable])
    def test_written_and_read_again(self, tmp_path: Path, suffix: str, make) -> None:
        write_transform(make(), tmp_path / f"t{suffix}")
        back = open_transform(tmp_path / f"t{suffix}")
        assert back.notes == ()
        np.testing.assert_allclose(mapped(back.transform), mapped(make()), atol=1e-9)

    def test_matlab_files_as_ants_writes_them(self, tmp_path: Path) -> None:
        SimpleITK.WriteTransform(rigid(), str(tmp_path / "t0GenericAffine.mat"))
        back = read_transform(tmp_path / "t0GenericAffine.mat")
        np.testing.assert_allclose(mapped(back), mapped(rigid()), atol=1e-9)

    def test_the_inverse(self, tmp_path: Path) -> None:
        write_transform(rigid(), tmp_path / "t.tfm")
        back = read_transform(tmp_path / "t.tfm", "inverse")
        np.testing.assert_allclose(mapped(back, mapped(rigid())), POINTS, atol=1e-9)

    def test_what_has_no_inverse(self, tmp_path: Path) -> None:
        write_transform(SimpleITK.BSplineTransform(3), tmp_path / "t.tfm")
        with pytest.raises(ParameterError, match=r"t\.tfm: a .* has no inverse in closed form"):
            open_transform(tmp_path / "t.tfm", "inverse")

    def test_a_space_does_not_apply(self, tmp_path: Path) -> None:
        write_transform(rigid(), tmp_path / "t.tfm")
        with pytest.raises(ParameterError, match="says itself that it is in LPS"):
            read_transform(tmp_path / "t.tfm", "ras")

    def test_an_existing_file_is_kept_unless_overwrite(self, tmp_path: Path) -> None:
        path = tmp_path / "t.tfm"
        write_transform(rigid(), path)
        before = path.read_bytes()
        with pytest.raises(WriteError, match="exists already"):
            write_transform(rigid(), path)
        write_transform(rigid().GetInverse(), path, overwrite=True)
        assert path.read_bytes() != before
        assert [file.name for file in tmp_path.iterdir()] == ["t.tfm"]

    @pytest.mark.parametrize("name", ["t.mat", "t.npy", "t"])
    def test_other_suffixes_are_not_written(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(WriteError, match=r"written as \.tfm, \.txt, \.h5"):
            write_transform(rigid(), tmp_path / name)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="does not exist"):
            read_transform(tmp_path / "t.tfm")

    def test_a_damaged_file(self, tmp_path: Path) -> None:
        (tmp_path / "t.tfm").write_text("#Insight Transform File V1.0\nTransform: Nothing_double_3_3\n")
        with pytest.raises(ReadError, match="cannot be read as a transform") as caught:
            read_transform(tmp_path / "t.tfm")
        assert "\n" not in str(caught.value)

    def test_a_transform_of_the_plane(self, tmp_path: Path) -> None:
        SimpleITK.WriteTransform(SimpleITK.Euler2DTransform(), str(tmp_path / "t.tfm"))
        with pytest.raises(ReadError, match="2-D transform"):
            read_transform(tmp_path / "t.tfm")


class TestMatrices:
    def save(self, folder: Path, matrix: np.ndarray, name: str = "m.txt", **how) -> Path:
        np.savetxt(folder / name, matrix, **how)
        return folder / name

    @pytest.mark.parametrize(
        ("convention", "matrix", "said"),
        [
            ("", LPS, "fixed to moving points in LPS"),
            ("lps", LPS, "fixed to moving points in LPS"),
            ("lps-inverse", np.linalg.inv(LPS), "moving to fixed points in LPS"),
            ("inverse", np.linalg.inv(LPS), "moving to fixed points in LPS"),
            ("ras", flipped(LPS), "fixed to moving points in RAS"),
            ("ras-inverse", flipped(np.linalg.inv(LPS)), "moving to fixed points in RAS"),
        ],
    )
    def test_every_convention_leads_to_the_same_points(self, tmp_path, convention, matrix, said) -> None:
        transform, notes = open_transform(self.save(tmp_path, matrix), convention)
        np.testing.assert_allclose(mapped(transform), moved(LPS), atol=1e-9)
        assert [said in note for note in notes] == [True]

    def test_a_landmark_tells_lps_from_ras(self, tmp_path: Path) -> None:
        """A shift of 10 mm to the patient's left is +10 along x in LPS and −10 in RAS."""
        path = self.save(tmp_path, matrix_of(np.eye(3), (10, 0, 0)))
        assert read_transform(path).TransformPoint((1.0, 2.0, 3.0)) == (11, 2, 3)
        assert read_transform(path, "ras").TransformPoint((1.0, 2.0, 3.0)) == (-9, 2, 3)
        assert read_transform(path, "ras-inverse").TransformPoint((1.0, 2.0, 3.0)) == (11, 2, 3)

    def test_slicers_matrix_is_the_inverse_in_ras(self, tmp_path: Path) -> None:
        """A node's matrix to parent moves the moving volume's RAS points onto the fixed ones."""
        to_parent = matrix_of(turn(10, 20, -30), (5, 6, 7))
        transform = read_transform(self.save(tmp_path, to_parent), "ras-inverse")
        moving_ras = POINTS
        fixed_ras = moved(to_parent, moving_ras)
        np.testing.assert_allclose(mapped(transform, fixed_ras @ FLIP), moving_ras @ FLIP, atol=1e-9)

    @settings(max_examples=25)
    @given(
        st.tuples(*[st.floats(-180, 180)] * 3),
        st.tuples(*[st.floats(-300, 300)] * 3),
        st.sampled_from(["%.10g", "%.6f"]),
    )
    def test_any_rigid_matrix_survives_text(self, tmp_path_factory, angles, shift, how) -> None:
        matrix = matrix_of(turn(*angles), shift)
        path = self.save(tmp_path_factory.mktemp("m"), matrix, fmt=how)
        found = mapped(read_transform(path))
        np.testing.assert_allclose(found, moved(matrix), atol=1e-3)
        apart = np.linalg.norm(found[0] - found[1])
        assert apart == pytest.approx(np.linalg.norm(POINTS[0] - POINTS[1]), abs=1e-9)

    def test_rounded_numbers_are_said(self, tmp_path: Path) -> None:
        _, notes = open_transform(self.save(tmp_path, LPS, fmt="%.4f"))
        assert any("nearest rotation" in note for note in notes)
        _, notes = open_transform(self.save(tmp_path, LPS, fmt="%.12f"))
        assert not any("nearest rotation" in note for note in notes)

    def test_an_affine_is_kept_as_it_is(self, tmp_path: Path) -> None:
        affine = LPS @ np.diag([1.01, 0.98, 1.2, 1])
        found = read_transform(self.save(tmp_path, affine, fmt="%.17g"))
        np.testing.assert_allclose(mapped(found), moved(affine), rtol=0, atol=1e-10)

    @pytest.mark.parametrize(
        "text",
        [
            "1,0,0,4\n0,1,0,-7\n0,0,1,9\n0,0,0,1\n",
            "# from the scanner\n\n 1 0 0 4 \n0 1 0 -7 % x\n0 0 1 9\n0 0 0 1",
        ],
    )
    def test_commas_and_comments(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "m.csv").write_text(text)
        assert read_transform(tmp_path / "m.csv").TransformPoint((0.0, 0.0, 0.0)) == (4, -7, 9)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "hello",
            "1 0 0\n0 1 0\n0 0 1\n",
            "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 2\n",
            "1 0 0 0\n0 1 0 0\n0 0 nan 0\n0 0 0 1\n",
            "1 0 0 0\n1 0 0 0\n0 0 1 0\n0 0 0 1\n",
            "1 0 0 0\n0 1 0 0\n0 0 one 0\n0 0 0 1\n",
            "1 0 0 0\n" * 20000,
        ],
    )
    def test_other_text_is_refused_with_the_remedy(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "m.txt").write_text(text)
        with pytest.raises(
            ReadError, match=r"m\.txt: not a transform that is known; expected.*Slicer.*FLIRT"
        ):
            read_transform(tmp_path / "m.txt")

    def test_bytes_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "m.tfm").write_bytes(bytes(range(256)) * 8)
        with pytest.raises(ReadError, match="not a transform that is known"):
            read_transform(tmp_path / "m.tfm")

    def test_a_mirror_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="mirrors left and right"):
            read_transform(self.save(tmp_path, np.diag([-1.0, 1, 1, 1])))

    def test_unknown_conventions(self, tmp_path: Path) -> None:
        with pytest.raises(
            UnknownNameError, match=r"unknown transform convention 'rsa'\. Did you mean 'ras'"
        ):
            read_transform(self.save(tmp_path, LPS), "rsa")
        assert len(set(CONVENTIONS)) == 7

    def test_parse_and_to_affine_are_each_others_inverse(self) -> None:
        text = "\n".join(" ".join(f"{v:.17g}" for v in row) for row in LPS)
        np.testing.assert_array_equal(parse(text), LPS)
        np.testing.assert_allclose(mapped(to_affine(LPS)), moved(LPS), atol=1e-12)
        np.testing.assert_allclose(inverse(LPS) @ LPS, np.eye(4), atol=1e-12)


class TestFlirt:
    FIXED = ORIENTED["oblique"]  # right-handed: FLIRT counts its x from the other end
    MOVING = {  # noqa: RUF012
        "RAS": Geometry((9, 8, 6), (1.1, 1.3, 2.0), (60, 50, -30), np.diag([-1.0, -1, 1])),
        "LAS": Geometry((9, 8, 6), (1.1, 1.3, 2.0), (-60, 50, -30), np.diag([1.0, -1, 1])),
    }
    # What nitransforms 25.1 (MIT) writes for the RAS matrix LPS above between these grids.
    ROTATION = ((-0.607086518, 0.689589910, -0.394856577), (-0.794500738, -0.535903141, 0.285615826),
                (-0.0146470885, 0.487107359, 0.873219264))  # fmt: skip
    SHIFT = {"RAS": (-12.8421388, -137.180350, -141.269673), "LAS": (54.6658820, -48.8318678, -139.640917)}  # noqa: RUF012

    @pytest.mark.parametrize("hand", ["RAS", "LAS"])
    def test_equals_what_others_computed(self, tmp_path: Path, hand: str) -> None:
        np.savetxt(tmp_path / "m.mat", matrix_of(np.array(self.ROTATION), self.SHIFT[hand]))
        transform, notes = open_transform(tmp_path / "m.mat", "", grids(self.FIXED, self.MOVING[hand]))
        np.testing.assert_allclose(mapped(transform), moved(flipped(LPS)), atol=1e-5)
        assert "-in MOVING -ref FIXED" in notes[0]

    @pytest.mark.parametrize("hand", ["RAS", "LAS"])
    def test_the_identity_joins_the_first_voxels_by_the_formula(self, hand: str) -> None:
        """Millimetres (0, 0, 0) are voxel (0, 0, 0) of a left-handed grid, the other end of x of another."""
        fixed = ORIENTED["LAS"]
        moving = self.MOVING[hand]
        found = moved(
            from_flirt(np.eye(4), StoredGrid.of(fixed), StoredGrid.of(moving)),
            fixed.world([[0, 0, 0], [1, 0, 0]]),
        )
        x = 0 if hand == "LAS" else moving.size[0] - 1
        step = (1 if hand == "LAS" else -1) * fixed.spacing[0] / moving.spacing[0]
        np.testing.assert_allclose(found, moving.world([[x, 0, 0], [x + step, 0, 0]]), atol=1e-9)

    @pytest.mark.parametrize("name", ORIENTED)
    def test_made_the_other_way_round(self, tmp_path: Path, name: str) -> None:
        matrix = matrix_of(turn(5, 6, 7), (1, 2, 3))
        np.savetxt(tmp_path / "m.mat", matrix)
        fixed, moving = self.FIXED, ORIENTED[name]
        there = read_with(tmp_path / "m.mat", "", fixed, moving)
        back = read_with(tmp_path / "m.mat", "inverse", moving, fixed)
        np.testing.assert_allclose(mapped(back, mapped(there)), POINTS, atol=1e-9)
        np.savetxt(tmp_path / "m.txt", matrix)
        same = read_with(tmp_path / "m.txt", "fsl", fixed, moving)
        np.testing.assert_allclose(mapped(same), mapped(there), atol=1e-12)

    def test_needs_grids(self, tmp_path: Path) -> None:
        np.savetxt(tmp_path / "m.mat", np.eye(4))
        with pytest.raises(ParameterError, match="those of the NIfTI files it had"):
            read_transform(tmp_path / "m.mat")
        assert read_transform(tmp_path / "m.mat", "lps").TransformPoint((1.0, 2.0, 3.0)) == (1, 2, 3)


def read_with(path: Path, convention: str, fixed: Geometry, moving: Geometry) -> SimpleITK.Transform:
    return open_transform(path, convention, grids(fixed, moving)).transform


def lta(kind: int, matrix: np.ndarray, source: Geometry | None, target: Geometry | None) -> str:
    """As FreeSurfer writes it."""
    lines = ["# transform file", f"type      = {kind} # words", "nxforms   = 1", "mean      = 0 0 0"]
    lines += ["sigma     = 1.0", "1 4 4", *(" ".join(f"{v:.15e}" for v in row) for row in matrix)]
    for name, grid in (("src", source), ("dst", target)):
        lines += [f"{name} volume info", f"valid = {int(grid is not None)}  # volume info valid"]
        if grid is not None:
            affine = grid.to_ras_affine()
            centre = affine @ [*(np.array(grid.size) / 2), 1]
            rows = {"volume": grid.size, "voxelsize": grid.spacing}
            rows |= {f"{a}ras": affine[:3, i] / grid.spacing[i] for i, a in enumerate("xyz")}
            rows |= {"cras": centre[:3]}
            lines += ["filename = a b.mgz", *(f"{k} = {' '.join(map(str, v))}" for k, v in rows.items())]
    return "\n".join([*lines, ""])


class TestLta:
    MOVING, FIXED = ORIENTED["PIR"], ORIENTED["oblique"]
    TO_FIXED = flipped(np.linalg.inv(LPS))  # source (moving) to target (fixed) points, RAS

    def write(self, folder: Path, *values) -> Path:
        (folder / "t.lta").write_text(lta(*values))
        return folder / "t.lta"

    @pytest.mark.parametrize("known", [True, False])
    def test_ras_to_ras(self, tmp_path: Path, known: bool) -> None:
        path = self.write(tmp_path, 1, self.TO_FIXED, self.MOVING, self.FIXED)
        transform, notes = open_transform(path, "", grids(self.FIXED, self.MOVING) if known else None)
        np.testing.assert_allclose(mapped(transform), moved(LPS), atol=1e-9)
        assert ("by the grids" if known else "as is usual") in notes[0]

    def test_voxel_to_voxel_joins_the_same_voxels(self, tmp_path: Path) -> None:
        """The matrix's own meaning: source voxel (2, 1, 3) lies on the target voxel it names."""
        matrix = matrix_of(np.diag([1.0, 1, 1]), (1, 2, -1))
        path = self.write(tmp_path, 0, matrix, self.MOVING, self.FIXED)
        # Spacings differ, so this scales; it is no rigid transform, but it is what the file says.
        transform = read_with(path, "", self.FIXED, self.MOVING)
        found = mapped(transform, self.FIXED.world([[3, 3, 2]]))
        np.testing.assert_allclose(found, self.MOVING.world([[2, 1, 3]]), atol=1e-9)

    def test_the_grids_tell_the_direction(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, 1, np.linalg.inv(self.TO_FIXED), self.FIXED, self.MOVING)
        transform, notes = open_transform(path, "", grids(self.FIXED, self.MOVING))
        np.testing.assert_allclose(mapped(transform), moved(LPS), atol=1e-9)
        assert "taken as the fixed one, by the grids" in notes[0]
        told = read_transform(path, "inverse")
        np.testing.assert_allclose(mapped(told), moved(LPS), atol=1e-9)

    def test_grids_that_fit_neither_decide_nothing(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, 1, self.TO_FIXED, self.MOVING, self.FIXED)
        _, notes = open_transform(path, "", grids(ORIENTED["LAS"], ORIENTED["RAS"]))
        assert "taken as the moving one, as is usual" in notes[0]

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("type      = 1", "type      = 14", "an LTA of type 14"),
            ("nxforms   = 1", "nxforms   = 2", "holds 2 transforms"),
            ("1 4 4", "1 3 4", "4×4 matrix is missing"),
            ("type      = 1", "type      = x", "type is missing or damaged"),
            ("xras", "zzz", "xras is missing"),
        ],
    )
    def test_refused(self, tmp_path: Path, old: str, new: str, message: str) -> None:
        text = lta(1, self.TO_FIXED, self.MOVING, self.FIXED).replace(old, new)
        (tmp_path / "t.lta").write_text(text)
        with pytest.raises(ReadError, match=message):
            read_transform(tmp_path / "t.lta")

    def test_voxels_without_grids(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, 0, np.eye(4), None, self.FIXED)
        with pytest.raises(ReadError, match="does not say the grids"):
            read_transform(path)
        assert read_transform(self.write(tmp_path, 1, np.eye(4), None, None)).GetDimension() == 3

    def test_a_space_does_not_apply(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, 1, self.TO_FIXED, self.MOVING, self.FIXED)
        with pytest.raises(ParameterError, match="says itself that it is in RAS"):
            read_transform(path, "lps")
