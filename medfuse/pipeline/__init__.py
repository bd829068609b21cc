"""One patient's story: read, register, resample, rescale (:mod:`.alignment`), fuse, score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

import numpy as np

from ..colour import coloured, combine_chroma, merge_colour, split_colour
from ..fusion import METHODS, Fused, FusionMethod, Ran, fuse, make_method, suited, what_ran
from ..fusion.pca import PatchPCA
from ..intensity import Window, colour_map_specs
from ..metrics import Scores, evaluate, left_out
from ..noise import NoiseModel
from ..progress import Progress, shown, subrange
from ..recipe import Recipe
from ..sources import Sources
from ..study import Study
from ..volume import Volume
from ..weights import check_weights
from .alignment import Aligned, Clock, align, sources_of
from .applying import apply_transform
from .noise_scores import NoiseScores, score_noise
from .truth import TruthScores, score_truth

__all__ = [
    "BASELINES",
    "Aligned",
    "NoiseScores",
    "StudyResult",
    "TruthScores",
    "align",
    "apply_transform",
    "run_study",
]

BASELINES = ("average", "maximum", "pca")
"""Methods whose scores stand beside the chosen one's, so that a reader sees what it adds.

Beside ``dip`` also ``pca_nlm``: ``pca`` of sources denoised by non-local means, with what clipping did to the
noise taken back as `dip` does: its rival on noisy data.  Where sources were denoised on their own grids, or
by ``pca``, also ``pca_undenoised``: ``pca`` of what was read.
"""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class StudyResult(Aligned):
    """All that came out of one study, in memory; :func:`medfuse.write_result` makes a folder of it.

    Parameters
    ----------
    method:
        The configured method that was asked for, after presets; see :attr:`ran`.
    fused:
        The method's result.
    baselines:
        Key -> result of the other methods shown for comparison.
    scores:
        Key -> scores of the method that ran (first) and of the baselines.
    noise:
        Scores that noise does not raise, where it was found in the sources; None where they are clean.
    beside_truth:
        How near the results are to the truth, where that is known; else None.

    The others are those of :class:`Aligned`.
    """

    method: FusionMethod
    fused: Fused
    baselines: Mapping[str, np.ndarray]
    scores: Mapping[str, Scores]
    noise: NoiseScores | None = None
    beside_truth: TruthScores | None = None

    @property
    def ran(self) -> Ran:
        """The method that the result came from: not always the one that was asked for."""
        return what_ran(self.recipe.method, self.method, self.fused)

    @property
    def summary(self) -> tuple[str, ...]:
        """Lines for the terminal: what ran, then the verdict on each registration."""
        return (f"fused by {self.ran.title}", *super().summary)

    @property
    def colour_maps(self) -> tuple[str, ...]:
        """The colour map of each volume; "none" for those shown in grey or in colours of their own."""
        specs = colour_map_specs(self.recipe.colour_maps, [volume.modality for volume in self.volumes])
        pairs = zip(self.volumes, specs, strict=True)
        return tuple("none" if volume.is_colour else name for volume, name in pairs)

    @property
    def fused_volume(self) -> Volume:
        """The fused volume in [0, 1] on the fixed volume's grid; its luma, if a source is coloured."""
        return Volume(self.fused.array, self.volumes[0].geometry, "OT")

    @property
    def fused_colour(self) -> Volume | None:
        """The fused volume (z, y, x, 3), 0 to 255, with the chroma of coloured sources; None without any.

        A source's chroma is scaled as its luma was, or is that of the colour map of its value; where it was
        not measured, it is grey.
        """
        maps = zip(self.volumes, self.windows, self.colour_maps, self.sources.array, strict=True)
        chromas = [
            _chroma(volume, window) if volume.is_colour else split_colour(coloured(values, name))[1]
            for volume, window, name, values in maps
            if volume.is_colour or name != "none"
        ]
        if not chromas:
            return None
        colours = merge_colour(self.fused.array, combine_chroma(np.stack(chromas)))
        return self.fused_volume.with_array(np.rint(255 * colours))


