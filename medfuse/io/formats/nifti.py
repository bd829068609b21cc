"""NIfTI: single files and pairs, compressed or not as their bytes say, whatever their names.

The header is checked against the file before any voxel is touched (:mod:`.nifti_header`); of a file
with several volumes only the one that is wanted is kept in memory.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np

from ...errors import ReadError
from ...volume import StoredGrid, Volume
from ..files import reading, replacing
from .four_d import choice
from .gzipped import Content, open_content
from .nifti_header import EXTENDER_BYTES, HEADER_BYTES, NiftiHeader, parse_header
from .placing import place

__all__ = ["other_half", "read", "write"]

_PAIR = {".hdr": ".img", ".hdr.gz": ".img.gz", ".img": ".hdr", ".img.gz": ".hdr.gz"}


def read(path: Path, volume: int | None = None) -> Volume:
    """Read a ``.nii``, ``.nii.gz`` or a pair ``.hdr`` and ``.img``, grey or RGB; of several one, from 1."""
    with reading(path):
        suffix = _suffix(path)
        header_file = other_half(path) if suffix.startswith(".img") else path
        data_file = other_half(path) if suffix.startswith(".hdr") else path
        with open_content(header_file) as content:
            header = parse_header(header_file, content.start(HEADER_BYTES), suffix in _PAIR)
        index, volume_notes = choice(path, prod(header.shape[3:]), volume)
        with open_content(data_file) as content:
            offset, notes = _offset(content, header)
            size = header.volume_bytes
            stored = content.part(offset + index * size, size, offset + header.data_bytes)
            notes = (*notes, *_name_notes(suffix, content.is_gzipped))
        notes = (*header.notes, *notes, *volume_notes)
        x, y, z = header.shape[:3]
        found = place(path, _array(stored, header), header.affine, notes)
        return replace(found, stored=StoredGrid((x, y, z), header.affine, header.pixdim))


def other_half(path: Path) -> Path:
    """The other file of a pair, ``.img`` of ``.hdr`` or the reverse, in the same folder.

    Raises
    ------
    ReadError
        If it is not there.
    """
    suffix = _suffix(path)
    stem, wanted = path.name[: -len(suffix)], _PAIR[suffix]
    plain, other = wanted.removesuffix(".gz"), wanted.removesuffix(".gz") + ".gz"
    names = (wanted, plain, other, wanted.upper())
    for name in names:
        if (file := path.with_name(stem + name)).is_file():
            return file
    raise ReadError(f"{path}: its other half {stem + plain} is not beside it; copy both files of the pair")


def _suffix(path: Path) -> str:
    name = path.name.lower()
    return next(suffix for suffix in (".nii.gz", ".nii", *_PAIR) if name.endswith(suffix))


def _name_notes(suffix: str, is_gzipped: bool) -> tuple[str, ...]:
    if is_gzipped == suffix.endswith(".gz"):
        return ()
    return (f"named {suffix}, but {'' if is_gzipped else 'not '}gzipped; read as what it is",)


def _offset(content: Content, header: NiftiHeader) -> tuple[int, tuple[str, ...]]:
    """Where the voxels begin; an offset inside the header is mended where the file's length proves it."""
    if header.offset >= header.least_offset:
        return header.offset, ()
    length = content.length_up_to(header.least_offset + header.data_bytes + 1)
    proven = length - header.data_bytes
    if proven not in (header.least_offset, header.least_offset - EXTENDER_BYTES):
        raise ReadError(
            f"{content.path}: vox_offset is {header.offset}, inside the header; expected "
            f"{header.least_offset} or more, and the length of the file does not tell: export it again"
        )
    return proven, (
        f"vox_offset {header.offset} lies inside the header; by the length of the file the voxels "
        f"begin at byte {proven}",
    )


def _array(stored: bytes, header: NiftiHeader) -> np.ndarray:
    """float32 (z, y, x), colour last."""
    raw = np.frombuffer(stored, header.dtype).reshape(header.shape[2::-1])
    if header.dtype.names is not None:
        return np.stack([raw[channel] for channel in "RGB"], axis=-1)
    if (header.slope, header.intercept) == (1.0, 0.0):
        return raw.astype(np.float32)
    array = np.empty(raw.shape, np.float32)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is said as such
        for k, plane in enumerate(raw):  # plane by plane: in double precision, without a double volume
            array[k] = plane * header.slope + header.intercept
    return array


def write(volume: Volume, path: Path, overwrite: bool, integers: bool = False) -> None:
    """Write float32 (int32 with ``integers``; RGB: 8 bit), with sform and qform."""
    import nibabel

    image = volume.to_nibabel()
    if integers:
        image = nibabel.Nifti1Image(np.asarray(image.dataobj).astype(np.int32), None, image.header)
        image.set_data_dtype(np.int32)  # the header's is that of float32
    with replacing(path, overwrite) as temporary:
        nibabel.save(image, temporary)
