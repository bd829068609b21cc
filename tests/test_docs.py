"""The documentation says what the code does, and its examples run."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import medfuse

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")]
)


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLES = script("doc_tables")


@pytest.mark.parametrize("page", TABLES.PAGES)
def test_generated_tables_are_fresh(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert TABLES.filled(page, text) == text, "run: python scripts/doc_tables.py"


def test_a_stale_table_would_be_seen():
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    stale = text.replace("| `pca` |", "| `pcb` |", 1)
    assert stale != text
    assert TABLES.filled("methods.md", stale) == text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_into_the_repository_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target, _, anchor in re.findall(r"\]\((?!http)([^)#\s]*)(#([^)\s]+))?\)", text):
        path = page.parent / target if target else page
        assert path.exists(), f"{page.name} links to {target}"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{page.name} links to {target}#{anchor}"


def anchors(page):
    """The headings of a page as GitHub and MkDocs name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_index_and_in_the_navigation():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/*.md"):
        assert f": {page.name}" in navigation
        assert page.name == "index.md" or f"({page.name})" in index


def test_links_out_of_the_folder_lead_to_the_repository_on_the_site():
    make = script("docs_hooks").on_page_markdown
    config = {"repo_url": "https://example.org/r"}
    assert (
        make("see [it](../a/b.md#c)", config=config) == "see [it](https://example.org/r/blob/main/a/b.md#c)"
    )
    assert make("![it](../a.png)", config=config) == "![it](https://example.org/r/raw/main/a.png)"
    assert make("[here](a.md) ![p](pictures/a.png)", config=config) == "[here](a.md) ![p](pictures/a.png)"


def test_the_python_page_runs_on_small_volumes(tmp_path, monkeypatch):
    """Its examples, word for word, and the README's; the second starts where the first came."""
    import numpy as np

    from medfuse import Geometry, write_volume
    from medfuse.io import write_transform
    from medfuse.phantom import render, rigid

    page, readme = (ROOT / "docs" / "python.md", ROOT / "README.md")
    step_by_step, whole = re.findall(
        r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    (shortest,) = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), flags=re.DOTALL)
    grid = Geometry((40, 42, 18), (5.5, 5.5, 9.0), (-107.0, -110.0, -70.0))
    write_volume(render("CT", grid, seed=1), tmp_path / "ct.nii.gz")
    write_volume(render("T1", grid, pose=rigid((2, 3, 4), (4, 3, -2)), seed=2), tmp_path / "t1.nii.gz")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(step_by_step, "python.md", "exec"), names)
    assert np.isfinite(medfuse.read_volume(tmp_path / "fused.nii.gz", modality="OT").array).all()
    write_transform(names["registration"].transform, tmp_path / "start.tfm")
    for example in (whole, shortest):
        exec(compile(example, "python.md", "exec"), {})
        assert (tmp_path / "result" / "report.html").is_file()
        (tmp_path / "result").rename(tmp_path / f"result of {len(example)}")


def test_the_page_on_own_methods_holds_what_the_example_runs(tmp_path):
    """The class and the metric of the page work as they stand there."""
    import numpy as np

    text = (ROOT / "docs" / "own-method.md").read_text(encoding="utf-8")
    method, metric = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    # A dataclass looks its module up.
    (tmp_path / "own_page.py").write_text(method + metric)
    names = runpy.run_path(str(tmp_path / "own_page.py"))
    sources = np.random.default_rng(1).random((2, 1, 8, 8)).astype(np.float32)
    mean = medfuse.fuse(sources, names["PowerMean"](power=1.0)).array
    assert np.allclose(mean, sources.mean(axis=0), atol=1e-6)
    assert names["CONTRAST"].function(sources[:, 0], mean[0]) == pytest.approx(mean.std())


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_run(path, tmp_path):
    run = subprocess.run(
        [sys.executable, path],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert run.returncode == 0, run.stderr
    expected = {
        "fuse_two_volumes.py": "registration: ok",
        "step_by_step.py": "registration: ok",
        "compare_methods.py": "laplacian",
        "own_method.py": "power 16.0",
    }
    assert expected[path.name] in run.stdout


def test_the_notebook_runs(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = json.loads((ROOT / "examples" / "look.ipynb").read_text(encoding="utf-8"))
    names: dict = {}
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell.get("outputs") for cell in notebook["cells"]), "clear the outputs before committing"
    for source in cells:
        exec(compile(source, "look.ipynb", "exec"), names)
    assert names["fused"].array.shape == (5, 104, 96)


def test_changelog_and_citation_have_this_version():
    assert f"## [{medfuse.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {medfuse.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
