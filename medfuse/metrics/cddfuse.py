"""The eight metrics of CDDFuse's evaluator, on images as its test script writes them.

That script stretches each fused image to its own minimum and maximum before it writes 8-bit files, and
its evaluator defines some metrics in its own way (nats, sums over the sources, differences counted by
their number).  Since papers that compare with CDDFuse take over script and evaluator, the numbers are
comparable among them and with nothing else: hence keys of their own.
"""

from __future__ import annotations

import numpy as np

from ._histogram import Levels, joint_probabilities, probabilities, quantize, shannon
from ._windows import box_sums, similarity
from .difference import correlation_of_differences
from .fidelity import pixel_fidelity
from .gradient import edge_transfer
from .metric import Metric, Undefined, check_images, two_sources

__all__ = ["EN", "MI", "QABF", "SCD", "SD", "SF", "SSIM", "VIF"]

_FLAT = "the fused image is flat and cannot be stretched"
_SIDE = 7


def _as_written(sources: np.ndarray, fused: np.ndarray) -> tuple[np.ndarray, Levels | None]:
    """The checked sources, and the 8-bit levels of the fused image stretched to its own range.

    Halves are rounded down, as imageio does; None for a flat fused image.
    """
    sources, fused = check_images(sources, fused)
    low, high = fused.min(), fused.max()
    if high == low:
        return sources, None
    return sources, np.floor((fused - low) / (high - low) * 255 + 0.499999999).astype(np.intp)


def cddfuse_en(sources: np.ndarray, fused: np.ndarray) -> float:
    """Shannon entropy of the fused image, stretched to its own range; as ``en``.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1]; not used.
    fused:
        (y, x) in [0, 1]; stretched and quantised to 256 levels here.

    Returns
    -------
    float
        0 to 8 bits; higher means more levels in use.  Undefined where the fused image is flat.
    """
    _, levels = _as_written(sources, fused)
    return Undefined(_FLAT) if levels is None else shannon(probabilities(levels))


def cddfuse_sd(sources: np.ndarray, fused: np.ndarray) -> float:
    """Standard deviation of the fused image, stretched to its own range; as ``sd``.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1]; not used.
    fused:
        (y, x) in [0, 1]; stretched and quantised to 256 levels here.

    Returns
    -------
    float
        0 to 127.5 grey levels of 255; higher means more contrast.  Undefined where the fused image is
        flat.
    """
    _, levels = _as_written(sources, fused)
    return Undefined(_FLAT) if levels is None else float(np.std(levels))


def cddfuse_sf(sources: np.ndarray, fused: np.ndarray) -> float:
    """Spatial frequency of the fused image, stretched to its own range.

    As ``sf``, the squared differences divided by their number and not by that of the pixels.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1]; not used.
    fused:
        (y, x) in [0, 1]; stretched and quantised to 256 levels here; y and x of 2 or more.

    Returns
    -------
    float
        0 to 255 √2 grey levels of 255; higher means more detail, or more noise.  Undefined where the
        fused image is flat or one pixel wide.
    """
    _, levels = _as_written(sources, fused)
    if levels is None:
        return Undefined(_FLAT)
    if min(levels.shape) < 2:
        return Undefined("the image is one pixel wide")
    return float(np.sqrt(np.mean(np.diff(levels, axis=0) ** 2) + np.mean(np.diff(levels, axis=1) ** 2)))


def cddfuse_mi(sources: np.ndarray, fused: np.ndarray) -> float:
    """Mutual information in nats, the sum over the sources; the fused image stretched to its own range.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; quantised to 256 levels here.
    fused:
        (y, x) in [0, 1]; stretched and quantised to 256 levels here.

    Returns
    -------
    float
        0 to 11.1 nats for two sources; higher is better.  Undefined where the fused image is flat.
    """
    sources, levels = _as_written(sources, fused)
    if levels is None:
        return Undefined(_FLAT)
    return float(np.log(2) * sum(_shared_bits(quantize(source), levels) for source in sources))


def _shared_bits(source: Levels, fused: Levels) -> float:
    joint = joint_probabilities(source, fused)
    return max(shannon(joint.sum(axis=1)) + shannon(joint.sum(axis=0)) - shannon(joint), 0.0)


def cddfuse_scd(sources: np.ndarray, fused: np.ndarray) -> float:
    """Sum of the correlations of differences; as ``scd``, the fused image stretched to its own range.

    Parameters
    ----------
    sources:
        (2, y, x) in [0, 1]; quantised to 256 levels here.
    fused:
        (y, x) in [0, 1]; stretched and quantised to 256 levels here.

    Returns
    -------
    float
        −2 to 2; higher is better.  Undefined where an image is flat, or the fused image differs from
        a source by a constant.

    Raises
    ------
    ParameterError
        For other than two sources.
    """
    sources, levels = _as_written(sources, fused)
    two_sources("cddfuse_scd", sources)
    return Undefined(_FLAT) if levels is None else correlation_of_differences(quantize(sources), levels)


def cddfuse_vif(sources: np.ndarray, fused: np.ndarray) -> float:
    """Visual information fidelity; as ``vif``, the fused image stretched to its own range.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; quantised to 256 levels here; y and x of 41 or more.
    fused:
        (y, x) in [0, 1]; stretched and quantised to 256 levels here.

    Returns
    -------
    float
        0 to about 2 for two sources; higher is better.  Undefined for images under 41 pixels and where
        an image is flat.

    Notes
    -----
    The evaluator calls it VIFF, its table VIF.  For a flat source it counts 1, where this is undefined.
    """
    sources, levels = _as_written(sources, fused)
    if levels is None:
        return Undefined(_FLAT)
    return pixel_fidelity(quantize(sources).astype(float), levels.astype(float))


