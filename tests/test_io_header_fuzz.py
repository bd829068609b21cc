"""Headers of three formats, generated and mutated: what we compute is what the format's own library reports.

Or the file is refused.  The libraries are ITK for NRRD and MetaImage, nibabel for NIfTI; a difference that
is meant (units converted to mm, spaces that ITK does not know) is excepted where it is made.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from medfuse.errors import MedfuseError
from medfuse.io import read_volume
from medfuse.volume import Volume

EXAMPLES = int(os.environ.get("MEDFUSE_FUZZ_EXAMPLES", "250"))
VALUES = np.arange(24, dtype="<i2").reshape(4, 3, 2) * 7 - 40  # z, y, x

numbers = st.integers(-90, 90).map(lambda n: n / 8)
steps = st.sampled_from([0.5, 0.75, 1.0, 2.5, 3.0])
ANGLES = st.tuples(*[st.sampled_from([0.0, 0.0, 0.3, -0.7, np.pi / 2])] * 3)


def rotation(angles: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = (n for n in range(3) if n != axis)
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix


def ours(path: Path) -> Volume | None:
    try:
        return read_volume(path, modality="OT")
    except MedfuseError:
        return None


def by_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Affine (index to LPS mm) and values; raises RuntimeError where ITK refuses."""
    image = SimpleITK.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return affine, SimpleITK.GetArrayFromImage(image)


def same(volume: Volume, affine: np.ndarray, values: np.ndarray) -> None:
    corners = np.array([(x, y, z, 1) for x in (0, 1) for y in (0, 2) for z in (0, 3)])
    np.testing.assert_allclose(volume.geometry.world(corners[:, :3]), (corners @ affine.T)[:, :3], atol=1e-3)
    np.testing.assert_allclose(volume.array, values, rtol=1e-6)


def edited(lines: list[str], edits: Iterable[tuple[str, float, float, str]]) -> list[str]:
    """Lines dropped, doubled, exchanged, added, or changed in case, separators or spaces."""
    for what, where, other, text in edits:
        i, j = int(where * len(lines)), int(other * len(lines))
        line = lines[i]
        if what == "drop":
            lines = lines[:i] + lines[i + 1 :]
        elif what == "double":
            lines = [*lines[: j + 1], line, *lines[j + 1 :]]
        elif what == "exchange":
            lines[i], lines[j] = lines[j], lines[i]
        elif what == "add":
            lines = [*lines[:i], text, *lines[i:]]
        elif what == "lower":
            lines[i] = line.lower()
        elif what == "upper":
            lines[i] = line.upper()
        elif what == "separator":
            lines[i] = line.replace(": ", text[:2], 1).replace(" = ", text[:3], 1)
        elif what == "indent":
            lines[i] = f" {line}"
        if not lines:
            return [""]
    return lines


def edits(added: list[str]) -> st.SearchStrategy:
    kinds = ["drop", "double", "exchange", "add", "add", "lower", "upper", "separator", "indent"]
    text = st.sampled_from([*added, ":=", ": ", ":", "= ", "=", " : ", " := "])
    unit = st.floats(0, 1, exclude_max=True)
    return st.lists(st.tuples(st.sampled_from(kinds), unit, unit, text), max_size=3)


@st.composite
def nrrd_lines(draw: st.DrawFn) -> list[str]:
    space = draw(
        st.sampled_from(["left-posterior-superior", "RAS", "LAS", "right-anterior-superior", "scanner-xyz"])
    )
    matrix = rotation(draw(ANGLES)) * draw(st.tuples(steps, steps, steps))
    if draw(st.booleans()):
        directions = " ".join(f"({','.join(map(repr, column))})" for column in matrix.T.tolist())
        place = [f"space: {space}", "sizes: 2 3 4", f"space directions: {directions}"]
        place += ["space origin: ({},{},{})".format(*draw(st.tuples(numbers, numbers, numbers)))] * draw(
            st.integers(0, 1)
        )
    else:
        place = ["sizes: 2 3 4", "spacings: {} {} {}".format(*draw(st.tuples(steps, steps, steps)))]
    lines = [
        "type: short",
        "dimension: 3",
        *place,
        "kinds: domain domain domain",
        "endian: little",
        "encoding: raw",
    ]
    added = [
        "type:=t1",
        "sizes:=9 9 9",
        "space:=RAS",
        "data file:=../x.raw",
        "# sizes: 9 9 9",
        "spacings: 9 9 9",
        "space origin: (9,9,9)",
        "endian: big",
        "comment: x",
        "key:=a: b",
        "sizes: 4 3 2",
        "spaceorigin: (8,8,8)",
        "space dimension: 3",
        'space units: "mm" "mm" "mm"',
        "kinds: space space space",
        "byte skip: 0",
        "content: a volume",
        "thicknesses: 1 1 1",
        "encoding: ascii",
        "dimension: 4",
        "line skip: 0",
    ]
    return edited(lines, draw(edits(added)))


