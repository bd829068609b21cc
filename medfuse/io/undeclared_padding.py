"""Padding that no header declares, told by values that no scanner measures.

SPM and AFNI write NaN where they had no data; other software fills with −32768, −3024 or −2000.  What
covers half a face of the volume or more, and what is connected to the border, is padding, with a note;
other NaN stay what they are, and are refused.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..padding import smallest_measured, touching_the_border
from ..volume import Volume

__all__ = ["mark_extremes", "mark_not_finite"]

_LEAST_OF_A_FACE = 0.5  # a few voxels are no padding, but a fault
_EXTREME = -100.0  # labels and differences of images lie above
_GAP = 0.25  # between the extreme and the next value, of the range of the others
_HIGH = 99.9  # percentile
_NO_HU = -1500.0  # below what any calibration or noise gives
_AIR_HU = -1200.0  # of CT with padding, what lies below is interpolated from it

Mask = npt.NDArray[np.bool_]


def mark_not_finite(volume: Volume) -> Volume:
    """Mark NaN and infinite voxels that touch the border as padding, which holds the smallest value."""
    if all(np.isfinite(part).all() for part in volume.array):  # slice by slice, to save memory
        return volume
    not_finite = ~np.isfinite(volume.array)
    bad: Mask = np.asarray(not_finite.any(axis=-1)) if volume.is_colour else not_finite
    if bad.all():
        return volume
    outside = touching_the_border(bad if volume.valid is None else bad | ~volume.valid)
    if not _covers_a_face(outside):
        return volume
    outside &= bad
    array = volume.array.copy()
    array[outside] = smallest_measured(array, ~bad)
    return _marked(replace(volume, array=array), outside, "NaN or infinite values")


def mark_extremes(volume: Volume) -> Volume:
    """Mark an extreme negative value that touches the border as padding.

    One far below all others, or in CT one below −1500 HU, together with what was interpolated from it.
    """
    array, valid = volume.array, volume.valid
    lowest = smallest_measured(array, valid)
    if lowest > _EXTREME or volume.is_colour:
        return volume
    extreme = array == lowest if valid is None else (array == lowest) & valid
    if not _covers_a_face(extreme) or not _is_apart(array, valid, lowest, volume.modality):
        return volume
    if volume.modality == "CT":
        extreme = array < _AIR_HU
    return _marked(volume, touching_the_border(extreme), f"the value {lowest:g}".replace("-", "−"))


def _is_apart(array: npt.NDArray[np.float32], valid: Mask | None, lowest: float, modality: str) -> bool:
    if modality == "CT" and lowest < _NO_HU:
        return True
    others = array[array > lowest] if valid is None else array[(array > lowest) & valid]
    if not others.size:
        return False
    second = float(others.min())
    return second - lowest > _GAP * (float(np.percentile(others, _HIGH)) - second)


def _covers_a_face(mask: Mask) -> bool:
    """Whether ``mask`` (z, y, x) covers at least half of one face of the volume; a slice has edges alone."""
    axes = [axis for axis in range(3) if mask.shape[axis] > 1]
    return any(np.take(mask, end, axis).mean() >= _LEAST_OF_A_FACE for axis in axes for end in (0, -1))


def _marked(volume: Volume, padding: Mask, what: str) -> Volume:
    valid = ~padding if volume.valid is None else volume.valid & ~padding
    note = (
        f"{what} at its border ({padding.mean():.1%} of the voxels), not declared as padding: taken as such"
    )
    return replace(volume, valid=valid).with_notes(note)
