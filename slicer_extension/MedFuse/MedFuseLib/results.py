"""From the folder that ``medfuse fuse`` wrote to nodes of the scene, in one step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .exports import HARDENED, Placement
from .folders import Image, ResultFolder, read_folder
from .logic import Prepared
from .nodes import RunNodes, in_one_step
from .scores import add_charts, add_scores, add_slices
from .transforms import matrix_to_text, matrix_to_world, set_transform
from .verdicts import Finding
from .volumes import matrix_of, set_volume

__all__ = ["Results", "ResultsError", "import_results"]

_SAME_GRID_MM = 1e-3
_SCALAR, _COLOUR = "vtkMRMLScalarVolumeNode", "vtkMRMLVectorVolumeNode"


class ResultsError(RuntimeError):
    """Results that cannot be imported; the message is one sentence for the panel."""


@dataclass(frozen=True, eq=False)
class Results:
    """The nodes of one run.

    Parameters
    ----------
    fused, colour:
        The fused volume in [0, 1]; the same with the colour of its sources, or None without any.
    registered:
        The moving volumes on the grid of the result, in their own units; the fixed volume comes first if
        the result lies on another grid than its own.
    transforms:
        One for each moving volume, from it to the fixed one; None where the volume is as it was.
    maps:
        Name -> volume: shares of the sources, uncertainty.
    scores, slices:
        Tables of the whole volume and of each slice.
    charts:
        One for each unit of the scores.
    provenance:
        Text node: recipe, versions, seeds, timings, warnings.
    folder_item:
        The folder of the run in the subject hierarchy.
    summary:
        One sentence for the panel.
    findings:
        The verdict on the registration of each moving volume, then what had to be assumed.
    """

    fused: Any
    colour: Any
    registered: tuple[Any, ...]
    transforms: tuple[Any, ...]
    maps: Mapping[str, Any]
    scores: Any
    slices: Any
    charts: tuple[Any, ...]
    provenance: Any
    folder_item: int
    summary: str
    findings: tuple[Finding, ...]


def import_results(prepared: Prepared, scene: Any) -> Results:
    """Add what a run left behind to the scene, and put the moving volumes where they belong.

    The results of an earlier run with the same volumes are replaced, if ``prepared`` says so.  Voxels of the
    moving volumes are not altered: they observe the resulting transform.  Layout and views stay as they are.

    Raises
    ------
    ResultsError
        If the volumes are no longer in the scene: it was closed, or they were deleted.
    OSError
        If a file of the result is missing or damaged.  The scene is untouched in both cases.
    """
    sources = [placement.node for placement in (prepared.fixed, *prepared.moving)]
    if not all(_is_in(scene, node) for node in sources):
        raise ResultsError(
            "The volumes are no longer in the scene (closed, or deleted while medfuse ran): "
            "nothing was imported."
        )
    found = read_folder(prepared.output, len(prepared.moving))
    with in_one_step(scene):
        return _import(prepared, found, RunNodes(scene, sources, prepared.replace))


def _is_in(scene: Any, node: Any) -> bool:
    """By identity: another scene may have another node of the same ID."""
    return node.GetScene() is scene and scene.GetNodeByID(node.GetID()) is node


def _import(prepared: Prepared, found: ResultFolder, nodes: RunNodes) -> Results:
    name = prepared.name or f"Fused ({found.method})"
    fused = _volume(nodes, found.fused, "fused", name, (1.0, 0.5))
    colour = found.colour and _volume(nodes, found.colour, "colour", f"{name}, colour", (255.0, 127.5))
    registered = _registered(nodes, prepared, found)
    transforms = tuple(
        _transform(nodes, *pair, number)
        for number, pair in enumerate(zip(prepared.moving, found.transforms, strict=True), start=1)
    )
    maps = {key: _map(nodes, image, key, name) for key, image in found.maps.items()}
    scores = add_scores(nodes, found, f"{name}: scores")
    slices = add_slices(nodes, found, f"{name}: scores of slices")
    charts = add_charts(nodes, found, slices, f"{name}: scores along slices")
    provenance = nodes.get("vtkMRMLTextNode", "provenance", f"{name}: provenance")
    provenance.SetText(_as_text(found))
    return Results(
        fused, colour, registered, transforms, maps, scores, slices, charts, provenance,
        folder_item=nodes.gather(f"MedFuse: {name}"),
        summary=_summary(prepared, found),
        findings=_findings(prepared, found),
    )  # fmt: skip


def _volume(nodes: RunNodes, image: Image, role: str, name: str, window: tuple[float, float] | None) -> Any:
    """A volume node with its window (width, level); None leaves it to Slicer."""
    node = nodes.get(_COLOUR if image[0].ndim == 4 else _SCALAR, role, name)
    is_new = node.GetImageData() is None
    set_volume(node, *image)
    if is_new:
        node.CreateDefaultDisplayNodes()
        _show(node.GetDisplayNode(), window)
    return node


def _show(display: Any, window: tuple[float, float] | None) -> None:
    if display is not None and window is not None and window[0] > 0:
        display.SetAutoWindowLevel(False)
        display.SetWindowLevel(*window)


def _registered(nodes: RunNodes, prepared: Prepared, found: ResultFolder) -> tuple[Any, ...]:
    everything = list(zip((prepared.fixed, *prepared.moving), found.registered, strict=True))
    if _is_on_grid(prepared.fixed, found.registered[0]):
        everything = everything[1:]  # the fixed volume is in the scene already, voxel by voxel
    made: list[Any] = []
    for placement, image in everything:
        role = "registered fixed" if placement is prepared.fixed else f"registered {len(made) + 1}"
        display = placement.node.GetDisplayNode()
        window = (display.GetWindow(), display.GetLevel()) if display else None
        made.append(_volume(nodes, image, role, f"{placement.node.GetName()}, registered", window))
    return tuple(made)


def _is_on_grid(placement: Placement, image: Image) -> bool:
    array, matrix = image
    size = np.array(array.shape[2::-1])
    own = placement.hardened @ matrix_of(placement.node)
    if tuple(size) != placement.node.GetImageData().GetDimensions():
        return False
    corners = np.array([[i, j, k, 1] for i in (0, size[0]) for j in (0, size[1]) for k in (0, size[2])])
    return bool(np.abs(corners @ (own - matrix).T).max() <= _SAME_GRID_MM)


def _transform(nodes: RunNodes, placement: Placement, found: Any, number: int) -> Any:
    """The transform that the moving volume observes from now on; None if it lies right as it is."""
    moving = placement.node
    if _does_nothing(found) and np.array_equal(placement.hardened, np.eye(4)):
        moving.SetAndObserveTransformNodeID(None)
        return None
    node = nodes.get("vtkMRMLTransformNode", f"transform {number}", f"{moving.GetName()} to fixed")
    set_transform(node, found, placement.hardened)
    node.SetAttribute(HARDENED, matrix_to_text(placement.hardened))
    moving.SetAndObserveTransformNodeID(node.GetID())
    return node


def _does_nothing(transform: Any) -> bool:
    return bool(transform.IsLinear()) and np.array_equal(matrix_to_world(transform), np.eye(4))


def _map(nodes: RunNodes, image: Image, key: str, name: str) -> Any:
    lowest, highest = float(np.nanmin(image[0])), float(np.nanmax(image[0]))
    window = (highest - lowest, (highest + lowest) / 2)
    return _volume(nodes, image, f"map {key}", f"{name}: {key.replace('_', ' ')}", window)


def _as_text(found: ResultFolder) -> str:
    return json.dumps(found.provenance, indent=2, ensure_ascii=False)


def _findings(prepared: Prepared, found: ResultFolder) -> tuple[Finding, ...]:
    verdicts = (
        Finding(verdict, f"Registration of {placement.node.GetName()}", reasons)
        for placement, (verdict, reasons) in zip(prepared.moving, found.verdicts, strict=True)
    )
    return (*verdicts, *(Finding("warning", "", (words,)) for words in found.warnings))


def _summary(prepared: Prepared, found: ResultFolder) -> str:
    volumes = " and ".join(one.node.GetName() for one in (prepared.fixed, *prepared.moving))
    return f"{volumes} fused by {found.ran} in {found.seconds:.0f} s."
