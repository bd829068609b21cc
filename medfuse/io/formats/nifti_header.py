"""NIfTI headers (https://nifti.nimh.nih.gov/nifti-1): what they declare, checked field by field.

nibabel mends what it finds wrong with a guess and a line in its log, whose level belongs to the whole
process.  Here it only unpacks the fields; which of them are right is decided below, and said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...errors import ReadError
from ..files import check_voxels
from .placing import corner_distance

if TYPE_CHECKING:
    import nibabel

__all__ = ["EXTENDER_BYTES", "HEADER_BYTES", "NiftiHeader", "parse_header"]

HEADER_BYTES = 540
"""Of NIfTI-2, the longer one."""

EXTENDER_BYTES = 4
"""Behind the header of a single file: whether extensions follow."""

_AFFINE_TOLERANCE = 1e-3  # mm; float32 affines agree within it
_FLAT = 1e-3  # volume of a unit cell
_LONG_QUATERNION = 1e-5  # b²+c²+d² may exceed 1 by rounding
_SAME_SIZE = 1e-3  # relative
_MOST_AXES = 7
_END_OF_LINES = (bytes(4), b"\r\n\x1a\n")  # of NIfTI-2; a transfer as text changes them
_SIZES = (1e-6, 1e6)  # of a voxel, in the unit of the file
_FARTHEST = 1e8  # of a voxel from the origin, in the unit of the file
_LARGEST_CODE = 5  # of NIFTI_XFORM_*: unknown, scanner, aligned, Talairach, MNI, template
_UNITS = {
    0: ("", 1.0),
    1: ("meters", 1000.0),
    2: ("", 1.0),
    3: ("microns", 0.001),
}  # by the lowest three bits
_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """What is needed to read the voxels.

    Parameters
    ----------
    shape:
        (x, y, z, …) with all further axes; they count volumes.
    dtype:
        Of a voxel as stored, with its byte order.
    offset:
        Byte at which the voxels begin, as the header says.
    least_offset:
        The first byte at which they may begin; 0 in the data file of a pair.
    slope, intercept:
        value = stored · slope + intercept.
    affine:
        4×4 from voxel index to LPS mm.
    pixdim:
        Voxel sizes along x, y, z as written, in the header's own unit; not necessarily those of the affine.
    notes:
        What of the header was doubtful.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int
    least_offset: int
    slope: float
    intercept: float
    affine: npt.NDArray[np.float64]
    pixdim: tuple[float, float, float]
    notes: tuple[str, ...]

    @property
    def volume_bytes(self) -> int:
        """Bytes of one volume."""
        return prod(self.shape[:3]) * self.dtype.itemsize

    @property
    def data_bytes(self) -> int:
        """Bytes of all volumes."""
        return self.volume_bytes * prod(self.shape[3:])


def parse_header(path: Path, start: bytes, pair: bool) -> NiftiHeader:
    """Take the header from the first bytes of a file.

    Parameters
    ----------
    path:
        The file, for messages.
    start:
        At least its first :data:`HEADER_BYTES` bytes, if it has so many.
    pair:
        Whether it is the ``.hdr`` of a pair.

    Raises
    ------
    ReadError
        Naming the field that is wrong.
    """
    fields = _fields(path, start)
    if not 1 <= int(fields["dim"][0]) <= _MOST_AXES:
        raise ReadError(f"{path}: declares {int(fields['dim'][0])} axes; expected 3 to {_MOST_AXES}: damaged")
    shape = tuple(int(n) for n in fields.get_data_shape())
    check_voxels(path, shape)
    if len(shape) < 3:
        text = "×".join(map(str, shape))
        raise ReadError(f"{path}: a 2-D image of {text} pixels where a volume is asked for")
    dtype = fields.get_data_dtype()
    if dtype.kind not in "uif" and dtype.names != ("R", "G", "B"):
        raise ReadError(
            f"{path}: voxels of type {fields.get_value_label('datatype')}; expected grey values or RGB"
        )
    affine, notes = _affine(path, fields, shape)
    unit, scale = _unit(path, fields)
    unit_notes = (f"lengths converted from {unit} to millimetres",) if unit else ()
    slope, intercept = _scaling(path, fields)
    x, y, z = (float(size) for size in fields["pixdim"][1:4])
    pixdim = (x, y, z)
    header_bytes = int(fields["sizeof_hdr"])
    return NiftiHeader(
        shape,
        dtype,
        _offset(path, fields),
        0 if pair else header_bytes + EXTENDER_BYTES,
        slope,
        intercept,
        _RAS_FROM_LPS @ np.diag([scale, scale, scale, 1.0]) @ affine,
        pixdim,
        (*notes, *_size_notes(pixdim, affine), *unit_notes),
    )


