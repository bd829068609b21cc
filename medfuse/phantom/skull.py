"""Everything around the brain: cavity, skull, face, scalp."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .shapes import Points, ellipsoid, mirror, smooth_intersection, smooth_union, tube
from .texture import field

__all__ = ["ALL", "Cranium", "Distance", "Layer", "among", "cover_layers", "cranium"]

Distance = npt.NDArray[np.float32]
Layer = tuple[str, "npt.NDArray[np.intp] | slice", Distance]
"""A tissue, the points it may touch, and their distance to its surface; later layers cover earlier ones."""

ALL = slice(None)


class Cranium(NamedTuple):
    """Distances that the layers inside and outside of the skull share."""

    cavity: Distance
    """To the inner table of the skull."""
    supratentorial: Distance
    """To the room of the cerebrum."""
    posterior_fossa: Distance
    """To the room of the cerebellum."""
    thickness: Distance
    """Of the skull, in mm."""


def among(where: npt.NDArray[np.intp], layers: Iterable[Layer]) -> Iterator[Layer]:
    """Layers over a choice of points, as layers over all points."""
    for name, part, distance in layers:
        yield name, where[part], distance


def cranium(p: Points, seed: int) -> Cranium:
    """The rooms of the skull."""
    x, y, z = p
    ax = np.abs(x)
    # The forehead is narrower than the back of the head.
    tapered = np.stack([x * (1 - np.float32(0.0013) * (y - 14)), y, z])
    vault = ellipsoid(tapered, (0, 14, 14), (68, 87, 66), power=2.25)
    # Its floor: the roofs of the orbits bulge upwards, and behind them it falls towards the neck.
    roof = 6 * np.exp(-(((ax - 32) / 15) ** 2) - ((y + 45) / 30) ** 2)
    floor = -(z + 23 - roof + np.maximum(y - 5, 0)).astype(np.float32)
    vault = smooth_intersection(vault, floor, 10)
    temporal = ellipsoid(mirror(p), (40, 2, -20), (25, 40, 23))
    upper = smooth_union(vault, temporal, 10)
    fossa = ellipsoid(p, (0, 57, -34), (54, 42, 33), power=2.2)
    canal = tube(p, [(0, 34, -50, 16), (0, 36, -75, 13), (0, 38, -140, 10)])
    cavity = smooth_union(smooth_union(upper, fossa, 14), canal, 10)
    squama = np.exp(-(((y - 5) / 40) ** 2) - ((z + 8) / 22) ** 2)  # the thin bone of the temple
    front_base = np.clip((-10 - z) / 8, 0, 1) * np.clip((-15 - y) / 10, 0, 1) * np.clip((62 + y) / 10, 0, 1)
    thickness = 7.2 + 0.9 * field(p, 60, seed + 1) - 2.8 * squama - 2.8 * front_base
    return Cranium(cavity, upper, fossa, thickness.astype(np.float32))


def cover_layers(p: Points, bones: Cranium, seed: int) -> Iterator[Layer]:
    """Skin, fat, muscle and bone, from the outside in; the cavity is left to the brain."""
    surface = _head_surface(p, bones)
    table = bones.cavity - bones.thickness
    yield "skin", ALL, surface
    yield "fat", ALL, surface + np.float32(2.2)
    soft = np.flatnonzero((surface < -3) & (table > -2))
    upright = p[:, soft] * np.array([[1], [1], [0.5]], dtype=np.float32)
    planes = np.abs(field(upright, 30, seed + 2)) * 6 - 0.9  # fat between the muscles
    muscle = np.maximum.reduce([surface[soft] + np.float32(5.5), -planes.astype(np.float32)])
    yield "muscle", soft, muscle
    front = np.flatnonzero((p[2] < 34) & (p[1] < 36) & (bones.cavity > -12) & (surface < 1))
    yield from among(front, _face(p[:, front], surface[front] + np.float32(3.0), seed))
    yield "cortical bone", ALL, table
    middle = np.abs(bones.cavity - bones.thickness / 2) - (bones.thickness / 2 - np.float32(1.9))
    yield "diploe", ALL, np.maximum(middle, -18 - p[2])
    yield from among(front, _air_spaces(p[:, front], surface[front] + np.float32(3.0), seed))
    yield "cerebrospinal fluid", ALL, bones.cavity
    side = np.flatnonzero((p[2] < -12) & (p[2] > -70) & (p[1] > 0) & (p[1] < 60) & (surface < 1))
    yield from among(side, _temporal_bone(p[:, side], seed))


def _head_surface(p: Points, bones: Cranium) -> Distance:
    x, y, z = p
    mirrored = mirror(p)
    temple = np.exp(-(((y + 14) / 34) ** 2) - ((z + 14) / 26) ** 2) * np.clip(np.abs(x) / 20 - 1, 0, 1)
    scalp = bones.cavity - bones.thickness - (6.5 + 6 * temple).astype(np.float32)
    scalp = smooth_union(scalp, ellipsoid(p, (0, 20, -16), (74, 91, 58)), 12)
    face = ellipsoid(p, (0, -44, -62), (62, 52, 84), power=2.3)
    neck = tube(p, [(0, 30, -56, 52), (0, 22, -190, 54)])
    surface = smooth_union(smooth_union(scalp, face, 22), neck, 26)
    brow = tube(mirrored, [(0, -86, -4, 9), (30, -77, -12, 8)])
    nose = tube(p, [(0, -90, -24, 5), (0, -112, -58, 9)])
    surface = smooth_union(smooth_union(surface, brow, 14), nose, 10)
    sockets = ellipsoid(mirrored, (33, -98, -33), (18, 13, 10))
    surface = smooth_intersection(surface, -sockets, 10)
    # Ears stand off the head: their back edge is farther out.
    tilted = np.stack([mirrored[0] - np.float32(0.35) * (y - 30), y, z])
    ears = ellipsoid(tilted, (79, 30, -26), (5, 15, 28))
    canals = tube(mirrored, [(110, 16, -34, 3.2), (56, 18, -33, 2.8)])
    result: Distance = np.maximum(smooth_union(surface, ears, 8), -canals)
    return result


def _face(p: Points, skin: Distance, seed: int) -> Iterator[Layer]:
    """Bones of the face, orbits with eyes, jaw; nothing comes nearer to the surface than ``skin``."""
    mirrored = mirror(p)
    base = ellipsoid(p, (0, -8, -42), (28, 42, 13), power=3)
    maxilla = ellipsoid(p, (0, -66, -62), (39, 25, 26), power=3)
    cheek = tube(mirrored, [(40, -80, -54, 7), (58, -58, -52, 4), (66, -30, -47, 3.2), (67, -4, -42, 4)])
    jaw = tube(mirrored, [(50, -8, -50, 5), (47, -14, -96, 7), (30, -66, -116, 7), (0, -88, -118, 8)])
    brow = tube(mirrored, [(0, -83, -12, 6), (30, -80, -13, 4.5), (50, -66, -22, 4), (50, -64, -44, 4)])
    yield "cortical bone", ALL, np.maximum(np.minimum.reduce([base, maxilla, cheek, jaw, brow]), skin)
    marrow = np.minimum(np.minimum(base, maxilla), jaw) + np.float32(2.6)
    yield "diploe", ALL, np.maximum(marrow, -(field(p, 16, seed + 4) + np.float32(0.8)) * 4)
    orbit = tube(mirrored, [(33, -84, -33, 18), (31, -62, -32, 17.5), (13, -24, -28, 5)])
    yield "cortical bone", ALL, np.maximum(orbit - np.float32(2.4), -78 - p[1])
    yield "fat", ALL, np.maximum(orbit, skin)
    for side in (9.0, -9.0):  # the muscles that turn the eye
        path = [(32 + 1.3 * side, -70, -32, 1.5), (26 + side, -45, -31, 2.3), (15, -26, -28, 1.5)]
        yield "muscle", ALL, tube(mirrored, path)
    nerve = tube(mirrored, [(31, -57, -32, 2.2), (14, -26, -27, 2.4), (3, -8, -16, 2.5)])
    yield "sclera and nerve", ALL, nerve
    for name, radius in (("sclera and nerve", 12.4), ("vitreous", 11.2)):
        yield name, ALL, ellipsoid(mirrored, (32, -69, -32), (radius, radius, radius))
    yield "lens", ALL, ellipsoid(mirrored, (32, -77.5, -32), (4.6, 2.4, 4.6))


def _air_spaces(p: Points, skin: Distance, seed: int) -> Iterator[Layer]:
    """Sinuses, nose and throat."""
    mirrored = mirror(p)
    frontal = np.maximum(ellipsoid(p, (6, -81, 4), (21, 5, 13), power=2.5), skin + np.float32(3.0))
    yield "cortical bone", ALL, frontal - np.float32(1.9)
    yield "air", ALL, np.maximum(frontal, 1 - np.abs(p[0] - 1))
    for centre, radii in (((27, -66, -60), (14, 17, 16)), ((7, -18, -42), (10, 13, 8))):
        sinus = ellipsoid(mirrored, centre, radii, power=2.5)
        yield "cortical bone", ALL, sinus - np.float32(1.6)
        yield "mucosa", ALL, sinus
        yield "air", ALL, sinus + np.float32(1.2)
    ethmoid = ellipsoid(p, (0, -56, -36), (12.5, 25, 11), power=3)
    yield "cortical bone", ALL, np.maximum(ethmoid - np.float32(1.0), skin)
    yield "air", ALL, np.maximum.reduce([ethmoid, _walls(p, 14, seed), skin + 2])
    nose = np.maximum(ellipsoid(p, (0, -72, -62), (13, 34, 17), power=2.5), skin)
    yield "mucosa", ALL, nose
    conchae = np.abs(field(p, 17, seed + 5)) - np.float32(0.75)
    septum = np.float32(1.3) - np.abs(p[0])
    yield "air", ALL, np.maximum.reduce([nose + np.float32(1.0), conchae * 5, septum])
    yield "air", ALL, tube(p, [(0, -28, -66, 8), (0, -18, -90, 9), (0, -14, -150, 9)])
    yield "air", ALL, ellipsoid(p, (0, -50, -98), (18, 26, 3.5))  # mouth
    yield "muscle", ALL, ellipsoid(p, (0, -48, -109), (22, 30, 9))  # tongue


def _temporal_bone(p: Points, seed: int) -> Iterator[Layer]:
    """The petrous pyramids with mastoid cells and middle ears."""
    mirrored = mirror(p)
    yield "cortical bone", ALL, tube(mirrored, [(65, 36, -38, 12), (42, 22, -39, 8), (16, 8, -37, 5)])
    mastoid = tube(mirrored, [(64, 35, -42, 9), (57, 30, -38, 5)])
    yield "air", ALL, np.maximum(mastoid, _walls(p, 11, seed))
    yield "air", ALL, ellipsoid(mirrored, (50, 18, -33), (4, 5, 5))


def _walls(p: Points, wavelength: float, seed: int) -> Distance:
    """Positive in the walls between air cells about ``wavelength`` / 2 mm wide."""
    return (np.float32(0.28) - np.abs(field(p, wavelength, seed + 3))) * np.float32(wavelength / 6)
