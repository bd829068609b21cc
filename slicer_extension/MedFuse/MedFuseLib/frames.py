"""The rows of volumes in the panel: each a frame with role, node, modality, window and colour map.

What a row means, and how one becomes another, is in :mod:`MedFuseLib.rows`.  Frames are kept and shown again:
a widget must not go while it tells of a change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from . import rows
from .boxes import AUTOMATIC, choice_box, choose, node_box, offer, quietly
from .modalities import MODALITIES, known_modality
from .rows import Row
from .windows import COLOUR_MAPS, offered_windows

__all__ = ["VolumeRows"]

_ROLES = {
    "fixed": "The result lies where this volume lies. CT, if there is one.",
    "moving": "It is brought onto the fixed volume.",
}
_SHORT = {"PT": "PT (PET)", "NM": "NM (SPECT)", "OT": "OT (other)"}
_UNKNOWN = "not known"


class VolumeRows:
    """A frame for each volume, and below them a box that adds one.

    ``on_change`` is called when the user changed something; :meth:`read` then has it.
    """

    def __init__(self, parent: Any, on_change: Callable[[], None]):
        self._layout = parent.layout()
        self._on_change = on_change
        self._scene: Any = None
        self._rows: tuple[Row, ...] = ()
        self.frames: list[_Frame] = []
        self.adder = node_box("Add a volume…", "A volume that shall be fused, too.")
        self.adder.name = "addVolumeSelector"
        self.adder.connect("currentNodeChanged(vtkMRMLNode*)", self._add)
        self._layout.addWidget(self.adder)

    def set_scene(self, scene: Any) -> None:
        """Offer the volumes of a scene."""
        self._scene = scene
        for box in (self.adder, *(frame.node for frame in self.frames)):
            box.setMRMLScene(scene)

    def read(self) -> dict[str, Any]:
        """Field of the parameter node -> value."""
        return rows.stored(self._rows)

    def write(self, shown: Sequence[Row]) -> None:
        """Show these volumes."""
        self._rows = tuple(shown)
        while len(self.frames) < len(shown):
            self.frames.append(self._new_frame(len(self.frames)))
        for frame in self.frames[len(shown) :]:
            frame.clear()
        for frame, row in zip(self.frames, shown, strict=False):
            frame.show(row)

    def _new_frame(self, index: int) -> _Frame:
        frame = _Frame(index, self._edit)
        frame.node.setMRMLScene(self._scene)
        self._layout.insertWidget(index, frame.widget)
        return frame

    def _add(self, node: Any) -> None:
        if node is None:
            return
        quietly(self.adder, lambda: self.adder.setCurrentNode(None))
        self._rows = rows.added(self._rows, node)
        self._on_change()

    def _edit(self, change: Callable[[Sequence[Row]], tuple[Row, ...]]) -> None:
        self._rows = change(self._rows)
        self._on_change()


class _Frame:
    """The widgets of one row."""

    def __init__(self, index: int, edit: Callable[[Callable[[Sequence[Row]], tuple[Row, ...]]], None]):
        self._index, self._edit = index, edit
        self._windows_of: str | None = None
        self.widget = qt.QFrame()
        self.widget.setFrameShape(qt.QFrame.StyledPanel)
        self.node = node_box("None", "The volume; None takes it out of the list.")
        self.role = choice_box("Fixed or moving.", _ROLES)
        self.remove = qt.QToolButton()
        self.modality = choice_box("What made the volume. Windows, registration and colour depend on it.", {})
        self.window = choice_box(
            "The values shown from black to white: one of the list, LEVEL/WIDTH, or LOW%-HIGH%.", {}
        )
        self.colour_map = choice_box("Colour of the uptake; none for grey.", _colour_maps())
        self._arrange()
        self._connect()

    def _arrange(self) -> None:
        self.remove.text, self.remove.toolTip = "✕", "Take the volume out of the list."
        self.window.editable = True
        layout = qt.QGridLayout(self.widget)
        layout.setContentsMargins(6, 6, 6, 6)
        for column, widget in enumerate((self.role, self.node, self.remove)):
            layout.addWidget(widget, 0, column)
        layout.addWidget(self._said(), 1, 0, 1, 3)
        layout.setColumnStretch(1, 1)
        for name in ("role", "node", "remove", "modality", "window", "colour_map"):
            getattr(self, name).name = f"{name}_{self._index}"

    def _said(self) -> Any:
        """The second line: modality and window side by side, and below them the colour map."""
        said = qt.QWidget()
        layout = qt.QGridLayout(said)
        layout.setContentsMargins(0, 0, 0, 0)
        pairs = (("Modality:", self.modality), ("Window:", self.window), ("Colours:", self.colour_map))
        for i, (text, box) in enumerate(pairs):
            self._colour_label = qt.QLabel(text)
            layout.addWidget(self._colour_label, i // 2, 2 * (i % 2))
            layout.addWidget(box, i // 2, 2 * (i % 2) + 1)
        for column in (1, 3):
            layout.setColumnStretch(column, 1)
        return said

    def _connect(self) -> None:
        i = self._index
        self.node.connect("currentNodeChanged(vtkMRMLNode*)", self._choose_node)
        self.role.connect("currentIndexChanged(int)", self._choose_role)
        self.remove.connect("clicked(bool)", lambda _checked: self._edit(lambda them: rows.removed(them, i)))
        self.modality.connect(
            "currentIndexChanged(int)", lambda _at: self._say("modality", self.modality.currentData)
        )
        self.window.connect("currentTextChanged(QString)", lambda text: self._say("window", _window(text)))
        self.colour_map.connect(
            "currentIndexChanged(int)", lambda _at: self._say("colour_map", self.colour_map.currentData)
        )

    def _choose_node(self, node: Any) -> None:
        i = self._index
        self._edit(lambda them: rows.removed(them, i) if node is None else rows.with_node(them, i, node))

    def _choose_role(self, _index: int) -> None:
        is_fixed = self.role.currentData == "fixed"
        self._edit(lambda them: rows.fixed_at(them, self._index, is_fixed))

    def _say(self, field: str, value: str) -> None:
        self._edit(lambda them: rows.changed(them, self._index, **{field: value}))

    def show(self, row: Row) -> None:
        """Show a row, without telling of it."""
        quietly(self.node, lambda: self.node.setCurrentNode(row.node))
        choose(self.role, "fixed" if row.is_fixed else "moving")
        offer(self.modality, _modalities(row))
        choose(self.modality, row.modality)
        is_new = self._windows_of != row.modality
        if is_new:
            self._windows_of = row.modality
            offer(self.window, {name: (name, tip) for name, tip in offered_windows(row.modality).items()})
        if is_new or _window(self.window.currentText) != row.window:  # else the user may be typing
            quietly(self.window, lambda: self.window.setEditText(row.window or AUTOMATIC))
        choose(self.colour_map, row.colour_map)
        for widget in (self._colour_label, self.colour_map):
            widget.setVisible(row.has_colour_map)
        self.widget.show()

    def clear(self) -> None:
        """Show nothing, and hold no node."""
        self.widget.hide()
        quietly(self.node, lambda: self.node.setCurrentNode(None))


def _modalities(row: Row) -> dict[str, tuple[str, str]]:
    known, source = known_modality(row.node)
    said = {
        code: (_SHORT.get(code, code), f"{about} (by its {source})" if code == known else about)
        for code, about in MODALITIES.items()
    }
    other = (
        {}
        if row.modality in said
        else {row.modality: (row.modality or _UNKNOWN, "Nothing in the scene tells it.")}
    )
    return {**other, **said}


def _colour_maps() -> dict[str, str]:
    return {"": f"{COLOUR_MAPS[0]} for PET and SPECT", **dict.fromkeys(COLOUR_MAPS, "A colour map by name.")}


def _window(text: str) -> str:
    """What is stored for what stands in the box."""
    text = text.strip()
    return "" if text == AUTOMATIC else text
