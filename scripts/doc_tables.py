"""Write the tables of the documentation that come from the code: ``python scripts/doc_tables.py``.

A test checks that the pages hold what this script would write.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from pathlib import Path

from medfuse import METHODS
from medfuse.fusion import presets_of
from medfuse.intensity import CT_WINDOWS
from medfuse.metrics import METRICS, PROFILES, metric_rows
from medfuse.registration import KINDS, PRESETS
from medfuse.weights import WEIGHTS

DOCS = Path(__file__).parents[1] / "docs"


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


def profiles() -> str:
    """Name and metrics of every profile but the one of all."""
    rows = (
        (f"`{name}`", ", ".join(f"`{key}`" for key in keys))
        for name, keys in PROFILES.items()
        if name != "all"
    )
    return _table(("profile", "metrics"), rows)


def traps() -> str:
    """What to know before trusting a metric: the notes of those that have any."""
    rows = ((f"`{key}`", metric.notes) for key, metric in METRICS.items() if metric.notes)
    return _table(("metric", "what to know"), rows)


def presets() -> str:
    """The presets of every method, with what they set."""
    rows = (
        (
            f"`{key}`",
            f"`{name}`",
            ", ".join(f"{one}={_plain(value)}" for one, value in values.items()) or "the defaults",
        )
        for key in METHODS
        for name, values in presets_of(METHODS[key]).items()
    )
    return _table(("method", "preset", "sets"), rows)


def registration_presets() -> str:
    """What is compared, and which kinds are offered, for every pair of modalities."""
    rows = (
        (
            f"`{preset.name}`",
            {"values": "values (mutual information)", "edges": "edges"}[preset.compares],
            f"yes; ends at most {preset.travel_mm:g} mm and {preset.travel_deg:g}° from it"
            if preset.needs_start
            else "no",
            "all" if set(preset.kinds) == set(KINDS) else ", ".join(preset.kinds),
        )
        for preset in PRESETS.values()
    )
    return _table(("preset", "compares", "needs a starting pose", "kinds"), rows)


def weights() -> str:
    """Size, licence and source of every file of weights."""
    rows = ((f"`{one.name}`", f"{one.megabytes:g}", one.licence, one.citation) for one in WEIGHTS.values())
    return _table(("weights", "MB", "licence", "paper"), rows)


def _plain(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


PAGES = {
    "intensity.md": {"windows": windows},
    "methods.md": {"methods": methods, "presets": presets},
    "metrics.md": {"metrics": metrics, "profiles": profiles, "traps": traps},
    "registering.md": {"registration presets": registration_presets},
    "weights.md": {"weights": weights},
}


def filled(page: str, text: str) -> str:
    """``text`` of a page with every table between its markers made anew."""
    for name, make in PAGES[page].items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text, count = re.subn(
            pattern, lambda m, make=make: m[1] + make() + "\n" + m[2], text, flags=re.DOTALL
        )
        if count != 1:
            raise SystemExit(f"{page} has {count} places marked <!-- {name} -->, expected one")
    return text


if __name__ == "__main__":
    for page in PAGES:
        path = DOCS / page
        path.write_text(filled(page, path.read_text(encoding="utf-8")), encoding="utf-8")
