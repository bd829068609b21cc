"""2-D images with grey values in [0, 1], for scores of single pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...errors import ReadError
from ..files import check_finite, check_voxels, existing, reading
from . import PICTURES, is_picture

__all__ = ["GREY_LEVELS", "load_mat", "read_image"]

GREY_LEVELS = {"L": 255, "I;16": 65535, "I;16B": 65535, "I;16L": 65535, "I": 65535, "1": 1}
"""Pillow's mode -> the value of white; ``I`` is what it makes of 16-bit PNG in older versions."""


def read_image(path: str | Path) -> npt.NDArray[np.float32]:
    """Read a grey 2-D image of 8 or 16 bits, or a ``.mat`` file with one 2-D array.

    Returns
    -------
    float32 (y, x) in [0, 1]
        8-bit values divided by 255, 16-bit values by 65535.  A colour image is read if its channels
        are equal.  The array of a ``.mat`` file is taken as it is if it lies in [0, 1], and divided
        by 255 or 65535 if it holds integers of 8 or 16 bits.

    Raises
    ------
    ReadError
        If the file does not exist, is damaged, in colour, or has values beyond these ranges.
    """
    path = existing(path)
    if not is_picture(path):
        raise ReadError(f"{path}: not a 2-D image that is known; expected one of {', '.join(PICTURES)}")
    with reading(path):
        array = _from_mat(path) if path.suffix.lower() == ".mat" else _from_picture(path)
        check_finite(path, array)
        if array.min() < 0 or array.max() > 1:
            raise ReadError(
                f"{path}: values from {array.min():g} to {array.max():g}; expected 0 to 1, "
                "or integers of 8 or 16 bits"
            )
        return array


def _from_picture(path: Path) -> npt.NDArray[np.float32]:
    from PIL import Image

    with Image.open(path) as image:
        check_voxels(path, image.size)
        pictures = getattr(image, "n_frames", 1)
        if pictures != 1:
            raise ReadError(f"{path}: {pictures} pictures in one file; expected one")
        if image.mode in GREY_LEVELS:
            return np.asarray(image, dtype=np.float32) / np.float32(GREY_LEVELS[image.mode])
        if image.mode == "F":
            return np.asarray(image, dtype=np.float32)
        channels = np.asarray(image.convert("RGBA"))
    if (channels[..., 3] != 255).any():
        raise ReadError(f"{path}: partly transparent; save it as a grey image")
    if (channels[..., :1] != channels[..., 1:3]).any():
        raise ReadError(f"{path}: in colour; expected grey values: convert it to grey first")
    return channels[..., 0].astype(np.float32) / np.float32(255)


def _from_mat(path: Path) -> npt.NDArray[np.float32]:
    array, white = load_mat(path)
    return array.astype(np.float32) / np.float32(white)


def load_mat(path: Path) -> tuple[npt.NDArray[np.generic], int]:
    """The one 2-D array of a ``.mat`` file as it is, and the value of white if it holds integers, else 1.

    Raises
    ------
    ReadError
        If there is not just one, or it does not hold real numbers.
    """
    from scipy.io import loadmat

    found = {
        name: value
        for name, value in loadmat(path).items()
        if isinstance(value, np.ndarray) and value.ndim == 2 and min(value.shape) > 1
    }
    if len(found) != 1:
        raise ReadError(f"{path}: holds {len(found)} 2-D arrays ({', '.join(found) or 'none'}); expected one")
    (array,) = found.values()
    white = {"u1": 255, "u2": 65535}.get(array.dtype.str[1:], 1)
    if array.dtype.kind not in "uif":
        raise ReadError(f"{path}: values of type {array.dtype}; expected real numbers")
    return array, white
