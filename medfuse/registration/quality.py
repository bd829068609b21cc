"""How far to trust a registration, by figures that are known without the truth.

The limits come from trials with known truth (``benchmarks/registration.py``: CT–MR and MR–MR heads, whole
and in slabs of 50 mm, moved by up to ±20 mm and ±20°; noise, a torso against a head, two patients' torsos):

===========================  ==================  =====================  =====
figure                       36 right results    17 hopeless pairs      limit
===========================  ==================  =====================  =====
agreement                    up to 0.3 mm, 0.4°  from 8 mm, 3.7°        2 mm, 2°
rival                        up to 0.93          0.36 to 1.0            0.95
inverse consistency          up to 1.6 mm        from 1.8 mm            3 mm
overlap                      from 0.92           0.01 to 0.84           0.3
mutual information           from 0.59 nats      0.002 to 0.70 nats     0.02
===========================  ==================  =====================  =====

Agreement alone parts them; the others are there for what these trials did not hold.  Mutual information
has no universal limit: unrelated volumes reached 0.7 nats over a small overlap.  A soft phantom that
had sagged between CT and MR returned within 0.8 to 1.7 mm, hence the limit of 3 mm on the way back.
"""

from __future__ import annotations

from collections.abc import Mapping

from .result import Verdict

__all__ = ["judge"]

LEAST_MI = 0.02  # nats
MOST_DISAGREEMENT_MM, MOST_DISAGREEMENT_DEG = 2.0, 2.0
BEST_RIVAL = 0.95  # of the mutual information found
MOST_INCONSISTENCY_MM = 3.0
LEAST_OVERLAP = 0.3
LEAST_SCALE, MOST_SCALE = 0.8, 1.25
MOST_SHEAR_DEG = 10.0
MOST_BEND_INCONSISTENCY_MM = 2.0
LEAST_JACOBIAN, MOST_JACOBIAN = 0.3, 3.0
MOST_TRAVEL = 0.9  # of the limit


def judge(figures: Mapping[str, float], scale: float = 1.0) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on the ``figures`` of a :class:`~medfuse.registration.Registration`, with its reasons.

    One figure out of its limits makes the result "doubtful", two make it "failed", and so does mutual
    information so small that the volumes have nothing in common.  ``scale`` shrinks the limits in mm
    for small fields of view.
    """
    if not figures["mi_after"] >= LEAST_MI:
        return "failed", (
            f"the volumes have nothing in common (mutual information {figures['mi_after']:.3f} nats): "
            "are they of the same patient and region?",
        )
    doubts = tuple(_doubts(figures, scale))
    if doubts:
        return ("doubtful" if len(doubts) == 1 else "failed"), doubts
    return "ok", (
        f"searches from different starts agree within {figures['agreement_mm']:.1f} mm, and registering "
        f"back returns within {figures['inverse_consistency_mm']:.1f} mm",
    )


def _doubts(figures: Mapping[str, float], scale: float) -> list[str]:
    doubts = []
    apart_mm, apart_deg = figures["agreement_mm"], figures["agreement_deg"]
    if not (apart_mm <= MOST_DISAGREEMENT_MM * scale and apart_deg <= MOST_DISAGREEMENT_DEG):
        doubts.append(
            f"no second search confirms the result: the nearest ended {apart_mm:.1f} mm and "
            f"{apart_deg:.1f}° away"
        )
    if figures["rival"] >= BEST_RIVAL:
        doubts.append(
            f"the volumes match elsewhere nearly as well ({figures['rival']:.0%} of the best match)"
        )
    if not figures["inverse_consistency_mm"] <= MOST_INCONSISTENCY_MM * scale:
        doubts.append(
            f"registering back ends {figures['inverse_consistency_mm']:.1f} mm away from where it began"
        )
    if figures["overlap"] < LEAST_OVERLAP:
        doubts.append(f"only {figures['overlap']:.0%} of the smaller field of view lies within the other")
    if not LEAST_SCALE <= figures.get("scale_least", 1.0) <= figures.get("scale_most", 1.0) <= MOST_SCALE:
        doubts.append(
            f"the volume would be scaled by {figures['scale_least']:.2f} to {figures['scale_most']:.2f}: "
            "voxel sizes may be wrong"
        )
    if figures.get("shear_deg", 0.0) > MOST_SHEAR_DEG:
        doubts.append(f"the volume would be sheared by {figures['shear_deg']:.0f}°")
    if figures.get("bend_consistency_mm", 0.0) > MOST_BEND_INCONSISTENCY_MM * scale:
        doubts.append(
            f"bending back ends {figures['bend_consistency_mm']:.1f} mm away from where it began: register "
            "rigidly"
        )
    if (
        not LEAST_JACOBIAN
        <= figures.get("jacobian_least", 1.0)
        <= figures.get("jacobian_most", 1.0)
        <= MOST_JACOBIAN
    ):
        doubts.append(
            f"bending shrinks and grows tissue by factors of {figures['jacobian_least']:.2f} to "
            f"{figures['jacobian_most']:.2f}" + (" (it folds)" if figures["jacobian_least"] <= 0 else "")
        )
    if figures["mi_after"] < figures.get("mi_rigid", -1.0):
        doubts.append("the volumes matched better before bending than after it")
    if figures.get("travel", 0.0) > MOST_TRAVEL:
        doubts.append(
            f"the search ended at its limit, {figures['travel_mm']:.0f} mm and {figures['travel_deg']:.0f}° "
            "from the starting pose: give a better one"
        )
    if figures["mi_after"] < figures["mi_before"]:
        doubts.append("the volumes matched better before the search than after it")
    return doubts
