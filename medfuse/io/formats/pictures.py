"""2-D images as volumes of one slice, so that pictures and phantoms can be fused too."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import ReadError
from ...volume import Volume
from ..files import check_voxels, reading
from ..options import ReadOptions
from ..single_slice import one_slice_geometry
from .images import load_picture

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
        array, _, grey_notes = load_picture(path)
        check_voxels(path, array.shape[1::-1])
        geometry, notes = one_slice_geometry((array.shape[1], array.shape[0]), options.spacing)
        place = "a 2-D image: its middle was put at the origin"
        return Volume(array[np.newaxis].astype(np.float32), geometry, notes=(place, *notes, *grey_notes))
