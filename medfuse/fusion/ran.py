"""Which method a result came from, where that is not the one that was asked for.

A method that hands the work to another one says so in ``info["ran"]``: the key of the other, its parameters,
and in a few words why.  Everything that shows a result is named after what ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .parameters import values_of
from .types import Fused, FusionMethod

__all__ = ["Ran", "handed_over", "what_ran"]


@dataclass(frozen=True)
class Ran:
    """The method that made a result.

    Parameters
    ----------
    key:
        Its key of :data:`medfuse.METHODS`.
    asked:
        The key that was asked for.
    parameters:
        Its parameters.
    why:
        Why it ran and not the one asked for, or what else must be known; "" if nothing.
    """

    key: str
    asked: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""

    @property
    def title(self) -> str:
        """``pca``, ``pca (auto: no noise to remove)``, ``dip (pca in 3 of 20 slices)``."""
        if not self.why:
            return self.key
        return (
            f"{self.key} ({self.why})" if self.asked == self.key else f"{self.key} ({self.asked}: {self.why})"
        )


def handed_over(key: str, method: FusionMethod, why: str) -> dict[str, Any]:
    """What a method writes as ``ran`` into the facts of a result that ``method`` of this ``key`` made."""
    return {"key": key, "why": why, "parameters": values_of(method)}


def what_ran(asked: str, method: FusionMethod, fused: Fused) -> Ran:
    """The method behind ``fused``, the result of ``method`` whose key is ``asked``."""
    ran = fused.info.get("ran", handed_over(asked, method, ""))
    return Ran(ran["key"], asked, ran["parameters"], ran["why"])
