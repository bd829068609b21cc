"""What is to be said beside the scores where the sources are noisy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..metrics import Scores, evaluate
from ..metrics.noise import Residual, flat_places, residual_noise
from ..noise import NoiseModel, assess_noise, denoise, is_worth_denoising
from ..progress import Progress, subrange
from ..sources import Sources, continued

__all__ = ["NoiseScores", "score_noise"]


class _Slices(NamedTuple):
    """Some slices (k, y, x) and their numbers (k,)."""

    numbers: npt.NDArray[np.intp]
    images: np.ndarray


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
    sources: Sources, results: Mapping[str, np.ndarray], profile: str, progress: Progress
) -> NoiseScores | None:
    """Score the results (z, y, x) of methods on noisy sources; None where the sources are clean.

    Clean are sources whose noise is not worth removing (:func:`medfuse.noise.is_worth_denoising`).
    """
    progress(0.0, "looking for noise")
    measured = _measured(sources)
    found = [assess_noise(slices) for _, slices in measured]
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


def _measured(sources: Sources) -> list[_Slices]:
    """Of each source the slices in which something was measured, continued where they end."""
    if sources.valid is None:
        return [_Slices(np.arange(len(one)), one) for one in sources.array]
    slices = []
    for source, valid in zip(sources.array, sources.valid, strict=True):
        numbers = np.flatnonzero(valid.any(axis=(1, 2)))
        slices.append(_Slices(numbers, continued(source[numbers], valid[numbers])))
    return slices


def _denoised(
    sources: Sources, measured: list[_Slices], models: list[NoiseModel], progress: Progress
) -> Sources:
    """The sources after non-local means."""
    array = sources.array.copy()
    total, done = sum(len(numbers) for numbers, _ in measured), 0
    for i, ((numbers, slices), model) in enumerate(zip(measured, models, strict=True)):
        for z, image in zip(numbers.tolist(), slices, strict=True):
            progress(done / total, f"denoising the sources to score against them: {done + 1} of {total}")
            array[i, z] = denoise(image, "nlm", model, unclip=True)
            done += 1
    return Sources(array, sources.valid)
