"""Cerebrum, ventricles, deep grey matter, cerebellum, brain stem, falx, lesion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .shapes import Points, ellipsoid, mirror, smooth_intersection, smooth_union, tube
from .skull import ALL, Cranium, Distance, Layer, among
from .texture import field, sheets

__all__ = ["brain_layers"]

_CORTEX = 2.7  # mm, thickness of the cerebral cortex
_HEMISPHERE = ((30, 14, 12), (37, 84, 62))  # centre and radii from which the folds radiate

# Points of the midline of each structure of one side with its radius: x, y, z, r.
_VENTRICLE = [  # frontal horn, body, trigone, temporal horn
    (17, -33, 0, 2.5),
    (12, -22, 8, 4.6),
    (8.5, -6, 15, 5.0),
    (9, 10, 20, 4.6),
    (14, 26, 20, 5.4),
    (24, 41, 13, 7.0),
    (31, 36, -4, 4.2),
    (33, 16, -15, 2.8),
    (31, 0, -20, 2.4),
]
_OCCIPITAL_HORN = [(24, 41, 13, 7.0), (26, 58, 9, 4.4), (22, 76, 7, 1.6)]
_CAUDATE = [(14, -22, 4, 6), (15, -8, 13, 5), (16, 10, 22, 3), (21, 28, 20, 2)]
_STEM = [
    (0, 16, -4, 13),
    (0, 17, -16, 11.5),
    (0, 16, -28, 13.5),
    (0, 26, -48, 8),
    (0, 36, -75, 6),
    (0, 38, -140, 5.5),
]


class _Cerebrum(NamedTuple):
    depth: Distance
    """Below the nearest surface of the cerebrum, folds included; negative outside."""
    callosum: Distance
    """To the ellipse, seen from the side, on which the corpus callosum lies."""


def brain_layers(p: Points, bones: Cranium, seed: int) -> Iterator[Layer]:
    """All that the cavity of the skull holds, from the outside in."""
    inside = np.flatnonzero(bones.cavity < 2)
    rooms = Cranium(*(distance[inside] for distance in bones))
    yield from among(inside, _contents(p[:, inside], rooms, seed))


def _contents(p: Points, rooms: Cranium, seed: int) -> Iterator[Layer]:
    mirrored = mirror(p)
    cerebrum = _cerebrum(p, mirrored, rooms, seed)
    yield from _membranes(mirrored, rooms, cerebrum)
    yield "grey matter", ALL, -cerebrum.depth
    yield "white matter", ALL, np.float32(_CORTEX) - cerebrum.depth
    stem = tube(p, _STEM)
    yield "cerebrospinal fluid", ALL, np.maximum(stem - np.float32(2.2), p[2] + np.float32(9))
    low = np.flatnonzero(np.minimum(rooms.posterior_fossa, stem) < 1)
    yield from among(low, _hindbrain(p[:, low], rooms.posterior_fossa[low], stem[low], seed))
    core = np.flatnonzero(ellipsoid(p, (0, 22, 4), (56, 66, 48)) < 0)
    yield from among(core, _core(p[:, core], mirrored[:, core], cerebrum.callosum[core]))
    near = np.flatnonzero(ellipsoid(p, (33, 6, 36), (26, 28, 24)) < 0)
    yield from among(near, _lesion(p[:, near], cerebrum.depth[near], seed))


def _cerebrum(p: Points, mirrored: Points, rooms: Cranium, seed: int) -> _Cerebrum:
    cistern = ellipsoid(p, (0, 2, -24), (14, 17, 13))
    hull = np.maximum.reduce(
        [rooms.supratentorial + np.float32(2.4), np.float32(2.2) - rooms.posterior_fossa, -cistern]
    )
    ax, y, z = mirrored
    callosum = _ellipse(y - 5, z - 1, 37, 25)
    fissure = np.hypot(ax, np.maximum(-callosum, 0)) - np.float32(1.2)
    smooth_depth = np.minimum(-hull, fissure)
    waves = np.stack([field(mirrored, 38, seed + stream) for stream in (13, 14, 15)])
    folds = _folds(p, mirrored, smooth_depth, waves, seed)
    return _Cerebrum(np.minimum.reduce([smooth_depth, folds, _sylvian(mirrored, waves[0])]), callosum)


def _ellipse(u: np.ndarray, v: np.ndarray, a: float, b: float) -> Distance:
    size = np.hypot(u / np.float32(a), v / np.float32(b))
    slope = np.hypot(u / np.float32(a * a), v / np.float32(b * b))
    result: Distance = size * (size - 1) / np.maximum(slope, np.float32(1e-6))
    return result


def _folds(p: Points, mirrored: Points, depth: Distance, waves: Points, seed: int) -> Distance:
    """Distance to the walls of the sulci.

    Winding sheets that radiate from the middle of each hemisphere, so that they meet the surface
    at right angles.  They end about 15 mm below it and stay clear of the deep grey matter.
    ``waves`` displaces them.
    """
    centre, radii = _HEMISPHERE
    wavy = mirrored + np.float32(3.5) * waves
    ray = [(wavy[i] - np.float32(centre[i])) / np.float32(radii[i]) for i in range(3)]
    length = np.sqrt(sum(r * r for r in ray)) + np.float32(1e-3)
    stretch = (np.float32(0.6) + np.float32(0.4) * length) / length
    place = np.stack([ray[i] * stretch * np.float32(radii[i]) for i in range(3)])
    place[0] += np.where(p[0] > 0, np.float32(131), np.float32(0))  # each side has its own folds
    sheet = np.abs(sheets(place, 25, seed + 6)) * np.minimum(length, 1)
    reach = 15 + 4 * waves[2]
    deep = np.maximum(-ellipsoid(mirrored, (0, 14, 5), (37, 50, 28)), 0)
    distance = np.sqrt(sheet**2 + np.maximum(depth - reach, 0) ** 2 + deep**2)
    gape = np.float32(0.4) + np.exp(-np.maximum(depth, 0) / 5)  # sulci open towards the surface
    result: Distance = (distance - gape).astype(np.float32)
    return result


def _sylvian(mirrored: Points, wave: Distance) -> Distance:
    """Distance to the Sylvian fissure: a sheet from the side of the brain in to the insula."""
    ax, y, z = mirrored
    course = z - (-6 + 0.30 * (y + 20)) - 2.5 * wave
    beyond = np.maximum(np.maximum(-28 - y, y - 46), 0)
    lid = np.sqrt(course**2 + np.maximum(38 - ax, 0) ** 2 + beyond**2) - 1.4
    side = ax - 39 + (y / 18) ** 2 + 1.2 * np.sin(y / 4.5)  # the insula bulges, and has folds of its own
    outside = np.maximum(np.abs(course) - 12, 0) ** 2 + np.maximum(np.abs(y + 2) - 20, 0) ** 2
    insula = np.sqrt(side**2 + outside) - 0.9
    result: Distance = np.minimum(lid, insula).astype(np.float32)
    return result


def _membranes(mirrored: Points, rooms: Cranium, cerebrum: _Cerebrum) -> Iterator[Layer]:
    """Falx, tentorium and the great vein on top, between skull and brain."""
    ax, y, z = mirrored
    falx = [ax - np.float32(0.8), 9 - cerebrum.callosum, -12 - z, 1 - rooms.posterior_fossa]
    yield "dura", ALL, np.maximum.reduce(falx)
    notch = np.maximum(-22 - z, 15 - np.hypot(ax, y - 24))
    yield "dura", ALL, np.maximum(np.abs(rooms.posterior_fossa - 1) - np.float32(0.8), notch)
    sinus = np.hypot(ax, rooms.cavity + np.float32(2.4)) - np.float32(3.4)
    yield "venous blood", ALL, np.maximum(sinus, np.minimum(8 - z, 40 - y))


def _hindbrain(p: Points, fossa: Distance, stem: Distance, seed: int) -> Iterator[Layer]:
    x, y, z = p
    # The two hemispheres leave a notch between them behind.
    notch = 7 - np.hypot(x, (y - 101) * 0.5)
    hull = np.maximum(fossa + np.float32(2.2), notch)
    # Folia: thin leaves about an axis through the fourth ventricle.
    rise = np.arctan2(z + 34, y - 26)
    leaves = np.abs(np.sin(rise * 17 + 0.9 * field(p, 26, seed + 9))) * 2.4
    cortex = np.minimum(-hull, np.hypot(leaves, np.maximum(-hull - 10, 0)) - 0.2)
    yield "cerebellar cortex", ALL, -cortex.astype(np.float32)
    nuclei = ellipsoid(mirror(p), (17, 44, -34), (19, 13, 8))
    white = smooth_union(14 + hull + 2.5 * field(p, 15, seed + 10), nuclei, 6)
    yield "cerebellar white matter", ALL, white.astype(np.float32)
    yield "brain stem", ALL, stem
    yield "ventricle", ALL, ellipsoid(p, (0, 36, -30), (7, 4.5, 10))
    yield "ventricle", ALL, tube(p, [(0, 26, -4, 1.3), (0, 31, -14, 1.2), (0, 35, -24, 1.6)])  # aqueduct


def _core(p: Points, mirrored: Points, callosum: Distance) -> Iterator[Layer]:
    """Corpus callosum, deep grey matter, ventricles, and the calcified spots."""
    ax, y, z = mirrored
    ends = 2.8 + 2.6 * np.minimum(np.abs(y - 5) / 30, 1) ** 3  # genu and splenium are thicker
    span = ax - np.clip(z + 4, 4, 18)  # the body fans out into the hemispheres
    arch = smooth_intersection(np.abs(callosum + 4.5) - ends, np.maximum(span, -9 - z), 4).astype(np.float32)
    yield "white matter", ALL, arch
    yield "white matter", ALL, ellipsoid(mirrored, (9, 12, 2), (24, 26, 15))
    yield "deep grey matter", ALL, ellipsoid(mirrored, (11, 16, 8), (9, 15, 9.5))
    skew = np.stack([ax - np.float32(0.30) * (y + 2), y, z])
    yield "deep grey matter", ALL, ellipsoid(skew, (26.5, -3, 2), (5.2, 18, 11))
    yield "pallidum", ALL, ellipsoid(skew, (19, -1, 0), (4.2, 10, 7))
    yield "deep grey matter", ALL, tube(mirrored, _CAUDATE)
    yield "ventricle", ALL, _lateral_ventricle(p, mirrored)
    yield "ventricle", ALL, ellipsoid(p, (0, 12, -3), (2.6, 15, 11))  # the third
    yield "deep grey matter", ALL, ellipsoid(p, (0, 14, 3), (4, 3, 3))  # where the thalami touch
    yield "white matter", ALL, tube(p, [(-12, 1, -1, 1.6), (0, 0, 0, 1.8), (12, 1, -1, 1.6)])
    yield "calcification", ALL, ellipsoid(mirrored, (25, 43, 11), (3.6, 5.5, 4.2))
    yield "calcification", ALL, ellipsoid(p, (0, 33, 2), (2.4, 3, 2.4))


def _lateral_ventricle(p: Points, mirrored: Points) -> Distance:
    larger_left = np.where(p[0] > 0, np.float32(0.9), np.float32(0))
    horns = smooth_union(tube(mirrored, _VENTRICLE), tube(mirrored, _OCCIPITAL_HORN), 3)
    septum = np.float32(1.0) - mirrored[0]
    result: Distance = np.maximum(horns - larger_left, septum)
    return result


def _lesion(p: Points, depth: Distance, seed: int) -> Iterator[Layer]:
    """A swelling in the white matter of the left hemisphere that spares the cortex."""
    blob = ellipsoid(p, (33, 6, 36), (13, 16, 12)) + 3.5 * field(p, 20, seed + 12)
    yield "lesion", ALL, np.maximum(blob, np.float32(_CORTEX + 0.4) - depth).astype(np.float32)
