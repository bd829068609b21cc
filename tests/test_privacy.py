"""No name from the input reaches what is written, unless it is wanted."""

from __future__ import annotations

import gzip
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import write_series
from dicom_objects import region, write_ultrasound
from planted import IN_HEADERS, IN_NAMES, found_in, head, plant

from medfuse import Geometry, InputVolume, Recipe, Study, Volume, run_study, write_result, write_volume
from medfuse.batch import Planned, run_batch
from medfuse.io import ReadOptions
from medfuse.io.files import MARKED, named
from medfuse.report.redaction import Redaction

GRID = Geometry((7, 8, 6), (2.0, 2.0, 3.0))
RECIPE = Recipe(method="average", registration="none")
NASTY = f"{IN_NAMES}, Anna; 'geb.' 1947: \"x\" ‹y› <z>"
"""Of all that could end a path in a message; Linux takes any of it."""


@pytest.fixture
def inputs(tmp_path):
    """A folder whose every name holds a surname, in a folder of such a name."""
    folder = tmp_path / f"{IN_NAMES} family" / NASTY
    folder.mkdir(parents=True)
    return folder


def ct(folder: Path) -> Path:
    """A CT series with a scout, files of other kinds and a damaged one, all with names."""
    place = folder / f"CT of {NASTY}"

    def edit(dataset, _):
        plant(dataset, keep=("RescaleType",))

    def scout(dataset, k):
        edit(dataset, k)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        dataset.SeriesNumber = 9

    for path in write_series(place, head(), GRID, edit=edit):
        path.rename(path.with_name(f"{NASTY} {path.name}"))
    for path in write_series(place / f"scout {IN_NAMES}", head()[:1], GRID, edit=scout):
        path.rename(path.with_name(f"{IN_NAMES}_{path.name}"))
    (place / f"{NASTY}.txt").write_text("letter")
    (place / f"Dr. {IN_NAMES}.pdf").write_bytes(b"%PDF")
    return place


def nrrd(path: Path) -> Path:
    lines = [
        "NRRD0005", f"# {IN_HEADERS}", "type: float", "dimension: 3",
        f"content: {IN_HEADERS}", "sizes: 7 8 6",
        "space dimension: 3",
        "space directions: (2,0,0) (0,2,0) (0,0,3)", "encoding: raw", "endian: little",
        f"patient:={IN_HEADERS}", "", "",
    ]  # fmt: skip
    path.write_bytes("\n".join(lines).encode() + head(0.5).astype("<f4").tobytes())
    return path


def nifti(path: Path) -> Path:
    import nibabel

    image = nibabel.Nifti1Image(head(0.7), np.diag([2.0, 2, 3, 1]))
    image.header["descrip"] = image.header["aux_file"] = image.header["db_name"] = image.header[
        "intent_name"
    ] = IN_HEADERS
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", IN_HEADERS.encode()))
    nibabel.save(image, path)
    return path


def metaimage(path: Path) -> Path:
    write_volume(Volume(head(0.3).astype(np.float32), GRID), path)
    path.write_bytes(
        path.read_bytes().replace(b"ObjectType", f"Comment = {IN_HEADERS}\nObjectType".encode(), 1)
    )
    return path


def zipped(folder: Path, series: Path) -> Path:
    path = folder / f"{IN_NAMES}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in series.rglob("*"):
            archive.write(file, f"{IN_NAMES}/{file.name}")
    return path


def movings(folder: Path) -> list[InputVolume]:
    return [
        InputVolume(nifti(folder / f"{NASTY}.nii.gz"), "MR"),
        InputVolume(nrrd(folder / f"{NASTY}.nrrd"), "MR"),
        InputVolume(metaimage(folder / f"{NASTY}.mha"), "MR"),
    ]


