"""A study whose volumes are known without their noise: what its fused volume should have been.

The truth is the closed form (`pca`) of the volumes without noise: registered as the noisy ones were, by their
windows, and with the exposure of the method that ran, measured on its own sources as theirs is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..fusion import METHODS, fuse, make_method
from ..io import sha256_of_input
from ..metrics import Likeness, compare_with_truth
from ..sources import Sources
from ..study import Study
from ..volume import Volume

__all__ = ["TruthScores", "hashes_of_truth", "read_truth", "score_truth"]


@dataclass(frozen=True, eq=False)
class TruthScores:
    """How near the results of methods are to the truth.

    Parameters
    ----------
    picture:
        What the fused volume should have been, (z, y, x) in [0, 1].
    exposure:
        With which it was made: one of :data:`medfuse.fusion.exposure.EXPOSURES`.
    likeness:
        Method -> how alike its result and the picture are.
    """

    picture: np.ndarray
    exposure: str
    likeness: Mapping[str, Likeness]


def read_truth(study: Study, volumes: Sequence[Volume]) -> tuple[Volume, ...] | None:
    """Each of ``volumes`` without noise, itself where nothing is said of it; None where of none is.

    Raises
    ------
    GeometryError
        If a truth lies on another grid than its volume.
    """
    if not study.truth_files:
        return None
    return tuple(one.read_truth(volume) for one, volume in zip(study.volumes, volumes, strict=True))


def hashes_of_truth(study: Study) -> tuple[str, ...]:
    """Sha256 of the truth of each volume, "" for one that has none; nothing where none has."""
    if not study.truth_files:
        return ()
    return tuple(sha256_of_input(one.truth) if one.truth else "" for one in study.volumes)


def score_truth(
    truth: Sources | None, sources: Sources, results: Mapping[str, np.ndarray], exposure: str
) -> TruthScores | None:
    """Compare ``results`` (z, y, x) with the closed form of ``truth``; None where that is not known."""
    if truth is None:
        return None
    picture = fuse(truth, make_method(METHODS["pca"], {"exposure": exposure})).array
    likeness = {key: compare_with_truth(array, picture, sources) for key, array in results.items()}
    return TruthScores(picture, exposure, likeness)
