"""Do the tests notice deliberate changes? ``make mutants ROOM=noise SAMPLE=60 SEED=1``; see docs/mutants.md.

mutmut makes small changes ("mutants") to the functions of a room and runs the tests beside it against
each.  This script adds what mutmut leaves out: rooms with their tests, a seeded sample (a whole room takes
hours on two cores), a copy to work in, and a verdict on code that only worker processes run, which mutmut
cannot see being called: those mutants meet all tests of the room.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
ROOMS = {  # folder or module of the package: the tests beside it
    "fusion/dip": ("test_dip*.py",),
    "noise": ("test_noise*.py",),
    "registration": ("test_register*.py", "test_registration*.py"),
    "io/dicom": (
        "test_io_dicom*.py",
        "test_io_frames.py",
        "test_io_suv.py",
        "test_io_places.py",
        "test_io_volumes.py",
        "test_io_folder.py",
        "test_io_values.py",
        "test_io_kinds.py",
        "test_io_headers.py",
        "test_io_pictures.py",
    ),
    "batch/running": ("test_batch_*.py",),
    "report/folder": ("test_report*.py",),
}
COPIED = ("medfuse", "tests", "scripts", "benchmarks", "docs", "pyproject.toml", "README.md", "CHANGELOG.md")
KILLED = {"killed", "timeout", "segfault", "check was interrupted by user"}  # the last: tests not collected
PLUGINS = ("-p", "no:cacheprovider", "-p", "fastest_first")
TIMES_CLEAN = 15  # the time limit as a multiple of the tests' time without a change, as mutmut has it


def main() -> None:
    """Run a sample of a room's mutants; print the survivors with their diffs, and the score."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="medfuse-mutants-") as scratch:
        copy = _copy(Path(scratch), options.room, options.keyword)
        os.chdir(copy)  # where mutmut looks for its settings
        names = options.mutants or _sample(_mutants(copy, options.room), options.sample, options.seed)
        _mutmut(copy, "run", "--max-children", str(options.jobs), *names)
        statuses = {name: _status(copy, name, status) for name, status in _results(copy, names).items()}
        _report(statuses)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("room", choices=ROOMS)
    parser.add_argument("--sample", type=int, default=60, help="how many mutants; 0 means all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keyword", default="", help="tests to run, as pytest's -k; else all of the room")
    parser.add_argument("--jobs", type=int, default=2, help="mutants tested at a time")
    parser.add_argument("--mutants", nargs="*", help="these mutants, by name, instead of a sample")
    return parser


