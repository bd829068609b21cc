"""Transforms that stand for an image's features in feature mutual information."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.fft import dctn

Image = npt.NDArray[np.float64]

# The low-pass filter of the discrete Meyer wavelet: one half of its 61 symmetric taps, from the end to
# the centre, and a 0 before them.  Abry's FIR approximation, as MATLAB and PyWavelets tabulate it.
_HALF = (
    0.0,
    -1.0099999569414229e-12,
    8.519459636796214e-09,
    -1.111944952595278e-08,
    -1.0798819539621958e-08,
    6.0669757413511352e-08,
    -1.0866516536735883e-07,
    8.2006806503864813e-08,
    1.1783004497663934e-07,
    -5.5063405652522782e-07,
    1.1307947017916706e-06,
    -1.4895492164971559e-06,
    7.367572885903746e-07,
    3.2054419133447798e-06,
    -1.6312699734552807e-05,
    6.5543059305751491e-05,
    -0.00060115023435160925,
    -0.002704672124643725,
    0.0022025341009110021,
    0.006045814097323304,
    -0.0063877183184971563,
    -0.011061496392513451,
    0.015270015130934803,
    0.017423434103729693,
    -0.032130793990211758,
    -0.024348745906078023,
    0.063739024322801596,
    0.030655091960824263,
    -0.13284520043622938,
    -0.035087555656258346,
    0.44459300275757724,
    0.74458559231880628,
)
LOW_PASS = np.array([*_HALF, *_HALF[-2:0:-1]])
HIGH_PASS = LOW_PASS[::-1] * np.where(np.arange(LOW_PASS.size) % 2, 1, -1)


def cosine_features(image: np.ndarray) -> Image:
    """The orthonormal two-dimensional DCT-II of the whole image."""
    result: Image = dctn(image, norm="ortho")
    return result


def wavelet_features(image: np.ndarray) -> Image:
    """One level of the discrete Meyer wavelet, its four bands side by side, scaled to [0, 1].

    Upper left the approximation, upper right what varies along y, lower left what varies along x,
    each of size ⌊(n + 61) / 2⌋: the transform of the image continued by half-point reflection.
    """
    filters = (LOW_PASS, HIGH_PASS)
    along_x = [_decimate(image, taps) for taps in filters]
    features = np.block([[_decimate(band.T, taps).T for taps in filters] for band in along_x])
    low, high = features.min(), features.max()
    return (features - low) / (high - low) if high > low else np.ones_like(features)


def _decimate(image: np.ndarray, taps: np.ndarray) -> Image:
    """Convolve rows (y, x) with ``taps`` and keep every second sample.

    Tap by tap, in this order: every pixel is rounded alike, so that flat areas stay exactly flat, and
    the metric, which scales each 3×3 window to its own range, does not see rounding as texture.
    """
    reach = len(taps) - 1
    height, width = image.shape
    extended = np.pad(image, [(0, 0), (reach, reach)], mode="symmetric")
    phases = np.ascontiguousarray(extended[:, 0::2]), np.ascontiguousarray(extended[:, 1::2])
    count = (width + reach) // 2
    result = np.zeros((height, count))
    product = np.empty_like(result)
    for k, tap in enumerate(taps):
        start = reach + 1 - k
        samples = phases[start % 2][:, start // 2 : start // 2 + count]
        np.multiply(samples, tap, out=product)
        result += product
    return result
