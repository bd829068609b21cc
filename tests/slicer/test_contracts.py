"""What can be told by reading the module's files: the panel, the lists of CMake, the catalogue's rules."""

from __future__ import annotations

import ast
import json
import re
import runpy
import subprocess
import sys
import typing
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medfuse.metrics import PROFILES
from medfuse.noise import CHOICES, DENOISERS
from medfuse.recipe import INTERPOLATIONS, STARTS, Recipe
from medfuse.resampling.grids import parse_grid

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "slicer_extension"
MODULE = EXTENSION / "MedFuse"
SCRIPTS = [MODULE / "MedFuse.py", *sorted((MODULE / "MedFuseLib").glob("*.py"))]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SCRIPTS}
PANEL = ET.parse(MODULE / "Resources" / "UI" / "MedFuse.ui").getroot()
BOUND = ("SlicerParameterName", "MedFuseParameterName")


def class_of(name: str) -> ast.ClassDef:
    (found,) = (
        node
        for node in TREES[MODULE / "MedFuse.py"].body
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    return found


def constant(name: str):
    """The value of a constant of MedFuse.py."""
    for node in TREES[MODULE / "MedFuse.py"].body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise LookupError(name)


def parameters() -> dict[str, str]:
    """Field of the parameter node -> its annotation."""
    return {
        node.target.id: ast.unparse(node.annotation)
        for node in class_of("MedFuseParameterNode").body
        if isinstance(node, ast.AnnAssign)
    }


def widgets() -> dict[str, ET.Element]:
    return {widget.get("name"): widget for widget in PANEL.iter("widget")}


def properties(widget: ET.Element) -> dict[str, str]:
    return {one.get("name"): "".join(one.itertext()).strip() for one in widget.findall("property")}


# The panel


def bound_widgets() -> list[tuple[str, str, ET.Element]]:
    """Property, parameter and widget of every binding."""
    return [
        (name, parameter, widget)
        for widget in widgets().values()
        for name in BOUND
        for parameter in properties(widget).get(name, "").split()
    ]


def test_every_parameter_has_one_widget_and_every_bound_widget_a_parameter():
    assert Counter(name for _, name, _ in bound_widgets()) == Counter(parameters().keys())


CONNECTORS = {  # as Slicer's documentation lists them, by exact class
    "QCheckBox": "bool",
    "QSpinBox": "int",
    "QLineEdit": "str",
    "QComboBox": "str",
    "ctkSliderWidget": "float",
    "qMRMLNodeComboBox": "vtkMRML",
}


@pytest.mark.parametrize(
    ("key", "name", "widget"), bound_widgets(), ids=lambda one: one if isinstance(one, str) else ""
)
def test_a_widget_is_bound_by_slicer_wherever_slicer_can(key, name, widget):
    cls, annotation = widget.get("class"), parameters()[name]
    kind = annotation.removeprefix("Annotated[")
    has_connector = kind.startswith(CONNECTORS.get(cls, "nothing"))
    if cls == "QComboBox":
        has_connector = has_connector and "Choice(" in annotation  # fixed choices only
    assert (key == "SlicerParameterName") == has_connector


def test_every_widget_that_the_code_names_exists():
    named = {
        node.attr
        for node in ast.walk(TREES[MODULE / "MedFuse.py"])
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self.ui", "self.widget.ui")
    }
    sections = {
        node.value
        for node in ast.walk(TREES[MODULE / "MedFuse.py"])
        if isinstance(node, ast.Constant) and str(node.value).endswith("Section")
    }
    assert len(named) > 15
    assert len(sections) == 4
    assert named | sections <= widgets().keys()


def test_names_of_widgets_are_unique():
    names = [widget.get("name") for widget in PANEL.iter("widget")]
    assert len(names) == len(set(names))


def test_every_widget_has_a_tooltip():
    labels = {
        name
        for name, widget in widgets().items()
        if widget.get("class") == "QLabel" and "text" in properties(widget)
    }
    without = [name for name, widget in widgets().items() if "toolTip" not in properties(widget)]
    assert set(without) == labels | {"MedFuse"}


def test_every_node_selector_gets_the_scene():
    receivers = {one.findtext("receiver") for one in PANEL.iter("connection")}
    boxes = {name for name, widget in widgets().items() if "NodeComboBox" in widget.get("class")}
    assert receivers == boxes
    assert {one.findtext("sender") for one in PANEL.iter("connection")} == {"MedFuse"}


def test_sections_are_those_of_the_design_and_advanced_ones_are_folded():
    sections = [w for w in widgets().values() if w.get("class") == "ctkCollapsibleButton"]
    names = ["Volumes", "Registration", "Fusion", "Parameters", "Output", "Result", "Log"]
    assert [properties(w)["text"] for w in sections] == names
    assert properties(widgets()["parametersSection"])["collapsed"] == "true"
    groups = [w for w in widgets().values() if w.get("class") == "ctkCollapsibleGroupBox"]
    assert groups
    assert all(properties(w)["collapsed"] == "true" for w in groups)


# Parameters and medfuse


ELSEWHERE = {  # fields of a recipe that have another name in the panel, or are not in it
    "parameters": "methodParameters",
    "registration_preset": "registrationPreset",
    "registration_start": "registrationStart",
    "accept_registration": "acceptRegistration",
    "colour_maps": "colourMaps",
    "dicom": None,  # the scene holds the results
    "keep_identifiers": None,  # the report does not stay
}


def test_the_panel_asks_for_what_a_recipe_holds():
    wanted = {ELSEWHERE.get(one.name, one.name) for one in fields(Recipe)} - {None}
    assert wanted <= parameters().keys()


def test_choices_are_those_of_medfuse():
    assert set(constant("PROFILES")) == set(PROFILES)
    assert set(constant("STARTS")) == set(STARTS)
    assert set(constant("INTERPOLATIONS")) == set(INTERPOLATIONS)
    assert constant("DENOISERS") == DENOISERS
    assert constant("NOISES") == CHOICES
    for grid in constant("GRIDS"):
        parse_grid(grid)  # raises for what is none


def test_defaults_are_those_of_a_recipe():
    recipe = Recipe()
    values = {
        node.target.id: ast.literal_eval(node.value)
        for node in class_of("MedFuseParameterNode").body
        if isinstance(node, ast.AnnAssign) and node.value is not None
    }
    for one in fields(Recipe):
        name = ELSEWHERE.get(one.name, one.name)
        if name in values:
            assert values[name] == getattr(recipe, one.name), name


# The catalogue's rules

ALLOWED = {"slicer", "vtk", "numpy", "scipy", "SimpleITK", "MedFuseLib", *sys.stdlib_module_names}
WITH_QT = {"MedFuse.py", "forms.py", "boxes.py", "frames.py"}


def imported(statements: typing.Iterable[ast.stmt]) -> set[str]:
    """First names of what is imported; relative imports are our own."""
    names = set()
    for node in statements:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def at_file_scope(tree: ast.Module) -> list[ast.stmt]:
    """Every statement that runs at import, with those under ``if`` and ``try``."""
    found, rest = [], list(tree.body)
    while rest:
        node = rest.pop()
        found.append(node)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            rest += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_only_allowed_imports_at_file_scope(path):
    allowed = ALLOWED | ({"qt", "ctk"} if path.name in WITH_QT else set())
    assert imported(at_file_scope(TREES[path])) <= allowed


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_torch_and_no_medfuse_in_slicers_process(path):
    everything = (node for node in ast.walk(TREES[path]) if isinstance(node, ast.stmt))
    assert not imported(everything) & {"torch", "torchvision", "medfuse", "sitkUtils", "nibabel", "pydicom"}


HARMLESS = {
    "frozenset",
    "set",
    "dict",
    "tuple",
    "range",
    "Path",
    "compile",
    "getLogger",
    "MappingProxyType",
    "field",
    "diag",
}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_nothing_runs_at_import(path):
    """Only definitions: no loop, no bare call, and no call but of values' own classes."""
    own = {node.name for node in TREES[path].body if isinstance(node, ast.ClassDef)}
    for node in TREES[path].body:
        if isinstance(node, ast.ImportFrom) and node.level:
            own |= {alias.name for alias in node.names if alias.name[0].isupper()}
    for node in at_file_scope(TREES[path]):
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant), ast.unparse(node)
        definition = ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign
        assert isinstance(node, definition | ast.Expr | ast.If | ast.Pass | ast.Try), ast.unparse(node)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            calls = [call for call in ast.walk(node.value) if isinstance(call, ast.Call)]
            called = {ast.unparse(call.func).rpartition(".")[2] for call in calls}
            assert called <= HARMLESS | own, ast.unparse(node)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_clean_for_the_python_of_slicer(path):
    """No syntax that warns, nothing that Python 3.12 removed, nothing newer than Python 3.10."""
    text = path.read_text(encoding="utf-8")
    compile(text, str(path), "exec")  # pytest turns warnings into errors
    ast.parse(text, feature_version=(3, 10))
    everything = (node for node in ast.walk(TREES[path]) if isinstance(node, ast.stmt))
    assert not imported(everything) & {"distutils", "imp", "asyncore", "pkg_resources", "__main__"}
    assert not re.search(r"utcnow\(|utcfromtimestamp\(|shell=True|os\.system|time\.clock", text)


