"""Importing torchvision where its compiled part is missing, and leaving a working one alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

IMPORT = (
    "from medfuse.fusion.networks.torchvision_operators import import_torchvision; t = import_torchvision()\n"
)
WORKING = "import torch\n"
BROKEN = (
    "import torch\n"
    "for name in ('nms', 'qnms'):\n"
    "    if not torch._C._dispatch_has_kernel_for_dispatch_key(f'torchvision::{name}', 'Meta'):\n"
    "        torch.library.register_fake(f'torchvision::{name}')(lambda *a: a[0])\n"
    "from . import part\n"
)
OTHER = "raise RuntimeError('something else')\n"


def run(code, folder=None):
    """Run code in a fresh interpreter in which ``folder`` comes first on the path."""
    environment = {**os.environ, "PYTHONPATH": str(folder or "")}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )


@pytest.fixture
def stand_in(tmp_path):
    """Write a package called torchvision."""

    def write(init):
        package = tmp_path / "torchvision"
        package.mkdir()
        (package / "__init__.py").write_text(init)
        (package / "part.py").write_text("")
        return tmp_path

    return write


def test_the_installed_torchvision_draws_networks():
    code = IMPORT + (
        "import torch\n"
        "net = t.models.squeezenet1_1().eval()\n"
        "print(tuple(net(torch.zeros(1, 3, 64, 64)).shape))"
    )
    result = run(code)
    assert result.stdout.strip() == "(1, 1000)", result.stderr


def test_declares_what_is_missing_only_then(stand_in):
    folder = stand_in(BROKEN)
    plain = run("import torchvision", folder)
    assert "operator torchvision::nms does not exist" in plain.stderr
    result = run(IMPORT + "print(t.part.__name__, t.__file__)", folder)
    assert result.stdout.startswith("torchvision.part"), result.stderr
    assert str(folder) in result.stdout


def test_leaves_a_working_torchvision_alone(stand_in):
    code = IMPORT + "import torch; print(t.__file__, hasattr(torch.ops.torchvision, 'nms'))"
    result = run(code, stand_in(WORKING))
    assert result.stdout.strip().endswith("False"), result.stderr


def test_other_errors_pass_through(stand_in):
    result = run(IMPORT, stand_in(OTHER))
    assert result.stderr.strip().endswith("RuntimeError: something else")


def test_is_idempotent():
    result = run(IMPORT + "print(import_torchvision() is t)")
    assert result.stdout.strip() == "True", result.stderr


def test_says_what_to_install(monkeypatch):
    from medfuse.errors import DependencyError
    from medfuse.fusion.networks import torchvision_operators as _torchvision

    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(_torchvision, "import_module", absent)
    with pytest.raises(DependencyError, match="pip install torchvision"):
        _torchvision.import_torchvision()
