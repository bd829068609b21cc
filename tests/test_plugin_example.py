"""The plug-in package in examples/, installed beside medfuse as a user would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SCRIPT = """
import numpy as np
import medfuse
from medfuse.metrics import METRICS

sources = np.zeros((2, 1, 32, 32), np.float32)
sources[0, 0, :, :16] = np.random.default_rng(1).random((32, 16))
sources[1, 0, :, 16:] = 0.5
fused = medfuse.fuse(sources, "local_contrast", parameters={"sigma": "1.5"})
print(fused.maps["weight_0"][0, 16, 4] > 0.99, fused.maps["weight_0"][0, 16, 28])
print(METRICS["contrast"].function(sources[:, 0], fused.array[0]) == float(fused.array[0].std()))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder where the plug-in lies, put on the path."""
    pytest.importorskip("setuptools", reason="builds the plug-in without a network")
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(ROOT / "examples" / "plugin", folder / "source")
    target = folder / "installed"
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index"]
    run = subprocess.run([*command, "--target", target, source], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return target


def run(installed, *words):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}
    return subprocess.run(
        [sys.executable, *words], check=True, capture_output=True, text=True, env=env
    ).stdout


def test_the_plugin_is_listed_and_told(installed):
    assert "local_contrast  Mean of the sources" in run(installed, "-m", "medfuse", "methods", "list")
    assert "sigma=3.0" in run(installed, "-m", "medfuse", "methods", "show", "local_contrast")
    assert "Standard deviation" in run(installed, "-m", "medfuse", "metrics", "show", "contrast")


def test_the_plugin_fuses_and_scores(installed):
    first, second = run(installed, "-c", SCRIPT).splitlines()
    is_textured, elsewhere = first.split()
    assert is_textured == "True"
    assert float(elsewhere) == pytest.approx(0.5)  # neither varies there
    assert second == "True"
