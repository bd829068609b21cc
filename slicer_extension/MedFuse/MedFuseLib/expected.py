"""How long a run is likely to take, from what was measured on two processor cores.

All figures are of ``benchmarks/README.md``, which has the commands that measured them: for two volumes, and
for slices of 256×256.  They are taken as proportional to the pixels of a slice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["FUSION", "REGISTRATION", "SCORING", "Cost", "Work", "expected_time", "time_of"]

_PIXELS = 256 * 256
_SCORED = 3  # the result, and the two baselines beside it
_MINUTE, _HOUR = 60, 3600


class Cost(NamedTuple):
    """Seconds for the first slice, and for each further one: a network begins where its neighbour ended."""

    first: float
    further: float


FUSION = {
    ("pca", "auto"): Cost(0.0127, 0.0127),
    ("dip", "fast"): Cost(3.3, 0.6),
    ("dip", "balanced"): Cost(28.0, 7.7),
    ("dip", "paper"): Cost(2950, 2950),
    ("vgg", "auto"): Cost(0.29, 0.29),
    ("zero_learning", "auto"): Cost(0.0254, 0.0254),
    ("ifcnn", "auto"): Cost(0.17, 0.17),
    ("densefuse", "auto"): Cost(0.123, 0.123),
    ("gmc", "auto"): Cost(0.0716, 0.0716),
    ("laplacian", "auto"): Cost(0.00999, 0.00999),
    ("wavelet", "auto"): Cost(0.00533, 0.00533),
    ("gff", "auto"): Cost(0.0184, 0.0184),
    ("average", "auto"): Cost(0.000121, 0.000121),
    ("maximum", "auto"): Cost(3.13e-05, 3.13e-05),
}
"""Method and preset -> seconds; ``dip`` on noisy data, for on clean data it is ``pca``."""

REGISTRATION = {"none": (0, 0), "deformable": (26, 26)}
"""Kind -> least and most seconds for a moving volume; every other kind takes :data:`_LINEAR`."""

_LINEAR = (5, 10)

SCORING = {
    "default": 0.092,
    "ma2021": 0.053,
    "li2018": 0.268,
    "zhang2020": 0.079,
    "lahoud2019": 0.316,
    "cddfuse": 0.041,
    "all": 0.836,
}
"""Profile of metrics -> seconds for a slice of one result."""


class Work(NamedTuple):
    """What is to be done: ``size`` of the fixed volume (x, y, z), the rest as in the parameter node."""

    size: tuple[int, int, int]
    moving: int
    registration: str
    method: str
    preset: str
    profile: str


def time_of(parameters: Any) -> str:
    """The sentences of :func:`expected_time` for a parameter node; "" until a fixed volume is chosen."""
    image = parameters.fixedVolume.GetImageData() if parameters.fixedVolume is not None else None
    if image is None or 0 in image.GetDimensions():
        return ""
    work = Work(
        size=tuple(image.GetDimensions()),
        moving=sum(node is not None for node in parameters.movingVolumes),
        registration=parameters.registration,
        method=parameters.method,
        preset=parameters.preset,
        profile=parameters.profile,
    )
    is_changed = parameters.methodParameters or parameters.denoise != "none" or parameters.grid != "fixed"
    return expected_time(work) + (
        " What is changed of parameters, noise or grid is not in it." if is_changed else ""
    )


def expected_time(work: Work) -> str:
    """One or two sentences for the panel: how long it will take, and what that rests on."""
    least, most = REGISTRATION.get(work.registration, _LINEAR)
    others = _SCORED * _slices(work) * SCORING.get(work.profile, SCORING["default"])
    low, high = others + work.moving * least, others + work.moving * most
    x, y, z = work.size
    basis = f"Estimated for {z} slices of {x}×{y} on two processor cores, without a graphics card."
    if work.method == "auto":
        quick, noisy = _fusion(work, "pca", "auto"), _fusion(work, "dip", _preset(work))
        said = (
            f"{_span(low + quick, high + quick)}, or {_span(low + noisy, high + noisy)} if noise is removed"
        )
    elif (work.method, _preset(work)) in FUSION:
        fusion = _fusion(work, work.method, _preset(work))
        said = _span(low + fusion, high + fusion)
    else:
        return f"The time of {work.method} has not been measured; the rest takes {_span(low, high)}. {basis}"
    return f"Expected time: {said}. {basis}"


def _preset(work: Work) -> str:
    """The preset that runs on a CPU."""
    return "fast" if work.preset == "auto" and work.method in ("auto", "dip") else work.preset


def _slices(work: Work) -> float:
    """How many slices of 256×256 the volume is worth."""
    x, y, z = work.size
    return z * x * y / _PIXELS


def _fusion(work: Work, method: str, preset: str) -> float:
    cost, (x, y, _) = FUSION[method, preset], work.size
    return x * y / _PIXELS * (cost.first - cost.further) + _slices(work) * cost.further


def _span(low: float, high: float) -> str:
    """``6 to 11 s``, ``90 s to 2 min``, ``about 33 h``."""
    (first, unit), (last, last_unit) = _rounded(low), _rounded(high)
    if (first, unit) == (last, last_unit):
        return f"about {last} {last_unit}"
    return f"{first} to {last} {last_unit}" if unit == last_unit else f"{first} {unit} to {last} {last_unit}"


def _rounded(seconds: float) -> tuple[str, str]:
    """At most two digits: more would say more than is known."""
    if seconds < 100:
        return f"{max(1, seconds):.0f}", "s"
    if seconds < 100 * _MINUTE:
        return f"{seconds / _MINUTE:.0f}", "min"
    return f"{seconds / _HOUR:.0f}", "h"
