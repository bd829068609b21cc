"""Running a stack through torch in batches of slices, as large as the device's memory allows.

The stack goes to the device once.  The first batch is one slice; on a CUDA device its peak memory tells how
many fit into half of what is free.  When memory runs out all the same, the batch is halved and the
work goes on.  On the CPU and on MPS slices go one by one: batches gain nothing there, and progress is finer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import DeviceError
from ..progress import Progress
from .devices import is_out_of_memory
from .types import Fused, Stack

__all__ = ["Batch", "fuse_in_batches", "precise"]

_SHARE_OF_FREE_MEMORY = 0.5
_LARGEST_BATCH = 64  # more gains nothing and makes cancelling slow


class Batch(NamedTuple):
    """Some fused slices (b, y, x) with their maps (b, y, x)."""

    array: Tensor
    maps: Mapping[str, Tensor] = {}


def fuse_in_batches(
    fuse_batch: Callable[[Tensor], Batch], sources: Stack, device: torch.device, progress: Progress
) -> Fused:
    """Apply ``fuse_batch`` to slices (n, b, y, x, ...) of ``sources`` (n, z, y, x, ...) on ``device``.

    ``fuse_batch`` must treat each slice on its own, so that the result does not depend on the batches.

    Raises
    ------
    DeviceError
        If one slice alone does not fit into the device's memory.
    """
    depth, height, width = sources.shape[1:4]
    stack = torch.tensor(sources, device=device)
    done: list[Batch] = []
    size, limit, z = 1, _LARGEST_BATCH, 0
    while z < depth:
        progress(z / depth, f"slice {z + 1} of {depth}")
        batch, needed = _attempt(fuse_batch, stack[:, z : z + size])
        if batch is None:
            if size == 1:
                raise DeviceError(
                    f"a slice of {width}×{height} does not fit into the memory of {device}: "
                    "free some, choose another device (device=cpu), or resample to larger pixels"
                )
            size = limit = size // 2
            continue
        done.append(batch)
        z += size
        size = min(limit, max(1, int(_SHARE_OF_FREE_MEMORY * _free_memory(device) / needed) * size))
    progress(1.0, f"{depth} slices fused")
    array = np.concatenate([batch.array.numpy() for batch in done])
    maps = {name: np.concatenate([batch.maps[name].numpy() for batch in done]) for name in done[0].maps}
    return Fused(np.clip(array, 0, 1), maps, {"device": str(device)})


def precise(tensor: Tensor) -> Tensor:
    """``tensor`` in float64, or as it is on MPS, which has no float64."""
    return tensor if tensor.device.type == "mps" else tensor.double()


def _attempt(fuse_batch: Callable[[Tensor], Batch], slices: Tensor) -> tuple[Batch | None, float]:
    """The fused batch as float32 on the CPU and the bytes it took; None if memory ran out."""
    on_cuda = slices.device.type == "cuda"
    if on_cuda:
        torch.cuda.reset_peak_memory_stats(slices.device)
        before = torch.cuda.memory_allocated(slices.device)
    try:
        with torch.inference_mode():
            batch = fuse_batch(slices)
            batch = Batch(batch.array.float().cpu(), {k: v.float().cpu() for k, v in batch.maps.items()})
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        batch = None
    needed = torch.cuda.max_memory_allocated(slices.device) - before if on_cuda else 0
    if batch is None and on_cuda:
        torch.cuda.empty_cache()
    return batch, max(needed, 1)


def _free_memory(device: torch.device) -> float:
    if device.type != "cuda":
        return 0.0
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
