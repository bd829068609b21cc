"""2-D images with grey values in [0, 1], for scores of single pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...colour import luma_of
from ...errors import ReadError
from ..files import check_finite, check_voxels, existing, reading
from . import PICTURES, is_picture

__all__ = ["GREY_LEVELS", "almost_grey", "load_image", "load_mat", "load_picture", "read_image"]

GREY_LEVELS = {"L": 255, "I;16": 65535, "I;16B": 65535, "I;16L": 65535, "I": 65535, "1": 1}
"""Pillow's mode -> the value of white; ``I`` is what it makes of 16-bit PNG in older versions."""

_FORMATS = ("PNG", "TIFF", "JPEG", "BMP", "GIF")
"""Pillow knows dozens, PostScript among them, which is a program: only what we offer is tried."""

_GREY_SPREAD = 8  # levels of 255 between the channels of a pixel: what JPEG makes of grey


def read_image(path: str | Path) -> npt.NDArray[np.float32]:
    """Read a grey 2-D image of 8 or 16 bits, or a ``.mat`` file with one 2-D array.

    Returns
    -------
    float32 (y, x) in [0, 1]
        8-bit values divided by 255, 16-bit values by 65535; see :func:`load_image`.

    Raises
    ------
    ReadError
        As :func:`load_image`.
    """
    array, white, _ = load_image(path)
    return array.astype(np.float32) / np.float32(white)


def load_image(
    path: str | Path, to_grey: bool = False
) -> tuple[npt.NDArray[np.generic], int, tuple[str, ...]]:
    """The values (y, x) of a grey 2-D image as the file has them, its value of white, and notes.

    White is 255 or 65535 for integers of 8 or 16 bits, and 1 for the other values, which are in [0, 1].
    A colour image whose channels differ by no more than 8 of 255 levels is read as its luma, and with
    ``to_grey`` any colour image.  Of a ``.mat`` file with one 2-D array likewise.

    Raises
    ------
    ReadError
        If the file does not exist, is damaged, in colour, or has values beyond these ranges.
    """
    path = existing(path)
    if not is_picture(path):
        raise ReadError(f"{path}: not a 2-D image that is known; expected one of {', '.join(PICTURES)}")
    with reading(path):
        array, white, notes = load_picture(path)
        if array.ndim == 3:
            if not to_grey:
                raise ReadError(f"{path}: in colour; expected grey values: add --to-grey to take its luma")
            array, notes = luma_of(array.astype(np.float32)), ("in colour: its luma was taken",)
        values = array.astype(np.float32) / np.float32(white)
        check_finite(path, values)
        if values.min() < 0 or values.max() > 1:
            raise ReadError(
                f"{path}: values from {values.min():g} to {values.max():g}; expected 0 to 1, "
                "or integers of 8 or 16 bits"
            )
        return array, white, notes


def load_picture(path: Path) -> tuple[npt.NDArray[np.generic], int, tuple[str, ...]]:
    """(y, x), or (y, x, 3) where the channels differ by more than a few levels; white; what to say of it.

    Raises
    ------
    ReadError
        If it holds several pictures, or is partly transparent.
    """
    from PIL import Image

    if path.suffix.lower() == ".mat":
        return (*load_mat(path), ())
    with Image.open(path, formats=_FORMATS) as image:
        check_voxels(path, image.size)
        pictures = getattr(image, "n_frames", 1)
        if pictures != 1:
            raise ReadError(f"{path}: {pictures} pictures in one file; expected one")
        if image.mode in GREY_LEVELS or image.mode == "F":
            return np.asarray(image), GREY_LEVELS.get(image.mode, 1), ()
        channels = np.asarray(image.convert("RGBA"))
    if (channels[..., 3] != 255).any():
        raise ReadError(f"{path}: partly transparent; save it without transparency")
    rgb = channels[..., :3]
    if (rgb[..., :1] == rgb[..., 1:]).all():
        return rgb[..., 0], 255, ()
    if almost_grey(rgb):
        note = "its channels differ by a few levels only: read as grey, its luma"
        return luma_of(rgb.astype(np.float32)), 255, (note,)
    return rgb, 255, ()


def almost_grey(rgb: npt.NDArray[np.uint8]) -> bool:
    """Whether the channels (y, x, 3) of 8 bits differ by a few levels only, as lossy compression does it."""
    spread = rgb.max(axis=-1).astype(int) - rgb.min(axis=-1)
    return bool(spread.max() <= _GREY_SPREAD)


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
