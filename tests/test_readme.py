"""The README says what the code does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import medfuse

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def tables():
    spec = importlib.util.spec_from_file_location("readme_tables", ROOT / "scripts" / "readme_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_tables_are_fresh():
    assert tables().filled(README) == README, "run: python scripts/readme_tables.py"


def test_a_stale_table_would_be_seen():
    stale = README.replace("| `pca` |", "| `pcb` |", 1)
    assert stale != README
    assert tables().filled(stale) == README


def test_links_into_the_repository_lead_somewhere():
    for target in re.findall(r"\]\((?!http|#)([^)#]+)", README):
        assert (ROOT / target).exists(), target


def test_python_examples_run_on_small_volumes(tmp_path, monkeypatch):
    """The examples of the README, word for word, on small volumes; the second starts where the first came."""
    import numpy as np

    from medfuse import Geometry, write_volume
    from medfuse.io import write_transform
    from medfuse.phantom import render, rigid

    step_by_step, whole = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    grid = Geometry((40, 42, 18), (5.5, 5.5, 9.0), (-107.0, -110.0, -70.0))
    write_volume(render("CT", grid, seed=1), tmp_path / "ct.nii.gz")
    write_volume(render("T1", grid, pose=rigid((2, 3, 4), (4, 3, -2)), seed=2), tmp_path / "t1.nii.gz")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(step_by_step, "README.md", "exec"), names)
    assert np.isfinite(medfuse.read_volume(tmp_path / "fused.nii.gz", modality="OT").array).all()
    write_transform(names["registration"].transform, tmp_path / "start.tfm")
    exec(compile(whole, "README.md", "exec"), {})
    assert (tmp_path / "result" / "report.html").is_file()


def test_changelog_has_this_version():
    assert f"## [{medfuse.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
