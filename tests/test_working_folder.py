"""The folder that a command is started in is no place for code: neither its own nor that of its children.

In the parent of a clone there is a folder ``medfuse`` that is no package; it hides one that was installed in
editable mode.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import medfuse
from medfuse import Geometry, Volume, write_volume
from medfuse.processes import python_calling

CONSOLE_SCRIPT = (
    "import sys; sys.path[:] = [place for place in sys.path if place]; from medfuse.cli import main; main()"
)
"""What pip's script ``medfuse`` does: the first entry of its path is its own folder."""

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"},
    "PYTHONPATH": str(Path(medfuse.__file__).parents[1]),
}


@pytest.fixture(params=["a package", "a clone"])
def folder(request, tmp_path: Path) -> Path:
    """A working folder with something called ``medfuse`` in it, and a table of one study."""
    other = tmp_path / "medfuse"
    other.mkdir()
    if request.param == "a package":
        (other / "__init__.py").write_text("raise ImportError('taken from the working folder')\n")
    for seed, name in enumerate(("ct", "t1")):
        array = np.random.default_rng(seed).random((3, 5, 6))
        write_volume(Volume(array, Geometry((6, 5, 3))), tmp_path / f"{name}.nii.gz")
    table = "study,fixed,moving,modalities,method,registration\na,ct.nii.gz,t1.nii.gz,CT;MR,average,none\n"
    (tmp_path / "table.csv").write_text(table)
    return tmp_path


def test_a_batch(folder):
    words = ["batch", "table.csv", "-o", "out", "--progress", "none"]
    run = subprocess.run(
        [sys.executable, "-c", CONSOLE_SCRIPT, *words],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "1 of 1 studies done" in run.stdout
    assert (folder / "out" / "a" / "report.html").is_file()


@pytest.mark.parametrize("module", ["medfuse.batch.running.worker", "medfuse.io.reading_apart"])
def test_a_process_of_ours_whose_path_begins_with_the_working_folder(folder, module):
    """As on Python 3.10, which knows neither -P nor PYTHONSAFEPATH."""
    run = subprocess.run(
        python_calling(module),
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")


def test_the_children_of_the_module_for_slicer(folder):
    from MedFuseLib.jobs import MEDFUSE

    run = subprocess.run(
        [sys.executable, *MEDFUSE, "--version"],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout, run.stderr) == (0, f"medfuse {medfuse.__version__}\n", "")


def test_the_samples_of_the_module_for_slicer(folder):
    from MedFuseLib.samples import _MAKE

    first = _MAKE.partition("study =")[0].replace("Path(sys.argv[1])", "None") + "print('imported')"
    run = subprocess.run(
        [sys.executable, "-c", first, "folder", "ct", "t1"],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.stdout == "imported\n", run.stderr
