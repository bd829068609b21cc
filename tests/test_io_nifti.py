"""NIfTI: which affine, which units, which values; damaged and unusual files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_factory import write_series

from medfuse.errors import ReadError
from medfuse.io import describe, read_volume
from medfuse.volume import Geometry

VALUES = np.arange(24, dtype=np.int16).reshape(2, 3, 4)  # x, y, z
SFORM = np.array([[-2.0, 0, 0, 90], [0, -2, 0, 126], [0, 0, 3, -72], [0, 0, 0, 1]])
QFORM = np.array([[-2.0, 0, 0, 90], [0, -2, 0, 126], [0, 0, 3, -71], [0, 0, 0, 1]])


def nifti(
    values: np.ndarray = VALUES,
    *,
    sform=(SFORM, 1),
    qform=(SFORM, 1),
    order: str = "<",
    kind=nibabel.Nifti1Image,
):
    header = kind.header_class(endianness=order)
    header.set_data_dtype(values.dtype.newbyteorder(order))
    image = kind(values, None, header)
    image.set_sform(*sform)
    image.set_qform(*qform)
    image.header.set_xyzt_units("mm")
    return image


def save(image, path: Path) -> Path:
    nibabel.save(image, path)
    return path


def patched(path: Path, offset: int, layout: str, *values) -> Path:
    """Overwrite a field of a NIfTI-1 header (https://nifti.nimh.nih.gov/nifti-1)."""
    content = bytearray(path.read_bytes())
    struct.pack_into(layout, content, offset, *values)
    path.write_bytes(content)
    return path


DIM, PIXDIM, VOX_OFFSET, QFORM_CODE, SFORM_CODE, QUATERN_B, SROW_X = 40, 76, 108, 252, 254, 256, 280
NAN, INFINITE = float("nan"), float("inf")
BAD_SFORMS = [
    ("<f", (NAN,), "sform holds NaN or infinite"),
    ("<f", (INFINITE,), "sform holds NaN or infinite"),
    ("<12f", (0.0,) * 12, "sform is singular"),
    ("<12f", (1, 0, 0, 1e30, 0, 1, 0, 0, 0, 0, 1, 0), "sform is damaged: it holds 1e"),
    ("<12f", (1e-9, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0), "sform is damaged: voxels of 1e-09, 1, 1 mm"),
    ("<12f", (1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0), "axes run almost alike"),
]
BAD_QFORMS = [
    (QUATERN_B, "<3f", (0.7, 0.7, 0.5), "quaternion is longer than 1"),
    (QUATERN_B, "<f", (NAN,), "qform holds NaN or infinite"),
    (QUATERN_B + 12, "<f", (INFINITE,), "qform holds NaN or infinite"),
    (QUATERN_B + 12, "<f", (1e30,), "qform is damaged: its offsets are up to 1e"),
    (PIXDIM, "<f", (-3.0,), "is -3; expected -1 or 1"),
    # nibabel would take 1 for 0, and 2 for -2.
    (PIXDIM + 8, "<f", (0.0,), "every size must be positive"),
    (PIXDIM + 8, "<f", (-2.0,), "every size must be positive"),
    (PIXDIM + 8, "<f", (NAN,), "every size must be positive"),
]


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return save(nifti(), tmp_path / "v.nii")


class TestAffine:
    def test_axes_are_reversed_and_ras_becomes_lps(self, plain: Path) -> None:
        volume = read_volume(plain)

        assert volume.geometry == Geometry((2, 3, 4), (2, 2, 3), (-90, -126, -72))
        np.testing.assert_array_equal(volume.array, VALUES.T)

    def test_sform_goes_before_qform_with_a_note(self, tmp_path: Path) -> None:
        volume = read_volume(save(nifti(qform=(QFORM, 1)), tmp_path / "v.nii"), modality="MR")

        assert volume.geometry.origin == (-90, -126, -72)
        assert volume.notes == ("sform and qform disagree by up to 1 mm; the sform was used",)

    def test_affines_that_agree_within_rounding_need_no_note(self, tmp_path: Path) -> None:
        nearly = SFORM.copy()
        nearly[2, 3] += 5e-4

        assert read_volume(save(nifti(qform=(nearly, 1)), tmp_path / "v.nii"), modality="MR").notes == ()

    @pytest.mark.parametrize("code", [1, 2, 4])
    def test_qform_alone_is_used(self, tmp_path: Path, code: int) -> None:
        volume = read_volume(save(nifti(sform=(SFORM, 0), qform=(QFORM, code)), tmp_path / "v.nii"))

        assert volume.geometry.origin == (-90, -126, -71)

    def test_neither_is_refused_with_the_remedy(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match=r"sform and qform codes are both 0.*dcm2niix"):
            read_volume(save(nifti(sform=(SFORM, 0), qform=(QFORM, 0)), tmp_path / "v.nii"))

    @pytest.mark.parametrize(("layout", "numbers", "fault"), BAD_SFORMS)
    def test_a_bad_sform_leaves_the_qform(
        self, tmp_path: Path, layout: str, numbers: tuple, fault: str
    ) -> None:
        path = save(nifti(qform=(QFORM, 1)), tmp_path / "v.nii")
        volume = read_volume(patched(path, SROW_X, layout, *numbers), modality="MR")

        assert volume.geometry.matches(Geometry((2, 3, 4), (2, 2, 3), (-90, -126, -71)))
        assert len(volume.notes) == 1
        assert fault in volume.notes[0]
        assert volume.notes[0].endswith("; the qform was used")

    @pytest.mark.parametrize(("layout", "numbers", "fault"), BAD_SFORMS)
    def test_a_bad_sform_alone_is_refused(
        self, tmp_path: Path, layout: str, numbers: tuple, fault: str
    ) -> None:
        path = save(nifti(qform=(SFORM, 0)), tmp_path / "v.nii")
        with pytest.raises(ReadError, match=f"{fault}.*export the volume again"):
            read_volume(patched(path, SROW_X, layout, *numbers))

    @pytest.mark.parametrize(("offset", "layout", "numbers", "fault"), BAD_QFORMS)
    def test_a_bad_qform_leaves_the_sform(
        self, tmp_path: Path, offset: int, layout: str, numbers: tuple, fault: str
    ) -> None:
        path = save(nifti(qform=(QFORM, 1)), tmp_path / "v.nii")
        volume = read_volume(patched(path, offset, layout, *numbers), modality="MR")

        assert volume.geometry == Geometry((2, 3, 4), (2, 2, 3), (-90, -126, -72))
        assert len(volume.notes) == 1
        assert fault in volume.notes[0]
        assert volume.notes[0].endswith("; the sform was used")

    @pytest.mark.parametrize(("offset", "layout", "numbers", "fault"), BAD_QFORMS)
    def test_a_bad_qform_alone_is_refused(
        self, tmp_path: Path, offset: int, layout: str, numbers: tuple, fault: str
    ) -> None:
        path = save(nifti(sform=(SFORM, 0), qform=(QFORM, 1)), tmp_path / "v.nii")
        with pytest.raises(ReadError, match=f"{fault}.*export the volume again"):
            read_volume(patched(path, offset, layout, *numbers))

    def test_both_bad_are_both_named(self, plain: Path) -> None:
        patched(plain, SROW_X, "<f", float("nan"))
        with pytest.raises(ReadError, match=r"sform holds NaN.*qform is damaged: its quaternion is longer"):
            read_volume(patched(plain, QUATERN_B, "<3f", 0.7, 0.7, 0.5))

    def test_a_quaternion_that_rounding_made_too_long_is_read(self, tmp_path: Path) -> None:
        path = save(nifti(sform=(SFORM, 0), qform=(QFORM, 1)), tmp_path / "v.nii")
        turned = patched(path, QUATERN_B, "<3f", 0, 0, 1 + 2e-6)  # half a turn about z

        np.testing.assert_allclose(read_volume(turned).geometry.direction, np.eye(3), atol=1e-4)

    @pytest.mark.parametrize("handedness", [-1.0, 0.0, 1.0])
    @pytest.mark.parametrize("axis", [(1, 0, 0), (0.3, -0.5, 0.2), (-0.1, 0.2, 0.9)])
    def test_the_qform_is_that_of_nibabel(self, tmp_path: Path, handedness: float, axis: tuple) -> None:
        path = save(nifti(sform=(SFORM, 0), qform=(QFORM, 1)), tmp_path / "v.nii")
        patched(path, QUATERN_B, "<3f", *axis)
        patched(path, PIXDIM, "<f", handedness or 1.0)  # 0 is to be taken as 1, says the format's page
        expected = nibabel.Nifti1Header(path.read_bytes()[:348]).get_qform()
        patched(path, PIXDIM, "<f", handedness)

        np.testing.assert_allclose(read_volume(path).geometry.to_ras_affine(), expected, rtol=1e-6, atol=1e-5)

    def test_a_sheared_affine_is_straightened_with_a_note(self, tmp_path: Path) -> None:
        sheared = SFORM.copy()
        sheared[0, 2] = 1.5
        index = np.stack(np.meshgrid(*(np.arange(n) for n in (7, 6, 5)), indexing="ij"), -1)
        ramp = (index @ sheared[:3, :3].T + sheared[:3, 3]) @ (2, 3, -1)
        volume = read_volume(
            save(nifti(ramp.astype("f4"), sform=(sheared, 1), qform=(SFORM, 0)), tmp_path / "v.nii")
        )

        assert any("sheared by 26.6°; interpolated" in note for note in volume.notes)
        assert volume.valid is not None
        points = volume.geometry.world(np.argwhere(volume.valid)[:, ::-1]) * (-1, -1, 1)
        np.testing.assert_allclose(volume.array[volume.valid], points @ (2, 3, -1), atol=1e-2)

    @pytest.mark.parametrize("code", [-1, 6, 255])
    def test_an_affine_of_unknown_code_is_not_used_unsaid(self, plain: Path, code: int) -> None:
        # nibabel would take it for 0.
        note = f"its sform is damaged: sform_code is {code}; expected 0 to 5; the qform was used"
        assert note in read_volume(patched(plain, SFORM_CODE, "<h", code)).notes
        with pytest.raises(ReadError, match=f"qform_code is {code}; expected 0 to 5"):
            read_volume(patched(plain, QFORM_CODE, "<h", code))

    def test_nibabel_writes_nothing_to_the_terminal(
        self, plain: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        volume = read_volume(patched(plain, PIXDIM + 8, "<f", -2.0))

        assert volume.geometry.spacing == (2, 2, 3)
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize(("unit", "scale"), [("meter", 1000), ("micron", 0.001)])
    def test_other_units_are_converted_with_a_note(self, tmp_path: Path, unit: str, scale: float) -> None:
        in_unit = np.diag([1 / scale] * 3 + [1]) @ SFORM
        image = nifti(sform=(in_unit, 1), qform=(in_unit, 0))
        image.header.set_xyzt_units(unit)
        volume = read_volume(save(image, tmp_path / "v.nii"), modality="MR")

        assert volume.geometry.matches(Geometry((2, 3, 4), (2, 2, 3), (-90, -126, -72)), 1e-4)
        assert volume.notes == (f"lengths converted from {unit}s to millimetres",)


class TestValues:
    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    @pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_byte_orders_versions_and_compression(
        self, tmp_path: Path, suffix: str, kind: type, order: str
    ) -> None:
        volume = read_volume(save(nifti(kind=kind, order=order), tmp_path / f"v{suffix}"))

        np.testing.assert_array_equal(volume.array, VALUES.T)
        assert volume.geometry.spacing == (2, 2, 3)

    @pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
    def test_number_types(self, tmp_path: Path, dtype: str) -> None:
        np.testing.assert_array_equal(
            read_volume(save(nifti(VALUES.astype(dtype)), tmp_path / "v.nii")).array, VALUES.T
        )

    def test_slope_and_intercept_are_applied(self, tmp_path: Path) -> None:
        image = nifti()
        image.header.set_slope_inter(0.5, -10)
        path = save(image, tmp_path / "v.nii")
        stored = np.frombuffer(path.read_bytes(), "<i2", 24, offset=352).reshape(4, 3, 2)

        np.testing.assert_array_equal(read_volume(path).array, stored * 0.5 - 10)
        assert stored.any()

    def test_rgb_is_read_as_colour(self, tmp_path: Path) -> None:
        rgb = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3)).astype("u1")
        records = rgb.view([(c, "u1") for c in "RGB"])[..., 0]
        volume = read_volume(save(nifti(records), tmp_path / "v.nii.gz"))

        assert volume.array.shape == (4, 3, 2, 3)
        np.testing.assert_array_equal(volume.array, rgb.transpose(2, 1, 0, 3))

    @pytest.mark.parametrize("dtype", ["c8", [(c, "u1") for c in "RGBA"]])
    def test_other_voxels_are_refused(self, tmp_path: Path, dtype) -> None:
        with pytest.raises(ReadError, match="expected grey values or RGB"):
            read_volume(save(nifti(np.zeros((2, 3, 4), dtype)), tmp_path / "v.nii"))

    def test_the_file_may_be_changed_after_reading(self, tmp_path: Path) -> None:
        path = save(nifti(VALUES.astype("f4")), tmp_path / "v.nii")
        volume = read_volume(path)
        path.write_bytes(b"\0" * path.stat().st_size)

        np.testing.assert_array_equal(volume.array, VALUES.T)


