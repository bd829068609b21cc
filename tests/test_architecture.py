"""The shape of the house: who imports whom, what is exported, what stays unloaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import medfuse

PACKAGE = Path(medfuse.__file__).parent

LEVELS = (
    {"errors", "volume", "progress", "registry", "colour", "version"},
    {"io", "intensity", "landmarks", "noise", "registration", "resampling", "weights", "phantom"},
    {"fusion", "metrics", "training"},
    {"recipe", "pipeline"},
    {"report", "pacs"},
    {"batch"},
    {"cli", "__main__"},
)
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
ARRAYS_ONLY = {"fusion", "metrics", "noise"}  # they see arrays: never volumes, files, or SimpleITK
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_modules(path: Path, everywhere: bool) -> set[str]:
    """Absolute names of what a file imports; at its top only, or inside functions as well."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ["medfuse", *path.relative_to(PACKAGE).parent.parts]
    names = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_point_one_way(path):
    if path == PACKAGE / "__init__.py":
        pytest.skip("the package's front door names every room, lazily")
    here = room(path)
    for name in imported_modules(path, everywhere=True):
        parts = name.split(".")
        if parts[0] != "medfuse" or parts[1] not in LEVEL:
            continue
        assert LEVEL[parts[1]] <= LEVEL[here], f"{here} imports {name}, which stands later in the chain"
        if here in ARRAYS_ONLY:
            assert parts[1] not in {"volume", "io", "intensity"}, f"{here} must see arrays only, not {name}"


def test_every_room_has_a_level():
    assert {room(path) for path in FILES} - {"__init__"} <= set(LEVEL)


def test_a_wrong_import_would_be_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "fusion").mkdir()
    bad = tmp_path / "fusion" / "bad.py"
    bad.write_text("def f():\n    from ..volume import Volume\n")
    assert imported_modules(bad, everywhere=True) == {"medfuse.volume.Volume"}
    with pytest.raises(AssertionError, match="arrays only"):
        test_imports_point_one_way(bad)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_simpleitk_and_torch_are_imported_where_they_are_used(path):
    heavy = {name.split(".")[0] for name in imported_modules(path, everywhere=False)} & {"torch", "SimpleITK"}
    assert heavy <= ({"torch"} if room(path) == "fusion" else set())


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
