"""The fitting loop of the deep image prior.

With w = Σ β_i² = 1 and T = Σ β_i X_i, the loss Σ_i ‖X_i − β_i X0‖² equals ‖X0 − T‖² plus a floor that
does not depend on X0.  A network that draws X0 therefore fits T alone, whatever the number of sources:
the gradients are the same, and the distance to the floor is known at every step.

A network that draws the sources instead has their noise apart, each with its own model.  What follows,
clipping undone and the closed form of what it drew, is X0 (:func:`outcome`).

Recorruption keeps a network from learning the noise that it is shown: with fresh noise z like that of
the data y, it sees y + αz and is fitted to y − z/α, whose noises are uncorrelated.  That holds only where z
has the covariance of the data's noise: the kernel that correlates that correlates z too.

Source: Pang, Zheng, Quan, Ji, "Recorrupted-to-recorrupted: unsupervised deep learning for image
denoising", CVPR 2021, doi:10.1109/CVPR46437.2021.00208, equations 6 and 9.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...noise import NoiseModel, put_back
from ..gains import closed_form, patch_gains
from .network import SkipNetwork, seeded
from .problem import Padding, Problem, pad, reflect_padding
from .replay import Replay
from .run import Fitted, Run
from .settings import Settings
from .stopping import Discrepancy, LeastVariance, Never, StopRule

__all__ = ["Engine", "Outcome", "noise_in_data", "noise_kernels", "outcome", "stop_rule"]

_RENEW_NOISE = 10  # steps between looks at what is drawn, to know the noise at each brightness better
_LONGEST_REACH = 12  # pixels of a kernel on either side; slices are padded to more
_NARROWEST = 0.05  # width of a kernel that leaves white noise as it is
_BRIGHTNESSES = 1024  # entries in the table of a noise model on the device


class Engine:
    """Fits slices of one size, some side by side: ``start`` a run, ``step`` while it ``goes_on``.

    Every slice has networks of its own; those of an ensemble and of all slices are the groups of one
    network.  What a step reads and writes keeps its place in memory from the first slice to the last, so
    that a GPU can replay one recorded step.

    Attributes
    ----------
    run:
        What is known of the slices being fitted.
    """

    run: Run

    def __init__(self, settings: Settings, noise: Sequence[NoiseModel], device: torch.device):
        self.settings = settings
        self.device = device
        self._dtype = torch.float64 if settings.precision == "float64" else torch.float32
        self._generator = torch.Generator(device).manual_seed(settings.seed)
        brightness = np.linspace(0, 1, _BRIGHTNESSES)
        self._deviations = self._tensor(np.stack([model.deviation(brightness) for model in noise]))
        self._kernels = [self._tensor(kernels) for kernels in noise_kernels(noise)]
        self._is_built = False

    def start(self, problems: Sequence[Problem], *, fresh: bool = True) -> Run:
        """Begin slices: with fresh networks, or with those that were fitted last.

        The first call decides how many slices there are side by side, and their size.
        """
        s = self.settings
        padding = reflect_padding(problems[0].target.shape, s.scales)
        given = _Given(
            guide=self._guides(problems, padding),
            data=self._padded([_data(problem, s) for problem in problems], padding),
            gains=self._padded([problem.gains for problem in problems], padding),
            noise=self._padded([problem.deviations for problem in problems], padding),
        )
        if not self._is_built:
            self._given, self._top = given, s.top(len(problems[0].sources))
            self._build(padding)
        else:
            for kept, new in zip(self._given, given, strict=True):
                kept.copy_(new)
        if fresh:
            self._renew()
        noise = self._tensor(np.asarray([noise_in_data(problem, s) for problem in problems]))
        self.run.restart(s.steps if fresh else s.warm_steps, noise)
        return self.run

    def step(self) -> None:
        """One step of the optimiser for every slice, and one more output in ``run``."""
        self._replay()
        self.run.steps += 1
        if self.settings.draws == "sources" and self.run.steps % _RENEW_NOISE == 0:
            self._given.noise.copy_(self._noise_of(self.run.mean))

    def _step(self) -> None:
        s, given = self.settings, self._given
        guide, opposite = self._recorrupted() if s.recorruption else self._perturbed()
        drawn = self._network(_side_by_side(guide))
        drawn = drawn.view(*guide.shape[:2], -1, s.output_channels, *guide.shape[3:])
        apart = drawn - given.data[:, None, :, None]
        loss = (apart + opposite).square().flatten(1).mean(dim=1).sum()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        with torch.no_grad():
            self.run.take(drawn.mean(dim=3), apart.square().flatten(1).mean(dim=1))

    def _perturbed(self) -> tuple[Tensor, Tensor]:
        """The guide (slices, members, channels, y, x) with fresh noise; the data stay as they are."""
        guide = self._given.guide[:, None]
        noise = self._normal((len(guide), self.settings.ensemble, *guide.shape[2:]))
        return guide + self.settings.perturbation * noise, torch.zeros((), device=self.device)

    def _recorrupted(self) -> tuple[Tensor, Tensor]:
        """The guide made of y + αz, and z/α as it lies in the data (slices, members, k, 1, y, x)."""
        s = self.settings
        guide, _, gains, noise = (tensor[:, None] for tensor in self._given)
        z = noise * self._correlated((len(noise), s.ensemble, *noise.shape[2:]))
        sources = guide[:, :, :-1] + s.recorruption * z
        seen = torch.cat([sources, (gains * sources).sum(dim=2, keepdim=True)], dim=2)
        in_data = z if s.draws == "sources" else (gains * z).sum(dim=2, keepdim=True) / self._top
        return seen, in_data[:, :, :, None] / s.recorruption

    def remember(self) -> list[Tensor]:
        """The networks and their optimiser as they are after some step, for :meth:`return_to`."""
        return [tensor.clone() for tensor in self._state()]

    def return_to(self, remembered: list[Tensor]) -> None:
        """Go on from what :meth:`remember` gave."""
        for tensor, value in zip(self._state(), remembered, strict=True):
            tensor.copy_(value)

    def _state(self) -> list[Tensor]:
        """All that a step changes in the networks and the optimiser."""
        parameters = list(self._network.parameters())
        moments = [tensor for one in parameters for tensor in self._optimizer.state[one].values()]
        return [*(one.detach() for one in parameters), *moments]

    def _build(self, padding: Padding) -> None:
        s, slices = self.settings, len(self._given.data)

        def build(members: int) -> SkipNetwork:
            network = lambda: SkipNetwork(  # noqa: E731
                self._given.guide.shape[1],
                self._given.data.shape[1] * s.output_channels,
                s.width,
                s.scales,
                s.skip_channels,
                members=members,
                corrects=s.output == "correction",
                half=s.precision == "bfloat16",
            )
            return seeded(network, s.seed).to(self.device, self._dtype)

        self._network = build(slices * s.ensemble)
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch accepts it
        # Every slice begins with the same weights.
        self._initial = [
            one.detach().repeat(slices, *[1] * (one.ndim - 1)) for one in build(s.ensemble).parameters()
        ]
        on_cuda = self.device.type == "cuda"  # fused: one kernel for all parameters; capturable: see Replay
        self._optimizer = torch.optim.Adam(
            self._network.parameters(), lr=s.learning_rate, fused=on_cuda, capturable=on_cuda
        )
        self._replay = Replay(self._step, self.device, self._generator)
        most = max(s.steps, s.warm_steps) if s.warm_start else s.steps
        self.run = Run(self._given.data, padding, most, stop_rule(s, self._given.data), s.keep)
        self._is_built = True

    def _renew(self) -> None:
        with torch.no_grad():
            for one, initial in zip(self._network.parameters(), self._initial, strict=True):
                one.copy_(initial)
                for moment in self._optimizer.state[one].values():
                    moment.zero_()

    def _guides(self, problems: Sequence[Problem], padding: Padding) -> Tensor:
        """The networks' input (slices, channels, y, x): noise as in the paper, or the images themselves."""
        s = self.settings
        if s.input == "noise":
            sizes = (n + sum(pair) for n, pair in zip(problems[0].target.shape, padding, strict=True))
            cpu = torch.Generator().manual_seed(s.seed)
            noise = torch.rand(len(problems[0].sources), *sizes, generator=cpu)
            return 0.1 * noise.to(self.device, self._dtype).repeat(len(problems), 1, 1, 1)
        return self._padded([_guide(problem, s) for problem in problems], padding)

    def _noise_of(self, means: Tensor) -> Tensor:
        """Standard deviation (slices, n, y, x) of the noise about images of these mean values."""
        index = (means.clamp(0, 1) * (_BRIGHTNESSES - 1)).round().long()
        sources = zip(self._deviations, index.unbind(1), strict=True)
        return torch.stack([table[k] for table, k in sources], dim=1)

    def _normal(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self._generator, device=self.device).to(self._dtype)

    def _correlated(self, shape: tuple[int, ...]) -> Tensor:
        """Normal noise (slices, members, n, y, x) of variance 1, as far correlated as that of each source."""
        noise = self._normal(shape)
        if not self._kernels:
            return noise
        vertical, horizontal = self._kernels
        reach = vertical.shape[2] // 2
        flat = torch.nn.functional.pad(noise.flatten(0, 1), (reach,) * 4, mode="circular")
        for kernels in (vertical, horizontal):
            flat = torch.nn.functional.conv2d(flat, kernels, groups=shape[2])
        return flat.view(shape)

    def _padded(self, slices: list[np.ndarray], padding: Padding) -> Tensor:
        return self._tensor(pad(np.stack(slices), padding))

    def _tensor(self, image: np.ndarray) -> Tensor:
        return torch.as_tensor(image, dtype=self._dtype, device=self.device)


