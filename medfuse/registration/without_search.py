"""Kind "none": the transform is taken as it stands; only whether the volumes overlap is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import RegistrationError
from ..transforms import transform_points
from ..volume import Volume
from .linear.climb import THREADS
from .result import Registration

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["without_search"]


def without_search(
    fixed: Volume, moving: Volume, transform: SimpleITK.Transform | None, seed: int
) -> Registration:
    """The result for ``transform`` as it stands; for None, that the volumes are aligned by their headers.

    Raises
    ------
    RegistrationError
        If they do not overlap then.
    """
    import SimpleITK

    by_header = transform is None
    transform = SimpleITK.Transform(3, SimpleITK.sitkIdentity) if transform is None else transform
    share = _share_within(fixed, moving, transform)
    if share == 0:
        what = "by their headers" if by_header else "under the initial transform"
        apart = np.linalg.norm(
            np.array(transform.TransformPoint(fixed.geometry.centre.tolist())) - moving.geometry.centre
        )
        raise RegistrationError(
            f"the volumes do not overlap {what}: their centres are {apart:.0f} mm apart; register them "
            "(kind 'rigid'), or give the right initial transform"
        )
    reason = "taken as aligned by the headers" if by_header else "the initial transform was applied as given"
    return Registration(
        transform, "none", "given", (f"{reason}; not checked",), {"overlap": share}, seed, THREADS
    )


def _share_within(fixed: Volume, moving: Volume, transform: SimpleITK.Transform) -> float:
    """The part of the smaller field of view that lies within the other, by a lattice of 16³ points."""
    axes = [np.linspace(0, n - 1, 16) for n in fixed.geometry.size]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    index = moving.geometry.index(transform_points(transform, fixed.geometry.world(lattice)))
    inside = (index >= -0.5) & (index <= np.asarray(moving.geometry.size) - 0.5)
    one, two = (np.prod(v.geometry.size) * np.prod(v.geometry.spacing) for v in (fixed, moving))
    return min(1.0, float(inside.all(axis=1).mean() * one / min(one, two)))
