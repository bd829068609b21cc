"""The closed-form minimiser of the deep-image-prior method's loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import ParameterError
from ..noise import DENOISERS, denoise, estimate_noise
from ..progress import Progress, ignore
from .gains import PATCH, closed_form, patch_gains
from .headroom import HEADROOMS, within_range
from .parameters import check_parameters, parameter
from .types import Fused, SliceFusion, Stack, map_slices

__all__ = ["PatchPCA", "gain_shares"]


@dataclass(frozen=True)
class PatchPCA:
    """T = Σ β_i X_i / Σ β_i² with gains β by patch PCA: what `dip` fits, at once and exactly.

    The loss of `dip` is a weighted distance to T plus a constant, so T is its minimiser: on clean
    sources `dip` can only approach it, on noisy ones `dip` adds a prior that T lacks.  T exceeds 1 where
    several sources are bright, and is clipped to [0, 1] here as the sigmoid does there.  With `denoise`
    the noise of each source is estimated and removed first: the simple rival of `dip` on noisy data.  What
    clipping did to the noise stays: a dark background too bright, unless `unclip` takes it back.

    Source: closed form of the model of Ma et al. 2021; see `medfuse.fusion.gains`; denoising by
    see `medfuse.noise`; clipping of Foi, doi:10.1016/j.sigpro.2009.04.018.
    """

    patch: int = parameter(PATCH, "side of the square patches that estimate the gains, in pixels", minimum=1)
    denoise: str = parameter(
        "none",
        "denoise the sources first: none, non-local means, total variation or the trained prior",
        choices=DENOISERS,
    )
    unclip: bool = parameter(
        False, "after denoising, undo what clipping to [0, 1] did to the mean of the noise, as `dip` does"
    )
    headroom: str = parameter(
        "clip", "what to do where the result exceeds 1: see medfuse.fusion.headroom", choices=HEADROOMS
    )

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.unclip and self.denoise == "none":
            raise ParameterError(
                "unclip=True with denoise=none: clipping shifts the mean of noise, which must be averaged "
                "first; set denoise=nlm or tv, or unclip=False"
            )

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1]."""
        return map_slices(self._fuse_slice, sources, progress)

    def _fuse_slice(self, sources: Stack) -> SliceFusion:
        if self.denoise != "none":
            sources = np.stack([self._without_noise(source) for source in sources])
        gains = patch_gains(sources, self.patch)
        image = within_range(closed_form(sources, gains), len(sources), self.headroom)
        return SliceFusion(image, gain_shares(gains))

    def _without_noise(self, source: np.ndarray) -> np.ndarray:
        return denoise(source, self.denoise, estimate_noise(source), unclip=self.unclip)


def gain_shares(gains: np.ndarray) -> dict[str, np.ndarray]:
    """``weight_i``: the share β_i² of each source (Σ β_i² = 1), as maps (y, x) that add to 1."""
    return {f"weight_{i}": gain**2 for i, gain in enumerate(gains)}
