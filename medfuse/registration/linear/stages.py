"""A pair of volumes, brought to the levels of the search."""

from __future__ import annotations

import numpy as np

from ...progress import Progress, subrange
from ...volume import Volume
from ..pyramid.edges import edges_of
from ..pyramid.prepare import SOFT_TISSUE, WHOLE, prepare
from ..pyramid.shading import unshaded
from .climb import COARSE, FINE, MIDDLE, Stage

__all__ = ["make_stages"]

_FULL_SIZE = 100.0  # mm
_PLANAR = 0.5  # a slice has few voxels: it is searched on finer grids
_EDGES = 0.7  # on coarser grids the edges of brain in ultrasound blur into each other


def make_stages(
    fixed: Volume,
    moving: Volume,
    seed: int,
    progress: Progress,
    *,
    compares: str,
    planar: bool,
    soft_tissue: bool = False,
    without_shading: bool = False,
) -> list[Stage]:
    """The pair at the coarse, the middle and the fine level.

    The levels are made for heads.  Where the smaller field of view holds less than a cube of 100 mm
    (a spine, a finger, a small animal), all their lengths shrink in proportion.  ``compares`` is that of
    a :class:`~medfuse.registration.presets.Preset`; ``soft_tissue`` says that nothing but soft tissue is seen
    of the body, so that air and bone in CT would only take bins from it; ``without_shading`` that MR is
    compared relative to its surroundings.
    """
    scale = _scale(fixed, moving, planar)
    factor = scale * (_PLANAR if planar else 1.0) * (_EDGES if compares == "edges" else 1.0)
    fine, middle, coarse = (level.scaled(factor) for level in (FINE, MIDDLE, COARSE))
    ct_range = SOFT_TISSUE if compares == "edges" or soft_tissue else WHOLE
    one = prepare(fixed, "fixed", fine.spacing, subrange(progress, 0.0, 0.45), ct_range)
    two = prepare(moving, "moving", fine.spacing, subrange(progress, 0.45, 0.9), ct_range)
    if without_shading:
        one, two = (
            unshaded(each) if volume.modality == "MR" else each
            for volume, each in ((fixed, one), (moving, two))
        )
    stages: list[Stage] = []
    for number, level in enumerate((fine, middle, coarse)):
        progress(0.9 + number / 30, "preparing the levels of the search")
        one, two = one.coarser(level.spacing), two.coarser(level.spacing)
        pair = (one, two) if compares == "values" else (edges_of(one), edges_of(two))
        stages.insert(0, Stage(*pair, level, seed, scale, planar))
    return stages


def _scale(fixed: Volume, moving: Volume, planar: bool) -> float:
    """1 for heads and larger bodies; below for smaller fields of view."""
    axes = 2 if planar else 3
    extents = [np.multiply(one.geometry.size, one.geometry.spacing)[:axes] for one in (fixed, moving)]
    smaller = np.prod(np.minimum(*np.sort(extents, axis=1)))
    return min(1.0, float(smaller ** (1 / axes)) / _FULL_SIZE)