def cddfuse_qabf(sources: np.ndarray, fused: np.ndarray) -> float:
    """Edge preservation; as ``qabf``, on grey values of 0 to 255, the fused image stretched.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; quantised to 256 levels here.
    fused:
        (y, x) in [0, 1]; stretched and quantised to 256 levels here.

    Returns
    -------
    float
        0 to 1; higher is better.  Undefined where the fused image is flat, or no source has an edge.

    Notes
    -----
    Where strengths are equal the code takes the strength itself for their ratio: on this scale more
    than 1, and hence kept, where ``qabf`` loses it.
    """
    sources, levels = _as_written(sources, fused)
    return Undefined(_FLAT) if levels is None else edge_transfer(quantize(sources), levels)


def cddfuse_ssim(sources: np.ndarray, fused: np.ndarray) -> float:
    """SSIM, the sum over the sources; the fused image stretched to its own range.

    Windows of 7×7 with equal weights inside the image, sample covariances.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; quantised to 256 levels here; y and x of 7 or more.
    fused:
        (y, x) in [0, 1]; stretched and quantised to 256 levels here.

    Returns
    -------
    float
        −2 to 2 for two sources; higher is better.  Undefined for images under 7 pixels and where the
        fused image is flat.

    Notes
    -----
    A fault of the evaluator, kept: it does not say that its floats reach 255, and scikit-image, as it
    was then, took floats to span 2, so that the constants are (0.01 · 2)² and (0.03 · 2)², next to
    nothing.  It also computed in single precision, whose rounding this does not repeat.
    """
    sources, levels = _as_written(sources, fused)
    if levels is None:
        return Undefined(_FLAT)
    if min(levels.shape) < _SIDE:
        return Undefined("an image side is under 7 pixels")
    grey, pixels = quantize(sources), _SIDE**2
    images = np.concatenate([grey, levels[None]])
    sums = box_sums(images, _SIDE)
    # Integers until here: a flat window's variance is exactly 0.
    unbiased = pixels * (pixels - 1)
    variance = (pixels * box_sums(images**2, _SIDE) - sums**2) / unbiased
    covariance = (pixels * box_sums(grey * levels, _SIDE) - sums[:-1] * sums[-1]) / unbiased
    mean = sums / pixels
    constants = ((0.01 * 2) ** 2, (0.03 * 2) ** 2)
    maps = similarity((mean[:-1], mean[-1]), (variance[:-1], variance[-1]), covariance, constants)
    return float(maps.mean(axis=(1, 2)).sum())


_PAPER = "Zhao et al. 2023, CDDFuse, 10.1109/CVPR52729.2023.00572"
_CODE = "Zhaozixiang1228/MMIF-CDDFuse: Evaluator.py"
_STRETCHED = "The fused image is stretched to its own range first."

EN = Metric(
    key="cddfuse_en",
    name="Entropy (CDDFuse)",
    function=cddfuse_en,
    higher_is_better=True,
    range=(0.0, 8.0),
    reference=_PAPER,
    unit="bit",
    code=_CODE,
    notes=f"{_STRETCHED}  Noise raises it.",
)

SD = Metric(
    key="cddfuse_sd",
    name="Standard deviation (CDDFuse)",
    function=cddfuse_sd,
    higher_is_better=True,
    range=(0.0, 127.5),
    reference=_PAPER,
    unit="grey level",
    code=_CODE,
    notes=f"{_STRETCHED}  Noise raises it.",
)

SF = Metric(
    key="cddfuse_sf",
    name="Spatial frequency (CDDFuse)",
    function=cddfuse_sf,
    higher_is_better=True,
    range=(0.0, 255 * 2**0.5),
    reference=_PAPER,
    unit="grey level",
    code=_CODE,
    notes=f"{_STRETCHED}  Noise raises it.",
)

MI = Metric(
    key="cddfuse_mi",
    name="Mutual information in nats, sum over sources (CDDFuse)",
    function=cddfuse_mi,
    higher_is_better=True,
    range=(0.0, 16 * 0.6931471805599453),
    reference=_PAPER,
    unit="nat",
    code=_CODE,
    notes=f"{_STRETCHED}  Range for two sources.",
)

SCD = Metric(
    key="cddfuse_scd",
    name="Sum of the correlations of differences (CDDFuse)",
    function=cddfuse_scd,
    higher_is_better=True,
    range=(-2.0, 2.0),
    reference=_PAPER,
    code=_CODE,
    notes=f"{_STRETCHED}  Two sources.",
    two_sources=True,
)

VIF = Metric(
    key="cddfuse_vif",
    name="Visual information fidelity, sum over sources (CDDFuse)",
    function=cddfuse_vif,
    higher_is_better=True,
    range=(0.0, float("inf")),
    reference=_PAPER,
    code=_CODE,
    notes=_STRETCHED,
)

QABF = Metric(
    key="cddfuse_qabf",
    name="Edge preservation Q^AB/F (CDDFuse)",
    function=cddfuse_qabf,
    higher_is_better=True,
    range=(0.0, 1.0),
    reference=_PAPER,
    code=_CODE,
    notes=f"{_STRETCHED}  Grey values of 0 to 255.",
)

SSIM = Metric(
    key="cddfuse_ssim",
    name="Structural similarity, sum over sources (CDDFuse)",
    function=cddfuse_ssim,
    higher_is_better=True,
    range=(-2.0, 2.0),
    reference=_PAPER,
    code=_CODE,
    notes=f"{_STRETCHED}  Kept: constants for a grey range of 2 on grey values of 0 to 255.",
)
