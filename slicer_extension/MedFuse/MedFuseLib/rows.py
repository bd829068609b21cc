"""The volumes of a run as the panel shows them: a row for each, the fixed volume first.

The parameter node holds references to the nodes, and lists of what is said of them in the same order; a row
is what it says of one.  Rows are values: each change makes new ones, which are stored as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .modalities import FUNCTIONAL, known_modality
from .windows import window_problem

__all__ = [
    "FIELDS",
    "Row",
    "added",
    "changed",
    "fixed_at",
    "hint",
    "problem",
    "removed",
    "rows_of",
    "stored",
    "with_node",
]

FIELDS = ("fixedVolume", "movingVolumes", "modalities", "windows", "colourMaps")
"""Fields of the parameter node that the rows are made of."""

_SAID = ("modalities", "windows", "colourMaps")


@dataclass(frozen=True, eq=False)
class Row:
    """One volume.

    Parameters
    ----------
    node:
        The volume node.
    is_fixed:
        Whether the others are brought onto it.
    chosen_modality:
        DICOM's code; "" for what the scene knows.
    window:
        As for ``medfuse fuse --window``; "" for automatic.
    colour_map:
        As for ``medfuse fuse --colour-map``; "" for medfuse's own choice.
    """

    node: Any
    is_fixed: bool
    chosen_modality: str = ""
    window: str = ""
    colour_map: str = ""

    @property
    def modality(self) -> str:
        """The one chosen, or the one that the scene knows; else ""."""
        return self.chosen_modality or known_modality(self.node).modality

    @property
    def has_colour_map(self) -> bool:
        """Whether a colour map can be chosen, or was."""
        return self.modality in FUNCTIONAL or bool(self.colour_map)


def rows_of(parameters: Any) -> tuple[Row, ...]:
    """The rows that a parameter node holds; volumes that are gone have none.

    Lists that are shorter than the volumes leave the rest as if nothing was said.
    """
    nodes = (parameters.fixedVolume, *(parameters.movingVolumes or ()))
    said = [_padded(getattr(parameters, name), len(nodes)) for name in _SAID]
    return tuple(
        Row(node, i == 0, modality.upper(), window, colour_map)
        for i, (node, modality, window, colour_map) in enumerate(zip(nodes, *said, strict=False))
        if node is not None
    )


def _padded(words: Sequence[str] | None, length: int) -> list[str]:
    given = [word.strip() for word in words or ()]
    return given + [""] * (length - len(given))


def stored(rows: Sequence[Row]) -> dict[str, Any]:
    """Field of the parameter node -> value that holds ``rows``."""
    fixed = next((row for row in rows if row.is_fixed), None)
    ordered = [fixed, *(row for row in rows if not row.is_fixed)]
    said = {
        "modalities": ["" if row is None else row.chosen_modality for row in ordered],
        "windows": ["" if row is None else row.window for row in ordered],
        "colourMaps": ["" if row is None else row.colour_map for row in ordered],
    }
    return {
        "fixedVolume": None if fixed is None else fixed.node,
        "movingVolumes": [row.node for row in ordered[1:] if row is not None],
        **said,
    }


def added(rows: Sequence[Row], node: Any) -> tuple[Row, ...]:
    """With a volume more; it is the fixed one if there is none."""
    return (*rows, Row(node, not any(row.is_fixed for row in rows)))


def with_node(rows: Sequence[Row], index: int, node: Any) -> tuple[Row, ...]:
    """With another volume at ``index``, in the same role; what was said of the last one is forgotten."""
    return _with(rows, index, Row(node, rows[index].is_fixed))


def removed(rows: Sequence[Row], index: int) -> tuple[Row, ...]:
    """Without the row at ``index``; if it was the fixed one there is none until one is chosen."""
    return (*rows[:index], *rows[index + 1 :])


def fixed_at(rows: Sequence[Row], index: int, is_fixed: bool = True) -> tuple[Row, ...]:
    """With the row at ``index`` fixed and all others moving, or just this one moving."""
    if not is_fixed:
        return _with(rows, index, replace(rows[index], is_fixed=False))
    return tuple(replace(row, is_fixed=i == index) for i, row in enumerate(rows))


def changed(
    rows: Sequence[Row],
    index: int,
    *,
    modality: str | None = None,
    window: str | None = None,
    colour_map: str | None = None,
) -> tuple[Row, ...]:
    """With something else said of the volume at ``index``; None leaves it.

    Another modality forgets a window that does not suit it, and a colour map if it has none.
    """
    row = rows[index]
    if modality is not None:
        row = _of_modality(row, modality)
    if window is not None:
        row = replace(row, window=window)
    if colour_map is not None:
        row = replace(row, colour_map=colour_map)
    return _with(rows, index, row)


def _of_modality(row: Row, modality: str) -> Row:
    known = known_modality(row.node).modality
    row = replace(row, chosen_modality="" if modality == known else modality)
    if window_problem(row.window, row.modality):
        row = replace(row, window="")
    return row if row.modality in FUNCTIONAL else replace(row, colour_map="")


def _with(rows: Sequence[Row], index: int, row: Row) -> tuple[Row, ...]:
    return (*rows[:index], row, *rows[index + 1 :])


def hint(rows: Sequence[Row]) -> str:
    """What should be said of these volumes and is not, in one sentence; "" if nothing is missing."""
    unknown = [f'"{row.node.GetName()}"' for row in rows if not row.modality]
    if not unknown:
        return ""
    return f"Choose the modality of {' and '.join(unknown)}: window, registration and colour depend on it."


def problem(parameters: Any) -> str:
    """Why these volumes cannot be fused, in one sentence; "" if nothing speaks against it."""
    rows = rows_of(parameters)
    if not any(row.is_fixed for row in rows):
        return "Choose the fixed volume: the result lies on its grid."
    if len(rows) < 2:
        return "Choose a moving volume: it is brought onto the fixed one."
    if len({row.node.GetID() for row in rows}) < len(rows):
        return "The same volume is chosen twice: fixed and moving volumes must differ."
    volumes = 1 + len(parameters.movingVolumes)
    for name in _SAID:
        given = len(getattr(parameters, name) or ())
        if given > volumes:
            return f"{given} {name} for {volumes} volumes: give one for each, or none."
    for row in rows:
        reason = window_problem(row.window, row.modality)
        if reason:
            return f'The window "{row.window}" of "{row.node.GetName()}" {reason}.'
    return ""
