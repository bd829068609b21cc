"""How far to trust a registration, by figures that are known without the truth.

========================  =================================================================================
``agreement_mm, _deg``    how near a search from another start came (mean over the body, and angle)
``rival``                 mutual information of the best *other* place, as a share of the best one's
``inverse_consistency_mm``  what remains of a point of the body after registering there and back
``halves_mm``             how far apart the two halves of the volume (every other cube of 20 mm: other
                          anatomy, other noise) pull the result
``overlap``               part of the smaller field of view that lies within the other
``mi_before, mi_after``   mutual information in nats by the headers (or at the start), and at the end
``rotation_deg, shift_mm``  by how much the body turns, and its middle moves; of slices within their plane
``scale_least, _most``    least and greatest lengthening, and ``shear_deg`` the greatest change of a right
                          angle ("similarity" and "affine")
``travel_mm, _deg``       how far from its start the search ended, and ``travel`` the same as a share of what
                          the preset allows (with ultrasound)
``bend_consistency_mm``   what remains after bending there and back ("deformable"); ``displacement_mean_mm``
                          over the body and ``_most_mm``, ``jacobian_least`` and ``_most`` (growth of a
                          voxel), and ``mi_rigid``, the mutual information before bending
========================  =================================================================================

Limits come from trials with known truth (``benchmarks/registration.py``: moves of up to ±20 mm and ±20°).
Right is a mean error below 2 mm.  Wrong are pairs that do not belong together (noise, another region,
another patient), halves of a head that share a third, and slabs of 20 mm with four times the noise.  The
ranges are those of trials made after the limits were set; only that of the agreement was set by them,
because two of these slabs had passed at 1 mm:

======================  =====================  =====================  ===========
rigid to affine         224 right              48 wrong               limit
======================  =====================  =====================  ===========
agreement               up to 0.08 mm, 0.11°   from 0.00 mm, 0.00°    0.2 mm, 0.2°
rival                   up to 0.87             0.65 to 1.0            0.95
inverse consistency     up to 1.2 mm           from 0.5 mm            1.5 mm
halves                  up to 0.94 mm (*)      from 0.4 mm            1.15 mm
overlap                 from 0.80              0.07 to 1.0            0.3
mutual information      from 0.36 nats         0.002 to 0.68 nats     0.02
======================  =====================  =====================  ===========

(*) but for an affine one, doubted at 1.5 mm.  The noisy slabs that were right, 15 of 26, are not among them:
they were up to 1.9 mm off, and 11 of them are doubted.

No figure parts them alone: searches that end at the same wrong place agree, and mutual information has no
universal limit.  The nearest misses were slabs 2.2 and 2.5 mm off, which only the agreement gave away.

With ultrasound the limits are 2 mm for the way back and 1.5 mm for the halves (T1–US right: up to 1.7 and
0.9 mm; from starts 40 to 60 mm off, wrong: from 1.0 and 0.5 mm), and a search that used over 90 % of its way
is doubted.  Scales outside 0.8 to 1.25 and shears above 10° are no body's; trials went to 0.92 to 1.08.
Deformed heads that were right (1.1 to 2.0 mm off) came back within 1.4 to 2.3 mm, one that it had made worse
(3.9 mm) within 3.2 mm: the limit is 2 mm.  Jacobians of right results were 0.58 to 1.41, those of the
true fields 0.6 to 1.5: beyond 1/3 and 3 is doubted.

What the figures cannot see: a rigid result is called ok although the body has bent (bent heads were 2.4
to 3.4 mm off, with the way back within 1.1 mm).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .result import Verdict

__all__ = ["LIMITS", "VerdictLimits", "judge"]


@dataclass(frozen=True)
class VerdictLimits:
    """Where each figure begins to raise a doubt; lengths in mm of a body of full size."""

    mi: float = 0.02  # nats
    agreement_mm: float = 0.2
    agreement_deg: float = 0.2
    rival: float = 0.95  # of the mutual information found
    inverse_consistency_mm: float = 1.5
    halves_mm: float = 1.15
    overlap: float = 0.3
    scale: float = 1.25  # and its inverse
    shear_deg: float = 10.0
    bend_consistency_mm: float = 2.0
    jacobian: float = 3.0  # and its inverse
    mi_kept: float = 0.9  # of that before bending: the interpolation of the field costs a little
    travel: float = 0.9  # of the way that the preset allows


LIMITS: Mapping[str, VerdictLimits] = MappingProxyType(
    {
        "values": VerdictLimits(),
        "edges": VerdictLimits(inverse_consistency_mm=2.0, halves_mm=1.5),  # speckle pulls the two ways apart
    }
)
"""By what a preset compares."""


def judge(
    figures: Mapping[str, float], scale: float = 1.0, compares: str = "values"
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on the ``figures`` of a :class:`~medfuse.registration.Registration`, with its reasons.

    One figure out of its limits makes the result "doubtful", two make it "failed", and so does mutual
    information so small that the volumes have nothing in common.  ``scale`` shrinks the limits in mm
    for small fields of view; ``compares`` chooses among :data:`LIMITS`.
    """
    limits = LIMITS[compares]
    if not figures["mi_after"] >= limits.mi:
        return "failed", (
            f"the volumes have nothing in common (mutual information {figures['mi_after']:.3f} nats): "
            "are they of the same patient and region?",
        )
    doubts = (*_doubts_of_the_search(figures, scale, limits), *_doubts_of_the_shape(figures, scale, limits))
    if doubts:
        return ("doubtful" if len(doubts) == 1 else "failed"), doubts
    if "bend_consistency_mm" in figures:
        return "ok", (
            f"searches from different starts agree within {figures['agreement_mm']:.1f} mm, and bending back "
            f"returns within {figures['bend_consistency_mm']:.1f} mm",
        )
    return "ok", (
        f"searches from different starts agree within {figures['agreement_mm']:.1f} mm, registering "
        f"back returns within {figures['inverse_consistency_mm']:.1f} mm, and two halves of the volume "
        f"agree within {figures['halves_mm']:.1f} mm",
    )