@st.composite
def metaimage_lines(draw: st.DrawFn) -> list[str]:
    direction = rotation(draw(ANGLES)).T.ravel()
    lines = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = False",
        f"TransformMatrix = {' '.join(map(repr, direction.tolist()))}",
        "Offset = {} {} {}".format(*draw(st.tuples(numbers, numbers, numbers))),
        "ElementSpacing = {} {} {}".format(*draw(st.tuples(steps, steps, steps))),
        "DimSize = 2 3 4",
        "ElementType = MET_SHORT",
    ]
    added = [
        "ElementSpacing = 9 9 9",
        "elementspacing = 9 9 9",
        "Position = 9 9 9",
        "Origin = 8 8 8",
        "DimSize = 4 3 2",
        "Comment = a = b",
        "Name = x",
        "ElementSize = 7 7 7",
        "HeaderSize = 0",
        "ElementByteOrderMSB = True",
        "AnatomicalOrientation = RAI",
        "CenterOfRotation = 0 0 0",
        "NDims = 2",
        "Orientation = 1 0 0 0 1 0 0 0 1",
        "a line without separator",
        "User := 4",
        "DistanceUnits = mm",
        "ElementNumberOfChannels = 1",
    ]
    return [*edited(lines, draw(edits(added))), "ElementDataFile = LOCAL"]


FUZZ = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def check_text_header(path: Path, content: bytes, counts: dict[str, int]) -> None:
    path.write_bytes(content)
    volume = ours(path)
    if volume is None:
        counts["refused"] += 1
        return
    try:
        affine, values = by_itk(path)
    except RuntimeError as error:
        raise AssertionError(f"read by us, refused by ITK: {content!r}") from error
    counts["read"] += 1
    same(volume, affine, values)


def test_nrrd_is_as_itk_reports(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    counts = {"read": 0, "refused": 0}

    @seed(1)
    @FUZZ
    @given(nrrd_lines())
    def run(lines: list[str]) -> None:
        text = "\n".join(["NRRD0004", *lines]) + "\n\n"
        check_text_header(tmp_path / "v.nrrd", text.encode() + VALUES.tobytes(), counts)

    run()
    assert min(counts.values()) > EXAMPLES / 10, counts


def test_metaimage_is_as_itk_reports(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    counts = {"read": 0, "refused": 0}

    @seed(2)
    @FUZZ
    @given(metaimage_lines())
    def run(lines: list[str]) -> None:
        text = "\n".join(lines) + "\n"
        check_text_header(tmp_path / "v.mha", text.encode() + VALUES.tobytes(), counts)

    run()
    assert min(counts.values()) > EXAMPLES / 10, counts


@st.composite
def nifti_bytes(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from([nibabel.Nifti1Image, nibabel.Nifti2Image]))
    affine = np.eye(4)
    affine[:3, :3] = rotation(draw(ANGLES)) * draw(st.tuples(steps, steps, steps))
    affine[:3, 3] = draw(st.tuples(numbers, numbers, numbers))
    image = kind(VALUES.T, affine)
    other = affine.copy()
    other[:3, 3] += draw(st.sampled_from([0.0, 0.0, 5.0]))
    image.set_sform(affine, draw(st.integers(0, 5)))
    image.set_qform(other, draw(st.integers(0, 5)))
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter(*draw(st.sampled_from([(1, 0), (0.5, 3), (-2, 0)])))
    content = bytearray(image.to_bytes())
    fields = {"f": 4, "h": 2}
    positions = st.integers(0, 347 if kind is nibabel.Nifti1Image else 539)
    odd = st.tuples(
        positions, st.sampled_from(list(fields)), st.sampled_from([0, 1, -1, 2, 6, 255, float("nan")])
    )
    for at, layout, value in draw(st.lists(odd, max_size=2)):
        start = at // fields[layout] * fields[layout]
        struct.pack_into(f"<{layout}", content, start, 0 if layout == "h" and np.isnan(value) else value)
    return bytes(content)


def test_nifti_is_as_nibabel_reports(tmp_path: Path) -> None:
    counts = {"read": 0, "refused": 0, "mended": 0}

    @seed(3)
    @FUZZ
    @given(nifti_bytes(), st.booleans())
    def run(content: bytes, zipped: bool) -> None:
        path = tmp_path / ("v.nii.gz" if zipped else "v.nii")
        path.write_bytes(zlib_gzip(content) if zipped else content)
        volume = ours(path)
        if volume is None:
            counts["refused"] += 1
            return
        if any("damaged" in note or "NaN" in note or "converted" in note for note in volume.notes) or any(
            word in note for note in volume.notes for word in ("inside the header", "singular", "sheared")
        ):
            counts["mended"] += 1  # nibabel refuses it, guesses, or does not convert
            return
        image = nibabel.load(path)
        counts["read"] += 1
        same(volume, np.diag([-1, -1, 1, 1]) @ image.affine, image.get_fdata().T)

    run()
    assert min(counts["read"], counts["refused"]) > EXAMPLES / 20, counts


def zlib_gzip(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return packer.compress(content) + packer.flush()