def _fields(path: Path, start: bytes) -> nibabel.Nifti1Header:
    """The unpacked header, byte order and version by its size field."""
    import nibabel

    for kind in (nibabel.Nifti1Header, nibabel.Nifti2Header):
        for order in "<>":
            size = kind.sizeof_hdr
            if start[:4] == np.array(size, f"{order}i4").tobytes() and len(start) >= size:
                fields = kind(start[:size], endianness=order, check=False)
                break
        else:
            continue
        break
    else:
        raise ReadError(
            f"{path}: does not begin as NIfTI does (with the length of its header, 348 or 540): it is "
            "damaged, or of another format"
        )
    if bytes(fields["magic"])[:3] not in (b"n+1", b"ni1", b"n+2", b"ni2"):
        raise ReadError(
            f"{path}: an Analyze file, which does not say left from right; convert the scanner's DICOM files "
            "with dcm2niix, or this file with FSL's fslchfiletype or nibabel if you know how it lies"
        )
    if kind is nibabel.Nifti2Header and bytes(fields["eol_check"].tobytes()) not in _END_OF_LINES:
        raise ReadError(
            f"{path}: its line ends were changed, as by a transfer as text; copy it again as binary"
        )
    return fields


def _offset(path: Path, fields: nibabel.Nifti1Header) -> int:
    offset = float(fields["vox_offset"])
    if not isfinite(offset) or offset < 0 or offset != int(offset):
        raise ReadError(f"{path}: vox_offset is {offset:g}; expected a whole number of bytes: damaged")
    return int(offset)


def _unit(path: Path, fields: nibabel.Nifti1Header) -> tuple[str, float]:
    code = int(fields["xyzt_units"]) & 7
    if code not in _UNITS:
        raise ReadError(f"{path}: its unit of length has the code {code}; expected 1 (m), 2 (mm) or 3 (µm)")
    return _UNITS[code]


def _scaling(path: Path, fields: nibabel.Nifti1Header) -> tuple[float, float]:
    """Slope and intercept; a slope of 0 or none means that values are as stored."""
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0 or not isfinite(slope):
        return 1.0, 0.0
    if not isfinite(intercept):
        raise ReadError(f"{path}: scl_inter is {intercept}; expected a number: the header is damaged")
    return slope, intercept


