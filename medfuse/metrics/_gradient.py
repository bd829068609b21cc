"""Sobel gradients and what becomes of them in the fused image, shared by the metrics of edges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float64]


class Gradient(NamedTuple):
    """Sobel responses (…, y, x).

    ``across`` columns (right minus left), ``along`` rows (below minus above).
    """

    across: Image
    along: Image

    @property
    def strength(self) -> Image:
        """Magnitude of the gradient."""
        return np.sqrt(self.across**2 + self.along**2)


def sobel(images: np.ndarray, border: str = "zero") -> Gradient:
    """Sobel responses of images (…, y, x), not divided by 8, of the same size.

    ``border`` is ``"zero"``: outside the image lies 0, as in MATLAB's 'same' filters, so that the
    frame looks like an edge; or ``"mirror"``: reflected without repeating the border pixel.

    The kernels are applied separably, so that a flat neighbourhood answers exactly 0.
    """
    pad = [(0, 0)] * (images.ndim - 2) + [(1, 1), (1, 1)]
    padded = np.pad(images, pad) if border == "zero" else np.pad(images, pad, mode="reflect")
    smooth_rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    smooth_columns = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    return Gradient(
        across=smooth_rows[..., 2:] - smooth_rows[..., :-2],
        along=smooth_columns[..., 2:, :] - smooth_columns[..., :-2, :],
    )


def sobel_as_conv2(images: np.ndarray) -> Gradient:
    """As :func:`sobel` with 0 outside, added up in the order in which Octave's ``conv2`` does.

    Some codes ask whether two strengths are equal, or take the angle of a gradient that is 0 but for
    rounding.  Added in the same order, 8-bit images divided by 255 answer as they do there.
    """
    height, width = images.shape[-2:]
    padded = np.pad(images, [(0, 0)] * (images.ndim - 2) + [(1, 1), (1, 1)])
    p = [[padded[..., i : i + height, j : j + width] for j in range(3)] for i in range(3)]
    return Gradient(
        across=-(p[2][0] + 2 * p[1][0] + p[0][0] - p[2][2] - 2 * p[1][2] - p[0][2]),
        along=p[2][0] - p[0][0] + 2 * p[2][1] - 2 * p[0][1] + p[2][2] - p[0][2],
    )


def sigmoid(x: np.ndarray, slope: float, centre: float) -> Image:
    """1 / (1 + exp(−slope (x − centre)))."""
    return 1 / (1 + np.exp(-slope * (x - centre)))


def wrapped_agreement(first: np.ndarray, second: np.ndarray) -> Image:
    """Agreement of two orientations within ±π/2: 1 where parallel, 0 where at right angles."""
    result: Image = np.abs(np.abs(first - second) - np.pi / 2) / (np.pi / 2)
    return result


def prewitt_strength(images: np.ndarray) -> Image:
    """Strength of the Prewitt gradients of images (…, y, x), with 0 outside."""
    padded = np.pad(images, [(0, 0)] * (images.ndim - 2) + [(1, 1), (1, 1)])
    rows = padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]
    columns = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
    return Gradient(rows[..., 2:] - rows[..., :-2], columns[..., 2:, :] - columns[..., :-2, :]).strength
