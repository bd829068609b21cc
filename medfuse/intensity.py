"""From a scanner's values to [0, 1]: CT windows, percentiles within the foreground, quantisation.

Defaults by modality, and why:

CT  the window "bone" (level 400, width 1000 HU): what CT adds to MR or ultrasound is bone and
    calcification, which a brain window shows as one white area.
US  percentiles 0.5–99.5 of the voxels brighter than the image's floor: the floor is what lies
    outside the fan, and dark echoes above it are signal.
all other modalities have no scale of their own: percentiles 0.5–99.5 of the foreground, the voxels
    above a tenth of the way from the 2nd to the 98th percentile of all.  Air and its noise lie
    below that; dark tissue (fluid on T1) lies above and stays visible.  The rule is that of Smith,
    "Fast robust automated brain extraction", Human Brain Mapping 17 (2002), doi:10.1002/hbm.10062.

Padding is left out of every statistic, and becomes 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .colour import COLOUR_MAPS, luma_of
from .errors import ParameterError, UnknownNameError
from .volume import MODALITIES, Volume

__all__ = [
    "CT_WINDOWS",
    "Window",
    "choose_window",
    "choose_windows",
    "colour_map_specs",
    "levels_in_use",
    "luma",
    "quantize",
    "rescale",
    "unit_of",
    "window_specs",
]

CT_WINDOWS: dict[str, tuple[float, float]] = {
    "abdomen": (40, 350),
    "air": (-426, 1000),
    "bone": (400, 1000),
    "brain": (50, 100),
    "liver": (60, 160),
    "lung": (-500, 1400),
    "mediastinum": (50, 350),
    "soft-tissue": (50, 400),
    "spine": (50, 250),
    "stroke": (40, 40),
    "subdural": (75, 215),
    "temporal-bone": (600, 2800),
}
"""Name -> (level, width) in HU; where 3D Slicer has a preset of that name, its values."""

_PERCENTILES = (0.5, 99.5)
_FUNCTIONAL, _FUNCTIONAL_MAP = ("PT", "NM"), "inferno"
_NUMBER = r"([-+]?\d+(?:\.\d+)?)"


class Window(NamedTuple):
    """The interval of values that is mapped to [0, 1], and where it came from."""

    lower: float
    upper: float
    source: str

    def describe(self) -> str:
        """One line for the report: ``-100 to 900 (window bone: level 400, width 1000)``."""
        return f"{self.lower:g} to {self.upper:g} ({self.source})"


def choose_window(volume: Volume, spec: str = "auto") -> Window:
    """The window of a volume by a specification.

    Parameters
    ----------
    volume:
        Colour volumes are measured by their luma.
    spec:
        "auto" (see above), a name of :data:`CT_WINDOWS`, ``LEVEL/WIDTH`` in the volume's units
        ("40/80"), or percentiles of the foreground ("1%-99%").

    Raises
    ------
    UnknownNameError
        If it is none of these.
    ParameterError
        If the width is not positive, the percentiles are not in order, a named CT window is asked for
        a volume that is not CT, or no voxel was measured.
    """
    level_width = re.fullmatch(rf"{_NUMBER}/{_NUMBER}", spec)
    percentiles = re.fullmatch(rf"{_NUMBER}%-{_NUMBER}%", spec)
    if level_width:
        return _by_level(float(level_width[1]), float(level_width[2]), "chosen")
    if percentiles:
        return _by_percentiles(volume, float(percentiles[1]), float(percentiles[2]))
    if spec == "auto":
        return _by_name("bone") if volume.modality == "CT" else _by_percentiles(volume, *_PERCENTILES)
    if spec not in CT_WINDOWS:
        raise UnknownNameError("window", spec, ("auto", *CT_WINDOWS, "LEVEL/WIDTH", "LOW%-HIGH%"))
    if volume.modality != "CT":
        raise ParameterError(
            f"window {spec!r} is in HU and the volume's modality is {volume.modality}: "
            "use LEVEL/WIDTH or LOW%-HIGH%, or say that the volume is CT (--modality)"
        )
    return _by_name(spec)


def rescale(volume: Volume, window: Window | str = "auto") -> Volume:
    """Map a volume's values linearly to [0, 1], clipped; padding becomes 0, colour becomes luma.

    Parameters
    ----------
    volume:
        In the units of its file.
    window:
        A :class:`Window`, or a specification for :func:`choose_window`.

    Raises
    ------
    ParameterError, UnknownNameError
        As :func:`choose_window`.
    """
    if isinstance(window, str):
        window = choose_window(volume, window)
    grey = luma(volume)
    array = np.clip((grey.array - window.lower) / (window.upper - window.lower), 0, 1)
    return grey.with_array(array if grey.valid is None else np.where(grey.valid, array, 0))


def luma(volume: Volume) -> Volume:
    """The luma (ITU-R BT.601) of a colour volume; others as they are."""
    if not volume.is_colour:
        return volume
    return volume.with_array(luma_of(volume.array))


def quantize(image: np.ndarray) -> npt.NDArray[np.uint8]:
    """[0, 1] to 256 grey levels, rounded to the nearest; exact for 8-bit values divided by 255."""
    result: npt.NDArray[np.uint8] = np.floor(np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    return result


def choose_windows(volumes: Sequence[Volume], windows: Sequence[str]) -> tuple[Window, ...]:
    """The window of each volume by what the user wrote; of ``medfuse fuse`` and ``medfuse metrics`` alike.

    Parameters and errors are those of :func:`window_specs` and :func:`choose_window`.
    """
    specs = window_specs(windows, [volume.modality for volume in volumes])
    return tuple(choose_window(*pair) for pair in zip(volumes, specs, strict=True))


def levels_in_use(images: Sequence[np.ndarray]) -> tuple[int, int]:
    """The step and the value of white of 16-bit images that use fewer bits, such as 12 of them.

    White is that of the bits in use in any of the images: from the lowest bit that is set anywhere to the
    highest, the latter rounded up to 8, 10, 12, 14 or 16 as scanners and cameras have them, and at least
    8 bits in all.  Images of one study are to be looked at together, so that their scale is one.

    Returns
    -------
    step, white
        65535 in steps of 1 where all bits are in use; 4095 in steps of 1 for 12-bit values, 65520 in steps
        of 16 where these stand in the upper bits, 4080 in steps of 16 for 8-bit values times 16.
    """
    used = int(np.bitwise_or.reduce([np.bitwise_or.reduce(one, axis=None) for one in images]))
    top = next(bits for bits in (8, 10, 12, 14, 16) if used < 1 << bits)
    low = min((used & -used).bit_length() - 1, top - 8) if used else 0
    return 1 << low, (1 << top) - (1 << low)


def window_specs(windows: Sequence[str], modalities: Sequence[str]) -> list[str]:
    """One specification for each volume, from what the user wrote.

    Parameters
    ----------
    windows:
        ``TARGET=SPEC``, where TARGET is a modality ("CT", "MR", …) or the number of a volume (1 is the fixed
        one), or a bare ``SPEC``, which means ``CT=SPEC``.  A number wins over a modality.
    modalities:
        Of the volumes in order.

    Raises
    ------
    ParameterError
        If a target matches no volume.
    """
    return _for_each(windows, modalities, "window", ("CT",), ["auto"] * len(modalities))


def colour_map_specs(maps: Sequence[str], modalities: Sequence[str]) -> list[str]:
    """The colour map of each volume, one of :data:`medfuse.colour.COLOUR_MAPS`, from what the user wrote.

    Parameters
    ----------
    maps:
        ``TARGET=NAME`` as in :func:`window_specs`; a bare ``NAME`` is meant for PET and NM.
    modalities:
        Of the volumes in order.  By default PET and NM, which show a function on somebody's anatomy, are
        coloured, and others are not.

    Raises
    ------
    ParameterError, UnknownNameError
        If a target matches no volume, or a name no map.
    """
    default = [_FUNCTIONAL_MAP if modality in _FUNCTIONAL else "none" for modality in modalities]
    functional = tuple(one for one in _FUNCTIONAL if one in modalities) or _FUNCTIONAL[:1]
    chosen = _for_each(maps, modalities, "colour map", functional, default)
    for name in chosen:
        if name not in COLOUR_MAPS:
            raise UnknownNameError("colour map", name, COLOUR_MAPS)
    return chosen


_UNITS = {"BQML": "Bq/ml", "GML": "SUV (g/ml)", "CNTS": "counts", "PROPCNTS": "counts", "SUV": "SUV"}


def unit_of(volume: Volume) -> str:
    """What a volume's values are in, by modality and header; "value of the file" where nobody says."""
    if volume.modality == "CT":
        return "HU"
    units = str(volume.metadata.get("Units", ""))
    return _UNITS.get(units, units or "value of the file")


