"""Three-dimensional ultrasound of the phantom.

Echoes are computed where a scanner computes them, along its beams, and only then converted to
voxels: speckle therefore widens with depth, shadows follow the beams, and the fan is exact.

Each sample of a beam sums (1) diffuse scatter, a complex Gaussian signal of the tissue's strength,
smoothed by the point spread function, whose magnitude is Rayleigh-distributed speckle (Wagner et al.
1983, doi:10.1109/T-SU.1983.31404), and (2) reflection at interfaces, the change of impedance along
the beam, weaker the less the beam meets the interface head-on.  Both are attenuated on the way there
and back, lifted by an imperfect time-gain compensation, and log-compressed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, map_coordinates

from ..errors import ParameterError
from ..volume import Geometry, Volume
from .space import Matrix
from .tissues import TISSUES, index_of

if TYPE_CHECKING:
    from .head import Head

__all__ = ["Probe", "render_us"]

_POINT_SPREAD = (1.1, 1.3, 1.4)  # in beams, beams and samples: across, between planes, along the beam
_RANGE = 52.0  # dB from black to white
_BRIGHTNESS = -27.0  # dB: where the scatter of white matter at the probe lies below white
_REFLECTION = 110.0  # strength of an interface relative to scatter
_HEAD_ON = 1.5  # power of the cosine between the beam and the interface's normal
_COMPENSATED = 1.85  # dB/cm, one way, that the time-gain compensation makes up for
_CELL = 0.8  # mm: how sharply the echoes see tissue borders
_SKULL_WITHIN = 35.0  # mm: bone deeper than this below the probe is not the bone it stands on
_FLOOR = -74.0  # dB: the electronic noise at the probe, relative to white


@dataclass(frozen=True)
class Probe:
    """A curved matrix probe and where it is held, in the head frame (mm, degrees).

    Parameters
    ----------
    contact:
        Point of the skin that the middle of the probe touches.
    target:
        Point that the middle beam is aimed at.
    depth:
        How far the image reaches below the probe's face.
    radius:
        Radius of curvature of the face; the beams meet that far behind it.
    half_angles:
        Half the opening of the fan, across and between planes.
    defect:
        Radius of the hole in the skull under the probe: the sound has to get in.
    looks:
        Images from different angles that the scanner averages ("compounding"); 1 leaves all of the speckle.
    beams, samples:
        How finely the fan is sampled: beams across and between planes, samples along a beam.

    Raises
    ------
    ParameterError
        If a length, angle or count is out of range.
    """

    contact: tuple[float, float, float] = (63.0, 12.0, 62.0)
    target: tuple[float, float, float] = (12.0, 20.0, 4.0)
    depth: float = 105.0
    radius: float = 18.0
    half_angles: tuple[float, float] = (40.0, 28.0)
    defect: float = 23.0
    looks: int = 3
    beams: tuple[int, int] = (96, 54)
    samples: int = 180

    def __post_init__(self) -> None:
        if min(self.depth, self.radius, self.looks, *self.beams, self.samples) <= 0 or self.defect < 0:
            raise ParameterError(
                f"{self}: depth, radius, looks, beams and samples must be positive, defect not negative"
            )
        if not all(0 < angle < 80 for angle in self.half_angles):
            raise ParameterError(f"half_angles {self.half_angles}: expected degrees between 0 and 80")
        if self.contact == self.target:
            raise ParameterError(f"contact and target are both {self.contact}: the beam needs a direction")

    @property
    def axes(self) -> npt.NDArray[np.float64]:
        """Unit vectors as rows: across the fan (towards the back of the head), between planes, depth."""
        depth = np.subtract(self.target, self.contact)
        depth = depth / np.linalg.norm(depth)
        helper = np.eye(3)[1] if abs(depth[1]) < 0.9 else np.eye(3)[2]
        across = helper - (helper @ depth) * depth
        across /= np.linalg.norm(across)
        return np.stack([across, np.cross(depth, across), depth])

    @property
    def apex(self) -> npt.NDArray[np.float64]:
        """Where the beams meet, behind the face."""
        result: npt.NDArray[np.float64] = np.asarray(self.contact) - self.radius * self.axes[2]
        return result


def render_us(
    head: Head,
    geometry: Geometry,
    pose: Matrix,
    noise: float = 1.0,
    seed: int = 0,
    probe: Probe | None = None,
) -> Volume:
    """A reconstructed 3-D ultrasound of ``head``, 0 (black) to 255 (white).

    Outside the fan the value is exactly 0 and :attr:`Volume.valid` is False.  ``noise`` goes from 0
    (the mean echo, without speckle or electronic noise) to 1 (fully developed speckle, as many looks
    averaged as the probe takes).

    Raises
    ------
    ParameterError
        If ``noise`` is not between 0 and 1.
    """
    if not 0 <= noise <= 1:
        raise ParameterError(f"noise {noise}: expected 0 or more, at most 1 for ultrasound")
    probe = probe or Probe()
    image = _log_compressed(_echoes(head, probe, noise, seed))
    index, inside = _beam_index(geometry, pose, probe)
    array = np.zeros(geometry.shape, dtype=np.float32)
    array[inside] = map_coordinates(image, index, order=1, mode="nearest", output=np.float32)
    return Volume(array, geometry, "US", valid=inside)


def _beam_index(
    geometry: Geometry, pose: Matrix, probe: Probe
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Beam and sample numbers (3, n) of the voxels in the fan, and which voxels (z, y, x) these are."""
    to_probe = np.eye(4)
    to_probe[:3, :3] = probe.axes
    to_probe[:3, 3] = -probe.axes @ probe.apex
    matrix = to_probe @ np.linalg.inv(pose) @ geometry.affine
    grid = np.meshgrid(*(np.arange(n) for n in geometry.size), indexing="ij", sparse=True)
    across, between, along = (sum(row[i] * grid[i] for i in range(3)) + row[3] for row in matrix[:3])
    distance = np.sqrt(across**2 + between**2 + along**2)
    angles = (np.arcsin(across / np.maximum(distance, 1e-6)), np.arctan2(between, along))
    half = np.radians(probe.half_angles)
    fan = (np.abs(angles[0]) <= half[0]) & (np.abs(angles[1]) <= half[1])
    fan &= (distance >= probe.radius) & (distance <= probe.radius + probe.depth)
    inside = fan.transpose(2, 1, 0)
    beams = [(angles[i] / half[i] + 1) / 2 * (probe.beams[i] - 1) for i in range(2)]
    sample = (distance - probe.radius) / probe.depth * (probe.samples - 1)
    return np.stack([values.transpose(2, 1, 0)[inside] for values in (*beams, sample)]), inside


