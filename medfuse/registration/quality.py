"""How far to trust a registration, by figures that are known without the truth.

=============================  ============================================================================
``agreement_mm, _deg``         how near a search from another start came (mean over the body, and angle)
``rival``                      mutual information of the best *other* pose, as a share of the best one's;
                               ``rival_mm, _deg`` how far away it lies
``inverse_consistency_mm``     how far a point of the body ends from itself after both directions
``halves_mm, _deg``            how far apart the results of the two halves of the volume are (every other
                               cube of 20 mm: other anatomy, other noise)
``overlap``                    part of the smaller field of view that lies within the other
``mi_before, mi_after``        mutual information in nats by the headers (or at the start), and at the end
``mi_found``                   the same of what the search found, where it was less than before the search
                               by 1 % or more, so that the pose before it was kept
``rotation_deg``               angle of the rotation; ``translation_mm`` of the body's centre
``scale_min, _max``            smallest and largest scale factor, ``shear_deg`` the largest change of a right
                               angle ("similarity" and "affine")
``affine_gain``                mutual information that an affine climb gains, as a share ("rigid"), and
                               ``affine_scale_x, _y, _z`` its factors of lengths along the axes of the moving
                               volume's grid (:mod:`.voxel_sizes`)
``travel_mm, _deg``            how far from its start the search ended, and ``travel`` the same as a share of
                               what the preset allows (with ultrasound)
``deformation_consistency_mm`` inverse consistency of the deformation ("deformable");
                               ``displacement_mean_mm`` over the body and ``_max_mm``, ``jacobian_min`` and
                               ``_max`` (determinant), ``mi_rigid`` mutual information before the deformation
=============================  ============================================================================

The limits come from trials with known truth (``docs/registration.md`` has the ranges; the command is
``benchmarks/registration.py``).  No figure separates right from wrong alone: searches that end at the same
wrong pose agree, and mutual information has no universal limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from .result import Verdict
from .voxel_sizes import worst_axis

__all__ = ["LIMITS", "VerdictLimits", "judge"]

_SHIFTED = 15.0  # degrees: a rival rotated by less is a shift


@dataclass(frozen=True)
class VerdictLimits:
    """Where each figure begins to raise a doubt; lengths in mm of a body of full size."""

    mi: float = 0.02  # nats; right from 0.36
    agreement_mm: float = 0.2  # right up to 0.08 mm; wrong slabs ended 0.2 to 1 mm apart
    agreement_deg: float = 0.2
    rival: float = 0.95  # of the mutual information found; right up to 0.87
    inverse_consistency_mm: float = 1.5  # right up to 1.2 mm
    halves_mm: float = 1.15  # right up to 0.94 mm
    overlap: float = 0.3  # right from 0.8
    scale: float = 1.25  # and its inverse: beyond is no body's
    shear_deg: float = 10.0
    affine_gain: float = 0.045  # of the mutual information; right up to 0.03, wrong spacings from 0.08
    affine_scale: float = 0.03  # beside 1; counts only where the gain is large too
    deformation_consistency_mm: float = 2.0  # right within 2.3 mm, wrong from 3.2 mm
    jacobian: float = 3.0  # and its inverse; true fields 0.6 to 1.5
    mi_kept: float = 0.9  # of that before the deformation: interpolation of the field costs a little
    travel: float = 0.9  # of the distance that the preset allows


LIMITS: Mapping[str, VerdictLimits] = MappingProxyType(
    {
        "values": VerdictLimits(),
        "edges": VerdictLimits(inverse_consistency_mm=2.0, halves_mm=1.5),  # right: to 1.7 and 0.9 mm
    }
)
"""By what a preset compares."""


def judge(
    figures: Mapping[str, float], scale: float = 1.0, compares: str = "values"
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on the ``figures`` of a :class:`~medfuse.registration.Registration`, with its reasons.

    One figure out of its limits makes the result "doubtful", two make it "failed", and so does mutual
    information so small that the volumes have nothing in common.  A pose that was kept because it matches
    better than what was found is at worst "doubtful" where a search ended beside it.  ``scale`` multiplies
    the limits in mm, for small fields of view and coarse voxels; ``compares`` chooses among :data:`LIMITS`.
    """
    limits = LIMITS[compares]
    if not figures["mi_after"] >= limits.mi:
        return "failed", (
            f"the volumes have nothing in common (mutual information {figures['mi_after']:.3f} nats): "
            "are they of the same patient and region?",
        )
    doubts = (*_doubts_of_the_search(figures, scale, limits), *_doubts_of_the_shape(figures, scale, limits))
    if doubts:
        beside = "mi_found" in figures and _is_confirmed(figures, scale, limits)
        return ("doubtful" if beside or len(doubts) == 1 else "failed"), (*_kept(figures), *doubts)
    return "ok", (*_kept(figures), _what_confirms(figures))


def _kept(figures: Mapping[str, float]) -> Iterator[str]:
    """That the pose before the search is the result, if it is."""
    if "mi_found" in figures:
        yield (
            f"the pose before the search was kept: it matches better (mutual information "
            f"{figures['mi_before']:.3f} nats) than the one that was found ({figures['mi_found']:.3f})"
        )


