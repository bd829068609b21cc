"""What every fusion method takes and gives, and the loop that slice-wise methods share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..progress import Progress, ignore

__all__ = ["Fused", "FusionMethod", "SliceFusion", "Stack", "check_sources", "map_slices"]

Stack = npt.NDArray[np.float32]
_ROUNDING = 1e-4  # how far outside [0, 1] resampling and arithmetic in float32 may take a source


@dataclass(frozen=True, eq=False)
class Fused:
    """The result of a fusion method.

    Parameters
    ----------
    array:
        float32 ``(z, y, x)`` in [0, 1].
    maps:
        name -> array of that shape: ``weight_0``, ``weight_1``, … are the share of each source in
        [0, 1], adding to 1; ``uncertainty`` is in grey values of [0, 1].  Only what a method knows.
    info:
        Plain numbers, words and lists of them, for the provenance; ``notes``, if there, is a list of
        sentences for the reader of the result.
    """

    array: Stack
    maps: Mapping[str, Stack] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)


class FusionMethod(Protocol):
    """A configured method: ``method(sources, progress) -> Fused``."""

    def __call__(self, sources: Stack, progress: Progress = ignore) -> Fused:
        """Fuse ``sources`` float32 (n, z, y, x) in [0, 1], n ≥ 2."""
        ...


class SliceFusion(NamedTuple):
    """One fused slice (y, x) with its maps (y, x) and plain facts."""

    array: np.ndarray
    maps: Mapping[str, np.ndarray] = {}
    info: Mapping[str, Any] = {}


def check_sources(sources: np.ndarray) -> Stack:
    """``sources`` as float32 (n, z, y, x), after checking that they are what methods expect.

    Raises
    ------
    ParameterError
        If there are fewer than two sources, the array is not 4-D or empty, or a value is not
        finite or lies outside [0, 1].
    """
    stack = np.asarray(sources, dtype=np.float32)
    if stack.ndim != 4 or stack.size == 0:
        raise ParameterError(f"sources of shape {stack.shape}: expected a filled stack (n, z, y, x)")
    if len(stack) < 2:
        raise ParameterError("one source: fusion needs two or more")
    if not np.isfinite(stack).all():
        raise ParameterError("sources hold NaN or infinite values: replace them before fusion")
    low, high = float(stack.min()), float(stack.max())
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ParameterError(f"sources range from {low:g} to {high:g}: rescale them to [0, 1] first")
    return np.clip(stack, 0, 1)


def map_slices(
    fuse_slice: Callable[[Stack], SliceFusion], sources: Stack, progress: Progress = ignore
) -> Fused:
    """Apply ``fuse_slice`` to each slice ``(n, y, x)`` and stack the results.

    ``progress`` is called before each slice, so that a cancelled run stops within one slice.
    The facts of the slices become lists in :attr:`Fused.info`.
    """
    depth = sources.shape[1]
    slices = []
    for z in range(depth):
        progress(z / depth, f"slice {z + 1} of {depth}")
        slices.append(fuse_slice(sources[:, z]))
    progress(1.0, f"{depth} slices fused")
    return stack_slices(slices)


def stack_slices(slices: list[SliceFusion]) -> Fused:
    """Slices one above the other as one :class:`Fused`."""
    array = np.stack([one.array for one in slices]).astype(np.float32)
    maps = {name: np.stack([one.maps[name] for one in slices]).astype(np.float32) for name in slices[0].maps}
    info = {name: [one.info[name] for one in slices] for name in slices[0].info}
    return Fused(np.clip(array, 0, 1), maps, info)