def _for_each(
    entries: Sequence[str],
    modalities: Sequence[str],
    what: str,
    bare: tuple[str, ...],
    default: Sequence[str],
) -> list[str]:
    """What the ``entries``, ``TARGET=SPEC`` or for the modalities ``bare`` just SPEC, say of each volume."""
    by_target = {target: spec for entry in entries for target, spec in _parse(entry, what, bare)}
    numbers = [str(i + 1) for i in range(len(modalities))]
    for target in by_target:
        if target not in numbers and target not in modalities:
            volumes = ", ".join(f"{i} {m}" for i, m in zip(numbers, modalities, strict=True))
            raise ParameterError(
                f"{what} for {target}, but the volumes are {volumes}: "
                "name one by its number, or set the modalities (--modality)"
            )
    return [
        by_target.get(number, by_target.get(modality, otherwise))
        for number, modality, otherwise in zip(numbers, modalities, default, strict=True)
    ]


def _parse(entry: str, what: str, bare: tuple[str, ...]) -> list[tuple[str, str]]:
    target, equals, spec = entry.partition("=")
    if not equals:
        return [(modality, entry) for modality in bare]
    if target.upper() not in MODALITIES and not target.isdigit():
        raise ParameterError(
            f"{what} {entry!r}: before '=' stands a modality ({', '.join(MODALITIES)}) or a number"
        )
    return [(target.upper(), spec)]


