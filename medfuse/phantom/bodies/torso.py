"""A torso: spine, ribs and organs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .body import Blob, Body, Part, Rod, mirrored

__all__ = ["spine", "torso", "trunk"]

_PITCH = 29.0  # mm between vertebrae in the middle of the back
_VERTEBRAE = 14
_ALIKE = 0.05  # standard deviation of the proportions of neighbouring vertebrae


def torso(seed: int = 0) -> Body:
    """A torso of some 400 × 260 × 400 mm about 0; other seeds have other proportions."""
    return Body(tuple(trunk(np.random.default_rng([seed, 51]))), seed)


def trunk(rng: np.random.Generator) -> list[Part]:
    """Skin to organs of a torso."""
    wide = rng.uniform(0.92, 1.08)
    return [
        Blob("fat", (0, 0, 0), (175 * wide, 125, 300), 3.0),
        Blob("muscle", (0, 2, 0), (160 * wide, 112, 290), 3.0),
        Blob("fat", (0, -12, -110), (120, 80, 130), 2.5),
        *_organs(rng),
        *_ribs(rng, wide),
        *spine(rng, 190.0, _VERTEBRAE),
    ]


def _organs(rng: np.random.Generator) -> list[Part]:
    def at(x: float, y: float, z: float) -> tuple[float, float, float]:
        dx, dy, dz = rng.uniform(-6, 6, 3)
        return x + dx, y + dy, z + dz

    lungs: list[Part] = mirrored([Blob("lung", (74, 8, 95), (56, 78, 105), 2.5)])
    bowel: list[Part] = []
    for _ in range(9):
        x, y, z = rng.uniform((-85, -62, -170), (85, -10, -70))
        bowel += [Blob("bowel", (x, y, z), tuple(rng.uniform(16, 30, 3)))]
        if rng.random() < 0.5:
            bowel += [Blob("air", (x, y - 4, z), tuple(rng.uniform(5, 12, 3)))]
    return [
        *lungs,
        Blob("muscle", (0, 10, 95), (26, 60, 100)),
        Blob("heart", at(26, -28, 55), (48, 40, 46)),
        Blob("blood", at(30, -28, 52), (24, 20, 26)),
        Blob("blood", at(6, -30, 70), (16, 16, 26)),
        Blob("liver", at(-62, -10, -28), (84, 70, 62)),
        Blob("spleen", at(96, 34, -30), (30, 42, 48)),
        Blob("kidney", at(64, 46, -78), (26, 22, 50)),
        Blob("kidney", at(-64, 46, -88), (25, 22, 48)),
        Blob("bowel", at(40, -40, -36), (46, 34, 30)),
        *bowel,
        Rod("blood", ((12, 32, 150, 12), (14, 34, 0, 11), (10, 34, -110, 9), (38, 20, -190, 6))),
        Rod("blood", ((10, 33, -110, 8), (-34, 20, -190, 6))),
        Rod("blood", ((-14, 26, -160, 10), (-16, 20, 30, 11))),
        Rod("air", ((0, 12, 190, 8), (0, 14, 105, 8), (24, 14, 82, 6))),
        Rod("air", ((0, 14, 105, 7), (-24, 14, 82, 6))),
    ]


def _ribs(rng: np.random.Generator, wide: float) -> list[Part]:
    """Ten pairs, each from the spine forwards and down; the lower ones are shorter and end freely."""
    ribs: list[Part] = []
    for number in range(10):
        z, reach = 178 - 24.0 * number, 0.72 + 0.28 * min(1.0, (number + 2) / 6)
        last = np.pi * (0.95 if number < 7 else 0.95 - 0.16 * (number - 6))
        angles = np.linspace(0.12, last, 12)
        drop = rng.uniform(40, 52)
        for side in (-1, 1):
            ring = zip(
                side * 143 * wide * reach * np.sin(angles),
                4 + 92 * np.cos(angles),
                z - drop * (1 - np.cos(angles)) / 2,
                strict=True,
            )
            path = tuple((float(x), float(y), float(h)) for x, y, h in ring)
            ribs.append(Rod("cortical bone", tuple((*place, 5.5) for place in path)))
            ribs.append(Rod("marrow", tuple((*place, 3.0) for place in path)))
    return [
        *ribs,
        Blob("cortical bone", (0, -96, 90), (16, 7, 75)),
        Blob("marrow", (0, -96, 90), (13, 4, 72)),
    ]


def spine(rng: np.random.Generator, top: float, count: int) -> list[Part]:
    """``count`` vertebrae downwards from z = ``top``, alike but not equal, with discs, canal and cord."""
    heights = top - np.concatenate([[0], np.cumsum(_PITCH * rng.normal(1, _ALIKE / 2, count - 1))])
    backs = 50 + 10 * np.cos((heights - 60) / 110)  # the curves of the back
    canal = [(0.0, float(y + 27), float(z), 8.5) for y, z in zip(backs, heights, strict=True)]
    parts: list[Part] = []
    for number, (y, z) in enumerate(zip(backs, heights, strict=True)):
        parts += _vertebra(rng, (0.0, float(y), float(z)), 0.9 + 0.25 * number / count)
    cord = tuple((x, y, z, 4.5) for x, y, z, _ in canal)
    return [*parts, Rod("fluid", tuple(canal)), Rod("cord", cord)]


def _vertebra(rng: np.random.Generator, centre: Sequence[float], size: float) -> list[Part]:
    x, y, z = centre
    wide, deep, high = size * np.array([22.0, 17.0, 11.5]) * rng.normal(1, _ALIKE, 3)
    left, right, spinous, lean = size * np.array([36.0, 36.0, 46.0, 14.0]) * rng.normal(1, 2 * _ALIKE, 4)
    back = y + deep + 12
    processes: list[Part] = [
        Rod("cortical bone", ((x, back, z, 7), (x, back + spinous - 14, z - lean, 4))),
        Rod("cortical bone", ((x, back - 6, z, 9), (x + left, back + 2, z + 2, 5))),
        Rod("cortical bone", ((x, back - 6, z, 9), (x - right, back + 2, z + 2, 5))),
    ]
    return [
        *processes,
        Blob("disc", (x, y, z - high - 3), (wide * 0.97, deep * 0.97, 4.5), 4.0),
        Blob("cortical bone", (x, y, z), (wide, deep, high), 5.0),
        Blob("marrow", (x, y, z), (wide - 2, deep - 2, high - 2), 5.0),
    ]
