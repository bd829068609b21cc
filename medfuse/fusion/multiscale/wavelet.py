"""Fusion in the discrete wavelet transform."""

from __future__ import annotations

from dataclasses import dataclass

from ...progress import Progress, ignore
from ..parameters import check_parameters, parameter
from ..types import Fused, SliceFusion, Stack, map_slices
from .coefficient_rules import activity, strongest

__all__ = ["Wavelet"]


@dataclass(frozen=True)
class Wavelet:
    """Discrete wavelet transform: the largest detail coefficient, the mean of the approximation.

    A side that is too short for the wavelet is not transformed; an image in which both are is averaged.

    Source: Li, Manjunath, Mitra, "Multisensor image fusion using the wavelet transform", Graphical Models
    and Image Processing 57 (1995), doi:10.1006/gmip.1995.1022, whose rule takes the largest magnitude in a
    window; here the largest energy, and no majority filter afterwards.
    """

    wavelet: str = parameter(
        "db2",
        "the wavelet, by its usual short name",
        choices=("haar", "db2", "db4", "sym4", "sym8", "coif1", "bior2.2", "bior4.4"),
    )
    levels: int = parameter(4, "levels of the transform; fewer where the image is too small", minimum=1)
    window: int = parameter(
        1, "side of the square window whose energy decides; 1 compares single coefficients", minimum=1
    )

    def __post_init__(self) -> None:
        check_parameters(self)

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1]."""
        return map_slices(self._fuse_slice, sources, progress)

    def _fuse_slice(self, sources: Stack) -> SliceFusion:
        import pywt

        shape = sources.shape[1:]
        deepest = [pywt.dwt_max_level(side, self.wavelet) for side in shape]
        axes = [axis for axis, level in enumerate(deepest) if level > 0]
        if not axes:
            return SliceFusion(sources.mean(axis=0))
        levels = min(self.levels, *(deepest[axis] for axis in axes))
        base, *details = pywt.wavedecn(
            sources.astype(float), self.wavelet, level=levels, axes=[axis + 1 for axis in axes]
        )
        chosen = [
            {band: strongest(values, activity(values, self.window)) for band, values in level.items()}
            for level in details
        ]
        fused = pywt.waverecn([base.mean(axis=0), *chosen], self.wavelet, axes=axes)
        return SliceFusion(fused[: shape[0], : shape[1]])  # the inverse may add one to an odd side
