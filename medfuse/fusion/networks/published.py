"""Any published network, given as a folder with an ONNX file and a card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DeviceError, ParameterError
from ...progress import Progress, ignore, subrange
from ..parameters import check_parameters, parameter
from ..types import Fused, Stack, check_sources

if TYPE_CHECKING:
    from ...models import Network

__all__ = ["PublishedNetwork"]

_BATCH_ON_GPU = 8
_SMALLEST_TILE = 64
_OUTSIDE = 0.01  # in grey values and as a share of the voxels: what is worth a note


@dataclass(frozen=True)
class PublishedNetwork:
    """A network that others published, from `-p model=FOLDER`, run by ONNX Runtime.

    The folder (or a zip of it) holds `model.onnx`, the card `medfuse-model.toml` that says what goes in and
    what comes out, and `test.npz`, a pair with its result that is checked before anything is fused; see the
    page "Your own network".  A network for two sources fuses more of them pair by pair, and the result says
    so.  Sources are given in the order of the modalities that the card names, else as they come; `order`
    sets it.  Slices go through whole, and in overlapping tiles where memory is short or the network takes one
    size only.

    Source: the paper that the card names.  The format of the file: https://onnx.ai.
    """

    model: str = parameter("", "folder or zip with model.onnx, medfuse-model.toml and test.npz")
    order: str = parameter("auto", "the sources as the network wants them, such as 2,1; auto: by modality")
    tile: int = parameter(
        0, "size of tiles in pixels; 0: none while memory suffices", minimum=0, maximum=8192
    )
    device: str = parameter("auto", "auto, cpu, cuda or cuda:N")

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.order != "auto":
            _parsed_order(self.order)

    def prepare(self) -> None:
        """Load the model and check it, before any work is done; it stays in memory.

        Raises
        ------
        ParameterError
            If no model was named.
        MedfuseError
            As :func:`medfuse.models.load_network`.
        """
        self._network()

    def for_modalities(self, modalities: Sequence[str]) -> tuple[PublishedNetwork, tuple[str, ...]]:
        """The method with its order set for sources of these modalities, and notes for the reader."""
        groups = self._network().card.modalities
        if self.order != "auto" or not groups:
            return self, ()
        group = next((one for one in groups if sorted(one) == sorted(modalities)), None)
        if group is not None:
            order = sorted(range(len(modalities)), key=_ranks(group, modalities).__getitem__)
            return replace(self, order=",".join(str(i + 1) for i in order)), ()
        known = ", ".join("+".join(one) for one in groups)
        return self, (
            f"the network is for {known}; these sources are {'+'.join(modalities)}; look at the result twice",
        )

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` (n, z, y, x) in [0, 1].

        Raises
        ------
        ParameterError
            If no model was named, or it takes another number of sources.
        MedfuseError
            As :func:`medfuse.models.load_network`.
        """
        return self._fuse(sources, progress)

    def fuse_colour(self, sources: np.ndarray, progress: Progress = ignore) -> Fused:
        """Fuse colour ``sources`` (n, z, y, x, 3) in [0, 1] into (z, y, x, 3), if the card says colour = all.

        Raises
        ------
        ParameterError
            If ``sources`` are not such a stack, or the network fuses grey images only.
        """
        if sources.ndim != 5 or sources.shape[-1] != 3:
            raise ParameterError(f"colour sources of shape {sources.shape}: expected (n, z, y, x, 3)")
        n, depth, height, width, _ = sources.shape
        checked = check_sources(sources.reshape(n, depth, height, width * 3)).reshape(sources.shape)
        return self._fuse(checked, progress)

    def _network(self) -> Network:
        from ...models import load_network

        if not self.model:
            raise ParameterError("method network needs a model: -p model=FOLDER; see docs/own-network.md")
        return load_network(self.model, self.device)

    def _fuse(self, sources: np.ndarray, progress: Progress) -> Fused:
        network = self._network()
        card = network.card
        n = len(sources)
        ordered = sources[_indices(self.order, n)]
        runner = _Runner(network, self.tile)
        takes = card.input.sources or n
        notes: list[str] = []
        if n == takes:
            drawn = runner(ordered, progress)
        elif takes == 2:
            drawn, notes = _pairwise(runner, ordered, progress)
        else:
            raise ParameterError(f"the network {card.name} takes {takes} sources, there are {n}")
        notes += runner.notes
        outside = float(np.mean((drawn < -_OUTSIDE) | (drawn > 1 + _OUTSIDE)))
        if outside > _OUTSIDE:
            notes.append(
                f"{outside:.0%} of what {card.name} drew lies outside the range of its card and was cut"
            )
        info = {
            "model": card.name,
            "model_sha256": card.sha256,
            "model_licence": card.licence,
            "model_citation": card.citation,
            "device": network.device,
        }
        return Fused(np.clip(drawn, 0, 1), {}, {**info, "notes": notes} if notes else info)


