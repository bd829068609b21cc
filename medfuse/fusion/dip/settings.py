"""The settings of the deep image prior: one value that engine and method both read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ...errors import ParameterError
from ..exposure import EXPOSURES
from ..gains import PATCH
from ..noise_parameters import noise_kind, noise_level, put_back_share
from ..parameters import check_parameters, parameter
from .verdict import NOISE_FLOOR

__all__ = ["Settings"]

# What the presets for noisy data share; each choice is argued in the docstring of the method.
_RECORRUPTED: Mapping[str, Any] = {
    "input": "sources",
    "perturbation": 0.0,
    "recorruption": 1.0,
    "draws": "sources",
    "output": "correction",
    "learning_rate": 0.01,
    "scales": 4,
    "skip_channels": 16,
    "output_channels": 1,
    "keep": "average",
    "warm_start": True,
    "noise_floor": NOISE_FLOOR,
    "put_back": 1.0,
    "exposure": "measured",
}


@dataclass(frozen=True)
class Settings:
    """Parameters and presets of the method `dip`; the defaults are the paper's."""

    steps: int = parameter(2000, "optimisation steps for a slice", minimum=1)
    learning_rate: float = parameter(0.01, "Adam's learning rate", minimum=1e-6, maximum=1.0)
    input: str = parameter(
        "noise",
        "what the network sees: uniform noise; the sources and the target; or the same after denoising",
        choices=("noise", "sources", "denoised"),
    )
    perturbation: float = parameter(
        0.03, "standard deviation of fresh noise added to the input at each step", minimum=0.0
    )
    recorruption: float = parameter(
        0.0,
        "α of fresh noise z like the data's: the network sees y + αz and is fitted to y − z/α; 0 for none",
        minimum=0.0,
        maximum=10.0,
    )
    draws: str = parameter(
        "fused", "what the network draws: the fused image or the sources", choices=("fused", "sources")
    )
    output: str = parameter(
        "image",
        "the network's output: an image in (0, 1), or a correction of the sources that it sees",
        choices=("image", "correction"),
    )
    width: int = parameter(128, "channels of each scale of the network", minimum=1)
    scales: int = parameter(
        5, "scales of the network; slices are padded to a multiple of 2^scales", minimum=1
    )
    skip_channels: int = parameter(4, "channels of each skip connection", minimum=1)
    output_channels: int = parameter(10, "copies of each image drawn at once and averaged", minimum=1)
    ensemble: int = parameter(1, "networks fitted side by side and averaged", minimum=1)
    keep: str = parameter(
        "best",
        "the output of the best step, or the average of the late ones",
        choices=("best", "average"),
    )
    denoised_share: float = parameter(
        0.0,
        "share of the denoised sources in the mean of these and what the network drew",
        minimum=0.0,
        maximum=1.0,
    )
    denoiser: str = parameter(
        "both",
        "what denoises them: non-local means (needs no training), the trained prior, or the mean of both",
        choices=("nlm", "prior", "both"),
    )
    put_back: float = put_back_share(0.0)
    noise: str = noise_kind()
    noise_level: float = noise_level()
    stop: str = parameter(
        "never",
        "early stop: never; where the distance to the data is their noise; where the outputs varied least",
        choices=("never", "discrepancy", "variance"),
    )
    stop_factor: float = parameter(1.0, "discrepancy stop: multiple of the noise variance", minimum=0.0)
    stop_window: int = parameter(100, "variance stop: outputs looked at together", minimum=2)
    stop_patience: int = parameter(1000, "variance stop: steps without a better one", minimum=1)
    warm_start: bool = parameter(False, "start a slice from the network of its neighbour")
    warm_steps: int = parameter(2000, "steps for a slice that is started warm", minimum=1)
    batch: int = parameter(
        1,
        "slices fitted side by side, each with its own network; more keep a GPU busy and take more memory",
        minimum=1,
    )
    noise_floor: float = parameter(
        0.0, "noise (standard deviation in the target) below which the target itself is returned", minimum=0.0
    )
    exposure: str = parameter(
        "clip", "how X0, which exceeds 1, is shown: see medfuse.fusion.exposure", choices=EXPOSURES
    )
    precision: str = parameter(
        "float32",
        "float32; bfloat16 for the network's body only; float64, in which two runs agree to the last step",
        choices=("float32", "bfloat16", "float64"),
    )
    patch: int = parameter(PATCH, "side of the patches that estimate the gains, in pixels", minimum=1)
    seed: int = parameter(1, "seed of the network's weights and of all noise", minimum=0)
    device: str = parameter("auto", "auto, cpu, cuda, cuda:N or mps")

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "balanced": {**_RECORRUPTED, "steps": 200, "warm_steps": 60, "width": 32, "denoised_share": 0.67},
        "fast": {**_RECORRUPTED, "steps": 40, "warm_steps": 4, "width": 16, "denoised_share": 0.9},
    }

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.recorruption and self.input != "sources":
            raise ParameterError(
                f"recorruption={self.recorruption:g} with input={self.input}: it recorrupts the sources that "
                "the network sees; set input=sources, or recorruption=0"
            )
        if self.output == "correction" and (self.input == "noise" or self.draws == "fused"):
            raise ParameterError(
                f"output=correction with input={self.input} and draws={self.draws}: only sources that the "
                "network sees can be corrected; set draws=sources and input=sources, or output=image"
            )
        for name in ("denoised_share", "put_back"):
            if getattr(self, name) and self.draws == "fused":
                raise ParameterError(
                    f"{name}={getattr(self, name):g} with draws=fused: it is a share of the sources; set "
                    f"draws=sources, or {name}=0"
                )
        if self.output == "correction" and self.output_channels != 1:
            raise ParameterError(
                f"output=correction with output_channels={self.output_channels}: a source is corrected once; "
                "set output_channels=1"
            )

    def top(self, n_sources: int) -> float:
        """The fused value that a network's 1 stands for: 1 where clipping is meant, else √n."""
        return 1.0 if self.draws == "sources" or self.exposure == "clip" else math.sqrt(n_sources)