class TestAStudy:
    @pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
    def test_nothing_that_is_written_has_a_name(self, inputs, tmp_path, packed):
        fixed = zipped(inputs, ct(inputs)) if packed else ct(inputs)
        result = run_study(Study(fixed, movings(inputs)), RECIPE)
        assert IN_NAMES in " ".join(result.notes)  # the terminal tells what was passed over
        assert IN_HEADERS in " ".join(result.notes)  # and which series was left aside
        write_result(result, tmp_path / "out")
        assert found_in(tmp_path / "out", IN_NAMES) == []
        assert found_in(tmp_path / "out", IN_HEADERS) == []
        warnings = json.loads((tmp_path / "out" / "provenance.json").read_text())["warnings"]
        assert any("not DICOM (<name>, <name>)" in one for one in warnings)

    def test_asked_to_keep_them_it_does(self, inputs, tmp_path):
        recipe = replace(RECIPE, keep_identifiers=True)
        write_result(run_study(Study(ct(inputs), movings(inputs)), recipe), tmp_path / "out")
        for name in (IN_NAMES, IN_HEADERS):
            assert {"provenance.json", "report.html"} <= set(found_in(tmp_path / "out", name))

    def test_dicom_objects_name_the_patient_as_documented_but_no_file(self, inputs, tmp_path):
        study = Study(ct(inputs), movings(inputs)[:1])
        write_result(run_study(study, replace(RECIPE, dicom=True)), tmp_path / "out")
        assert found_in(tmp_path / "out", IN_NAMES) == []
        named_in = found_in(tmp_path / "out", IN_HEADERS)
        assert named_in
        assert all(place.startswith("dicom/") for place in named_in)

    def test_pictures_of_ultrasound(self, inputs, tmp_path):
        """Their label is the name of the file."""

        def edit(dataset):
            plant(dataset)
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.4.5", "1.2.3.4.6"

        box = region((0, 0, 9, 7), (0.5, 0.5))
        for k in range(2):
            frames = np.full((2, 8, 10), 50 * k + 20, np.uint8)
            write_ultrasound(inputs / "us" / f"{NASTY} {k}.dcm", frames, [box], edit=edit)
        picture = InputVolume(inputs / "us", reading=ReadOptions(volume=2))
        flat = Volume(np.arange(80, dtype=np.float32).reshape(1, 8, 10), Geometry((10, 8, 1), (0.5, 0.5, 1)))
        write_volume(flat, inputs / f"{NASTY}.nrrd")
        result = run_study(Study(picture, InputVolume(inputs / f"{NASTY}.nrrd", "MR")), RECIPE)
        assert any(f"‹{IN_NAMES}" in note and "frame 2" in note for note in result.notes)
        write_result(result, tmp_path / "out")
        assert found_in(tmp_path / "out", IN_NAMES) == []
        assert found_in(tmp_path / "out", IN_HEADERS) == []

    def test_labels_of_landmarks(self, inputs, tmp_path):
        study = Study(metaimage(inputs / "a.mha"), replace(movings(inputs)[0], landmarks=landmarks(inputs)))
        write_result(run_study(study, RECIPE), tmp_path / "out")
        assert found_in(tmp_path / "out", IN_HEADERS) == []
        assert "number 1" in (tmp_path / "out" / "report.html").read_text()


def landmarks(folder: Path) -> tuple[Path, Path]:
    points = [(0, 0, 0), (9, 0, 0), (0, 9, 0), (0, 0, 9)]
    rows = [f"{i},{x},{y},{z},0,0,0,1,1,1,0,{IN_HEADERS}{i},,\n" for i, (x, y, z) in enumerate(points)]
    paths = folder / f"{NASTY} a.fcsv", folder / f"{NASTY} b.fcsv"
    for path in paths:
        path.write_text("# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n" + "".join(rows))
    return paths


def refused(folder: Path) -> dict[str, InputVolume]:
    """Inputs that are refused, each for another reason, with names in its names and headers."""
    good = metaimage(folder / f"{NASTY} good.mha").read_bytes()

    def changed(name: str, old: bytes, new: str) -> InputVolume:
        path = folder / f"{NASTY} {name}.mha"
        path.write_bytes(good.replace(old, new.encode(), 1))
        return InputVolume(path)

    def text(name: str, content: str) -> InputVolume:
        (folder / f"{NASTY} {name}").write_text(content)
        return InputVolume(folder / f"{NASTY} {name}")

    def series(name: str, edit, slices: int = 4) -> InputVolume:
        def planted(dataset, k):
            plant(dataset, keep=("RescaleType",))
            edit(dataset, k)

        for path in write_series(folder / f"{name} {NASTY}", head()[:slices], GRID, edit=planted):
            path.rename(path.with_name(f"{NASTY} {path.name}"))
        return InputVolume(folder / f"{name} {NASTY}")

    def two(dataset, k):
        dataset.SeriesInstanceUID = f"1.2.3.4.5.{k % 2}"

    def other_patient(dataset, k):
        dataset.PatientID = f"{IN_HEADERS} {k}"

    def other_rows(dataset, k):
        dataset.PixelSpacing = [1 + k, 1]

    def bad_uid(dataset, k):
        dataset.SeriesInstanceUID = ""

    def bad_number(dataset, k):
        dataset.add_new("Rows", "LO", IN_HEADERS)

    def same_place(dataset, k):
        dataset.ImagePositionPatient = [0, 0, 0]
        dataset.AcquisitionNumber = None

    return {
        "missing": InputVolume(folder / f"{NASTY} missing.nii"),
        "type": changed("type", b"MET_FLOAT", IN_HEADERS),
        "line": changed("line", b"NDims", f"{IN_HEADERS}\nNDims"),
        "unit": changed("unit", b"NDims", f"DistanceUnits = {IN_HEADERS}'s\nNDims"),
        "data": changed("data", b"LOCAL", f"{IN_HEADERS}/{IN_NAMES}.raw"),
        "case": changed("case", b"NDims", f"ndims = {IN_HEADERS}\nNDims"),
        "number": changed("number", b"7 8 6", f"7 {IN_HEADERS} 6"),
        "words": text("a.nii", IN_HEADERS),
        "nrrd": text("a.nrrd", f"NRRD0004\n{IN_HEADERS}\n"),
        "space": text(
            "b.nrrd", f"NRRD0004\ntype: {IN_HEADERS}\ndimension: 3\nsizes: 1 1 1\nencoding: raw\n\n"
        ),
        "unknown": text("letter.docx", IN_HEADERS),
        "picture": text("a.png", IN_HEADERS),
        "dicom": text("a.dcm", IN_HEADERS),
        "two": series("two", two),
        "other": series("other", other_patient),
        "rows": series("rows", other_rows),
        "uid": series("uid", bad_uid),
        "bad number": series("bad number", bad_number),
        "place": series("place", same_place),
        "one": series("one", lambda *_: None, 1),
        "wanted": InputVolume(series("w", two).path, reading=ReadOptions(series=f"{IN_HEADERS} 7")),
        "landmarks": InputVolume(
            folder / f"{NASTY} good.mha",
            landmarks=(text("c.fcsv", IN_HEADERS).path, text("d.fcsv", IN_HEADERS).path),
        ),
        "transform": InputVolume(folder / f"{NASTY} good.mha", transform=text("x.tfm", IN_HEADERS).path),
        "itk": InputVolume(
            folder / f"{NASTY} good.mha",
            transform=text("y.tfm", f"#Insight Transform File V1.0\nTransform: {IN_HEADERS}\n").path,
        ),
    }


