"""From a volume to what the search compares: clamped, smoothed, isotropic images with masks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import RegistrationError
from ..volume import Volume
from .poses import Pose, apply

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["Sampled", "prepare"]

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
_CT_RANGE = (-1000.0, 1500.0)  # HU: air to dense bone; metal would take most bins of the histogram
_PERCENTILES = (0.5, 99.5)
_SAMPLES_FOR_PERCENTILES = 2_000_000
_FEWEST_SAMPLES = 4  # along an axis: below this there is no gradient to follow


@dataclass(frozen=True, eq=False)
class Sampled:
    """A volume on an isotropic grid, in [0, 1].

    Parameters
    ----------
    image:
        SimpleITK float32 image.
    mask:
        SimpleITK uint8 image on the same grid, 1 where the volume was measured; None: everywhere.
    """

    image: SimpleITK.Image
    mask: SimpleITK.Image | None

    @cached_property
    def array(self) -> npt.NDArray[np.float32]:
        """The image (z, y, x)."""
        import SimpleITK

        return np.asarray(SimpleITK.GetArrayViewFromImage(self.image))

    @cached_property
    def measured(self) -> npt.NDArray[np.bool_]:
        """Where the volume was measured, (z, y, x)."""
        import SimpleITK

        if self.mask is None:
            return np.ones(self.array.shape, dtype=bool)
        return np.asarray(SimpleITK.GetArrayViewFromImage(self.mask)) > 0

    def world(self, index: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """World points (n, 3) of voxel indices (n, 3) in the order x, y, z."""
        return index @ self._affine.T + np.asarray(self.image.GetOrigin())

    @cached_property
    def to_index(self) -> npt.NDArray[np.float64]:
        """4×4 matrix from world points to voxel indices x, y, z."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self._affine, self.image.GetOrigin()
        return np.asarray(np.linalg.inv(matrix), dtype=np.float64)

    @cached_property
    def _affine(self) -> npt.NDArray[np.float64]:
        return np.reshape(self.image.GetDirection(), (3, 3)) * np.asarray(self.image.GetSpacing())

    @cached_property
    def foreground_points(self) -> npt.NDArray[np.float64]:
        """World points (n, 3) of the body: what is brighter than Otsu's threshold, holes filled."""
        import SimpleITK
        from scipy.ndimage import binary_fill_holes

        threshold = SimpleITK.OtsuThresholdImageFilter()
        threshold.SetMaskValue(1)
        threshold.Execute(self.image, *([] if self.mask is None else [self.mask]))
        body = binary_fill_holes(self.array > threshold.GetThreshold())
        return self.world(np.argwhere(body & self.measured)[:, ::-1].astype(float))

    @cached_property
    def centre_of_mass(self) -> npt.NDArray[np.float64]:
        """World point of the middle of the body."""
        return np.asarray(self.foreground_points.mean(axis=0))

    @property
    def centre(self) -> npt.NDArray[np.float64]:
        """World point of the centre of the grid."""
        return self.world((np.asarray([self.image.GetSize()], dtype=float) - 1) / 2)[0]

    @cached_property
    def volume(self) -> float:
        """mm³ that were measured."""
        return float(self.measured.sum() * np.prod(self.image.GetSpacing()))

    def placed(self, pose: Pose) -> Sampled:
        """The same voxels with every world point moved by a rigid ``pose``."""
        return Sampled(_placed(self.image, pose), None if self.mask is None else _placed(self.mask, pose))

    def coarser(self, spacing: float) -> Sampled:
        """The same on a grid of ``spacing`` mm, smoothed to suit; as it is if no finer than that already.

        Gaussian variances add up, so that coarsening in steps equals coarsening at once.
        """
        spacing = max(spacing, min(self.image.GetSpacing()))
        if np.allclose(self.image.GetSpacing(), spacing):
            return self
        image = _on_isotropic_grid(self.image, spacing, interpolate=True)
        mask = None if self.mask is None else _on_isotropic_grid(self.mask, spacing, interpolate=False)
        return Sampled(image, mask)


