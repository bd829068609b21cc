"""Scans of generated bodies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from ...errors import ParameterError, UnknownNameError
from ...volume import Geometry, Volume
from ..ct import quantum_noise
from ..modalities import checked_pose
from ..mr import SEQUENCES, scanned
from ..painting import sample
from .body import Body
from .tissues import BODY_TISSUES

__all__ = ["BODY_CONTRASTS", "render_body"]

BODY_CONTRASTS = ("CT", "T1", "T2", "PET")
_FULL_SCALE = 1000.0
_PET_BLUR = 2.5  # mm: standard deviation of the scanner's point spread, 6 mm at half its height
_PET_NOISE = 0.25  # of the square root of the uptake, before the reconstruction smooths it


def render_body(
    contrast: str,
    body: Body,
    geometry: Geometry,
    pose: npt.ArrayLike | None = None,
    noise: float = 1.0,
    seed: int = 0,
) -> Volume:
    """A scan of ``body`` on ``geometry``.

    ``contrast`` is one of :data:`BODY_CONTRASTS`: HU, arbitrary units (0 to about 1000), or SUV.  The other
    parameters and the errors are those of :func:`medfuse.phantom.render`.
    """
    matrix = checked_pose(pose)
    if contrast not in BODY_CONTRASTS:
        raise UnknownNameError("contrast", contrast, BODY_CONTRASTS)
    if seed < 0 or not noise >= 0:
        raise ParameterError(f"seed {seed}, noise {noise}: expected 0 or more")
    if contrast == "CT":
        array = sample(body, geometry, matrix, [tissue.hu for tissue in BODY_TISSUES])[0]
        return Volume(array + noise * quantum_noise(array, geometry, seed), geometry, "CT")
    if contrast == "PET":
        array = sample(body, geometry, matrix, [tissue.uptake for tissue in BODY_TISSUES])[0]
        return Volume(_counted(array, geometry, noise, seed), geometry, "PT")
    signal = [SEQUENCES[contrast](tissue) for tissue in BODY_TISSUES]
    array = sample(body, geometry, matrix, signal)[0] * _FULL_SCALE
    return Volume(scanned(array, geometry, noise, seed), geometry, "MR")


def _counted(uptake: np.ndarray, geometry: Geometry, noise: float, seed: int) -> npt.NDArray[np.float32]:
    """Noise that grows with the root of the uptake, as of counts, then the point spread."""
    white = np.random.default_rng([seed, 54]).standard_normal(uptake.shape, dtype=np.float32)
    array = uptake + noise * _PET_NOISE * np.sqrt(uptake) * white
    blurred = gaussian_filter(array, [_PET_BLUR / spacing for spacing in geometry.spacing[::-1]])
    result: npt.NDArray[np.float32] = np.maximum(blurred, 0).astype(np.float32)
    return result
