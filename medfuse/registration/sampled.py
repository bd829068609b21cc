"""A volume as the search compares it: isotropic, in [0, 1], with its mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..progress import Progress, ignore
from .poses import Pose, apply

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["Sampled"]

_FEWEST_SAMPLES = 4  # along an axis: below this there is no gradient to follow
_LEAST_WEIGHT = 1e-3


@dataclass(frozen=True, eq=False)
class Sampled:
    """A volume on an isotropic grid, in [0, 1].

    Parameters
    ----------
    image:
        SimpleITK float32 image.
    mask:
        SimpleITK uint8 image on the same grid, 1 where the volume was measured; None: everywhere.
    edges:
        Whether the values are gradient magnitudes.
    """

    image: SimpleITK.Image
    mask: SimpleITK.Image | None
    edges: bool = False

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
        """World points (n, 3) of the body: what is brighter than Otsu's threshold, holes filled.

        Of edges, all that was measured.
        """
        import SimpleITK
        from scipy.ndimage import binary_fill_holes

        if self.edges:
            return self.world(np.argwhere(self.measured)[:, ::-1].astype(float))

        threshold = SimpleITK.OtsuThresholdImageFilter()
        threshold.SetMaskValue(1)
        threshold.Execute(self.image, *([] if self.mask is None else [self.mask]))
        body = binary_fill_holes(self.array > threshold.GetThreshold())
        return self.world(np.argwhere(body & self.measured)[:, ::-1].astype(float))

    @cached_property
    def centre_of_mass(self) -> npt.NDArray[np.float64]:
        """World point of the middle of the body."""
        return np.asarray(self.foreground_points.mean(axis=0))

    @cached_property
    def radius(self) -> float:
        """Root mean square distance of the body's points from its middle, mm."""
        away = self.foreground_points - self.centre_of_mass
        return float(np.sqrt(np.square(away).sum(axis=1).mean()))

    @property
    def centre(self) -> npt.NDArray[np.float64]:
        """World point of the centre of the grid."""
        return self.world((np.asarray([self.image.GetSize()], dtype=float) - 1) / 2)[0]

    @cached_property
    def volume(self) -> float:
        """mm³ that were measured."""
        return float(self.measured.sum() * np.prod(self.image.GetSpacing()))

    def placed(self, pose: Pose, unit: float) -> Sampled:
        """The same voxels with every point moved by a rigid ``pose``, lengths in units of ``unit`` mm."""
        mask = None if self.mask is None else _placed(self.mask, pose, unit)
        return replace(self, image=_placed(self.image, pose, unit), mask=mask)

    def onto(
        self, other: Sampled, transform: SimpleITK.Transform
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """The values (z, y, x) at the voxels of ``other``, and which of them were measured.

        ``transform`` takes points of ``other`` here.
        """
        import SimpleITK

        ones = SimpleITK.GetImageFromArray(self.measured.astype(np.uint8))
        ones.CopyInformation(self.image)
        values = SimpleITK.Resample(self.image, other.image, transform, SimpleITK.sitkLinear, 0.0)
        inside = SimpleITK.Resample(ones, other.image, transform, SimpleITK.sitkNearestNeighbor, 0)
        return SimpleITK.GetArrayFromImage(values), SimpleITK.GetArrayFromImage(inside) > 0

    def smoothed(self, sigma: npt.NDArray[np.float64], progress: Progress = ignore) -> SimpleITK.Image:
        """The image smoothed by ``sigma`` mm along each axis; padding takes no part in any mean."""
        import SimpleITK

        smooth = _smooth(self.image, sigma, progress)
        if self.mask is None or not np.any(sigma > 0):
            return smooth
        weight = _smooth(SimpleITK.Cast(self.mask, SimpleITK.sitkFloat32), sigma, progress)
        return SimpleITK.Cast(smooth / SimpleITK.Maximum(weight, _LEAST_WEIGHT), SimpleITK.sitkFloat32)

    def coarser(self, spacing: float, progress: Progress = ignore) -> Sampled:
        """The same on a grid of ``spacing`` mm, smoothed to suit; as it is if no finer than that already.

        Gaussian variances add up, so that coarsening in steps equals coarsening at once.
        """
        import SimpleITK

        size, old = np.asarray(self.image.GetSize()), np.asarray(self.image.GetSpacing())
        wide = size > 1  # a single slice stays as thick as it is
        spacing = max(spacing, old[wide].min())
        if np.allclose(old[wide], spacing):
            return self
        new = np.maximum(np.minimum(spacing, size * old / _FEWEST_SAMPLES), 1e-6)
        new = np.where(wide, new, old)
        smooth = self.smoothed(0.5 * np.sqrt(np.maximum(new**2 - old**2, 0)), progress)
        image = _on_grid(smooth, new, interpolate=True)
        if self.mask is None:
            return Sampled(image, None)
        mask = _on_grid(self.mask, new, interpolate=False)
        return Sampled(SimpleITK.Mask(image, mask), mask)


def _placed(image: SimpleITK.Image, pose: Pose, unit: float) -> SimpleITK.Image:
    import SimpleITK

    placed = SimpleITK.Image(image)
    placed.SetSpacing([spacing / unit for spacing in image.GetSpacing()])
    placed.SetOrigin((apply(pose, np.asarray(image.GetOrigin())) / unit).tolist())
    placed.SetDirection((pose[:3, :3] @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    return placed


def _on_grid(image: SimpleITK.Image, new: npt.NDArray[np.float64], *, interpolate: bool) -> SimpleITK.Image:
    """``image`` resampled to the spacing ``new`` on a grid with the same centre."""
    import SimpleITK

    old_size, old = np.asarray(image.GetSize()), np.asarray(image.GetSpacing())
    size = np.maximum(np.ceil(old_size * old / new - 1e-6), 1).astype(int)
    # The new grid covers the same box: half a new voxel at its rim stands for half an old one.
    first = (old_size - 1) / 2 - (size - 1) / 2 * new / old
    filter_ = SimpleITK.ResampleImageFilter()
    filter_.SetSize(size.tolist())
    filter_.SetOutputSpacing(new.tolist())
    filter_.SetOutputOrigin(image.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    filter_.SetOutputDirection(image.GetDirection())
    filter_.SetInterpolator(SimpleITK.sitkLinear if interpolate else SimpleITK.sitkNearestNeighbor)
    filter_.SetUseNearestNeighborExtrapolator(interpolate)
    return filter_.Execute(image)


def _smooth(image: SimpleITK.Image, sigma: npt.NDArray[np.float64], progress: Progress) -> SimpleITK.Image:
    """Gaussian smoothing by ``sigma`` mm along each axis; an axis with sigma 0 stays as it is."""
    import SimpleITK

    for axis, width in enumerate(sigma):
        if width <= 0 or image.GetSize()[axis] < _FEWEST_SAMPLES:
            continue
        progress(axis / 3, "smoothing")
        smoother = SimpleITK.RecursiveGaussianImageFilter()
        smoother.SetDirection(axis)
        smoother.SetSigma(float(width))
        image = smoother.Execute(image)
    return image