class _Runner:
    """A network over the slices of a stack, with batches and tiles as memory allows."""

    def __init__(self, network: Network, tile: int):
        self._network = network
        self._tile = tile
        self._batch = network.largest_batch or (1 if network.device == "cpu" else _BATCH_ON_GPU)
        self.notes: list[str] = []

    def __call__(self, sources: np.ndarray, progress: Progress) -> np.ndarray:
        """(n, z, y, x[, 3]) to (z, y, x[, 3])."""
        depth = sources.shape[1]
        drawn = np.empty(sources.shape[1:], np.float32)
        z = 0
        while z < depth:
            progress(z / depth, f"slice {z + 1} of {depth}")
            try:
                drawn[z : z + self._batch] = self._slices(sources[:, z : z + self._batch])
            except MemoryError as error:
                self._be_modest(sources.shape[2:4], error)
            else:
                z += self._batch
        progress(1.0, f"{depth} slices fused")
        return drawn

    def _slices(self, slices: np.ndarray) -> np.ndarray:
        from ...models.tiles import in_tiles

        given = self._network.card.input
        wanted = given.size or (self._tile or max(slices.shape[2:4]),) * 2
        tile = (min(wanted[0], slices.shape[2]), min(wanted[1], slices.shape[3]))
        if tile == slices.shape[2:4]:
            return self._network(slices)
        return in_tiles(self._network, slices, tile, min(given.overlap, min(tile) // 2))

    def _be_modest(self, size: tuple[int, int], error: MemoryError) -> None:
        """Smaller batches, then smaller tiles; an error where neither can be."""
        card = self._network.card
        if self._batch > 1 and not self._network.largest_batch:
            self._batch //= 2
            return
        half = (self._tile or max(size)) // 2
        multiple = card.input.size_multiple
        half -= half % multiple
        if card.input.size or half < max(_SMALLEST_TILE, 2 * card.input.overlap, multiple):
            raise DeviceError(
                f"a slice of {size[1]}×{size[0]} does not fit into the memory of {self._network.device}: "
                "free some, choose another device, or resample to larger pixels"
            ) from error
        self._tile = half
        self.notes = [f"fused in tiles of {half} pixels: whole slices did not fit into memory"]


def _pairwise(runner: _Runner, sources: np.ndarray, progress: Progress) -> tuple[np.ndarray, list[str]]:
    """The first two sources, what came out and the third, and so on."""
    drawn, steps = sources[0], len(sources) - 1
    for i, source in enumerate(sources[1:]):
        part = subrange(progress, i / steps, (i + 1) / steps)
        drawn = runner(np.stack([np.clip(drawn, 0, 1), source]), part)
    return drawn, [f"the network takes two sources; {len(sources)} were fused pair by pair, in their order"]


def _ranks(group: Sequence[str], modalities: Sequence[str]) -> list[int]:
    """The place in ``group`` of each modality; of equal ones in the order in which they come."""
    free = list(enumerate(group))
    ranks = []
    for modality in modalities:
        found = next(one for one in free if one[1] == modality)
        free.remove(found)
        ranks.append(found[0])
    return ranks


def _parsed_order(order: str) -> list[int]:
    numbers = order.split(",")
    if not all(one.strip().isdigit() for one in numbers):
        raise ParameterError(f"order={order}: expected auto, or numbers of the sources such as 2,1")
    return [int(one) - 1 for one in numbers]


def _indices(order: str, n: int) -> list[int]:
    if order == "auto":
        return list(range(n))
    indices = _parsed_order(order)
    if sorted(indices) != list(range(n)):
        raise ParameterError(
            f"order={order}: expected each of the {n} sources once, such as "
            f"{','.join(map(str, range(n, 0, -1)))}"
        )
    return indices