def test_the_library_lists_its_modules():
    text = ast.get_docstring(TREES[MODULE / "MedFuseLib" / "__init__.py"])
    rows = re.findall(r"^    ([a-z]+(?:, [a-z]+)*)  ", text, flags=re.MULTILINE)
    listed = [name for row in rows for name in row.split(", ")]
    assert sorted(listed) == sorted(path.stem for path in SCRIPTS[1:] if path.stem != "__init__")


# CMake


def cmake(path: Path) -> str:
    return re.sub(r"^\s*#.*", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)


def cmake_list(name: str) -> list[str]:
    return re.search(rf"set\({name}\s+([^)]*)\)", cmake(MODULE / "CMakeLists.txt"))[1].split()


def metadata(name: str) -> str:
    return re.search(rf'set\(EXTENSION_{name} "([^"]*)"\)', cmake(ROOT / "CMakeLists.txt"))[1]


def shipped(*patterns: str) -> list[str]:
    return sorted(
        path.relative_to(MODULE).as_posix() for pattern in patterns for path in MODULE.glob(pattern)
    )


def test_cmake_lists_are_the_files():
    assert sorted(cmake_list("MODULE_PYTHON_SCRIPTS")) == shipped("*.py", "MedFuseLib/**/*.py")
    assert sorted(cmake_list("MODULE_PYTHON_RESOURCES")) == shipped("Resources/**/*.*")


