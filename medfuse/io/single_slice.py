"""Where a picture lies that does not say so: one slice about the origin."""

from __future__ import annotations

from ..volume import Geometry

__all__ = ["one_slice_geometry"]


def one_slice_geometry(size: tuple[int, int], spacing: tuple[float, ...]) -> tuple[Geometry, list[str]]:
    """The grid of one axial slice around the origin; without a thickness it is taken as 1 mm."""
    steps = (*spacing, 1.0)[:3] if len(spacing) == 2 else spacing
    notes = ["its thickness was taken as 1 mm"] if len(spacing) == 2 else []
    origin = tuple(-(n - 1) / 2 * step for n, step in zip(size, steps, strict=False))
    return Geometry((*size, 1), (steps[0], steps[1], steps[2]), (origin[0], origin[1], 0.0)), notes
