"""NRRD and MetaImage: detached headers, tracked sweeps, and headers that claim too much."""

from __future__ import annotations

import bz2
import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from medfuse.errors import ReadError, WriteError
from medfuse.io import read_volume, write_volume
from medfuse.volume import Geometry, Volume

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
    ("space", "says"), [(None, "no space in the header"), ("scanner-xyz", "‹scanner-xyz›")]
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


class TestOneHeader:
    """What was checked is what is read: there is one parser."""

    def test_a_pair_of_free_text_says_nothing_of_the_volume(self, tmp_path: Path) -> None:
        for key in ("type", "space", "sizes", "space origin", "encoding", "kinds", "line skip"):
            path = nrrd(tmp_path / "v.nrrd", extra=f"{key}:=T1 of (9,9,9)\n{key}:=again\nremark:=a: b\n")
            volume = read_volume(path, modality="MR")
            assert volume.geometry == GRID
            np.testing.assert_array_equal(volume.array, VALUES)

    def test_a_pair_does_not_hide_the_data_file(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        (tmp_path / "secret.raw").write_bytes(VALUES.tobytes())
        (folder / "v.raw").write_bytes(VALUES.tobytes())
        path = nrrd(folder / "v.nhdr", b"", "data file:=v.raw\ndata file: ../secret.raw\n")
        with pytest.raises(ReadError, match=r"names the data file '\.\./secret\.raw'"):
            read_volume(path)

    @pytest.mark.parametrize(
        ("extra", "says"),
        [
            ("sizes: 2 3 4\n", "'sizes' is there twice"),
            ("datafile: a\ndata file: b\n", "'data file' is there twice"),
            ("Space Origin: (1,1,1)\n", "'space origin' is there twice"),
            ("spacing: 1 1 1\n", "is no line of an NRRD header"),
            (" labels: a b c\n", "is no line of an NRRD header"),
            ("space dimension: 3\n", "both 'space' and 'space dimension'"),
            ("spacings: 1 1 1\n", "both 'space directions' and spacings"),
        ],
    )
    def test_a_nrrd_field_that_is_doubled_or_unknown_is_refused(
        self, tmp_path: Path, extra: str, says: str
    ) -> None:
        with pytest.raises(ReadError, match=says):
            read_volume(nrrd(tmp_path / "v.nrrd", extra=extra))

    def test_a_field_before_what_it_rests_on_is_refused(self, tmp_path: Path) -> None:
        path = nrrd(tmp_path / "v.nrrd")
        content = path.read_bytes().replace(b"dimension: 3\n", b"", 1)
        path.write_bytes(content.replace(b"kinds:", b"dimension: 3\nkinds:", 1))
        with pytest.raises(ReadError, match="'sizes' stands before 'dimension', which must come first"):
            read_volume(path)

    @pytest.mark.parametrize("key", ["elementspacing", "DIMSIZE", "offset", "Elementtype"])
    def test_a_metaimage_key_in_another_case_is_refused(self, tmp_path: Path, key: str) -> None:
        usual = next(name for name in MHA if name.lower() == key.lower())
        path = mha(tmp_path / "v.mha", **{usual: None, "Comment": "x", key: MHA[usual]})
        with pytest.raises(ReadError, match=rf"the key '{key}' is not known \(case matters\); write {usual}"):
            read_volume(path)

    @pytest.mark.parametrize("key", ["ElementSpacing", "Position", "Orientation", "DimSize"])
    def test_a_metaimage_key_that_is_there_twice_is_refused(self, tmp_path: Path, key: str) -> None:
        path = mha(tmp_path / "v.mha")
        path.write_bytes(f"ObjectType = Image\nNDims = 3\n{key} = 9 9 9\n".encode() + path.read_bytes()[29:])
        with pytest.raises(ReadError, match="is there twice: which of them holds is unknown"):
            read_volume(path)

    def test_a_line_that_is_none_is_refused(self, tmp_path: Path) -> None:
        # MetaIO would look for the separator in the next line and lose that.
        path = mha(tmp_path / "v.mha")
        path.write_bytes(path.read_bytes().replace(b"ElementSpacing", b"a remark\nElementSpacing", 1))
        with pytest.raises(ReadError, match="'a remark' is no line of a MetaImage header"):
            read_volume(path)

    def test_notes_of_the_user_may_be_doubled(self, tmp_path: Path) -> None:
        path = mha(tmp_path / "v.mha")
        path.write_bytes(path.read_bytes().replace(b"DimSize", b"Kinds = x\nKinds = y\nDimSize", 1))
        assert read_volume(path).geometry == GRID

    def test_the_voxel_limit_sees_the_true_sizes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MEDFUSE_MAX_VOXELS", "20")
        with pytest.raises(ReadError, match="declares 2×3×4 voxels, more than the limit of 20"):
            read_volume(nrrd(tmp_path / "v.nrrd", extra="sizes:=1 1 1\n"))


RED = np.arange(72, dtype="u1").reshape(4, 3, 2, 3)  # z, y, x, channel
FOUR = np.stack([VALUES, VALUES + 100, VALUES + 200])  # volumes, z, y, x


class TestSpaces:
    def test_las(self, tmp_path: Path) -> None:
        path = nrrd(tmp_path / "v.nrrd", space="left-anterior-superior")
        volume = read_volume(path, modality="MR")

        assert volume.geometry.origin == (-90, 126, -72)
        np.testing.assert_allclose(volume.geometry.world((1, 1, 1)), (-88, 124, -69))
        image = SimpleITK.ReadImage(str(path))  # wrong before SimpleITK 2.5.6
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((1, 1, 1)), (-88, 124, -69))

    @pytest.mark.parametrize(
        ("space", "corner"),
        [
            ("right-anterior-superior-time", (90, 126, -72)),
            ("RAST", (90, 126, -72)),
            ("LAST", (-90, 126, -72)),
            ("left-posterior-superior-time", (-90, -126, -72)),
        ],
    )
    def test_spaces_with_time(self, tmp_path: Path, space: str, corner: tuple) -> None:
        path = nrrd(
            tmp_path / "v.nrrd",
            FOUR.tobytes(),
            dimension="4",
            space=space,
            sizes="2 3 4 3",
            space_directions="(2,0,0,0) (0,2,0,0) (0,0,3,0) (0,0,0,1.5)",
            kinds="domain domain domain time",
            space_origin="(-90,-126,-72,0)",
        )
        volume = read_volume(path, volume=2, modality="MR")

        np.testing.assert_array_equal(volume.array, VALUES + 100)
        assert volume.geometry.origin == corner
        assert volume.notes == ("volume 2 of 3",)

    @pytest.mark.parametrize(("unit", "scale"), [("um", 1e-3), ("µm", 1e-3), ("cm", 10), ("m", 1000)])
    def test_units_become_millimetres_with_a_note(self, tmp_path: Path, unit: str, scale: float) -> None:
        units = " ".join([f'"{unit}"'] * 3)
        volume = read_volume(nrrd(tmp_path / "v.nrrd", extra=f"space units: {units}\n"), modality="MR")

        expected = np.diag([scale, scale, scale, 1]) @ GRID.affine
        np.testing.assert_allclose(volume.geometry.affine, expected)
        assert volume.notes == (f"lengths converted from {unit} to millimetres",)

    def test_units_of_spacings_and_of_a_metaimage(self, tmp_path: Path) -> None:
        path = nrrd(
            tmp_path / "v.nrrd",
            space=None,
            space_directions=None,
            space_origin=None,
            spacings="500 500 750",
            units='"um" "um" "um"',
        )
        assert read_volume(path).geometry.spacing == (0.5, 0.5, 0.75)
        volume = read_volume(mha(tmp_path / "v.mha", DistanceUnits="cm"), modality="MR")
        assert volume.geometry.spacing == (20, 20, 30)
        assert volume.geometry.origin == (-900, -1260, -720)
        assert volume.notes == ("lengths converted from cm to millimetres",)

    def test_mm_needs_no_note_and_what_is_unknown_is_refused(self, tmp_path: Path) -> None:
        path = nrrd(tmp_path / "v.nrrd", extra='space units: "mm" "" "mm"\n')
        assert read_volume(path, modality="MR").notes == ()
        with pytest.raises(ReadError, match="lengths in 'parsec'; expected one such as mm or um"):
            read_volume(nrrd(tmp_path / "v.nrrd", extra='space units: "parsec" "mm" "mm"\n'))
        with pytest.raises(ReadError, match="DistanceUnits 'inch'; expected mm, um or cm"):
            read_volume(mha(tmp_path / "v.mha", DistanceUnits="inch"))

    @pytest.mark.parametrize("suffix", WRITERS)
    def test_a_shear_is_straightened_with_a_note(self, tmp_path: Path, suffix: str) -> None:
        sheared = np.diag([2.0, 2.0, 3.0])
        sheared[1, 2] = 1.5  # gantry tilt: each slice 1.5 mm further along y
        index = np.stack(np.meshgrid(*(np.arange(n) for n in (7, 6, 5)), indexing="ij"), -1)
        ramp = ((index @ sheared.T) @ (2, 3, -1)).astype("<f4").T
        directions = " ".join("({},{},{})".format(*column) for column in sheared.T)
        unit = (sheared / np.linalg.norm(sheared, axis=0)).T.ravel()
        changes = {
            ".nrrd": {
                "type": "float",
                "sizes": "7 6 5",
                "space_directions": directions,
                "space_origin": "(0,0,0)",
            },
            ".mha": {
                "ElementType": "MET_FLOAT",
                "DimSize": "7 6 5",
                "TransformMatrix": " ".join(map(repr, unit.tolist())),
                "ElementSpacing": f"2 2 {float(np.hypot(3, 1.5))!r}",
                "Offset": "0 0 0",
            },
        }[suffix]
        volume = read_volume(WRITERS[suffix](tmp_path / f"v{suffix}", ramp.tobytes(), **changes))

        assert any("sheared by 26.6°; interpolated" in note for note in volume.notes)
        assert volume.valid is not None
        points = volume.geometry.world(np.argwhere(volume.valid)[:, ::-1])
        np.testing.assert_allclose(volume.array[volume.valid], points @ (2, 3, -1), atol=1e-3)


