"""``qt`` as PythonQt has it: properties are attributes, ``connect`` takes a signature."""

from __future__ import annotations

import re
import types
import xml.etree.ElementTree as ET

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

__all__ = ["WIDGETS", "like_pythonqt", "make_qt"]

WIDGETS: dict[str, type] = {}
"""Class name -> stand-in, for the classes of a .ui file that are not Qt's own."""

_made: dict[type, type] = {}
_VIRTUAL = {"sizeHint", "minimumSizeHint"}  # methods that Qt calls: as attributes they would call themselves


def like_pythonqt(base: type) -> type:
    """A subclass of a QObject class with PythonQt's manners.

    They stand in the class itself: of a mixin, PySide6 would not see the methods that QObject has, too.
    """
    if base not in _made:
        meta = base.staticMetaObject
        names = [meta.property(i).name() for i in range(meta.propertyCount())]
        names = [name for name in names if name not in _VIRTUAL and not _is_own(base, name)]
        attributes = {name: _attribute(name) for name in names}
        attributes["name"] = _attribute("objectName")
        attributes["className"] = lambda self: type(self).__name__
        attributes["connect"] = _make_connect(base)
        name = base.__name__.lstrip("_")
        _made[base] = types.new_class(name, (base,), {}, lambda space: space.update(attributes))
    return _made[base]


def _make_connect(base: type):
    own_signals = getattr(base, "SIGNALS", ())

    def connect(self, signature, *others):
        if len(others) != 1 or signature.startswith("2"):
            return base.connect(self, signature, *others)  # PySide6 itself comes this way
        normal = bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()
        if signature not in own_signals and self.metaObject().indexOfSignal(normal) < 0:
            raise ValueError(f"{type(self).__name__} has no signal {signature}")
        return getattr(self, signature.partition("(")[0]).connect(*others)

    return connect


def _is_own(base: type, name: str) -> bool:
    """Whether a stand-in wrote the property itself, in Python."""
    return any(isinstance(vars(cls).get(name), QtCore.Property) for cls in base.__mro__)


def _attribute(name: str) -> property:
    def write(self, value):
        if not self.setProperty(name, value):
            raise TypeError(f"{type(self).__name__}.{name} = {value!r}")

    return property(lambda self: self.property(name), write)


class StrictLoader(QtUiTools.QUiLoader):
    """Loads a .ui file; a class, a property or a connection that nobody knows is an error."""

    def __init__(self):
        super().__init__()
        self._problems: list[str] = []
        self._widgets: list = []

    def load(self, file):
        tree = ET.fromstring(bytes(file.readAll()))
        connections = tree.find("connections")
        tree.remove(connections)  # Qt would only print what it cannot connect
        buffer = QtCore.QBuffer()
        buffer.setData(ET.tostring(tree))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        widget = super().load(buffer)
        _check_properties(tree, self._problems)
        if self._problems:
            raise LookupError("; ".join(self._problems))
        for connection in connections:
            _connect(widget, *(connection.findtext(tag) for tag in ("sender", "signal", "receiver", "slot")))
        widget._kept = self._widgets  # else only their C++ side would live on
        return widget

    def createWidget(self, class_name, parent=None, name=""):
        cls = _class(class_name)
        if cls is None:
            self._problems.append(f"no stand-in for {class_name}")
            return super().createWidget("QWidget", parent, name)
        widget = cls(parent)
        widget.name = name
        self._widgets.append(widget)
        return widget


def _class(name: str) -> type | None:
    if name in WIDGETS:
        return WIDGETS[name]
    base = getattr(QtWidgets, name, None)
    return like_pythonqt(base) if base else None


def _check_properties(tree: ET.Element, problems: list[str]) -> None:
    for widget in tree.iter("widget"):
        cls = _class(widget.get("class"))
        for one in widget.findall("property") if cls else ():
            dynamic = one.get("stdset") == "0"
            if not dynamic and cls.staticMetaObject.indexOfProperty(one.get("name")) < 0:
                problems.append(f"{widget.get('class')} has no property {one.get('name')}")


def _connect(root, sender, signal, receiver, slot):
    ends = [
        root if root.name == name else root.findChild(QtCore.QObject, name) for name in (sender, receiver)
    ]
    ends[0].connect(signal, getattr(ends[1], re.match(r"\w+", slot)[0]))


def make_qt() -> types.ModuleType:
    """The module ``qt``."""
    module = types.ModuleType("qt")
    module.QUiLoader = StrictLoader
    module.__getattr__ = _lookup
    return module


def _lookup(name: str):
    for source in (QtWidgets, QtCore, QtGui):
        found = getattr(source, name, None)
        if found is not None:
            is_widget = isinstance(found, type) and issubclass(found, (QtWidgets.QWidget, QtCore.QTimer))
            return like_pythonqt(found) if is_widget else found
    raise AttributeError(f"qt.{name}")
