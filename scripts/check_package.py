"""Compare what was packed with what git tracks: ``python scripts/check_package.py dist``.

The source distribution holds every tracked file and no other, save what the packer adds; the wheel holds
the package's modules and the data that it reads.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
_ADDED = ("PKG-INFO", "setup.cfg", "medfuse.egg-info/")
_LINTER_ONLY = "ruff.toml"


def tracked() -> set[str]:
    """Paths of all files that git tracks."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    return set(done.stdout.split("\0")) - {""}


def packed(sdist: Path) -> set[str]:
    """Paths in a source distribution, below its own folder."""
    with tarfile.open(sdist) as archive:
        paths = {member.name.partition("/")[2] for member in archive if member.isfile()}
    return {path for path in paths if not path.startswith(_ADDED)}


def installed(wheel: Path) -> set[str]:
    """Paths in a wheel, save its own records."""
    with zipfile.ZipFile(wheel) as archive:
        return {path for path in archive.namelist() if ".dist-info/" not in path}


def differences(expected: set[str], found: set[str], where: str) -> list[str]:
    """A line for each file that is missing or too much."""
    return [
        *(f"{where} lacks {path}" for path in sorted(expected - found)),
        *(f"{where} holds {path}, which does not belong there" for path in sorted(found - expected)),
    ]


def main(folder: Path) -> int:
    """Print the differences; 1 if there are any."""
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    package = {path for path in tracked() if path.startswith("medfuse/") and not path.endswith(_LINTER_ONLY)}
    lines = differences(tracked(), packed(sdist), sdist.name)
    lines += differences(package, installed(wheel), wheel.name)
    print("\n".join(lines) or f"{sdist.name} and {wheel.name} are complete")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
