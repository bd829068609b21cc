"""Noise of computed tomography, drawn where it arises: in the counts of photons behind the patient."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError

__all__ = ["projection_noise"]

Array = npt.NDArray[np.float64]

_WATER = 0.019  # linear attenuation of water in 1/mm at 70 keV (NIST, doi:10.18434/T4D01F)
_VIEWS = 240  # directions over half a turn


def projection_noise(density: npt.ArrayLike, pixel: float, photons: float, rng: np.random.Generator) -> Array:
    """What Poisson noise of the projections adds to a slice that filtered back projection makes of them.

    The noise is stronger where the rays through a pixel met more, correlated by the filter (ramp and Hann)
    with little power at low frequencies, and has streaks along the rays that lost most.  Parallel beams;
    neither scatter, beam hardening nor the noise of the electronics is in it.

    Parameters
    ----------
    density:
        (y, x): attenuation as a multiple of that of water, HU / 1000 + 1; outside of the image there is air.
    pixel:
        Side of a pixel in mm; pixels are square.
    photons:
        Sent along each ray, > 0.  A ray on which none arrives counts as one.
    rng:
        Source of the random numbers.

    Returns
    -------
    Array
        (y, x), in the unit of ``density``.

    Raises
    ------
    ParameterError
        If ``photons`` or ``pixel`` is not positive.

    Notes
    -----
    Poisson noise of counts and its way through the reconstruction: Buzug, "Computed Tomography", Springer
    2008, doi:10.1007/978-3-540-39408-2, chapters 2 and 9.
    """
    from skimage.transform import iradon, radon

    if photons <= 0 or pixel <= 0:
        raise ParameterError(f"photons {photons}, pixel {pixel} mm: expected numbers above 0")
    image = np.asarray(density, dtype=float)
    rows, columns = image.shape
    side = max(rows, columns)
    square = np.pad(image, ((0, side - rows), (0, side - columns)))
    angles = np.linspace(0, 180, _VIEWS, endpoint=False)
    per_pixel = _WATER * pixel
    rays = radon(square, angles, circle=False) * per_pixel
    counted = rng.poisson(photons * np.exp(-rays)).clip(1)
    error = -np.log(counted / photons) - rays
    noise = iradon(error / per_pixel, angles, output_size=side, circle=False, filter_name="hann")
    return np.asarray(noise[:rows, :columns])
