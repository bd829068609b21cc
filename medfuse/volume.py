"""Volumes and where they lie in the patient.

Pixels never travel without their geometry.  Inside medfuse there is one convention, that of
DICOM and ITK: millimetres, LPS (x to the patient's left, y to the back, z to the head), sizes and
spacings in the order x, y, z, arrays indexed ``[z, y, x]``.  NIfTI's RAS is converted at the border.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import GeometryError
from .transforms import RAS_FROM_LPS

if TYPE_CHECKING:
    import nibabel
    import SimpleITK

__all__ = ["MODALITIES", "Geometry", "StoredGrid", "Volume"]

MODALITIES = ("CT", "MR", "US", "PT", "NM", "OT")
"""DICOM's modality codes that medfuse tells apart; OT stands for all else."""

_ORTHOGONALITY = 1e-3  # largest |D Dᵀ − I|; what scanners' rounded direction cosines stay within

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Geometry:
    """A grid of voxels in the patient's space (LPS, mm).

    Parameters
    ----------
    size:
        Number of voxels along x, y, z.
    spacing:
        Distance of voxel centres along x, y, z in mm.
    origin:
        World point of the centre of voxel (0, 0, 0) in mm.
    direction:
        3×3, row by row; column ``i`` is the unit vector along which index ``i`` grows.

    Raises
    ------
    GeometryError
        If a size is below 1, a spacing is not positive, a number is not finite, or the columns of
        ``direction`` are not of unit length and orthogonal within 1e-3.

    Two geometries are equal when every number is; use :meth:`matches` for a tolerance.
    """

    size: tuple[int, int, int]
    spacing: Triple = (1.0, 1.0, 1.0)
    origin: Triple = (0.0, 0.0, 0.0)
    direction: tuple[Triple, Triple, Triple] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

    def __post_init__(self) -> None:
        # Plain tuples of plain numbers, so that geometries compare and hash as one expects.
        object.__setattr__(self, "size", tuple(int(n) for n in self.size))
        object.__setattr__(self, "spacing", tuple(float(s) for s in self.spacing))
        object.__setattr__(self, "origin", tuple(float(o) for o in self.origin))
        matrix = np.asarray(self.direction, dtype=float)
        if len(self.size) != 3 or len(self.spacing) != 3 or len(self.origin) != 3 or matrix.size != 9:
            raise GeometryError(
                f"a geometry has three axes; got size {self.size}, spacing {self.spacing}, "
                f"origin {self.origin} and a direction of {matrix.size} numbers"
            )
        matrix = matrix.reshape(3, 3)
        object.__setattr__(self, "direction", tuple(tuple(float(v) for v in row) for row in matrix))
        if min(self.size) < 1:
            raise GeometryError(f"size {self.size}: every axis needs at least one voxel")
        if not np.all(np.isfinite([*self.spacing, *self.origin, *matrix.ravel()])):
            raise GeometryError(
                f"spacing {self.spacing}, origin {self.origin} and direction {self.direction} "
                "must be finite numbers"
            )
        if min(self.spacing) <= 0:
            raise GeometryError(f"spacing {self.spacing} mm: every spacing must be positive")
        if np.abs(matrix.T @ matrix - np.eye(3)).max() > _ORTHOGONALITY:
            raise GeometryError(
                f"the axes {self.direction} are not of unit length and at right angles (sheared "
                "or scaled); resample the volume onto a rectangular grid first"
            )

    @classmethod
    def from_ras_affine(cls, affine: npt.ArrayLike, size: tuple[int, int, int]) -> Geometry:
        """The geometry of a 4×4 voxel-index-to-RAS matrix, as NIfTI and 3D Slicer hold it."""
        lps = RAS_FROM_LPS @ np.asarray(affine, dtype=float)
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        if not np.all(np.isfinite(spacing)) or spacing.min() <= 0:
            raise GeometryError(f"the affine {np.asarray(affine).tolist()} is singular or not finite")
        return cls(size, tuple(spacing), tuple(lps[:3, 3]), lps[:3, :3] / spacing)

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """4×4 matrix from voxel index (x, y, z) to world point in LPS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.asarray(self.direction) * self.spacing
        matrix[:3, 3] = self.origin
        return matrix

    def to_ras_affine(self) -> npt.NDArray[np.float64]:
        """4×4 matrix from voxel index (x, y, z) to world point in RAS mm."""
        return RAS_FROM_LPS @ self.affine

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an array on this grid: (z, y, x)."""
        return self.size[::-1]

    def world(self, index: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """World points (…, 3) in LPS mm of continuous voxel indices (…, 3) in the order x, y, z."""
        return np.asarray(index, dtype=float) @ self.affine[:3, :3].T + self.origin

    def index(self, point: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Continuous voxel indices (…, 3) in the order x, y, z of world points (…, 3) in LPS mm."""
        return (np.asarray(point, dtype=float) - self.origin) @ np.linalg.inv(self.affine[:3, :3]).T

    def corners(self) -> npt.NDArray[np.float64]:
        """World points (8, 3) of the centres of the corner voxels."""
        return self.world(list(product(*((0, n - 1) for n in self.size))))

    @property
    def centre(self) -> npt.NDArray[np.float64]:
        """World point of the centre of the grid."""
        return self.world((np.asarray(self.size) - 1) / 2)

    def matches(self, other: Geometry, tolerance: float = 1e-3) -> bool:
        """Whether every voxel of one grid lies within ``tolerance`` mm of the same voxel of the other.

        The grids are affine, so the corners are the voxels farthest apart.
        """
        if self.size != other.size:
            return False
        return bool(np.linalg.norm(self.corners() - other.corners(), axis=1).max() <= tolerance)

    def describe(self) -> str:
        """One line for people: ``256×256×60 voxels of 0.94×0.94×3 mm``."""
        size = "×".join(str(n) for n in self.size)
        spacing = "×".join(f"{s:.4g}" for s in self.spacing)
        return f"{size} voxels of {spacing} mm"


@dataclass(frozen=True, eq=False)
class StoredGrid:
    """The grid of a NIfTI file as it is stored, which other programs' matrices are counted by.

    The grid of the volume that is read from it differs where axes are sheared or lengths not in mm.

    Parameters
    ----------
    size:
        Number of voxels along x, y, z.
    affine:
        4×4 from voxel index (x, y, z) to world point in LPS mm; not necessarily at right angles.
    pixdim:
        Voxel sizes as the header has them, in its own unit.
    """

    size: tuple[int, int, int]
    affine: npt.NDArray[np.float64]
    pixdim: Triple

    @classmethod
    def of(cls, geometry: Geometry) -> StoredGrid:
        """The grid of a file that holds just this geometry."""
        return cls(geometry.size, geometry.affine, geometry.spacing)


@dataclass(frozen=True, eq=False, repr=False)
class Volume:
    """Pixels and where they are.  Immutable: :meth:`with_array` is the way to new pixels.

    Parameters
    ----------
    array:
        float32 ``(z, y, x)``, or ``(z, y, x, 3)`` for colour, in the units of the file (HU for CT).
        Other number types are converted; the array is made read-only.
    geometry:
        The grid; its :attr:`Geometry.shape` must be the array's.
    modality:
        One of :data:`MODALITIES`.
    valid:
        bool ``(z, y, x)``: voxels that were measured.  False marks padding, or what lies outside
        the field of view after resampling.  None: all were measured.
    metadata:
        What a DICOM writer needs (no pixels).
    notes:
        What had to be assumed or repaired to read this volume, for the report and the provenance.
    stored:
        The grid of the NIfTI file it was read from; None for other files, and after resampling.

    Volumes compare by identity: "equal" could mean pixels, geometry or both.
    """

    array: npt.NDArray[np.float32]
    geometry: Geometry
    modality: str = "OT"
    valid: npt.NDArray[np.bool_] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    stored: StoredGrid | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        """One line for people; values are no part of it."""
        masked = "" if self.valid is None else f", {100 * self.valid.mean():.0f} % measured"
        colour = "colour, " if self.is_colour else ""
        return f"<Volume {self.modality}: {colour}{self.geometry.describe()}{masked}>"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array: ``(z, y, x)``, or ``(z, y, x, 3)`` for colour."""
        return self.array.shape

    def __post_init__(self) -> None:
        array = np.asarray(self.array, dtype=np.float32)
        if array.shape not in (self.geometry.shape, (*self.geometry.shape, 3)):
            raise GeometryError(
                f"an array of shape {array.shape} does not lie on a grid of size {self.geometry.size}: "
                f"expected {self.geometry.shape}, or {(*self.geometry.shape, 3)} for colour"
            )
        if self.modality not in MODALITIES:
            raise GeometryError(f"modality {self.modality!r}: expected one of {', '.join(MODALITIES)}")
        object.__setattr__(self, "array", _read_only(array))
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))
        object.__setattr__(self, "notes", tuple(self.notes))
        if self.valid is not None:
            valid = np.asarray(self.valid, dtype=bool)
            if valid.shape != self.geometry.shape:
                raise GeometryError(f"a mask of shape {valid.shape} on a grid of {self.geometry.shape}")
            object.__setattr__(self, "valid", None if valid.all() else _read_only(valid))

    @property
    def is_colour(self) -> bool:
        """Whether a voxel holds three channels."""
        return self.array.ndim == 4

    def measured(self) -> npt.NDArray[np.float32]:
        """The values of the voxels that were measured, as one flat array (n,) or (n, 3)."""
        if self.valid is None:
            return self.array.reshape(-1, *self.array.shape[3:])
        return self.array[self.valid]

    def with_array(self, array: npt.ArrayLike) -> Volume:
        """The same volume with other pixels on the same grid."""
        return replace(self, array=np.asarray(array))

    def with_notes(self, *notes: str) -> Volume:
        """The same volume with ``notes`` added."""
        return replace(self, notes=(*self.notes, *notes))

    @classmethod
    def from_sitk(cls, image: SimpleITK.Image, modality: str = "OT") -> Volume:
        """Convert a 3-D SimpleITK image with one or three components."""
        import SimpleITK

        if image.GetDimension() != 3:
            raise GeometryError(f"a {image.GetDimension()}-D image where a volume (3-D) is expected")
        geometry = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
        return cls(SimpleITK.GetArrayFromImage(image), geometry, modality)

    def to_sitk(self) -> SimpleITK.Image:
        """Convert to a SimpleITK image of float32."""
        import SimpleITK

        image = SimpleITK.GetImageFromArray(self.array, isVector=self.is_colour)
        image.SetSpacing(self.geometry.spacing)
        image.SetOrigin(self.geometry.origin)
        image.SetDirection([value for row in self.geometry.direction for value in row])
        return image

    @classmethod
    def from_nibabel(cls, image: nibabel.Nifti1Image, modality: str = "OT") -> Volume:
        """Convert a 3-D nibabel image by its ``affine``; which of its affines that is, the reader decides."""
        if len(image.shape) != 3:
            raise GeometryError(f"an image of shape {image.shape} where a volume (3-D) is expected")
        geometry = Geometry.from_ras_affine(image.affine, image.shape)
        array = np.asanyarray(image.dataobj).T
        if array.dtype.names is not None:  # RGB: one record for each voxel
            array = np.stack([array[channel] for channel in "RGB"], axis=-1)
        return cls(array, geometry, modality)

    def to_nibabel(self) -> nibabel.Nifti1Image:
        """Convert to a NIfTI-1 image, sform and qform both set to scanner space (code 1).

        Grey values are float32, colour is RGB of 8 bits, the only kind that NIfTI readers share.
        """
        import nibabel

        data = _rgb_records(self.array) if self.is_colour else self.array
        image = nibabel.Nifti1Image(np.ascontiguousarray(data.T), self.geometry.to_ras_affine())
        image.set_sform(self.geometry.to_ras_affine(), code=1)
        image.set_qform(self.geometry.to_ras_affine(), code=1)
        image.header.set_xyzt_units("mm")
        return image


def _rgb_records(array: np.ndarray) -> np.ndarray:
    """(z, y, x, 3) of whole numbers from 0 to 255 as (z, y, x) records of R, G, B."""
    if not np.array_equal(array, np.rint(array)) or array.min() < 0 or array.max() > 255:
        raise GeometryError(
            f"colour values from {array.min():g} to {array.max():g}: NIfTI holds whole numbers "
            "from 0 to 255; write NRRD instead"
        )
    return array.astype(np.uint8).view([(channel, "u1") for channel in "RGB"])[..., 0]


def _read_only(array: np.ndarray) -> np.ndarray:
    """A view of ``array`` that cannot be written through."""
    view = array.view()
    view.flags.writeable = False
    return view
