"""medfuse: medical image fusion in correct geometry.

Volumes in, registered and fused volumes with scores out.  ``import medfuse`` loads neither torch
nor SimpleITK: names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .errors import Cancelled, MedfuseError
    from .fusion import METHODS, Fused, FusionMethod, make_method
    from .intensity import Window, rescale
    from .io import read_volume, write_volume
    from .metrics import METRICS, Metric, Scores
    from .pipeline import Aligned, StudyResult, align, run_study
    from .pipeline.in_memory import evaluate, fuse
    from .recipe import Recipe
    from .registration import Registration, register
    from .report import write_aligned, write_result
    from .resampling import resample
    from .sources import Sources
    from .study import InputVolume, Study
    from .volume import Geometry, Volume

_HOME = {
    "Cancelled": "errors",
    "MedfuseError": "errors",
    "METHODS": "fusion",
    "Fused": "fusion",
    "FusionMethod": "fusion",
    "make_method": "fusion",
    "Window": "intensity",
    "rescale": "intensity",
    "read_volume": "io",
    "write_volume": "io",
    "METRICS": "metrics",
    "Metric": "metrics",
    "Scores": "metrics",
    "Aligned": "pipeline",
    "StudyResult": "pipeline",
    "align": "pipeline",
    "evaluate": "pipeline.in_memory",
    "fuse": "pipeline.in_memory",
    "run_study": "pipeline",
    "Recipe": "recipe",
    "Registration": "registration",
    "register": "registration",
    "write_aligned": "report",
    "write_result": "report",
    "resample": "resampling",
    "Sources": "sources",
    "InputVolume": "study",
    "Study": "study",
    "Geometry": "volume",
    "Volume": "volume",
}

__all__ = [
    "METHODS",
    "METRICS",
    "Aligned",
    "Cancelled",
    "Fused",
    "FusionMethod",
    "Geometry",
    "InputVolume",
    "MedfuseError",
    "Metric",
    "Recipe",
    "Registration",
    "Scores",
    "Sources",
    "Study",
    "StudyResult",
    "Volume",
    "Window",
    "__version__",
    "align",
    "evaluate",
    "fuse",
    "make_method",
    "read_volume",
    "register",
    "resample",
    "rescale",
    "run_study",
    "write_aligned",
    "write_result",
    "write_volume",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
