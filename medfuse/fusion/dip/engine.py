"""The fitting loop of the deep image prior.

With w = Σ β_i² = 1 and T = Σ β_i X_i, the loss Σ_i ‖X_i − β_i X0‖² equals ‖X0 − T‖² plus a floor that
does not depend on X0.  A network that draws X0 therefore fits T alone, whatever the number of sources:
the gradients are the same, and the distance to the floor is known at every step.

A network that draws the sources instead has their noise apart, each with its own model.  What follows,
clipping undone and the closed form of what it drew, is X0 (:func:`outcome`).

Recorruption keeps a network from learning the noise that it is shown: with fresh noise z like that of
the data y, it sees y + αz and is fitted to y − z/α, whose noises are uncorrelated.

Source: Pang, Zheng, Quan, Ji, "Recorrupted-to-recorrupted: unsupervised deep learning for image
denoising", CVPR 2021, doi:10.1109/CVPR46437.2021.00208, equations 6 and 9.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..denoising import denoise
from ..gains import closed_form, patch_gains
from ..noise import NoiseModel
from .network import SkipNetwork, seeded
from .problem import Padding, Problem, pad, reflect_padding
from .run import Run
from .stopping import Discrepancy, LeastVariance, Never, StopRule

if TYPE_CHECKING:
    from .method import DeepImagePrior

__all__ = ["Engine", "Outcome", "outcome", "stop_rule"]

_RENEW_NOISE = 10  # steps between looks at what is drawn, to know the noise at each brightness better
_BRIGHTNESSES = 1024  # entries in the table of a noise model on the device


class Engine:
    """Fits slices of one size: ``start`` a run, ``step`` it.  With a warm start the network lives on."""

    def __init__(self, settings: DeepImagePrior, noise: tuple[NoiseModel, ...], device: torch.device):
        self.settings = settings
        self.device = device
        self._dtype = torch.float64 if settings.precision == "float64" else torch.float32
        self._generator = torch.Generator(device).manual_seed(settings.seed)
        self._has_network = False
        brightness = np.linspace(0, 1, _BRIGHTNESSES)
        self._deviations = self._tensor(np.stack([model.deviation(brightness) for model in noise]))

    def start(self, problem: Problem) -> Run:
        """Begin a slice: with a fresh network, or a warm one where there is one and the settings say so."""
        s = self.settings
        is_warm = s.warm_start and self._has_network
        padding = reflect_padding(problem.target.shape, s.scales)
        top = s.top(len(problem.sources))
        data = problem.sources if s.draws == "sources" else problem.target[None] / top
        guide = self._guide(problem, padding)
        if not is_warm:
            self._renew(guide.shape[0], len(data))
        self._noise = self._tensor(pad(problem.deviations, padding))
        gains = self._tensor(pad(problem.gains, padding))
        rule = stop_rule(s, problem)
        limit = s.warm_steps if is_warm else s.steps
        return Run(guide, self._tensor(pad(data, padding)), gains, top, padding, limit, rule, s.keep)

    def step(self, run: Run) -> None:
        """One step of the optimiser, and one more output in ``run``."""
        s = self.settings
        guide, opposite = self._recorrupted(run) if s.recorruption else self._perturbed(run)
        drawn = self._network(_side_by_side(guide))
        drawn = drawn.view(s.ensemble, -1, s.output_channels, *guide.shape[2:])
        apart = drawn - run.data[:, None]
        loss = (apart + opposite).square().mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        with torch.no_grad():
            run.add(drawn.mean(dim=2), apart.square().mean())
            if s.draws == "sources" and run.steps % _RENEW_NOISE == 0:
                self._noise = self._noise_of(run.mean)

    def _perturbed(self, run: Run) -> tuple[Tensor, Tensor]:
        """The guide (members, channels, y, x) with a little fresh noise; the data stay as they are."""
        noise = self._normal((self.settings.ensemble, *run.guide.shape))
        return run.guide + self.settings.perturbation * noise, torch.zeros((), device=self.device)

    def _recorrupted(self, run: Run) -> tuple[Tensor, Tensor]:
        """The guide made of y + αz, and z/α as it lies in the data (members, k, 1, y, x)."""
        s = self.settings
        z = self._noise * self._normal((s.ensemble, *self._noise.shape))
        sources = run.guide[:-1] + s.recorruption * z
        guide = torch.cat([sources, (run.gains * sources).sum(dim=1, keepdim=True)], dim=1)
        in_data = z if s.draws == "sources" else (run.gains * z).sum(dim=1, keepdim=True) / run.top
        return guide, in_data[:, :, None] / s.recorruption

    def remember(self) -> Any:
        """The network and its optimiser as they are, for :meth:`return_to`."""
        return copy.deepcopy((self._network.state_dict(), self._optimizer.state_dict()))

    def return_to(self, remembered: Any) -> None:
        """Go on from what :meth:`remember` gave."""
        network, optimizer = copy.deepcopy(remembered)
        self._network.load_state_dict(network)
        self._optimizer.load_state_dict(optimizer)

    def _renew(self, n_inputs: int, n_images: int) -> None:
        s = self.settings

        def build() -> SkipNetwork:
            return SkipNetwork(
                n_inputs,
                n_images * s.output_channels,
                s.width,
                s.scales,
                s.skip_channels,
                members=s.ensemble,
                corrects=s.output == "correction",
                half=s.precision == "bfloat16",
            )

        self._network = seeded(build, s.seed).to(self.device, self._dtype)
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch accepts it
        self._has_network = True
        fused = self.device.type == "cuda"  # one kernel for all parameters
        self._optimizer = torch.optim.Adam(self._network.parameters(), lr=s.learning_rate, fused=fused)

    def _guide(self, problem: Problem, padding: Padding) -> Tensor:
        """The network's input (channels, y, x): noise as in the paper, or the images themselves."""
        s = self.settings
        if s.input == "noise":
            sizes = (n + sum(pair) for n, pair in zip(problem.target.shape, padding, strict=True))
            cpu = torch.Generator().manual_seed(s.seed)
            noise = torch.rand(len(problem.sources), *sizes, generator=cpu)
            return 0.1 * noise.to(self.device, self._dtype)
        sources, target = problem.sources, problem.target
        if s.input == "denoised":
            pairs = zip(sources, problem.noise, strict=True)
            sources = np.stack([denoise(source, "nlm", model) for source, model in pairs])
            target = closed_form(sources, patch_gains(sources, s.patch))
        return self._tensor(pad(np.stack([*sources, target]), padding))

    def _noise_of(self, means: Tensor) -> Tensor:
        """Standard deviation (n, y, x) of the noise about images of these mean values."""
        index = (means.clamp(0, 1) * (_BRIGHTNESSES - 1)).round().long()
        return torch.stack([table[k] for table, k in zip(self._deviations, index, strict=True)])

    def _normal(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self._generator, device=self.device).to(self._dtype)

    def _tensor(self, image: np.ndarray) -> Tensor:
        return torch.as_tensor(image, dtype=self._dtype, device=self.device)


