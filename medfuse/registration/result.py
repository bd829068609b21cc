"""What a registration gives: the transform, how far to trust it, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["Registration", "Verdict"]

Verdict = Literal["ok", "doubtful", "failed", "given"]


@dataclass(frozen=True, eq=False)
class Registration:
    """A transform with its quality figures.

    Parameters
    ----------
    transform:
        Maps points of the fixed volume to points of the moving volume, LPS mm, as ITK has it and as
        :func:`medfuse.resample` takes it.  For ``rigid`` an ``Euler3DTransform``.
    kind:
        "rigid", or "none" where the transform was taken as given.
    verdict:
        "ok", "doubtful" (look before use), "failed" (do not use), or "given" (nothing was searched, so
        nothing was checked but the overlap).
    reasons:
        Why the verdict is not "ok", in plain words; for "ok" and "given" what was found or assumed.
    figures:
        Name -> number; NaN where it has no value.  ``overlap`` is the part of the smaller field of
        view that lies within the other.  After a search also: ``mi_before`` and ``mi_after``, the
        mutual information in nats by the headers (or at the initial transform) and at the end;
        ``agreement_mm`` and ``agreement_deg``, how near a search from another start came (mean over
        the body, and angle); ``rival``, the mutual information of the best *other* place as a share
        of the best one's; ``inverse_consistency_mm``, what remains of a point of the body after
        registering there and back; ``rotation_deg`` and ``shift_mm``, by how much the body turns and
        its centre moves from the fixed to the moving volume's world.
    seed, threads:
        What the result depends on beside the volumes and the versions.
    """

    transform: SimpleITK.Transform
    kind: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    seed: int = 1
    threads: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "figures", MappingProxyType(dict(self.figures)))
        object.__setattr__(self, "reasons", tuple(self.reasons))
