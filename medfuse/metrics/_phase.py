"""Phase congruency: edges and corners as the places where waves of all scales are in step.

Kovesi's measure PC_2 with log-Gabor filters in 4 scales and 6 orientations (Videre 1999; DICTA 2003),
as Liu's ``myphasecong3.m`` has it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.fft import fft2, fftshift, ifft2, ifftshift

Image = npt.NDArray[np.float64]

_SCALES, _ORIENTATIONS = 4, 6
_WAVELENGTH, _STEP = 3, 2.1  # of the smallest scale in pixels, and the factor to the next
_BANDWIDTH = 0.55
_ANGULAR_SIGMA = np.pi / _ORIENTATIONS / 1.2
_NOISE_DEVIATIONS = 2
_CUT_OFF, _SHARPNESS = 0.5, 10
_EPSILON = 1e-4
_ROWS = 32  # handled at once: what stays in the processor's cache


class PhaseCongruency(NamedTuple):
    """Feature maps (y, x) of an image: all features, edges (largest moment), corners (smallest moment)."""

    total: Image
    edges: Image
    corners: Image


class _Bank(NamedTuple):
    """The filters for one image size, in the frequency order of ``fft2``."""

    radial: Image  # (scale, y, x)
    angular: Image  # (orientation, y, x)
    noise_gain: Image  # (orientation,): noise threshold over the root of the median energy at scale 1


def phase_congruency(image: np.ndarray) -> PhaseCongruency:
    """The features of an image with grey values of 0 to 255."""
    bank = _bank(image.shape)
    spectrum = fft2(image)
    even, odd = np.empty((2, _SCALES, *image.shape))
    energy, amplitude = np.zeros((2, *image.shape))
    xx, yy, xy = np.zeros((3, *image.shape))
    for o in range(_ORIENTATIONS):
        oriented = spectrum * bank.angular[o]
        for s in range(_SCALES):
            response = ifft2(oriented * bank.radial[s], overwrite_x=True)
            even[s], odd[s] = response.real, response.imag
        in_step, sum_amplitude = _energy_in_step(even, odd, bank.noise_gain[o])
        energy += in_step
        amplitude += sum_amplitude
        squared = (in_step / np.where(sum_amplitude > 0, sum_amplitude, 1)) ** 2
        angle = o * np.pi / _ORIENTATIONS
        xx += squared * np.cos(angle) ** 2
        yy += squared * np.sin(angle) ** 2
        xy += squared * (np.cos(angle) * np.sin(angle))
    xx, yy, xy = xx / (_ORIENTATIONS / 2), yy / (_ORIENTATIONS / 2), xy / _ORIENTATIONS
    spread = np.sqrt(xy**2 + (xx - yy) ** 2) + _EPSILON
    return PhaseCongruency(
        total=energy / (amplitude + _EPSILON),
        edges=(xx + yy + spread) / 2,
        corners=(xx + yy - spread) / 2,
    )


def _energy_in_step(even: Image, odd: Image, noise_gain: float) -> tuple[Image, Image]:
    """Energy in step beyond noise, and the sum of amplitudes, of one orientation: (scale, y, x) to (y, x)."""
    threshold = noise_gain * np.sqrt(np.median(even[0] ** 2 + odd[0] ** 2))
    energy, sum_amplitude = np.empty((2, *even.shape[1:]))
    for top in range(0, len(energy), _ROWS):
        rows = slice(top, top + _ROWS)
        energy[rows], sum_amplitude[rows] = _in_step(even[:, rows], odd[:, rows], threshold)
    return energy, sum_amplitude


def _in_step(even: Image, odd: Image, threshold: float) -> tuple[Image, Image]:
    sum_even, sum_odd = even.sum(axis=0), odd.sum(axis=0)
    squared = sum_even**2 + sum_odd**2
    length = np.sqrt(squared) + _EPSILON
    across = even * (sum_odd / length) - odd * (sum_even / length)
    energy = squared / length - np.abs(across, out=across).sum(axis=0)
    amplitude = np.sqrt(even**2 + odd**2)
    sum_amplitude = amplitude.sum(axis=0)
    width = sum_amplitude / (amplitude.max(axis=0) + _EPSILON) / _SCALES
    weight = 1 / (1 + np.exp((_CUT_OFF - width) * _SHARPNESS))
    return weight * np.maximum(energy - threshold, 0), sum_amplitude


@lru_cache(maxsize=1)
def _bank(shape: tuple[int, int]) -> _Bank:
    """The filters; slices of a volume have one size, so that one bank is kept."""
    radius, theta = _polar(shape)
    low_pass = _low_pass(shape)
    centres = 1 / (_WAVELENGTH * _STEP ** np.arange(_SCALES))
    radial = np.stack([np.exp(-(np.log(radius / f) ** 2) / (2 * np.log(_BANDWIDTH) ** 2)) for f in centres])
    radial *= low_pass
    radial[:, 0, 0] = 0
    angular = np.stack([_angular(theta, o * np.pi / _ORIENTATIONS) for o in range(_ORIENTATIONS)])
    return _Bank(radial, angular, np.array([_noise_gain(radial * spread) for spread in angular]))


def _polar(shape: tuple[int, int]) -> tuple[Image, Image]:
    """Radius (1 at frequency 0) and angle of each frequency.

    For an odd size n the code divides by n − 1, so that its frequencies reach ½; kept.
    """
    y, x = (ifftshift(np.arange(n) - n // 2) / (n - n % 2) for n in shape)
    radius = np.hypot(*np.meshgrid(x, y))
    radius[0, 0] = 1
    return radius, np.arctan2(-y[:, None], x)


def _low_pass(shape: tuple[int, int]) -> Image:
    """Butterworth filter of cut-off 0.45 and order 15.

    The code brings frequency 0 to the front with ``fftshift``, which for an odd size is one off; kept.
    """
    y, x = ((np.arange(n) - n // 2) / n for n in shape)
    result: Image = fftshift(1 / (1 + (np.hypot(*np.meshgrid(x, y)) / 0.45) ** 30))
    return result


def _angular(theta: Image, angle: float) -> Image:
    distance = np.abs(np.angle(np.exp(1j * (theta - angle))))
    result: Image = np.exp(-(distance**2) / (2 * _ANGULAR_SIGMA**2))
    return result


def _noise_gain(filters: Image) -> float:
    """What to multiply the root of the median energy at the smallest scale by, to have the noise threshold.

    The noise power is that median over ln 2 and over the filter's energy; the expected noise energy
    adds the even parts of the filters over the scales, here in the frequency domain (Parseval).  The
    code lowers the threshold by 1.7, which it calls empirical.
    """
    even = (filters + np.roll(filters[:, ::-1, ::-1], 1, axis=(1, 2))) / 2
    power = 1 / np.log(2) / np.sum(filters[0] ** 2)
    tau = np.sqrt(power * np.sum(even.sum(axis=0) ** 2))
    return float(tau * (np.sqrt(np.pi / 2) + _NOISE_DEVIATIONS * np.sqrt(2 - np.pi / 2)) / 1.7)
