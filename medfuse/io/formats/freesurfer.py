"""FreeSurfer's .mgh, and .mgz, which is the same gzipped.

Format: https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat.  All numbers are big endian.
"""

from __future__ import annotations

import struct
from math import prod
from pathlib import Path

import numpy as np

from ...errors import ReadError
from ...volume import Volume
from ..files import check_voxels, reading
from .four_d import choice
from .gzipped import open_content
from .placing import place

__all__ = ["read"]

_HEADER = struct.Struct(">7ih15f")
_DATA_START = 284
_TYPES = {0: "u1", 1: "i4", 3: "f4", 4: "i2"}
_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read(path: Path, volume: int | None = None) -> Volume:
    """Read a volume; of several frames the one ``volume``, from 1."""
    with reading(path), open_content(path) as content:
        start = content.start(_DATA_START)
        if len(start) < _DATA_START:
            raise ReadError(f"{path}: shorter than the header of an MGH file: cut off; copy it again")
        version, *size, frames, kind, _freedom, is_placed = _HEADER.unpack_from(start)[:8]
        check_voxels(path, (*size, frames))
        if version != 1 or kind not in _TYPES:
            raise ReadError(
                f"{path}: MGH of version {version} with voxels of type {kind}; expected version 1 and one of "
                f"the types {', '.join(map(str, _TYPES))}: convert it with FreeSurfer's mri_convert"
            )
        if is_placed != 1:
            raise ReadError(
                f"{path}: says nowhere how the volume lies in the patient (goodRASFlag is {is_placed}); "
                "convert the scanner's DICOM files again"
            )
        index, notes = choice(path, frames, volume)
        dtype = np.dtype(f">{_TYPES[kind]}")
        count = prod(size) * dtype.itemsize
        stored = content.part(_DATA_START + index * count, count, _DATA_START + frames * count)
        array = np.frombuffer(stored, dtype).reshape(size[::-1])
        return place(path, array.astype(np.float32), _LPS_FROM_RAS @ _affine(start, size), notes)


def _affine(start: bytes, size: list[int]) -> np.ndarray:
    """Voxel index to RAS: the header has the axes, and the place of the voxel at half the size."""
    numbers = np.array(_HEADER.unpack_from(start)[8:])
    spacing, axes, centre = numbers[:3], numbers[3:12].reshape(3, 3).T, numbers[12:]
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = centre - affine[:3, :3] @ (np.array(size) / 2)
    return affine
