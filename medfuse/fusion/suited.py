"""Methods that want to know what the sources are: those that were trained for certain modalities."""

from __future__ import annotations

from collections.abc import Sequence

from .types import FusionMethod

__all__ = ["suited"]


def suited(method: FusionMethod, modalities: Sequence[str]) -> tuple[FusionMethod, tuple[str, ...]]:
    """``method`` made ready for sources of these DICOM modalities, and notes for the reader of the result.

    A method that cares has ``for_modalities(modalities)``, which returns these two; others stay as they are.
    """
    if hasattr(method, "for_modalities"):
        made, notes = method.for_modalities(tuple(modalities))
        return made, tuple(notes)
    return method, ()
