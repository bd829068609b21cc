"""NRRD and MetaImage: detached headers, tracked sweeps, and headers that claim too much."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from medfuse.errors import ReadError
from medfuse.io import read_volume
from medfuse.volume import Geometry

VALUES = np.arange(24, dtype="<i2").reshape(4, 3, 2)  # z, y, x

NRRD = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "2 3 4",
    "space directions": "(2,0,0) (0,2,0) (0,0,3)",
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(-90,-126,-72)",
}
MHA = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "-90 -126 -72",
    "ElementSpacing": "2 2 3",
    "DimSize": "2 3 4",
    "ElementType": "MET_SHORT",
}
GRID = Geometry((2, 3, 4), (2, 2, 3), (-90, -126, -72))


def nrrd(path: Path, data: bytes = VALUES.tobytes(), extra: str = "", **changes: str | None) -> Path:
    """Write a NRRD file; a change to None takes the field out, ``_`` stands for a space."""
    fields = {**NRRD, **{key.replace("_", " "): value for key, value in changes.items()}}
    lines = ["NRRD0004", *(f"{key}: {value}" for key, value in fields.items() if value is not None)]
    path.write_bytes(("\n".join(lines) + "\n" + extra + "\n").encode() + data)
    return path


def mha(path: Path, data: bytes = VALUES.tobytes(), data_file: str = "LOCAL", **changes: str | None) -> Path:
    fields = {**MHA, **changes}
    if fields["CompressedData"] == "True":
        fields = {**fields, "CompressedDataSize": str(len(data)), **changes}
    lines = [*(f"{key} = {value}" for key, value in fields.items() if value is not None)]
    path.write_bytes(("\n".join(lines) + f"\nElementDataFile = {data_file}\n").encode() + data)
    return path


WRITERS = {".nrrd": nrrd, ".mha": mha}


@pytest.fixture(params=WRITERS)
def plain(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return WRITERS[request.param](tmp_path / f"v{request.param}")


def test_values_and_geometry(plain: Path) -> None:
    volume = read_volume(plain, modality="MR")

    assert volume.geometry == GRID
    np.testing.assert_array_equal(volume.array, VALUES)
    assert volume.notes == ()


@pytest.mark.parametrize("space", ["right-anterior-superior", "RAS"])
def test_a_nrrd_in_ras_is_turned_into_lps(tmp_path: Path, space: str) -> None:
    volume = read_volume(nrrd(tmp_path / "v.nrrd", space=space), modality="MR")

    assert volume.geometry.origin == (90, 126, -72)
    np.testing.assert_allclose(volume.geometry.world((1, 0, 0)), (88, 126, -72))
    assert volume.notes == ()


@pytest.mark.parametrize(
    ("space", "says"), [(None, "no space in the header"), ("scanner-xyz", "'scanner-xyz'")]
)
def test_a_nrrd_that_does_not_say_its_axes_gets_a_note(tmp_path: Path, space: str | None, says: str) -> None:
    changes = {"space": space, "space_dimension": None if space else "3"}
    volume = read_volume(nrrd_with_space_dimension(tmp_path / "v.nrrd", changes), modality="MR")

    assert volume.geometry == GRID
    assert says in volume.notes[0]
    assert "axes taken as left, back, head" in volume.notes[0]


def nrrd_with_space_dimension(path: Path, changes: dict[str, str | None]) -> Path:
    """A space dimension must stand before the directions."""
    nrrd(path, space=changes["space"])
    if changes["space_dimension"]:
        path.write_bytes(path.read_bytes().replace(b"sizes:", b"space dimension: 3\nsizes:", 1))
    return path


def test_a_metaimage_that_does_not_say_its_axes_gets_a_note(tmp_path: Path) -> None:
    volume = read_volume(mha(tmp_path / "v.mha", TransformMatrix=None), modality="MR")

    assert volume.geometry == GRID
    assert volume.notes == ("no orientation in the header: axes taken as left, back, head",)


@pytest.mark.parametrize(
    ("suffix", "changes"), [(".nrrd", {"space_directions": None}), (".mha", {"ElementSpacing": None})]
)
def test_a_volume_without_spacing_is_refused(tmp_path: Path, suffix: str, changes: dict) -> None:
    with pytest.raises(ReadError, match="says no voxel spacing; add a line"):
        read_volume(WRITERS[suffix](tmp_path / f"v{suffix}", **changes))


class TestDetached:
    """The data file must be a regular file in the header's own folder."""

    def test_header_and_data_in_one_folder_are_read(self, tmp_path: Path) -> None:
        (tmp_path / "v.raw").write_bytes(VALUES.tobytes())
        mha(tmp_path / "v.mhd", b"", "v.raw")
        nrrd(tmp_path / "v.nhdr", b"", data_file="v.raw")

        for name in ("v.mhd", "v.nhdr"):
            volume = read_volume(tmp_path / name)
            assert volume.geometry == GRID
            np.testing.assert_array_equal(volume.array, VALUES)

    @pytest.mark.parametrize(
        "name", ["{outside}", "../secret.raw", "sub/inside.raw", "LIST", "v%02d.raw 1 4 1", "gone.raw"]
    )
    @pytest.mark.parametrize("suffix", [".mhd", ".nhdr", ".mha", ".nrrd"])
    def test_other_places_are_refused(self, tmp_path: Path, name: str, suffix: str) -> None:
        folder = tmp_path / "folder"
        (folder / "sub").mkdir(parents=True)
        for place in (tmp_path / "secret.raw", folder / "sub" / "inside.raw"):
            place.write_bytes(VALUES.tobytes())
        name = name.format(outside=tmp_path / "secret.raw")
        header = folder / f"v{suffix}"
        if suffix in (".mhd", ".mha"):
            mha(header, b"", name)
        else:
            nrrd(header, b"", data_file=name)

        with pytest.raises(
            ReadError, match="expected the name of one regular file in the header's own folder"
        ):
            read_volume(header)

    def test_a_link_to_elsewhere_is_refused(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        (tmp_path / "secret.raw").write_bytes(VALUES.tobytes())
        (folder / "v.raw").symlink_to(tmp_path / "secret.raw")

        with pytest.raises(ReadError, match="regular file in the header's own folder"):
            read_volume(mha(folder / "v.mhd", b"", "v.raw"))


class TestSize:
    @pytest.mark.parametrize(
        ("suffix", "changes"), [(".nrrd", {"sizes": "200 300 400"}), (".mha", {"DimSize": "200 300 400"})]
    )
    def test_more_than_the_file_holds_is_refused(self, tmp_path: Path, suffix: str, changes: dict) -> None:
        with pytest.raises(ReadError, match="declares 48000000 bytes of voxels, the file holds fewer"):
            read_volume(WRITERS[suffix](tmp_path / f"v{suffix}", **changes))

    def test_more_than_compression_can_hold_is_refused(self, tmp_path: Path) -> None:
        squeezed = {"gz": gzip.compress(VALUES.tobytes()), "zlib": zlib.compress(VALUES.tobytes())}
        files = (
            nrrd(tmp_path / "v.nrrd", squeezed["gz"], encoding="gzip", sizes="200 300 400"),
            mha(tmp_path / "v.mha", squeezed["zlib"], CompressedData="True", DimSize="200 300 400"),
        )
        for path in files:
            with pytest.raises(ReadError, match="the file holds fewer"):
                read_volume(path)

    def test_a_compressed_file_that_ends_early_is_refused(self, tmp_path: Path) -> None:
        squeezed = {"gz": gzip.compress(VALUES.tobytes()), "zlib": zlib.compress(VALUES.tobytes())}
        files = (
            nrrd(tmp_path / "v.nrrd", squeezed["gz"], encoding="gzip", sizes="4 6 8"),
            mha(tmp_path / "v.mha", squeezed["zlib"], CompressedData="True", DimSize="4 6 8"),
        )
        for path in files:
            with pytest.raises(ReadError, match="declares 384 bytes of voxels, the file holds fewer"):
                read_volume(path)

    def test_compressed_voxels_are_read(self, tmp_path: Path) -> None:
        files = (
            nrrd(tmp_path / "v.nrrd", gzip.compress(VALUES.tobytes()), encoding="gzip"),
            mha(tmp_path / "v.mha", zlib.compress(VALUES.tobytes()), CompressedData="True"),
        )
        for path in files:
            np.testing.assert_array_equal(read_volume(path).array, VALUES)

    @pytest.mark.parametrize(("size", "says"), [(None, "without CompressedDataSize"), ("20", "holds fewer")])
    def test_a_compressed_metaimage_must_tell_its_size(
        self, tmp_path: Path, size: str | None, says: str
    ) -> None:
        # ITK would return what was in memory.
        content = zlib.compress(VALUES.tobytes())
        with pytest.raises(ReadError, match=says):
            read_volume(mha(tmp_path / "v.mha", content, CompressedData="True", CompressedDataSize=size))

    def test_a_wrong_checksum_is_refused(self, tmp_path: Path) -> None:
        for path, content in (
            (nrrd(tmp_path / "v.nrrd", b"", encoding="gzip"), gzip.compress(VALUES.tobytes())),
            (mha(tmp_path / "v.mha", b"", CompressedData="True"), zlib.compress(VALUES.tobytes())),
        ):
            damaged = bytearray(content)
            damaged[-7 if path.suffix == ".nrrd" else -1] ^= 1
            header = path.read_bytes().replace(b"DataSize = 0", b"DataSize = %d" % len(damaged))
            path.write_bytes(header + damaged)
            with pytest.raises(ReadError, match=r"cannot be read: .*incorrect data check"):
                read_volume(path)

    def test_lines_to_skip_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="lines to skip"):
            read_volume(nrrd(tmp_path / "v.nrrd", line_skip="1"))

    @pytest.mark.parametrize("sizes", ["2 3 0", "2 -3 4", "2 3 x", "2 3 99999999999999999999", ""])
    def test_sizes_that_are_none_are_refused(self, tmp_path: Path, sizes: str) -> None:
        for path in (nrrd(tmp_path / "v.nrrd", sizes=sizes), mha(tmp_path / "v.mha", DimSize=sizes)):
            with pytest.raises(ReadError, match=r"at least one|whole numbers|2-D|kinds"):
                read_volume(path)

    @pytest.mark.parametrize(
        ("image", "says"),
        [
            (
                SimpleITK.Image([4, 3], SimpleITK.sitkInt16),
                "2-D image of 4×3 pixels where a volume is asked for",
            ),
            (SimpleITK.Image([4, 3, 2, 5], SimpleITK.sitkInt16), "holds 5 volumes; choose one with --volume"),
            (SimpleITK.Image([4, 3, 2], SimpleITK.sitkVectorInt16, 4), "holds 4 volumes; choose one"),
            (SimpleITK.Image([4, 3, 2], SimpleITK.sitkVectorFloat32, 2), "holds 2 volumes; choose one"),
        ],
    )
    def test_what_is_no_volume_is_refused(
        self, tmp_path: Path, image: SimpleITK.Image, says: str, suffix: str
    ) -> None:
        SimpleITK.WriteImage(image, str(tmp_path / f"v{suffix}"))
        with pytest.raises(ReadError, match=says):
            read_volume(tmp_path / f"v{suffix}")

    def test_one_of_several_volumes(self, tmp_path: Path, suffix: str) -> None:
        values = np.arange(120, dtype="f4").reshape(5, 2, 3, 4)
        image = SimpleITK.GetImageFromArray(values, isVector=False)
        image.SetSpacing((0.5, 0.75, 2, 1))
        image.SetOrigin((1, 2, 3, 0))
        SimpleITK.WriteImage(image, str(tmp_path / f"v{suffix}"))
        volume = read_volume(tmp_path / f"v{suffix}", volume=4)

        np.testing.assert_array_equal(volume.array, values[3])
        assert volume.geometry.spacing == (0.5, 0.75, 2)
        assert volume.geometry.origin == (1, 2, 3)
        assert "volume 4 of 5" in volume.notes

    def test_one_of_several_values(self, tmp_path: Path, suffix: str) -> None:
        values = np.arange(120, dtype="f4").reshape(2, 3, 4, 5)
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values, isVector=True), str(tmp_path / f"v{suffix}"))
        np.testing.assert_array_equal(read_volume(tmp_path / f"v{suffix}", volume=2).array, values[..., 1])

    @pytest.fixture(params=WRITERS)
    def suffix(self, request: pytest.FixtureRequest) -> str:
        return request.param


class TestSweep:
    """A tracked sweep looks like a volume to ITK."""

    SAYS = "a tracked sweep, not a volume: reconstruct it first"

    def test_nrrd_with_frames(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match=self.SAYS):
            read_volume(nrrd(tmp_path / "v.nrrd", extra="Seq_Frame0000_Status:=OK\n"))

    def test_metaimage_with_frames(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match=self.SAYS):
            read_volume(mha(tmp_path / "v.mha", Seq_Frame0000_ImageStatus="OK"))

    def test_the_name_alone(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match=self.SAYS):
            read_volume(mha(tmp_path / "v.igs.mha"))


def test_an_unknown_voxel_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="type 'block'; expected one such as short"):
        read_volume(nrrd(tmp_path / "v.nrrd", type="block"))
    with pytest.raises(ReadError, match="ElementType 'MET_OTHER'; expected one such as MET_SHORT"):
        read_volume(mha(tmp_path / "v.mha", ElementType="MET_OTHER"))
