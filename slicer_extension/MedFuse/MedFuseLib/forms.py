"""Widgets that Slicer's own parameter connectors do not know, bound to the parameter node.

A connector of ``slicer.parameterNodeWrapper`` needs its choices when the module is read, and there is none
for a choice that stands for two parameters.  Here are the bindings that fill this gap; those of volumes are
in :mod:`MedFuseLib.frames`.  In the ``.ui`` file such a widget has the dynamic property
``MedFuseParameterName`` where others have ``SlicerParameterName``.  Each has ``write(value)``, most have
``read()``, and each tells when the user changed it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt

from .choices import Choice
from .methods import Method, Parameter

__all__ = ["ChoiceBox", "ChoiceButtons", "ParameterForm"]


class ChoiceBox:
    """A combo box with choices that are known only once medfuse has been asked."""

    def __init__(self, box: Any, on_change: Callable[[], None]):
        self._box = box
        box.connect("currentIndexChanged(int)", lambda _index: on_change())

    def offer(self, choices: Mapping[str, str]) -> None:
        """Offer other choices, each with its tooltip; :meth:`write` then shows which one is chosen."""
        was_blocked = self._box.blockSignals(True)
        self._box.clear()
        for name, tooltip in choices.items():
            self._box.addItem(name)
            self._box.setItemData(self._box.count - 1, tooltip, qt.Qt.ToolTipRole)
        self._box.blockSignals(was_blocked)

    def read(self) -> str:
        """The choice."""
        result: str = self._box.currentText
        return result

    def write(self, value: str) -> None:
        """Show ``value``; if it is not offered (a scene made elsewhere), add it: Apply will say so."""
        if value and self._box.findText(value) < 0:
            self._box.addItem(value)
        self._box.setCurrentIndex(self._box.findText(value))


class ChoiceButtons:
    """A radio button for each plain choice."""

    def __init__(self, parent: Any, choices: Sequence[Choice], on_change: Callable[[str], None]):
        self.buttons: dict[str, Any] = {}
        for choice in choices:
            button = qt.QRadioButton(f"{choice.label}: {choice.about}")
            button.name, button.toolTip = f"choice_{choice.key}", choice.hint
            button.connect("clicked(bool)", lambda _checked, key=choice.key: on_change(key))
            parent.layout().addWidget(button)
            self.buttons[choice.key] = button

    def write(self, key: str) -> None:
        """Show what is chosen."""
        self.buttons[key].checked = True


class ParameterForm:
    """The parameters of the chosen method: what is left empty is as the preset has it."""

    def __init__(self, parent: Any, on_change: Callable[[], None]):
        self._parent = parent
        self._on_change = on_change
        self._rows: Any = None
        self._editors: dict[str, Any] = {}

    def build(self, method: Method | None, preset: str) -> None:
        """Ask for the parameters of ``method``; for None, which is not known, there are none."""
        if self._rows is not None:
            self._rows.hide()
            self._rows.deleteLater()
        self._rows = qt.QWidget()
        self._parent.layout().addWidget(self._rows)
        layout = qt.QFormLayout(self._rows)
        layout.setContentsMargins(0, 0, 0, 0)
        self._editors = {}
        if method is None:
            return
        for parameter in method.parameters:
            editor = self._editor(parameter, method.value_in(preset, parameter))
            editor.name = f"parameter_{parameter.name}"
            editor.toolTip = parameter.hint
            layout.addRow(parameter.name.replace("_", " "), editor)
            self._editors[parameter.name] = editor

    def _editor(self, parameter: Parameter, value: str) -> Any:
        as_preset = f"as preset: {value}" if value else "as preset"
        if parameter.options:
            editor = qt.QComboBox()
            editor.addItem(as_preset, "")
            for option in parameter.options:
                editor.addItem(option, option)
            editor.connect("currentIndexChanged(int)", lambda _index: self._on_change())
        else:
            editor = qt.QLineEdit()
            editor.placeholderText = as_preset if value or parameter.kind != "str" else "none"
            editor.connect("textChanged(QString)", lambda _text: self._on_change())
        return editor

    def read(self) -> dict[str, str]:
        """The parameters that were given, by name."""
        texts = {name: _read(editor) for name, editor in self._editors.items()}
        return {name: text for name, text in texts.items() if text}

    def write(self, values: Mapping[str, str]) -> None:
        """Show ``values``, and empty editors for the rest."""
        for name, editor in self._editors.items():
            if _read(editor) != values.get(name, ""):
                _write(editor, values.get(name, ""))


def _read(editor: Any) -> str:
    result: str = (editor.currentData if hasattr(editor, "currentData") else editor.text).strip()
    return result


def _write(editor: Any, text: str) -> None:
    if not hasattr(editor, "currentData"):
        editor.text = text
        return
    if editor.findData(text) < 0:
        editor.addItem(text, text)
    editor.setCurrentIndex(editor.findData(text))
