"""Write the tables of README.md that come from the code: ``python scripts/readme_tables.py``.

A test checks that the README holds what this script would write.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from pathlib import Path

from medfuse import METHODS
from medfuse.intensity import CT_WINDOWS
from medfuse.metrics import metric_rows

README = Path(__file__).parents[1] / "README.md"


def methods() -> str:
    """Key and summary of every fusion method."""
    summaries = ((f"`{key}`", (inspect.getdoc(METHODS[key]) or "").partition("\n")[0]) for key in METHODS)
    return _table(("key", "method"), summaries)


def metrics() -> str:
    """Key, name, range, direction and source of every metric."""
    rows = (
        (f"`{row.key}`", row.name, f"{row.range} {row.unit}".strip(), row.direction, row.paper)
        for row in metric_rows()
    )
    return _table(("key", "metric", "range", "better", "source"), rows)


def windows() -> str:
    """Name, level and width of every CT window."""
    rows = ((f"`{name}`", f"{level:g}", f"{width:g}") for name, (level, width) in CT_WINDOWS.items())
    return _table(("window", "level (HU)", "width (HU)"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def filled(text: str) -> str:
    """``text`` with every table between its markers made anew."""
    for name, make in {"methods": methods, "metrics": metrics, "windows": windows}.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text, count = re.subn(
            pattern, lambda m, make=make: m[1] + make() + "\n" + m[2], text, flags=re.DOTALL
        )
        if count != 1:
            raise SystemExit(f"README.md has {count} places marked <!-- {name} -->, expected one")
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
