"""Damaged files: every reader refuses or reads, soon, with our errors only, and writes nothing.

Files of every kind are generated and bytes of them changed; bounded and seeded, so that a failure can
be repeated.  What is slow or raises something else is a fault, whatever the bytes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dicom_factory import write_series
from dicom_objects import region, write_enhanced, write_ultrasound
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from PIL import Image
from test_io_places import zipped

from medfuse.errors import MedfuseError
from medfuse.io import describe, read_volume, write_volume
from medfuse.volume import Geometry, Volume

GRID = Geometry((9, 8, 3), (0.9, 1.1, 3.0), (1, 2, 3))
STORED = np.random.default_rng(0).integers(0, 2000, GRID.shape).astype("u2")
SECONDS = 10.0  # of work, not of waiting for a busy machine


def dicom_slice(folder: Path) -> Path:
    return write_series(folder, STORED, GRID)[0]


def archive(folder: Path) -> Path:
    files = write_series(folder / "series", STORED, GRID)
    path = zipped(folder / "a.zip", {file.name: file for file in files})
    for file in files:
        file.unlink()
    return path


def picture(folder: Path) -> Path:
    Image.fromarray(STORED[0].astype("u1")).save(folder / "a.png")
    return folder / "a.png"


def volume_file(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        write_volume(Volume(STORED.astype("f4"), GRID), folder / f"a{suffix}")
        return folder / f"a{suffix}"

    return write


KINDS: dict[str, Callable[[Path], Path]] = {
    "slice": dicom_slice,
    "enhanced": lambda folder: write_enhanced(folder / "a.dcm", STORED, GRID, range(3)),
    "ultrasound": lambda folder: write_ultrasound(
        folder / "a.dcm", STORED[:1].astype("u1"), [region((0, 0, 7, 7), (0.3, 0.3))]
    ),
    "zip": archive,
    "picture": picture,
    **{suffix: volume_file(suffix) for suffix in (".nii", ".nii.gz", ".nrrd", ".mha")},
}

CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "insert", "repeat", "text"]),
        st.floats(0, 1, exclude_max=True),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=6,
)
WORDS = (b"99999999", b"-1", b"nan", b"65535", b"../../x", b"\xff\xff\xff\xff", b"\0\0\0\0")


def changed(content: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    for what, where, value in changes:
        at = int(where * max(1, len(content)))
        if what == "set":
            content = content[:at] + value + content[at + len(value) :]
        elif what == "cut":
            content = content[: max(at, 1)]
        elif what == "insert":
            content = content[:at] + value + content[at:]
        elif what == "text":
            word = WORDS[value[0] % len(WORDS)]
            content = content[:at] + word + content[at + len(word) :]
        else:
            content = content[: at + 40] + content[at:]
    return content


def listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_size) for path in folder.rglob("*") if path.is_file())


def attempt(path: Path) -> None:
    """Read and describe; only our errors may come out, and nothing may be left behind."""
    before, started, said = listing(path.parent), time.process_time(), []
    for read in (
        lambda: read_volume(path),
        lambda: read_volume(path, spacing=(1, 1)),
        lambda: describe(path),
    ):
        try:
            read()
        except MedfuseError as error:
            said.append(str(error))
    assert all(str(path.parent) in text and "\n" not in text for text in said), said
    assert time.process_time() - started < SECONDS
    assert listing(path.parent) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_changed_bytes(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDFUSE_MAX_VOXELS", "2000000")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    path = KINDS[kind](tmp_path)
    whole = path.read_bytes()
    read_volume(path, spacing=(1, 1)) if kind == "picture" else read_volume(path)

    @seed(20)
    @settings(
        max_examples=int(os.environ.get("MEDFUSE_FUZZ_EXAMPLES", "40")),
        database=None,
        suppress_health_check=list(HealthCheck),  # one folder serves all examples
    )
    @given(CHANGES)
    def run(changes: list[tuple[str, float, bytes]]) -> None:
        path.write_bytes(changed(whole, changes))
        attempt(path)

    run()


@pytest.mark.parametrize("name", ["pydicom_data_enhanced_us_codecs", "synthetic_cases", "malformed"])
@pytest.mark.filterwarnings("ignore")
def test_real_files_with_changed_bytes(
    name: str, shared_data: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file of each kind of the real data, some with a few bytes changed."""
    import zipfile

    monkeypatch.setenv("MEDFUSE_MAX_VOXELS", "4000000")
    if name == "malformed":
        contents = [
            (p.name, p.read_bytes()) for p in sorted(shared_data(f"dicom/{name}").iterdir()) if p.is_file()
        ]
    else:
        with zipfile.ZipFile(shared_data(f"dicom/{name}.zip")) as members:
            names = [one for one in members.namelist() if not one.endswith("/")]
            contents = [(Path(one).name, members.read(one)) for one in names[:: max(1, len(names) // 12)]]
    generator = np.random.default_rng(7)
    for number, (file, content) in enumerate(contents):
        (tmp_path / str(number)).mkdir()
        path = tmp_path / str(number) / file
        for flips in (0, 3, 30):
            data = bytearray(content)
            for at in generator.integers(0, min(len(data), 4000), flips if data else 0):
                data[at] = generator.integers(0, 256)
            path.write_bytes(data)
            attempt(path)
