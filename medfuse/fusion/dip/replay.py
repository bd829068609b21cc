"""Many steps on a GPU with one launch each.

A step of a narrow network is hundreds of small kernels, and a GPU finishes them faster than Python can
name them.  A CUDA graph records them once; a replay is one launch.  What is recorded must work on memory
that stays where it is, and must not ask for a number that is still being computed.

On other devices nothing here does more than call a function and read a flag.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Lookout", "Replay"]

_WARM_UP = 3  # calls before the recording: libraries choose their algorithms, the optimiser makes its state
_LAG = 20  # steps in flight


class Replay:
    """A function on fixed memory: on a CUDA device recorded at its fourth call, and replayed from then on.

    Parameters
    ----------
    function:
        Takes and returns nothing.
    device:
        Where it works.
    generator:
        Where it draws random numbers from: each replay draws new ones.
    """

    def __init__(self, function: Callable[[], None], device: torch.device, generator: torch.Generator):
        self._function = function
        self._device = device
        self._generator = generator
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        if self._device.type != "cuda":
            self._function()
            return
        with torch.cuda.device(self._device):
            if self._graph is None:
                self._begin()
            else:
                self._graph.replay()

    def _begin(self) -> None:
        """A call as it is, or the recording and its first replay."""
        self._calls += 1
        if self._calls == 1:
            self._stream = torch.cuda.Stream()  # what runs on the default stream cannot be recorded
        if self._calls <= _WARM_UP:
            current = torch.cuda.current_stream()
            self._stream.wait_stream(current)
            with torch.cuda.stream(self._stream):
                self._function()
            current.wait_stream(self._stream)
            return
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        with torch.cuda.graph(graph, stream=self._stream):
            self._function()
        graph.replay()
        self._graph = graph


class Lookout:
    """Watches a flag on the device; on CUDA it sees the flag as it was some steps ago.

    To read the latest value would be to wait until the device has nothing left to do.  The lag is a fixed
    number of steps, so that a run ends at the same step every time, and it bounds how far the device is
    behind: someone who cancels waits for so many steps at most.
    """

    def __init__(self) -> None:
        self._sent: deque[tuple[Tensor, torch.cuda.Event]] = deque()

    def sees(self, flag: Tensor) -> bool:
        """Whether ``flag`` is set; called once a step."""
        if flag.device.type != "cuda":
            return bool(flag)
        copy = torch.empty((), dtype=torch.bool, pin_memory=True)
        copy.copy_(flag, non_blocking=True)
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(flag.device))
        self._sent.append((copy, event))
        if len(self._sent) <= _LAG:
            return False
        copy, event = self._sent.popleft()
        event.synchronize()
        return bool(copy)
