"""Zhao's metric: do the fused image's edges and corners correlate with those of the sources?"""

from __future__ import annotations

import numpy as np

from ._phase import phase_congruency
from ._windows import filter_same, gaussian_taps
from .metric import Metric, Undefined, check_images

__all__ = ["QP"]

_C = 1e-4
_THRESHOLD = 0.1


def qp(sources: np.ndarray, fused: np.ndarray) -> float:
    """Phase-congruency quality Q_P, the product P_pc P_M P_m.

    For each of three maps, phase congruency and the largest and smallest moment of its covariance over
    the orientations: the local correlation (Gaussian window of 11×11, σ 1.5) of the fused map with that
    of each source and with the sources' maximum, each where phase congruency exceeds 0.1; the largest
    of them in each pixel, summed and divided by the number of pixels where the maximum exceeds 0.1.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; y and x of 2 or more.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        −1 to 1, in practice 0 to 1; higher is better.  Undefined where an image is flat, or no
        source has a feature.

    Notes
    -----
    "Maximum" is the source of the larger phase congruency, for all three maps.  The sources' maps are
    set to 0 where they have no feature, the fused ones are not, as in the code.
    """
    sources, fused = check_images(sources, fused)
    if min(fused.shape) < 2:
        return Undefined("the image is one pixel wide")
    if any(image.max() == image.min() for image in (*sources, fused)):
        return Undefined("an image is flat and has no features")
    maps = np.stack([phase_congruency(255 * source) for source in sources], axis=1)
    target = np.stack(phase_congruency(255 * fused))
    # Of equal ones the last, as the code has it for two.
    strongest = len(sources) - 1 - np.argmax(maps[0, ::-1], axis=0)[None, None]
    maps = np.concatenate([maps, np.take_along_axis(maps, strongest, axis=1)], axis=1)
    features = maps[0] > _THRESHOLD
    count = np.count_nonzero(features[-1])
    if count == 0:
        return Undefined("no source has a feature")
    score = 1.0
    for of_sources, of_fused in zip(maps, target, strict=True):
        best = _correlations(of_sources * features, of_fused, features).max(axis=0)
        score *= float(best.sum()) / count
    return score


def _correlations(sources: np.ndarray, fused: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Local correlation of each source's map with the fused one; 0 where the source has no feature."""
    taps = gaussian_taps(11, 1.5)
    mean, mean_f = filter_same(sources, taps), filter_same(fused, taps)
    variance = filter_same(sources**2, taps) - mean**2
    variance_f = filter_same(fused**2, taps) - mean_f**2
    covariance = filter_same(sources * fused, taps) - mean * mean_f
    return np.where(features, (covariance + _C) / (np.sqrt(np.abs(variance * variance_f)) + _C), 0)


QP = Metric(
    key="qp",
    name="Phase-congruency quality Q_P",
    function=qp,
    higher_is_better=True,
    range=(-1.0, 1.0),
    reference="Zhao, Laganière & Liu 2007, Int. J. Innov. Comput. Inf. Control 3(6A), 1433–1447",
    code="zhengliu6699/imageFusionMetrics: metricZhao.m, myphasecong3.m",
    notes="Odd image sizes have slightly different frequencies, as in the code.",
)
