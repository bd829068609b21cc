"""What the application shows of a result: slice views, and the layout with table and chart."""

from __future__ import annotations

from typing import Any

import slicer
import slicer.util

from .results import Results

__all__ = ["blend", "show", "show_scores"]


def show(results: Results, fixed: Any) -> None:
    """The fused volume alone, in colour if it has any; :func:`blend` brings the fixed one over it."""
    slicer.util.setSliceViewerLayers(
        background=results.colour or results.fused, foreground=fixed, foregroundOpacity=0.0, fit=True
    )
    application = slicer.app.applicationLogic()
    application.GetSelectionNode().SetActiveTableID(results.scores.GetID())
    application.PropagateTableSelection()
    if results.charts:
        application.GetSelectionNode().SetActivePlotChartID(results.charts[0].GetID())
        application.PropagatePlotChartSelection()


def blend(share: float) -> None:
    """Let the fixed volume cover the fused one: from not at all (0) to wholly (1)."""
    slicer.util.setSliceViewerLayers(foregroundOpacity=share)


def show_scores() -> None:
    """Slices, table and chart side by side."""
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView)
