"""NIfTI by nibabel.

nibabel takes the first affine it finds without a word, and trusts the header's size.  Here the
header is checked against the file before any voxel is touched, and the choice of affine is said.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import GeometryError, ReadError
from ...volume import Geometry, Volume
from ..deskew import deskew, orthogonal_grid
from ..files import DEFLATE_RATIO, check_voxels, reading, replacing
from .four_d import choice

if TYPE_CHECKING:
    import nibabel

__all__ = ["read", "write"]

_AFFINE_TOLERANCE = 1e-3  # mm; float32 affines agree within it
_HEADER_BYTES = 544  # NIfTI-2's header, the longer one, and four bytes that announce extensions
_FLAT = 1e-3  # volume of a unit cell: axes within 0.06° of one plane are no grid
_LARGEST_CODE = 5  # of NIFTI_XFORM_*: unknown, scanner, aligned, Talairach, MNI, template
_MM_PER_UNIT = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}


def read(path: Path, volume: int | None = None) -> Volume:
    """Read a ``.nii`` or ``.nii.gz``, grey or RGB; of a 4-D file the volume ``volume``, from 1."""
    with reading(path), _quiet():
        image = _load(path)
        affine, notes = _affine(path, image)
        affine, unit_notes = _in_millimetres(affine, image)
        size = image.shape[:3]
        index, volume_notes = choice(path, prod(image.shape[3:]), volume)
        array = _array(image).reshape(-1, *size[::-1], *((3,) if _is_rgb(image) else ()))[index]
        return _placed(path, array, affine, (*notes, *unit_notes, *volume_notes))


def _placed(path: Path, array: np.ndarray, affine: np.ndarray, notes: tuple[str, ...]) -> Volume:
    """A volume by its voxel-to-RAS affine; a sheared one is interpolated onto right angles, with a note."""
    size = array.shape[2::-1]
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    if steps.min() > 0 and abs(np.linalg.det(affine[:3, :3] / steps)) < _FLAT:
        raise ReadError(f"{path}: two of its axes run almost alike: the affine is damaged; export it again")
    try:
        return Volume(array, Geometry.from_ras_affine(affine, size), notes=notes)
    except GeometryError:
        if not np.all(np.isfinite(affine)) or steps.min() <= 0:
            raise
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    check_voxels(path, orthogonal_grid(lps, size).size)
    straight, valid, geometry = deskew(array, None, lps)
    lean = np.degrees(np.arcsin(min(1.0, np.abs(_off_diagonal(affine[:3, :3] / steps)).max())))
    note = f"its axes are sheared by {lean:.1f}°; interpolated onto a grid with right angles"
    return Volume(straight, geometry, valid=valid, notes=(*notes, note))


def _off_diagonal(unit: np.ndarray) -> np.ndarray:
    return unit.T @ unit - np.eye(3)


def write(volume: Volume, path: Path, overwrite: bool, integers: bool = False) -> None:
    """Write float32 (int32 with ``integers``; RGB: 8 bit), with sform and qform."""
    import nibabel

    image = volume.to_nibabel()
    if integers:
        image = nibabel.Nifti1Image(np.asarray(image.dataobj).astype(np.int32), None, image.header)
        image.set_data_dtype(np.int32)  # the header's is that of float32
    with replacing(path, overwrite) as temporary:
        nibabel.save(image, temporary)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without nibabel's own lines on stderr about headers: what matters of them is refused or noted here."""
    from nibabel.imageglobals import logger

    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _load(path: Path) -> nibabel.Nifti1Image:
    """The image, its data checked to be there, its shape checked to be a volume's."""
    import nibabel

    zipped = path.suffix.lower() == ".gz"
    with gzip.open(path) if zipped else path.open("rb") as stream:
        start = stream.read(_HEADER_BYTES)
        kind = nibabel.Nifti2Image if start[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c") else nibabel.Nifti1Image
        _check_codes(path, kind.header_class(start[: kind.header_class.sizeof_hdr], check=False))
        header = kind.header_class(start[: kind.header_class.sizeof_hdr])
        _check_header(path, header)
        bytes_needed = int(header.get_data_offset()) + header.get_data_dtype().itemsize * prod(
            int(n) for n in header.get_data_shape()
        )
        if bytes_needed > path.stat().st_size * (DEFLATE_RATIO if zipped else 1):
            raise ReadError(_short_file(path, bytes_needed))
        if not zipped:
            return kind.from_filename(path, mmap=False)
        content = start + stream.read(max(0, bytes_needed - len(start)))
        if len(content) < bytes_needed:
            raise ReadError(_short_file(path, bytes_needed))
        stream.read(1 << 20)  # on to the end, so that gzip compares its checksum
    return kind.from_stream(BytesIO(content))


def _short_file(path: Path, bytes_needed: int) -> str:
    return (
        f"{path}: the header declares {bytes_needed} bytes, the file holds fewer: it is cut off or damaged; "
        "copy or export it again"
    )


def _check_codes(path: Path, header: nibabel.Nifti1Header) -> None:
    """Refuse what nibabel would mend with a guess: unknown codes, and voxel sizes that the qform needs."""
    for name in ("sform_code", "qform_code"):
        if not 0 <= int(header[name]) <= _LARGEST_CODE:
            raise ReadError(f"{path}: {name} is {int(header[name])}; expected 0 to {_LARGEST_CODE}: damaged")
    sizes = header["pixdim"][1:4]
    if (
        header["sform_code"] == 0
        and header["qform_code"] > 0
        and not np.all((sizes > 0) & np.isfinite(sizes))
    ):
        text = ", ".join(f"{size:g}" for size in sizes)
        raise ReadError(f"{path}: voxels of {text} mm; every size must be positive: export the volume again")


def _check_header(path: Path, header: nibabel.Nifti1Header) -> None:
    shape = tuple(int(n) for n in header.get_data_shape())
    check_voxels(path, shape)
    if len(shape) < 3:
        raise ReadError(
            f"{path}: a 2-D image of {'×'.join(map(str, shape))} pixels where a volume is asked for"
        )
    if header.get_data_dtype().kind not in "uif" and header.get_data_dtype().names != ("R", "G", "B"):
        raise ReadError(
            f"{path}: voxels of type {header.get_value_label('datatype')}; expected grey values or RGB"
        )


def _affine(path: Path, image: nibabel.Nifti1Image) -> tuple[np.ndarray, tuple[str, ...]]:
    """The sform if there is one, else the qform, and a note where they disagree."""
    sform, qform = image.get_sform(coded=True)[0], image.get_qform(coded=True)[0]
    for name, affine in (("sform", sform), ("qform", qform)):
        if affine is not None and not np.all(np.isfinite(affine)):
            raise ReadError(f"{path}: its {name} holds NaN or infinite numbers; export the volume again")
    if sform is None and qform is None:
        raise ReadError(
            f"{path}: says nowhere how the volume lies in the patient (sform and qform codes are both 0); "
            "export it again from the scanner's DICOM files, for instance with dcm2niix"
        )
    if sform is None or qform is None:
        return (qform if sform is None else sform), ()
    apart = _corner_distance(sform, qform, image.shape[:3])
    if apart <= _AFFINE_TOLERANCE:
        return sform, ()
    return sform, (f"sform and qform disagree by up to {apart:.3g} mm; the sform was used",)


def _corner_distance(a: np.ndarray, b: np.ndarray, shape: tuple[int, ...]) -> float:
    corners = np.stack(np.meshgrid(*((0, n - 1) for n in shape), [1]), -1).reshape(-1, 4)
    return float(np.linalg.norm(corners @ (a - b).T, axis=1).max())


def _in_millimetres(affine: np.ndarray, image: nibabel.Nifti1Image) -> tuple[np.ndarray, tuple[str, ...]]:
    unit = image.header.get_xyzt_units()[0]
    scale = _MM_PER_UNIT[unit]
    if scale == 1:
        return affine, ()
    return np.diag([scale, scale, scale, 1.0]) @ affine, (f"lengths converted from {unit}s to millimetres",)


def _is_rgb(image: nibabel.Nifti1Image) -> bool:
    return image.get_data_dtype().names is not None


def _array(image: nibabel.Nifti1Image) -> np.ndarray:
    """float32 with the axes reversed to (…, z, y, x), colour last."""
    if _is_rgb(image):
        raw = np.asarray(image.dataobj).T
        return np.stack([raw[channel] for channel in "RGB"], axis=-1)
    return np.asarray(image.dataobj, dtype=np.float32).T
