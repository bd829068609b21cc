"""From a result folder of ``medfuse`` to nodes.  (Being written: the signatures stand.)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .logic import Prepared


@dataclass(frozen=True)
class Results:
    """The nodes of one run.  ``colour`` is None without coloured sources; ``transforms`` may hold None."""

    fused: Any
    colour: Any
    registered: tuple[Any, ...]
    transforms: tuple[Any, ...]
    maps: dict[str, Any]
    scores: Any
    slices: Any
    charts: tuple[Any, ...]
    provenance: Any
    folder_item: int
    summary: str
    notes: tuple[str, ...]


def import_results(prepared: Prepared, scene: Any) -> Results:
    """Add what a run left behind to the scene, in one step."""
    raise NotImplementedError
