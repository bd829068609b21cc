"""The shape of the house: who imports whom, what is exported, what stays unloaded."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import import_walls
import pytest
from import_walls import ARRAYS_ONLY, LEVEL, NOT_ARRAYS

import medfuse

PACKAGE = Path(medfuse.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

INSIDE = {
    "fusion": ({"pca", "simple", "multiscale"}, {"dip", "networks", "sparse"}, {"auto"}),
    "io": (
        {"formats", "dicom", "transforms", "landmarks"},
        {"archive", "hashes", "volume_files"},
        {"reading_apart"},
        {"catalogue"},
    ),
    "registration": ({"pyramid"}, {"linear"}, {"attempts", "deformable", "without_search", "match"}),
    "batch": ({"finding", "results"}, {"running"}),
}
"""The order inside a room: what a room does not name here is shared by all of it and stands first; its
``__init__`` stands last.  What stands together may import one another, in no circle."""


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def inner_level(place: str, name: str) -> int:
    """How late a file or a folder of a room stands in it."""
    levels = INSIDE[place]
    if name == "__init__":
        return len(levels) + 1
    return next((i for i, names in enumerate(levels, 1) if name in names), 0)


def module(path: Path) -> str:
    parts = ["medfuse", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(path: Path, everywhere: bool) -> set[str]:
    """Absolute names of what a file imports; at its top only, or inside functions as well."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ["medfuse", *path.relative_to(PACKAGE).parent.parts]
    names = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{origin}.{alias.name}" for alias in node.names}
    return names


def import_graph(files: list[Path]) -> dict[str, set[str]]:
    """Module -> modules of the package that it imports anywhere, for types only as well.

    A name that is no module of its own belongs to the module that it is taken from.
    """
    known = {module(path) for path in files}
    graph = {}
    for path in files:
        named = {name for name in imported_names(path, everywhere=True) if name.startswith("medfuse.")}
        graph[module(path)] = {name if name in known else name.rpartition(".")[0] for name in named} & known
    return graph


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import one another around, the first again at the end; none where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def assert_points_one_way(path: Path) -> None:
    here = room(path)
    for name in imported_names(path, everywhere=True):
        top, _, rest = name.partition(".")
        if here in ARRAYS_ONLY:
            seen = [ban for ban in NOT_ARRAYS if name == ban or name.startswith(f"{ban}.")]
            assert not seen, f"{here} must see arrays only, not {name}"
        if top != "medfuse":
            continue
        there = rest.split(".")[0]
        assert there in LEVEL, f"{here} takes {name} from the front door, which imports every room"
        assert LEVEL[there] <= LEVEL[here], f"{here} imports {name}, which stands later in the chain"


def assert_points_one_way_inside(path: Path, graph: dict[str, set[str]]) -> None:
    place, first, *_ = path.relative_to(PACKAGE).with_suffix("").parts
    here = inner_level(place, first)
    for name in graph[module(path)]:
        _, there, *rest = name.split(".")
        if there == place:
            later = inner_level(place, rest[0] if rest else "__init__")
            assert later <= here, f"{place}: {first} imports {name}, which stands later in the room"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_point_one_way(path):
    if path == PACKAGE / "__init__.py":
        pytest.skip("the package's front door names every room, lazily")
    assert_points_one_way(path)


@pytest.mark.parametrize("place", INSIDE)
def test_imports_inside_a_room_point_one_way(place):
    files = sorted((PACKAGE / place).rglob("*.py"))
    graph = import_graph(files)
    for path in files:
        assert_points_one_way_inside(path, graph)
    names = {path.stem for path in (PACKAGE / place).iterdir()}
    assert set.union(*INSIDE[place]) <= names, "the order names what is not there"


def test_no_circle_of_imports():
    assert circle(import_graph(FILES)) == []


def test_every_folder_is_a_package():
    """Ruff follows a relative import through packages only."""
    assert [path for path in {file.parent for file in FILES} if not (path / "__init__.py").exists()] == []


