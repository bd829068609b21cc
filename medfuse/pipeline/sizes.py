"""Volumes of one study whose sizes do not fit one another: mostly a spacing that somebody guessed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..volume import Geometry

__all__ = ["notes_on_sizes"]

_SEVERAL_FOLD = 3.0
_OF_PICTURES = 1.9  # fields of two single slices, whose spacing is mostly typed: 256 and 512 pixels are 2

Array = npt.NDArray[np.float64]


def notes_on_sizes(names: Sequence[str], geometries: Sequence[Geometry]) -> list[str]:
    """A sentence for each moving volume whose field of view or voxels differ several-fold from the fixed.

    The field of view is compared along the patient's axes, of two single slices along their own two; voxels
    by the side of a cube, or of a square, of the same size.

    Parameters
    ----------
    names:
        What to call the volumes, the fixed one first.
    geometries:
        Their own grids, as read.
    """
    notes = []
    fixed, *moving = geometries
    for name, other in zip(names[1:], moving, strict=True):
        flat = fixed.size[2] == other.size[2] == 1
        extents, voxels = ([of(one, flat) for one in (other, fixed)] for of in (_extent, _spacing))
        if _ratio(*extents) >= (_OF_PICTURES if flat else _SEVERAL_FOLD):
            notes.append(_sentence(name, "covers", extents))
        sides = [np.array([one.prod() ** (1 / one.size)]) for one in voxels]
        if _ratio(*sides) >= _SEVERAL_FOLD:
            notes.append(_sentence(name, "has voxels of" if not flat else "has pixels of", voxels))
    return notes


def _extent(geometry: Geometry, flat: bool) -> Array:
    """Size of the grid in mm along the patient's axes, or along its own two."""
    size = np.multiply(geometry.size, geometry.spacing)
    return size[:2] if flat else np.abs(np.asarray(geometry.direction)) @ size


def _spacing(geometry: Geometry, flat: bool) -> Array:
    return np.asarray(geometry.spacing[:2] if flat else geometry.spacing)


def _ratio(one: Array, other: Array) -> float:
    """How many times the sizes differ, along the axis where they do most."""
    return float(np.maximum(one / other, other / one).max())


def _sentence(name: str, verb: str, sizes: Sequence[Array]) -> str:
    own, fixed = ("×".join(f"{side:.4g}" for side in one) for one in sizes)
    return (
        f"{name}: {verb} {own} mm, the fixed volume {fixed} mm: several times apart; if both show the same, "
        "a spacing is wrong (--spacing for 2-D images, else the file's header)"
    )
