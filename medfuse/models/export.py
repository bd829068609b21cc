"""A network of the user's own, in PyTorch, as a model folder."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DependencyError, MedfuseError, ParameterError, WeightsError, WriteError
from ..io.files import existing, one_line
from ..weights import read_state
from .bundle import CARD_FILE, ONNX_FILE, TEST_FILE, TestPair, pack_test
from .card import Card, parse_card
from .check import check_model
from .network import Network

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["export_model"]

_SIDE = 64  # of the images that the network is traced with, in pixels


def export_model(
    state: str | Path,
    network: str,
    card: str | Path,
    folder: str | Path,
    *,
    arguments: Mapping[str, Any] | None = None,
    entry: str = "",
) -> Path:
    """Write a model folder from a PyTorch state dict and the class of the network, and check it.

    The module is imported: its code runs.  The file of weights holds tensors only, nothing in it runs.

    Parameters
    ----------
    state:
        What ``torch.save(network.state_dict(), ...)`` wrote.
    network:
        ``package.module:Class`` or ``path/to/file.py:Class``; its ``forward`` takes the sources as the card's
        ``layout`` says.
    card:
        A ``medfuse-model.toml`` without ``sha256``, which is filled in.
    folder:
        The new folder.
    arguments:
        Of the class.
    entry:
        The entry of the file that holds the state dict, where it holds several things, such as "net".

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    WriteError
        If the folder exists or cannot be written; nothing half written stays.
    ParameterError
        If the class cannot be imported or built.
    WeightsError
        If weights and class do not fit together, the network cannot be expressed in ONNX, or the folder
        fails its check.
    DependencyError
        Without the packages of the extra ``onnx``.
    """
    target = Path(folder)
    if target.exists():
        raise WriteError(f"{target}: exists already; name a new folder")
    table = _card_table(Path(card))
    built = _built(network, arguments or {}, read_state(existing(state), entry))
    planned = parse_card(_toml({**table, "sha256": "0" * 64}))
    onnx = _traced(built, planned)
    digest = hashlib.sha256(onnx).hexdigest()
    text = _toml({**table, "sha256": digest})
    pair = _test_pair(built, planned)
    files = {CARD_FILE: text.encode(), ONNX_FILE: onnx, TEST_FILE: pack_test(pair)}
    return _checked_folder(files, target)


def _card_table(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(existing(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: cannot be read as a card: {one_line(error)}") from error


def _toml(table: Mapping[str, Any]) -> str:
    import tomli_w

    return tomli_w.dumps(table)


def _built(name: str, arguments: Mapping[str, Any], state: Mapping[str, Tensor]) -> nn.Module:
    """The network with its weights, ready to infer."""
    try:
        built: nn.Module = _class(name)(**arguments)
    except MedfuseError:
        raise
    except Exception as error:
        raise ParameterError(f"{name}: cannot be built: {type(error).__name__}: {one_line(error)}") from error
    try:
        built.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        raise WeightsError(
            f"these weights belong to another network than {name}: {one_line(error, 300)}"
        ) from error
    return built.eval()


def _class(name: str) -> Any:
    place, separator, attribute = name.rpartition(":")
    if not separator or not attribute.isidentifier():
        raise ParameterError(f"{name}: expected package.module:Class or path/to/file.py:Class")
    if not place.endswith(".py"):
        return getattr(import_module(place), attribute)
    path = existing(place).resolve()
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ParameterError(f"{place}: cannot be imported")
    module = module_from_spec(spec)
    sys.path.insert(0, str(path.parent))  # where its own imports are looked for
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return getattr(module, attribute)


def _traced(network: nn.Module, card: Card) -> bytes:
    """The network as an ONNX file, for any number of slices, and any size unless the card has one."""
    import warnings

    import torch

    inputs = _example(card)
    batch = 1 if card.input.layout == "stack" else 0
    free = [batch] if card.input.size else [batch, inputs[0].dim() - 2, inputs[0].dim() - 1]
    axes = dict.fromkeys(free, torch.export.Dim.DYNAMIC)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PyTorch about itself
            program = torch.onnx.export(
                network,
                inputs,
                dynamo=True,
                dynamic_shapes=tuple(axes for _ in inputs),
                input_names=_names(card),
                output_names=[card.output.name or "fused"],
                verbose=False,
            )
    except ImportError as error:
        raise DependencyError("exporting needs onnx and onnxscript: pip install 'medfuse[onnx]'") from error
    except Exception as error:
        raise WeightsError(f"PyTorch cannot express this network in ONNX: {one_line(error, 400)}") from error
    held: bytes = program.model_proto.SerializeToString()  # type: ignore[union-attr]
    return held


def _names(card: Card) -> list[str]:
    """The inputs of the file that is written."""
    count = card.input.sources if card.input.layout == "separate" else 1
    return list(card.input.names) or [f"source_{i + 1}" for i in range(count)]


def _example(card: Card) -> tuple[Tensor, ...]:
    """Inputs of two slices, so that none of the free axes has length 1."""
    import torch

    given = card.input
    multiple = given.size_multiple
    height, width = given.size or (-(-_SIDE // multiple) * multiple, -(-(_SIDE + 16) // multiple) * multiple)
    n, c = given.sources or 2, given.channels
    if given.layout == "separate":
        return tuple(torch.rand(2, c, height, width) for _ in range(n))
    shape = (2, n * c, height, width) if given.layout == "channels" else (n, 2, c, height, width)
    return (torch.rand(*shape),)


def _test_pair(network: nn.Module, card: Card) -> TestPair:
    """Generated images with what PyTorch makes of them, by the card's own rules."""
    n = card.input.sources or 2
    height, width = card.input.size or (_SIDE, _SIDE)
    sources = _images(n, height, width)
    judged = Network(card, _names(card), lambda inputs: _forward(network, inputs))
    return TestPair(sources, np.clip(judged(sources[:, None])[0], 0, 1))


def _images(n: int, height: int, width: int) -> np.ndarray:
    """Smooth shapes and some noise, float32 in [0, 1]."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = [
        np.sin(2 * np.pi * (rng.uniform(1, 4) * y + rng.uniform(1, 4) * x + rng.random())) for _ in range(n)
    ]
    return np.clip(
        0.5 + 0.35 * np.stack(waves) + 0.05 * rng.standard_normal((n, height, width)), 0, 1
    ).astype(np.float32)


def _forward(network: nn.Module, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    import torch

    with torch.inference_mode():
        drawn = network(*(torch.from_numpy(one) for one in inputs.values()))
    first: np.ndarray = (drawn[0] if isinstance(drawn, (tuple, list)) else drawn).numpy()
    return first


def _checked_folder(files: Mapping[str, bytes], target: Path) -> Path:
    try:
        with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=f".{target.name}.") as room:
            made = Path(room, target.name)
            made.mkdir()
            for name, held in files.items():
                (made / name).write_bytes(held)
            if problems := check_model(made):
                raise WeightsError(f"the exported model fails its check: {'; '.join(problems)}")
            made.rename(target)
    except OSError as error:
        raise WriteError(f"{target}: cannot be written: {error.strerror}") from error
    return target