def _doubts_of_the_search(figures: Mapping[str, float], scale: float, limits: VerdictLimits) -> Iterator[str]:
    """Whether the search could have ended elsewhere."""
    apart_mm, apart_deg = figures["agreement_mm"], figures["agreement_deg"]
    if not (apart_mm <= limits.agreement_mm * scale and apart_deg <= limits.agreement_deg):
        yield (
            f"no second search confirms the result: the nearest ended {apart_mm:.1f} mm and "
            f"{apart_deg:.1f}° away"
        )
    if figures["rival"] >= limits.rival:
        yield f"the volumes match elsewhere nearly as well ({figures['rival']:.0%} of the best match)"
    bent = "bend_consistency_mm" in figures  # what the rigid start could not match is no doubt then
    if not (bent or figures["inverse_consistency_mm"] <= limits.inverse_consistency_mm * scale):
        yield f"registering back ends {figures['inverse_consistency_mm']:.1f} mm away from where it began"
    if not (bent or figures["halves_mm"] <= limits.halves_mm * scale):
        yield (
            f"two halves of the volume, registered alone, end {figures['halves_mm']:.1f} mm apart: little "
            "detail, much noise, or a body that changed its shape"
        )
    if figures["overlap"] < limits.overlap:
        yield f"only {figures['overlap']:.0%} of the smaller field of view lies within the other"
    if figures["mi_after"] < figures["mi_before"]:
        yield "the volumes matched better before the search than after it"
    if figures.get("travel", 0.0) > limits.travel:
        yield (
            f"the search ended at its limit, {figures['travel_mm']:.0f} mm and {figures['travel_deg']:.0f}° "
            "from the starting pose: give a better one"
        )


def _doubts_of_the_shape(figures: Mapping[str, float], scale: float, limits: VerdictLimits) -> Iterator[str]:
    """Whether a body could change like that."""
    least, most = figures.get("scale_least", 1.0), figures.get("scale_most", 1.0)
    if not 1 / limits.scale <= least <= most <= limits.scale:
        yield f"the volume would be scaled by {least:.2f} to {most:.2f}: voxel sizes may be wrong"
    if figures.get("shear_deg", 0.0) > limits.shear_deg:
        yield f"the volume would be sheared by {figures['shear_deg']:.0f}°"
    least, most = figures.get("jacobian_least", 1.0), figures.get("jacobian_most", 1.0)
    if not 1 / limits.jacobian <= least <= most <= limits.jacobian:
        yield f"tissue would shrink and grow by factors of {least:.2f} to {most:.2f}" + (
            ": it folds" if least <= 0 else ""
        )
    if figures.get("bend_consistency_mm", 0.0) > limits.bend_consistency_mm * scale:
        yield (
            f"bending back ends {figures['bend_consistency_mm']:.1f} mm away from where it began: register "
            "rigidly"
        )
    if figures["mi_after"] < limits.mi_kept * figures.get("mi_rigid", 0.0):
        yield "the volumes matched better before bending than after it"
