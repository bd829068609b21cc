"""Batches: one by one, as many as fit, halved when memory runs out, and the same result each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_weights import random_backbone, random_state, save

from medfuse.errors import DeviceError
from medfuse.fusion import METHODS
from medfuse.fusion import batches as _batches
from medfuse.fusion.batches import Batch, fuse_in_batches
from medfuse.fusion.networks.architectures.densefuse import DenseFuseNetwork
from medfuse.fusion.networks.architectures.ifcnn import IFCNNNetwork
from medfuse.progress import ignore

CPU = torch.device("cpu")


def stack(depth=10):
    return np.random.default_rng(0).random((2, depth, 6, 7)).astype(np.float32)


def recording(sizes, largest=1000):
    """A mean of the sources that runs out of memory beyond ``largest`` slices."""

    def fuse_batch(sources):
        sizes.append(sources.shape[1])
        if sources.shape[1] > largest:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return Batch(sources.mean(dim=0), {"weight_0": sources[0]})

    return fuse_batch


@pytest.fixture
def roomy(monkeypatch):
    """Pretend that there is memory for any number of slices."""
    monkeypatch.setattr(_batches, "_free_memory", lambda device: 1e12)


def test_on_the_cpu_slices_go_one_by_one():
    sizes = []
    fused = fuse_in_batches(recording(sizes), stack(), CPU, ignore)
    assert sizes == [1] * 10
    np.testing.assert_allclose(fused.array, stack().mean(axis=0), atol=1e-7)
    np.testing.assert_array_equal(fused.maps["weight_0"], stack()[0])
    assert fused.info == {"device": "cpu"}


@pytest.mark.usefixtures("roomy")
def test_with_room_the_first_slice_measures_and_the_rest_follows():
    sizes = []
    fused = fuse_in_batches(recording(sizes), stack(100), CPU, ignore)
    assert sizes == [1, 64, 35]
    np.testing.assert_allclose(fused.array, stack(100).mean(axis=0), atol=1e-7)


@pytest.mark.usefixtures("roomy")
def test_out_of_memory_halves_the_batch_and_goes_on():
    sizes, seen = [], []
    fused = fuse_in_batches(recording(sizes, largest=10), stack(40), CPU, lambda f, m: seen.append(f))
    assert sizes == [1, 39, 32, 16, 8, 8, 8, 8, 7]
    np.testing.assert_allclose(fused.array, stack(40).mean(axis=0), atol=1e-7)
    assert seen == sorted(seen)


def test_ends_in_a_clear_error_at_one_slice():
    with pytest.raises(DeviceError, match=r"a slice of 7×6 does not fit into the memory of cpu.*device=cpu"):
        fuse_in_batches(recording([], largest=0), stack(), CPU, ignore)


def test_other_errors_are_not_swallowed():
    def broken(sources):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        fuse_in_batches(broken, stack(), CPU, ignore)


RANDOM = {
    "gff": None,
    "vgg": lambda: random_backbone("vgg19", 21),
    "zero_learning": lambda: random_backbone("resnet50", 3),
    "ifcnn": lambda: random_state(IFCNNNetwork("max")),
    "densefuse": lambda: random_state(DenseFuseNetwork()),
}


@pytest.fixture(params=RANDOM)
def method(request, tmp_path):
    """A method that works in batches, with random weights where it needs some."""
    key = request.param
    made = {"weights": str(save(RANDOM[key](), tmp_path / "w.pth"))} if RANDOM[key] else {}
    return METHODS[key](**made, device="cpu")


@pytest.mark.usefixtures("roomy")
def test_results_do_not_depend_on_the_batch(method, monkeypatch):
    sources = np.random.default_rng(1).random((2, 5, 40, 33)).astype(np.float32)
    seen = []
    together = method(sources, lambda fraction, message: seen.append(fraction))
    assert len(seen) == 3  # the first slice, the other four, the end
    monkeypatch.setattr(_batches, "_LARGEST_BATCH", 1)
    alone = method(sources)
    np.testing.assert_allclose(together.array, alone.array, atol=1e-5)


@pytest.mark.gpu
def test_the_gpu_gives_what_the_cpu_gives(method):
    sources = np.random.default_rng(2).random((2, 5, 64, 48)).astype(np.float32)
    on_gpu = replace(method, device="cuda")(sources)
    assert on_gpu.info["device"].startswith("cuda")
    np.testing.assert_allclose(on_gpu.array, method(sources).array, atol=1 / 255)
