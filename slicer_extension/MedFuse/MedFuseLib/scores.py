"""Scores as tables and plots.

One table holds the scores of the whole volume, with what tells a reader how to judge them; the other one
those of each slice.  Metrics share a chart if they share a unit, for lines of different units on one axis
compare nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer.util
import vtk

from .folders import MetricInfo, ResultFolder
from .nodes import RunNodes

__all__ = ["add_charts", "add_scores", "add_slices"]

_COLOURS = (
    (0.00, 0.45, 0.70), (0.90, 0.62, 0.00), (0.00, 0.62, 0.45), (0.80, 0.47, 0.65),
    (0.84, 0.37, 0.00), (0.34, 0.71, 0.91), (0.60, 0.60, 0.60), (0.94, 0.89, 0.26),
)  # fmt: skip
"""Okabe and Ito's colours, which colour-blind people tell apart."""

_CONSISTENCY = MetricInfo("Inter-slice consistency", "", "0 to 1", "higher")


def add_scores(nodes: RunNodes, found: ResultFolder, name: str) -> Any:
    """The table of the whole volume: a row for each metric, a column for each method."""
    known = {**found.metrics, "consistency": _CONSISTENCY}
    keys = [key for key in next(iter(found.whole.values())) if key in known]
    texts = {
        "metric": [known[key].name for key in keys],
        "key": keys,
        "range": [known[key].range for key in keys],
        "unit": [known[key].unit for key in keys],
        "better": [known[key].better for key in keys],
    }
    node = nodes.get("vtkMRMLTableNode", "scores", name)
    columns = [_text_column(title, words) for title, words in texts.items()]
    for method, scores in found.whole.items():
        columns.append(_number_column(method, np.array([scores[key] for key in keys])))
    _fill(node, columns)
    return node


def add_slices(nodes: RunNodes, found: ResultFolder, name: str) -> Any:
    """The table of slices: the chosen method's metrics first, then those of the baselines."""
    node = nodes.get("vtkMRMLTableNode", "slices", name)
    columns = [_number_column("slice", found.slices)]
    units = {}
    for method, title in _titles(found):
        for key in found.metrics:
            column = _number_column(title.format(key), found.per_slice[method][key])
            units[column.GetName()] = found.metrics[key]
            columns.append(column)
    _fill(node, columns)
    for title, metric in units.items():
        node.SetColumnUnitLabel(title, metric.unit)
        node.SetColumnDescription(title, f"{metric.name}, {metric.range}, {metric.better} is better")
    return node


def add_charts(nodes: RunNodes, found: ResultFolder, slices: Any, name: str) -> tuple[Any, ...]:
    """A chart for each unit, with a line for each metric of the chosen method."""
    units: dict[str, list[str]] = {}
    for key, metric in found.metrics.items():
        units.setdefault(metric.unit, []).append(key)
    return tuple(_chart(nodes, found, slices, unit, keys, name) for unit, keys in units.items())


def _titles(found: ResultFolder) -> list[tuple[str, str]]:
    """Each method with the pattern of its columns' titles; the chosen one needs no name."""
    chosen, *baselines = found.per_slice
    return [(chosen, "{}"), *((method, f"{{}} ({method})") for method in baselines)]


def _chart(
    nodes: RunNodes, found: ResultFolder, slices: Any, unit: str, keys: Sequence[str], name: str
) -> Any:
    what = f"{name} ({unit})" if unit else name
    chart = nodes.get("vtkMRMLPlotChartNode", f"chart {unit}".strip(), what)
    chart.RemoveAllPlotSeriesNodeIDs()
    chart.SetTitle(what)
    chart.SetXAxisTitle("slice")
    chart.SetYAxisTitle(unit or "score")
    for i, key in enumerate(keys):
        series = nodes.get("vtkMRMLPlotSeriesNode", f"series {key}", found.metrics[key].name)
        series.SetAndObserveTableNodeID(slices.GetID())
        series.SetXColumnName("slice")
        series.SetYColumnName(key)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
        series.SetLineStyle(
            slicer.vtkMRMLPlotSeriesNode.LineStyleSolid
            if i < len(_COLOURS)
            else slicer.vtkMRMLPlotSeriesNode.LineStyleDash
        )
        series.SetColor(*_COLOURS[i % len(_COLOURS)])
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return chart


def _text_column(title: str, words: Sequence[str]) -> Any:
    column = vtk.vtkStringArray()
    column.SetName(title)
    for word in words:
        column.InsertNextValue(word)
    return column


def _number_column(title: str, numbers: np.ndarray) -> Any:
    column = vtk.vtkIntArray() if numbers.dtype.kind == "i" else vtk.vtkDoubleArray()
    column.SetName(title)
    for number in numbers:
        column.InsertNextValue(number)
    return column


def _fill(node: Any, columns: Sequence[Any]) -> None:
    node.RemoveAllColumns()
    for column in columns:
        node.AddColumn(column)
    node.SetUseColumnTitleAsColumnHeader(True)
    node.SetLocked(True)
