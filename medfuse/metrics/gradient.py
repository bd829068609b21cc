"""Metrics of edges: how much of the sources' gradients the fused image keeps."""

from __future__ import annotations

import numpy as np

from ._gradient import sigmoid, sobel, wrapped_agreement
from .metric import Metric, Undefined, check_images

__all__ = ["PE"]

_EPS = np.finfo(float).eps


def pe(sources: np.ndarray, fused: np.ndarray) -> float:
    """Petrovic's edge preservation, as the Bristol group computes it.

    With Sobel strength g and orientation α: G = min(g_s, g_F) / max(g_s, g_F),
    A = ||α_s − α_F| − π/2| / (π/2), Q_s = √(S(G; 11, 0.7) S(A; 24, 0.8)) with sigmoids S scaled to
    S(1) = 1; the result is Σ_s Σ Q_s g_s / Σ_s Σ g_s.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        In [0, 1]; higher is better.  Undefined where no source has a gradient.

    Notes
    -----
    The constants are those of the Bristol group's code, not those of Xydeas and Petrović 2000
    (`qabf`).  Outside the image lies 0, so that the frame counts as an edge.
    """
    sources, fused = check_images(sources, fused)
    source, target = sobel(sources / 8), sobel(fused / 8)
    g, g_fused = source.strength, target.strength
    if not g.any():
        return Undefined("no source has an edge")
    # The code takes the rows' response, with its sign turned, as x; the angle's origin does not matter
    # but eps falls on this side.
    angle = np.arctan(source.across / (_EPS - source.along))
    angle_fused = np.arctan(target.across / (_EPS - target.along))
    gain = (np.minimum(g, g_fused) + _EPS) / (np.maximum(g, g_fused) + _EPS)
    kept_strength = sigmoid(gain, 11, 0.7) / sigmoid(np.float64(1), 11, 0.7)
    kept_angle = sigmoid(wrapped_agreement(angle, angle_fused), 24, 0.8) / sigmoid(np.float64(1), 24, 0.8)
    return float(np.sum(np.sqrt(kept_strength * kept_angle) * g) / np.sum(g))


PE = Metric(
    key="pe",
    name="Edge preservation (Petrovic)",
    function=pe,
    higher_is_better=True,
    range=(0.0, 1.0),
    reference="Xydeas & Petrović 2000, 10.1049/el:20000267; code of the Bristol group: petmetric.m",
    notes="Sigmoid constants of the code, not of the paper; the zero-padded frame counts as an edge.",
)
