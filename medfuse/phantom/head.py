"""The head as a function of space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..volume import Geometry
from .brain import brain_layers
from .shapes import Points, amount, ellipsoid
from .skull import cover_layers, cranium
from .space import Matrix, to_frame
from .texture import warp
from .tissues import TISSUES, index_of

__all__ = ["LANDMARKS", "Head"]

LANDMARKS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "anterior commissure": (0, 0, 0),
        "posterior commissure": (0, 27, 0),
        "pineal gland": (0, 33, 2),
        "genu of corpus callosum": (0, -28, 5),
        "splenium of corpus callosum": (0, 38, 11),
        "left eye": (32, -69, -32),
        "right eye": (-32, -69, -32),
        "left choroid plexus": (25, 43, 11),
        "right choroid plexus": (-25, 43, 11),
        "left thalamus": (11, 15, 8),
        "right thalamus": (-11, 15, 8),
        "fourth ventricle": (0, 36, -30),
        "lesion": (33, 6, 36),
    }
)
"""Where structures lie before the head of a seed is warped; :attr:`Head.landmarks` has the true places."""

_STEPS = 30


@dataclass(frozen=True)
class Head:
    """One head.  Other seeds have other folds and slightly other proportions.

    Everything is in the head frame (LPS mm, see :mod:`medfuse.phantom`).
    """

    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ParameterError(f"head seed {self.seed}: expected 0 or more")

    def paint(self, points: Points, width: float, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Mix tissue properties at ``points`` (3, n), seen with cells of ``width`` mm.

        ``values`` is (properties, tissues) and the result (properties, n).  The mix is linear in
        ``values``: each point is a weighted mean of tissues.
        """
        result = np.repeat(values[:, :1], points.shape[1], axis=1)
        for tissue, where, distance in self._layers(points):
            touched = np.flatnonzero(distance < width / 2)
            place = where[touched]
            below = result[:, place]
            result[:, place] = below + amount(distance[touched], width) * (values[:, tissue, None] - below)
        return result

    def labels(self, points: Points) -> npt.NDArray[np.uint8]:
        """The tissue at each of ``points`` (3, n), as its index in :data:`~medfuse.phantom.TISSUES`."""
        result = np.zeros(points.shape[1], dtype=np.uint8)
        for tissue, where, distance in self._layers(points):
            result[where[distance < 0]] = tissue
        return result

    def label_map(self, geometry: Geometry, pose: Matrix | None = None) -> npt.NDArray[np.uint8]:
        """The tissue at the centre of each voxel (z, y, x) of a scan at ``pose``."""
        to_head = np.asarray(np.linalg.inv(np.eye(4) if pose is None else pose), dtype=np.float64)
        nx, ny, nz = geometry.size
        index = np.stack(np.meshgrid(np.arange(nx), np.arange(ny), [0]), axis=-1).reshape(-1, 3)
        slices = []
        for z in range(nz):
            points = to_frame(to_head, geometry.world(index + np.array([0, 0, z])))
            slices.append(self.labels(points.T.astype(np.float32)).reshape(ny, nx))
        return np.stack(slices)

    @property
    def landmarks(self) -> dict[str, npt.NDArray[np.float64]]:
        """Name -> place (3,) of each of :data:`LANDMARKS` in this head."""
        targets = np.array(list(LANDMARKS.values()), dtype=float).T
        points = targets.copy()
        for _ in range(_STEPS):  # the warp is gentle, so that this fixed-point iteration converges
            points -= self._to_plan(points.astype(np.float32)) - targets
        return dict(zip(LANDMARKS, points.T, strict=True))

    def brain_points(self, count: int, seed: int = 0) -> npt.NDArray[np.float64]:
        """``count`` random points (count, 3) inside the brain, to measure registration errors on."""
        rng = np.random.default_rng([seed, 11])
        brain = [index_of(name) for name in _BRAIN]
        found = np.empty((0, 3))
        while len(found) < count:
            points = rng.uniform((-70, -75, -65), (70, 105, 85), size=(4 * count, 3))
            inside = np.isin(self.labels(points.T.astype(np.float32)), brain)
            found = np.concatenate([found, points[inside]])
        return found[:count]

    @property
    def _stream(self) -> int:
        """The first of the random fields of this head; the layers add small numbers to it."""
        return 100 * self.seed

    def _to_plan(self, points: Points) -> Points:
        """Where ``points`` of this head lie in the symmetric plan in which the shapes are defined."""
        warped = points + warp(points, 1.6, self._stream)
        # Left back and right front of a human brain reach further out ("torque").
        warped[1] -= np.float32(0.05 / 90) * points[0] * np.abs(points[1])
        return warped

    def _layers(self, points: Points) -> Iterator[tuple[int, npt.NDArray[np.intp], np.ndarray]]:
        """Tissues from the outside in: label, which points it may touch, distance to its surface."""
        near = np.flatnonzero(ellipsoid(points, *_ENVELOPE) < 0)
        plan = self._to_plan(points[:, near])
        bones = cranium(plan, self._stream)
        for layers in (cover_layers(plan, bones, self._stream), brain_layers(plan, bones, self._stream)):
            for name, where, distance in layers:
                yield _INDEX[name], near[where], distance


_ENVELOPE = ((0, 0, -30), (108, 150, 160))  # centre and radii of an ellipsoid about head and neck
_INDEX = {tissue.name: index for index, tissue in enumerate(TISSUES)}
_BRAIN = (
    "grey matter",
    "white matter",
    "deep grey matter",
    "pallidum",
    "cerebellar cortex",
    "cerebellar white matter",
    "brain stem",
)