def _what_confirms(figures: Mapping[str, float]) -> str:
    what = "a search ended within" if "mi_found" in figures else "searches from different starts agree within"
    agree = f"{what} {figures['agreement_mm']:.1f} mm" + (" of it" if "mi_found" in figures else "")
    if "deformation_consistency_mm" in figures:
        return (
            f"{agree}, and the deformation is inverse consistent within "
            f"{figures['deformation_consistency_mm']:.1f} mm"
        )
    return (
        f"{agree}, both directions within {figures['inverse_consistency_mm']:.1f} mm, and two halves of the "
        f"volume within {figures['halves_mm']:.1f} mm"
    )


def _is_confirmed(figures: Mapping[str, float], scale: float, limits: VerdictLimits) -> bool:
    """Whether another search ended at the same pose.

    A pose that was kept is no end of a climb: it can be confirmed as exactly as both directions agree.
    """
    if "mi_found" in figures:
        return figures["agreement_mm"] <= limits.inverse_consistency_mm * scale
    near = figures["agreement_mm"] <= limits.agreement_mm * scale
    return near and figures["agreement_deg"] <= limits.agreement_deg


def _doubts_of_the_search(figures: Mapping[str, float], scale: float, limits: VerdictLimits) -> Iterator[str]:
    """Whether the search could have ended elsewhere."""
    if not _is_confirmed(figures, scale, limits):
        yield (
            f"no second search confirms the result: the nearest ended {figures['agreement_mm']:.1f} mm and "
            f"{figures['agreement_deg']:.1f}° away"
        )
    if figures["rival"] >= limits.rival:
        yield (
            f"the volumes match elsewhere nearly as well ({figures['rival']:.0%} of the best match)"
            f"{_where(figures.get('rival_mm', math.nan), figures.get('rival_deg', math.nan))}"
        )
    deformable = "deformation_consistency_mm" in figures  # what the rigid start could not match is no doubt
    if not (deformable or figures["inverse_consistency_mm"] <= limits.inverse_consistency_mm * scale):
        yield (
            f"the inverse consistency is {figures['inverse_consistency_mm']:.1f} mm: the two directions of "
            "registration disagree"
        )
    if not (deformable or figures["halves_mm"] <= limits.halves_mm * scale):
        yield (
            f"two halves of the volume, registered alone, end {figures['halves_mm']:.1f} mm and "
            f"{figures['halves_deg']:.1f}° apart: little detail, much noise, a body that changed its shape, "
            "or one that looks alike when it turns about its axis"
        )
    if figures["overlap"] < limits.overlap:
        yield f"only {figures['overlap']:.0%} of the smaller field of view lies within the other"
    if figures.get("travel", 0.0) > limits.travel:
        yield (
            f"the search ended at its limit, {figures['travel_mm']:.0f} mm and {figures['travel_deg']:.0f}° "
            "from the initial transform: give a better one"
        )


def _where(apart_mm: float, apart_deg: float) -> str:
    """Where the rival lies, and of which bodies that is known."""
    if math.isnan(apart_mm):
        return ""
    if apart_deg < _SHIFTED:
        return f", {apart_mm:.0f} mm away: the body repeats itself, as vertebrae do, or shows little detail"
    return f", rotated by {apart_deg:.0f}°: the body looks much alike from there, or shows little detail"


def _doubts_of_the_shape(figures: Mapping[str, float], scale: float, limits: VerdictLimits) -> Iterator[str]:
    """Whether a body could change its shape like that."""
    least, most = figures.get("scale_min", 1.0), figures.get("scale_max", 1.0)
    if not 1 / limits.scale <= least <= most <= limits.scale:
        yield f"the volume would be scaled by {least:.2f} to {most:.2f}: voxel sizes may be wrong"
    if figures.get("affine_gain", 0.0) > limits.affine_gain and "deformation_consistency_mm" not in figures:
        yield from _doubts_of_the_voxel_sizes(figures, limits)
    if figures.get("shear_deg", 0.0) > limits.shear_deg:
        yield f"the volume would be sheared by {figures['shear_deg']:.0f}°"
    least, most = figures.get("jacobian_min", 1.0), figures.get("jacobian_max", 1.0)
    if not 1 / limits.jacobian <= least <= most <= limits.jacobian:
        yield f"the Jacobian of the deformation is {least:.2f} to {most:.2f}" + (
            ": it folds" if least <= 0 else ": no tissue changes its volume like that"
        )
    if figures.get("deformation_consistency_mm", 0.0) > limits.deformation_consistency_mm * scale:
        yield (
            f"the inverse consistency of the deformation is {figures['deformation_consistency_mm']:.1f} mm: "
            "register rigidly"
        )
    if figures["mi_after"] < limits.mi_kept * figures.get("mi_rigid", 0.0):
        yield "the volumes matched better before the deformation than after it"


def _doubts_of_the_voxel_sizes(figures: Mapping[str, float], limits: VerdictLimits) -> Iterator[str]:
    """What an affine search would scale, and by how much."""
    axis, factor = worst_axis(figures)
    if abs(np.log(factor)) > np.log1p(limits.affine_scale):
        what = "slices" if axis == "z" else f"voxels along {axis}"
        apart = "far apart" if factor > 1 else "close together"
        yield (
            f"the {what} of the moving volume seem about {abs(factor - 1):.0%} too {apart} against the fixed "
            "one: check the voxel sizes of both, or take registration kind 'affine'"
        )
