"""Which metrics there are, and which of them papers report together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..errors import UnknownNameError
from ..registry import Registry
from .metric import Metric

__all__ = ["METRICS", "PROFILES", "MetricRow", "left_out", "metric_rows"]


def _fault(thing: object) -> str:
    return "" if isinstance(thing, Metric) else f"expected a medfuse.metrics.Metric, got {thing!r:.60}"


METRICS: Registry[Metric] = Registry(
    "metric",
    {
        "pe": "medfuse.metrics.gradient:PE",
        "mi": "medfuse.metrics.information:MI",
        "q": "medfuse.metrics.piella:Q",
        "cv": "medfuse.metrics.similarity:CV",
        "fmi_dct": "medfuse.metrics.fmi:FMI_DCT",
        "fmi_w": "medfuse.metrics.fmi:FMI_W",
        "nabf_li": "medfuse.metrics.gradient:NABF_LI",
        "ssim_a": "medfuse.metrics.similarity:SSIM_A",
        "viff": "medfuse.metrics.fidelity:VIFF",
        "qy": "medfuse.metrics.similarity:QY",
        "qmi": "medfuse.metrics.information:QMI",
        "sf": "medfuse.metrics.detail:SF",
        "ag": "medfuse.metrics.detail:AG",
        "mef_ssim": "medfuse.metrics.exposure:MEF_SSIM",
        "en": "medfuse.metrics.detail:EN",
        "mi_sum": "medfuse.metrics.information:MI_SUM",
        "qg": "medfuse.metrics.gradient:QG",
        "qc": "medfuse.metrics.similarity:QC",
        "qp": "medfuse.metrics.phase:QP",
        "mi_shannon": "medfuse.metrics.information:MI_SHANNON",
        "nabf": "medfuse.metrics.gradient:NABF",
        "qabf": "medfuse.metrics.gradient:QABF",
        "qs": "medfuse.metrics.piella:QS",
        "qw": "medfuse.metrics.piella:QW",
        "qe": "medfuse.metrics.piella:QE",
        "qcb": "medfuse.metrics.perception:QCB",
        "qcv": "medfuse.metrics.perception:QCV",
        "qncie": "medfuse.metrics.information:QNCIE",
        "vif": "medfuse.metrics.fidelity:VIF",
        "scd": "medfuse.metrics.difference:SCD",
        "sd": "medfuse.metrics.detail:SD",
        "cddfuse_en": "medfuse.metrics.cddfuse:EN",
        "cddfuse_sd": "medfuse.metrics.cddfuse:SD",
        "cddfuse_sf": "medfuse.metrics.cddfuse:SF",
        "cddfuse_mi": "medfuse.metrics.cddfuse:MI",
        "cddfuse_scd": "medfuse.metrics.cddfuse:SCD",
        "cddfuse_vif": "medfuse.metrics.cddfuse:VIF",
        "cddfuse_qabf": "medfuse.metrics.cddfuse:QABF",
        "cddfuse_ssim": "medfuse.metrics.cddfuse:SSIM",
    },
    group="medfuse.metrics",
    fault=_fault,
)
"""Key -> :class:`Metric`."""

_PAPERS = {
    "ma2021": ("pe", "mi", "q", "cv"),
    "li2018": ("fmi_dct", "fmi_w", "nabf_li", "ssim_a"),
    "zhang2020": ("viff", "qy", "qmi", "sf", "ag", "mef_ssim"),
    "lahoud2019": ("en", "mi_sum", "qg", "qc", "qp", "viff", "qmi", "qy"),
    "cddfuse": (
        "cddfuse_en",
        "cddfuse_sd",
        "cddfuse_sf",
        "cddfuse_mi",
        "cddfuse_scd",
        "cddfuse_vif",
        "cddfuse_qabf",
        "cddfuse_ssim",
    ),
    "default": ("pe", "q", "mi", "cv", "nabf", "viff"),
}


class _Profiles(Mapping[str, tuple[str, ...]]):
    """The papers' profiles, and ``all``, which also holds the metrics of other packages."""

    def __getitem__(self, name: str) -> tuple[str, ...]:
        if name == "all":
            return tuple(METRICS.usable()[0])
        if name in _PAPERS:
            return _PAPERS[name]
        raise UnknownNameError("profile", name, self)

    def __iter__(self) -> Iterator[str]:
        yield from _PAPERS
        yield "all"

    def __len__(self) -> int:
        return len(_PAPERS) + 1


PROFILES: Mapping[str, tuple[str, ...]] = _Profiles()
"""Profile -> keys of :data:`METRICS`, in the order in which the paper reports them.

- ``ma2021``: Ma, Hill, Anantrasirichai & Achim 2021, deep image prior.
- ``li2018``: Li, Wu & Kittler 2018, VGG-19 features (10.1109/ICPR.2018.8546006).
- ``zhang2020``: Zhang et al. 2020, IFCNN (10.1016/j.inffus.2019.07.011).
- ``lahoud2019``: Lahoud & Süsstrunk 2019, zero learning (10.23919/FUSION43075.2019.9011178).
- ``cddfuse``: Zhao et al. 2023, CDDFuse (10.1109/CVPR52729.2023.00572), and papers that compare with
  it; computed on the fused image stretched to its own range, see :mod:`medfuse.metrics.cddfuse`.
- ``default``: for medical volumes.  ``pe``, ``q``, ``mi`` and ``cv`` ask for edges, structure,
  information and local covariance, as the paper of the default method does, so that its table can be
  compared.  ``nabf`` is the only one that counts what was *added*: artefacts, which in a clinic
  weigh more than losses.  ``viff`` weighs by what is visible, so that black air does not count.
  Left out: metrics of the fused image alone, which noise raises; means in which the flat background
  has the largest share (``qg``, ``qy``, ``qc``, ``qcb``); and those defined for two sources only.
- ``all``: every key.
"""


def left_out(profile: str) -> tuple[str, ...]:
    """What must be said of a profile: metrics of other packages that cannot be used are not in ``all``."""
    return tuple(METRICS.usable()[1].values()) if profile == "all" else ()


class MetricRow(NamedTuple):
    """One row of the table of metrics, as text."""

    key: str
    name: str
    paper: str
    range: str
    unit: str
    direction: str


def metric_rows() -> list[MetricRow]:
    """The table of metrics, made from the registry."""
    directions = {True: "higher", False: "lower", None: "none"}
    return [
        MetricRow(
            key=key,
            name=metric.name,
            paper=metric.reference,
            range=" to ".join(_number(limit) for limit in metric.range),
            unit=metric.unit,
            direction=directions[metric.higher_is_better],
        )
        for key, metric in METRICS.usable()[0].items()
    ]


def _number(value: float) -> str:
    return f"{value:.4g}".replace("inf", "∞").replace("-", "−")
