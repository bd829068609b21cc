"""Pretrained weights: what there is, where it lies, and how it gets there.

Weights are looked up in the folder named by ``$MEDFUSE_WEIGHTS``, then in the user's cache folder.  Nothing
is downloaded unless :func:`download_weights` is called, which is what ``medfuse weights get`` does;
a method whose weights are missing says so and stops.  Every file is checked against its sha256 before it is
used, and read without running code from it (``weights_only=True``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from .errors import UnknownNameError, WeightsError
from .io.hashes import sha256_of
from .progress import Progress, ignore

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "WEIGHTS",
    "Weights",
    "download_weights",
    "find_weights",
    "load_weights",
    "lookup_folders",
    "matches",
    "missing_weights",
    "read_state",
    "weights_named",
]


@dataclass(frozen=True)
class Weights:
    """One file of pretrained weights.

    Parameters
    ----------
    name:
        What users type.
    url:
        Where its publisher offers it.
    sha256:
        Its digest, or the first digits, where the publisher gives no more.
    megabytes:
        Its size.
    licence:
        As stated by the publisher; "not stated" means that nobody else may pass it on.
    citation:
        Paper with DOI.
    """

    name: str
    url: str
    sha256: str
    megabytes: float
    licence: str
    citation: str

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.url.rpartition("/")[2]


_TORCHVISION = "https://download.pytorch.org/models/"
_IFCNN = "https://raw.githubusercontent.com/uzeful/IFCNN/master/Code/snapshots/"
_DENSEFUSE = "https://raw.githubusercontent.com/hli1221/densefuse-pytorch/master/models/"
_BSD = "BSD-3-Clause (torchvision); trained on ImageNet, whose terms are for research"
_VGG = "Simonyan, Zisserman 2015, arXiv:1409.1556"
_SQUEEZENET = "Iandola et al. 2016, arXiv:1602.07360"
_ZHANG = "Zhang et al. 2020, doi:10.1016/j.inffus.2019.07.011"

WEIGHTS: Mapping[str, Weights] = {
    one.name: one
    for one in (
        Weights(
            "ifcnn-max",
            f"{_IFCNN}IFCNN-MAX.pth",
            "6022b44c88a2f0367ba9b08fcdf0d663745d9a966fca0ee1f41867797b6ff53f",
            0.3,
            "not stated",
            _ZHANG,
        ),
        Weights(
            "ifcnn-mean",
            f"{_IFCNN}IFCNN-MEAN.pth",
            "fd2ee9361f1d428fc9749e28e8a2c5c5ef6ce6528ab6f5ad8ef5def42e7ffa4b",
            0.3,
            "not stated",
            _ZHANG,
        ),
        Weights(
            "ifcnn-sum",
            f"{_IFCNN}IFCNN-SUM.pth",
            "a8c1d293f1bf16a93e6244a4bf8f7a7bd300dc10555c8597ad7ef3320b0410cb",
            0.3,
            "not stated",
            _ZHANG,
        ),
        Weights(
            "densefuse-gray",
            f"{_DENSEFUSE}densefuse_gray.model",
            "b34cf3650f04161b31ac2467decfeedf7eba39165b7618f846e0f298ecd2ac65",
            0.3,
            "not stated",
            "Li, Wu 2019, doi:10.1109/TIP.2018.2887342",
        ),
        Weights("vgg19", f"{_TORCHVISION}vgg19-dcbb9e9d.pth", "dcbb9e9d", 548.1, _BSD, _VGG),
        Weights("vgg16", f"{_TORCHVISION}vgg16-397923af.pth", "397923af", 527.8, _BSD, _VGG),
        Weights(
            "resnet50",
            f"{_TORCHVISION}resnet50-0676ba61.pth",
            "0676ba61",
            97.8,
            _BSD,
            "He et al. 2016, doi:10.1109/CVPR.2016.90",
        ),
        Weights(
            "alexnet",
            f"{_TORCHVISION}alexnet-owt-7be5be79.pth",
            "7be5be79",
            233.1,
            _BSD,
            "Krizhevsky 2014, arXiv:1404.5997",
        ),
        Weights(
            "densenet121",
            f"{_TORCHVISION}densenet121-a639ec97.pth",
            "a639ec97",
            30.8,
            _BSD,
            "Huang et al. 2017, doi:10.1109/CVPR.2017.243",
        ),
        Weights(
            "mobilenet_v2",
            f"{_TORCHVISION}mobilenet_v2-b0353104.pth",
            "b0353104",
            13.6,
            _BSD,
            "Sandler et al. 2018, doi:10.1109/CVPR.2018.00474",
        ),
        Weights(
            "squeezenet1_0",
            f"{_TORCHVISION}squeezenet1_0-b66bff10.pth",
            "b66bff10",
            4.8,
            _BSD,
            _SQUEEZENET,
        ),
        Weights(
            "squeezenet1_1",
            f"{_TORCHVISION}squeezenet1_1-b8a52dc0.pth",
            "b8a52dc0",
            4.7,
            _BSD,
            _SQUEEZENET,
        ),
    )
}
"""Name -> what is known about it.  torchvision's are its first ImageNet weights (``IMAGENET1K_V1``)."""


