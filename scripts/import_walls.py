"""Who may import whom inside medfuse, and the rules of ruff that hold it: ``python scripts/import_walls.py``.

Ruff takes its bans from the ``ruff.toml`` nearest to a file, whole, so that each room has one of its own.
They are written by this script; a test checks that they say what it would write, and holds the same
order by itself, with what a linter cannot see: the order inside a room, and circles.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]

LEVELS = (
    {
        *("errors", "volume", "transforms", "padding", "progress", "registry", "colour", "sources"),
        *("version", "memory", "processes"),
    },
    {"io", "intensity", "landmarks", "models", "noise", "registration", "resampling", "weights", "phantom"},
    {"fusion", "metrics", "training"},
    {"recipe", "study", "pipeline"},
    {"report", "pacs"},
    {"batch"},
    {"cli", "__main__"},
)
"""What may be imported by what stands beside it or after it."""

ARRAYS_ONLY = {"fusion", "metrics", "noise"}
"""Rooms that see arrays: never volumes, files or SimpleITK."""

NOT_ARRAYS = {"medfuse.volume", "medfuse.io", "medfuse.intensity", "SimpleITK"}

FILES_OF_LATER_LEVELS = ("__init__.py", "__main__.py", "landmarks.py", "recipe.py", "study.py")
"""Files beside the rooms that stand later than the first level: one ``ruff.toml`` cannot tell them
apart, so that the test alone holds them."""

LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}


def banned(room: str) -> dict[str, str]:
    """What a room must not import, and why, as the linter's message."""
    later = {f"medfuse.{name}": level for name, level in LEVEL.items() if level > LEVEL[room]}
    reasons = dict.fromkeys(later, f"stands later in the chain than {room}")
    if room in ARRAYS_ONLY:
        reasons |= dict.fromkeys(NOT_ARRAYS, f"{room} sees arrays only")
    return dict(sorted(reasons.items()))


def rules(folder: Path) -> str:
    """The ``ruff.toml`` of a room, or of the files beside the rooms."""
    room = folder.name if folder.name in LEVEL else "errors"
    up = Path(os.path.relpath(ROOT, folder)).as_posix()
    lines = [
        "# Written by scripts/import_walls.py.",
        f'extend = "{up}/pyproject.toml"',
        f'cache-dir = "{up}/.ruff_cache"',
        f'src = ["{up}"]',
        "",
        "[lint.flake8-tidy-imports.banned-api]",
        *(f'"{name}".msg = "{reason}"' for name, reason in banned(room).items()),
    ]
    if room == "errors":
        lines += ["", "[lint.extend-per-file-ignores]"]
        lines += [f'"{name}" = ["TID251"]' for name in FILES_OF_LATER_LEVELS]
    return "\n".join(lines) + "\n"


def rooms() -> list[Path]:
    """Every folder that has rules of its own."""
    package = ROOT / "medfuse"
    return [package, *sorted(path for path in package.iterdir() if path.name in LEVEL and path.is_dir())]


if __name__ == "__main__":
    for folder in rooms():
        (folder / "ruff.toml").write_text(rules(folder), encoding="utf-8")
