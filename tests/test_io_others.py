"""Pictures, fingerprints and descriptions."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import write_series
from oriented import ORIENTED
from PIL import Image

from medfuse.errors import ReadError
from medfuse.io import describe, read_image, sha256_of, sha256_of_input, write_volume
from medfuse.io.formats.images import load_image
from medfuse.volume import Geometry, Volume

GRID = ORIENTED["oblique"]
GREY = np.random.default_rng(0).integers(0, 256, (5, 7)).astype("u1")


class TestImages:
    @pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
    def test_eight_bits_are_divided_by_255(self, tmp_path: Path, suffix: str) -> None:
        Image.fromarray(GREY).save(tmp_path / f"a{suffix}")
        image = read_image(tmp_path / f"a{suffix}")

        np.testing.assert_array_equal(image, GREY.astype(np.float32) / np.float32(255))
        assert image.dtype == np.float32
        assert image.shape == (5, 7)

    def test_a_jpeg_is_near_its_picture(self, tmp_path: Path) -> None:
        smooth = np.add.outer(np.arange(40), np.arange(60)).astype("u1")
        Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)

        np.testing.assert_allclose(read_image(tmp_path / "a.jpg") * 255, smooth, atol=3)

    @pytest.mark.parametrize("suffix", [".png", ".tif"])
    def test_sixteen_bits_are_divided_by_65535(self, tmp_path: Path, suffix: str) -> None:
        wide = GREY.astype("u2") * 257
        wide[0, 0] = 65535
        Image.fromarray(wide).save(tmp_path / f"a{suffix}")

        np.testing.assert_array_equal(
            read_image(tmp_path / f"a{suffix}"), wide.astype("f4") / np.float32(65535)
        )

    def test_black_and_white(self, tmp_path: Path) -> None:
        Image.fromarray(GREY > 100).save(tmp_path / "a.png")

        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), GREY > 100)

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA"])
    def test_colour_modes_that_show_grey_are_read(self, tmp_path: Path, mode: str) -> None:
        Image.fromarray(GREY).convert(mode).save(tmp_path / "a.png")

        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), GREY.astype("f4") / np.float32(255))

    def test_colour_is_refused(self, tmp_path: Path) -> None:
        colour = np.stack([GREY, GREY, GREY], axis=-1)
        colour[2, 3, 1] ^= 64
        Image.fromarray(colour).save(tmp_path / "a.png")
        with pytest.raises(ReadError, match="in colour; expected grey values: add --to-grey"):
            read_image(tmp_path / "a.png")
        values, white, notes = load_image(tmp_path / "a.png", to_grey=True)
        assert values[2, 3] == pytest.approx(colour[2, 3] @ np.array([0.299, 0.587, 0.114]), abs=1e-4)
        assert white == 255
        assert notes == ("in colour: its luma was taken",)

    def test_transparency_is_refused(self, tmp_path: Path) -> None:
        picture = Image.fromarray(GREY).convert("LA")
        picture.putalpha(128)
        picture.save(tmp_path / "a.png")
        with pytest.raises(ReadError, match="transparent"):
            read_image(tmp_path / "a.png")

    def test_several_pictures_in_a_file_are_refused(self, tmp_path: Path) -> None:
        pictures = [Image.fromarray(GREY), Image.fromarray(GREY)]
        pictures[0].save(tmp_path / "a.tif", save_all=True, append_images=pictures[1:])
        with pytest.raises(ReadError, match="2 pictures in one file"):
            read_image(tmp_path / "a.tif")

    @pytest.mark.parametrize(
        ("array", "expected"),
        [
            (GREY, GREY / 255),
            (GREY.astype("u2") * 257, GREY / 255),
            (GREY / 255, GREY / 255),
        ],
    )
    def test_the_one_array_of_a_mat_file(
        self, tmp_path: Path, array: np.ndarray, expected: np.ndarray
    ) -> None:
        from scipy.io import savemat

        savemat(tmp_path / "a.mat", {"image": array, "spacing": 0.5, "name": "x"})
        np.testing.assert_allclose(read_image(tmp_path / "a.mat"), expected, atol=1e-7)

    @pytest.mark.parametrize(
        ("arrays", "says"),
        [
            ({}, "holds 0 2-D arrays"),
            ({"a": GREY, "b": GREY}, r"holds 2 2-D arrays \(a, b\); expected one"),
            ({"a": GREY.astype("f8")}, "values from .* expected 0 to 1"),
            ({"a": GREY / -255}, "values from -0"),
            ({"a": GREY / 255 * 1j}, "complex128; expected real numbers"),
            ({"a": np.where(GREY > 100, np.nan, 0.5)}, "NaN"),
        ],
    )
    def test_mat_files_that_are_refused(self, tmp_path: Path, arrays: dict, says: str) -> None:
        from scipy.io import savemat

        savemat(tmp_path / "a.mat", arrays)
        with pytest.raises(ReadError, match=says):
            read_image(tmp_path / "a.mat")

    @pytest.mark.parametrize(("name", "says"), [("gone.png", "does not exist"), ("a.txt", "not a 2-D image")])
    def test_what_is_no_image(self, tmp_path: Path, name: str, says: str) -> None:
        (tmp_path / "a.txt").write_text("hello")
        with pytest.raises(ReadError, match=says):
            read_image(tmp_path / name)

    @pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".mat"])
    def test_damaged_images(self, tmp_path: Path, suffix: str) -> None:
        (tmp_path / f"a{suffix}").write_bytes(b"rubbish" * 10)
        with pytest.raises(ReadError, match="cannot be read"):
            read_image(tmp_path / f"a{suffix}")

    def test_a_cut_off_image(self, tmp_path: Path) -> None:
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (99, 99)).astype("u1")).save(
            tmp_path / "a.png"
        )
        content = (tmp_path / "a.png").read_bytes()
        (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
        with pytest.raises(ReadError, match="cannot be read"):
            read_image(tmp_path / "a.png")

    def test_more_pixels_than_the_limit(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        Image.fromarray(GREY).save(tmp_path / "a.png")
        monkeypatch.setenv("MEDFUSE_MAX_VOXELS", "34")
        with pytest.raises(ReadError, match="7×5 voxels, more than the limit of 34"):
            read_image(tmp_path / "a.png")


class TestFingerprints:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name, text in {"b.dcm": "two", "a.dcm": "one", "sub/c.dcm": "three", "Z.dcm": "four"}.items():
            (tmp_path / "f" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "f" / name).write_text(text)
        return tmp_path / "f"

    def test_of_a_file(self, folder: Path) -> None:
        assert sha256_of(folder / "a.dcm") == hashlib.sha256(b"one").hexdigest()
        assert sha256_of(str(folder / "a.dcm")) == sha256_of(folder / "a.dcm")

    def test_of_a_folder_by_its_definition(self, folder: Path) -> None:
        lines = [
            f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n"
            for name, text in [("Z.dcm", "four"), ("a.dcm", "one"), ("b.dcm", "two"), ("sub/c.dcm", "three")]
        ]
        assert sha256_of(folder) == hashlib.sha256("".join(lines).encode()).hexdigest()

    def test_of_a_folder_by_the_command_of_the_docstring(self, folder: Path) -> None:
        command = "find * -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
        assert command in (sha256_of.__doc__ or "")
        try:
            done = subprocess.run(
                ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("needs bash, find, sort, xargs and sha256sum")
        assert done.stdout.split()[0] == sha256_of(folder)

    @pytest.mark.parametrize("change", ["content", "name", "more", "less"])
    def test_any_change_of_a_folder_shows(self, folder: Path, change: str) -> None:
        before = sha256_of(folder)
        if change == "content":
            (folder / "b.dcm").write_text("tWo")
        elif change == "name":
            (folder / "b.dcm").rename(folder / "bb.dcm")
        elif change == "more":
            (folder / "d.dcm").touch()
        else:
            (folder / "b.dcm").unlink()
        assert sha256_of(folder) != before

    def test_links_out_of_the_folder_do_not_count(self, folder: Path) -> None:
        before = sha256_of(folder)
        (folder / "out").symlink_to(__file__)
        assert sha256_of(folder) == before

    def test_of_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="does not exist"):
            sha256_of(tmp_path / "gone")


class TestInputs:
    """All files that voxels may come from belong to an input's fingerprint, and no others."""

    STORED = np.random.default_rng(1).integers(0, 900, (3, 4, 4)).astype("i2")

    @staticmethod
    def listing(*files: Path, folder: Path) -> str:
        """What the docstring says, in other words."""
        names = sorted(file.relative_to(folder).as_posix() for file in files)
        lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".png", ".tif"])
    def test_a_file_that_holds_all_itself(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"v{suffix}"
        if suffix in (".png", ".tif"):
            Image.fromarray(GREY).save(path)
        else:
            write_volume(Volume(np.ones(GRID.shape), GRID), path)
        before = sha256_of_input(path)
        assert before == hashlib.sha256(path.read_bytes()).hexdigest()
        (tmp_path / "other.dcm").write_text("beside it")
        assert sha256_of_input(str(path)) == before

    def test_both_halves_of_a_pair(self, tmp_path: Path) -> None:
        import nibabel

        nibabel.Nifti1Pair(np.ones((3, 4, 5), "f4"), np.eye(4)).to_filename(tmp_path / "a.hdr")
        halves = tmp_path / "a.hdr", tmp_path / "a.img"
        assert {sha256_of_input(half) for half in halves} == {self.listing(*halves, folder=tmp_path)}

    @pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
    def test_the_data_beside_a_header(self, tmp_path: Path, suffix: str) -> None:
        import SimpleITK as sitk

        for name, seed in (("a", 1), ("b", 2)):
            array = np.random.default_rng(seed).random((3, 4, 5)).astype("f4")
            sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / f"{name}{suffix}"))
        header, data = tmp_path / f"a{suffix}", tmp_path / "a.raw"
        before = sha256_of_input(header)
        assert before == self.listing(header, data, folder=tmp_path)
        (tmp_path / "b.raw").write_bytes(b"another volume")
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "fused.nii.gz").write_bytes(b"a result beside its source")
        assert sha256_of_input(header) == before
        data.write_bytes(data.read_bytes()[::-1])
        assert sha256_of_input(header) != before

    def test_the_series_of_one_file(self, tmp_path: Path) -> None:
        own = write_series(tmp_path / "s", self.STORED, Geometry((4, 4, 3), (1, 1, 2)))
        other = write_series(tmp_path / "t", self.STORED, Geometry((4, 4, 3), (1, 1, 2)), seed=2)
        for file in other:
            file.rename(tmp_path / "s" / f"other-{file.name}")
        (tmp_path / "s" / "notes.txt").write_text("none of it")
        digests = {sha256_of_input(file) for file in own}
        assert digests == {self.listing(*own, folder=tmp_path / "s")}
        (tmp_path / "s" / "notes.txt").write_text("changed")
        assert {sha256_of_input(own[0])} == digests
        own[2].write_bytes(own[2].read_bytes() + b"\0\0")
        assert {sha256_of_input(file) for file in own} != digests

    def test_a_folder(self, tmp_path: Path) -> None:
        write_series(tmp_path / "s", self.STORED, Geometry((4, 4, 3), (1, 1, 2)))
        assert sha256_of_input(tmp_path / "s") == sha256_of(tmp_path / "s")

    def test_by_the_command_of_the_docstring(self, tmp_path: Path) -> None:
        import SimpleITK as sitk

        sitk.WriteImage(sitk.GetImageFromArray(np.ones((3, 4, 5), "f4")), str(tmp_path / "a.mhd"))
        command = "printf '%s\\0' FILES | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
        assert command in (sha256_of_input.__doc__ or "")
        words = ["bash", "-c", command.replace("FILES", "a.raw a.mhd")]
        try:
            done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("needs bash, sort, xargs and sha256sum")
        assert done.stdout.split()[0] == sha256_of_input(tmp_path / "a.mhd")

    def test_of_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="does not exist"):
            sha256_of_input(tmp_path / "gone.mhd")


