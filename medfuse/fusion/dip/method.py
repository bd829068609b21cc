"""The deep-image-prior fusion method: slices in order, fitted and put together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...errors import DeviceError
from ...noise import NoiseModel, estimate_noise, in_words, worth_removing
from ...progress import Progress, ignore, subrange
from ..exposure import expose
from ..noise_parameters import told
from ..pca import PatchPCA, gain_shares
from ..ran import handed_over
from ..removed import with_removed
from ..types import Fused, SliceFusion, Stack, stack_slices
from .settings import Settings
from .verdict import NO_NOISE, are_worth_denoising

if TYPE_CHECKING:
    import torch

    from .engine import Engine
    from .problem import Problem
    from .run import Fitted
    from .slice_order import SliceBatch

__all__ = ["DeepImagePrior"]


@dataclass(frozen=True)
class DeepImagePrior(Settings):
    """Deep image prior as an inverse problem, with gains by patch PCA.

    Minimises Σ_i ‖X_i − β_i X0‖² over the weights of an untrained network that draws X0.  The network
    draws structure before it draws noise, so stopped in time it denoises while it fuses.  The defaults
    are the paper's, preset `paper`.

    The presets `fast` and `balanced` are for noisy data, and differ in more than speed.  The network sees
    the sources, not noise, and corrects them: it has less far to go.  It draws the n sources β_i X0, each
    with the noise model of its own, and X0 is the closed form of what it drew.  Recorruption keeps it from
    learning the noise, so that the number of steps hardly matters; its fresh noise has the kind, the level
    and the correlation that were found in each source.  What it drew is averaged with the denoised
    sources, `denoised_share` of these, after non-local means and the prior that medfuse ships: the errors of
    all three have little in common.  `denoiser=nlm` needs no trained network.
    What clipping to [0, 1] did to the noise is undone at the end.  A slice starts from the network of its
    neighbour.  Where the noise in the closed form is below `noise_floor` there is nothing to gain, and the
    closed form is the result.

    It pays most on Rician noise and on noise that is correlated over more than a pixel.  On white noise
    non-local means (`pca` with `denoise=nlm`) are as good in a tenth of the time, and on all kinds of it
    `denoise=both` nearly is.  Lesions of a few pixels lose a part of their contrast; the smaller, the more.

    Maps: `weight_i`, the gain shares β_i²; `uncertainty`, the standard deviation of X0 over late outputs
    and over the members of an ensemble.  Under recorruption each output comes from other noise, so it
    shows how far the noise of the data reaches into X0, and it follows the error in rank; what all
    outputs get wrong alike, such as a lost edge, it cannot show.  In `paper` it shows how unsettled the
    fit still is.  Where the closed form is returned it is the noise of that.  Where the network draws the
    sources, `removed_i` is what was taken out of each, and `removed` out of their closed form.

    Source: Ma, Hill, Anantrasirichai, Achim, "Multi-modal image fusion based on deep image prior"
    (2021); network of Ulyanov et al., doi:10.1109/CVPR.2018.00984; recorruption of Pang et al.,
    doi:10.1109/CVPR46437.2021.00208; clipping of Foi, doi:10.1016/j.sigpro.2009.04.018.
    """

    @staticmethod
    def auto_preset(device: str) -> str:
        """`balanced` on a GPU, `fast` on the CPU; both return the closed form where data are clean."""
        from ..devices import resolve_device

        return "fast" if resolve_device(device).type == "cpu" else "balanced"

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1]; cancels within one step, on a GPU within some twenty."""
        return self.with_noise(sources, None, progress)

    def with_noise(
        self, sources: Stack, noise: Sequence[NoiseModel] | None, progress: Progress = ignore
    ) -> Fused:
        """The same with the ``noise`` of each source known; None: it is estimated."""
        import torch

        from ..devices import is_out_of_memory, resolve_device

        device = resolve_device(self.device)
        known = told(noise, self.noise, self.noise_level) or [
            estimate_noise(source, self.noise, self.noise_level) for source in sources
        ]
        noise = tuple(worth_removing(one) for one in known)
        try:
            fused = self._fuse_stack(sources, noise, device, progress)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            rows, columns = sources.shape[2:]
            raise DeviceError(
                f"dip with batch={self.batch}, ensemble={self.ensemble} and width={self.width}: slices of "
                f"{columns}×{rows} do not fit in the memory of {device}; set smaller ones"
            ) from error
        facts = {
            "noise_models": [_deviations(one) for one in noise],
            "noise_kinds": [in_words(one) for one in noise],
            "device": str(device),
            "threads": torch.get_num_threads(),  # on a CPU their number decides the order of sums
            **self._ran(fused.info["iterations"]),
        }
        return Fused(fused.array, fused.maps, {**fused.info, **facts})

    def _ran(self, iterations: list[int]) -> dict[str, Any]:
        """The fact ``ran``, where the closed form is the result of some slices or of all."""
        kept, depth = sum(steps == 0 for steps in iterations), len(iterations)
        if kept == depth:
            return {"ran": handed_over("pca", PatchPCA(self.patch, exposure=self.exposure), NO_NOISE)}
        if kept:
            why = f"pca in {kept} of {depth} slices, where there is {NO_NOISE}"
            return {"ran": handed_over("dip", self, why)}
        return {}

    def _fuse_stack(
        self, sources: Stack, noise: tuple[NoiseModel, ...], device: torch.device, progress: Progress
    ) -> Fused:
        """Every slice: the closed form of those that are clean, the networks' images of the others."""
        from .engine import Engine
        from .problem import Problem

        depth = sources.shape[1]
        worth = are_worth_denoising(sources, noise, self.patch, self.noise_floor)
        clean = (z for z in range(depth) if not worth[z])
        done = {z: self._closed_form(Problem(sources[:, z], noise, self.patch)) for z in clean}
        engine = Engine(self, noise, device)
        key_state: list[torch.Tensor] = []
        for batch in self._batches([z for z in range(depth) if z not in done], sources):
            part = subrange(progress, len(done) / depth, (len(done) + sum(batch.counts)) / depth)
            if batch.start == "back":
                engine.return_to(key_state)
            problems = [Problem(sources[:, z], noise, self.patch) for z in batch.slices]
            slices = self._fit(engine, problems, batch, f"{_numbers(batch)} of {depth}", part)
            found = zip(batch.slices, slices, batch.counts, strict=True)
            done |= {z: one for z, one, counts in found if counts}
            if self.warm_start and not key_state:
                key_state = engine.remember()
        progress(1.0, f"{depth} slices fused")
        fused = stack_slices([done[z].fusion for z in range(depth)], clip=False)
        drawn = np.stack([done[z].sources for z in range(depth)], axis=1)
        shown = expose(fused, self.exposure, drawn, sources)
        if self.draws == "fused":
            return shown
        taken = [[one if noisy else NoiseModel(0.0, 0.0) for noisy in worth] for one in noise]
        return with_removed(shown, sources, drawn, taken, np.stack([done[z].removed for z in range(depth)]))

    def _batches(self, noisy: list[int], sources: Stack) -> Iterable[SliceBatch]:
        from .slice_order import cold_order, warm_order

        if not noisy:
            return ()
        slots = min(self.batch, len(noisy))
        if not self.warm_start:
            return cold_order(noisy, slots)
        return warm_order(noisy, slots, [float(one.mean()) for one in sources.swapaxes(0, 1)])

    def _fit(
        self, engine: Engine, problems: list[Problem], batch: SliceBatch, name: str, progress: Progress
    ) -> list[_Slice]:
        """The slices of one batch, those that do not count as well."""
        run = engine.start(problems, fresh=batch.start == "fresh")
        while run.goes_on():
            progress(run.steps / run.limit, f"{name}, step {run.steps + 1} of {run.limit}")
            engine.step()
        return [self._result(run.fitted(i), problem) for i, problem in enumerate(problems)]

    def _result(self, fitted: Fitted, problem: Problem) -> _Slice:
        from .engine import outcome

        fused, deviation, gains, sources = outcome(fitted, problem, self)
        info = {
            "iterations": fitted.steps,
            "stop_reason": fitted.stop_reason,
            "distances": fitted.curve,
            **_facts(problem, fused),
        }
        fusion = SliceFusion(fused, {**gain_shares(gains), "uncertainty": deviation}, info)
        return _Slice(fusion, sources, problem.target - fused)

    def _closed_form(self, problem: Problem) -> _Slice:
        info = {
            "iterations": 0,
            "stop_reason": f"noise of {problem.noise_level:.4f} is below noise_floor={self.noise_floor:g}: "
            "the closed form cannot be improved and is returned",
            "distances": [],
            **_facts(problem, problem.target),
        }
        maps = {**gain_shares(problem.gains), "uncertainty": problem.target_deviation}
        fusion = SliceFusion(problem.target, maps, info)
        return _Slice(fusion, problem.sources, np.zeros_like(problem.target))


def _deviations(model: NoiseModel) -> list[float]:
    """Standard deviations of the additive noise and of speckle about a signal of 1."""
    return [math.sqrt(model.kept * variance) for variance in (model.additive, model.multiplicative)]


class _Slice(NamedTuple):
    """A slice before exposure, and the sources (n, y, x) that it is the closed form of.

    ``removed`` (y, x) is by how much that of the sources as they were is brighter.
    """

    fusion: SliceFusion
    sources: np.ndarray
    removed: np.ndarray


def _numbers(batch: SliceBatch) -> str:
    """The slices that a batch is for, as a reader counts them: "slice 7", "slices 3, 8, 13"."""
    numbers = [str(z + 1) for z, counts in zip(batch.slices, batch.counts, strict=True) if counts]
    return ("slice " if len(numbers) == 1 else "slices ") + ", ".join(numbers)


def _facts(problem: Problem, fused: np.ndarray) -> dict[str, float]:
    """The loss of a slice, the least that any image can have, and the noise in the target."""
    loss, floor = problem.loss(fused), problem.loss(problem.target)
    return {"loss": loss, "floor": floor, "noise": problem.noise_level}
