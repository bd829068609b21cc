"""How far to trust a registration, by figures that are known without the truth."""

from __future__ import annotations

from collections.abc import Mapping

from .result import Verdict

__all__ = ["judge"]

LEAST_GAIN = 0.02  # nats
MOST_DISAGREEMENT_MM, MOST_DISAGREEMENT_DEG = 2.0, 2.0
MOST_INCONSISTENCY_MM = 2.0
LEAST_OVERLAP = 0.3


def judge(figures: Mapping[str, float]) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on the ``figures`` of a :class:`~medfuse.registration.Registration`, with its reasons.

    Each figure that is out of its limit is one doubt; two or more mean "failed".
    """
    doubts = []
    gain = figures["mi_after"] - figures["mi_before"]
    if gain < -LEAST_GAIN:
        doubts.append(
            f"the volumes match worse than before ({figures['mi_after']:.2f} against "
            f"{figures['mi_before']:.2f} nats of mutual information)"
        )
    if figures["mi_after"] < LEAST_GAIN:
        doubts.append("the volumes have nothing in common: are they of the same patient and region?")
    if (
        not figures["agreement_mm"] <= MOST_DISAGREEMENT_MM
        or figures["agreement_deg"] > MOST_DISAGREEMENT_DEG
    ):
        doubts.append(
            f"two searches from different starts ended {figures['agreement_mm']:.1f} mm and "
            f"{figures['agreement_deg']:.1f}° apart"
        )
    if not figures["inverse_consistency_mm"] <= MOST_INCONSISTENCY_MM:
        doubts.append(f"registering back does not undo it: {figures['inverse_consistency_mm']:.1f} mm remain")
    if figures["overlap"] < LEAST_OVERLAP:
        doubts.append(f"only {figures['overlap']:.0%} of the smaller field of view is shared")
    if not doubts:
        return "ok", ("independent searches agree, and registering back undoes it",)
    return ("doubtful" if len(doubts) == 1 else "failed"), tuple(doubts)