def test_every_room_has_a_level():
    assert {room(path) for path in FILES} - {"__init__"} <= set(LEVEL)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package to do wrong in: a function that writes a file of it."""
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path / "medfuse")

    def write(name, text):
        path = tmp_path / "medfuse" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("fusion/bad.py", "from ..volume import Volume", "arrays only"),
        ("noise/bad.py", "import SimpleITK as sitk", "arrays only"),
        ("io/dicom/bad.py", "from ... import pipeline", "later in the chain"),
        ("io/bad.py", "import medfuse.report.html", "later in the chain"),
        ("report/bad.py", "from .. import __version__", "front door"),
    ],
)
def test_a_wrong_import_would_be_seen(name, line, message, package):
    bad = package(name, f"def f():\n    {line}\n")
    with pytest.raises(AssertionError, match=message):
        assert_points_one_way(bad)


@pytest.mark.parametrize(
    ("name", "line", "imported"),
    [
        ("fusion/types.py", "from .pca import fuse", "fusion/pca.py"),
        ("fusion/multiscale/a.py", "from ..dip.engine import fit", "fusion/dip/engine.py"),
        ("io/formats/a.py", "from .. import read_volume", "io/__init__.py"),
        ("registration/pyramid/a.py", "from ..linear import climb", "registration/linear/climb.py"),
        ("batch/finding/a.py", "from ..running.lock import Lock", "batch/running/lock.py"),
    ],
)
def test_a_wrong_import_inside_a_room_would_be_seen(name, line, imported, package):
    bad = package(name, f"def f():\n    {line}\n")
    graph = import_graph([package(imported, ""), bad])
    with pytest.raises(AssertionError, match="later in the room"):
        assert_points_one_way_inside(bad, graph)


def test_a_circle_would_be_seen(package):
    files = [
        package("io/a.py", "from .b import x\n"),
        package("io/b.py", "def f():\n    from medfuse.io import c\n"),
        package("io/c.py", "if TYPE_CHECKING:\n    from .a import T\n"),
    ]
    assert circle(import_graph(files[:2])) == []
    assert set(circle(import_graph(files))) == {"medfuse.io.a", "medfuse.io.b", "medfuse.io.c"}


class TestLinter:
    """Ruff holds the order of the rooms as well."""

    @pytest.mark.parametrize("folder", import_walls.rooms(), ids=lambda p: p.name)
    def test_rules_are_fresh(self, folder):
        path = folder / "ruff.toml"
        said = path.read_text() if path.exists() else ""
        assert said == import_walls.rules(folder), "run: python scripts/import_walls.py"

    @pytest.mark.parametrize(
        ("name", "line", "code"),
        [
            ("fusion/dip/bad.py", "from ...volume import Volume", "TID251"),
            ("metrics/bad.py", "import SimpleITK", "TID251"),
            ("io/dicom/bad.py", "from ... import pipeline", "TID251"),
            ("io/bad.py", "from medfuse.report import html", "TID251"),
            ("volume.py", "from .io import read_volume", "TID251"),
            ("cli/bad.py", "from ..batch import run", None),
            ("fusion/bad.py", "from ..noise import model", None),
            ("fusion/bad.py", "from .types import Fused", None),
        ],
    )
    def test_sees_a_wrong_import(self, name, line, code, package, tmp_path):
        shutil.copy(import_walls.ROOT / "pyproject.toml", tmp_path)
        for folder in import_walls.rooms():
            package(
                folder.relative_to(import_walls.ROOT / "medfuse") / "ruff.toml", import_walls.rules(folder)
            )
        bad = package(name, f"def f():\n    {line}\n")
        for folder in bad.relative_to(PACKAGE).parents:
            (PACKAGE / folder / "__init__.py").touch()  # without them ruff does not follow relative imports
        assert self.codes(bad) == {code} - {None}

    @pytest.mark.parametrize(
        ("library", "code"), [("torch", "TID253"), ("SimpleITK", "TID253"), ("numpy", None)]
    )
    def test_sees_a_heavy_import_at_the_top(self, library, code, package, tmp_path):
        shutil.copy(import_walls.ROOT / "pyproject.toml", tmp_path)
        assert self.codes(package("io/bad.py", f"import {library}\n")) == {code} - {None}

    def codes(self, path):
        words = ("check", "--select", "TID251,TID253", "--output-format", "json", path)
        command = [sys.executable, "-m", "ruff", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return {found["code"] for found in json.loads(done.stdout)}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_simpleitk_and_torch_are_imported_where_they_are_used(path):
    heavy = {name.split(".")[0] for name in imported_names(path, everywhere=False)} & {"torch", "SimpleITK"}
    uses_torch = room(path) in {"fusion", "training"} or path == PACKAGE / "noise" / "network.py"
    assert heavy <= ({"torch"} if uses_torch else set())


def test_exports():
    assert set(medfuse.__all__) == {*medfuse._HOME, "__version__"}
    for name in medfuse.__all__:
        assert getattr(medfuse, name) is not None
    functions = {
        "read_volume",
        "write_volume",
        "register",
        "resample",
        "rescale",
        "fuse",
        "evaluate",
        "run_study",
    }
    assert functions | {"METHODS", "METRICS", "Recipe", "Study"} <= set(dir(medfuse))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        medfuse.nonsense  # noqa: B018


@pytest.mark.parametrize(
    "statement",
    [
        "import medfuse",
        "from medfuse import METHODS, METRICS, Recipe, Volume; list(METHODS)",
        "import medfuse.cli",
        "from medfuse import METHODS; [METHODS[key] for key in METHODS]",
    ],
)
def test_stays_light(statement):
    code = f"import sys; {statement}; print(*{{'torch', 'SimpleITK'}} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""


def test_the_command_line_starts_without_what_only_work_needs():
    code = "import sys, medfuse.cli; print(*{'scipy', 'skimage', 'matplotlib', 'pydicom'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""
