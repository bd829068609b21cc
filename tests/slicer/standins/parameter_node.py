"""``slicer.parameterNodeWrapper``: typed fields of a scripted module node, bound to widgets.

Values lie in the node as text and as node references, so that they survive in the scene; a widget that
Slicer has no connector for, a value out of range and an unknown field are errors, as in Slicer.
"""

from __future__ import annotations

import json
import types
import typing
from dataclasses import dataclass

import slicer
import vtk

from .pythonqt import WIDGETS, like_pythonqt

__all__ = ["make_parameter_node_wrapper"]


@dataclass
class Choice:
    choices: typing.Sequence

    def check(self, value):
        if value not in self.choices:
            raise ValueError(f"{value!r} is not one of {self.choices}")


@dataclass
class WithinRange:
    minimum: float
    maximum: float

    def check(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value!r} is not within {self.minimum} to {self.maximum}")


_EMPTY = {int: 0, float: 0.0, str: "", bool: False}


class Field:
    """One field: its kind, its checks, and how it lies in the node."""

    def __init__(self, name: str, annotation):
        is_annotated = typing.get_origin(annotation) is typing.Annotated
        self.name = name
        self.kind = typing.get_args(annotation)[0] if is_annotated else annotation
        self.checks = typing.get_args(annotation)[1:] if is_annotated else ()
        origin = typing.get_origin(self.kind)
        self.is_node = isinstance(self.kind, type) and issubclass(self.kind, slicer.vtkMRMLNode)
        is_list = origin is list
        self.is_node_list = is_list and issubclass(typing.get_args(self.kind)[0], slicer.vtkMRMLNode)
        known = self.is_node or is_list or origin is dict or self.kind in _EMPTY
        if not known:
            raise TypeError(f"{name}: {annotation} is no kind of parameter")
        self.default = [] if is_list else {} if origin is dict else _EMPTY.get(self.kind)

    def read(self, node):
        if self.is_node:
            return node.GetNodeReference(self.name)
        if self.is_node_list:
            return [
                node.GetNthNodeReference(self.name, i)
                for i in range(node.GetNumberOfNodeReferences(self.name))
            ]
        return json.loads(node.GetParameter(self.name))

    def write(self, node, value):
        for check in self.checks:
            check.check(value)
        if self.is_node:
            node.SetNodeReferenceID(self.name, value.GetID() if value else None)
        elif self.is_node_list:
            was_modified = node.StartModify()
            node.RemoveNodeReferenceIDs(self.name)
            for one in value:
                node.AddNodeReferenceID(self.name, one.GetID())
            node.EndModify(was_modified)
        else:
            self._check_kind(value)
            node.SetParameter(self.name, json.dumps(value))

    def _check_kind(self, value):
        if self.kind in _EMPTY and type(value) is not self.kind:
            raise TypeError(f"{self.name} = {value!r}: expected {self.kind.__name__}")
        if typing.get_origin(self.kind) is list:
            (kind,) = typing.get_args(self.kind)
            if not isinstance(value, list) or any(type(one) is not kind for one in value):
                raise TypeError(f"{self.name} = {value!r}: expected a list of {kind.__name__}")

    def is_in(self, node):
        return self.is_node or self.is_node_list or node.GetParameter(self.name) != ""


@dataclass(frozen=True)
class _Connector:
    """How one class of widgets shows a value; ``signal`` tells that the user changed it."""

    signal: str
    read: typing.Callable
    write: typing.Callable
    prepare: typing.Callable = lambda widget, field: None


def _fill(box, field):
    box.clear()
    (choice,) = (check for check in field.checks if isinstance(check, Choice))
    box.addItems([str(one) for one in choice.choices])


def _limit(widget, field):
    for check in field.checks:
        if isinstance(check, WithinRange):
            widget.minimum, widget.maximum = check.minimum, check.maximum


def _attribute(name):
    return lambda w: getattr(w, name), lambda w, v: setattr(w, name, v)


