"""What a method took out of its sources as noise: maps to look at, and whether they look like noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..noise import MUCH_STRUCTURE, NoiseModel, residual_structure, taken_out
from .types import Fused, Stack

__all__ = ["with_removed"]


def with_removed(
    fused: Fused,
    sources: Stack,
    clean: np.ndarray,
    noise: Sequence[Sequence[NoiseModel]],
    of_fused: np.ndarray | None = None,
) -> Fused:
    """``fused`` with the maps ``removed_i``, what was taken out of each source.

    See :func:`medfuse.noise.taken_out`.  Where nothing was taken out of any source there are no such maps.

    Parameters
    ----------
    fused:
        What was made of ``clean``.
    sources, clean:
        (n, z, y, x) before and after, the latter with what clipping did to the noise undone.
    noise:
        The noise of each source in each slice (n, z); a level of 0 where nothing was taken out.
    of_fused:
        (z, y, x): what was taken out of what is made of the sources, for the map ``removed``.

    Returns
    -------
    Fused
        With ``removed_structure`` among its facts, one figure for each source: how much more the residual
        varies at a coarse scale than noise would, near 1 or less for pure noise, 0 where nothing was taken
        out; and with a note where that is more than it should be.
    """
    if not any(model.level for models in noise for model in models):
        return fused
    removed = np.zeros(sources.shape, np.float32)
    structure = []
    for i, models in enumerate(noise):
        for z, model in enumerate(models):
            if model.level:
                removed[i, z] = taken_out(sources[i, [z]].astype(float), clean[i, [z]], model)[0]
        structure.append(_structure(removed[i], models))
    notes = [
        f"source {i + 1}: what was taken out as noise has structure ({figure:.1f} times that of noise): look "
        f"at the map removed_{i}"
        for i, figure in enumerate(structure)
        if figure > MUCH_STRUCTURE
    ]
    facts = {"removed_structure": structure, "notes": [*fused.info.get("notes", ()), *notes]}
    maps = {f"removed_{i}": one for i, one in enumerate(removed)}
    if of_fused is not None:
        maps["removed"] = np.asarray(of_fused, np.float32)
    return replace(fused, maps={**fused.maps, **maps}, info={**fused.info, **facts})


def _structure(removed: np.ndarray, models: Sequence[NoiseModel]) -> float:
    """Root mean square of the figures of the slices (z, y, x) of which something was taken out."""
    found = [
        residual_structure(one[None], model)
        for one, model in zip(removed, models, strict=True)
        if model.level
    ]
    return float(np.sqrt(np.mean(np.square(found)))) if found else 0.0