class TestShape:
    def test_trailing_axes_of_one_are_dropped(self, tmp_path: Path) -> None:
        np.testing.assert_array_equal(
            read_volume(save(nifti(VALUES[..., None, None]), tmp_path / "v.nii")).array, VALUES.T
        )

    def test_several_volumes_are_refused_with_their_number(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="holds 5 volumes; choose one with --volume N, from 1 to 5"):
            read_volume(save(nifti(np.zeros((2, 3, 4, 5), "f4")), tmp_path / "v.nii.gz"))

    @pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 4, 1, 5)])
    def test_one_of_several_volumes(self, tmp_path: Path, shape: tuple) -> None:
        values = np.arange(120, dtype="f4").reshape(shape)
        volume = read_volume(save(nifti(values), tmp_path / "v.nii.gz"), volume=4)
        np.testing.assert_array_equal(volume.array.T, values.reshape(2, 3, 4, 5)[..., 3])
        assert "volume 4 of 5" in volume.notes
        with pytest.raises(ReadError, match="no volume 6; it holds 5"):
            read_volume(tmp_path / "v.nii.gz", volume=6)

    @pytest.mark.parametrize("axes", [0, -3, 8, 512, 2**40])
    def test_a_number_of_axes_that_is_none_is_refused(self, tmp_path: Path, axes: int) -> None:
        path = patched(save(nifti(kind=nibabel.Nifti2Image), tmp_path / "v.nii"), 16, "<q", axes)
        with pytest.raises(ReadError, match="expected 3 to 7: damaged"):
            read_volume(path)

    def test_line_ends_that_were_changed_are_refused(self, tmp_path: Path) -> None:
        path = save(nifti(kind=nibabel.Nifti2Image), tmp_path / "v.nii")
        path.write_bytes(path.read_bytes().replace(b"\r\n\x1a\n", b"\n\x1a\n\0", 1))
        with pytest.raises(ReadError, match="its line ends were changed"):
            read_volume(path)

    def test_a_flat_image_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="2-D image of 2×3 pixels where a volume"):
            read_volume(save(nifti(VALUES[..., 0]), tmp_path / "v.nii"))

    @pytest.mark.parametrize("size", [0, -4])
    def test_an_empty_axis_is_refused(self, plain: Path, size: int) -> None:
        with pytest.raises(ReadError, match=r"at least one|cannot be read"):
            read_volume(patched(plain, DIM + 2, "<h", size))

    def test_a_size_beyond_the_file_is_refused(self, plain: Path) -> None:
        with pytest.raises(ReadError, match=r"declares .* bytes, the file holds fewer"):
            read_volume(patched(plain, DIM + 2, "<3h", 500, 500, 500))

    def test_data_that_begin_beyond_the_file_are_refused(self, plain: Path) -> None:
        with pytest.raises(ReadError, match="the file holds fewer"):
            read_volume(patched(plain, VOX_OFFSET, "<f", 1e6))

    @pytest.mark.parametrize("claimed", [3, 900])
    def test_a_compressed_file_that_claims_more_is_refused(self, plain: Path, claimed: int) -> None:
        # 3: more than is there, but within what deflate could hold; 900: beyond any compression.
        content = patched(plain, DIM + 2, "<3h", claimed, claimed, claimed).read_bytes()
        path = plain.with_suffix(".nii.gz")
        path.write_bytes(gzip.compress(content))

        with pytest.raises(ReadError, match="the file holds fewer"):
            read_volume(path)

    def test_a_wrong_checksum_is_refused(self, plain: Path) -> None:
        path = plain.with_suffix(".nii.gz")
        content = bytearray(gzip.compress(plain.read_bytes()))
        content[-8] ^= 1
        path.write_bytes(content)

        with pytest.raises(ReadError, match="CRC"):
            read_volume(path)