class TestDescribe:
    def test_a_file(self, tmp_path: Path) -> None:
        write_volume(Volume(np.zeros(GRID.shape), GRID), tmp_path / "v.nrrd")
        (one,) = describe(tmp_path / "v.nrrd")

        assert (one.path, one.series, one.modality, one.problem) == (tmp_path / "v.nrrd", None, "OT", "")
        assert one.geometry is not None
        assert one.geometry.matches(GRID)
        assert str(one).startswith(f"{tmp_path / 'v.nrrd'}: OT, 7×6×5 voxels of 0.9×1.25×2.4 mm")
        with pytest.raises(FrozenInstanceError):
            one.modality = "CT"

    def test_a_folder_of_all_kinds(self, tmp_path: Path) -> None:
        stored = np.zeros(GRID.shape, "u2")
        write_series(tmp_path / "good", stored, GRID, edit=lambda d, k: setattr(d, "SeriesNumber", 1))
        write_series(tmp_path / "gap", stored, GRID, edit=lambda d, k: setattr(d, "SeriesNumber", 2))[
            2
        ].unlink()
        (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM")
        (tmp_path / "v.nii").write_bytes(b"rubbish")
        write_volume(Volume(np.zeros(GRID.shape), GRID), tmp_path / "w.mha")
        (tmp_path / "notes.txt").touch()
        found = describe(tmp_path)

        assert [bool(one.geometry) for one in found] == [True, False, False, False, True]
        good, gap, broken, nifti, _ = found
        assert good.label is not None
        assert good.label.startswith("1 ‹head 5 mm› (CT, 5 images) ")
        assert good.series in good.label
        assert gap.problem.startswith("uneven slices: 2.4 mm, but 4.8 mm after slice 2 (1 missing)")
        assert (broken.path.name, nifti.path.name) == ("broken.dcm", "v.nii")
        assert broken.problem
        assert nifti.problem
        for one in found:
            assert str(one).isprintable()
            assert "Phantom" not in str(one)
            assert str(one).count(str(one.path)) == 1

    def test_each_series_that_is_described_can_be_read_by_its_uid(self, tmp_path: Path) -> None:
        from medfuse.io import read_volume

        for seed in (1, 2):
            write_series(tmp_path / str(seed), np.full(GRID.shape, seed, "u2"), GRID, seed=seed)
        for one in describe(tmp_path):
            assert read_volume(tmp_path, series=one.series).geometry == one.geometry

    def test_one_file_of_a_series(self, tmp_path: Path) -> None:
        paths = write_series(tmp_path, np.zeros(GRID.shape, "u2"), GRID)
        (one,) = describe(paths[0])

        assert one.geometry is not None
        assert one.geometry.size == GRID.size

    def test_nothing_to_describe(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").touch()
        with pytest.raises(ReadError, match="holds no DICOM images and no NIfTI"):
            describe(tmp_path)
        with pytest.raises(ReadError, match="does not exist"):
            describe(tmp_path / "gone")

    def test_a_folder_with_a_zip_says_what_to_name(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
            archive.writestr("a.txt", "nothing")
        with pytest.raises(ReadError, match=r"it holds a zip: name that itself \(export\.zip\)"):
            describe(tmp_path)
