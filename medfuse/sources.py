"""The sources of one fusion, and which of their voxels were measured.

A scanner measures a field of view; registered onto another grid, a volume ends where that ended.  Beyond it
there is no value, and 0 is not one.  So the mask travels with the values: fusion shows what was
measured, and scores count what every source measured (the *common field*).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .errors import ParameterError

__all__ = ["Sources", "Stack", "check_sources", "continued", "mirrored", "stack_and_field"]

Stack = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
_ROUNDING = 1e-4  # how far outside [0, 1] resampling and arithmetic in float32 may take a source
_REFLECTIONS = 8  # between the ends of a narrow field; what is farther away is its nearest pixel


@dataclass(frozen=True, eq=False, repr=False)
class Sources:
    """Registered, rescaled sources on one grid.

    Parameters
    ----------
    array:
        float32 ``(n, z, y, x)`` in [0, 1], n ≥ 2; 0 where a source was not measured.
    valid:
        bool ``(n, z, y, x)``: voxels that were measured; None: all were.

    Raises
    ------
    ParameterError
        As :func:`check_sources` (values that were not measured may be anything), or if the mask has another
        shape.
    """

    array: Stack
    valid: Mask | None = None

    def __repr__(self) -> str:
        """One line for people; values are no part of it."""
        masked = "" if self.valid is None else f", {100 * self.valid.mean():.0f} % measured"
        return f"<Sources {'×'.join(map(str, self.array.shape))}{masked}>"

    def __post_init__(self) -> None:
        array, valid = np.asarray(self.array, dtype=np.float32), self.valid
        if valid is not None:
            valid = np.asarray(valid, dtype=bool)
            if valid.shape != array.shape:
                raise ParameterError(f"a mask of shape {valid.shape} for sources of shape {array.shape}")
            array = np.where(valid, array, np.float32(0))
            valid = None if valid.all() else valid
        object.__setattr__(self, "array", check_sources(array))
        object.__setattr__(self, "valid", valid)

    @classmethod
    def of(cls, arrays: Sequence[np.ndarray], masks: Sequence[Mask | None]) -> Sources:
        """Sources from their arrays (z, y, x), each with its mask (z, y, x) or None."""
        if all(mask is None for mask in masks):
            return cls(np.stack(arrays))
        pairs = zip(arrays, masks, strict=True)
        return cls(
            np.stack(arrays),
            np.stack([np.ones(np.shape(one), bool) if mask is None else mask for one, mask in pairs]),
        )

    @cached_property
    def whole(self) -> Stack:
        """The stack with the slices of each source continued beyond what was measured of them.

        See :func:`mirrored`.  A slice of which nothing was measured is 0.
        """
        if self.valid is None:
            return self.array
        return np.stack([continued(*pair) for pair in zip(self.array, self.valid, strict=True)])

    @property
    def common(self) -> Mask | None:
        """The common field (z, y, x): voxels that every source measured; None: all."""
        return None if self.valid is None else np.asarray(self.valid.all(axis=0))


def stack_and_field(sources: np.ndarray | Sources) -> tuple[np.ndarray, Mask | None]:
    """The stack (n, z, y, x) and its common field (z, y, x), which is None where all was measured."""
    return (sources.array, sources.common) if isinstance(sources, Sources) else (np.asarray(sources), None)


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


def continued(array: Stack, valid: Mask) -> Stack:
    """A volume (z, y, x) whose slices go on beyond what is ``valid`` (z, y, x) of them: :func:`mirrored`.

    A slice of which nothing was measured stays as it is.
    """
    result = array.copy()
    for z in np.flatnonzero(valid.any(axis=(1, 2)) & ~valid.all(axis=(1, 2))):
        result[z] = result[z][mirrored(valid[z])]
    return result


def mirrored(valid: Mask) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """For every pixel of a slice the measured pixel (row, column) that stands in for it; its own, if it was.

    ``image[mirrored(valid)]`` continues a slice (y, x) beyond what was measured, without an edge that is not
    in it and with its texture and noise: each pixel is mirrored at the nearest measured one, and again
    where its image was not measured either; the border of the slice is a mirror too.

    Raises
    ------
    ParameterError
        If no pixel was measured.
    """
    from scipy.ndimage import distance_transform_edt  # here, for the command line loads this module

    if not valid.any():
        raise ParameterError("no pixel of the slice was measured: nothing can stand in for the others")
    nearest = distance_transform_edt(~valid, return_distances=False, return_indices=True)
    outside = np.nonzero(~valid)
    places = np.array(outside)
    for _ in range(_REFLECTIONS):
        mirrors = nearest[:, places[0], places[1]]
        places = np.stack([_reflected(*one) for one in zip(2 * mirrors - places, valid.shape, strict=True)])
        if valid[places[0], places[1]].all():
            break
    found = np.indices(valid.shape)
    found[:, outside[0], outside[1]] = nearest[:, places[0], places[1]]
    return found[0], found[1]


def _reflected(index: npt.NDArray[np.intp], length: int) -> npt.NDArray[np.intp]:
    """``index`` mirrored at the first and the last of ``length`` places until it is one of them."""
    last = max(length - 1, 1)
    result: npt.NDArray[np.intp] = np.minimum(last - np.abs(index % (2 * last) - last), length - 1)
    return result
