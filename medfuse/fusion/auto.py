"""The method that looks at the noise first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..noise import NoiseModel, estimate_noise, is_worth_denoising
from ..progress import Progress, ignore
from .dip.method import DeepImagePrior
from .dip.verdict import NO_NOISE
from .exposure import EXPOSURES
from .parameters import check_parameters, configured, parameter
from .pca import PatchPCA
from .ran import handed_over
from .types import Fused, FusionMethod, Stack, fuse_knowing

__all__ = ["Auto"]

_PRESETS = ("auto", *DeepImagePrior.PRESETS)


@dataclass(frozen=True)
class Auto:
    """`dip` where the noise that is found is worth it, else `pca`; named after what ran.

    The noise of each source is estimated.  Where removing it gains more than it costs, `dip` runs with
    `preset`; else `pca` does.

    Source: see `dip` and `pca`; the estimate of the noise and the verdict on it: `medfuse.noise`.
    """

    preset: str = parameter("auto", "preset of `dip`, should it run", choices=_PRESETS)
    exposure: str = parameter(
        "measured", "how what exceeds 1 is shown: see medfuse.fusion.exposure", choices=EXPOSURES
    )
    seed: int = parameter(1, "seed of `dip`", minimum=0)
    device: str = parameter("auto", "of `dip`: auto, cpu, cuda, cuda:N or mps")

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {name: {"preset": name} for name in _PRESETS[1:]}

    def __post_init__(self) -> None:
        check_parameters(self)

    @staticmethod
    def auto_preset(device: str) -> str:
        """That of `dip`; a device that is not there is refused before any work."""
        return DeepImagePrior.auto_preset(device)

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1]."""
        return self.with_noise(sources, None, progress)

    def with_noise(
        self, sources: Stack, noise: Sequence[NoiseModel] | None, progress: Progress = ignore
    ) -> Fused:
        """The same with the ``noise`` of each source known; None: it is estimated."""
        if noise is None:
            progress(0.0, "estimating the noise")
            noise = tuple(estimate_noise(source) for source in sources)
        ran: tuple[str, FusionMethod, str]
        if is_worth_denoising(noise):
            ran = "dip", self._dip(), "noise found"
        else:
            ran = "pca", PatchPCA(exposure=self.exposure), NO_NOISE
        fused = fuse_knowing(ran[1], sources, noise, progress)
        return replace(fused, info={"ran": handed_over(*ran), **fused.info})

    def _dip(self) -> FusionMethod:
        values = {"exposure": self.exposure, "seed": self.seed, "device": self.device}
        return configured(DeepImagePrior, values, self.preset)
