"""Metrics of information: how much of the sources' histograms the fused image shares."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._histogram import Levels, joint_probabilities, own_bins, quantize, renyi, shannon, stretch
from .metric import Metric, Undefined, check_images

__all__ = ["MI", "MI_SHANNON", "MI_SUM", "QMI", "QNCIE"]


class _Entropies(NamedTuple):
    """Shannon entropies in bits of two images and of both together."""

    first: float
    second: float
    joint: float

    @property
    def shared(self) -> float:
        """Mutual information; at least 0, which rounding may pass."""
        return max(self.first + self.second - self.joint, 0.0)


def _entropies(first: Levels, second: Levels) -> _Entropies:
    joint = joint_probabilities(first, second)
    return _Entropies(shannon(joint.sum(axis=1)), shannon(joint.sum(axis=0)), shannon(joint))


def mi(sources: np.ndarray, fused: np.ndarray) -> float:
    """Mutual information of Rényi order ½, the mean over the sources.

    I(s; F) = R(s) + R(F) − R(s, F) with R(p) = 2 log2 Σ √p, over 256 equal bins that span each
    image's own minimum to maximum (for 8-bit images: the grey levels).

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        In bits, at most 8; higher is better.  0 where the fused image is flat.

    Notes
    -----
    Called plain "mutual information" by Ma et al. 2021; the code that the Bristol group published
    for it computes Rényi's entropy, not Shannon's, and averages over the sources where others add.
    It can be negative, which Shannon's cannot.
    """
    sources, fused = check_images(sources, fused)
    bins = own_bins(fused)
    return float(np.mean([_renyi_information(joint_probabilities(own_bins(s), bins)) for s in sources]))


def _renyi_information(joint: np.ndarray) -> float:
    return renyi(joint.sum(axis=1)) + renyi(joint.sum(axis=0)) - renyi(joint)


def mi_shannon(sources: np.ndarray, fused: np.ndarray) -> float:
    """Mutual information, the mean over the sources of H(s) + H(F) − H(s, F).

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; quantised to 256 levels here, which is exact for 8-bit images.
    fused:
        (y, x) in [0, 1]; quantised likewise.

    Returns
    -------
    float
        0 to 8 bits; higher is better.  0 where the fused image is flat.

    Notes
    -----
    For two sources half of ``mi_sum``.
    """
    return mi_sum(sources, fused) / len(sources)


def mi_sum(sources: np.ndarray, fused: np.ndarray) -> float:
    """Mutual information, the sum over the sources of H(s) + H(F) − H(s, F).

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; quantised to 256 levels here, which is exact for 8-bit images.
    fused:
        (y, x) in [0, 1]; quantised likewise.

    Returns
    -------
    float
        0 to 16 bits for two sources, 8 n for n; higher is better.  0 where the fused image is flat.

    Notes
    -----
    A sum: it grows with the number of sources, and depends on how many grey levels they use.
    Averages of sources share more with them than a sharper image does.
    """
    sources, fused = check_images(sources, fused)
    levels = quantize(fused)
    return sum(_entropies(quantize(source), levels).shared for source in sources)


def qmi(sources: np.ndarray, fused: np.ndarray) -> float:
    """Normalised mutual information, 2 Σ_s I(s; F) / (H(s) + H(F)).

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; stretched to their own range and quantised to 256 levels here,
        which changes nothing for 8-bit images.
    fused:
        (y, x) in [0, 1]; likewise.

    Returns
    -------
    float
        0 to 2 for two sources, to n for n; higher is better.  Undefined where the fused image and a
        source are both flat.

    Notes
    -----
    Hossny et al. correct ``mi_sum``, which the source with the larger entropy dominates.
    """
    sources, fused = check_images(sources, fused)
    levels = stretch(fused)
    pairs = [_entropies(stretch(source), levels) for source in sources]
    if any(pair.first + pair.second == 0 for pair in pairs):
        return Undefined("a source and the fused image are both flat")
    return 2 * sum(pair.shared / (pair.first + pair.second) for pair in pairs)


def qncie(sources: np.ndarray, fused: np.ndarray) -> float:
    """Nonlinear correlation information entropy.

    1 + Σ (λ/K) log256(λ/K) over the eigenvalues λ of the K×K matrix, K = n + 1, of the nonlinear
    correlation coefficients I(x; y) / 8 bits of the sources and the fused image, its diagonal set to 1.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; stretched to their own range and quantised to 256 levels here,
        which changes nothing for 8-bit images.
    fused:
        (y, x) in [0, 1]; likewise.

    Returns
    -------
    float
        1 − log256 K to 1, which is 0.802 to 1 for two sources; higher is better.

    Notes
    -----
    The correlation between the sources counts as well, so that redundant sources score higher.
    An eigenvalue of 0 counts as 0, where the code has 0 log 0.
    """
    sources, fused = check_images(sources, fused)
    images = [stretch(image) for image in (*sources, fused)]
    count = len(images)
    matrix = np.eye(count)
    for i in range(count):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = _entropies(images[i], images[j]).shared / 8
    share = np.linalg.eigvalsh(matrix) / count
    return 1 - shannon(share) / 8


MI = Metric(
    key="mi",
    name="Mutual information (Rényi, order ½), mean over sources",
    function=mi,
    higher_is_better=True,
    range=(-8.0, 8.0),
    reference="Ma, Hill, Anantrasirichai & Achim 2021; Qu, Zhang & Yan 2002, 10.1049/el:20020212",
    unit="bit",
    code="pui-nantheera/Image-Fusion-via-Sparse-Regularization: mif.m",
    notes="Rényi's entropy of order ½ instead of Shannon's, as the published code has it.",
)

MI_SHANNON = Metric(
    key="mi_shannon",
    name="Mutual information, mean over sources",
    function=mi_shannon,
    higher_is_better=True,
    range=(0.0, 8.0),
    reference="Qu, Zhang & Yan 2002, 10.1049/el:20020212",
    unit="bit",
    code="pui-nantheera/Image-Fusion-via-Sparse-Regularization: MI_norm.m with its Shannon lines",
)

MI_SUM = Metric(
    key="mi_sum",
    name="Mutual information, sum over sources",
    function=mi_sum,
    higher_is_better=True,
    range=(0.0, 16.0),
    reference="Qu, Zhang & Yan 2002, 10.1049/el:20020212",
    unit="bit",
    code="Linfeng-Tang/Image-Fusion: MI_evaluation.m",
    notes="The code merges levels 254 and 255 for 8-bit input; this does not.  Range for two sources.",
)

QMI = Metric(
    key="qmi",
    name="Normalised mutual information (Hossny)",
    function=qmi,
    higher_is_better=True,
    range=(0.0, 2.0),
    reference="Hossny, Nahavandi & Creighton 2008, 10.1049/el:20081754",
    code="zhengliu6699/imageFusionMetrics: metricMI.m",
    notes="Range for two sources.",
)

QNCIE = Metric(
    key="qncie",
    name="Nonlinear correlation information entropy",
    function=qncie,
    higher_is_better=True,
    range=(0.0, 1.0),
    reference="Wang, Shen & Jin 2008, in Stathaki: Image Fusion, ch. 19, ISBN 978-0-12-372529-5",
    code="zhengliu6699/imageFusionMetrics: metricWang.m",
    notes="The correlation of the sources with each other counts as well.",
)
