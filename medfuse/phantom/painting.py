"""Painting the head and other bodies onto grids."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..volume import Geometry
from .shapes import Points
from .space import Matrix

__all__ = ["Painted", "sample"]

_CELL = 2.5  # mm: longer voxel edges are divided, so that thick slices show partial volume


class Painted(Protocol):
    """What is a function of space: see :meth:`medfuse.phantom.Head.paint`."""

    def paint(
        self, points: Points, width: float, values: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]: ...


def sample(body: Painted, geometry: Geometry, pose: Matrix, values: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Tissue properties averaged over each voxel of ``geometry``.

    ``values`` is (properties, tissues); the result (properties, z, y, x).  ``pose`` maps the
    frame of ``body`` to the world of ``geometry``.
    """
    values = np.atleast_2d(np.asarray(values, dtype=np.float32))
    factors = [int(np.ceil(spacing / _CELL)) for spacing in geometry.spacing]
    cells = [spacing / factor for spacing, factor in zip(geometry.spacing, factors, strict=True)]
    width = float(np.cbrt(np.prod(cells)))
    to_head = np.linalg.inv(pose) @ geometry.affine
    x, y = (_positions(geometry.size[i], factors[i]) for i in range(2))
    plane = np.stack(np.broadcast_arrays(x, y[:, None])).reshape(2, -1)
    in_plane = to_head[:3, :2] @ plane + to_head[:3, 3:]
    result = np.zeros((len(values), *geometry.shape), dtype=np.float32)
    blocks = (len(values), geometry.size[1], factors[1], geometry.size[0], factors[0])
    for z in range(geometry.size[2]):
        for part in z + _positions(1, factors[2]):
            points = (in_plane + to_head[:3, 2:3] * part).astype(np.float32)
            result[:, z] += body.paint(points, width, values).reshape(blocks).mean(axis=(2, 4))
    return result / np.float32(factors[2])


def _positions(count: int, factor: int) -> npt.NDArray[np.float64]:
    """Voxel indices of the middles of ``factor`` cells in each of ``count`` voxels."""
    return (np.arange(count * factor) + 0.5) / factor - 0.5
