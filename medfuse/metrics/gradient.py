"""Metrics of edges: how much of the sources' gradients the fused image keeps, and what it adds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._gradient import Gradient, sigmoid, sobel, sobel_as_conv2, wrapped_agreement
from ._histogram import quantize
from .metric import Metric, Undefined, check_images

__all__ = ["NABF", "NABF_LI", "PE", "QABF", "QG", "edge_transfer"]

_EPS = np.finfo(float).eps
_TINY = 1e-5  # what the code of Q_G puts in place of a gradient of 0


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
        0 to 1; higher is better.  Undefined where no source has an edge.

    Notes
    -----
    The constants are those of the Bristol group's code, not those of Xydeas and Petrović 2000
    (``qabf``).  Outside the image lies 0, so that the frame counts as an edge.
    """
    sources, fused = check_images(sources, fused)
    source, target = sobel_as_conv2(sources / 8), sobel_as_conv2(fused / 8)
    g, g_fused = source.strength, target.strength
    if not g.any():
        return Undefined("no source has an edge")
    gain = (np.minimum(g, g_fused) + _EPS) / (np.maximum(g, g_fused) + _EPS)
    agreement = wrapped_agreement(_angle_with_eps(source), _angle_with_eps(target))
    one = np.ones(1)
    kept_strength = sigmoid(gain, 11, 0.7) / sigmoid(one, 11, 0.7)
    kept_angle = sigmoid(agreement, 24, 0.8) / sigmoid(one, 24, 0.8)
    return float(np.sum(np.sqrt(kept_strength * kept_angle) * g) / np.sum(g))


def _angle_with_eps(gradient: Gradient) -> np.ndarray:
    """The orientation as petmetric.m has it: its x is the rows' response above minus below."""
    return np.arctan(gradient.across / (_EPS - gradient.along))


def qg(sources: np.ndarray, fused: np.ndarray) -> float:
    """Gradient-based quality Q_G.

    As ``qabf``, with the orientations' difference taken round the circle, other sigmoids
    (S(G; 10, 0.5), S(A; 20, 0.75), unscaled), and the mean over pixels of Σ_s Q_s g_s / Σ_s g_s.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        0 to 0.98665, which an image that equals both its sources has; higher is better.

    Notes
    -----
    A ratio in each pixel, not one of sums: flat pixels, whose gradients the code replaces by 1e-5,
    count as much as edges.  The fused gradient is replaced after the first source was compared, so
    that the order of the sources matters where both are flat, as in the code.
    """
    sources, fused = check_images(sources, fused)
    source, target = sobel(255 * sources), sobel(255 * fused)
    g, g_fused = source.strength, target.strength
    gain = np.empty_like(g)
    for i in range(len(sources)):
        stronger = g[i] > g_fused
        g[i] = np.where(g[i] == 0, _TINY, g[i])
        loss = g_fused / g[i]
        g_fused = np.where(g_fused == 0, _TINY, g_fused)
        gain[i] = np.where(stronger, loss, g[i] / g_fused)
    agreement = wrapped_agreement(_angle_with_tiny(source), _angle_with_tiny(target))
    quality = sigmoid(gain, 10, 0.5) * sigmoid(agreement, 20, 0.75)
    return float(np.mean(np.sum(quality * g, axis=0) / np.sum(g, axis=0)))


def _angle_with_tiny(gradient: Gradient) -> np.ndarray:
    return np.arctan(gradient.along / np.where(gradient.across == 0, _TINY, gradient.across))


def qabf(sources: np.ndarray, fused: np.ndarray) -> float:
    """Edge preservation Q^AB/F of Xydeas and Petrović.

    With Sobel strength g and orientation α: G = min(g_s, g_F) / max(g_s, g_F),
    A = 1 − |α_s − α_F| / (π/2), Q_s = 0.9994 S(G; 15, 0.5) · 0.9879 S(A; 22, 0.8); the result is
    Σ_s Σ Q_s g_s / Σ_s Σ g_s.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        0 to 1; higher is better.  Undefined where no source has an edge.

    Notes
    -----
    Faults of the code, kept: where g_s = g_F it takes G = g_F instead of 1, which on this scale loses
    weak edges that were kept exactly; orientations are not compared round the circle.  Outside the
    image lies 0, so that the frame counts as an edge.
    """
    sources, fused = check_images(sources, fused)
    return edge_transfer(sources, fused)


def edge_transfer(sources: np.ndarray, fused: np.ndarray) -> float:
    """Q^AB/F of images on any grey scale; the scale matters where strengths are equal."""
    source, target = sobel_as_conv2(sources), sobel_as_conv2(fused)
    g, g_fused = source.strength, target.strength
    if not g.any():
        return Undefined("no source has an edge")
    larger = np.maximum(g, g_fused)
    ratio = np.minimum(g, g_fused) / np.where(larger == 0, 1, larger)
    gain = np.where(g == g_fused, g_fused, ratio)
    agreement = 1 - np.abs(_angle_or_vertical(source) - _angle_or_vertical(target)) / (np.pi / 2)
    quality = 0.9994 * sigmoid(gain, 15, 0.5) * 0.9879 * sigmoid(agreement, 22, 0.8)
    return float(np.sum(quality * g) / np.sum(g))


def _angle_or_vertical(gradient: Gradient) -> np.ndarray:
    """The orientation as analysis_Qabf.m has it: a true convolution turns the columns' response round."""
    across = gradient.across
    angle = np.arctan(gradient.along / np.where(across == 0, 1, -across))
    return np.where(across == 0, np.pi / 2, angle)


