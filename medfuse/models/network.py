"""A model made ready to run by ONNX Runtime: sources in [0, 1] in, the fused image in [0, 1] out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from ..colour import LUMA_WEIGHTS
from ..errors import DependencyError, DeviceError, ParameterError, WeightsError
from ..io.files import one_line
from ..io.hashes import sha256_of
from .bundle import Bundle, read_bundle
from .card import Card

__all__ = ["Network", "load_network", "resolve_device"]

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


Draw = Callable[[Mapping[str, np.ndarray]], np.ndarray]
"""The bare network: inputs by name to what it draws, (b, c, y, x) or (b, y, x)."""


class Network:
    """A network as a function of sources, by the rules of its card.

    Parameters
    ----------
    card:
        What goes in and what comes out.
    names:
        Of the inputs, in the order of the sources.
    draw:
        The bare network.
    device:
        Where it runs, in words.
    largest_batch:
        How many slices it takes at once: any number (0), or the number it was made for.
    """

    def __init__(
        self, card: Card, names: Sequence[str], draw: Draw, device: str = "cpu", largest_batch: int = 0
    ):
        self.card = card
        self.device = device
        self.largest_batch = largest_batch
        self._inputs = tuple(names)
        self._draw = draw

    @classmethod
    def of(cls, bundle: Bundle, device: str) -> Network:
        """The network of a model, run by ONNX Runtime on "cpu", "cuda" or "cuda:N".

        Raises
        ------
        WeightsError
            If ONNX Runtime cannot load the file, or its inputs are not those of the card.
        DeviceError
            If the device is there by name only.
        DependencyError
            Without ONNX Runtime.
        """
        session, card = _session(bundle.onnx, device), bundle.card
        output = _output(session, card)
        batch = session.get_inputs()[0].shape[_batch_axis(card)]
        return cls(
            card,
            _inputs(session, card),
            lambda inputs: session.run([output], dict(inputs))[0],
            device,
            batch if isinstance(batch, int) else 0,
        )

    def __call__(self, sources: np.ndarray) -> np.ndarray:
        """The fused slices (b, y, x[, 3]) of ``sources`` (n, b, y, x[, 3]) in [0, 1], float32.

        Not larger than the one size that a card may name; :mod:`.tiles` cuts what is.  Not clipped: what lies
        outside [0, 1] is what the network drew outside the range of its card.

        Raises
        ------
        MemoryError
            If there is too little memory for slices of this size.
        WeightsError
            If the network fails, or gives values that are no numbers, or of another shape.
        """
        is_colour = sources.ndim == 5
        if is_colour and self.card.output.colour != "all":
            raise ParameterError(f"the network {self.card.name} fuses grey images only: give it the luma")
        batch, height, width = sources.shape[1:4]
        given = self._enlarged(self._scaled(self._filled_up(sources)))
        drawn = self._run(self._arranged(given))
        fused = drawn[:batch, :, :height, :width]
        values = self.card.output.range
        fused = (fused - np.float32(values[0])) / np.float32(values[1] - values[0])
        return self._as_image(fused, is_colour)

    def _filled_up(self, sources: np.ndarray) -> np.ndarray:
        """The last slice again and again where the file takes a fixed number of them."""
        missing = max(self.largest_batch - sources.shape[1], 0)
        return np.concatenate([sources, *[sources[:, -1:]] * missing], axis=1) if missing else sources

    def _scaled(self, sources: np.ndarray) -> np.ndarray:
        """(n, b, c, y, x) in the values that the network was trained on."""
        given = self.card.input
        images = np.moveaxis(sources, -1, 2) if sources.ndim == 5 else sources[:, :, None]
        images = np.broadcast_to(images, (*images.shape[:2], given.channels, *images.shape[3:]))
        lower, upper = given.range
        mean, deviation = (
            np.asarray(one, np.float32)[:, None, None] for one in (given.mean, given.deviation)
        )
        scaled: np.ndarray = ((images * np.float32(upper - lower) + np.float32(lower)) - mean) / deviation
        return scaled.astype(np.float32)

    def _enlarged(self, images: np.ndarray) -> np.ndarray:
        """Enlarged at the bottom and at the right to a size that the network takes."""
        given = self.card.input
        sizes = given.size or tuple(
            ceil(size / given.size_multiple) * given.size_multiple for size in images.shape[3:]
        )
        missing = [(0, 0)] * 3 + [
            (0, wanted - size) for wanted, size in zip(sizes, images.shape[3:], strict=True)
        ]
        if not any(after for _, after in missing):
            return images
        if given.padding == "zero":
            return np.pad(images, missing)
        # A single row or column has nothing to be mirrored at.
        mirrored = given.padding == "reflect" and min(images.shape[3:]) > 1
        return np.pad(images, missing, mode="reflect" if mirrored else "edge")

    def _arranged(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The inputs by name."""
        n, b, c, height, width = images.shape
        layout = self.card.input.layout
        if layout == "separate":
            return {name: np.ascontiguousarray(one) for name, one in zip(self._inputs, images, strict=True)}
        if layout == "channels":
            images = images.swapaxes(0, 1).reshape(b, n * c, height, width)
        return {self._inputs[0]: np.ascontiguousarray(images)}

    def _run(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """What the network draws: (b, c, y, x)."""
        try:
            drawn = np.asarray(self._draw(inputs))
        except Exception as error:
            if _is_out_of_memory(error):
                raise MemoryError(one_line(error)) from error
            raise WeightsError(f"the network {self.card.name} fails: {one_line(error)}") from error
        first = next(iter(inputs.values()))
        batch = first.shape[_batch_axis(self.card)]
        if drawn.ndim == 3:
            drawn = drawn[:, None]
        wanted = (batch, *first.shape[-2:])
        if drawn.ndim != 4 or (drawn.shape[0], *drawn.shape[2:]) != wanted or drawn.shape[1] not in (1, 3):
            raise WeightsError(
                f"the network {self.card.name} gives {drawn.shape} for slices {wanted}: expected "
                "(b, 1 or 3, y, x) of the same size"
            )
        if drawn.dtype.kind != "f" or not np.isfinite(drawn).all():
            raise WeightsError(f"the network {self.card.name} gives values that are no numbers")
        return drawn.astype(np.float32)

    def _as_image(self, fused: np.ndarray, is_colour: bool) -> np.ndarray:
        """(b, c, y, x) as colour (b, y, x, 3) or grey (b, y, x)."""
        if is_colour:
            return np.moveaxis(np.broadcast_to(fused, (len(fused), 3, *fused.shape[2:])), 1, -1)
        if fused.shape[1] == 1:
            return fused[:, 0]
        luma: np.ndarray = np.tensordot(fused, np.asarray(LUMA_WEIGHTS, np.float32), ((1,), (0,)))
        return luma


def load_network(path: str | Path, device: str = "auto") -> Network:
    """The network of the model at ``path``, after it gave for its test pair what it should.

    The one used last stays in memory: a batch uses it for one study after the other.

    Raises
    ------
    WeightsError, ReadError, DeviceError, DependencyError, ParameterError
        As :func:`medfuse.models.read_bundle`, :class:`Network` and :func:`resolve_device`; and if the
        test pair comes out differently.
    """
    path = Path(path).expanduser()
    return _kept(path, sha256_of(path), resolve_device(device))


@lru_cache(maxsize=1)
def _kept(path: Path, _digest: str, device: str) -> Network:
    bundle = read_bundle(path)
    network = Network.of(bundle, device)
    largest = difference_from_test(network, bundle)
    if largest > bundle.card.tolerance:
        raise WeightsError(
            f"the network {bundle.card.name} draws its own test pair otherwise: up to {largest:.2g} off, the "
            f"card allows {bundle.card.tolerance:g}; run 'medfuse model check'"
        )
    return network


def difference_from_test(network: Network, bundle: Bundle) -> float:
    """Largest difference between what the network draws of the test pair and what the pair says."""
    fused = network(bundle.test.sources[:, None].astype(np.float32))[0]
    return float(np.abs(np.clip(fused, 0, 1) - bundle.test.fused).max())


def resolve_device(name: str) -> str:
    """The device called ``name``: "auto" (cuda, else cpu), "cpu", "cuda" or "cuda:N".

    Raises
    ------
    DeviceError
        If this ONNX Runtime has no such device.  Never falls back: who asked for a GPU must know.
    ParameterError
        If ``name`` is no device's name.
    """
    here = _runtime().get_available_providers()
    if name == "auto":
        return "cuda" if _PROVIDERS["cuda"] in here else "cpu"
    kind, _, index = name.partition(":")
    if kind not in (*_PROVIDERS, "mps") or (index and not index.isdigit()):
        raise ParameterError(f"device={name}: expected auto, cpu, cuda or cuda:N")
    if _PROVIDERS.get(kind) not in here:
        raise DeviceError(
            f"device {name!r}: this ONNX Runtime has no provider for it; for CUDA install onnxruntime-gpu in "
            "place of onnxruntime, or say device=cpu"
        )
    return name


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise DependencyError("published networks need ONNX Runtime: pip install 'medfuse[onnx]'") from error
    return onnxruntime


def _session(onnx: bytes, device: str) -> Any:
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.enable_cpu_mem_arena = False  # it keeps what a slice too large has taken
    options.log_severity_level = 4  # what goes wrong comes as an exception
    options.intra_op_num_threads = int(
        os.environ.get("OMP_NUM_THREADS") or 0
    )  # 0: as many as there are cores
    provider = _PROVIDERS[device.partition(":")[0]]
    chosen = (provider, {"device_id": device.partition(":")[2] or "0"}) if device != "cpu" else provider
    with tempfile.TemporaryDirectory() as nowhere:
        # Weights kept in other files would be looked up beside the working directory.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", nowhere)
        try:
            session = runtime.InferenceSession(onnx, options, providers=[chosen])
        except Exception as error:
            raise WeightsError(
                f"model.onnx: ONNX Runtime cannot load it (all weights must be inside): {one_line(error)}"
            ) from error
    if session.get_providers()[0] != provider:
        raise DeviceError(
            f"device {device!r}: ONNX Runtime could not start it: check the driver, or say device=cpu"
        )
    return session


def _batch_axis(card: Card) -> int:
    return 1 if card.input.layout == "stack" else 0


def _inputs(session: Any, card: Card) -> tuple[str, ...]:
    """The names of the inputs, in the order of the sources."""
    given = session.get_inputs()
    there = [one.name for one in given]
    names = card.input.names or tuple(there)
    wanted = card.input.sources if card.input.layout == "separate" else 1
    if sorted(names) != sorted(there) or len(names) != wanted:
        raise WeightsError(
            f"model.onnx: its inputs are {', '.join(there)}; the card says {wanted}: {', '.join(names)}"
        )
    rank = 5 if card.input.layout == "stack" else 4
    for one in given:
        if one.type != "tensor(float)" or len(one.shape) != rank:
            raise WeightsError(
                f"model.onnx: its input {one.name} is {one.type} of shape {one.shape}: expected 32-bit "
                f"floats with {rank} axes, as layout {card.input.layout} has"
            )
    return names


def _output(session: Any, card: Card) -> str:
    names = [one.name for one in session.get_outputs()]
    if card.output.name and card.output.name not in names:
        raise WeightsError(
            f"model.onnx: it has no output {card.output.name}; expected one of {', '.join(names)}"
        )
    return card.output.name or names[0]


def _is_out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(
        words in text for words in ("failed to allocate memory", "out of memory", "bad_alloc", "bfc_arena")
    )