def _copy(scratch: Path, room: str, keyword: str) -> Path:
    """Copy what the tests need, with the settings of mutmut; real data are linked to, where there are any."""
    copy = scratch / "medfuse"
    (copy / "mutants").mkdir(parents=True)  # mutmut's place; import would not see a folder made later
    for name in COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy2(source, copy / name)
    if (REPOSITORY.parent / "shared").is_dir():  # the tests run in a folder below the copy
        (copy / "shared").symlink_to(REPOSITORY.parent / "shared")
    settings = {
        "source_paths": [source_of(copy, room).relative_to(copy).as_posix()],
        "also_copy": [name for name in COPIED if (copy / name).exists()],
        "pytest_add_cli_args_test_selection": tests_beside(copy, room),
        "pytest_add_cli_args": [*PLUGINS, "-k", keyword],
        "process_isolation": "forkserver",  # torch and SimpleITK start threads, which a fork loses
        "use_git_change_detection": False,
        "timeout_multiplier": float(TIMES_CLEAN),
    }
    with (copy / "pyproject.toml").open("a") as file:
        file.write("\n[tool.mutmut]\n")
        file.writelines(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    return copy


def source_of(repository: Path, room: str) -> Path:
    """The folder or the module that a room is."""
    folder = repository / "medfuse" / room
    return folder if folder.is_dir() else folder.with_suffix(".py")


def tests_beside(repository: Path, room: str) -> list[str]:
    """The test files of a room, relative to the repository."""
    found = {path for pattern in ROOMS[room] for path in (repository / "tests").glob(pattern)}
    return sorted(path.relative_to(repository).as_posix() for path in found)


def _mutants(copy: Path, room: str) -> Iterator[str]:
    """Names of all mutants of a room but those that change nothing but a sentence for people."""
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name

    source = source_of(copy, room)
    for path in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
        mutated = mutate_file_contents(str(path), path.read_text())
        functions = {
            node.name: node for node in ast.walk(ast.parse(mutated.code)) if isinstance(node, ast.FunctionDef)
        }
        for name in mutated.mutant_names:
            original = functions[f"{name.rpartition('__mutmut_')[0]}__mutmut_orig"]
            if without_sentences(functions[name]) != without_sentences(original):
                yield get_mutant_name(path.relative_to(copy), name)


def without_sentences(function: ast.FunctionDef) -> str:
    """What a function does, whatever the words of its messages (and whatever its own name)."""
    body = [ast.dump(_Sentences().visit(statement)) for statement in function.body]
    return "\n".join(body)


class _Sentences(ast.NodeTransformer):
    """Makes all sentences the same one; a text without a space is taken for a name or a key."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        is_sentence = isinstance(node.value, str) and " " in node.value
        return ast.Constant("a sentence") if is_sentence else node


def _sample(mutants: Iterator[str], size: int, seed: int) -> list[str]:
    names = list(mutants)
    chosen = random.Random(seed).sample(names, min(size, len(names)) or len(names))
    print(
        f"{len(names)} mutants in the room, {len(chosen)} to be tested; first its tests twice as they are",
        flush=True,
    )
    return chosen


def _environment(copy: Path, **more: str) -> dict[str, str]:
    path = os.pathsep.join([str(copy / "mutants"), str(copy / "scripts")])  # scripts: for the plugin
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}


def _mutmut(copy: Path, *arguments: str) -> str:
    """Run a command of mutmut in the copy, and return what it prints; its failure ends this script."""
    command = [sys.executable, "-c", "from mutmut.__main__ import cli; cli()", *arguments]
    done = subprocess.run(
        command, cwd=copy, env=_environment(copy), stdout=subprocess.PIPE, encoding="utf-8", check=False
    )
    if done.returncode:
        said = [line for line in done.stdout.splitlines() if line.isascii()]  # without its spinner
        sys.exit(f"mutmut {arguments[0]} failed; do the room's tests pass?\n" + "\n".join(said[-40:]))
    return done.stdout


def _results(copy: Path, names: list[str]) -> dict[str, str]:
    lines = (line.rpartition(": ") for line in _mutmut(copy, "results", "--all", "true").splitlines())
    found = {name.strip(): status.strip() for name, _, status in lines}
    return {name: found[name] for name in names}


def _status(copy: Path, name: str, status: str) -> str:
    """The status by all tests of the room, where mutmut saw no test call the function."""
    if status != "no tests":
        return status
    clean = json.loads((copy / "mutants" / "mutmut-stats.json").read_text())["duration_by_test"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        *sorted(clean, key=clean.get),
    ]
    process = subprocess.Popen(
        command,
        cwd=copy / "mutants",
        env=_environment(copy, MUTANT_UNDER_TEST=name),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return "survived" if process.wait(TIMES_CLEAN * sum(clean.values())) == 0 else "killed"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "timeout"


def _report(statuses: dict[str, str]) -> None:
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    for name, status in sorted(statuses.items()):
        if status not in KILLED:
            print(f"\n{status}: {name}", get_diff_for_mutant(name), sep="\n")
    timeouts = [name for name, status in statuses.items() if status == "timeout"]
    print("\ntimed out:", *timeouts or ["none"])
    killed = sum(status in KILLED for status in statuses.values())
    print(f"killed {killed} of {len(statuses)}: {killed / len(statuses):.0%}")


if __name__ == "__main__":
    main()
