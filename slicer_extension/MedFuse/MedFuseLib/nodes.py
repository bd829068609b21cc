"""The nodes of one run: made, or taken over from the last run with the same volumes.

Taking a node over keeps what refers to it: slice views, volume rendering, the user's own windows and colours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import slicer

from .exports import ROLE

__all__ = ["RunNodes", "in_one_step"]

_RUN = "MedFuse.Run"
_SOURCE = "MedFuse.Source"


@contextmanager
def in_one_step(scene: Any) -> Iterator[None]:
    """Hold back what widgets and views would do at each single change of the scene."""
    scene.StartState(scene.BatchProcessState)
    try:
        yield
    finally:
        scene.EndState(scene.BatchProcessState)


class RunNodes:
    """Finds or makes the nodes of a run by their roles, and keeps them together.

    Parameters
    ----------
    scene:
        The ``vtkMRMLScene``.
    sources:
        The volume nodes that were fused, the fixed one first.
    replace:
        Take over the nodes of earlier runs with the same sources.
    """

    def __init__(self, scene: Any, sources: Sequence[Any], replace: bool):
        self._scene = scene
        self._sources = list(sources)
        self._hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        self._earlier = self._of_earlier_runs() if replace else {}
        self._run = str(1 + max((int(node.GetAttribute(_RUN)) for node in self._made()), default=0))
        self.made: list[Any] = []
        self.folder = 0

    def get(self, class_name: str, role: str, name: str) -> Any:
        """The node of this role, from an earlier run or new."""
        node = self._earlier.get(role)
        if node is not None and node.GetClassName() == class_name:
            del self._earlier[role]
            node.SetName(name)
        else:
            node = self._scene.AddNewNodeByClass(class_name, self._unused(name))
        node.SetAttribute(ROLE, role)
        node.SetAttribute(_RUN, self._run)
        node.RemoveNodeReferenceIDs(_SOURCE)
        for source in self._sources:
            node.AddNodeReferenceID(_SOURCE, source.GetID())
        self.made.append(node)
        return node

    def gather(self, name: str) -> int:
        """Remove what earlier runs left over, put all nodes into one folder, and return its item."""
        self.folder = self._earlier_folder()
        tree = self._hierarchy
        for node in self._earlier.values():
            item = tree.GetItemByDataNode(node)
            if item:
                tree.RemoveItem(item, False, False)  # the item alone: the node goes as every other one does
            self._scene.RemoveNode(node)
        if self.folder:
            tree.SetItemName(self.folder, name)
        else:
            self.folder = tree.CreateFolderItem(self._parent(), tree.GenerateUniqueItemName(name))
        plots = self._plots_folder()
        for node in self.made:
            folder = (
                plots
                if node.IsA("vtkMRMLPlotSeriesNode") or node.IsA("vtkMRMLPlotChartNode")
                else self.folder
            )
            item = tree.GetItemByDataNode(node) or tree.CreateItem(folder, node)
            tree.SetItemParent(item, folder)
        return int(self.folder)

    def _unused(self, name: str) -> str:
        taken = self._scene.GetFirstNodeByName(name) is not None
        return self._scene.GenerateUniqueName(name) if taken else name

    def _made(self) -> list[Any]:
        nodes = self._scene.GetNodes()
        all_nodes = (nodes.GetItemAsObject(i) for i in range(nodes.GetNumberOfItems()))
        return [node for node in all_nodes if node.GetAttribute(ROLE) and node.GetAttribute(_RUN)]

    def _of_earlier_runs(self) -> dict[str, Any]:
        """Role -> node of the latest run with these sources.  Runs that were to be kept stay."""
        wanted = [source.GetID() for source in self._sources]
        same = [node for node in self._made() if _source_ids(node) == wanted]
        last = max((int(node.GetAttribute(_RUN)) for node in same), default=0)
        return {node.GetAttribute(ROLE): node for node in same if int(node.GetAttribute(_RUN)) == last}

    def _earlier_folder(self) -> int:
        """The folder of the run that is replaced, if its nodes are still in one."""
        tree = self._hierarchy
        for node in (*self.made, *self._earlier.values()):
            item = tree.GetItemByDataNode(node)
            parent = tree.GetItemParent(item) if item else 0
            if parent and node.GetAttribute(ROLE) == "fused" and _is_folder(tree, parent):
                return int(parent)
        return 0

    def _parent(self) -> int:
        """Where the fixed volume stands: in the same patient and study."""
        tree = self._hierarchy
        item = tree.GetItemByDataNode(self._sources[0])
        return int(tree.GetItemParent(item) if item else tree.GetSceneItemID())

    def _plots_folder(self) -> int:
        tree = self._hierarchy
        return int(
            tree.GetItemChildWithName(self.folder, "Plots") or tree.CreateFolderItem(self.folder, "Plots")
        )


def _source_ids(node: Any) -> list[str]:
    return [node.GetNthNodeReferenceID(_SOURCE, i) for i in range(node.GetNumberOfNodeReferences(_SOURCE))]


def _is_folder(tree: Any, item: int) -> bool:
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetSubjectHierarchyLevelFolder()
    result: bool = tree.GetItemLevel(item) == level
    return result