def run_study(study: Study, recipe: Recipe | None = None, progress: Progress | None = None) -> StudyResult:
    """Read, register, fuse and score one study.  Nothing is written.

    Parameters
    ----------
    study:
        The files.
    recipe:
        What to do; None for the defaults.
    progress:
        Called with (fraction, message); raise :class:`medfuse.Cancelled` in it to stop.  None: a bar, where
        stderr is a terminal.

    Raises
    ------
    MedfuseError
        One of its subclasses, with what to do about it.
    """
    with shown(progress) as report:
        return _run(study, recipe or Recipe(), report)


def _run(study: Study, recipe: Recipe, progress: Progress) -> StudyResult:
    method = recipe.build_method()  # first, so that a typing error costs no reading
    check_weights(method)
    aligned = align(study, recipe, subrange(progress, 0.0, 0.25))
    clock = Clock(aligned.timings)
    sources = aligned.sources
    method, notes = suited(method, [volume.modality for volume in aligned.volumes])
    with clock("fuse"):
        known = [one.model for one in aligned.known_noise] or None
        fused = fuse(sources, method, subrange(progress, 0.25, 0.8), known)
        ran = what_ran(recipe.method, method, fused)
    with clock("baselines"):
        baselines = _baselines(aligned, ran, known, subrange(progress, 0.8, 0.9))
    with clock("score"):
        results = {ran.key: fused.array, **baselines}
        scores = _score(sources, results, recipe.profile, subrange(progress, 0.9, 0.95))
        on_noise = score_noise(
            sources, results, recipe.profile, subrange(progress, 0.95, 1.0), aligned.known_noise
        )
        beside = score_truth(aligned.truth, sources, results, _exposure(ran))
    kept = {one.name: getattr(aligned, one.name) for one in fields(aligned)}
    kept["timings"] = clock.seconds
    kept["notes"] = (*aligned.notes, *notes, *fused.info.get("notes", ()), *left_out(recipe.profile))
    return StudyResult(
        **kept, method=method, fused=fused, baselines=baselines, scores=scores, noise=on_noise,
        beside_truth=beside,
    )  # fmt: skip


def _baselines(
    aligned: Aligned, ran: Ran, known: Sequence[NoiseModel] | None, progress: Progress
) -> dict[str, np.ndarray]:
    sources, rivals = aligned.sources, _rivals(ran)
    results = {}
    for i, (key, rival) in enumerate(rivals.items()):
        part = subrange(progress, i / len(rivals), (i + 1) / len(rivals))
        results[key] = fuse(sources, rival, _named(part, key), known).array
    if any(one.planes for one in aligned.removed) or ran.parameters.get("denoise", "none") != "none":
        as_read = sources_of(aligned.volumes, aligned.windows)
        results["pca_undenoised"] = fuse(as_read, _pca(ran)).array
    return results


def _named(progress: Progress, key: str) -> Progress:
    """``progress`` whose messages say that they are of the baseline ``key``."""
    return lambda fraction, message: progress(fraction, f"baseline {key}: {message}")


def _rivals(ran: Ran) -> dict[str, FusionMethod]:
    rivals = {key: METHODS[key]() if key != "pca" else _pca(ran) for key in BASELINES if key != ran.key}
    if ran.key == "dip":
        rivals["pca_nlm"] = _pca(ran, {"denoise": "nlm", "unclip": True})
    return rivals


def _pca(ran: Ran, values: Mapping[str, Any] = MappingProxyType({})) -> FusionMethod:
    """``pca`` with the exposure of what ran: else they would differ by more than by the method."""
    return make_method(METHODS["pca"], {**values, "exposure": _exposure(ran)})


def _exposure(ran: Ran) -> str:
    return str(ran.parameters.get("exposure", PatchPCA().exposure))


def _score(
    sources: Sources, results: Mapping[str, np.ndarray], profile: str, progress: Progress
) -> dict[str, Scores]:
    scores = {}
    for i, (key, array) in enumerate(results.items()):
        part = subrange(progress, i / len(results), (i + 1) / len(results))
        scores[key] = evaluate(sources, array, profile, part)
    return scores


def _chroma(volume: Volume, window: Window) -> np.ndarray:
    chroma = split_colour((volume.array - window.lower) / (window.upper - window.lower))[1]
    return chroma if volume.valid is None else np.where(volume.valid[..., None], chroma, 0.5)
