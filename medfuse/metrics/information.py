"""Metrics of information: how much of the sources' histograms the fused image shares."""

from __future__ import annotations

import numpy as np

from ._histogram import joint_probabilities, own_bins, renyi
from .metric import Metric, check_images

__all__ = ["MI"]


def mi(sources: np.ndarray, fused: np.ndarray) -> float:
    """Mutual information of Rényi order ½, the mean over the sources, in bits.

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
        In bits; higher is better.  0 where the fused image is flat.

    Notes
    -----
    Called plain "mutual information" by Ma et al. 2021; the code that the Bristol group published
    for it computes Rényi's entropy, not Shannon's, and averages over the sources where others add.
    """
    sources, fused = check_images(sources, fused)
    bins = own_bins(fused)
    return float(np.mean([_renyi_information(joint_probabilities(own_bins(s), bins)) for s in sources]))


def _renyi_information(joint: np.ndarray) -> float:
    return renyi(joint.sum(axis=1)) + renyi(joint.sum(axis=0)) - renyi(joint)


MI = Metric(
    key="mi",
    name="Mutual information (Rényi, order ½), mean over sources",
    function=mi,
    higher_is_better=True,
    range=(-8.0, 8.0),
    reference="Ma et al. 2021; code of the Bristol group: mif.m",
    unit="bit",
    notes="Rényi's entropy of order ½ instead of Shannon's, as the published code has it.",
)
