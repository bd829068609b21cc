"""Pairs of generated scans for the module Sample Data, made on this computer without a network.

Nobody was scanned: the head is a phantom of :mod:`medfuse.phantom`, and each scan has its own grid and
lies differently, so that there is something to register.  Ultrasound needs to begin near: that pair comes
with the transform of a navigation system, which is some 3 mm wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["PAIRS", "Pair", "Scan", "command", "load", "register"]

_MAKE = """
import sys
sys.path[:] = [place for place in sys.path if place]  # the working folder is no place for code
from pathlib import Path
import SimpleITK
from medfuse.io import write_volume
from medfuse.phantom import rigid, sample_study
folder, fixed, moving = Path(sys.argv[1]), *sys.argv[2:]
study = sample_study([fixed, moving])
for key, volume in study.volumes.items():
    write_volume(volume, folder / f"{key}.nrrd", overwrite=True)
matrix = study.transform(fixed, moving) @ rigid((2.0, -1.5, 1.0), (2.0, -2.0, 1.5))
transform = SimpleITK.AffineTransform(3)
transform.SetMatrix(matrix[:3, :3].ravel().tolist())
transform.SetTranslation(matrix[:3, 3].tolist())
SimpleITK.WriteTransform(transform, str(folder / "navigation.tfm"))
"""


@dataclass(frozen=True)
class Scan:
    """One scan of the phantom: its key in :data:`medfuse.phantom.SCANS`, its node's name, its modality."""

    key: str
    node: str
    modality: str


@dataclass(frozen=True)
class Pair:
    """A sample; with ``navigated`` a transform node from the moving to the fixed scan comes with it."""

    name: str
    fixed: Scan
    moving: Scan
    navigated: bool = False


_CT, _T1, _T2, _US = (
    Scan("ct", "Phantom CT", "CT"),
    Scan("t1", "Phantom MR T1", "MR"),
    Scan("t2", "Phantom MR T2", "MR"),
    Scan("us", "Phantom US", "US"),
)
PAIRS = (
    Pair("MedFuse CT-MR T1", _CT, _T1),
    Pair("MedFuse CT-MR T2", _CT, _T2),
    Pair("MedFuse MR-US", _T1, _US, navigated=True),
)


def command(pair: Pair, python: Path, folder: Path) -> list[str]:
    """The command that writes the files of a pair into ``folder``."""
    return [str(python), "-c", _MAKE, str(folder), pair.fixed.key, pair.moving.key]


def load(
    pair: Pair,
    folder: Path,
    load_volume: Callable[[str, dict[str, Any]], Any],
    load_transform: Callable[[str], Any],
) -> list[Any]:
    """Load what :func:`command` wrote, by the functions of ``slicer.util``; the fixed volume comes first."""
    nodes = []
    for scan in (pair.fixed, pair.moving):
        node = load_volume(str(folder / f"{scan.key}.nrrd"), {"name": scan.node})
        _set_modality(node, scan.modality)
        nodes.append(node)
    if pair.navigated:
        nodes.append(load_transform(str(folder / "navigation.tfm")))
        nodes[-1].SetName(f"Navigation of {pair.moving.node}")
    for node in nodes:
        _forget_file(node)
    return nodes


def _set_modality(node: Any, modality: str) -> None:
    """Say what a volume is, where Slicer keeps it for volumes from DICOM."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", modality)


def _forget_file(node: Any) -> None:
    """The file is in a temporary folder, so that saving the scene has to ask for another place."""
    storage = node.GetStorageNode()
    if storage:
        node.SetAndObserveStorageNodeID(None)
        node.GetScene().RemoveNode(storage)


def register(download: Callable[[Pair], Any], icons: Path) -> None:
    """Offer the pairs in Sample Data; ``download(pair)`` makes and loads one."""
    import SampleData

    for pair in PAIRS:
        scans = (pair.fixed, pair.moving)
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="MedFuse",
            sampleName=pair.name,
            uris=[f"medfuse:phantom/{scan.key}" for scan in scans],
            fileNames=[f"{scan.key}.nrrd" for scan in scans],
            nodeNames=[scan.node for scan in scans],
            customDownloader=lambda _source, pair=pair: download(pair),
            thumbnailFileName=str(icons / f"{pair.name.replace(' ', '-')}.png"),
        )