def _placed(image: SimpleITK.Image, pose: Pose) -> SimpleITK.Image:
    import SimpleITK

    placed = SimpleITK.Image(image)
    placed.SetOrigin(apply(pose, np.asarray(image.GetOrigin())).tolist())
    placed.SetDirection((pose[:3, :3] @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    return placed


def prepare(volume: Volume, role: str, spacing: float) -> Sampled:
    """Clamp, scale to [0, 1], smooth and resample ``volume`` to an isotropic grid of ``spacing`` mm.

    CT is clamped to -1000…1500 HU, then every volume to its 0.5–99.5 percentiles; colour becomes
    luma (BT.601); padding is masked and holds the smallest value.

    Raises
    ------
    RegistrationError
        If the volume is constant, has a single slice, no measured voxel, or values that are not finite.
    """
    import SimpleITK

    _check(volume, role)
    array = volume.array @ _LUMA if volume.is_colour else volume.array
    low, high = _range(array if volume.valid is None else array[volume.valid], volume.modality, role)
    scaled = (np.clip(array, low, high) - low) / (high - low)
    if volume.valid is not None:
        scaled = np.where(volume.valid, scaled, 0)
    image = Volume(scaled, volume.geometry).to_sitk()
    mask = None
    if volume.valid is not None:
        mask = SimpleITK.GetImageFromArray(volume.valid.astype(np.uint8))
        mask.CopyInformation(image)
    return Sampled(image, mask).coarser(spacing)


def _check(volume: Volume, role: str) -> None:
    if min(volume.geometry.size) < 2:
        raise RegistrationError(
            f"the {role} volume has a single slice ({volume.geometry.describe()}): registration needs "
            "several; where the images are aligned already, skip it (kind 'none')"
        )
    measured = volume.measured()
    if measured.size == 0:
        raise RegistrationError(f"the {role} volume holds padding only: there is nothing to align")
    if not np.isfinite(measured).all():
        raise RegistrationError(
            f"the {role} volume holds NaN or infinite values: replace them, or mark them as padding"
        )


def _range(measured: npt.NDArray[np.float32], modality: str, role: str) -> tuple[float, float]:
    """The values between which the search looks; refuses a constant volume."""
    few = measured.reshape(-1)[:: 1 + measured.size // _SAMPLES_FOR_PERCENTILES]
    if modality == "CT":
        few = np.clip(few, *_CT_RANGE)
    low, high = np.percentile(few, _PERCENTILES)
    if high <= low:  # a small bright object in a large dark field
        low, high = float(few.min()), float(few.max())
    if high <= low:
        raise RegistrationError(
            f"the {role} volume is constant ({low:g}): there is nothing to align; check that the right "
            "series was chosen, or skip registration (kind 'none')"
        )
    return float(low), float(high)


def _on_isotropic_grid(image: SimpleITK.Image, spacing: float, *, interpolate: bool) -> SimpleITK.Image:
    """``image`` smoothed and resampled on a grid with the same centre."""
    import SimpleITK

    old_size, old = np.asarray(image.GetSize()), np.asarray(image.GetSpacing())
    extent = old_size * old
    new = np.maximum(np.minimum(spacing, extent / _FEWEST_SAMPLES), 1e-6)
    if interpolate:
        image = _smooth(image, 0.5 * np.sqrt(np.maximum(new**2 - old**2, 0)))
    size = np.maximum(np.ceil(extent / new - 1e-6), 1).astype(int)
    # The new grid covers the same box: half a new voxel at its rim stands for half an old one.
    first = (old_size - 1) / 2 - (size - 1) / 2 * new / old
    origin = image.TransformContinuousIndexToPhysicalPoint(first.tolist())
    filter_ = SimpleITK.ResampleImageFilter()
    filter_.SetSize(size.tolist())
    filter_.SetOutputSpacing(new.tolist())
    filter_.SetOutputOrigin(origin)
    filter_.SetOutputDirection(image.GetDirection())
    filter_.SetInterpolator(SimpleITK.sitkLinear if interpolate else SimpleITK.sitkNearestNeighbor)
    filter_.SetUseNearestNeighborExtrapolator(interpolate)
    return filter_.Execute(image)


def _smooth(image: SimpleITK.Image, sigma: npt.NDArray[np.float64]) -> SimpleITK.Image:
    """Gaussian smoothing by ``sigma`` mm along each axis; an axis with sigma 0 stays as it is."""
    import SimpleITK

    for axis, width in enumerate(sigma):
        if width <= 0 or image.GetSize()[axis] < _FEWEST_SAMPLES:
            continue
        smoother = SimpleITK.RecursiveGaussianImageFilter()
        smoother.SetDirection(axis)
        smoother.SetSigma(float(width))
        image = smoother.Execute(image)
    return image
