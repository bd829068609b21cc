"""The deep-image-prior fusion method: its parameters, its presets, and the walk through the stack."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...errors import DeviceError, ParameterError
from ...progress import Progress, ignore, subrange
from ..gains import PATCH
from ..headroom import HEADROOMS, within_range
from ..noise import NoiseModel, estimate_noise
from ..parameters import check_parameters, parameter
from ..pca import gain_shares
from ..types import Fused, SliceFusion, Stack, stack_slices

if TYPE_CHECKING:
    import torch

    from .engine import Engine
    from .problem import Problem
    from .run import Fitted
    from .slice_order import Move

__all__ = ["DeepImagePrior"]

# What the presets for noisy data share; each choice is argued in the class's docstring.
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
    "noise_floor": 0.015,
}


@dataclass(frozen=True)
class DeepImagePrior:
    """Deep image prior as an inverse problem, with gains by patch PCA.

    Minimises Σ_i ‖X_i − β_i X0‖² over the weights of an untrained network that draws X0.  The network
    draws structure before it draws noise, so stopped in time it denoises while it fuses.  The defaults
    are the paper's, preset `paper`.

    The presets `fast` and `balanced` are for noisy data, and differ in more than speed.  The network sees
    the sources, not noise, and corrects them: it has less far to go.  It draws the n sources β_i X0, each
    with the noise model of its own, and X0 is the closed form of what it drew.  Recorruption keeps it from
    learning the noise, so that the number of steps hardly matters.  What it drew is averaged with the
    sources after non-local means, `denoised_share` of these: the errors of the two have little in common.
    What clipping to [0, 1] did to the noise is undone at the end.  A slice starts from the network of its
    neighbour.  Where the noise in the closed form is below `noise_floor` there is nothing to gain, and the
    closed form is the result.

    Maps: `weight_i`, the gain shares β_i²; `uncertainty`, the standard deviation of X0 over late outputs
    and over the members of an ensemble.  Under recorruption each output comes from other noise, so it
    shows how far the noise of the data reaches into X0, and it follows the error in rank; what all
    outputs get wrong alike, such as a lost edge, it cannot show.  In `paper` it shows how unsettled the
    fit still is.  Where the closed form is returned it is the noise of that.

    Source: Ma, Hill, Anantrasirichai, Achim, "Multi-modal image fusion based on deep image prior"
    (2021); network of Ulyanov et al., doi:10.1109/CVPR.2018.00984; recorruption of Pang et al.,
    doi:10.1109/CVPR46437.2021.00208; clipping of Foi, doi:10.1016/j.sigpro.2009.04.018.
    """

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
        "share of the sources after non-local means in the mean of these and what the network drew",
        minimum=0.0,
        maximum=1.0,
    )
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
    headroom: str = parameter(
        "clip", "what to do where the fused image exceeds 1: see medfuse.fusion.headroom", choices=HEADROOMS
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
        "balanced": {**_RECORRUPTED, "steps": 200, "warm_steps": 60, "width": 32, "denoised_share": 0.35},
        "fast": {**_RECORRUPTED, "steps": 120, "warm_steps": 15, "width": 16, "denoised_share": 0.5},
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
        if self.denoised_share and self.draws == "fused":
            raise ParameterError(
                f"denoised_share={self.denoised_share:g} with draws=fused: it is a share of the sources; set "
                "draws=sources, or denoised_share=0"
            )
        if self.output == "correction" and self.output_channels != 1:
            raise ParameterError(
                f"output=correction with output_channels={self.output_channels}: a source is corrected once; "
                "set output_channels=1"
            )

    @staticmethod
    def auto_preset(device: str) -> str:
        """`balanced` on a GPU, `fast` on the CPU; both return the closed form where data are clean."""
        from ..devices import resolve_device

        return "fast" if resolve_device(device).type == "cpu" else "balanced"

    def top(self, n_sources: int) -> float:
        """The fused value that a network's 1 stands for: 1 where clipping is meant, else √n."""
        return 1.0 if self.draws == "sources" or self.headroom == "clip" else math.sqrt(n_sources)

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1]; cancels within one step, on a GPU within some twenty."""
        import torch

        from ..devices import is_out_of_memory, resolve_device

        device = resolve_device(self.device)
        noise = tuple(estimate_noise(source) for source in sources)
        try:
            fused = self._walk(sources, noise, device, progress)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            rows, columns = sources.shape[2:]
            raise DeviceError(
                f"dip with batch={self.batch}, ensemble={self.ensemble} and width={self.width}: slices of "
                f"{columns}×{rows} do not fit in the memory of {device}; set smaller ones"
            ) from error
        facts = {
            "noise_models": [[math.sqrt(one.additive), math.sqrt(one.multiplicative)] for one in noise],
            "device": str(device),
            "threads": torch.get_num_threads(),  # on a CPU their number decides the order of sums
            "notes": self._notes(fused.info["iterations"]),
        }
        return Fused(fused.array, fused.maps, {**fused.info, **facts})

    def _notes(self, iterations: list[int]) -> list[str]:
        """What a reader must know of the result."""
        kept = sum(steps == 0 for steps in iterations)
        if not kept:
            return []
        return [
            f"dip: in {kept} of {len(iterations)} slices the noise is below "
            f"noise_floor={self.noise_floor:g}: the closed form cannot be improved there and is the result "
            "(method pca)"
        ]

    def _walk(
        self, sources: Stack, noise: tuple[NoiseModel, ...], device: torch.device, progress: Progress
    ) -> Fused:
        """Every slice: the closed form of those that are clean, the networks' images of the others."""
        from .engine import Engine
        from .problem import Problem

        depth = sources.shape[1]
        done: dict[int, SliceFusion] = {}
        for z in range(depth):
            problem = Problem(sources[:, z], noise, self.patch)
            if problem.noise_level < self.noise_floor:
                done[z] = self._closed_form(problem)
        engine = Engine(self, noise, device)
        key_state: list[torch.Tensor] = []
        for move in self._moves([z for z in range(depth) if z not in done], sources):
            part = subrange(progress, len(done) / depth, (len(done) + sum(move.counts)) / depth)
            if move.start == "back":
                engine.return_to(key_state)
            problems = [Problem(sources[:, z], noise, self.patch) for z in move.slices]
            slices = self._fit(engine, problems, move, f"{_numbers(move)} of {depth}", part)
            found = zip(move.slices, slices, move.counts, strict=True)
            done |= {z: one for z, one, counts in found if counts}
            if self.warm_start and not key_state:
                key_state = engine.remember()
        progress(1.0, f"{depth} slices fused")
        return stack_slices([done[z] for z in range(depth)])

    def _moves(self, noisy: list[int], sources: Stack) -> Iterable[Move]:
        from .slice_order import cold_walk, warm_walk

        if not noisy:
            return ()
        places = min(self.batch, len(noisy))
        if not self.warm_start:
            return cold_walk(noisy, places)
        return warm_walk(noisy, places, [float(one.mean()) for one in sources.swapaxes(0, 1)])

    def _fit(
        self, engine: Engine, problems: list[Problem], move: Move, name: str, progress: Progress
    ) -> list[SliceFusion]:
        """The slices of one move, those that do not count as well."""
        run = engine.start(problems, fresh=move.start == "fresh")
        while run.goes_on():
            progress(run.steps / run.limit, f"{name}, step {run.steps + 1} of {run.limit}")
            engine.step()
        return [self._result(run.fitted(i), problem) for i, problem in enumerate(problems)]

    def _result(self, fitted: Fitted, problem: Problem) -> SliceFusion:
        from .engine import outcome

        fused, gains, deviation = outcome(fitted, problem, self)
        info = {
            "iterations": fitted.steps,
            "stop_reason": fitted.stop_reason,
            "distances": fitted.curve,
            **_facts(problem, fused),
        }
        image = within_range(fused, len(problem.sources), self.headroom)
        return SliceFusion(image, {**gain_shares(gains), "uncertainty": deviation}, info)

    def _closed_form(self, problem: Problem) -> SliceFusion:
        info = {
            "iterations": 0,
            "stop_reason": f"noise of {problem.noise_level:.4f} is below noise_floor={self.noise_floor:g}: "
            "the closed form cannot be improved and is returned",
            "distances": [],
            **_facts(problem, problem.target),
        }
        image = within_range(problem.target, len(problem.sources), self.headroom)
        return SliceFusion(
            image, {**gain_shares(problem.gains), "uncertainty": problem.target_deviation}, info
        )


def _numbers(move: Move) -> str:
    """The slices that a move is for, as a reader counts them: "slice 7", "slices 3, 8, 13"."""
    numbers = [str(z + 1) for z, counts in zip(move.slices, move.counts, strict=True) if counts]
    return ("slice " if len(numbers) == 1 else "slices ") + ", ".join(numbers)


def _facts(problem: Problem, fused: np.ndarray) -> dict[str, float]:
    """The loss of a slice, the least that any image can have, and the noise in the target."""
    loss, floor = problem.loss(fused), problem.loss(problem.target)
    return {"loss": loss, "floor": floor, "noise": problem.noise_level}