class TestValueAxes:
    """Only RGB kinds and triplets of 8 bits are colour; a list is a list of volumes."""

    DIRECTIONS = "none (2,0,0) (0,2,0) (0,0,3)"

    def four(self, path: Path, kind: str | None, data: np.ndarray, **changes: str) -> Path:
        count = data.shape[-1]
        kinds = None if kind is None else f"{kind} domain domain domain"
        return nrrd(
            path,
            data.tobytes(),
            dimension="4",
            sizes=f"{count} 2 3 4",
            space_directions=self.DIRECTIONS,
            kinds=kinds,
            **changes,
        )

    @pytest.mark.parametrize("kind", ["list", "none", "vector", "covariant-vector", "3-vector", "???", None])
    def test_three_numbers_of_16_bits_are_three_volumes(self, tmp_path: Path, kind: str | None) -> None:
        path = self.four(tmp_path / "v.nrrd", kind, np.moveaxis(FOUR, 0, -1))
        with pytest.raises(ReadError, match="holds 3 volumes; choose one"):
            read_volume(path)
        volume = read_volume(path, volume=3)
        np.testing.assert_array_equal(volume.array, VALUES + 200)
        assert volume.geometry == GRID

    @pytest.mark.parametrize("kind", ["RGB-color", "3-color", "vector", "none", None])
    def test_triplets_of_8_bits_are_colour(self, tmp_path: Path, kind: str | None) -> None:
        volume = read_volume(self.four(tmp_path / "v.nrrd", kind, RED, type="uchar"))
        np.testing.assert_array_equal(volume.array, RED)

    def test_a_list_of_8_bits_is_a_list(self, tmp_path: Path) -> None:
        path = self.four(tmp_path / "v.nrrd", "list", RED, type="uchar")
        np.testing.assert_array_equal(read_volume(path, volume=1).array, RED[..., 0])

    def test_rgb_of_16_bits_is_colour(self, tmp_path: Path) -> None:
        path = self.four(tmp_path / "v.nrrd", "RGB-color", np.moveaxis(FOUR, 0, -1))
        np.testing.assert_array_equal(read_volume(path).array, np.moveaxis(FOUR, 0, -1))

    def test_complex_voxels_are_refused(self, tmp_path: Path) -> None:
        path = self.four(tmp_path / "v.nrrd", "complex", np.moveaxis(FOUR[:2], 0, -1))
        with pytest.raises(ReadError, match="complex voxels; save the magnitude"):
            read_volume(path)

    def test_channels_of_a_metaimage(self, tmp_path: Path) -> None:
        three = mha(tmp_path / "v.mha", np.moveaxis(FOUR, 0, -1).tobytes(), ElementNumberOfChannels="3")
        np.testing.assert_array_equal(read_volume(three, volume=2).array, VALUES + 100)
        colour = mha(tmp_path / "c.mha", RED.tobytes(), ElementNumberOfChannels="3", ElementType="MET_UCHAR")
        np.testing.assert_array_equal(read_volume(colour).array, RED)

    def test_colour_that_is_no_8_bits_is_written_to_nrrd_alone(self, tmp_path: Path) -> None:
        colour = Volume(RED / 100, GRID)
        write_volume(colour, tmp_path / "v.nrrd")
        np.testing.assert_array_equal(read_volume(tmp_path / "v.nrrd").array, colour.array)
        with pytest.raises(WriteError, match=r"would be read as three volumes: write \.nrrd instead"):
            write_volume(colour, tmp_path / "v.mha")


