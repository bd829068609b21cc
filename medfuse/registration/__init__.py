"""Registration: where each point of the fixed volume lies in the moving volume, and how sure that is.

How it works, and why so:

1. ``presets``: the modalities say what is compared (values, or edges where there is ultrasound) and
   whether the search may start anywhere.
2. ``pyramid``: clamp the values, smooth and resample both volumes to isotropic grids of 5, 2.5 and 1.5 mm;
   padding is masked.  The smaller field of view is the one whose voxels are compared.
3. ``linear.starts``: score some 1500 poses quickly and climb from the best 24.  A single start, by the
   headers or the centres, succeeded in 1 of 30 trials.  Rotations by 180° are among the poses, because feet
   first against head first is real.
4. ``linear.search``: climb on Mattes mutual information from coarse to fine (SimpleITK, one thread), first
   with the rigid transform model, then with that of the kind (``linear.transform_models``).
5. ``deformable``: a displacement field, from the rigid result.
6. ``quality``: a verdict from figures that need no truth.  The best of them are whether a second search from
   another start ends at the same pose, and whether two halves of the volume do.

Inside, a pose is a 4×4 matrix; ITK's transforms appear at the border only.  What was measured, and in which
trials: ``docs/registration.md``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import ParameterError, RegistrationError, UnknownNameError
from ..progress import Progress, ignore, subrange
from ..transforms import apply, inverse
from ..volume import Volume
from .attempts import Question, best_attempt
from .deformable.refine import refine
from .linear.climb import THREADS, Stage
from .linear.planes import Pair, pair_of
from .linear.search import SearchRequest
from .linear.stages import make_stages
from .linear.transform_models import TRANSFORM_MODELS
from .match import match
from .poses import Pose, is_rigid, pose_of
from .presets import AUTO, KINDS, PRESETS, Preset, choose_preset, preset_for
from .pyramid.constant_surround import masked_surround
from .quality import judge
from .result import Registration, Verdict
from .voxel_sizes import resolution, unit_hint
from .without_search import without_search

if TYPE_CHECKING:
    import SimpleITK

__all__ = [
    "KINDS",
    "PRESETS",
    "STARTS",
    "Preset",
    "Registration",
    "Verdict",
    "match",
    "preset_for",
    "register",
]

_LARGEST_RATIO = 100  # of lengths, that of a body to a part of it
STARTS = ("search", "header")
"""Where a search may start: from many poses, or near where the headers place the volumes."""


def register(
    fixed: Volume,
    moving: Volume,
    *,
    kind: str = "rigid",
    preset: str = AUTO,
    start: str = "search",
    initial_transform: SimpleITK.Transform | None = None,
    seed: int = 1,
    progress: Progress = ignore,
) -> Registration:
    """Find where each point of ``fixed`` lies in ``moving``.

    Parameters
    ----------
    fixed, moving:
        Two volumes, or two single slices, which are then registered within their planes.  Voxels that are
        not ``valid`` take no part.
    kind:
        One of :data:`KINDS`.  "none" searches nothing: the result is ``initial_transform``, or that the
        volumes are aligned by their headers.
    preset:
        A name in :data:`PRESETS`, or "auto" for the one that :func:`preset_for` gives for the volumes'
        modalities.
    start:
        One of :data:`STARTS`.  "search" tries many poses, rotations by 180° among them.  "header" says that
        the volumes are roughly aligned by their headers: only that neighbourhood is searched.
    initial_transform:
        Where the search starts, fixed → moving points in LPS mm; only its neighbourhood is searched
        then, whatever ``start`` says.
    seed:
        For the voxels that are compared; not 0.  The same seed gives the same transform, bit by bit.
    progress:
        Called with (fraction, message) at every step; raise :class:`medfuse.Cancelled` in it to stop.

    Raises
    ------
    RegistrationError
        If the volumes do not overlap anywhere, one is constant, one is a single slice and the other is
        not, or the preset needs a starting pose and there is none.
    ParameterError
        For a seed of 0, an unknown ``kind``, ``preset`` or ``start``, a kind that makes no sense with the
        preset, or an initial transform that is not rigid.
    """
    if kind not in KINDS:
        raise UnknownNameError("registration kind", kind, KINDS)
    if start not in STARTS:
        raise UnknownNameError("registration start", start, STARTS)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 < seed < 2**31:
        raise ParameterError(f"seed={seed!r}: expected a whole number from 1 (0 would mean the wall clock)")
    has_start = initial_transform is not None or start == "header"
    chosen = choose_preset(preset, (fixed.modality, moving.modality), kind, has_start)
    if kind == "none":
        result = without_search(fixed, moving, initial_transform, seed)
        begun = "header"
    else:
        result = _searched(fixed, moving, kind, chosen, initial_transform, start, seed, progress)
        begun = start
    if initial_transform is not None:
        begun = "transform"
    return replace(result, preset=chosen.name, start=begun)


def _searched(
    fixed: Volume,
    moving: Volume,
    kind: str,
    preset: Preset,
    initial_transform: SimpleITK.Transform | None,
    start: str,
    seed: int,
    progress: Progress,
) -> Registration:
    _check_units(fixed, moving)
    fixed, fixed_note = masked_surround(fixed)
    moving, moving_note = masked_surround(moving)
    pair, deformable = pair_of(fixed, moving), kind == "deformable"
    if pair.planar and deformable:
        raise ParameterError("kind 'deformable' needs volumes of several slices: use 'affine' for a slice")
    near = _starting_pose(pair, initial_transform, start)
    stripped = any(
        note and one.modality == "MR" for one, note in ((fixed, fixed_note), (moving, moving_note))
    )

    def stages(without_shading: bool, part: Progress) -> list[Stage]:
        return make_stages(
            pair.fixed, pair.moving, seed, part,
            compares=preset.compares, planar=pair.planar,
            soft_tissue=stripped, without_shading=without_shading,
        )  # fmt: skip

    before = pair.header if near is None else near
    request = SearchRequest(
        "rigid" if deformable else kind, near, before, preset.travel_mm, preset.travel_deg
    )
    coarsest = max(resolution(one.geometry) for one in (fixed, moving))
    question = Question(pair, moving.geometry, request, coarsest, preset.compares)
    end = 0.3 if deformable else 1.0
    best = best_attempt(question, stages, subrange(progress, 0.0, end))
    found = best.found
    if deformable:
        transform, found = refine(best.stages, found, subrange(progress, end, 1.0))
    else:
        centre = apply(inverse(pair.to_fixed), found.centre)
        transform = TRANSFORM_MODELS[kind].transform(pair.in_world(found.pose), centre)
    verdict, reasons = judge(found.figures, best.unit, preset.compares)
    if verdict == "failed":
        reasons = (*reasons, *filter(None, [unit_hint(fixed.geometry, moving.geometry)[1]]))
    notes = tuple(
        f"the {role} volume: {note}"
        for role, note in (("fixed", fixed_note), ("moving", moving_note))
        if note
    )
    return Registration(transform, kind, verdict, reasons, found.figures, seed, THREADS, notes=notes)


def _check_units(fixed: Volume, moving: Volume) -> None:
    factor, hint = unit_hint(fixed.geometry, moving.geometry)
    if factor > _LARGEST_RATIO:
        raise RegistrationError(f"the volumes cannot show the same body: {hint}")


def _starting_pose(pair: Pair, transform: SimpleITK.Transform | None, start: str) -> Pose | None:
    if transform is not None:
        pose = pose_of(transform)
        if not is_rigid(pose):
            raise ParameterError(
                "the initial transform scales or shears: a search starts from a rigid one (rotation and "
                "translation); use kind 'none' to apply it as it stands"
            )
        return pair.in_frames(pose)
    if start != "header":
        return None
    if pair.header is None:
        raise RegistrationError(
            "by their headers the two slices do not lie in parallel planes: search for their pose (start "
            "'search'), or give an initial transform"
        )
    return pair.header