def nabf(sources: np.ndarray, fused: np.ndarray) -> float:
    """Fusion artefacts N^AB/F, as modified by Shreyamsha Kumar: edges that no source has.

    Σ_p a Σ_s (1 − Q_s) w_s / Σ_p Σ_s w_s, where a is 1 at the pixels whose fused gradient exceeds that
    of every source; Q_s = √(0.9999 S(G; 19, 0.5) · 0.9995 S(A; 22, 0.5)) as in ``pe``; w_s = g_s^1.5
    for gradients of 2 grey levels (of 255) or more, 0.001 below.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; y and x of 2 or more.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        0 to 1; lower is better.  Undefined for images one pixel wide.

    Notes
    -----
    Gradients are computed with the image mirrored at its border.  Artefacts where the sources are
    smooth, such as noise in air, hardly count, because the sources' gradients are the weights.
    """
    sources, fused = check_images(sources, fused)
    return _artefacts(255 * sources, 255 * fused, lambda g: np.where(g >= 2, g * np.sqrt(g), 0.001))


def nabf_li(sources: np.ndarray, fused: np.ndarray) -> float:
    """Fusion artefacts as Li, Wu and Kittler call the code: every pixel has the same weight.

    As ``nabf`` on images in [0, 1], where no gradient reaches the threshold of 2, so that every
    weight is 0.001: the mean over pixels and sources of a (1 − Q_s).

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; y and x of 2 or more; quantised to 256 levels here, which is
        exact for 8-bit images.
    fused:
        (y, x) in [0, 1]; quantised likewise.

    Returns
    -------
    float
        0 to 1; lower is better.  Undefined for images one pixel wide.

    Notes
    -----
    Ten to thirty times larger than ``nabf``.  Whether a fused gradient exceeds one that is equal to
    it is decided by rounding in the code; here by integers, which moves values by up to 0.005.
    """
    sources, fused = check_images(sources, fused)
    return _artefacts(quantize(sources), quantize(fused), np.ones_like)


def _artefacts(sources: np.ndarray, fused: np.ndarray, weigh: Callable[[np.ndarray], np.ndarray]) -> float:
    if min(fused.shape) < 2:
        return Undefined("the image is one pixel wide")
    # Divided by 8 after the squares: integers stay integers, so that ties are ties.
    source, target = sobel(sources, "mirror"), sobel(fused, "mirror")
    g, g_fused = source.strength / 8, target.strength / 8
    larger = np.maximum(g, g_fused)
    gain = np.minimum(g, g_fused) / np.where(larger == 0, 1, larger)
    agreement = wrapped_agreement(_angle_or_zero(source), _angle_or_zero(target))
    quality = np.sqrt(0.9999 * sigmoid(gain, 19, 0.5) * 0.9995 * sigmoid(agreement, 22, 0.5))
    weight = weigh(g)
    added = np.all(g_fused > g, axis=0)
    return float(np.sum(added * (1 - quality) * weight) / np.sum(weight))


def _angle_or_zero(gradient: Gradient) -> np.ndarray:
    across, along = gradient
    angle = np.arctan(across / np.where(along == 0, 1, along))
    return np.where(along == 0, np.sign(across) * np.pi / 2, angle)


_XYDEAS = "Xydeas & Petrović 2000, 10.1049/el:20000267"
_KUMAR = "Shreyamsha Kumar 2013, 10.1007/s11760-012-0361-x"

PE = Metric(
    key="pe",
    name="Edge preservation (Petrovic)",
    function=pe,
    higher_is_better=True,
    range=(0.0, 1.0),
    reference=f"Ma, Hill, Anantrasirichai & Achim 2021; {_XYDEAS}",
    code="pui-nantheera/Image-Fusion-via-Sparse-Regularization: petmetric.m",
    notes="Sigmoid constants of the code, not of the paper; the zero-padded frame counts as an edge.",
)

QG = Metric(
    key="qg",
    name="Gradient-based quality Q_G",
    function=qg,
    higher_is_better=True,
    range=(0.0, 1.0),
    reference=_XYDEAS,
    code="zhengliu6699/imageFusionMetrics: metricXydeas.m",
    notes="A mean of ratios: flat pixels count as much as edges.  A perfect image has 0.98665.",
)

QABF = Metric(
    key="qabf",
    name="Edge preservation Q^AB/F",
    function=qabf,
    higher_is_better=True,
    range=(0.0, 1.0),
    reference=_XYDEAS,
    code="hli1221/imagefusion_deeplearning: analysis_Qabf.m",
    notes="Kept: equal strengths count as G = g_F, not 1; orientations are not compared round the circle.",
)

NABF = Metric(
    key="nabf",
    name="Fusion artefacts N^AB/F",
    function=nabf,
    higher_is_better=False,
    range=(0.0, 1.0),
    reference=_KUMAR,
    code="hli1221/imagefusion_deeplearning: analysis_nabf.m on 0…255",
    notes="Weighted by the sources' gradients: noise in flat areas hardly counts.",
)

NABF_LI = Metric(
    key="nabf_li",
    name="Fusion artefacts, unweighted (Li)",
    function=nabf_li,
    higher_is_better=False,
    range=(0.0, 1.0),
    reference=f"Li, Wu & Kittler 2018, 10.1109/ICPR.2018.8546006; {_KUMAR}",
    code="hli1221/imagefusion_deeplearning: analysis_nabf.m on 0…1, ties broken exactly",
    notes="On 0…1 the code's threshold is never reached: every pixel has the same weight.",
)