class TestEncodings:
    TEXT = " ".join(map(str, VALUES.ravel())).encode()
    STORED = {  # noqa: RUF012
        "ascii": TEXT,
        "txt": TEXT.replace(b" ", b"\n"),
        "hex": VALUES.tobytes().hex().encode(),
        "bz2": bz2.compress(VALUES.tobytes()),
        "gz": gzip.compress(VALUES.tobytes()),
    }

    @pytest.mark.parametrize("encoding", ["ascii", "txt", "hex", "bz2", "gz"])
    def test_all_of_nrrd(self, tmp_path: Path, encoding: str) -> None:
        data = self.STORED[encoding]
        np.testing.assert_array_equal(
            read_volume(nrrd(tmp_path / "v.nrrd", data, encoding=encoding)).array, VALUES
        )
        with pytest.raises(ReadError, match=r"the file holds fewer|cannot be read"):
            read_volume(nrrd(tmp_path / "v.nrrd", data[: len(data) // 2], encoding=encoding))

    def test_text_of_metaimage_and_what_does_not_fit(self, tmp_path: Path) -> None:
        path = mha(tmp_path / "v.mha", self.TEXT, BinaryData="False")
        np.testing.assert_array_equal(read_volume(path).array, VALUES)
        path = mha(tmp_path / "v.mha", b"300 " + self.TEXT, BinaryData="False", ElementType="MET_UCHAR")
        with pytest.raises(ReadError, match="a voxel does not fit into uint8"):
            read_volume(path)

    @pytest.mark.parametrize(("skip", "before", "after"), [("5", b"#####", b""), ("-1", b"#######", b"")])
    def test_bytes_to_skip(self, tmp_path: Path, skip: str, before: bytes, after: bytes) -> None:
        (tmp_path / "v.raw").write_bytes(before + VALUES.tobytes() + after)
        for path in (
            nrrd(tmp_path / "v.nhdr", b"", byte_skip=skip, data_file="v.raw"),
            mha(tmp_path / "v.mhd", b"", "v.raw", HeaderSize=skip),
        ):
            np.testing.assert_array_equal(read_volume(path).array, VALUES)

    def test_big_endian(self, tmp_path: Path) -> None:
        data = VALUES.astype(">i2").tobytes()
        for path in (
            nrrd(tmp_path / "v.nrrd", data, endian="big"),
            mha(tmp_path / "v.mha", data, BinaryDataByteOrderMSB="True"),
        ):
            np.testing.assert_array_equal(read_volume(path).array, VALUES)
        with pytest.raises(ReadError, match="endian ''; expected little or big"):
            read_volume(nrrd(tmp_path / "v.nrrd", endian=None))

    def test_a_data_file_with_a_name_of_other_letters(self, tmp_path: Path) -> None:
        (tmp_path / "Schädel 1.raw").write_bytes(VALUES.tobytes())
        for path in (
            nrrd(tmp_path / "v.nhdr", b"", data_file="./Schädel 1.raw"),
            mha(tmp_path / "v.mhd", b"", "Schädel 1.raw"),
        ):
            np.testing.assert_array_equal(read_volume(path).array, VALUES)

    def test_intensities_by_a_function_are_refused(self, tmp_path: Path) -> None:
        assert read_volume(mha(tmp_path / "v.mha", ElementToIntensityFunctionSlope="1"))
        with pytest.raises(ReadError, match="ElementToIntensityFunctionSlope 2"):
            read_volume(mha(tmp_path / "v.mha", ElementToIntensityFunctionSlope="2"))
