"""Resampling: the values of a volume at the voxels of another grid.

Two decisions.  Outside the field of view the value is the *smallest measured value* of the volume:
air in CT, no signal in MR and ultrasound; a fixed 0 would be soft tissue in CT.  Such voxels are
marked in :attr:`Volume.valid`, so that no window, percentile or score counts them.  And *padding
never mixes with measured values*: a voxel that would take any part of its value from padding is
padding itself.  (Dividing by the weight of the measured part would keep half a voxel more at the
rim, but values there would be extrapolated.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .errors import ParameterError, UnknownNameError
from .volume import Geometry, Volume

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["INTERPOLATIONS", "resample"]

INTERPOLATIONS = ("linear", "nearest", "bspline")
"""How values between voxels are found: nearest for labels, bspline (cubic) for the least blur."""

_PADDING_SHARE = 1e-4  # rounding of the grids' corners gives voxels beside padding a share of this order


def resample(
    volume: Volume,
    onto: Geometry | Volume,
    transform: SimpleITK.Transform | None = None,
    *,
    interpolation: str = "linear",
) -> Volume:
    """The values of ``volume`` at the voxels of ``onto``.

    Parameters
    ----------
    volume:
        What is resampled; colour is resampled channel by channel.
    onto:
        The grid, or a volume on it.
    transform:
        Maps world points of ``onto`` to world points of ``volume`` (LPS mm), as
        :attr:`Registration.transform` does.  None: both lie in the same space.
    interpolation:
        One of :data:`INTERPOLATIONS`.

    Returns
    -------
    Volume
        float32 on the grid of ``onto``, with the modality, metadata and notes of ``volume``.  Where
        ``volume`` was not measured, ``valid`` is False and the value is the smallest measured one.
        As in ITK, a volume reaches half a voxel beyond the centres of its outermost voxels, where
        the value of the outermost voxel holds; a single slice so has its thickness.

    Notes
    -----
    Nothing is smoothed first: onto a much coarser grid, fine detail aliases.  Cubic B-splines may
    overshoot the range of the values at sharp edges; their coefficients depend on all voxels, by
    less than 2 % at the third voxel and 0.1 % at the fifth, padding (as the smallest value) included.

    Raises
    ------
    UnknownNameError
        For an ``interpolation`` that does not exist.
    ParameterError
        If ``transform`` is not 3-D.
    """
    if interpolation not in INTERPOLATIONS:
        raise UnknownNameError("interpolation", interpolation, INTERPOLATIONS)
    if transform is not None and transform.GetDimension() != 3:
        raise ParameterError(f"a {transform.GetDimension()}-D transform: volumes need a 3-D one")
    geometry = onto.geometry if isinstance(onto, Volume) else onto
    measured = volume.measured()
    outside = float(measured.min()) if measured.size else 0.0
    valid = _resampled_validity(volume, geometry, transform, interpolation)
    source = _filled(volume, outside)
    channels = source if volume.is_colour else source[..., np.newaxis]
    resampled = [
        np.where(valid, _resampled(channel, volume.geometry, geometry, transform, interpolation), outside)
        for channel in np.moveaxis(channels, -1, 0)
    ]
    array = np.stack(resampled, axis=-1) if volume.is_colour else resampled[0]
    return replace(volume, array=array.astype(np.float32), geometry=geometry, valid=valid)


def _filled(volume: Volume, value: float) -> npt.NDArray[np.float32]:
    """The pixels with ``value`` in the padding: whatever stood there (−2048, NaN) must not spread."""
    if volume.valid is None:
        return volume.array
    filled = volume.array.copy()
    filled[~volume.valid] = value
    return filled


def _resampled_validity(
    volume: Volume, onto: Geometry, transform: SimpleITK.Transform | None, interpolation: str
) -> npt.NDArray[np.bool_]:
    """Which voxels of ``onto`` take their value from measured voxels alone: bool (z, y, x)."""
    if volume.valid is None:
        everywhere = np.ones(volume.geometry.shape, dtype=np.float32)
        return _resampled(everywhere, volume.geometry, onto, transform, "nearest") > 0
    valid = volume.valid
    if interpolation == "bspline":  # takes four voxels along each axis, one more on either side
        from scipy.ndimage import minimum_filter

        valid = minimum_filter(valid, size=3, mode="nearest")
    how = "nearest" if interpolation == "nearest" else "linear"
    share = _resampled(valid.astype(np.float32), volume.geometry, onto, transform, how)
    return share >= 1 - _PADDING_SHARE


def _resampled(
    array: npt.NDArray[np.float32],
    geometry: Geometry,
    onto: Geometry,
    transform: SimpleITK.Transform | None,
    interpolation: str,
) -> npt.NDArray[np.float32]:
    """``array`` (z, y, x) on the grid ``onto``; 0 outside."""
    import SimpleITK

    interpolators = {
        "linear": SimpleITK.sitkLinear,
        "nearest": SimpleITK.sitkNearestNeighbor,
        "bspline": SimpleITK.sitkBSpline,
    }
    resampler = SimpleITK.ResampleImageFilter()
    resampler.SetSize(onto.size)
    resampler.SetOutputSpacing(onto.spacing)
    resampler.SetOutputOrigin(onto.origin)
    resampler.SetOutputDirection([value for row in onto.direction for value in row])
    resampler.SetInterpolator(interpolators[interpolation])
    if transform is not None:
        resampler.SetTransform(transform)
    image = Volume(np.ascontiguousarray(array), geometry).to_sitk()
    return np.asarray(SimpleITK.GetArrayFromImage(resampler.Execute(image)))
