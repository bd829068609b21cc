"""Combo boxes that are filled and changed without telling of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt
import slicer

__all__ = ["AUTOMATIC", "choice_box", "choose", "node_box", "offer", "quietly"]

AUTOMATIC = "auto"
"""How a value that is left to medfuse is shown."""


def node_box(none: str, tooltip: str) -> Any:
    """A box of the scene's volumes, in which ``none`` stands for no volume."""
    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    box.noneEnabled, box.addEnabled, box.removeEnabled, box.renameEnabled = True, False, False, True
    box.noneDisplay, box.toolTip = none, tooltip
    return box


def choice_box(tooltip: str, choices: Mapping[str, str]) -> Any:
    """A box of values, each with its tooltip; "" is shown as automatic."""
    made = qt.QComboBox()
    made.toolTip = tooltip
    made.setMinimumContentsLength(5)
    offer(made, {value: (value or AUTOMATIC, tip) for value, tip in choices.items()})
    return made


def offer(box: Any, choices: Mapping[str, tuple[str, str]]) -> None:
    """Fill a box with values, each with its text and its tooltip."""
    if [box.itemData(i) for i in range(box.count)] == list(choices):
        return

    def fill() -> None:
        box.clear()
        for value, (shown, tooltip) in choices.items():
            box.addItem(shown, value)
            box.setItemData(box.count - 1, tooltip, qt.Qt.ToolTipRole)

    quietly(box, fill)


def choose(box: Any, value: str) -> None:
    """Show a value, which is added if it is not offered, without telling of it."""
    if box.findData(value) < 0:
        quietly(box, lambda: box.addItem(value, value))
    quietly(box, lambda: box.setCurrentIndex(box.findData(value)))


def quietly(widget: Any, do: Callable[[], Any]) -> None:
    """Change a widget as the user would not: no signal tells of it."""
    was_blocked = widget.blockSignals(True)
    do()
    widget.blockSignals(was_blocked)
