"""Feature mutual information: do 3×3 windows of the sources' features predict those of the fused image?

The published code walks over the windows and, in each, over the 81 cells of a joint distribution.
Here all windows are handled at once, and a joint distribution is not built: it is a mixture of the
independent one, whose entropy is known from the marginals, and of the strongest coupling that the
marginals allow, which fills no more than 18 cells (see :func:`_joint_entropy`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._features import cosine_features, wavelet_features
from .metric import Metric, Undefined, check_images

__all__ = ["FMI_DCT", "FMI_W"]

Array = npt.NDArray[np.float64]
_CELLS = 9
_POSITIONS = np.arange(1.0, _CELLS + 1)
_MOMENTS = np.stack([_POSITIONS, _POSITIONS**2])
_SMALLEST = np.finfo(float).tiny
_BATCH = 2048  # windows handled at once: what stays in the processor's cache


def fmi_dct(sources: np.ndarray, fused: np.ndarray) -> float:
    """Feature mutual information of cosine features.

    The features are the orthonormal DCT of the whole image.  Each 3×3 window of a feature matrix,
    scaled to its own minimum and maximum and divided by its sum, is read as the distribution of a
    position 1…9 (column by column).  For a source s and the fused image F the joint distribution is
    the mixture of the independent and the most (or least) correlated one whose weight is the Pearson
    correlation of the two windows over that of the coupling; the score is the mean over windows and
    sources of 2 I(s; F) / (H(s) + H(F)).

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2; y and x of 3 or more.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        About 0 to 1; higher is better.  Undefined where an image is flat, and for images under 3
        pixels.

    Notes
    -----
    Negative entries of a joint distribution, which the mixture can have, count with log2|p|, as the
    real part of the code's complex logarithm.  A source is compared window by window with the fused
    window before scaling where all sources before it were equal to that window, after scaling
    otherwise, as in the code: it matters only for windows with a single value other than the minimum.
    """
    return _feature_information(sources, fused, cosine_features)


def fmi_w(sources: np.ndarray, fused: np.ndarray) -> float:
    """Feature mutual information of wavelet features.

    As ``fmi_dct``, with one level of the discrete Meyer wavelet transform, the four bands in one
    matrix scaled to [0, 1], for features.

    Parameters
    ----------
    sources:
        (n, y, x) in [0, 1], any n ≥ 2.
    fused:
        (y, x) in [0, 1].

    Returns
    -------
    float
        About 0 to 1; higher is better.  Undefined where an image is flat, and for images under 3
        pixels.

    Notes
    -----
    Windows straddle the seams between the bands, as in the code.
    """
    return _feature_information(sources, fused, wavelet_features)


def _feature_information(
    sources: np.ndarray, fused: np.ndarray, features: Callable[[np.ndarray], Array]
) -> float:
    sources, fused = check_images(sources, fused)
    if min(fused.shape) < 3:
        return Undefined("an image side is under 3 pixels")
    if any(image.max() == image.min() for image in (*sources, fused)):
        return Undefined("an image is flat and has no features")
    total, count = 0.0, 0
    stack = np.stack([features(image) for image in (*sources, fused)])
    for windows in _batches(stack):
        total += float(_window_scores(windows[:-1], windows[-1]).sum())
        count += windows[-1].shape[1]
    return total / (count * len(sources))


def _batches(features: Array) -> Iterator[Array]:
    """All 3×3 windows of feature matrices (n, y, x), as batches (n, 9, windows), column by column."""
    rows, columns = features.shape[1] - 2, features.shape[2] - 2
    step = max(1, _BATCH // columns)
    for top in range(0, rows, step):
        bottom = min(top + step, rows)
        cells = [features[:, top + r : bottom + r, c : c + columns] for c in range(3) for r in range(3)]
        yield np.stack(cells, axis=1).reshape(len(features), _CELLS, -1)


class _Distribution(NamedTuple):
    """The distributions of a position 1…9 in N windows, one a column."""

    p: Array  # (9, N)
    log: Array  # (9, N): log2 p, finite where p is 0
    entropy: Array
    power: Array  # Σ p² − 1/9, what p deviates from uniform
    mean: Array  # of the position
    deviation: Array  # of the position
    flat: npt.NDArray[np.bool_]


class _Steps(NamedTuple):
    """A distribution step by step, (10, N): p, log2 p, and the sum of p before the step.

    The last row stands behind the last step.
    """

    p: Array
    log: Array
    start: Array


class _Segments(NamedTuple):
    """The segments that end with steps of one distribution, (9, N) each."""

    weight: Array  # how long
    passed: npt.NDArray[np.uint8]  # the other distribution's position, 0-based
    p: Array  # product of the two probabilities
    log: Array  # its log2


def _scaled(windows: Array) -> Array:
    """Windows (9, N) scaled to their own minimum and maximum; flat ones become 1."""
    low = windows.min(axis=0)
    spread = windows.max(axis=0) - low
    flat = spread == 0
    scaled: Array = windows - low
    scaled /= np.where(flat, 1, spread)
    scaled[:, flat] = 1
    return scaled


def _distribution(scaled: Array) -> _Distribution:
    p = scaled / (scaled[0:3].sum(axis=0) + scaled[3:6].sum(axis=0) + scaled[6:9].sum(axis=0))
    log = np.log2(np.maximum(p, _SMALLEST))
    mean, square = _MOMENTS @ p
    return _Distribution(
        p=p,
        log=log,
        entropy=-np.einsum("ij,ij->j", p, log),
        power=np.einsum("ij,ij->j", p, p) - 1 / _CELLS,
        mean=mean,
        deviation=np.sqrt(np.maximum(square - mean**2, 0)),
        flat=scaled.min(axis=0) == 1,
    )


def _ratio(numerator: Array, denominator: Array) -> Array:
    """The quotient, and 0 where the numerator is 0."""
    return numerator / np.where(numerator == 0, 1, denominator)


def _window_scores(sources: Array, fused: Array) -> Array:
    """The scores of windows, summed over the sources: (n, 9, N) and (9, N) to (N,)."""
    compared, scaled = fused, _scaled(fused)
    target = _distribution(scaled)
    steps = _steps(target, np.zeros_like(target.flat))
    total = np.zeros(fused.shape[1])
    for windows in sources:
        equal = np.all(windows == compared, axis=0)
        information = _information(_distribution(_scaled(windows)), target, steps)
        total += np.where(equal, 1.0, information)
        compared = np.where(equal, compared, scaled)
    return total


def _information(a: _Distribution, f: _Distribution, steps_f: _Steps) -> Array:
    """2 I / (H(a) + H(f)) in each window."""
    entropy = a.entropy + f.entropy
    score = _ratio(2 * (entropy - _joint_entropy(a, f, steps_f)), entropy)
    return np.where(a.flat & f.flat, 1.0, score)


def _joint_entropy(a: _Distribution, f: _Distribution, steps_f: _Steps) -> Array:
    """Entropy of the joint distribution φ M + (1 − φ) f aᵀ, M the strongest coupling of f and a.

    M is Fréchet's upper bound min(F, A) or, for windows that are anticorrelated, the lower bound
    max(F + A − 1, 0), which is the upper one with a's positions counted from the end.  The upper
    bound pairs equal quantiles: cutting [0, 1] wherever F or A steps gives 18 segments, each the
    whole weight of M in one cell.  The independent part's entropy is corrected in those cells only.
    """
    covariance = np.einsum("ij,ij->j", a.p, f.p) - 1 / _CELLS
    covariance[a.flat | f.flat] = 0  # of which only rounding is left
    correlation = _ratio(covariance, np.sqrt(a.power * f.power))
    against = correlation < 0
    mean_a = np.where(against, _CELLS + 1 - a.mean, a.mean)
    segments = _coupling(steps_f, _steps(a, against))

    coupled = sum(_POSITIONS @ (s.weight * (s.passed + 1.0)) for s in segments) - f.mean * mean_a
    phi = _ratio(np.abs(correlation) * a.deviation * f.deviation, coupled)
    rest = 1 - phi
    log_rest = np.log2(np.maximum(np.abs(rest), _SMALLEST))
    entropy = rest * (f.entropy + a.entropy - log_rest)
    return entropy + sum(_correction(s, phi, rest, log_rest) for s in segments)


def _correction(segments: _Segments, phi: Array, rest: Array, log_rest: Array) -> Array:
    """What the entropy of the independent part becomes more, once the coupling is in the segments' cells.

    Overwrites the segments: fresh memory costs more than the arithmetic.
    """
    joint, _, independent, log = segments
    independent *= rest
    log += log_rest
    joint *= phi
    joint += independent
    entropy: Array = np.einsum("ij,ij->j", independent, log)
    np.maximum(np.abs(joint, out=log), _SMALLEST, out=log)
    entropy -= np.einsum("ij,ij->j", joint, np.log2(log, out=log))
    return entropy


def _steps(distribution: _Distribution, backwards: npt.NDArray[np.bool_]) -> _Steps:
    """The steps of a distribution, in some windows from the last position to the first."""
    steps = _Steps(*np.zeros((3, _CELLS + 1, backwards.size)))
    for target, values in ((steps.p, distribution.p), (steps.log, distribution.log)):
        target[:-1] = values
        np.copyto(target[:-1], values[::-1], where=backwards)
    for k in range(_CELLS):
        np.add(steps.start[k], steps.p[k], out=steps.start[k + 1])
    return steps


def _coupling(f: _Steps, a: _Steps) -> tuple[_Segments, _Segments]:
    """The segments of the upper coupling that end with a step of f, and those that end with one of a.

    Where both step at once, f's segment has length 0.
    """
    first = f.start[1:, None] < a.start[None, 1:]
    passed_by_a = first.sum(axis=0, dtype=np.uint8)
    passed_by_f = _CELLS - first.sum(axis=1, dtype=np.uint8)
    return _segments(f, a, passed_by_f), _segments(a, f, passed_by_a)


def _segments(own: _Steps, other: _Steps, passed: npt.NDArray[np.uint8]) -> _Segments:
    """The segments that end where ``own`` steps, when the other has made ``passed`` steps."""
    count = passed.shape[1]
    cells = passed * np.intp(count) + np.arange(count)
    weight, p, log = (values.take(cells) for values in (other.start, other.p, other.log))
    np.subtract(own.start[1:], np.maximum(own.start[:-1], weight, out=weight), out=weight)
    p *= own.p[:-1]
    log += own.log[:-1]
    return _Segments(weight, passed, p, log)


_PAPER = (
    "Haghighat & Razian 2014, Fast-FMI, 10.1109/ICAICT.2014.7036000; "
    "Haghighat et al. 2011, 10.1016/j.compeleceng.2011.07.012"
)

FMI_DCT = Metric(
    key="fmi_dct",
    name="Feature mutual information, cosine features",
    function=fmi_dct,
    higher_is_better=True,
    range=(0.0, 1.0),
    reference=_PAPER,
    code="hli1221/imagefusion_deeplearning: analysis_fmi.m, 'dct'",
    notes="The joint distribution may hold negative entries; they count with log2|p|.",
)

FMI_W = Metric(
    key="fmi_w",
    name="Feature mutual information, wavelet features",
    function=fmi_w,
    higher_is_better=True,
    range=(0.0, 1.0),
    reference=_PAPER,
    code="hli1221/imagefusion_deeplearning: analysis_fmi.m, 'wavelet'",
    notes="As fmi_dct; windows straddle the seams between the wavelet bands.",
)
