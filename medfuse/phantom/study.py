"""One patient's study with known truth: what ``sample_data/`` holds and ``medfuse demo`` shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ..errors import UnknownNameError
from ..volume import Geometry, Volume
from .ct import low_dose
from .head import Head
from .modalities import render
from .space import Matrix, rigid, to_frame
from .ultrasound import Probe, render_us

__all__ = ["NOISY_SCANS", "SCANS", "SampleStudy", "Scan", "sample_study"]


@dataclass(frozen=True, eq=False)
class Scan:
    """How one volume of the study was taken.

    Parameters
    ----------
    contrast:
        One of :data:`medfuse.phantom.CONTRASTS`.
    geometry:
        Its grid, in the world of the scan.
    pose:
        From the head frame to that world.
    seed:
        Of its noise and, for MR, of the coil's shading.
    noise:
        In multiples of a routine scan's, see :func:`medfuse.phantom.render`; for ultrasound 1.
    photons:
        Of a low-dose CT, in place of ``noise``: see :func:`medfuse.phantom.low_dose`.
    probe:
        Of an ultrasound.
    """

    contrast: str
    geometry: Geometry
    pose: Matrix = field(repr=False)
    seed: int = 0
    noise: float = 1.0
    photons: float | None = None
    probe: Probe = field(default_factory=Probe)

    def image(self, head: Head, noise: float = 1.0) -> Volume:
        """What it shows of ``head``, with ``noise`` times its own noise: 0 for none, ultrasound at most 1."""
        if self.contrast == "US":
            return render_us(head, self.geometry, self.pose, noise, self.seed, self.probe)
        if self.photons is None:
            return render(self.contrast, self.geometry, self.pose, head, noise * self.noise, self.seed)
        clean = render(self.contrast, self.geometry, self.pose, head, 0.0, self.seed)
        return low_dose(clean, self.photons / noise**2, self.seed) if noise else clean


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

NOISY_SCANS: Mapping[str, Scan] = MappingProxyType(
    {
        # Ten thousand photons a ray.
        "ct_low_dose": Scan(
            "CT", _centred((144, 144, 26), (1.8, 1.8, 5.0), (0, 6, 12), rigid()), rigid(), 5, photons=1e4
        ),
        # A few thick slices with eight times the noise, as when a sequence is cut short.
        "t1_fast": Scan(
            "T1",
            _centred((108, 120, 10), (2.0, 2.0, 6.0), (5, -10, 32), rigid((-3, 2, 2.5))),
            SCANS["t1"].pose,
            6,
            noise=8.0,
        ),
        # All of the speckle.
        "us_one_look": Scan("US", SCANS["us"].geometry, _DRIFT, 7, probe=Probe(looks=1)),
    }
)
"""Noisy twins of the scans, of the same head in the same pose, likewise; see :meth:`SampleStudy.truth`."""

_ALL = {**SCANS, **NOISY_SCANS}


@dataclass(frozen=True, eq=False)
class SampleStudy:
    """Volumes of one head with the truth about where they lie.

    Parameters
    ----------
    volumes:
        Key of :data:`SCANS` or :data:`NOISY_SCANS` -> volume.
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

    def truth(self, scan: str) -> Volume:
        """The scan of that key without its noise, on the same grid; for MR with the shading of its coil."""
        return self._scan(scan).image(self.head, noise=0.0)

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

    Parameters
    ----------
    keys:
        Keys of :data:`SCANS`, and of their noisy twins in :data:`NOISY_SCANS`: ``ct_low_dose``, ``t1_fast``,
        ``us_one_look``.
    noise:
        In multiples of each scan's own; 0 for images without any.

    Raises
    ------
    UnknownNameError
        For a key that does not exist.
    ParameterError
        If ``noise`` is negative, or above 1 with an ultrasound.
    """
    head = Head()
    scans = {}
    for key in keys:
        if key not in _ALL:
            raise UnknownNameError("scan", key, _ALL)
        scans[key] = _ALL[key]
    return SampleStudy({key: scan.image(head, noise) for key, scan in scans.items()}, scans, head)