def noise_kernels(noise: Sequence[NoiseModel]) -> list[np.ndarray]:
    """The kernels along y (n, 1, k, 1) and x (n, 1, 1, k) that correlate white noise and keep its variance.

    None where the noise of no source is correlated.
    """
    if not any(max(one.widths[-2:]) for one in noise):
        return []
    reach = min(_LONGEST_REACH, math.ceil(4 * max(max(one.widths[-2:]) for one in noise)))
    places = np.arange(-reach, reach + 1)
    found = []
    for axis in (-2, -1):
        kernels = np.stack(
            [np.exp(-0.5 * (places / max(one.widths[axis], _NARROWEST)) ** 2) for one in noise]
        )
        kernels /= np.linalg.norm(kernels, axis=1, keepdims=True)
        found.append(kernels[:, None, :, None] if axis == -2 else kernels[:, None, None, :])
    return found


class _Given(NamedTuple):
    """What a step works on, by slice: all (slices, channels, y, x)."""

    guide: Tensor
    data: Tensor
    gains: Tensor
    noise: Tensor


def _guide(problem: Problem, s: Settings) -> np.ndarray:
    """The sources and the target, as they are or after denoising (n + 1, y, x)."""
    sources, target = problem.sources, problem.target
    if s.input == "denoised":
        sources = problem.denoised(s.denoiser)
        target = closed_form(sources, patch_gains(sources, s.patch))
    return np.stack([*sources, target])


