"""How well a transform explains two volumes, without any search: to tell meanings of a file apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..colour import luma_of
from ..transforms import transform_points
from ..volume import Volume
from .linear.starts import mutual_information

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["match"]

_POINTS = 20_000
_BINS = 16
_LEAST_OVERLAP = 0.1  # of the points


def match(fixed: Volume, moving: Volume, transform: SimpleITK.Transform) -> float:
    """Mutual information in nats of the values at points of ``fixed`` and where ``transform`` takes them.

    Of 20,000 voxels drawn at random, with their nearest neighbours; 0 where less than a tenth of them lies
    within what ``moving`` measured.
    """
    index = np.argwhere(np.ones(fixed.geometry.shape, bool) if fixed.valid is None else fixed.valid)
    index = np.random.default_rng(1).permutation(index)[:_POINTS]
    points = fixed.geometry.world(index[:, ::-1])
    there = np.rint(moving.geometry.index(transform_points(transform, points))).astype(int)[:, ::-1]
    inside: npt.NDArray[np.bool_] = np.asarray(((there >= 0) & (there < moving.geometry.shape)).all(axis=1))
    if moving.valid is not None:
        inside[inside] = moving.valid[tuple(there[inside].T)]
    if inside.mean() < _LEAST_OVERLAP:
        return 0.0
    one, two = (_binned(volume)[tuple(at[inside].T)] for volume, at in ((fixed, index), (moving, there)))
    return mutual_information(one * _BINS + two, _BINS)


def _binned(volume: Volume) -> npt.NDArray[np.intp]:
    """Bins of equal width between the 0.5th and the 99.5th percentile."""
    array = luma_of(volume.array) if volume.is_colour else volume.array
    few = array[::2, ::2, ::2] if volume.valid is None else array[volume.valid][::4]
    low, high = np.percentile(few, (0.5, 99.5)) if few.size else (0.0, 1.0)
    return np.clip((array - low) / max(high - low, 1e-9) * _BINS, 0, _BINS - 1).astype(np.intp)
