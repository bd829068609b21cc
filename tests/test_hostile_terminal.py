"""What surrounds a command: full and closed outputs, narrow alphabets, little memory, plug-ins of others."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from medfuse import METHODS, METRICS, Geometry, Recipe, Volume, read_volume, write_volume
from medfuse.batch import find_studies, write_table
from medfuse.cli import app
from medfuse.errors import ParameterError, PluginError
from medfuse.memory import available_bytes, failed_allocation
from medfuse.metrics import PROFILES, left_out
from medfuse.resampling import check_memory

POSIX = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")
COMMAND = [sys.executable, "-m", "medfuse"]


def run(words, **options):
    """A command with its code, stdout and stderr."""
    environment = {**os.environ, **options.pop("environment", {})}
    result = subprocess.run(
        [*COMMAND, *words],
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
        **{"stdout": subprocess.PIPE, **options},
    )
    return result.returncode, result.stdout, result.stderr.decode("utf-8", "replace")


@POSIX
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
class TestOutputs:
    @pytest.mark.parametrize("words", [["methods"], ["--help"]], ids=" ".join)
    def test_on_a_full_disk(self, words):
        with Path("/dev/full").open("w") as full:
            code, _, said = run(words, stdout=full)
        assert (code, said) == (
            2, "medfuse: error: standard output cannot be written: No space left on device\n",
        )  # fmt: skip

    def test_that_nobody_reads(self):
        reading, writing = os.pipe()
        os.close(reading)
        code, _, said = run(["methods"], stdout=writing)
        os.close(writing)
        assert (code, said) == (141, "")

    def test_errors_that_cannot_be_said(self):
        with Path("/dev/full").open("w") as full:
            result = subprocess.run([*COMMAND, "info", "/nonexistent"], stderr=full, check=False)
        assert result.returncode == 2

    def test_characters_that_a_terminal_lacks(self, latin):
        ascii_only = {"PYTHONIOENCODING": "ascii:strict"}
        code, out, said = run(["info", str(latin)], environment=ascii_only)
        assert (code, said) == (0, "")
        assert b"rg.nii: OT, 4" in out


@pytest.fixture
def latin(tmp_path):
    """A folder with a volume, both named in Latin-1."""
    if os.name == "nt" or sys.platform == "darwin":
        pytest.skip("the system takes names of UTF-8 only")
    folder = tmp_path / os.fsdecode(b"M\xfcller")
    folder.mkdir()
    array = np.random.default_rng(1).random((6, 5, 4), np.float32)
    for name in (b"J\xf6rg.nii", b"T1.nii"):
        write_volume(Volume(array, Geometry((4, 5, 6))), folder / os.fsdecode(name))
    return folder


class TestNamesInOtherBytes:
    def test_a_table_holds_them_and_gives_them_back(self, latin, tmp_path):
        table = tmp_path / "a.csv"
        source = tmp_path / "archive"
        place = source / "sub-01" / "anat"
        place.mkdir(parents=True)
        for name, suffix in (("J\udcf6rg.nii", "acq-\udcf6_ct"), ("T1.nii", "T1w")):
            shutil.copy(latin / name, place / f"sub-01_{suffix}.nii")
        planned = find_studies(source, "ct", ["T1w"])
        write_table(planned, table)
        assert rb"acq-\udcf6_ct.nii" in table.read_bytes()
        (again,) = find_studies(table)
        assert again.study.paths == planned[0].study.absolute().paths
        assert read_volume(again.study.fixed.path).geometry.size == (4, 5, 6)

    def test_the_report_and_the_provenance(self, latin, tmp_path):
        words = [
            str(latin / "J\udcf6rg.nii"),
            str(latin / "T1.nii"),
            "-o",
            str(tmp_path / "out"),
            "--progress",
            "none",
        ]
        words += ["--method", "average", "--no-registration", "--keep-identifiers"]
        result = CliRunner().invoke(app, ["fuse", *words])
        assert result.exit_code == 0, result.output
        facts = json.loads((tmp_path / "out" / "provenance.json").read_text(encoding="utf-8"))
        assert facts["inputs"][0]["path"] == str(latin / "J\udcf6rg.nii")
        (tmp_path / "out" / "report.html").read_text(encoding="utf-8")

    def test_info_as_json(self, latin):
        code, out, _ = run(["info", "--json", str(latin)], environment={"PYTHONIOENCODING": "utf-8:strict"})
        assert code == 0
        assert {one["path"] for one in json.loads(out)} == {str(path) for path in latin.iterdir()}


class TestMemory:
    @pytest.mark.parametrize(
        ("error", "wanted"),
        [
            (MemoryError(), ""),
            (MemoryError("Unable to allocate 29.8 GiB for an array with shape (2,)"), " for 29.8 GiB"),
            (RuntimeError("can't allocate memory: you tried to allocate 4194304 bytes."), " for 4 MiB"),
            (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has"), " for 2.00 GiB"),
            (RuntimeError("Failed to allocate memory for image."), ""),
            (RuntimeError("std::bad_alloc"), ""),
            (OSError(errno.ENOMEM, "Cannot allocate memory"), ""),
            (ImportError("libx.so: failed to map segment from shared object"), ""),
            (RuntimeError("can't start new thread"), ""),
        ],
    )  # fmt: skip
    def test_every_library_says_it_otherwise(self, error, wanted):
        assert failed_allocation(error).startswith(f"not enough memory{wanted}: close other programs")

    @pytest.mark.parametrize(
        "error", [RuntimeError("no"), OSError(2, "x"), ImportError("torch"), ValueError("out of memory")]
    )
    def test_other_errors_are_not_of_it(self, error):
        assert failed_allocation(error) == ""

    def test_what_numpy_and_torch_really_say(self):
        import torch

        with pytest.raises(MemoryError) as caught:
            np.empty(1 << 60, np.uint8)
        assert (
            failed_allocation(caught.value).startswith("not enough memory for 1.00 EiB")
            or " for " not in (failed_allocation(caught.value).partition(":")[0])
        )
        with pytest.raises(RuntimeError) as stopped:
            torch.empty(1 << 60, dtype=torch.uint8)
        assert failed_allocation(stopped.value).startswith("not enough memory for ")

    @POSIX
    @pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
    def test_a_limit_of_the_shell_counts(self):
        code = (
            "import resource; from medfuse.memory import available_bytes\n"
            "resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20)); print(available_bytes())"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert 0 < int(found.stdout) < 900 << 20

    def test_a_grid_beyond_what_is_left_is_refused_before_any_work(self, monkeypatch):
        monkeypatch.setattr("medfuse.resampling.grids.available_bytes", lambda: 1 << 20)
        with pytest.raises(ParameterError, match="can still be had: choose a coarser --grid"):
            check_memory(Geometry((500, 500, 500)), 2)
        check_memory(Geometry((5, 5, 5)), 2)
        assert available_bytes() is None or available_bytes() >= 0

    def test_grids_of_atoms_are_no_grids(self):
        for text in ("isotropic:1e-9", "isotropic:5e-324", "isotropic:0", "isotropic:inf"):
            with pytest.raises(ParameterError, match="of at least 1e-06 mm"):
                Recipe(grid=text)

    @POSIX
    @pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold the limit")
    def test_a_command_without_enough_of_it_says_so(self, tmp_path):
        path = tmp_path / "v.nii"
        write_volume(Volume(np.zeros((200, 300, 300), np.float32), Geometry((300, 300, 200))), path)
        limit = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (190 << 20,) * 2);"
        start = f"{limit} import sys; sys.argv[0] = 'medfuse'; from medfuse.cli import main; main()"
        found = subprocess.run(
            [sys.executable, "-c", start, "info", str(path)], capture_output=True, text=True, check=False
        )
        assert "not enough memory" in found.stdout + found.stderr
        assert "Traceback" not in found.stderr


FAULTY = {
    "medfuse.fusion": {
        "gone": "no_such_module:Method", "broken": "broken_plugin:Method", "number": "math:pi",
        "function": "math:sin", "plain": "fractions:Fraction", "missing": "math:no_such_thing",
        "fine": "medfuse.fusion.simple:Average",
    },
    "medfuse.metrics": {
        "lost": "no_such_module:METRIC", "word": "math:pi", "fine_metric": "medfuse.metrics.detail:EN",
    },
}  # fmt: skip


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """Installed packages whose entry points cannot be used, and one whose can."""
    info = tmp_path / "site" / "faulty_plugins-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-plugins\nVersion: 1.0\n")
    groups = (
        f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in own.items()) for group, own in FAULTY.items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups) + "\n")
    (tmp_path / "site" / "broken_plugin.py").write_text("import sys; sys.exit('no licence')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for registry in (METHODS, METRICS):
        registry.__dict__.pop("_plugins", None)
    yield
    for registry in (METHODS, METRICS):
        registry.__dict__.pop("_plugins", None)
        for own in FAULTY.values():
            for key in own:
                registry._loaded.pop(key, None)


class TestPlugins:
    def test_each_faulty_one_is_one_line_of_the_list(self, plugins):
        result = CliRunner().invoke(app, ["methods", "list"])
        assert result.exit_code == 0
        lines = {line.split()[0]: line for line in result.output.splitlines()}
        assert set(lines) == set(METHODS)
        for key in set(FAULTY["medfuse.fusion"]) - {"fine"}:
            assert f"fusion method {key!r} of the package faulty-plugins cannot be used" in lines[key]
        assert "no licence" in lines["broken"]
        assert "cannot be used" not in lines["fine"] + lines["pca"]

    def test_json_holds_the_others(self, plugins):
        result = CliRunner().invoke(app, ["methods", "--json"])
        assert result.exit_code == 0
        keys = {one["key"] for one in json.loads(result.stdout)}
        assert keys == set(METHODS) - set(FAULTY["medfuse.fusion"]) | {"fine"}
        assert result.stderr.count("note: fusion method") == 6

    def test_metrics_and_the_profile_of_all(self, plugins):
        result = CliRunner().invoke(app, ["metrics", "list"])
        assert result.exit_code == 0
        for key in ("lost", "word"):
            assert f"metric {key!r} of the package faulty-plugins cannot be used" in result.output
        assert set(PROFILES["all"]) == set(METRICS) - {"lost", "word"}
        assert len(left_out("all")) == 2
        assert left_out("default") == ()

    @pytest.mark.parametrize("key", sorted(set(FAULTY["medfuse.fusion"]) - {"fine"}))
    def test_it_is_an_error_only_where_it_is_used(self, plugins, key):
        with pytest.raises(PluginError, match="mend or uninstall that package"):
            Recipe(method=key).build_method()
        Recipe(method="fine").build_method()
