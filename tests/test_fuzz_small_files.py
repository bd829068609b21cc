"""Small files with random damage: what is read is right, or one error; never another exception, never a hang.

Seeded; each kind begins from a file that is read, and is cut, doubled, and has bytes, numbers and words of it
exchanged for what breaks parsers.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from medfuse import Geometry, Recipe, Volume, write_volume
from medfuse.batch import find_studies
from medfuse.batch.jobs import Finished
from medfuse.batch.results.tables import FACTS, read_results
from medfuse.errors import MedfuseError
from medfuse.io import open_transform, write_transform
from medfuse.io.landmarks import read_landmarks
from medfuse.io.records import read_json
from medfuse.transforms import to_affine

ROUNDS = 150
EVIL = [
    b"", b"\0", b"\xff\xfe", b"\xfc", b"-1", b"0", b"1e999", b"nan", b"1" * 5000, b"[" * 5000, b"{" * 5000,
    b'"', b"'", b"\n", b"\r", b",", b";", b"\t", b"=", b"null", b"true", b"../../etc/passwd", b"/dev/zero",
    b"%s%n", "‹›".encode(), b"\\ud800", b"#", b"]]", b"9" * 30,
]  # fmt: skip


def recipe(path: Path) -> Path:
    Recipe("pca", parameters={"patch": 5}, windows=("brain", "MR=1%-99%"), grid="isotropic:0.7").write(path)
    return path


def table(path: Path) -> Path:
    for name in "ab":
        write_volume(
            Volume(np.zeros((2, 2, 2), np.float32), Geometry((2, 2, 2))), path.with_name(f"{name}.nii")
        )
    header = "study,fixed,moving,modalities,seed,parameters.patch"
    path.write_text(f"{header}\ns1,a.nii,b.nii,CT;MR,3,5\ns2,b.nii,a.nii,,,\n")
    return path


def results(path: Path) -> Path:
    path.with_name("results.csv").write_text(
        ",".join((*FACTS, "pe")) + "\ns0,average,method,ok,1,abc,1.0,0.5\n"
    )
    return path.with_name("results.csv")


def record(path: Path) -> Path:
    row = {
        "study": "a", "status": "done", "key": "0", "inputs": ["0"], "report": "a/report.html", "bytes": 1,
        "thumbnail": "data:", "method": "average", "registrations": [{"verdict": "ok", "reasons": ["x"]}],
        "scores": {"average": {"pe": 0.5, "mi": None}}, "warnings": [],
        "stages": {"read": 0.5}, "medfuse": "1", "seconds": 1.5,
    }  # fmt: skip
    path.write_text(json.dumps(row))
    return path


def itk(path: Path) -> Path:
    write_transform(to_affine(np.eye(4)), path.with_suffix(".tfm"), overwrite=True)
    return path.with_suffix(".tfm")


def matrix(path: Path) -> Path:
    np.savetxt(path.with_suffix(".txt"), np.eye(4))
    return path.with_suffix(".txt")


def fcsv(path: Path) -> Path:
    rows = "".join(f"{i},{i}.5,2,{i},0,0,0,1,1,1,0,L{i},,\n" for i in range(4))
    path.with_suffix(".fcsv").write_text(
        f"# Markups\n# CoordinateSystem = LPS\n# columns = id,x,y,z,label\n{rows}"
    )
    return path.with_suffix(".fcsv")


def markups(path: Path) -> Path:
    points = [{"label": f"L{i}", "position": [i, 2.5, 3], "positionStatus": "defined"} for i in range(4)]
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": points}
    path.with_suffix(".mrk.json").write_text(json.dumps({"markups": [markup]}))
    return path.with_suffix(".mrk.json")


KINDS = {
    "recipe": (recipe, Recipe.read),
    "table": (table, find_studies),
    "results": (results, lambda path: read_results(path.parent)),
    "record": (record, lambda path: read_json(path, "record", Finished)),
    "itk": (itk, open_transform),
    "matrix": (matrix, open_transform),
    "fcsv": (fcsv, read_landmarks),
    "markups": (markups, read_landmarks),
}


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    for _ in range(rng.integers(1, 4)):
        a, b = sorted(int(n) for n in rng.integers(0, len(content) + 1, 2))
        evil = EVIL[rng.integers(len(EVIL))]
        choices = [
            content[:a],
            content[:a] + content[b:],
            content[:b] + content[a:b] + content[b:],
            content[:a] + evil + content[min(b, a + 6) :],
            content.replace(content[a : a + 3] or b"\n", evil),
            content[:a] + bytes([rng.integers(256)]) + content[a + 1 :],
        ]
        content = choices[rng.integers(len(choices))][: 1 << 17]
    return content


@pytest.mark.parametrize("kind", KINDS)
def test_any_damage_is_one_error_or_harmless(tmp_path, kind):
    make, read = KINDS[kind]
    path = make(tmp_path / f"{kind}.toml")
    good = path.read_bytes()
    read(path)  # it is read before it is damaged
    rng = np.random.default_rng(18)
    said = []
    for _ in range(ROUNDS):
        path.write_bytes(damaged(good, rng))
        try:
            read(path)
        except MedfuseError as error:
            said.append(str(error))
    assert len(said) > ROUNDS // 5
    assert [words[:200] for words in said if "\0" in words or len(words) > 4000] == []
