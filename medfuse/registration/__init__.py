"""Registration: where each point of the fixed volume lies in the moving volume, and how sure that is.

How it works, and why so:

1. ``prepare``: clamp to what matters, smooth and resample both volumes to isotropic grids of 5, 2.5 and
   1.5 mm; padding is masked.  The smaller field of view is the one whose voxels are compared.
2. ``starts``: score some 1500 poses quickly and walk uphill from the best 24.  Tutorials start once, by
   the headers or the centres, and succeeded in 1 of 30 trials with moves of ±20 mm and ±20°.  Half turns
   are among the poses, because feet first against head first is real.
3. ``search``: climb on Mattes mutual information from coarse to fine (SimpleITK, one thread).
4. ``quality``: a verdict from figures that need no truth.  The best of them is whether a second search,
   begun elsewhere, ends at the same place.

Inside, a pose is a 4×4 matrix; ITK's transforms appear at the border only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import ParameterError, RegistrationError, UnknownNameError
from ..progress import Progress, ignore
from ..volume import Volume
from .poses import is_rigid, pose_of, to_euler
from .quality import judge
from .result import Registration, Verdict
from .rigid import search_rigid
from .search import THREADS

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["KINDS", "Registration", "Verdict", "register"]

KINDS = ("none", "rigid")
"""What :func:`register` can search for; ``none`` takes the transform as given."""


def register(
    fixed: Volume,
    moving: Volume,
    *,
    kind: str = "rigid",
    initial_transform: SimpleITK.Transform | None = None,
    seed: int = 1,
    progress: Progress = ignore,
) -> Registration:
    """Find where each point of ``fixed`` lies in ``moving``.

    Parameters
    ----------
    fixed, moving:
        Volumes of two or more slices.  Voxels that are not ``valid`` take no part.
    kind:
        One of :data:`KINDS`.  "rigid" searches for a turn and a shift.  "none" searches nothing: the
        result is ``initial_transform``, or that the volumes are aligned by their headers.
    initial_transform:
        Where the search starts, fixed → moving points in LPS mm; only its neighbourhood is searched
        then.  None: the search starts from many poses, half turns among them.
    seed:
        For the voxels that are compared; not 0.  The same seed gives the same transform, bit by bit.
    progress:
        Called with (fraction, message) at every step; raise :class:`medfuse.Cancelled` in it to stop.

    Raises
    ------
    RegistrationError
        If the volumes do not overlap anywhere, or one is constant or a single slice.
    ParameterError
        For a seed of 0, an unknown ``kind``, or an initial transform that is not rigid.
    """
    if kind not in KINDS:
        raise UnknownNameError("registration kind", kind, KINDS)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 < seed < 2**31:
        raise ParameterError(f"seed={seed!r}: expected a whole number from 1 (0 would mean the wall clock)")
    if kind == "none":
        return _as_given(fixed, moving, initial_transform, seed)
    return _rigid(fixed, moving, initial_transform, seed, progress)


def _as_given(
    fixed: Volume, moving: Volume, transform: SimpleITK.Transform | None, seed: int
) -> Registration:
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
    points = [transform.TransformPoint(point) for point in fixed.geometry.world(lattice).tolist()]
    index = moving.geometry.index(points)
    inside = (index >= -0.5) & (index <= np.asarray(moving.geometry.size) - 0.5)
    one, two = (np.prod(v.geometry.size) * np.prod(v.geometry.spacing) for v in (fixed, moving))
    return min(1.0, float(inside.all(axis=1).mean() * one / min(one, two)))


def _rigid(
    fixed: Volume,
    moving: Volume,
    initial_transform: SimpleITK.Transform | None,
    seed: int,
    progress: Progress,
) -> Registration:
    start = None if initial_transform is None else pose_of(initial_transform)
    if start is not None and not is_rigid(start):
        raise ParameterError(
            "the initial transform scales or shears: a rigid search needs a start that only turns and "
            "shifts; use kind 'none' to apply it as it stands"
        )
    found = search_rigid(fixed, moving, start, seed, progress)
    verdict, reasons = judge(found.figures, found.scale)
    transform = to_euler(found.pose, found.centre)
    return Registration(transform, "rigid", verdict, reasons, found.figures, seed, THREADS)