class TestOffset:
    """vox_offset inside the header: mended where the length of the file proves where the voxels begin."""

    @pytest.mark.parametrize("zipped", [False, True])
    @pytest.mark.parametrize("stated", [0, 100, 348])
    def test_the_length_proves_it(self, plain: Path, stated: int, zipped: bool) -> None:
        patched(plain, VOX_OFFSET, "<f", stated)
        if zipped:
            plain.write_bytes(gzip.compress(plain.read_bytes()))
        volume = read_volume(plain, modality="MR")

        np.testing.assert_array_equal(volume.array, VALUES.T)
        assert f"vox_offset {stated} lies inside the header" in volume.notes[0]
        assert "begin at byte 352" in volume.notes[0]

    def test_without_the_four_bytes_behind_the_header(self, plain: Path) -> None:
        content = patched(plain, VOX_OFFSET, "<f", 0).read_bytes()
        plain.write_bytes(content[:348] + content[352:])

        np.testing.assert_array_equal(read_volume(plain).array, VALUES.T)

    @pytest.mark.parametrize("more", [b"x", bytes(16)])
    def test_the_length_does_not_tell(self, plain: Path, more: bytes) -> None:
        patched(plain, VOX_OFFSET, "<f", 0)
        plain.write_bytes(plain.read_bytes() + more)
        with pytest.raises(ReadError, match="vox_offset is 0, inside the header; expected 352 or more"):
            read_volume(plain)

    def test_nifti_2(self, tmp_path: Path) -> None:
        path = patched(save(nifti(kind=nibabel.Nifti2Image), tmp_path / "v.nii"), 168, "<q", 0)
        volume = read_volume(path)

        np.testing.assert_array_equal(volume.array, VALUES.T)
        assert any("begin at byte 544" in note for note in volume.notes)

    @pytest.mark.parametrize("offset", [-4.0, NAN, 352.5])
    def test_no_number_of_bytes(self, plain: Path, offset: float) -> None:
        with pytest.raises(ReadError, match="expected a whole number of bytes"):
            read_volume(patched(plain, VOX_OFFSET, "<f", offset))


