"""Metrics of the fused image alone: how much there is to see, wherever it came from.

None of them compares with the sources.  Noise raises all but the entropy of an image that is already
spread over the levels: read them beside a metric that does compare.
"""

from __future__ import annotations

import numpy as np

from ._histogram import probabilities, quantize, shannon
from .metric import Metric, Undefined, check_images

__all__ = ["AG", "EN", "SD", "SF"]


def en(sources: np.ndarray, fused: np.ndarray) -> float:
    """Shannon entropy of the fused image's grey levels, −Σ p log2 p.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1]; not used.
    fused:
        (y, x) in [0, 1]; quantised to 256 levels here, which is exact for 8-bit images.

    Returns
    -------
    float
        0 to 8 bits; higher means more levels in use.
    """
    _, fused = check_images(sources, fused)
    return shannon(probabilities(quantize(fused)))


def sd(sources: np.ndarray, fused: np.ndarray) -> float:
    """Standard deviation of the fused image, √mean((F − mean F)²).

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1]; not used.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        0 to 127.5 grey levels of 255; higher means more contrast.

    Notes
    -----
    Divided by the number of pixels; MATLAB's ``std2`` divides by one less.
    """
    _, fused = check_images(sources, fused)
    return float(np.std(255 * fused))


def sf(sources: np.ndarray, fused: np.ndarray) -> float:
    """Spatial frequency of the fused image, √(RF² + CF²).

    RF² and CF² are the sums of squared differences of neighbours along rows and columns, divided by
    the number of pixels.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1]; not used.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        0 to 255 √2 grey levels of 255; higher means more detail, or more noise.

    Notes
    -----
    Other codes divide by the number of differences; ``cddfuse_sf`` is one of them.
    """
    _, fused = check_images(sources, fused)
    grey = 255 * fused
    squares = np.sum(np.diff(grey, axis=0) ** 2) + np.sum(np.diff(grey, axis=1) ** 2)
    return float(np.sqrt(squares / grey.size))


def ag(sources: np.ndarray, fused: np.ndarray) -> float:
    """Average gradient of the fused image: mean of √((dx² + dy²) / 2).

    dx and dy are the differences to the next pixel along rows and columns; the mean is over the
    pixels that have both.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1]; not used.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        0 to 255 grey levels of 255 per pixel; higher means more detail, or more noise.  Undefined
        for images one pixel wide.

    Notes
    -----
    Three conventions are in use: this one, the same sum over all pixels, and central differences.
    """
    _, fused = check_images(sources, fused)
    if min(fused.shape) < 2:
        return Undefined("the image is one pixel wide")
    grey = 255 * fused
    dx, dy = np.diff(grey, axis=1)[:-1], np.diff(grey, axis=0)[:, :-1]
    return float(np.mean(np.sqrt((dx**2 + dy**2) / 2)))


EN = Metric(
    key="en",
    name="Entropy",
    function=en,
    higher_is_better=True,
    range=(0.0, 8.0),
    reference="Shannon 1948, 10.1002/j.1538-7305.1948.tb01338.x",
    unit="bit",
    code="HarrisXia/image-fusion-evaluation: entropy_fusion.m",
    notes="Of the fused image alone: noise raises it.",
)

SD = Metric(
    key="sd",
    name="Standard deviation",
    function=sd,
    higher_is_better=True,
    range=(0.0, 127.5),
    reference="Ma, Ma & Li 2019 (survey), 10.1016/j.inffus.2018.02.004",
    unit="grey level",
    code="thfylsty/Objective-evaluation-for-image-fusion: SD.m",
    notes="Of the fused image alone: noise raises it.",
)

SF = Metric(
    key="sf",
    name="Spatial frequency",
    function=sf,
    higher_is_better=True,
    range=(0.0, 255 * 2**0.5),
    reference="Eskicioglu & Fisher 1995, 10.1109/26.477498",
    unit="grey level",
    code="HarrisXia/image-fusion-evaluation: sf.m",
    notes="Of the fused image alone: noise raises it.",
)

AG = Metric(
    key="ag",
    name="Average gradient",
    function=ag,
    higher_is_better=True,
    range=(0.0, 255.0),
    reference="Cui et al. 2015, 10.1016/j.optcom.2014.12.032",
    unit="grey level",
    code="thfylsty/Objective-evaluation-for-image-fusion: Definition.m",
    notes="Of the fused image alone: noise raises it.",
)
