"""A body as a function of space: parts painted one over the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...errors import ParameterError
from ..shapes import Points, amount, ellipsoid, tube
from ..texture import warp
from .tissues import BODY_TISSUES

__all__ = ["Blob", "Body", "Part", "Rod", "mirrored"]

_INDEX = {tissue.name: index for index, tissue in enumerate(BODY_TISSUES)}
Place = tuple[float, float, float]


@dataclass(frozen=True)
class Blob:
    """A (super-)ellipsoid of one tissue: ``power`` above 2 makes it boxier."""

    tissue: str
    centre: Place
    radii: Place
    power: float = 2.0

    @property
    def box(self) -> npt.NDArray[np.float64]:
        """Least and largest corner (2, 3), mm."""
        return np.stack([np.subtract(self.centre, self.radii), np.add(self.centre, self.radii)])

    def distance(self, points: Points) -> npt.NDArray[np.float32]:
        """Of ``points`` (3, n) to the surface, in mm, negative inside."""
        return ellipsoid(points, self.centre, self.radii, self.power)

    def mirrored(self) -> Blob:
        """The same on the other side."""
        x, y, z = self.centre
        return Blob(self.tissue, (-x, y, z), self.radii, self.power)


@dataclass(frozen=True)
class Rod:
    """A chain of rods of one tissue through points (x, y, z) of radius r, given as (x, y, z, r)."""

    tissue: str
    path: tuple[tuple[float, float, float, float], ...]

    @property
    def box(self) -> npt.NDArray[np.float64]:
        """Least and largest corner (2, 3), mm."""
        path = np.asarray(self.path)
        return np.stack([(path[:, :3] - path[:, 3:]).min(axis=0), (path[:, :3] + path[:, 3:]).max(axis=0)])

    def distance(self, points: Points) -> npt.NDArray[np.float32]:
        """Of ``points`` (3, n) to the surface, in mm, negative inside."""
        return tube(points, self.path)

    def mirrored(self) -> Rod:
        """The same on the other side."""
        return Rod(self.tissue, tuple((-x, y, z, r) for x, y, z, r in self.path))


Part = Blob | Rod


def mirrored(parts: Sequence[Part]) -> list[Part]:
    """``parts`` of the left side, and the same on the right."""
    return [*parts, *(part.mirrored() for part in parts)]


@dataclass(frozen=True)
class Body:
    """Parts from the outside in, bent by a warp of up to ``warp_mm``; LPS mm."""

    parts: tuple[Part, ...]
    seed: int = 0
    warp_mm: float = 3.0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ParameterError(f"body seed {self.seed}: expected 0 or more")

    def paint(self, points: Points, width: float, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Mix tissue properties at ``points`` (3, n), seen with cells of ``width`` mm.

        ``values`` is (properties, tissues) and the result (properties, n), as of
        :meth:`medfuse.phantom.Head.paint`.
        """
        plan = points + warp(points, self.warp_mm, 100 * self.seed + 7)
        result = np.repeat(values[:, :1], points.shape[1], axis=1)
        low, high = plan.min(axis=1), plan.max(axis=1)
        for part in self.parts:
            least, most = part.box + np.array([[-width], [width]])
            if (least > high).any() or (most < low).any():
                continue
            near = np.flatnonzero(
                ((plan > least[:, None].astype(np.float32)) & (plan < most[:, None].astype(np.float32))).all(
                    axis=0
                )
            )
            share = amount(part.distance(plan[:, near]), width)
            below = result[:, near]
            result[:, near] = below + share * (values[:, _INDEX[part.tissue], None] - below)
        return result
