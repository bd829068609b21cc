"""2-D images as volumes of one slice, so that pictures and phantoms can be fused too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...colour import luma_of
from ...errors import ReadError
from ...volume import Volume
from ..files import check_voxels, reading
from ..options import ReadOptions
from ..single_slice import one_slice_geometry
from .images import GREY_LEVELS, almost_grey, load_mat

__all__ = ["read"]


def read(path: Path, options: ReadOptions) -> Volume:
    """Read a picture of 8 or 16 bits, grey or RGB, or a ``.mat`` file with one 2-D array.

    Values are those of the file.  The middle of the picture is put at the origin, so that pictures of
    the same thing with other pixel sizes lie on each other.

    Raises
    ------
    ReadError
        If no spacing is given: the resolution that pictures may state is that of a printer.
    """
    options.refuse(path, "a 2-D image", "series", "volume")
    if options.spacing is None:
        raise ReadError(
            f"{path}: a 2-D image does not say the size of its pixels in mm; give --spacing, such as 0.5 "
            "(or 1 if it does not matter)"
        )
    with reading(path):
        is_mat = path.suffix.lower() == ".mat"
        array, grey_notes = (load_mat(path)[0], []) if is_mat else _picture(path)
        check_voxels(path, array.shape[1::-1])
        geometry, notes = one_slice_geometry((array.shape[1], array.shape[0]), options.spacing)
        place = "a 2-D image: its middle was put at the origin"
        return Volume(array[np.newaxis].astype(np.float32), geometry, notes=(place, *notes, *grey_notes))


def _picture(path: Path) -> tuple[npt.NDArray[np.generic], list[str]]:
    """(y, x), or (y, x, 3) where its channels differ by more than a few levels; and what to say of it."""
    from PIL import Image

    with Image.open(path) as image:
        check_voxels(path, image.size)
        pictures = getattr(image, "n_frames", 1)
        if pictures != 1:
            raise ReadError(f"{path}: {pictures} pictures in one file; expected one")
        if image.mode in GREY_LEVELS or image.mode == "F":
            return np.asarray(image), []
        channels = np.asarray(image.convert("RGBA"))
    if (channels[..., 3] != 255).any():
        raise ReadError(f"{path}: partly transparent; save it without transparency")
    rgb = channels[..., :3]
    if (rgb[..., :1] == rgb[..., 1:]).all():
        return rgb[..., 0], []
    if almost_grey(rgb):
        note = "its channels differ by a few levels only: read as grey, its luma"
        return luma_of(rgb.astype(np.float32)), [note]
    return rgb, []