def _by_name(name: str) -> Window:
    return _by_level(*CT_WINDOWS[name], f"window {name}")


def _by_level(level: float, width: float, source: str) -> Window:
    if width <= 0:
        raise ParameterError(f"window width {width:g}: expected a positive number")
    lower, upper = level - width / 2, level + width / 2
    return Window(lower, upper, f"{source}: level {level:g}, width {width:g}")


def _by_percentiles(volume: Volume, low: float, high: float) -> Window:
    if not 0 <= low < high <= 100:
        raise ParameterError(f"percentiles {low:g}%-{high:g}%: expected 0 ≤ low < high ≤ 100")
    values = luma(volume).measured()
    if values.size == 0:
        raise ParameterError("no voxel of the volume was measured: it is all padding")
    foreground = values[values > _foreground_threshold(values, volume.modality)]
    if foreground.size == 0:  # a constant volume is all foreground
        foreground = values
    lower, upper = (float(v) for v in np.percentile(foreground, (low, high)))
    if upper <= lower:  # a constant foreground, such as a mask: keep it bright on a dark ground
        lower = min(float(values.min()), upper - 1)
    return Window(lower, upper, f"percentiles {low:g}–{high:g} of the foreground")


def _foreground_threshold(values: npt.NDArray[np.float32], modality: str) -> float:
    if modality == "US":
        return float(values.min())
    low, high = np.percentile(values, (2, 98))
    return float(low + 0.1 * (high - low))