def test_cmake_runs_the_tests_that_are_there():
    text = cmake(MODULE / "Testing" / "Python" / "CMakeLists.txt")
    tests = re.findall(r"slicer_add_python_unittest\(SCRIPT (\S+)\)", text)
    assert sorted(tests) == sorted(path.name for path in (MODULE / "Testing" / "Python").glob("*.py"))
    assert "slicer_add_python_unittest(SCRIPT MedFuse.py)" in cmake(MODULE / "CMakeLists.txt")


def test_cmake_adds_every_folder():
    assert "add_subdirectory(slicer_extension/MedFuse)" in cmake(ROOT / "CMakeLists.txt")
    assert "add_subdirectory(Testing)" in cmake(MODULE / "CMakeLists.txt")
    assert "add_subdirectory(Python)" in cmake(MODULE / "Testing" / "CMakeLists.txt")


def test_pictures_of_the_catalogue_are_in_the_repository():
    raw = "https://raw.githubusercontent.com/medfuse/medfuse/main/"
    urls = [metadata("ICONURL"), *metadata("SCREENSHOTURLS").split()]
    assert len(urls) > 1
    for url in urls:
        assert url.startswith(raw)
        with Image.open(ROOT / url.removeprefix(raw)) as picture:
            assert picture.format == "PNG"


