"""What is to be said beside the scores where the sources are noisy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..metrics import Scores, evaluate
from ..metrics.noise import Residual, flat_places, residual_noise
from ..noise import Assessment, NoiseModel, assess_noise, denoise, is_worth_denoising
from ..progress import Progress, subrange
from ..sources import Sources

__all__ = ["NoiseScores", "score_noise"]


@dataclass(frozen=True, eq=False)
class NoiseScores:
    """Scores that noise does not raise, of a study in whose sources noise was found.

    Parameters
    ----------
    findings:
        What noise was found in each source, in words.
    residual:
        Method -> what noise is left.
    denoised:
        Method -> scores against the sources after non-local means, each by its own noise.
    """

    findings: tuple[str, ...]
    residual: Mapping[str, Residual]
    denoised: Mapping[str, Scores]


def score_noise(
    sources: Sources,
    results: Mapping[str, np.ndarray],
    profile: str,
    progress: Progress,
    known: Sequence[Assessment] = (),
) -> NoiseScores | None:
    """Score the results (z, y, x) of methods on noisy sources; None where the sources are clean.

    Clean are sources whose noise is not worth removing (:func:`medfuse.noise.is_worth_denoising`).  It is
    estimated unless it is ``known``.
    """
    progress(0.0, "looking for noise")
    measured = _measured(sources)
    pairs = zip(sources.whole, measured, strict=True)
    found = known or [assess_noise(one[slices]) for one, slices in pairs]
    models = [one.model for one in found]
    if not is_worth_denoising(models):
        return None
    cleaned = _denoised(sources, measured, models, subrange(progress, 0.1, 0.6))
    step = 1 if max(max(one.widths) for one in models) == 0 else 3
    flat = flat_places(cleaned, step)
    residual = {key: residual_noise(array, flat, step) for key, array in results.items()}
    scores = {}
    for i, (key, array) in enumerate(results.items()):
        start, stop = (0.6 + 0.4 * step / len(results) for step in (i, i + 1))
        scores[key] = evaluate(cleaned, array, profile, subrange(progress, start, stop))
    return NoiseScores(tuple(one.finding for one in found), residual, scores)


def _measured(sources: Sources) -> list[npt.NDArray[np.intp]]:
    """The numbers of the slices in which something was measured, of each source."""
    if sources.valid is None:
        return [np.arange(len(one)) for one in sources.array]
    return [np.flatnonzero(valid.any(axis=(1, 2))) for valid in sources.valid]


def _denoised(
    sources: Sources, measured: list[npt.NDArray[np.intp]], models: list[NoiseModel], progress: Progress
) -> Sources:
    """The sources after non-local means."""
    array = sources.whole.copy()
    total, done = sum(slices.size for slices in measured), 0
    for source, slices, model in zip(array, measured, models, strict=True):
        for z in slices:
            progress(done / total, f"denoising the sources to score against them: {done + 1} of {total}")
            source[z] = denoise(source[z], "nlm", model, unclip=True)
            done += 1
    return Sources(array, sources.valid)