class TestABatch:
    def test_no_refusal_names_a_file_or_repeats_a_header(self, inputs, tmp_path):
        bad = refused(inputs)
        good = inputs / f"{NASTY} good.mha"
        studies = [Planned(f"s{i}", Study(good, one)) for i, one in enumerate(bad.values())]
        studies.append(Planned("good", Study(ct(inputs), movings(inputs))))
        with ThreadPoolExecutor(1) as pool:
            result = run_batch(studies, RECIPE, tmp_path / "out", pool)
        said = {name: row["error"]["message"] for name, row in zip(bad, result.rows, strict=False)}
        assert len(result.failed) == len(bad), [
            row["study"] for row in result.rows if row["status"] == "done"
        ]
        assert [name for name, words in said.items() if IN_NAMES in words or IN_HEADERS in words] == []
        assert found_in(tmp_path / "out", IN_NAMES) == []
        assert found_in(tmp_path / "out", IN_HEADERS) == []
        assert all(len(words) > 15 for words in said.values())  # each still says what is wrong


class TestMarks:
    @pytest.mark.parametrize("name", ["a.dcm", "‹x›", "a›b‹c", "a\nb", "", "x" * 500, "\udcfc.dcm", NASTY])
    def test_what_is_marked_is_taken_out_whole(self, name):
        text = f"1 file ({named(name)}), 2 more"
        assert MARKED.sub("<name>", text) == "1 file (<name>), 2 more"

    def test_also_where_the_message_was_cut_off(self):
        assert MARKED.sub("<name>", "1 file (‹QUILLFEA…") == "1 file (<name>"

    def test_marks_are_redacted_without_any_path(self):
        assert Redaction(())("2 files (‹A, B: c.dcm›, ‹D.dcm›)") == "2 files (<name>, <name>)"


def test_the_search_itself_finds_what_is_packed(tmp_path):
    """Or the tests above would hold of anything."""
    import base64
    from io import BytesIO

    from PIL import Image, PngImagePlugin

    facts = PngImagePlugin.PngInfo()
    facts.add_text("Comment", IN_NAMES, zip=True)
    png = BytesIO()
    Image.new("L", (2, 2)).save(png, "PNG", pnginfo=facts)
    files = {
        "a.gz": gzip.compress(f"x{IN_NAMES.title()}".encode()),
        "b.html": b'<img src="data:image/png;base64,' + base64.b64encode(png.getvalue()) + b'">',
        "c.txt": IN_NAMES.encode("utf-16-le"),
        "d.txt": b"nothing",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        archive.writestr("inside.gz", gzip.compress(IN_NAMES.encode()))
    (tmp_path / f"{IN_NAMES}.f").touch()
    assert found_in(tmp_path, IN_NAMES) == [
        f"the name {IN_NAMES}.f", "a.gz", "b.html", "c.txt", "e.zip"
    ]  # fmt: skip