class TestNames:
    def test_gzipped_or_not_is_told_by_the_content(self, plain: Path) -> None:
        gzipped = plain.with_name("g.nii")
        gzipped.write_bytes(gzip.compress(plain.read_bytes()))
        bare = plain.rename(plain.with_name("b.nii.gz"))

        assert "named .nii, but gzipped; read as what it is" in read_volume(gzipped).notes
        assert "named .nii.gz, but not gzipped; read as what it is" in read_volume(bare).notes
        for path in (gzipped, bare):
            np.testing.assert_array_equal(read_volume(path).array, VALUES.T)

    @pytest.mark.parametrize("half", [".hdr", ".img"])
    def test_a_pair_is_read_by_either_half(self, tmp_path: Path, half: str) -> None:
        nibabel.save(nifti(kind=nibabel.Nifti1Pair), tmp_path / "v.img")
        volume = read_volume(tmp_path / f"v{half}")

        np.testing.assert_array_equal(volume.array, VALUES.T)
        assert volume.geometry == Geometry((2, 3, 4), (2, 2, 3), (-90, -126, -72))
        assert [one.path.name for one in describe(tmp_path)] == ["v.hdr"]

    @pytest.mark.parametrize(("half", "other"), [(".hdr", ".img"), (".img", ".hdr")])
    def test_half_a_pair_is_refused(self, tmp_path: Path, half: str, other: str) -> None:
        nibabel.save(nifti(kind=nibabel.Nifti1Pair), tmp_path / "v.img")
        (tmp_path / f"v{other}").unlink()
        with pytest.raises(ReadError, match=f"its other half v{other} is not beside it"):
            read_volume(tmp_path / f"v{half}")

    def test_analyze_is_refused_with_the_converter(self, tmp_path: Path) -> None:
        nibabel.save(nibabel.AnalyzeImage(VALUES, np.eye(4)), tmp_path / "v.img")
        with pytest.raises(ReadError, match="an Analyze file, which does not say left from right; convert"):
            read_volume(tmp_path / "v.hdr")

    def test_dicom_named_img_is_dicom(self, tmp_path: Path) -> None:
        for path in write_series(tmp_path, np.zeros((4, 3, 2), "u2"), Geometry((2, 3, 4))):
            path.rename(path.with_suffix(".img"))

        assert read_volume(path.with_suffix(".img")).geometry.size == (2, 3, 4)
        assert [one.modality for one in describe(tmp_path)] == ["CT"]

    @pytest.mark.parametrize(
        ("name", "converter"),
        [("a.mnc", "mnc2nii"), ("a.PAR", "parrec2nii"), ("a+orig.BRIK", "3dAFNItoNIFTI")],
    )
    def test_other_formats_are_refused_with_their_converter(
        self, tmp_path: Path, name: str, converter: str
    ) -> None:
        (tmp_path / name).write_bytes(b"CDF\1" + bytes(200))
        with pytest.raises(ReadError, match=f"convert it with .*{converter}"):
            read_volume(tmp_path / name)
        (described,) = describe(tmp_path)
        assert converter in described.problem


