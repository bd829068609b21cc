"""What is missing is named, installed after asking, and never at the cost of Slicer's own packages."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
from MedFuseLib import dependencies
from MedFuseLib.dependencies import InstallError, Installers, install, missing, python_executable

import medfuse

HELD = {
    name: importlib.metadata.version(name) for name in ("numpy", "scipy", "SimpleITK", "torch", "torchvision")
}


class Recorder:
    """Installers that write down what they are asked for."""

    def __init__(self, *, agree=True, fail=None, ensure=True, torch=True):
        self.calls = []
        self.agree, self.fail = agree, fail
        self.tools = Installers(
            self._ensure if ensure else None, self._pip, self._torch if torch else None, self._confirm
        )

    def _note(self, name, *details):
        self.calls.append((name, *details))
        if self.fail:
            raise self.fail

    def _ensure(self, requirements, constraints, requester):
        self._note("pip_ensure", requirements, requester, constraints.read_text())
        if not self.agree:
            raise RuntimeError("User declined package installation")

    def _pip(self, words):
        self._note("pip_install", words[2:], words[0], Path(words[1]).read_text())

    def _torch(self, askConfirmation, torchVersionRequirement):
        last = os.environ["PIP_CONSTRAINT"].split()[-1]
        command = [
            sys.executable,
            "-c",
            "from urllib.request import urlopen, sys; print(urlopen(sys.argv[1]).read().decode())",
        ]
        text = subprocess.run([*command, last], capture_output=True, text=True, check=True).stdout
        self._note("installTorch", askConfirmation, torchVersionRequirement, text.strip() + "\n")
        return object() if self.agree else None

    def _confirm(self, question):
        self.calls.append(("confirm", question))
        return self.agree


@pytest.fixture
def absent(monkeypatch):
    """Packages that are not there until somebody installs them."""
    names = {"torch", "medfuse"}
    real_spec, real_version = dependencies.importlib.util.find_spec, importlib.metadata.version

    def version(name):
        if name in names:
            raise importlib.metadata.PackageNotFoundError(name)
        return real_version(name)

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in names else real_spec(name))
    monkeypatch.setattr("importlib.metadata.version", version)
    return names


def constraints(*but):
    return "".join(f"{name}=={version}\n" for name, version in HELD.items() if name not in but)


class TestMissing:
    def test_nothing(self):
        assert missing() == ()

    def test_names(self, absent):
        assert missing() == ("torch", "medfuse")

    def test_one_that_is_too_old(self, monkeypatch):
        monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0.9")
        assert missing() == ("medfuse",)

    @pytest.mark.parametrize("version", ["0.1", "0.1.0", "0.1.0+local5", "0.10.2", "1.0"])
    def test_versions_that_will_do(self, monkeypatch, version):
        monkeypatch.setattr("importlib.metadata.version", lambda name: version)
        assert missing() == ()

    def test_the_file_asks_for_a_version_that_exists(self):
        least = dependencies._requirements()["medfuse"]
        assert dependencies._numbers(least) <= dependencies._numbers(medfuse.__version__)


class TestInstalling:
    def test_torch_first_and_by_the_extension(self, absent, monkeypatch):
        recorder = Recorder()
        monkeypatch.setattr("MedFuseLib.dependencies.missing", lambda: ())
        assert install(("torch", "medfuse"), recorder.tools)
        assert recorder.calls == [
            ("installTorch", True, ">=2.4", constraints("torch")),
            ("pip_ensure", ["medfuse>=0.1"], "MedFuse", constraints("torch")),
        ]

    def test_before_slicer_5_11_we_ask_ourselves(self, monkeypatch):
        recorder = Recorder(ensure=False)
        monkeypatch.setattr("MedFuseLib.dependencies.missing", lambda: ())
        assert install(("medfuse",), recorder.tools)
        (asked, question), installed = recorder.calls
        assert asked == "confirm"
        assert "medfuse>=0.1" in question
        assert installed == ("pip_install", ["medfuse>=0.1"], "--constraint", constraints())

    @pytest.mark.parametrize("ensure", [True, False])
    def test_declined(self, ensure):
        recorder = Recorder(agree=False, ensure=ensure)
        assert not install(("medfuse",), recorder.tools)
        assert "pip_install" not in [call[0] for call in recorder.calls]

    def test_after_torch_was_declined_nothing_is_installed(self, absent):
        recorder = Recorder(agree=False)
        assert not install(("torch", "medfuse"), recorder.tools)
        assert [call[0] for call in recorder.calls] == ["installTorch"]

    def test_nothing_to_do(self):
        recorder = Recorder()
        assert install((), recorder.tools)
        assert recorder.calls == []

    def test_without_the_extension_nobody_installs_torch(self, absent):
        recorder = Recorder(torch=False)
        with pytest.raises(InstallError, match='install the extension "PyTorch"'):
            install(("torch", "medfuse"), recorder.tools)
        assert recorder.calls == []

    @pytest.mark.parametrize("failure", [subprocess.CalledProcessError(1, "pip"), OSError("no pip")])
    @pytest.mark.parametrize("ensure", [True, False])
    def test_a_failure_is_one_sentence(self, failure, ensure):
        with pytest.raises(InstallError, match="a network that is missing or needs a proxy"):
            install(("medfuse",), Recorder(fail=failure, ensure=ensure).tools)

    def test_still_missing_afterwards(self, absent):
        with pytest.raises(InstallError, match="Still missing: torch, medfuse"):
            install(("torch", "medfuse"), Recorder().tools)

    def test_a_package_without_a_version_would_be_replaced(self, absent, monkeypatch):
        absent.add("SimpleITK")
        monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
        recorder = Recorder()
        with pytest.raises(InstallError, match="SimpleITK of this Slicer does not tell its version"):
            install(("medfuse",), recorder.tools)
        assert recorder.calls == []

    @pytest.mark.parametrize("before", [None, "https://example.org/a.txt"])
    def test_the_environment_is_as_before(self, absent, monkeypatch, before):
        monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
        if before:
            monkeypatch.setenv("PIP_CONSTRAINT", before)
        with pytest.raises(InstallError):
            install(("torch",), Recorder(fail=OSError("x")).tools)
        assert os.environ.get("PIP_CONSTRAINT") == before


def test_pip_itself_is_held_by_it(tmp_path, monkeypatch):
    """The real pip, with a blank and an umlaut in the path, without a network: numpy may not move."""
    folder = tmp_path / "Max Müller"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--no-index",
        "--disable-pip-version-check",
    ]
    with dependencies._constraints() as file, dependencies._pip_held_to(file):
        assert folder in file.parents
        kept = subprocess.run([*command, "numpy"], capture_output=True, text=True, check=False)
        moved = subprocess.run([*command, "numpy<1"], capture_output=True, text=True, check=False)
    assert kept.returncode == 0, kept.stderr
    assert moved.returncode != 0
    assert f"The user requested (constraint) numpy=={HELD['numpy']}" in moved.stdout + moved.stderr


class TestPython:
    @pytest.mark.parametrize(
        ("executable", "interpreter"),
        [
            ("Slicer 5.12/bin/SlicerApp-real", "Slicer 5.12/bin/PythonSlicer"),
            ("Slicer 5.12/Slicer.exe", "Slicer 5.12/bin/PythonSlicer.exe"),
            ("Slicer.app/Contents/MacOS/Slicer", "Slicer.app/Contents/bin/PythonSlicer"),
            ("Slicer 5.12/bin/python-real", "Slicer 5.12/bin/PythonSlicer"),
            ("Slicer 5.12/bin/PythonSlicer", "Slicer 5.12/bin/PythonSlicer"),
        ],
    )
    def test_of_the_application(self, tmp_path, executable, interpreter):
        (tmp_path / interpreter).parent.mkdir(parents=True)
        (tmp_path / interpreter).touch()
        assert python_executable(str(tmp_path / executable)) == tmp_path / interpreter

    def test_an_interpreter_is_its_own(self):
        assert python_executable() == Path(sys.executable)

    def test_on_the_path(self, tmp_path, monkeypatch):
        program = tmp_path / "bin" / ("PythonSlicer.exe" if os.name == "nt" else "PythonSlicer")
        program.parent.mkdir()
        program.touch(mode=0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        assert python_executable(str(tmp_path / "elsewhere" / "SlicerApp-real")) == program

    def test_nowhere(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(InstallError, match="PythonSlicer was not found beside"):
            python_executable(str(tmp_path / "SlicerApp-real"))


def test_installers_of_slicer_core():
    """slicer-core has neither ``slicer.packaging`` nor the extension PyTorch: both are told as absent."""
    import slicer.util

    tools = dependencies.installers(lambda question: False)
    assert tools.pip_ensure is None
    assert tools.install_torch is None
    assert tools.pip_install is slicer.util.pip_install
