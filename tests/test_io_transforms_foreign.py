"""Transforms as other programs write them, known by their content; all lead to the same points."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from oriented import ORIENTED
from test_io_transforms import LPS, POINTS, grids, mapped, matrix_of, moved, rigid, turn
from test_registration_search import scan

from medfuse import Geometry, read_volume, resample, write_volume
from medfuse.errors import ParameterError, ReadError
from medfuse.io import open_transform
from medfuse.pipeline.starts import open_for
from medfuse.registration import match
from medfuse.transforms import flipped, to_affine
from medfuse.transforms import matrix_of as itk_matrix
from medfuse.volume import StoredGrid, Volume

NUMBERS = "\n".join(" ".join(f"{value:.12f}" for value in row) for row in LPS)


class TestItkUnderOtherNames:
    @pytest.mark.parametrize("name", ["euler.xfm", "reg 1.TFM", "noname", "t.mat", "t.TXT", "t.h5"])
    def test_text(self, tmp_path: Path, name: str) -> None:
        SimpleITK.WriteTransform(rigid(), str(tmp_path / "a.tfm"))
        (tmp_path / name).write_bytes((tmp_path / "a.tfm").read_bytes())
        found = open_transform(tmp_path / name)
        assert found.notes == ()
        np.testing.assert_allclose(mapped(found.transform), mapped(rigid()), atol=1e-9)

    @pytest.mark.parametrize("name", ["t.hdf5", "t.H5", "t.tfm"])
    def test_hdf5(self, tmp_path: Path, name: str) -> None:
        SimpleITK.WriteTransform(rigid(), str(tmp_path / "a.h5"))
        (tmp_path / name).write_bytes((tmp_path / "a.h5").read_bytes())
        np.testing.assert_allclose(
            mapped(open_transform(tmp_path / name).transform), mapped(rigid()), atol=1e-9
        )

    @pytest.mark.parametrize("change", [lambda b: b"\xef\xbb\xbf" + b, lambda b: b.replace(b"\n", b"\r\n")])
    def test_with_a_byte_order_mark_or_windows_lines(self, tmp_path: Path, change) -> None:
        SimpleITK.WriteTransform(rigid(), str(tmp_path / "a.tfm"))
        (tmp_path / "b.tfm").write_bytes(change((tmp_path / "a.tfm").read_bytes()))
        np.testing.assert_allclose(
            mapped(open_transform(tmp_path / "b.tfm").transform), mapped(rigid()), atol=1e-9
        )


class TestNumbers:
    @pytest.mark.parametrize(
        "text",
        [
            "﻿" + NUMBERS,
            NUMBERS.replace("\n", "\r\n"),
            NUMBERS.replace(".", ","),
            NUMBERS.replace(".", ",").replace(" ", ";"),
            NUMBERS.replace(" ", ", "),
            NUMBERS.replace(" ", "\t"),
            str(LPS.tolist()),
            np.array2string(LPS, precision=12),
            repr(LPS),
            NUMBERS.replace("\n", ";\n"),
            "\n".join(NUMBERS.splitlines()[:3]),
            "# 3dAllineate matrices (DICOM-to-DICOM, row-by-row):\n" + " ".join(NUMBERS.split()[:12]),
        ],
        ids=["bom", "crlf", "decimal commas", "semicolons", "commas", "tabs", "list", "numpy", "repr",
             "matlab", "3x4", "afni"],
    )  # fmt: skip
    def test_however_they_are_written(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "m.txt").write_text(text, encoding="utf-8")
        np.testing.assert_allclose(
            mapped(open_transform(tmp_path / "m.txt").transform), moved(LPS), atol=1e-5
        )

    def test_utf_16(self, tmp_path: Path) -> None:
        (tmp_path / "m.txt").write_text(NUMBERS, encoding="utf-16")
        np.testing.assert_allclose(
            mapped(open_transform(tmp_path / "m.txt").transform), moved(LPS), atol=1e-9
        )

    @pytest.mark.parametrize("array", [LPS, LPS[:3]])
    def test_numpy_files(self, tmp_path: Path, array: np.ndarray) -> None:
        np.save(tmp_path / "m.npy", array)
        np.testing.assert_allclose(
            mapped(open_transform(tmp_path / "m.npy").transform), moved(LPS), atol=1e-9
        )
        to_ras = open_transform(tmp_path / "m.npy", "ras").transform
        np.testing.assert_allclose(mapped(to_ras), moved(flipped(LPS)), atol=1e-9)

    @pytest.mark.parametrize("array", [np.eye(3), np.zeros((4, 4)), np.array(["a"]), np.array([{}])])
    def test_other_numpy_files_are_refused(self, tmp_path: Path, array: np.ndarray) -> None:
        np.save(tmp_path / "m.npy", array, allow_pickle=True)
        with pytest.raises(ReadError, match="a numpy file without a regular matrix"):
            open_transform(tmp_path / "m.npy")

    def test_a_series_of_matrices_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "m.aff12.1D").write_text("\n".join([" ".join(NUMBERS.split()[:12])] * 5))
        with pytest.raises(ReadError, match="holds 5 matrices, one for each volume"):
            open_transform(tmp_path / "m.aff12.1D")

    def test_what_is_known_but_not_read_is_refused_by_name(self, tmp_path: Path) -> None:
        (tmp_path / "m.xfm").write_text("MNI Transform File\nTransform_Type = Linear;\n")
        with pytest.raises(ReadError, match="is a MINC transform: convert it"):
            open_transform(tmp_path / "m.xfm")


def elastix(name: str, parameters, **more: str) -> str:
    lines = {
        "Transform": f'"{name}"',
        "TransformParameters": " ".join(map(repr, map(float, parameters))),
        "InitialTransformParameterFileName": '"NoInitialTransform"',
        "HowToCombineTransforms": '"Compose"',
        "FixedImageDimension": "3",
        "MovingImageDimension": "3",
        "CenterOfRotationPoint": "4.0 -5.0 6.0",
    } | more
    return "\n".join(f"({key} {value})" for key, value in lines.items()) + "\n"


class TestElastix:
    def read(self, folder: Path, text: str, convention: str = "") -> SimpleITK.Transform:
        (folder / "TransformParameters.0.txt").write_text(text)
        return open_transform(folder / "TransformParameters.0.txt", convention).transform

    @pytest.mark.parametrize("zyx", ["false", "true"])
    def test_euler(self, tmp_path: Path, zyx: str) -> None:
        """By the definition of ITK's manual: Rz Rx Ry, or Rz Ry Rx with ComputeZYX, about the centre."""
        found = self.read(
            tmp_path, elastix("EulerTransform", [0.1, -0.2, 0.3, 7, 8, 9], ComputeZYX=f'"{zyx}"')
        )
        x, y, z = (turn(*angles) for angles in np.degrees(np.diag([0.1, -0.2, 0.3])))
        rotation = z @ y @ x if zyx == "true" else z @ x @ y
        centre = np.array([4.0, -5, 6])
        np.testing.assert_allclose(
            mapped(found), (POINTS - centre) @ rotation.T + centre + (7, 8, 9), atol=1e-9
        )
        back = self.read(tmp_path, elastix("EulerTransform", [0.1, -0.2, 0.3, 7, 8, 9]), "inverse")
        forth = self.read(tmp_path, elastix("EulerTransform", [0.1, -0.2, 0.3, 7, 8, 9]))
        np.testing.assert_allclose(mapped(back, mapped(forth)), POINTS, atol=1e-9)

    def test_affine(self, tmp_path: Path) -> None:
        linear = turn(5, 6, 7) @ np.diag([1.1, 0.9, 1.0])
        found = self.read(tmp_path, elastix("AffineTransform", [*linear.ravel(), 1, 2, 3]))
        centre = np.array([4.0, -5, 6])
        np.testing.assert_allclose(
            mapped(found), (POINTS - centre) @ linear.T + centre + (1, 2, 3), atol=1e-9
        )

    def test_similarity_and_translation(self, tmp_path: Path) -> None:
        found = self.read(
            tmp_path, elastix("SimilarityTransform", [0, 0, np.sin(np.radians(15)), 1, 2, 3, 1.2])
        )
        centre = np.array([4.0, -5, 6])
        expected = (POINTS - centre) @ (1.2 * turn(0, 0, 30)).T + centre + (1, 2, 3)
        np.testing.assert_allclose(mapped(found), expected, atol=1e-9)
        found = self.read(tmp_path, elastix("TranslationTransform", [1, 2, 3]))
        np.testing.assert_allclose(mapped(found), np.add(POINTS, (1, 2, 3)), atol=1e-9)

    def test_b_spline(self, tmp_path: Path) -> None:
        """Coefficients that are linear in space make a displacement that is linear in space."""
        size, spacing, origin = (
            np.array([12, 11, 10]),
            np.array([30.0, 32, 35]),
            np.array([-170.0, -160, -155]),
        )
        direction = turn(0, 0, 20)
        index = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1).astype(float)
        at = origin + (index * spacing) @ direction.T
        slope = np.array([[0.02, 0.01, 0], [0, -0.03, 0.01], [0.01, 0, 0.02]])
        coefficients = (at @ slope.T).transpose(3, 2, 1, 0).ravel()
        text = elastix(
            "BSplineTransform", coefficients, BSplineTransformSplineOrder="3",
            GridSize=" ".join(map(str, size)), GridSpacing=" ".join(map(str, spacing)),
            GridOrigin=" ".join(map(str, origin)), GridDirection=" ".join(map(str, direction.T.ravel())),
        )  # fmt: skip
        assert len(text) > 1 << 16
        found = self.read(tmp_path, text)
        points = POINTS / 3
        np.testing.assert_allclose(mapped(found, points), points + points @ slope.T, atol=1e-6)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (elastix("EulerTransform", [0] * 6, InitialTransformParameterFileName='"a/First.txt"'),
             r"comes after the one in First\.txt.*transformix"),
            (elastix("EulerTransform", [0] * 6, FixedImageDimension="2"), "transform of a plane"),
            (elastix("WeirdTransform", [0] * 6), r"elastix's WeirdTransform; expected one of EulerTransform"),
            (elastix("EulerTransform", [0] * 5), "TransformParameters is damaged; expected 6 numbers"),
            ('(Transform "EulerTransform")\n', "TransformParameters is missing"),
        ],
    )  # fmt: skip
    def test_refused(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(ReadError, match=message):
            self.read(tmp_path, text)

    def test_a_space_does_not_apply(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="says itself that it is in LPS"):
            self.read(tmp_path, elastix("TranslationTransform", [1, 2, 3]), "ras")


class TestDisplacementFields:
    def field(self) -> SimpleITK.Image:
        array = np.random.default_rng(0).normal(size=(5, 6, 7, 3))
        image = SimpleITK.GetImageFromArray(array, isVector=True)
        image.SetSpacing((50.0, 50.0, 60.0))
        image.SetOrigin((-140.0, -130.0, -125.0))
        image.SetDirection(turn(0, 0, 10).ravel().tolist())
        return image

    @pytest.mark.parametrize("name", ["t1Warp.nii.gz", "t1Warp.nii", "WARP.NII.GZ"])
    def test_of_ants(self, tmp_path: Path, name: str) -> None:
        suffix = ".nii" if name.endswith(".nii") else ".nii.gz"
        SimpleITK.WriteImage(self.field(), str(tmp_path / f"a{suffix}"))
        (tmp_path / f"a{suffix}").rename(tmp_path / name)
        found = open_transform(tmp_path / name).transform
        direct = SimpleITK.DisplacementFieldTransform(self.field())
        np.testing.assert_allclose(mapped(found), mapped(direct), atol=1e-4)
        assert np.abs(mapped(found) - POINTS).max() > 0.1

    def test_is_read_as_lps(self, tmp_path: Path) -> None:
        """NIfTI's axes are RAS, the vectors of ANTs are LPS: +3 along x is to the patient's left."""
        data = np.zeros((4, 4, 4, 1, 3), np.float32)
        data[..., 0, :] = (3, -2, 5)
        image = nibabel.Nifti1Image(data, np.diag([50.0, 50, 50, 1]))
        image.header.set_intent("vector")
        nibabel.save(image, tmp_path / "w.nii.gz")
        point = (-60.0, -70.0, 80.0)
        assert open_transform(tmp_path / "w.nii.gz").transform.TransformPoint(point) == pytest.approx(
            (-57, -72, 85)
        )

    def test_damaged_ones_are_refused(self, tmp_path: Path) -> None:
        image = self.field()
        SimpleITK.WriteImage(image, str(tmp_path / "a.nii"))
        whole = (tmp_path / "a.nii").read_bytes()
        (tmp_path / "b.nii").write_bytes(whole[:1000])
        with pytest.raises(ReadError, match=r"b\.nii: the header declares .* cut off or damaged"):
            open_transform(tmp_path / "b.nii")
        array = SimpleITK.GetArrayFromImage(image)
        array[0, 0, 0, 0] = np.nan
        broken = SimpleITK.GetImageFromArray(array, isVector=True)
        SimpleITK.WriteImage(broken, str(tmp_path / "c.nii"))
        with pytest.raises(ReadError, match="not finite"):
            open_transform(tmp_path / "c.nii")

    def test_volumes_are_none(self, tmp_path: Path) -> None:
        write_volume(Volume(np.zeros((4, 4, 4)), Geometry((4, 4, 4))), tmp_path / "v.nii.gz")
        (tmp_path / "cut.nii.gz").write_bytes(gzip.compress(b"short"))
        for name in ("v.nii.gz", "cut.nii.gz"):
            with pytest.raises(ReadError, match="not a transform that is known"):
                open_transform(tmp_path / name)


class TestStoredGrids:
    """FLIRT and tkregister count along the voxels as they are stored, whatever is made of them on reading."""

    AFFINE = np.array([[2.0, 0.5, 0, -20], [0, 2.2, 0.1, 10], [0, 0.2, 3, 5], [0, 0, 0, 1]])

    def nifti(self, path: Path, affine: np.ndarray, pixdim=None, unit: str = "mm") -> Volume:
        data = np.arange(6 * 7 * 8, dtype=np.int16).reshape(6, 7, 8)
        image = nibabel.Nifti1Image(data, affine)
        image.set_qform(None, 0)
        image.header.set_xyzt_units(unit)
        if pixdim is not None:
            image.header["pixdim"][1:4] = pixdim
        nibabel.save(image, path)
        return read_volume(path, modality="MR")

    @pytest.mark.parametrize("flip", [1, -1])
    def test_of_sheared_files_in_microns_with_another_pixdim(self, tmp_path: Path, flip: int) -> None:
        affine = self.AFFINE @ np.diag([flip, 1, 1, 1])
        moving = self.nifti(
            tmp_path / "a.nii", np.diag([1000.0, 1000, 1000, 1]) @ affine, (1.5, 1.6, 1.7), "micron"
        )
        assert any("pixdim says voxels of 1.5×1.6×1.7, the sform 2000×" in note for note in moving.notes)
        fixed = self.nifti(tmp_path / "b.nii", np.diag([-2.0, 2, 2, 1]))
        np.savetxt(tmp_path / "m.mat", np.eye(4))  # FLIRT's millimetres of the two are the same
        found = open_transform(tmp_path / "m.mat", "", (fixed.stored, moving.stored)).transform
        fixed_index, moving_index = np.array([0.75, 0.8, 0.85]), np.array([1.0, 1, 1])  # 1.5, 1.6, 1.7 mm
        if flip == 1:  # right-handed: counted from the other end of x
            moving_index[0] = 5 - 1.0
        ras = fixed.stored.affine @ [*fixed_index, 1]
        expected = np.diag([-1.0, -1, 1, 1]) @ affine @ [*moving_index, 1]
        np.testing.assert_allclose(found.TransformPoint(ras[:3].tolist()), expected[:3], atol=1e-4)

    def test_of_impossible_voxel_sizes_is_refused(self, tmp_path: Path) -> None:
        moving = self.nifti(tmp_path / "a.nii", self.AFFINE, (0, 1, 1))
        np.savetxt(tmp_path / "m.mat", np.eye(4))
        with pytest.raises(ParameterError, match="whose pixdim is 0, 1, 1"):
            open_transform(tmp_path / "m.mat", "", (moving.stored, moving.stored))

    def test_do_not_outlive_resampling(self, tmp_path: Path) -> None:
        volume = self.nifti(tmp_path / "a.nii", np.diag([-2.0, 2, 2, 1]))
        assert volume.stored.size == (6, 7, 8)
        assert volume.with_array(volume.array + 1).stored is volume.stored
        assert resample(volume, ORIENTED["LAS"]).stored is None

    def test_register_dat(self, tmp_path: Path) -> None:
        """The matrix of tkregister2's documentation, between grids whose tkregister millimetres are known."""
        fixed = Geometry(
            (10, 12, 14), (1.0, 1.0, 1.0), (5, 6, 7), np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
        )
        moving = replace(ORIENTED["oblique"])
        matrix = matrix_of(turn(3, 4, 5), (1, -2, 3))
        lines = [
            "bert",
            "0.9",
            "2.4",
            "0.15",
            *(" ".join(f"{v:.9e}" for v in row) for row in matrix),
            "round",
        ]
        (tmp_path / "register.dat").write_text("\n".join(lines) + "\n")
        found, notes = open_transform(tmp_path / "register.dat", "", grids(fixed, moving))
        assert "target of the register.dat is taken as the fixed volume" in notes[0]

        def tk(grid: Geometry, index: np.ndarray) -> np.ndarray:
            i, j, k = ((index - np.array(grid.size) / 2) * grid.spacing).T
            return np.stack([-i, k, -j], axis=-1)

        index = np.array([[1.0, 2, 3], [4, 5, 6], [0, 0, 0]])
        there = moving.index(mapped(found, fixed.world(index)))
        np.testing.assert_allclose(tk(moving, there), moved(matrix, tk(fixed, index)), atol=1e-5)
        back = open_transform(tmp_path / "register.dat", "inverse", grids(moving, fixed)).transform
        np.testing.assert_allclose(mapped(back, mapped(found)), POINTS, atol=1e-6)
        with pytest.raises(ParameterError, match=r"a register\.dat is taken as tkregister's"):
            open_transform(tmp_path / "register.dat")


TRUE = matrix_of(turn(6, -5, 8), (9, -7, 5))


@pytest.fixture(scope="module")
def textured(tmp_path_factory) -> tuple[tuple[Path, Volume], tuple[Path, Volume]]:
    folder = tmp_path_factory.mktemp("pair")
    grid = Geometry((30, 30, 30), (4, 4, 4), (-40, -70, -57.5))
    for name, at in (("fixed", np.eye(4)), ("moving", TRUE)):
        write_volume(scan(grid, at), folder / f"{name}.nii.gz")
    fixed, moving = ((folder / f"{n}.nii.gz") for n in ("fixed", "moving"))
    return (fixed, read_volume(fixed, modality="MR")), (moving, read_volume(moving, modality="MR"))


class TestMeaningOfMat:
    """4×4 numbers in .mat: FLIRT's, or greedy's in RAS; the images tell."""

    def flirt(self, textured) -> np.ndarray:
        """The matrix FLIRT would write, by the map that the reader turns round."""
        (_, fixed), (_, moving) = textured
        world = open_transform_of_identity(fixed.stored, moving.stored)
        s_fixed, s_moving = world
        return np.linalg.inv(s_moving @ TRUE @ np.linalg.inv(s_fixed))

    def test_flirts_is_taken(self, textured, tmp_path: Path) -> None:
        np.savetxt(tmp_path / "m.mat", self.flirt(textured))
        found = open_for(tmp_path / "m.mat", "", *textured).transform
        np.testing.assert_allclose(itk_matrix(found), TRUE, atol=1e-4)

    def test_greedys_is_asked_for(self, textured, tmp_path: Path) -> None:
        np.savetxt(tmp_path / "m.mat", flipped(TRUE))
        with pytest.raises(ParameterError, match=r"as a RAS matrix .* --transform-convention ras or fsl"):
            open_for(tmp_path / "m.mat", "", *textured)
        found = open_for(tmp_path / "m.mat", "ras", *textured).transform
        np.testing.assert_allclose(itk_matrix(found), TRUE, atol=1e-4)
        assert open_for(tmp_path / "m.mat", "fsl", *textured).notes  # who says so is believed

    def test_a_match_is_best_at_the_truth_and_0_outside(self, textured) -> None:
        (_, fixed), (_, moving) = textured
        good = match(fixed, moving, to_affine(TRUE))
        assert good > 1.3 * match(fixed, moving, to_affine(np.eye(4)))
        assert match(fixed, moving, to_affine(matrix_of(np.eye(3), (500, 0, 0)))) == 0
        half = replace(moving, valid=np.indices(moving.array.shape)[2] < 15)
        assert 0 < match(fixed, half, to_affine(TRUE)) != good


def open_transform_of_identity(fixed: StoredGrid, moving: StoredGrid) -> tuple[np.ndarray, np.ndarray]:
    """World to FLIRT's millimetres of both, from its documentation alone."""
    result = []
    for grid in (fixed, moving):
        scale = np.diag([*np.abs(grid.pixdim), 1.0])
        if np.linalg.det(grid.affine) > 0:
            swap = np.eye(4)
            swap[0, 0], swap[0, 3] = -1, (grid.size[0] - 1) * abs(grid.pixdim[0])
            scale = swap @ scale
        result.append(scale @ np.linalg.inv(grid.affine))
    return result[0], result[1]


@pytest.mark.parametrize(
    ("name", "convention"),
    [
        ("bom.txt", ""), ("euler.mat", ""), ("euler.xfm", ""), ("reg 1.TFM", ""),
        ("TransformParameters.0.txt", ""), ("greedy.mat", "ras"),
    ],
)  # fmt: skip
def test_reported_files(shared_data, name: str, convention: str) -> None:
    folder = shared_data("reported_registration/transforms_foreign/truth_lps.txt").parent
    truth = np.loadtxt(folder / "truth_lps.txt")
    found = open_transform(folder / name, convention).transform
    np.testing.assert_allclose(mapped(found), moved(truth), atol=1e-3)


def test_reported_matrix_of_greedy_is_not_taken_for_flirts(shared_data) -> None:
    folder = shared_data("reported_registration/transforms_foreign/truth_lps.txt").parent
    ends = [
        (folder / f"{n}.nii.gz", read_volume(folder / f"{n}.nii.gz", modality="MR")) for n in ("fix", "mov")
    ]
    with pytest.raises(ParameterError, match="--transform-convention ras or fsl"):
        open_for(folder / "greedy.mat", "", *ends)


def test_reported_matrix_of_flirt_for_a_sheared_file(shared_data) -> None:
    folder = shared_data("reported_registration/flirt_sheared_nifti/truth.txt").parent
    ends = [
        (folder / f"{n}.nii.gz", read_volume(folder / f"{n}.nii.gz", modality="MR")) for n in ("fix", "shear")
    ]
    found = open_for(folder / "flirt_shear.mat", "", *ends).transform
    np.testing.assert_allclose(mapped(found), moved(np.loadtxt(folder / "truth_lps.txt")), atol=0.05)
