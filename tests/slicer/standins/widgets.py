"""The ctk and qMRML widgets of the panel, with the properties, methods and signals that it uses."""

from __future__ import annotations

import types

from PySide6 import QtCore, QtGui, QtWidgets

from .pythonqt import WIDGETS, like_pythonqt

__all__ = ["make_ctk", "qmrml_widgets"]

_HEADER = 24  # pixels


class _CollapsibleMixin:
    def _set_collapsed(self, value):
        self._is_collapsed = value
        self.setMaximumHeight(_HEADER if value else 16777215)
        for child in self.findChildren(
            QtWidgets.QWidget, options=QtCore.Qt.FindChildOption.FindDirectChildrenOnly
        ):
            child.setVisible(not value)

    def childEvent(self, event):
        super().childEvent(event)
        if event.added() and self._is_collapsed and isinstance(event.child(), QtWidgets.QWidget):
            event.child().setVisible(False)


class _ctkCollapsibleButton(_CollapsibleMixin, QtWidgets.QWidget):
    def __init__(self, parent=None):
        self._is_collapsed, self._text = False, ""
        super().__init__(parent)
        self.setContentsMargins(0, _HEADER, 0, 0)
        self.setMinimumHeight(_HEADER)

    collapsed = QtCore.Property(bool, lambda self: self._is_collapsed, _CollapsibleMixin._set_collapsed)
    text = QtCore.Property(str, lambda self: self._text, lambda self, value: setattr(self, "_text", value))

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        bar = QtCore.QRect(0, 0, QtWidgets.QWidget.width(self), _HEADER - 2)
        painter.fillRect(bar, QtWidgets.QWidget.palette(self).button().color().darker(106))
        arrow = "\u25b8" if self._is_collapsed else "\u25be"
        painter.drawText(
            bar.adjusted(6, 0, 0, 0), QtCore.Qt.AlignmentFlag.AlignVCenter, f"{arrow} {self._text}"
        )
        painter.end()


class _ctkCollapsibleGroupBox(_CollapsibleMixin, QtWidgets.QGroupBox):
    def __init__(self, parent=None):
        self._is_collapsed = False
        super().__init__(parent)

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        arrow = "\u25b8" if self._is_collapsed else "\u25be"
        painter.drawText(4, 15, f"{arrow} {QtWidgets.QGroupBox.title(self)}")
        painter.end()

    collapsed = QtCore.Property(bool, lambda self: self._is_collapsed, _CollapsibleMixin._set_collapsed)


class _ctkSliderWidget(QtWidgets.QWidget):
    valueChanged = QtCore.Signal(float)
    SIGNALS = ("valueChanged(double)",)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._slider.setMaximum(1000)
        self._box = QtWidgets.QDoubleSpinBox()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._box)
        self._box.valueChanged.connect(self._changed)

    def _changed(self, value):
        span = self._box.maximum() - self._box.minimum()
        self._slider.setValue(round(1000 * (value - self._box.minimum()) / span) if span else 0)
        self.valueChanged.emit(value)

    value = QtCore.Property(float, lambda s: s._box.value(), lambda s, v: s._box.setValue(v))
    minimum = QtCore.Property(float, lambda s: s._box.minimum(), lambda s, v: s._box.setMinimum(v))
    maximum = QtCore.Property(float, lambda s: s._box.maximum(), lambda s, v: s._box.setMaximum(v))
    singleStep = QtCore.Property(float, lambda s: s._box.singleStep(), lambda s, v: s._box.setSingleStep(v))
    decimals = QtCore.Property(int, lambda s: s._box.decimals(), lambda s, v: s._box.setDecimals(v))


class _qMRMLWidget(QtWidgets.QWidget):
    mrmlSceneChanged = QtCore.Signal(object)
    SIGNALS = ("mrmlSceneChanged(vtkMRMLScene*)",)

    def setMRMLScene(self, scene):
        self.mrmlSceneChanged.emit(scene)


def _flag(default: bool) -> QtCore.Property:
    key = object()
    return QtCore.Property(
        bool, lambda self: self._flags.get(key, default), lambda self, v: self._flags.__setitem__(key, v)
    )


class _qMRMLNodeComboBox(QtWidgets.QWidget):
    """Lists the nodes of some classes of a scene; follows what is added and removed."""

    currentNodeChanged = QtCore.Signal(object)
    SIGNALS = ("currentNodeChanged(vtkMRMLNode*)", "currentNodeChanged(bool)")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._flags, self._types, self._scene, self._nodes, self._current = {}, [], None, [], None
        self._none = "None"
        self._box = QtWidgets.QComboBox()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self.destroyed.connect(lambda: None)

    nodeTypes = QtCore.Property("QStringList", lambda s: s._types, lambda s, v: s._set_types(v))
    noneDisplay = QtCore.Property(str, lambda self: self._none, lambda self, v: self._set_none(v))
    noneEnabled = _flag(False)
    addEnabled = _flag(True)
    removeEnabled = _flag(True)
    renameEnabled = _flag(False)

    def _set_types(self, names):
        self._types = list(names)
        self._refresh()

    def setMRMLScene(self, scene):
        self._scene = scene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent):
            scene.AddObserver(event, lambda *_: self._refresh())
        self._refresh()

    def _set_none(self, text):
        self._none = text
        self._draw()

    def _refresh(self):
        if self._scene is None:
            return
        collection = [self._scene.GetNthNode(i) for i in range(self._scene.GetNumberOfNodes())]
        self._nodes = [node for node in collection if any(node.IsA(name) for name in self._types)]
        if self._current not in self._nodes:
            self._select(None)
        self._draw()

    def _draw(self):
        self._box.clear()
        self._box.addItems([self._none, *(node.GetName() for node in self._nodes)])
        self._box.setCurrentIndex(self._nodes.index(self._current) + 1 if self._current else 0)

    def currentNode(self):
        return self._current

    def setCurrentNode(self, node):
        if node is not None and node not in self._nodes:
            node = None
        self._select(node)
        self._draw()

    def _select(self, node):
        if node is not self._current:
            self._current = node
            self.currentNodeChanged.emit(node)


_CTK = (_ctkCollapsibleButton, _ctkCollapsibleGroupBox, _ctkSliderWidget)
_QMRML = (_qMRMLWidget, _qMRMLNodeComboBox)
for _base in (*_CTK, *_QMRML):
    WIDGETS[_base.__name__[1:]] = like_pythonqt(_base)


def make_ctk() -> types.ModuleType:
    """The module ``ctk``."""
    module = types.ModuleType("ctk")
    for base in _CTK:
        setattr(module, base.__name__[1:], WIDGETS[base.__name__[1:]])
    return module


def qmrml_widgets() -> dict[str, type]:
    """The classes that Slicer adds to the ``slicer`` namespace."""
    return {base.__name__[1:]: WIDGETS[base.__name__[1:]] for base in _QMRML}
