"""From a volume to what the search compares: clamped, smoothed, isotropic images with masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...colour import luma_of
from ...errors import RegistrationError
from ...progress import Progress, ignore, subrange
from ...volume import Volume
from .search_volume import SearchVolume

__all__ = ["SOFT_TISSUE", "WHOLE", "prepare"]

WHOLE = (-1000.0, 1500.0)  # HU: air to dense bone; metal would take most bins of the histogram
SOFT_TISSUE = (-20.0, 100.0)  # HU: the edge of a skull is fifty times as strong as those of a ventricle
_PERCENTILES = (0.5, 99.5)
_SAMPLES_FOR_PERCENTILES = 2_000_000
_ALMOST_ALL = 0.98


def prepare(
    volume: Volume,
    role: str,
    spacing: float,
    progress: Progress = ignore,
    ct_range: tuple[float, float] = WHOLE,
) -> SearchVolume:
    """Clamp, scale to [0, 1], smooth and resample ``volume`` to an isotropic grid of ``spacing`` mm.

    CT is clamped to ``ct_range`` HU, then every volume to its 0.5–99.5 percentiles; colour becomes
    luma (BT.601); padding is masked and holds the smallest value, and so does the black around the fan
    of an ultrasound volume.  ``progress`` is called between the steps.

    Raises
    ------
    RegistrationError
        If the volume is constant, has no measured voxel, or values that are not finite.
    """
    import SimpleITK

    message = f"preparing the {role} volume"
    progress(0.0, message)
    _check(volume, role)
    array = luma_of(volume.array) if volume.is_colour else volume.array
    valid = _fan(array) if volume.modality == "US" and volume.valid is None else volume.valid
    progress(0.2, message)
    if volume.modality == "CT":
        array = np.clip(array, *ct_range)
    low, high = _range(array if valid is None else array[valid], role)
    progress(0.4, message)
    scaled = (np.clip(array, low, high) - low) / (high - low)
    if valid is not None:
        scaled = np.where(valid, scaled, 0)
    progress(0.6, message)
    image = Volume(scaled, volume.geometry).to_sitk()
    mask = None
    if valid is not None:
        mask = SimpleITK.GetImageFromArray(valid.astype(np.uint8))
        mask.CopyInformation(image)
    part = subrange(progress, 0.7, 1.0)
    return SearchVolume(image, mask).coarser(spacing, lambda fraction, _: part(fraction, message))


def _check(volume: Volume, role: str) -> None:
    if min(volume.geometry.size[:2]) < 2:
        raise RegistrationError(
            f"the {role} volume is a single line of voxels ({volume.geometry.describe()}): there is nothing "
            "to align; where the images are aligned already, skip registration (kind 'none')"
        )
    measured = volume.measured()
    if measured.size == 0:
        raise RegistrationError(f"the {role} volume holds padding only: there is nothing to align")
    if not np.isfinite(measured).all():
        raise RegistrationError(
            f"the {role} volume holds NaN or infinite values: replace them, or mark them as padding"
        )


def _range(measured: npt.NDArray[np.float32], role: str) -> tuple[float, float]:
    """The values between which the search looks; refuses a constant volume."""
    few = measured.reshape(-1)[:: 1 + measured.size // _SAMPLES_FOR_PERCENTILES]
    low, high = np.percentile(few, _PERCENTILES)
    if high <= low:  # a small bright object in a large dark field
        low, high = float(few.min()), float(few.max())
    if high <= low:
        raise RegistrationError(
            f"the {role} volume is constant ({low:g}): there is nothing to align; check that the right "
            "series was chosen, or skip registration (kind 'none')"
        )
    return float(low), float(high)


def _fan(array: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_] | None:
    """The sector (z, y, x) that an ultrasound volume shows, where nothing but black around it says so.

    What is not exactly 0, with its black specks closed; None if that is nearly everything.
    """
    from scipy.ndimage import binary_closing, binary_fill_holes

    lit = array > 0
    if lit.mean() > _ALMOST_ALL or not lit.any():
        return None
    # Padded, so that closing does not erode at the border of the volume.
    closed = binary_closing(np.pad(lit, 2), iterations=2)[2:-2, 2:-2, 2:-2]
    return np.asarray(binary_fill_holes(closed), dtype=bool)
