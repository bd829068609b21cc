"""How much of an image is pure white, and the check that no method whitens more than its sources do.

The foreground is where a source shows something: above 2 % of its range in any of them.  Pure white is what
is shown as 255 of 255.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from .types import Fused

__all__ = ["TOLERATED", "WHITE", "foreground", "saturation", "with_saturation_checked"]

TOLERATED = 0.005
"""Share of the foreground by which a fused image may be more saturated than the most saturated source."""

WHITE = 254.5 / 255
"""The least value that is shown as 255."""

_SHOWS_SOMETHING = 0.02


def foreground(sources: np.ndarray) -> npt.NDArray[np.bool_]:
    """Where any of ``sources`` (n, z, y, x) in [0, 1] shows something: bool (z, y, x)."""
    return np.asarray(sources.max(axis=0) > _SHOWS_SOMETHING)


def saturation(image: np.ndarray, where: npt.NDArray[np.bool_]) -> float:
    """The share of ``where`` (z, y, x) in which ``image`` (z, y, x) is pure white; of nothing it is 0."""
    count = np.count_nonzero(where)
    return float(np.count_nonzero((image >= WHITE) & where) / count) if count else 0.0


def with_saturation_checked(fused: Fused, sources: np.ndarray) -> Fused:
    """``fused`` with ``saturated`` in its facts, and a note if it hides what no source hides.

    ``saturated`` holds the share of pure white in the foreground of the fused image and of each source
    (n, z, y, x).
    """
    where = foreground(sources)
    own = saturation(fused.array, where)
    theirs = [saturation(source, where) for source in sources]
    facts = {**fused.info, "saturated": {"fused": own, "sources": theirs}}
    if own > max(theirs) + TOLERATED:
        note = (
            f"{100 * own:.1f} % of the foreground of the fused volume is pure white, where of the most "
            f"saturated source {100 * max(theirs):.1f} % is: what is bright is not told apart there; choose "
            "another method, or exposure=measured if the method has it"
        )
        facts["notes"] = [*fused.info.get("notes", ()), note]
    return replace(fused, info=facts)