def _side_by_side(by_member: Tensor) -> Tensor:
    """(slices, members, channels, y, x) as the groups of one image (1, slices · members · channels, y, x)."""
    return by_member.flatten(0, 2)[None].contiguous(memory_format=torch.channels_last)


def _data(problem: Problem, s: Settings) -> np.ndarray:
    """What the outputs are fitted to (k, y, x)."""
    return problem.sources if s.draws == "sources" else problem.target[None] / s.top(len(problem.sources))


def noise_in_data(problem: Problem, s: Settings) -> float:
    """Mean variance of the noise in what the outputs are fitted to: where the discrepancy stops."""
    if s.draws == "sources":
        return float(np.square(problem.deviations).mean())
    return float(np.square(problem.target_deviation / s.top(len(problem.sources))).mean())


def stop_rule(s: Settings, outputs: Tensor) -> StopRule:
    """The rule that the settings name, for outputs (slices, k, y, x)."""
    if s.stop == "discrepancy":
        return Discrepancy(s.stop_factor, len(outputs), outputs.device)
    if s.stop == "variance":
        return LeastVariance(s.stop_window, s.stop_patience, outputs)
    return Never()


class Outcome(NamedTuple):
    """X0 and its deviation (y, x) before exposure; the gains and sources (n, y, x) behind it."""

    fused: np.ndarray
    deviation: np.ndarray
    gains: np.ndarray
    sources: np.ndarray


def outcome(fitted: Fitted, problem: Problem, settings: Settings) -> Outcome:
    """X0 of a slice: what the network drew, or the closed form of the sources that it drew.

    The errors of the network and of the denoisers have little in common: their mean is better than either.
    """
    images, variance = fitted.images, fitted.variance
    if settings.draws == "fused":
        top = settings.top(len(problem.sources))
        return Outcome(top * images[0], top * np.sqrt(variance[0]), problem.gains, problem.sources)
    deviations = np.sqrt(variance)
    pairs = list(zip(problem.noise, images, deviations, strict=True))
    sources = np.stack([model.unclip(image) for model, image, _ in pairs])
    if settings.denoised_share:
        sources += settings.denoised_share * (problem.denoised(settings.denoiser) - sources)
    sources = np.stack(
        [
            put_back(source, seen, model, settings.put_back)
            for source, seen, model in zip(sources, problem.sources, problem.noise, strict=True)
        ]
    )
    # Undoing the clipping stretches what is dark and leaves nothing of what is below black.
    stretched = np.stack(
        [(model.unclip(image + spread) - model.unclip(image - spread)) / 2 for model, image, spread in pairs]
    )
    gains = patch_gains(sources, settings.patch)
    deviation = np.sqrt((gains**2 * stretched**2).sum(axis=0))
    return Outcome(closed_form(sources, gains), deviation, gains, sources)
