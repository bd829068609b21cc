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
        :func:`medfuse.resample` takes it.  For "rigid" an ``Euler3DTransform``, for "similarity" a
        ``Similarity3DTransform``, for "affine" an ``AffineTransform``, for "deformable" a
        ``CompositeTransform`` of the rigid transform and a ``DisplacementFieldTransform``, which acts first.
    kind:
        "rigid", "similarity", "affine" or "deformable", or "none" where the transform was taken as given.
    verdict:
        "ok", "doubtful" (look before use), "failed" (do not use), or "given" (nothing was searched, so
        nothing was checked but the overlap).
    reasons:
        Why the verdict is not "ok", in plain words; for "ok" and "given" what was found or assumed.
    figures:
        Name -> number; NaN where it has no value: see :mod:`medfuse.registration.quality`.
    seed, threads:
        What the result depends on beside the volumes and the versions.
    preset:
        Name of the :class:`~medfuse.registration.presets.Preset` that was used.
    start:
        Where the search started: "search" (many poses), "header" or "transform".
    notes:
        What had to be assumed of the volumes.
    """

    transform: SimpleITK.Transform
    kind: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    seed: int = 1
    threads: int = 1
    preset: str = "general"
    start: str = "search"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "figures", MappingProxyType(dict(self.figures)))
        object.__setattr__(self, "reasons", tuple(self.reasons))
        object.__setattr__(self, "notes", tuple(self.notes))
