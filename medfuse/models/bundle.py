"""The files of a model, from a folder or a zip, read into memory and checked against the card.

Three names are opened and no other; a zip is never unpacked to disk.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import WeightsError
from ..io.files import existing, one_line
from .card import Card, parse_card

__all__ = ["CARD_FILE", "ONNX_FILE", "TEST_FILE", "Bundle", "TestPair", "pack_test", "read_bundle"]

CARD_FILE, ONNX_FILE, TEST_FILE = "medfuse-model.toml", "model.onnx", "test.npz"

_LARGEST = {CARD_FILE: 1 << 20, ONNX_FILE: (1 << 31) - 1, TEST_FILE: 1 << 26}
"""Bytes; protocol buffers, of which an ONNX file consists, end at 2 GB."""


@dataclass(frozen=True, eq=False)
class TestPair:
    """Sources (n, y, x) and what the network made of them (y, x), float32 in [0, 1]."""

    __test__ = False  # for pytest: no class of tests

    sources: np.ndarray
    fused: np.ndarray


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model in memory; the bytes of ``model.onnx`` are those that the card names."""

    card: Card
    onnx: bytes
    test: TestPair


def read_bundle(path: str | Path) -> Bundle:
    """The model in a folder or a zip.

    Raises
    ------
    WeightsError
        If a file is missing, too large, damaged, or not the one that the card names.
    ReadError
        If there is nothing at ``path``.
    """
    read = _reader(existing(path))
    card = parse_card(_text(read(CARD_FILE)))
    onnx = read(ONNX_FILE)
    digest = hashlib.sha256(onnx).hexdigest()
    if digest != card.sha256:
        raise WeightsError(f"{ONNX_FILE}: its sha256 is {digest}, the card says {card.sha256}: get both anew")
    return Bundle(card, onnx, _test_pair(read(TEST_FILE), card.input.sources))


def pack_test(pair: TestPair) -> bytes:
    """The bytes of ``test.npz``."""
    packed = io.BytesIO()
    np.savez_compressed(packed, sources=pair.sources, fused=pair.fused)
    return packed.getvalue()


def _reader(path: Path) -> Callable[[str], bytes]:
    """What reads one of the three files by its name."""
    if path.is_dir():
        return lambda name: _from_folder(path, name)
    try:
        with zipfile.ZipFile(path) as packed:
            folder = _folder_inside(packed.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{path}: expected a folder or a zip with {CARD_FILE}: {one_line(error)}"
        ) from error
    return lambda name: _from_zip(path, folder + name)


def _folder_inside(names: list[str]) -> str:
    """Where in a zip the card lies: at the top, or in the one folder that was packed."""
    folders = [name.removesuffix(CARD_FILE) for name in names if name.split("/")[-1] == CARD_FILE]
    return folders[0] if len(folders) == 1 and folders[0].count("/") <= 1 else ""


def _from_folder(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        inside = path.resolve(strict=True).is_relative_to(folder.resolve())
        if not inside or not path.is_file():
            raise WeightsError(f"{name}: is a link out of the model's folder, or no file")
        _check_size(name, path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{name}: is missing or cannot be read: {error.strerror}") from error


def _from_zip(path: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as packed:
            limit = _check_size(Path(name).name, packed.getinfo(name).file_size)
            with packed.open(name) as file:
                held = file.read(limit + 1)  # what the zip says of its sizes may be wrong
    except KeyError as error:
        raise WeightsError(f"{name}: is missing in the zip") from error
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise WeightsError(f"{name}: cannot be read from the zip: {one_line(error)}") from error
    _check_size(Path(name).name, len(held))
    return held


def _check_size(name: str, size: int) -> int:
    limit = _LARGEST[name]
    if size > limit:
        raise WeightsError(f"{name}: {size} bytes; expected at most {limit}")
    return limit


def _text(held: bytes) -> str:
    try:
        return held.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WeightsError(f"{CARD_FILE}: expected UTF-8: {error.reason}") from error


def _test_pair(held: bytes, sources: int) -> TestPair:
    """The arrays in a file of NumPy; nothing in it is executed, and its sizes are checked before it grows."""
    try:
        with zipfile.ZipFile(io.BytesIO(held)) as packed:
            _check_size(TEST_FILE, sum(one.file_size for one in packed.infolist()))
        with np.load(io.BytesIO(held), allow_pickle=False) as arrays:
            pair = TestPair(*(np.asarray(arrays[name]) for name in ("sources", "fused")))
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, EOFError, NotImplementedError) as error:
        raise WeightsError(
            f"{TEST_FILE}: expected the arrays 'sources' and 'fused': {one_line(error)}"
        ) from error
    _check_pair(pair, sources)
    return pair


def _check_pair(pair: TestPair, sources: int) -> None:
    n, fused = len(pair.sources), pair.fused
    shapes = f"sources {pair.sources.shape}, fused {fused.shape}"
    is_pair = pair.sources.ndim == 3 and pair.sources.shape[1:] == fused.shape and fused.size
    if not is_pair or n < 2 or (sources and n != sources):
        raise WeightsError(f"{TEST_FILE}: {shapes}: expected ({sources or 'n'}, y, x) and (y, x)")
    for array in (pair.sources, fused):
        if (
            array.dtype.kind not in "fiu"
            or not np.isfinite(array).all()
            or array.min() < 0
            or array.max() > 1
        ):
            raise WeightsError(f"{TEST_FILE}: expected numbers in [0, 1]")