def lookup_folders() -> list[Path]:
    """Where weights are looked for, in order; :func:`download_weights` writes to the first."""
    import pooch

    named = os.environ.get("MEDFUSE_WEIGHTS", "").strip()
    cache = Path(pooch.os_cache("medfuse")) / "weights"
    return [Path(named).expanduser(), cache] if named else [cache]


def weights_named(name: str) -> Weights:
    """The entry of :data:`WEIGHTS` with that name.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists the names.
    """
    if name not in WEIGHTS:
        raise UnknownNameError("weights", name, WEIGHTS)
    return WEIGHTS[name]


def find_weights(name: str) -> Path:
    """The file of the weights ``name`` on this machine, after checking it.

    Raises
    ------
    WeightsError
        If it is missing or damaged; the message says how to get it, also without a network.
    UnknownNameError
        If no weights have that name.
    """
    one = weights_named(name)
    folders = lookup_folders()
    path = next((folder / one.file for folder in folders if (folder / one.file).is_file()), None)
    if path is None:
        raise WeightsError(
            f"the weights {name} are not on this machine: run 'medfuse weights get {name}' "
            f"({one.megabytes:g} MB from {_host(one.url)}); on a machine without a network, copy {one.file} "
            f"from {one.url} into {folders[0]}, or into a folder that MEDFUSE_WEIGHTS names"
        )
    if not matches(path, one):
        raise WeightsError(
            f"{path}: is not the published file: its sha256 is {sha256_of(path)}, expected "
            f"{one.sha256}; delete it and run 'medfuse weights get {name}'"
        )
    return path


def missing_weights(names: Iterable[str]) -> list[str]:
    """Those of ``names`` that are not on this machine."""
    folders = lookup_folders()
    return [
        name for name in names if not any((folder / weights_named(name).file).is_file() for folder in folders)
    ]


def download_weights(name: str, progress: Progress = ignore) -> Path:
    """Fetch the weights ``name`` from their publisher, unless they are there already.

    The file appears whole and checked, or not at all.

    Raises
    ------
    WeightsError
        If they cannot be fetched or written, or what came is not the published file.
    UnknownNameError
        If no weights have that name.
    """
    one = weights_named(name)
    target = lookup_folders()[0] / one.file
    if target.is_file() and matches(target, one):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch_checked(one, target, progress)
    except OSError as error:  # what requests raises is an OSError, too
        raise WeightsError(
            f"the weights {name} could not be fetched into {target.parent}: {error}; "
            f"without a network, copy {one.file} there by hand from {one.url}"
        ) from error
    return target


def _fetch_checked(one: Weights, target: Path, progress: Progress) -> None:
    import pooch

    partial = target.with_name(f".{token_hex(6)}.{one.file}")
    try:
        pooch.HTTPDownloader(progressbar=_Bar(one.name, progress))(one.url, str(partial), None)
        if not matches(partial, one):
            raise WeightsError(
                f"{one.url}: what came has sha256 {sha256_of(partial)}, expected {one.sha256}: "
                "it was changed on the way or by its publisher, and was not kept"
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def matches(path: Path, weights: Weights) -> bool:
    """Whether a file has the digest of ``weights``."""
    return sha256_of(path).startswith(weights.sha256)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors by name in a file that ``torch.save`` wrote; code in it is never run.

    Raises
    ------
    WeightsError
        If the file is missing, is no such file, or holds anything else.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler raises whatever its innards do on damaged input
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{path}: cannot be read as weights (a PyTorch state dict): {reason}") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{path}: holds something else than named tensors (a PyTorch state dict)")
    return dict(state)


def load_weights(name: str, file: str = "") -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of the weights ``name``, or of the user's own ``file``, and what the provenance says of it.

    An own file is not compared with anything; it must hold what the network of ``name`` needs.

    Raises
    ------
    WeightsError
        As :func:`find_weights` and :func:`read_state`.
    """
    path = Path(file).expanduser() if file else find_weights(name)
    state, digest = _kept(path, *_version(path))
    return dict(state), {"weights": path.name if file else name, "weights_sha256": digest}


@lru_cache(maxsize=1)
def _kept(path: Path, *_version: int) -> tuple[dict[str, Tensor], str]:
    """The weights used last stay in memory: a batch uses them for one study after the other."""
    return read_state(path), sha256_of(path)


def _version(path: Path) -> tuple[int, ...]:
    """What changes when another file takes its place; empty if there is none."""
    try:
        facts = path.stat()
    except OSError:
        return ()
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


class _Bar:
    """What pooch calls while it downloads, as our progress callback."""

    total = 0

    def __init__(self, name: str, progress: Progress):
        self._name, self._progress, self._done = name, progress, 0

    def update(self, size: int) -> None:
        self._done += size
        share = min(1.0, self._done / self.total) if self.total else 0.0
        self._progress(share, f"fetching {self._name}")

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        pass


def _host(url: str) -> str:
    return url.split("/")[2]