def test_the_icon_is_what_its_script_draws():
    drawn = runpy.run_path(str(EXTENSION / "make_pictures.py"))["icon"]()
    with Image.open(MODULE / "Resources" / "Icons" / "MedFuse.png") as stored:
        np.testing.assert_array_equal(np.asarray(stored), drawn)
    assert drawn.shape == (128, 128, 4)


# MedFuse.json

ENTRY = json.loads((EXTENSION / "MedFuse.json").read_text(encoding="utf-8"))
SCHEMA_KEYS = {  # of the schema v1.0.2: key -> type; no other key is allowed
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "dicom_support_rule": str,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}


def test_the_entry_follows_the_schema():
    assert {"$schema", "category", "scm_url"} <= ENTRY.keys() <= SCHEMA_KEYS.keys()
    for key, value in ENTRY.items():
        assert type(value) is SCHEMA_KEYS[key], key
    assert re.search(r"slicer-extension-catalog-entry-schema-v1\.0\.2\.json#?$", ENTRY["$schema"])
    assert 1 <= ENTRY["tier"] <= 5


def test_the_entry_agrees_with_cmake_and_the_package():
    assert re.search(r"project\((\w+)\)", cmake(ROOT / "CMakeLists.txt"))[1] == "MedFuse"  # the entry's name
    assert ENTRY["category"] == metadata("CATEGORY") == "Registration"
    home = ENTRY["scm_url"].removesuffix(".git")
    assert metadata("HOMEPAGE").startswith(home)
    assert home in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert constant("HOMEPAGE") == metadata("HOMEPAGE")


def test_the_links_of_the_panel_lead_to_pages_of_the_manual():
    blob = f"{ENTRY['scm_url'].removesuffix('.git')}/blob/main/"
    text = (MODULE / "MedFuse.py").read_text(encoding="utf-8")
    pages = re.findall(rf'"{re.escape(blob)}([^"]+)"', text)
    assert len(pages) >= 3
    assert [page for page in pages if not (ROOT / page).is_file()] == []


def test_the_extension_recommends_what_installs_torch():
    assert metadata("RECOMMENDS") == "PyTorch"
    assert metadata("DEPENDS") == "NA"
    assert (ROOT / "LICENSE").is_file()


# README

README = (EXTENSION / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "needed",
    [
        "# MedFuse",
        "## Modules",
        "## Tutorial",
        "## Citation",
        "## License",
        "not a medical device",
        "**not in the application**",
    ],
)
def test_the_readme_has_what_the_catalogue_asks_for(needed):
    assert needed in README


def test_the_pictures_and_files_of_the_readme_are_there():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert sum(target.endswith(".png") for target in targets) >= 3
    for target in targets:
        assert (EXTENSION / target).exists(), target


def test_the_readme_names_every_parameter_of_the_panel():
    """By the label beside the widget, in bold."""
    forms = [layout for layout in PANEL.iter("layout") if layout.get("class") == "QFormLayout"]
    labels = {
        properties(item.find("widget"))["text"].rstrip(":")
        for layout in forms
        for item in layout.findall("item")
        if item.find("widget") is not None
        and item.find("widget").get("class") == "QLabel"
        and "text" in properties(item.find("widget"))
    }
    assert len(labels) > 8
    assert {label for label in labels if f"**{label}**" not in README} == set()


def test_git_knows_every_file_that_ships():
    listed = subprocess.run(
        ["git", "ls-files", "slicer_extension"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode or not listed.stdout:
        pytest.skip("needs the git checkout")
    known = set(listed.stdout.splitlines())
    wanted = {
        f"slicer_extension/MedFuse/{name}"
        for name in cmake_list("MODULE_PYTHON_SCRIPTS") + cmake_list("MODULE_PYTHON_RESOURCES")
    }
    assert wanted <= known