def _side_by_side(by_member: Tensor) -> Tensor:
    """(members, channels, y, x) as the groups of one image (1, members · channels, y, x)."""
    return by_member.flatten(0, 1)[None].contiguous(memory_format=torch.channels_last)


def stop_rule(s: DeepImagePrior, problem: Problem) -> StopRule:
    """The rule that the settings name, for one slice."""
    if s.stop == "discrepancy":
        top = s.top(len(problem.sources))
        deviation = problem.deviations if s.draws == "sources" else problem.target_deviation / top
        return Discrepancy(s.stop_factor * float(np.square(deviation).mean()))
    if s.stop == "variance":
        return LeastVariance(s.stop_window, s.stop_patience)
    return Never()


class Outcome(NamedTuple):
    """What a run came to: X0 (y, x) before headroom, the gains (n, y, x) behind it, its deviation (y, x)."""

    fused: np.ndarray
    gains: np.ndarray
    deviation: np.ndarray


def outcome(run: Run, problem: Problem, settings: DeepImagePrior) -> Outcome:
    """X0 of a run: what the network drew, or the closed form of the sources that it drew."""
    images, variance = run.images(), run.variance()
    if settings.draws == "fused":
        return Outcome(run.top * images[0], problem.gains, run.top * np.sqrt(variance[0]))
    deviations = np.sqrt(variance)
    pairs = list(zip(problem.noise, images, deviations, strict=True))
    sources = np.stack([model.unclip(image) for model, image, _ in pairs])
    # Undoing the clipping stretches what is dark and leaves nothing of what is below black.
    stretched = np.stack(
        [(model.unclip(image + spread) - model.unclip(image - spread)) / 2 for model, image, spread in pairs]
    )
    gains = patch_gains(sources, settings.patch)
    return Outcome(closed_form(sources, gains), gains, np.sqrt((gains**2 * stretched**2).sum(axis=0)))