def _echoes(head: Head, probe: Probe, noise: float, seed: int) -> npt.NDArray[np.float32]:
    """Amplitude (across, between, samples), 1 being white."""
    scatter, impedance, attenuation = _acoustics(head, probe)
    step = probe.depth / (probe.samples - 1)
    depth = np.arange(probe.samples, dtype=np.float32) * np.float32(step)
    loss = np.cumsum(attenuation, axis=2) * np.float32(2 * step / 10)
    gain = (2 * _COMPENSATED / 10) * depth
    passed = np.float32(10) ** ((gain - loss + np.float32(_BRIGHTNESS)) / 20)
    mean = np.sqrt(gaussian_filter(scatter, _POINT_SPREAD))
    mirror = gaussian_filter(_reflections(impedance, probe, step), (0.6, 0.6, 1.0))
    clean: npt.NDArray[np.float32] = (mean + mirror) * passed
    if noise <= 0:
        return clean
    rng = np.random.default_rng([seed, 41])
    looks = [np.abs(mean * _speckle(rng, mean.shape) + mirror) for _ in range(probe.looks)]
    speckled = np.mean(looks, axis=0, dtype=np.float32) * passed
    floor = np.float32(10) ** ((np.float32(_FLOOR) + gain) / 20)
    speckled = np.hypot(speckled, floor * rng.standard_normal(mean.shape, dtype=np.float32))
    result: npt.NDArray[np.float32] = np.maximum(clean + np.float32(noise) * (speckled - clean), 0)
    return result


def _acoustics(head: Head, probe: Probe) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scatter (linear), log impedance and attenuation (dB/cm) at every sample of every beam."""
    table = np.array([[10 ** (t.echo / 10), np.log(t.impedance), t.attenuation] for t in TISSUES])
    table = table.T.astype(np.float32)
    opened = table.copy()  # in the hole of the skull, soft tissue takes the place of bone
    opened[:, [index_of("cortical bone"), index_of("diploe")]] = table[:, [index_of("muscle")]]
    across, between = (
        np.radians(np.linspace(-half, half, count))
        for half, count in zip(probe.half_angles, probe.beams, strict=True)
    )
    reach = probe.radius + np.linspace(0, probe.depth, probe.samples)
    result = np.empty((3, *probe.beams, probe.samples), dtype=np.float32)
    for number, angle in enumerate(across):
        cosine = np.cos(angle)
        plane = np.stack(
            [np.full_like(between, np.sin(angle)), cosine * np.sin(between), cosine * np.cos(between)]
        )
        local = (plane[:, :, None] * reach).reshape(3, -1)
        points = (probe.axes.T @ local + probe.apex[:, None]).astype(np.float32)
        hole = (np.hypot(local[0], local[1]) < probe.defect) & (local[2] < probe.radius + _SKULL_WITHIN)
        mixed = np.empty((3, points.shape[1]), dtype=np.float32)
        for part, values in ((hole, opened), (~hole, table)):
            mixed[:, part] = head.paint(points[:, part], _CELL, values)
        result[:, number] = mixed.reshape(3, len(between), -1)
    return result[0], result[1], result[2]


def _reflections(log_impedance: np.ndarray, probe: Probe, step: float) -> npt.NDArray[np.float32]:
    """Amplitude reflected by changes of impedance, by how squarely the beam meets them."""
    reach = (probe.radius + np.arange(probe.samples) * step).astype(np.float32)
    along = np.gradient(log_impedance, step, axis=2)
    total = along**2
    for axis in range(2):
        spacing = np.radians(2 * probe.half_angles[axis]) / (probe.beams[axis] - 1)
        total += (np.gradient(log_impedance, spacing, axis=axis) / reach) ** 2
    cosine = np.abs(along) / np.sqrt(total + np.float32(1e-8))
    result: npt.NDArray[np.float32] = (
        np.float32(_REFLECTION / 2) * step * np.abs(along) * cosine ** np.float32(_HEAD_ON)
    )
    return result


def _speckle(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.complex64]:
    """Complex Gaussian noise of mean magnitude 1, correlated by the point spread function."""
    parts = [gaussian_filter(rng.standard_normal(shape, dtype=np.float32), _POINT_SPREAD) for _ in range(2)]
    signal = parts[0] + 1j * parts[1]
    result: npt.NDArray[np.complex64] = (signal / np.mean(np.abs(signal))).astype(np.complex64)
    return result


def _log_compressed(amplitude: np.ndarray) -> npt.NDArray[np.float32]:
    decibels = 20 * np.log10(np.maximum(amplitude, 1e-9))
    result: npt.NDArray[np.float32] = np.clip(255 * (1 + decibels / _RANGE), 0, 255).astype(np.float32)
    return result