class TestShear:
    def test_what_moves_no_voxel_by_a_tenth_of_a_millimetre_is_squared_up(self, tmp_path: Path) -> None:
        sheared = SFORM.copy()
        sheared[0, 2] = 0.012  # 0.004 rad, over three steps of 3 mm: 0.036 mm
        volume = read_volume(save(nifti(sform=(sheared, 1), qform=(SFORM, 0)), tmp_path / "v.nii"))

        np.testing.assert_array_equal(volume.array, VALUES.T)
        index = np.argwhere(np.ones(VALUES.shape))
        moved = volume.geometry.world(index) * (-1, -1, 1) - (index @ sheared[:3, :3].T + sheared[:3, 3])
        assert np.abs(moved).max() < 0.02
        assert any("sheared by up to 0.0" in note for note in volume.notes)


class TestFreeSurfer:
    AFFINE = np.array([[-1.2, 0, 0, 80], [0, 0.3, 1.6, -40], [0, -1.1, 0.4, 55], [0, 0, 0, 1.0]])
    AFFINE[:3, 1:3] = np.array([[0, 0], [0.3, 1.1], [-1.1, 0.3]]) * (1, 1.5)

    @pytest.mark.parametrize("suffix", [".mgh", ".mgz"])
    @pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4"])
    def test_as_nibabel_has_it(self, tmp_path: Path, suffix: str, dtype: str) -> None:
        image = nibabel.MGHImage(VALUES.astype(f">{dtype}"), self.AFFINE)
        nibabel.save(image, tmp_path / f"v{suffix}")
        volume = read_volume(tmp_path / f"v{suffix}")

        np.testing.assert_array_equal(volume.array, VALUES.T)
        np.testing.assert_allclose(volume.geometry.to_ras_affine(), self.AFFINE, atol=1e-5)
        assert [one.path.name for one in describe(tmp_path)] == [f"v{suffix}"]

    def test_frames_are_volumes(self, tmp_path: Path) -> None:
        frames = np.stack([VALUES, VALUES + 100], axis=-1).astype("f4")
        nibabel.save(nibabel.MGHImage(frames, self.AFFINE), tmp_path / "v.mgz")
        with pytest.raises(ReadError, match="holds 2 volumes"):
            read_volume(tmp_path / "v.mgz")
        np.testing.assert_array_equal(read_volume(tmp_path / "v.mgz", volume=2).array, VALUES.T + 100)

    @pytest.mark.parametrize(
        ("at", "number", "said"),
        [
            (0, 2, "MGH of version 2"),
            (20, 2, "voxels of type 2"),
            (4, 0, "every axis"),
            (4, 3, "holds fewer"),
        ],
    )
    def test_a_damaged_header_is_refused(self, tmp_path: Path, at: int, number: int, said: str) -> None:
        nibabel.save(nibabel.MGHImage(VALUES, self.AFFINE), tmp_path / "v.mgh")
        with pytest.raises(ReadError, match=said):
            read_volume(patched(tmp_path / "v.mgh", at, ">i", number))

    def test_one_that_does_not_say_where_it_lies_is_refused(self, tmp_path: Path) -> None:
        nibabel.save(nibabel.MGHImage(VALUES, self.AFFINE), tmp_path / "v.mgh")
        with pytest.raises(ReadError, match="says nowhere how the volume lies"):
            read_volume(patched(tmp_path / "v.mgh", 28, ">h", 0))
