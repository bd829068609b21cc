"""Luma and chroma, so that the colour of a pseudo-coloured PET or SPECT survives fusion.

A colour image is fused by its luma alone; its chroma, which says what the colour scale says, is kept and put
back onto the fused luma.  All arrays are in [0, 1] with the channels on the last axis.

Source: ITU-R BT.601, full range as in JPEG (JFIF): Y = 0.299 R + 0.587 G + 0.114 B,
Cb = ½ + (B − Y)/1.772, Cr = ½ + (R − Y)/1.402; grey is Cb = Cr = ½.
"""

from __future__ import annotations

import numpy as np

from .errors import UnknownNameError

__all__ = [
    "COLOUR_MAPS",
    "LUMA_WEIGHTS",
    "coloured",
    "combine_chroma",
    "luma_of",
    "merge_colour",
    "split_colour",
]

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in the luma."""

_BLUE, _RED = 1.772, 1.402  # 2 (1 − 0.114) and 2 (1 − 0.299)

COLOUR_MAPS = ("inferno", "magma", "hot", "gist_heat", "none")
"""Maps of matplotlib from black on, so that nothing is tinted where no tracer is; "none": grey."""


def luma_of(rgb: np.ndarray) -> np.ndarray:
    """Luma (...) of colours (..., 3), in the units and the precision of their floating-point numbers."""
    result: np.ndarray = rgb @ np.asarray(LUMA_WEIGHTS, dtype=rgb.dtype)
    return result


def split_colour(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luma (...) and chroma (..., 2), Cb and Cr, of colours (..., 3); all in [0, 1]."""
    luma = luma_of(rgb)
    chroma = np.stack([(rgb[..., 2] - luma) / _BLUE, (rgb[..., 0] - luma) / _RED], axis=-1) + 0.5
    return luma, chroma


def merge_colour(luma: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Colours (..., 3) in [0, 1] with exactly this luma (...) and the hue of this chroma (..., 2).

    Where luma and chroma together lie outside what RGB can show, the colour is made paler just as far as
    it must be.  Clipping the channels instead would change luma and hue.
    """
    blue, red = _BLUE * (chroma[..., 0] - 0.5), _RED * (chroma[..., 1] - 0.5)
    green = -(LUMA_WEIGHTS[0] * red + LUMA_WEIGHTS[2] * blue) / LUMA_WEIGHTS[1]
    offset = np.stack([red, green, blue], axis=-1)
    room = np.where(offset > 0, 1 - luma[..., None], luma[..., None])
    with np.errstate(divide="ignore", invalid="ignore"):
        fits = np.where(offset != 0, room / np.abs(offset), np.inf).min(axis=-1)
    result: np.ndarray = np.clip(luma[..., None] + offset * np.minimum(fits, 1)[..., None], 0, 1)
    return result


def combine_chroma(chromas: np.ndarray) -> np.ndarray:
    """One chroma (..., 2) from several (n, ..., 2), each channel weighted by its distance from grey.

    A grey source has no say, so that with one coloured source its chroma comes out unchanged; where all
    are grey, the result is grey.

    Source: Prabhakar, Srikar, Babu, "DeepFuse", ICCV 2017, doi:10.1109/ICCV.2017.505, equation 2; also
    what the authors of IFCNN do.
    """
    distance = np.abs(chromas - 0.5)
    total = distance.sum(axis=0)
    weighted = (distance * (chromas - 0.5)).sum(axis=0)
    result: np.ndarray = 0.5 + np.divide(weighted, total, out=np.zeros_like(weighted), where=total > 0)
    return result


def coloured(values: np.ndarray, name: str) -> np.ndarray:
    """Colours (..., 3) of ``values`` (...) in [0, 1] by one of :data:`COLOUR_MAPS`.

    The first colour of the map, such as the dark red of "hot", is taken off so that 0 is black.

    Raises
    ------
    UnknownNameError
        If there is no such map.
    """
    if name not in COLOUR_MAPS:
        raise UnknownNameError("colour map", name, COLOUR_MAPS)
    if name == "none":
        return np.repeat(np.asarray(values, dtype=float)[..., None], 3, axis=-1)
    from matplotlib import colormaps

    values = np.asarray(values, dtype=float)
    colours, start = (np.asarray(colormaps[name](one))[..., :3] for one in (values, 0.0))
    return np.asarray(np.clip(colours - start * (1 - values[..., None]), 0, 1))
