"""One patient's study with known truth: what ``sample_data/`` holds and ``medfuse demo`` shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ..errors import UnknownNameError
from ..volume import Geometry, Volume
from .head import Head
from .modalities import render
from .space import Matrix, rigid, to_frame
from .ultrasound import Probe

__all__ = ["SCANS", "SampleStudy", "Scan", "sample_study"]


@dataclass(frozen=True, eq=False)
class Scan:
    """How one volume of the study was taken.

    ``pose`` maps the head frame to the world of the scan; ``geometry`` is its grid in that world.
    """

    contrast: str
    geometry: Geometry
    pose: Matrix = field(repr=False)
    seed: int = 0


def _centred(
    size: tuple[int, int, int], spacing: tuple[float, float, float], centre: npt.ArrayLike, tilt: Matrix
) -> Geometry:
    """A grid whose middle lies at ``centre`` and whose axes are rotated by ``tilt``."""
    direction = tilt[:3, :3]
    first = np.asarray(centre) - direction @ ((np.array(size) - 1) / 2 * spacing)
    x, y, z = (tuple(row) for row in direction)
    return Geometry(size, spacing, tuple(first), (x, y, z))


def _along_probe(size: tuple[int, int, int], spacing: float, pose: Matrix) -> Geometry:
    """A grid about the fan of the default probe, its third axis along the middle beam."""
    probe = Probe()
    rotation = np.eye(4)
    rotation[:3, :3] = pose[:3, :3] @ probe.axes.T
    middle = np.asarray(probe.contact) + probe.axes[2] * (probe.depth / 2 - 3)
    return _centred(size, (spacing,) * 3, to_frame(pose, middle), rotation)


_DRIFT = rigid((2.5, -3.0, 3.0), (3.0, -2.5, 3.0))

SCANS: Mapping[str, Scan] = MappingProxyType(
    {
        "ct": Scan("CT", _centred((128, 128, 48), (1.9, 1.9, 3.5), (0, 6, 12), rigid()), rigid(), 1),
        # The patient lies differently in the MR scanner: rotated by 8 degrees.
        "t1": Scan(
            "T1",
            _centred((120, 132, 56), (1.8, 1.8, 2.8), (5, -10, 20), rigid((-3, 2, 2.5))),
            rigid((6.0, -3.2, 4.2), (7.0, -12.0, 9.0)),
            2,
        ),
        # Rotated by 12 degrees, and the slices are tilted towards the line between the commissures.
        "t2": Scan(
            "T2",
            _centred((128, 128, 38), (1.8, 1.8, 4.0), (-9, 12, 8), rigid((7, 0, -2))),
            rigid((9.5, 4.6, -5.6), (-8.0, 6.0, -5.0)),
            3,
        ),
        # Navigated: the probe's images lie in the world of the CT, but for an error of some 5 degrees
        # and 5 mm, as after the brain has shifted.
        "us": Scan("US", _along_probe((136, 104, 104), 1.1, _DRIFT), _DRIFT, 4),
    }
)
"""Key -> how it was taken."""


@dataclass(frozen=True, eq=False)
class SampleStudy:
    """Volumes of one head with the truth about where they lie.

    Parameters
    ----------
    volumes:
        Key of :data:`SCANS` -> volume.
    scans:
        How each was taken.
    head:
        The anatomy, with its landmarks and label maps in the head frame.
    """

    volumes: Mapping[str, Volume]
    scans: Mapping[str, Scan]
    head: Head

    def transform(self, fixed: str, moving: str) -> Matrix:
        """The true 4×4 matrix from points of ``fixed`` to points of ``moving``, LPS mm (ITK's direction)."""
        return self._scan(moving).pose @ np.linalg.inv(self._scan(fixed).pose)

    def landmarks(self, scan: str) -> dict[str, npt.NDArray[np.float64]]:
        """Name -> world point (3,) in the scan of that key."""
        pose = self._scan(scan).pose
        return {name: pose[:3, :3] @ point + pose[:3, 3] for name, point in self.head.landmarks.items()}

    def labels(self, scan: str) -> npt.NDArray[np.uint8]:
        """The tissue (index in ``TISSUES``) at each voxel (z, y, x) of the scan of that key."""
        return self.head.label_map(self._scan(scan).geometry, self._scan(scan).pose)

    def _scan(self, key: str) -> Scan:
        if key not in self.scans:
            raise UnknownNameError("scan", key, self.scans)
        return self.scans[key]


def sample_study(keys: Iterable[str] = tuple(SCANS), noise: float = 1.0) -> SampleStudy:
    """Render the sample study: ``ct``, ``t1``, ``t2``, ``us``, or those of ``keys``.

    Takes a few seconds a volume.  The grids and poses all differ; :meth:`SampleStudy.transform`
    holds the truth that a registration should find.
    """
    head = Head()
    scans = {}
    for key in keys:
        if key not in SCANS:
            raise UnknownNameError("scan", key, SCANS)
        scans[key] = SCANS[key]
    volumes = {
        key: render(scan.contrast, scan.geometry, scan.pose, head, noise, scan.seed)
        for key, scan in scans.items()
    }
    return SampleStudy(volumes, scans, head)
