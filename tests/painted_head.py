"""A head of ellipsoids that is painted onto any grid in any pose, for tests of registration."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK

from medfuse.volume import Geometry, Volume

PointMap = Callable[[np.ndarray], np.ndarray]

# A head of ellipsoids: centre, half axes (mm), then what CT and MR show of it.  Face and neck make one
# pose the right one: a head without them matches itself at many angles nearly as well.
PARTS = (
    ((0, 26, -82), (40, 38, 42), 45, 420),  # neck
    ((2, -50, -64), (32, 34, 24), 300, 150),  # jaw
    ((0, -88, -14), (11, 16, 16), 40, 520),  # nose
    ((0, 0, 0), (68, 84, 78), 40, 500),  # scalp
    ((0, 1, 1), (64, 80, 74), 1000, 60),  # skull
    ((0, 2, 1), (59, 74, 69), 35, 620),  # grey matter
    ((2, 4, 6), (50, 62, 56), 28, 800),  # white matter
    ((-14, 0, 10), (9, 28, 14), 8, 180),  # ventricles
    ((13, 8, 8), (7, 22, 12), 8, 180),
    ((26, -30, 22), (14, 11, 12), 60, 350),  # lesion
    ((5, 48, -38), (34, 22, 20), 36, 700),  # cerebellum
    ((0, -72, -22), (16, 14, 18), -900, 20),  # sinus
)
GRID = Geometry((56, 60, 56), (3.6, 3.6, 3.6), (-99, -106, -99))


def head(
    geometry: Geometry, pose: SimpleITK.Transform | PointMap | None, modality: str, seed: int = 0
) -> Volume:
    """The head after ``pose``, scanned on ``geometry``: painted there, not resampled.

    ``pose`` may also be a function that takes points (n, 3) of the scan to points of the head.
    """
    index = np.stack(np.meshgrid(*map(np.arange, geometry.size), indexing="ij"), axis=-1)
    points = geometry.world(index.reshape(-1, 3))
    if callable(pose):
        points = pose(points)
    elif pose is not None:
        points = points @ matrix(pose.GetInverse())[:3, :3].T + matrix(pose.GetInverse())[:3, 3]
    values = np.full(len(points), -1000.0 if modality == "CT" else 10.0)
    for centre, axes, ct, mr in PARTS:
        depth = 1 - np.linalg.norm((points - centre) / np.array(axes), axis=1)
        share = np.clip(depth * min(axes) / 4 + 0.5, 0, 1)  # partial volume over 4 mm
        values += share * ((ct if modality == "CT" else mr) - values)
    values += np.random.default_rng(seed).normal(scale=15, size=len(points))
    return Volume(values.reshape(geometry.size).transpose(2, 1, 0), geometry, modality)


def rigid(degrees: tuple[float, ...], shift: tuple[float, ...]) -> SimpleITK.Euler3DTransform:
    transform = SimpleITK.Euler3DTransform()
    transform.SetRotation(*np.radians(degrees).tolist())
    transform.SetTranslation(np.asarray(shift, dtype=float).tolist())
    return transform


def matrix(transform: SimpleITK.Transform) -> np.ndarray:
    result = np.eye(4)
    result[:3, 3] = transform.TransformPoint((0.0, 0, 0))
    for axis, unit in enumerate(np.eye(3).tolist()):
        result[:3, axis] = np.asarray(transform.TransformPoint(unit)) - result[:3, 3]
    return result


def around(pose: SimpleITK.Transform, direction: np.ndarray, spacing: tuple[float, ...]) -> Geometry:
    """A grid of 200 mm with its centre where ``pose`` takes the middle of the head."""
    size = np.ceil(200 / np.asarray(spacing)).astype(int)
    centre = np.asarray(pose.TransformPoint((0.0, 0, 0)))
    return Geometry(
        tuple(size.tolist()), spacing, tuple(centre - direction @ ((size - 1) / 2 * spacing)), direction
    )


def error(found: SimpleITK.Transform, true: SimpleITK.Transform, scale: float = 1.0) -> float:
    """Mean distance in mm over points in the head (TRE)."""
    points = np.random.default_rng(0).uniform(-60, 60, (300, 3)) * scale
    return (
        float(
            np.mean(
                [np.subtract(found.TransformPoint(p), true.TransformPoint(p)) ** 2 for p in points.tolist()]
            )
            * 3
        )
        ** 0.5
    )
