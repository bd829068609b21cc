"""A whole person, coarse: head, torso, arms and legs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .body import Blob, Body, Part, Rod, mirrored
from .limb import leg
from .torso import spine, trunk

__all__ = ["person"]

_HEAD = (0.0, 12.0, 400.0)
_LEGS = -460.0


def person(seed: int = 0) -> Body:
    """Some 1.4 m from the crown to the knees, the middle of the torso at 0, the head upwards."""
    rng = np.random.default_rng([seed, 53])
    body = [*_arms(), *_legs(rng), *trunk(rng), *_pelvis(), *_neck(rng), *_head(rng)]
    return Body(tuple(body), seed)


def _arms() -> list[Part]:
    def arm(tissue: str, radius: float) -> Rod:
        shoulder, elbow, wrist = (165.0, 20.0, 205.0), (225.0, 30.0, -80.0), (228.0, 0.0, -320.0)
        return Rod(
            tissue,
            tuple((*place, radius * share) for place, share in ((shoulder, 1.2), (elbow, 1.0), (wrist, 0.7))),
        )

    layers = (("fat", 46.0), ("muscle", 38.0), ("cortical bone", 13.0), ("fatty marrow", 6.0))
    return mirrored([arm(*layer) for layer in layers])


def _legs(rng: np.random.Generator) -> list[Part]:
    return mirrored([_lower(part) for part in leg(rng, 82.0, (95.0, 8.0))])


def _lower(part: Part) -> Part:
    """A part of a limb about 0, moved down to where legs are."""
    if isinstance(part, Blob):
        x, y, z = part.centre
        return replace(part, centre=(x, y, z + _LEGS))
    return replace(part, path=tuple((x, y, z + _LEGS, r) for x, y, z, r in part.path))


def _pelvis() -> list[Part]:
    wings: list[Part] = [
        Blob("cortical bone", (88, 40, -205), (40, 26, 52)),
        Blob("marrow", (88, 40, -205), (33, 20, 46)),
        Rod("cortical bone", ((95, 10, -240, 26), (12, -55, -265, 12))),
        Rod("marrow", ((95, 10, -240, 20), (14, -55, -265, 7))),
    ]
    return [
        *mirrored(wings),
        Blob("bladder", (0, -28, -240), (34, 28, 26)),
        Blob("bowel", (0, 40, -235), (22, 20, 40)),
    ]


def _neck(rng: np.random.Generator) -> list[Part]:
    return [
        Rod("fat", ((0, 30, 250, 66), (0, 28, 330, 60))),
        Rod("muscle", ((0, 32, 230, 58), (0, 32, 330, 52))),
        Rod("air", ((0, -4, 180, 9), (0, -6, 320, 9))),
        *mirrored([Rod("blood", ((26, 12, 200, 4), (28, 14, 330, 4)))]),
        *[_slim(part) for part in spine(rng, 325.0, 5)],
    ]


def _slim(part: Part) -> Part:
    """A part of the spine of the back, as thin as in the neck and farther forwards."""
    if isinstance(part, Blob):
        (x, y, z), (wide, deep, high) = part.centre, part.radii
        return replace(part, centre=(x, 0.6 * y, z), radii=(0.6 * wide, 0.6 * deep, high))
    return replace(part, path=tuple((0.6 * x, 0.6 * y, z, 0.7 * r) for x, y, z, r in part.path))


def _head(rng: np.random.Generator) -> list[Part]:
    x, y, z = _HEAD
    wide, long, high = np.array([76.0, 96.0, 88.0]) * rng.uniform(0.95, 1.05, 3)

    def shell(tissue: str, depth: float) -> Blob:
        return Blob(tissue, _HEAD, (wide - depth, long - depth, high - depth))

    side: list[Part] = [
        Blob("fluid", (x + 14, y + 4, z + 8), (7, 28, 13)),
        Blob("fluid", (x + 31, y - 78, z - 30), (12, 12, 12)),
        Blob("air", (x + 28, y - 66, z - 58), (13, 14, 15)),
        Blob("cortical bone", (x + 48, y + 8, z - 52), (18, 26, 13)),
    ]
    return [
        shell("fat", 0),
        Blob("fat", (x, y - 55, z - 62), (52, 46, 52)),
        Blob("muscle", (x, y - 52, z - 62), (44, 38, 44)),
        Rod(
            "cortical bone",
            ((x + 44, y - 26, z - 84, 8), (x, y - 82, z - 98, 10), (x - 44, y - 26, z - 84, 8)),
        ),
        Blob("fat", (x, y - 100, z - 42), (12, 16, 16)),
        shell("cortical bone", 6),
        shell("fluid", 13),
        shell("brain", 16),
        Rod("fluid", tuple((x, y + dy, z + high - 26, 3.0) for dy in (-70.0, 0.0, 70.0))),
        Blob("fluid", (x, y + 50, z - 32), (38, 5, 4)),
        *mirrored(side),
    ]
