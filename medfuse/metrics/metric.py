"""What a metric is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import ParameterError

__all__ = ["Metric", "Undefined", "check_images", "check_shapes", "two_sources"]

_EPS = np.finfo(float).eps
_SINGLE = 1e-4  # grey levels; single precision is good to 1e-5 there


class Undefined(float):
    """NaN with a reason: what a metric returns where its definition has no value.

    >>> Undefined("the fused image is flat").reason
    'the fused image is flat'
    """

    reason: str

    def __new__(cls, reason: str) -> Undefined:
        value = super().__new__(cls, "nan")
        value.reason = reason
        return value

    def __reduce__(self) -> tuple[type[Undefined], tuple[str]]:
        return Undefined, (self.reason,)


@dataclass(frozen=True)
class Metric:
    """A quality metric of fusion, as the literature's own code computes it.

    Parameters
    ----------
    key:
        What users type; the literature's short name.
    name:
        Full name.
    function:
        ``function(sources, fused) -> float`` of one slice: sources (n, y, x), fused (y, x), floats
        in [0, 1].  Pure; where undefined it returns :class:`Undefined`.
    higher_is_better:
        None where neither direction is better.
    range:
        Smallest and largest value that can occur.
    reference:
        Paper with DOI.
    unit:
        "" for a plain number, "bit", "nat", "grey level".
    code:
        The public code whose values it equals.
    notes:
        Known faults of that code, kept or guarded, and what flatters the score.
    two_sources:
        Whether it is defined for two sources only.
    """

    key: str
    name: str
    function: Callable[[np.ndarray, np.ndarray], float]
    higher_is_better: bool | None
    range: tuple[float, float]
    reference: str
    unit: str = ""
    code: str = ""
    notes: str = ""
    two_sources: bool = False


def check_images(sources: np.ndarray, fused: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``sources`` and ``fused`` as float64 in [0, 1], after checking shapes and range.

    8-bit images (uint8) are divided by 255; single precision that holds 8-bit levels is restored to them.

    Raises
    ------
    ParameterError
        If they are not (n, y, x) with n ≥ 2 and (y, x), or hold values that are not finite or
        outside [0, 1].
    """
    sources, fused = _unit(sources), _unit(fused)
    if sources.ndim != 3 or len(sources) < 2 or fused.ndim != 2:
        raise ParameterError(
            f"sources of shape {sources.shape} and fused of shape {fused.shape}: "
            "expected (n, y, x) with n of 2 or more, and (y, x)"
        )
    if sources.shape[1:] != fused.shape or fused.size == 0:
        raise ParameterError(
            f"sources are {sources.shape[1:]} and the fused image is {fused.shape}: "
            "they must be of one size, and not empty"
        )
    for what, values in (("a source", sources), ("the fused image", fused)):
        low, high = values.min(), values.max()
        if not (low >= -_EPS and high <= 1 + _EPS):  # also catches NaN
            raise ParameterError(
                f"{what} ranges from {low:g} to {high:g}: metrics take [0, 1]; rescale it, or pass 8-bit "
                "images as uint8"
            )
    return sources, fused


def check_shapes(sources: np.ndarray, fused: np.ndarray) -> None:
    """Refuse a stack of sources and a fused volume that are not (n, z, y, x) and (z, y, x).

    Raises
    ------
    ParameterError
        If they are not.
    """
    if sources.ndim != 4 or fused.shape != sources.shape[1:]:
        raise ParameterError(
            f"sources of shape {sources.shape} and fused of shape {fused.shape}: "
            "expected (n, z, y, x) and (z, y, x)"
        )


def _unit(images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images / 255
    if images.dtype == np.float32 and images.size:
        return _levels_restored(images)
    return images.astype(float)


def _levels_restored(images: np.ndarray) -> np.ndarray:
    """float64 of float32; exactly k/255 where all values are 8-bit levels but for single precision.

    Some codes count equal gradients, which single precision makes unequal.
    """
    grey = 255 * images.astype(float)
    for sample in (grey.reshape(-1)[:: max(1, grey.size // 64)], grey):  # most fail at the first look
        if not np.all(np.abs(sample - np.rint(sample)) < _SINGLE):
            return images.astype(float)
    result: np.ndarray = np.rint(grey) / 255
    return result


def two_sources(key: str, sources: np.ndarray) -> None:
    """Refuse other than two sources, for the metrics that are defined for two.

    Raises
    ------
    ParameterError
        If there are more.
    """
    if len(sources) != 2:
        raise ParameterError(
            f"metric {key!r} is defined for two sources and got {len(sources)}: "
            "leave it out, or score the sources two by two"
        )
