"""Volumes of the scene as files for the child process.

Where a volume lies is what the user sees: its own matrix, and the transform that it is under.  A transform
of our own, from an earlier run, is looked through (a new registration starts from the volume itself), any
other is hardened in the exported copy or refused; the nodes stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import transforms, volumes

__all__ = [
    "HARDENED",
    "ROLE",
    "Placement",
    "export",
    "export_start",
    "place_fixed",
    "place_moving",
]

ROLE = "MedFuse.Role"
"""Attribute of every node that a run made: what it is there for."""

HARDENED = "MedFuse.Hardened"
"""Attribute of a resulting transform: the matrix that the exported moving volume was hardened with."""


@dataclass(frozen=True, eq=False)
class Placement:
    """How the exported copy of a volume lies, against the node itself.

    Parameters
    ----------
    node:
        The volume node.
    hardened:
        4×4 matrix in RAS from the node's own coordinates to those of the copy.
    start:
        The transform node that takes the copy to the fixed volume, or None where nothing is known.
    """

    node: Any
    hardened: np.ndarray
    start: Any = None


def place_fixed(node: Any, harden: bool) -> Placement:
    """The copy of the fixed volume lies where the scene shows the node.

    Raises
    ------
    ValueError
        With one sentence, if it cannot be exported, or is under a transform and ``harden`` is False.
    """
    return _checked(Placement(node, _to_world(node, harden)))


def place_moving(node: Any, harden: bool, initial: Any, aligned: bool) -> Placement:
    """Decide how the copy of a moving volume lies, and where the search for its place starts.

    Parameters
    ----------
    node:
        A volume node.
    harden:
        Whether a parent transform is hardened in the copy.
    initial:
        The transform node that the user chose, or None.
    aligned:
        Nothing will be registered: the copy has to lie as the scene shows the node.

    Raises
    ------
    ValueError
        As :func:`place_fixed`.
    """
    parent = node.GetParentTransformNode()
    if parent is not None and parent is initial:
        return _checked(Placement(node, np.eye(4), initial))
    if parent is not None and parent.GetAttribute(ROLE) is not None:
        if aligned and initial is None:
            return _checked(Placement(node, np.eye(4), parent))
        hardened = transforms.matrix_from_text(parent.GetAttribute(HARDENED))
        return _checked(Placement(node, hardened, initial))
    return _checked(Placement(node, _to_world(node, harden), initial))


def _to_world(node: Any, harden: bool) -> np.ndarray:
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    if not harden:
        raise ValueError(
            f'"{node.GetName()}" is under the transform "{parent.GetName()}": tick "Harden transforms", '
            "choose that transform as the initial one, or take the volume out of it."
        )
    return transforms.matrix_to_world(parent)


def _checked(placement: Placement) -> Placement:
    moved = not np.array_equal(placement.hardened, np.eye(4))
    reason = volumes.problem(placement.node, placement.hardened if moved else None)
    if reason:
        raise ValueError(reason)
    return placement


def export(placement: Placement, path: Path) -> None:
    """Write the copy of a volume as NRRD."""
    node = placement.node
    matrix = placement.hardened @ volumes.matrix_of(node)
    volumes.write_nrrd(path, volumes.array_of(node), matrix)


def export_start(placement: Placement, folder: Path, name: str) -> Path:
    """Write where the search for the copy's place starts, and return the file."""
    if placement.start is None:
        path = folder / f"{name}.tfm"
        transforms.write_matrix(path, np.eye(4))
        return path
    return transforms.write_transform(folder, name, placement.start)
