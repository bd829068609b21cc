"""NIfTI: which affine, which units, which values; damaged and unusual files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medfuse.errors import ReadError
from medfuse.io import read_volume
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


DIM, PIXDIM, VOX_OFFSET, QFORM_CODE, SFORM_CODE, SROW_X = 40, 76, 108, 252, 254, 280


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

    @pytest.mark.parametrize("number", [float("nan"), float("inf")])
    def test_numbers_that_are_none_are_refused(self, plain: Path, number: float) -> None:
        with pytest.raises(ReadError, match="sform holds NaN or infinite"):
            read_volume(patched(plain, SROW_X, "<f", number))

    def test_a_singular_affine_is_refused(self, plain: Path) -> None:
        with pytest.raises(ReadError, match="singular"):
            read_volume(patched(plain, SROW_X, "<12f", *[0.0] * 12))

    def test_a_flattened_affine_is_refused(self, plain: Path) -> None:
        with pytest.raises(ReadError, match="axes run almost alike"):
            read_volume(patched(plain, SROW_X, "<12f", 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0))

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

    @pytest.mark.parametrize("offset", [QFORM_CODE, SFORM_CODE])
    @pytest.mark.parametrize("code", [-1, 6, 255])
    def test_an_unknown_code_is_refused(self, plain: Path, offset: int, code: int) -> None:
        # nibabel would take it for 0 and use the other affine.
        with pytest.raises(ReadError, match=f"form_code is {code}; expected 0 to 5"):
            read_volume(patched(plain, offset, "<h", code))

    @pytest.mark.parametrize("size", [0.0, -2.0, float("nan")])
    def test_voxel_sizes_that_the_qform_needs_must_be_positive(self, tmp_path: Path, size: float) -> None:
        # nibabel would take 1 for 0, and 2 for -2.
        path = save(nifti(sform=(SFORM, 0), qform=(QFORM, 1)), tmp_path / "v.nii")
        with pytest.raises(ReadError, match="every size must be positive"):
            read_volume(patched(path, PIXDIM + 8, "<f", size))

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