def _connectors():
    from PySide6 import QtWidgets as Q

    node_box = _Connector(
        "currentNodeChanged(vtkMRMLNode*)", lambda w: w.currentNode(), lambda w, v: w.setCurrentNode(v)
    )
    choice = _Connector(
        "currentIndexChanged(int)",
        lambda w: w.currentText,
        lambda w, v: w.setCurrentIndex(w.findText(str(v))),
        _fill,
    )
    return {
        (like_pythonqt(Q.QCheckBox), bool): _Connector("stateChanged(int)", *_attribute("checked")),
        (like_pythonqt(Q.QSpinBox), int): _Connector("valueChanged(int)", *_attribute("value"), _limit),
        (WIDGETS["ctkSliderWidget"], float): _Connector("valueChanged(double)", *_attribute("value"), _limit),
        (like_pythonqt(Q.QLineEdit), str): _Connector("textChanged(QString)", *_attribute("text")),
        (like_pythonqt(Q.QComboBox), str): choice,
        (WIDGETS["qMRMLNodeComboBox"], slicer.vtkMRMLNode): node_box,
    }


class _Wrapper:
    """Base of what the decorator makes."""

    FIELDS: typing.ClassVar[dict[str, Field]] = {}

    def __init__(self, node):
        object.__setattr__(self, "parameterNode", node)
        object.__setattr__(self, "_connections", {})
        object.__setattr__(self, "_is_showing", False)
        for field in self.FIELDS.values():
            if not field.is_in(node):
                field.write(node, field.default)

    def __getattr__(self, name):
        if name not in self.FIELDS:
            raise AttributeError(name)
        return self.FIELDS[name].read(self.parameterNode)

    def __setattr__(self, name, value):
        if name not in self.FIELDS:
            raise AttributeError(f"{name} is no parameter")
        self.FIELDS[name].write(self.parameterNode, value)

    def AddObserver(self, event, function, priority=0.0):
        return self.parameterNode.AddObserver(event, function, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, was_modified):
        return self.parameterNode.EndModify(was_modified)

    def connectGui(self, ui):
        """Bind every widget with the property SlicerParameterName; the tag undoes it."""
        tag = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._show())
        widgets = {w.property("SlicerParameterName"): w for w in vars(ui).values()}
        widgets.pop(None, None)
        self._connections[tag] = bound = {}
        for name, widget in widgets.items():
            field = self.FIELDS[name]
            connector = _find_connector(widget, field)
            connector.prepare(widget, field)
            connector.write(widget, field.read(self.parameterNode))
            bound[name] = (widget, connector)
            widget.connect(connector.signal, lambda *_, name=name, tag=tag: self._take(name, tag))
        return tag

    def disconnectGui(self, tag):
        self.parameterNode.RemoveObserver(tag)
        del self._connections[tag]

    def _take(self, name, tag):
        if tag in self._connections and not self._is_showing:
            widget, connector = self._connections[tag][name]
            setattr(self, name, connector.read(widget))

    def _show(self):
        if self._is_showing:
            return
        object.__setattr__(self, "_is_showing", True)
        try:
            for bound in self._connections.values():
                for name, (widget, connector) in bound.items():
                    connector.write(widget, getattr(self, name))
        finally:
            object.__setattr__(self, "_is_showing", False)


def _find_connector(widget, field):
    """By the exact class of the widget, as Slicer does; a subclass has none."""
    kind = slicer.vtkMRMLNode if field.is_node else field.kind
    connector = _connectors().get((type(widget), kind))
    if connector is None:
        raise RuntimeError(f"{field.name}: no connector from {field.kind} to {type(widget).__name__}")
    return connector


def parameterNodeWrapper(cls):
    fields = {
        name: Field(name, kind) for name, kind in typing.get_type_hints(cls, include_extras=True).items()
    }
    for name, field in fields.items():
        if hasattr(cls, name):
            field.default = getattr(cls, name)
    return type(
        cls.__name__, (_Wrapper,), {"FIELDS": fields, "__doc__": cls.__doc__, "__module__": cls.__module__}
    )


def make_parameter_node_wrapper() -> types.ModuleType:
    """The module ``slicer.parameterNodeWrapper``."""
    module = types.ModuleType("slicer.parameterNodeWrapper")
    for one in (Choice, WithinRange, parameterNodeWrapper):
        setattr(module, one.__name__, one)
    return module
