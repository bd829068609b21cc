"""The closed-form minimiser of the deep-image-prior method's loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..noise import DENOISERS, NoiseModel, denoise, estimate_noise, worth_removing
from ..progress import Progress, ignore, subrange
from .exposure import EXPOSURES, expose
from .gains import PATCH, closed_form, patch_gains
from .noise_parameters import noise_kind, noise_level, put_back_share, told
from .parameters import check_parameters, parameter
from .removed import with_removed
from .types import Fused, SliceFusion, Stack, map_slices

__all__ = ["PatchPCA", "closed_forms", "gain_shares"]


@dataclass(frozen=True)
class PatchPCA:
    """T = Σ β_i X_i / Σ β_i² with gains β by patch PCA: what `dip` fits, at once and exactly.

    The loss of `dip` is a weighted distance to T plus a constant, so T is its minimiser: on clean
    sources `dip` can only approach it, on noisy ones `dip` adds a prior that T lacks.  T exceeds 1 where
    several sources are bright: `exposure` says how it is brought into [0, 1].  With `denoise` the noise of
    each source is estimated and removed first: the simple rival of `dip` on noisy data.  That takes away
    a part of small lesions, and `put_back` returns most of it.  On white noise `nlm` is as good as any; where
    noise is Rician or correlated `both` gains more.  The maps `removed_i` are what was taken out of each.

    Source: closed form of the model of Ma et al. 2021; see `medfuse.fusion.gains`; denoising: see
    `medfuse.noise`; clipping of Foi, doi:10.1016/j.sigpro.2009.04.018.
    """

    patch: int = parameter(PATCH, "side of the square patches that estimate the gains, in pixels", minimum=1)
    denoise: str = parameter(
        "none",
        "denoise the sources first: none, non-local means, total variation, the trained prior, or both",
        choices=DENOISERS,
    )
    unclip: bool = parameter(
        True, "after denoising, undo what clipping to [0, 1] did to the mean of the noise, as `dip` does"
    )
    put_back: float = put_back_share(1.0)
    noise: str = noise_kind()
    noise_level: float = noise_level()
    exposure: str = parameter(
        "measured", "how T, which exceeds 1, is shown: see medfuse.fusion.exposure", choices=EXPOSURES
    )

    def __post_init__(self) -> None:
        check_parameters(self)

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1]."""
        return self.with_noise(sources, None, progress)

    def with_noise(
        self, sources: Stack, noise: Sequence[NoiseModel] | None, progress: Progress = ignore
    ) -> Fused:
        """The same with the ``noise`` of each source known; None: it is estimated for each slice."""
        if self.denoise == "none":
            return expose(closed_forms(sources, self.patch, progress), self.exposure, sources, sources)
        known = told(noise, self.noise, self.noise_level)
        clean, models = self._denoised(sources, known, subrange(progress, 0.0, 0.9))
        target = closed_forms(clean, self.patch, subrange(progress, 0.9, 1.0))
        return with_removed(expose(target, self.exposure, clean, sources), sources, clean, models)

    def _denoised(
        self, sources: Stack, known: Sequence[NoiseModel] | None, progress: Progress
    ) -> tuple[Stack, list[tuple[NoiseModel, ...]]]:
        """The sources (n, z, y, x) and what noise was taken out of each in each slice (n, z)."""
        clean, models = np.empty_like(sources), []
        depth = sources.shape[1]
        for z in range(depth):
            progress(z / depth, f"slice {z + 1} of {depth}, denoising")
            noise = known or [estimate_noise(one, self.noise, self.noise_level) for one in sources[:, z]]
            models.append([worth_removing(one) for one in noise])
            clean[:, z] = [self._without_noise(*pair) for pair in zip(sources[:, z], models[z], strict=True)]
        return clean, list(zip(*models, strict=True))

    def _without_noise(self, source: np.ndarray, noise: NoiseModel) -> np.ndarray:
        return denoise(source, self.denoise, noise, unclip=self.unclip, share=self.put_back)


def closed_forms(sources: Stack, patch: int, progress: Progress = ignore) -> Fused:
    """T of every slice, in [0, √n], with the shares of the sources as maps."""

    def fuse_slice(slices: Stack) -> SliceFusion:
        gains = patch_gains(slices, patch)
        return SliceFusion(closed_form(slices, gains), gain_shares(gains))

    return map_slices(fuse_slice, sources, progress, clip=False)


def gain_shares(gains: np.ndarray) -> dict[str, np.ndarray]:
    """``weight_i``: the share β_i² of each source (Σ β_i² = 1), as maps (y, x) that add to 1."""
    return {f"weight_{i}": gain**2 for i, gain in enumerate(gains)}
