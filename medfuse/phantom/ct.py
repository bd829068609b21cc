"""Computed tomography of the phantom, in HU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from ..errors import ParameterError
from ..noise import projection_noise
from ..volume import Geometry, Volume
from .painting import sample
from .space import Matrix
from .tissues import TISSUES

if TYPE_CHECKING:
    from .head import Head

__all__ = ["low_dose", "quantum_noise", "render_ct"]

_BLUR = 0.55  # mm: standard deviation of the scanner's point spread within the slice
_SIGMA = 4.0  # HU in the middle of a head, for voxels of _VOXEL at a routine dose
_VOXEL = 1.9 * 1.9 * 3.5  # mm³
_GRAIN = 0.55  # pixels: standard deviation of the reconstruction kernel
_WATER = 0.019  # linear attenuation of water in 1/mm at 70 keV (NIST, doi:10.18434/T4D01F)
_PATH = 180.0  # mm: way of a ray through a head
_AIR = -1024.0  # the lowest number that 12 bits hold with the usual intercept


def render_ct(head: Head, geometry: Geometry, pose: Matrix, noise: float, seed: int) -> Volume:
    """A CT of ``head`` in HU, with the shell that its neck and back of the head rest in.

    Quantum noise grows with the attenuation that the rays through a voxel have met, hence it is
    strongest deep inside the skull; it is smoothed a little, as by a reconstruction kernel.
    """
    hu = np.array([tissue.hu for tissue in TISSUES])
    array = sample(head, geometry, pose, hu)[0]
    array = _with_rest(array, geometry, pose)
    in_plane = (0, _BLUR / geometry.spacing[1], _BLUR / geometry.spacing[0])
    array = gaussian_filter(array, in_plane)
    if noise > 0:
        array = array + noise * quantum_noise(array, geometry, seed)
    return Volume(np.maximum(array, _AIR), geometry, "CT")


def low_dose(volume: Volume, photons: float = 1e4, seed: int = 0) -> Volume:
    """A CT as few photons would have shown it, by filtered back projection of each slice.

    Parameters
    ----------
    volume:
        In HU, with square pixels; its own noise stays.
    photons:
        Sent along each ray: 10,000 give some 45 HU deep inside a head whose pixels are 1.25 mm.
    seed:
        Of the noise.

    Raises
    ------
    ParameterError
        If pixels are not square, or ``photons`` or ``seed`` is out of range.

    Notes
    -----
    See :func:`medfuse.noise.projection_noise`.
    """
    width, height, _ = volume.geometry.spacing
    if seed < 0:
        raise ParameterError(f"seed {seed}: expected 0 or more")
    if not np.isclose(width, height, rtol=1e-3):
        raise ParameterError(
            f"pixels of {width:g}×{height:g} mm: back projection expects square ones; resample it first"
        )
    rng = np.random.default_rng([seed, 22])
    density = np.maximum(volume.array / 1000 + 1, 0)
    noise = np.stack([projection_noise(one, width, photons, rng) for one in density])
    return volume.with_array(np.maximum(volume.array + 1000 * noise, _AIR))


def quantum_noise(array: np.ndarray, geometry: Geometry, seed: int) -> npt.NDArray[np.float32]:
    """Noise (z, y, x) in HU of a routine dose, for the CT numbers ``array``."""
    white = np.random.default_rng([seed, 21]).standard_normal(array.shape, dtype=np.float32)
    grain = gaussian_filter(white, (0, _GRAIN, _GRAIN)) / _grain_strength()
    # The mean attenuation of the slice within some 50 mm stands for that of the rays; photons fall
    # off exponentially.
    reach = (0, 25 / geometry.spacing[1], 25 / geometry.spacing[0])
    attenuation = gaussian_filter(np.maximum(array / 1000 + 1, 0), reach, mode="nearest")
    scale = np.exp(0.5 * _WATER * _PATH * (attenuation - 1))
    voxel = geometry.spacing[0] * geometry.spacing[1] * geometry.spacing[2]
    result: npt.NDArray[np.float32] = _SIGMA * np.float32(np.sqrt(_VOXEL / voxel)) * scale * grain
    return result


def _grain_strength() -> float:
    """The standard deviation that smoothing leaves of white noise of 1."""
    impulse = np.zeros((15, 15))
    impulse[7, 7] = 1
    return float(np.linalg.norm(gaussian_filter(impulse, _GRAIN)))


def _with_rest(array: np.ndarray, geometry: Geometry, pose: Matrix) -> npt.NDArray[np.float32]:
    """Add the head rest, a trough of foam in a carbon shell; it moves with the patient."""
    to_head = np.linalg.inv(pose) @ geometry.affine
    nx, ny, nz = geometry.size
    index = np.meshgrid(np.arange(nx), np.arange(ny), np.arange(nz), indexing="ij", sparse=True)
    x, y, z = (sum(row[i] * index[i] for i in range(3)).T + row[3] for row in to_head[:3])
    radius = np.hypot(x, y - 14)  # a cylinder about the long axis of the head
    below = np.clip((y - 48) / 4, 0, 1) * np.clip((92 - z) / 4, 0, 1)
    cell = float(geometry.spacing[0])
    for inner, outer, hu in ((111.5, 121.5, -930.0), (119.5, 121.5, -150.0)):
        share = np.clip((radius - inner) / cell + 0.5, 0, 1) * np.clip((outer - radius) / cell + 0.5, 0, 1)
        array = np.maximum(array, -1000 + (hu + 1000) * share * below)
    return array.astype(np.float32)
