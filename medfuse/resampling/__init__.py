"""Resampling: the values of a volume at the voxels of another grid.

Three decisions.  Outside the field of view the value is the *smallest measured value* of the volume:
air in CT, no signal in MR and ultrasound; a fixed 0 would be soft tissue in CT.  Such voxels are
marked in :attr:`Volume.valid`, so that no window, percentile or score counts them.  *Padding never
mixes with measured values* (:mod:`medfuse.padding`).  And *what the new grid cannot show is smoothed
away first* (:mod:`.smoothing`), or fine detail would return as a pattern that is not there.

``grids`` chooses the grid that a study's volumes are brought to; ``labels`` resamples label maps;
``inverses`` inverts transforms that have no inverse in closed form.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError, UnknownNameError
from ..padding import interpolate_measured
from ..volume import Geometry, Volume
from .grids import check_memory, output_grid, parse_grid
from .interpolation import cropped, interpolate
from .labels import box_around, check_labels, majority
from .smoothing import reach, smooth, variances

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["INTERPOLATIONS", "check_memory", "output_grid", "parse_grid", "resample", "whole_colours"]

INTERPOLATIONS = ("linear", "nearest", "bspline", "label")
"""How values between voxels are found: linear; nearest; bspline (cubic) for the least blur; label for label
maps, where the label with the largest share of a voxel wins."""


def resample(
    volume: Volume,
    onto: Geometry | Volume,
    transform: SimpleITK.Transform | None = None,
    *,
    interpolation: str = "linear",
    antialias: bool = True,
) -> Volume:
    """The values of ``volume`` at the voxels of ``onto``.

    Parameters
    ----------
    volume:
        What is resampled; colour is resampled channel by channel.
    onto:
        The grid, or a volume on it.
    transform:
        Maps world points of ``onto`` to world points of ``volume`` (LPS mm), linear or not, as
        :attr:`Registration.transform` does.  None: both lie in the same space.
    interpolation:
        One of :data:`INTERPOLATIONS`.  "label" takes whole numbers up to 2²⁴ and makes no new ones; of
        labels with equal shares the smallest wins; its time grows with the number of labels.
    antialias:
        Where ``onto`` is coarser than ``volume``, smooth first (a Gaussian of σ = ½√(new² − old²) along
        each axis of ``volume``; padding takes no part and gets none).  "nearest" is never smoothed.

    Returns
    -------
    Volume
        float32 on the grid of ``onto``, whatever the interpolation, with the modality, metadata and notes
        of ``volume``.  Where ``volume`` was not measured, ``valid`` is False and the value is the
        smallest measured one.  As in ITK, a volume reaches half a voxel beyond the centres of its
        outermost voxels, where the value of the outermost voxel holds; a single slice so has its thickness.

    Notes
    -----
    Cubic B-splines may overshoot the range of the values at sharp edges; their coefficients depend on all
    voxels, by less than 2 % at the third voxel and 0.1 % at the fifth, padding (as the smallest value)
    included.

    Raises
    ------
    UnknownNameError
        For an ``interpolation`` that does not exist.
    ParameterError
        If ``transform`` is not 3-D, or "label" is asked for what is no label map.
    """
    if interpolation not in INTERPOLATIONS:
        raise UnknownNameError("interpolation", interpolation, INTERPOLATIONS)
    if transform is not None and transform.GetDimension() != 3:
        raise ParameterError(f"a {transform.GetDimension()}-D transform: volumes need a 3-D one")
    if interpolation == "label":
        check_labels(volume)
    geometry = onto.geometry if isinstance(onto, Volume) else onto
    spread = variances(volume.geometry, geometry, transform) if antialias else (0.0, 0.0, 0.0)

    def moved(array: npt.NDArray[np.float32], how: str) -> npt.NDArray[np.float32]:
        return interpolate(array, volume.geometry, geometry, transform, how)

    def share_of(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        box = box_around(mask, [2 * n + 1 for n in reach(spread)])  # all that its smoothed values depend on
        valid = None if volume.valid is None else volume.valid[box]
        part = smooth(mask[box].astype(np.float32), valid, spread)
        return interpolate(part, cropped(volume.geometry, box), geometry, transform, "linear")

    def values_at(channel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if interpolation == "label":
            return majority(channel, volume.valid, share_of)
        if interpolation == "nearest":
            return moved(channel, "nearest")
        return moved(smooth(channel, volume.valid, spread), interpolation)

    def measured_share_at(measured: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if interpolation == "bspline":  # takes four voxels along each axis, one more on either side
            from scipy.ndimage import minimum_filter

            measured = minimum_filter(measured, size=3, mode="nearest")
        return moved(measured, "nearest" if interpolation == "nearest" else "linear")

    array, valid = interpolate_measured(volume.array, volume.valid, values_at, measured_share_at)
    return replace(volume, array=array, geometry=geometry, valid=valid, stored=None)


def whole_colours(volume: Volume) -> Volume:
    """Colour that interpolation has left between or beyond whole numbers from 0 to 255, as files hold it."""
    return volume.with_array(volume.array.round().clip(0, 255)) if volume.is_colour else volume
