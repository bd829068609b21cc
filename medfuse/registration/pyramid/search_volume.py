"""A volume as the search compares it: isotropic, in [0, 1], with its mask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ...padding import interpolate_measured
from ...progress import Progress, ignore
from ...transforms import apply
from ..poses import Pose
from .separable import averaged, interpolation, smoothing, voxel_centres

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["SearchVolume"]

_FEWEST_SAMPLES = 4  # along an axis: below this there is no gradient to follow


@dataclass(frozen=True, eq=False)
class SearchVolume:
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
        result: npt.NDArray[np.float64] = index @ self._affine.T + np.asarray(self.image.GetOrigin())
        return result

    @cached_property
    def to_index(self) -> npt.NDArray[np.float64]:
        """4×4 matrix from world points to voxel indices x, y, z."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self._affine, self.image.GetOrigin()
        return np.asarray(np.linalg.inv(matrix), dtype=np.float64)

    @cached_property
    def _affine(self) -> npt.NDArray[np.float64]:
        result: npt.NDArray[np.float64] = np.reshape(self.image.GetDirection(), (3, 3)) * np.asarray(
            self.image.GetSpacing()
        )
        return result

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
        result: npt.NDArray[np.float64] = self.world(
            (np.asarray([self.image.GetSize()], dtype=float) - 1) / 2
        )[0]
        return result

    @cached_property
    def volume(self) -> float:
        """mm³ that were measured."""
        return float(self.measured.sum() * np.prod(self.image.GetSpacing()))

    def placed(self, pose: Pose, unit: float) -> SearchVolume:
        """The same voxels with every point moved by a rigid ``pose``, lengths in units of ``unit`` mm."""
        mask = None if self.mask is None else _placed(self.mask, pose, unit)
        return replace(self, image=_placed(self.image, pose, unit), mask=mask)

    def cubes(self, edge: float, odd: bool) -> SearchVolume:
        """The same, measured only in every other cube of ``edge`` mm, as on a chess board."""
        spacing = np.asarray(self.image.GetSpacing())[::-1]
        number = np.maximum(np.rint(edge / spacing), 1).astype(int)
        axes = [np.arange(n) // k for n, k in zip(self.array.shape, number, strict=True)]
        board = (axes[0][:, None, None] + axes[1][:, None] + axes[2]) % 2 == odd
        return replace(self, mask=self.like((self.measured & board).astype(np.uint8)))

    def onto(
        self, other: SearchVolume, transform: SimpleITK.Transform
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """The values (z, y, x) at the voxels of ``other``, and which of them were measured.

        ``transform`` takes points of ``other`` here.
        """
        import SimpleITK

        def moved(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            image = self.like(array)
            result = SimpleITK.Resample(image, other.image, transform, SimpleITK.sitkLinear, 0.0)
            return np.asarray(SimpleITK.GetArrayFromImage(result))

        measured = None if self.mask is None else self.measured
        return interpolate_measured(self.array, measured, moved, moved)

    def smoothed(self, sigma: float) -> npt.NDArray[np.float32]:
        """The values (z, y, x) smoothed by ``sigma`` voxels; padding takes no part in any mean."""
        matrices = [smoothing(size, sigma if size > 1 else 0.0) for size in self.array.shape]
        return averaged(self.array, None if self.mask is None else self.measured, matrices)

    def coarser(self, spacing: float, progress: Progress = ignore) -> SearchVolume:
        """The same on a grid of ``spacing`` mm, smoothed to suit; as it is if no finer than that already.

        The new grid covers the same box.  Gaussian variances add up, so that coarsening in steps equals
        coarsening at once.  A single slice stays as thick as it is.
        """
        size, old = np.asarray(self.image.GetSize()), np.asarray(self.image.GetSpacing())
        wide = size > 1
        spacing = max(spacing, old[wide].min())
        if np.allclose(old[wide], spacing):
            return self
        new = np.maximum(np.minimum(spacing, size * old / _FEWEST_SAMPLES), 1e-6)
        new = np.where(wide, new, old)
        fewer = np.maximum(np.ceil(size * old / new - 1e-6), 1).astype(int)
        sigma = np.where(size >= _FEWEST_SAMPLES, 0.5 * np.sqrt(np.maximum(new**2 - old**2, 0)) / old, 0)
        at = [voxel_centres(*each) for each in zip(size, fewer, new / old, strict=True)]
        matrices = [
            interpolation(n, there) @ smoothing(n, width)
            for n, there, width in zip(size, at, sigma, strict=True)
        ][::-1]
        first = self.image.TransformContinuousIndexToPhysicalPoint([there[0] for there in at])
        measured = None if self.mask is None else self.measured
        array = averaged(self.array, measured, matrices, progress)
        if measured is None:
            return SearchVolume(self._on_grid(array, new, first), None)
        nearest = [np.clip(np.rint(there), 0, n - 1).astype(int) for n, there in zip(size, at, strict=True)]
        measured = measured[np.ix_(*nearest[::-1])]
        image = self._on_grid(np.where(measured, array, np.float32(0)), new, first)
        return SearchVolume(image, self._on_grid(measured.astype(np.uint8), new, first))

    def like(self, array: npt.NDArray[np.generic]) -> SimpleITK.Image:
        """``array`` (z, y, x) as an image on this grid."""
        return self._on_grid(array, self.image.GetSpacing(), self.image.GetOrigin())

    def _on_grid(
        self, array: npt.NDArray[np.generic], spacing: Iterable[float], origin: Iterable[float]
    ) -> SimpleITK.Image:
        import SimpleITK

        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing([float(one) for one in spacing])
        image.SetOrigin([float(one) for one in origin])
        image.SetDirection(self.image.GetDirection())
        return image


def _placed(image: SimpleITK.Image, pose: Pose, unit: float) -> SimpleITK.Image:
    import SimpleITK

    placed = SimpleITK.Image(image)
    placed.SetSpacing([spacing / unit for spacing in image.GetSpacing()])
    placed.SetOrigin((apply(pose, np.asarray(image.GetOrigin())) / unit).tolist())
    placed.SetDirection((pose[:3, :3] @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    return placed