def _affine(
    path: Path, fields: nibabel.Nifti1Header, shape: tuple[int, ...]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The voxel-to-RAS affine: the sform if it is there and good, else the qform; and what to say of it."""
    found: dict[str, np.ndarray] = {}
    faults: dict[str, str] = {}
    takers: tuple[tuple[str, Callable[[nibabel.Nifti1Header], tuple[np.ndarray | None, str]]], ...] = (
        ("sform", _sform),
        ("qform", _qform),
    )
    for name, take in takers:
        code = int(fields[f"{name}_code"])
        if code == 0:
            continue
        affine, fault = take(fields) if 0 < code <= _LARGEST_CODE else (None, _code_fault(name, code))
        if affine is not None:
            found[name] = affine
        else:
            faults[name] = fault
    if not found and faults:
        raise ReadError(f"{path}: its {'; its '.join(faults.values())}; export the volume again")
    if not found:
        raise ReadError(
            f"{path}: says nowhere how the volume lies in the patient (sform and qform codes are both 0); "
            "export it again from the scanner's DICOM files, for instance with dcm2niix"
        )
    used = next(iter(found))
    if faults:
        return found[used], (f"its {', '.join(faults.values())}; the {used} was used",)
    if len(found) == 2:
        apart = corner_distance(found["sform"], found["qform"], shape[:3])
        if apart > _AFFINE_TOLERANCE:
            return found[used], (f"sform and qform disagree by up to {apart:.3g} mm; the sform was used",)
    return found[used], ()


def _size_notes(pixdim: tuple[float, float, float], affine: np.ndarray) -> tuple[str, ...]:
    """What to say where pixdim and affine disagree: FSL counts by the one, most others by the other."""
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    sizes = np.array(pixdim)
    if not (np.isfinite(sizes).all() and sizes.min() > 0) or np.allclose(sizes, steps, rtol=_SAME_SIZE):
        return ()
    written, used = ("×".join(f"{size:.4g}" for size in sizes) for sizes in (pixdim, steps))
    return (f"pixdim says voxels of {written}, the sform {used}; the sform was used",)


def _code_fault(name: str, code: int) -> str:
    return f"{name} is damaged: {name}_code is {code}; expected 0 to {_LARGEST_CODE}"


def _sform(fields: nibabel.Nifti1Header) -> tuple[np.ndarray | None, str]:
    affine = np.vstack([fields["srow_x"], fields["srow_y"], fields["srow_z"], [0, 0, 0, 1]]).astype(float)
    if not np.all(np.isfinite(affine)):
        return None, "sform holds NaN or infinite numbers"
    if np.abs(affine[:3]).max() > _FARTHEST:
        return None, f"sform is damaged: it holds {np.abs(affine[:3]).max():g}"
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    if steps.min() <= 0:
        return None, "sform is singular"
    if steps.min() < _SIZES[0] or steps.max() > _SIZES[1]:
        return None, f"sform is damaged: voxels of {_listed(steps)} mm"
    if abs(np.linalg.det(affine[:3, :3] / steps)) < _FLAT:
        return None, "sform is damaged: two of its axes run almost alike"
    return affine, ""


def _listed(sizes: np.ndarray) -> str:
    return ", ".join(f"{size:g}" for size in sizes)


def _qform(fields: nibabel.Nifti1Header) -> tuple[np.ndarray | None, str]:
    """By the formula of method 2: rotation by a quaternion, voxel sizes, the sign of the z axis."""
    sizes = fields["pixdim"][1:4].astype(float)
    handedness = float(fields["pixdim"][0])
    b, c, d = (float(fields[f"quatern_{letter}"]) for letter in "bcd")
    shift = [float(fields[f"qoffset_{letter}"]) for letter in "xyz"]
    if not np.all(np.isfinite([b, c, d, *shift])):
        return None, "qform holds NaN or infinite numbers"
    if np.abs(shift).max() > _FARTHEST:
        return None, f"qform is damaged: its offsets are up to {np.abs(shift).max():g}"
    if not np.all((sizes >= _SIZES[0]) & (sizes <= _SIZES[1])):
        return None, f"qform is damaged: voxels of {_listed(sizes)} mm; every size must be positive"
    if not handedness >= 0 and handedness != -1:
        return None, f"qform is damaged: pixdim[0] is {handedness:g}; expected -1 or 1"
    length = b * b + c * c + d * d
    if length > 1 + _LONG_QUATERNION:
        return None, f"qform is damaged: its quaternion is longer than 1 (b²+c²+d² = {length:.4g})"
    a = max(0.0, 1.0 - length) ** 0.5
    a, b, c, d = np.array([a, b, c, d]) / np.linalg.norm([a, b, c, d])
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    affine = np.eye(4)
    affine[:3, :3] = rotation * (*sizes[:2], sizes[2] * (-1 if handedness == -1 else 1))
    affine[:3, 3] = shift
    return affine, ""
