"""The deep-image-prior fusion method: its parameters, its presets, and the walk through the stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...progress import Progress, ignore, subrange
from ..gains import PATCH
from ..parameters import check_parameters, parameter
from ..pca import gain_shares
from ..types import Fused, SliceFusion, Stack, stack_slices

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["DeepImagePrior"]


@dataclass(frozen=True)
class DeepImagePrior:
    """Deep image prior as an inverse problem, with gains by patch PCA.

    Minimises Σ_i ‖X_i − β_i X0‖² over the weights of an untrained network that draws X0.  The network
    draws structure before it draws noise, so stopped in time it denoises while it fuses.  The defaults
    are the paper's; the preset `fast` shows the network the sources instead of noise, stops at the noise
    level of the closed-form target, and starts each slice from its neighbour's network.

    Maps: `weight_i`, the gain shares β_i²; `uncertainty`, the standard deviation of the output over
    about the last 20 steps: how unsettled the fit still is, not an error bar.

    Source: Ma, Hill, Anantrasirichai, Achim, "Multi-modal image fusion based on deep image prior"
    (2021); network of Ulyanov et al., doi:10.1109/CVPR.2018.00984.
    """

    steps: int = parameter(2000, "optimisation steps for a slice", minimum=1)
    learning_rate: float = parameter(0.01, "Adam's learning rate", minimum=1e-6, maximum=1.0)
    input: str = parameter(
        "noise",
        "what the network sees: uniform noise, or the sources and the target",
        choices=("noise", "sources"),
    )
    perturbation: float = parameter(
        0.03, "standard deviation of fresh noise added to the input at each step", minimum=0.0
    )
    width: int = parameter(128, "channels of each scale of the network", minimum=1)
    scales: int = parameter(
        5, "scales of the network; slices are padded to a multiple of 2^scales", minimum=1
    )
    skip_channels: int = parameter(4, "channels of each skip connection", minimum=1)
    output_channels: int = parameter(10, "images drawn at once and averaged", minimum=1)
    keep: str = parameter(
        "best",
        "the output with the smallest loss, or the average of the late ones",
        choices=("best", "average"),
    )
    stop: str = parameter(
        "never",
        "early stop: never, or where the distance to the target equals its noise",
        choices=("never", "discrepancy"),
    )
    stop_factor: float = parameter(1.0, "discrepancy stop: multiple of the noise variance", minimum=0.0)
    warm_start: bool = parameter(False, "start a slice from the network of the slice before")
    warm_steps: int = parameter(2000, "steps for a slice that is started warm", minimum=1)
    patch: int = parameter(PATCH, "side of the patches that estimate the gains, in pixels", minimum=1)
    seed: int = parameter(1, "seed of the network's weights and of all noise", minimum=0)
    device: str = parameter("auto", "auto, cpu, cuda, cuda:N or mps")

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "fast": {
            "steps": 120,
            "learning_rate": 0.02,
            "input": "sources",
            "perturbation": 0.0,
            "width": 32,
            "output_channels": 1,
            "stop": "discrepancy",
            "warm_start": True,
            "warm_steps": 30,
        },
    }

    def __post_init__(self) -> None:
        check_parameters(self)

    @staticmethod
    def auto_preset(device: str) -> str:
        """`paper` where a GPU makes its 2000 steps bearable, `fast` on the CPU."""
        from .._torch import resolve_device

        return "fast" if resolve_device(device).type == "cpu" else "paper"

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1]; cancels within one step."""
        from .._torch import resolve_device
        from .engine import Engine

        depth = sources.shape[1]
        device = resolve_device(self.device)
        engine = Engine(self, len(sources), device)
        slices = []
        for z in range(depth):
            part = subrange(progress, z / depth, (z + 1) / depth)
            slices.append(self._fuse_slice(engine, sources[:, z], f"slice {z + 1} of {depth}", part))
        fused = stack_slices(slices)
        return Fused(fused.array, fused.maps, {**fused.info, "device": str(device)})

    def _fuse_slice(self, engine: Engine, sources: Stack, name: str, progress: Progress) -> SliceFusion:
        from .engine import make_problem

        problem = make_problem(sources, self.patch)
        run = engine.start(problem)
        while not run.stop_reason:
            progress(run.steps / run.limit, f"{name}, step {run.steps + 1} of {run.limit}")
            engine.step(run)
        info = {
            "iterations": run.steps,
            "loss": run.best_distance + problem.floor,
            "floor": problem.floor,
            "loss_curve": [distance + problem.floor for distance in run.curve()],
            "stop_reason": run.stop_reason,
        }
        maps = {**gain_shares(problem.gains), "uncertainty": run.spread()}
        return SliceFusion(run.image(self.keep), maps, info)
