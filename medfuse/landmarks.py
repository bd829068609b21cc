"""The pose that brings landmarks of one volume onto those of another.

Least squares over rotations and translations: Arun, Huang & Blostein 1987, 10.1109/TPAMI.1987.4767965, with
Umeyama's sign against mirrors, 1991, 10.1109/34.88573.  What remains is the fiducial registration
error, which says how well the clicks agree and not how near the anatomy is (Fitzpatrick, West & Maurer
1998, 10.1109/42.736021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .errors import ParameterError
from .io.files import named
from .io.landmarks import read_landmarks
from .transforms import apply, to_affine, transform_points

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["LandmarkFit", "fit_landmarks", "fit_points", "match", "rms"]

_FEWEST = 3
_THINNEST = 0.02  # spread across the line, as a share of the spread along it

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LandmarkFit:
    """Pairs of landmarks and the pose that joins them best.

    Parameters
    ----------
    labels:
        Of the pairs.
    fixed, moving:
        (n, 3) in LPS mm.
    pose:
        4×4, fixed to moving points.
    notes:
        How they were paired, and what was left out.
    """

    labels: tuple[str, ...]
    fixed: Points
    moving: Points
    pose: npt.NDArray[np.float64]
    notes: tuple[str, ...] = ()

    @property
    def errors(self) -> Points:
        """Fiducial registration error of each pair, (n,) mm, in the moving volume's space."""
        return self._apart(apply(self.pose, self.fixed))

    def errors_under(self, transform: SimpleITK.Transform) -> Points:
        """How far apart the pairs lie under another transform, (n,) mm."""
        return self._apart(transform_points(transform, self.fixed))

    def _apart(self, mapped: Points) -> Points:
        return np.asarray(np.linalg.norm(mapped - self.moving, axis=1))

    def describe(self) -> str:
        """One line for people."""
        errors, worst = self.errors, int(np.argmax(self.errors))
        label = self.labels[worst]
        name = f"number {worst + 1}" + (f" {named(label)}" if label else "")
        return (
            f"{len(errors)} landmarks, fiducial registration error {rms(errors):.2f} mm "
            f"(root mean square), largest {errors[worst]:.2f} mm at {name}"
        )

    def to_itk(self) -> SimpleITK.Transform:
        """The pose as an ITK transform."""
        return to_affine(self.pose)


def rms(values: Points) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def fit_landmarks(fixed: str | Path, moving: str | Path) -> LandmarkFit:
    """Read the landmarks of two volumes from Slicer's files, pair them and fit the pose.

    Raises
    ------
    ReadError
        See :func:`medfuse.io.landmarks.read_landmarks`.
    ParameterError
        If they cannot be paired, are fewer than three, or lie on one line.
    """
    one, two = read_landmarks(fixed), read_landmarks(moving)
    pairs, notes = match(one.labels, two.labels)
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    fit = fit_points(one.points[first], two.points[second])
    labels = tuple(one.labels[i] for i in first)
    notes = (*one.notes, *two.notes, *notes)
    return LandmarkFit(labels, one.points[first], two.points[second], fit, notes)


def match(fixed: Sequence[str], moving: Sequence[str]) -> tuple[list[tuple[int, int]], tuple[str, ...]]:
    """Indices of the landmarks that belong together, and how that was decided.

    By label, where labels are unique in both lists and some are common; else by order.

    Raises
    ------
    ParameterError
        If too few labels are common, or lists to be paired by order are of different lengths.
    """
    common = [label for label in fixed if label and label in moving]
    unique = all(len(set(labels)) == len(labels) for labels in (fixed, moving))
    if unique and common:
        if len(common) < _FEWEST:
            raise ParameterError(
                f"only {len(common)} landmark label(s) are in both files ({', '.join(map(named, common))}): "
                f"name at least {_FEWEST} points alike, or none"
            )
        left = len(fixed) + len(moving) - 2 * len(common)
        notes = (f"landmarks: {left} without a partner of the same label are left out",) if left else ()
        return [(fixed.index(label), moving.index(label)) for label in common], notes
    if len(fixed) != len(moving):
        raise ParameterError(
            f"{len(fixed)} landmarks of the fixed and {len(moving)} of the moving volume, without labels "
            "that are unique and common: give both the same labels, or as many points in the same order"
        )
    why = "no label is in both files" if unique else "labels are there twice"
    return [(i, i) for i in range(len(fixed))], (f"landmarks: paired by their order, because {why}",)


def fit_points(fixed: Points, moving: Points) -> npt.NDArray[np.float64]:
    """The 4×4 rigid pose that takes ``fixed`` (n, 3) nearest to ``moving`` (n, 3) in least squares.

    Raises
    ------
    ParameterError
        For fewer than three points, or points on one line: the rotation about it would be free.
    """
    if len(fixed) < _FEWEST:
        raise ParameterError(f"{len(fixed)} landmarks: at least {_FEWEST} in each volume tell a pose")
    for name, points in (("fixed", fixed), ("moving", moving)):
        along, across, _ = np.linalg.svd(points - points.mean(axis=0), compute_uv=False, full_matrices=False)
        if across <= _THINNEST * along:
            raise ParameterError(
                f"the landmarks of the {name} volume lie on one line (or one spot), so the rotation about it "
                "stays unknown: add one well beside it"
            )
    middle, target = fixed.mean(axis=0), moving.mean(axis=0)
    left, _, right = np.linalg.svd((moving - target).T @ (fixed - middle))
    sign = np.linalg.det(left @ right)
    pose = np.eye(4)
    pose[:3, :3] = left @ np.diag([1.0, 1.0, np.sign(sign)]) @ right
    pose[:3, 3] = target - pose[:3, :3] @ middle
    return pose
