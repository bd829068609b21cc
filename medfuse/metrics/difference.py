"""The correlation of what each source gave to the fused image."""

from __future__ import annotations

import numpy as np

from .metric import Metric, Undefined, check_images, two_sources

__all__ = ["SCD", "correlation_of_differences"]


def scd(sources: np.ndarray, fused: np.ndarray) -> float:
    """Sum of the correlations of differences, r(F − B, A) + r(F − A, B).

    Parameters
    ----------
    sources:
        (2, y, x) in [0, 1].
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        −2 to 2; higher is better.  Undefined where a source is flat, or the fused image differs from
        a source by a constant.

    Raises
    ------
    ParameterError
        For other than two sources: what one gave is what remains when the other is taken away.

    Notes
    -----
    An image that exaggerates both sources, F = k (A + B) with a large k, scores as well as their sum.
    """
    sources, fused = check_images(sources, fused)
    two_sources("scd", sources)
    return correlation_of_differences(sources, fused)


def correlation_of_differences(sources: np.ndarray, fused: np.ndarray) -> float:
    """SCD of two images on any grey scale; it does not depend on the scale."""
    total = 0.0
    for source, other in (sources, sources[::-1]):
        given = fused - other
        if source.max() == source.min():
            return Undefined("a source is flat")
        if given.max() - given.min() <= 1e-12:
            return Undefined("the fused image differs from a source by a constant")
        total += _correlation(given, source)
    return total


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    return float(np.sum(x * y) / np.sqrt(np.sum(x**2) * np.sum(y**2)))


SCD = Metric(
    key="scd",
    name="Sum of the correlations of differences",
    function=scd,
    higher_is_better=True,
    range=(-2.0, 2.0),
    reference="Aslantas & Bendes 2015, 10.1016/j.aeue.2015.09.004",
    code="hli1221/imagefusion_deeplearning: analysis_SCD.m",
    notes="Two sources.",
    two_sources=True,
)
