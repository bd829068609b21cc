"""What was done, with what, to what: enough to repeat it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..io.records import write_text
from ..landmarks import LandmarkFit, rms
from ..metrics import METRICS, Metric, Scores
from ..pipeline import Aligned, NoiseScores, StudyResult
from ..pipeline.starts import Start
from ..registration import Registration
from ..study import InputVolume
from ..version import __version__
from ..volume import Volume
from .redaction import Redaction
from .truth import truth_facts

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["aligned_facts", "digest", "provenance", "score_facts", "write_json"]

_IDENTITY = (
    "PatientName", "PatientID", "PatientBirthDate", "StudyDate", "StudyDescription", "SeriesDescription",
)  # fmt: skip
_PACKAGES = ("numpy", "scipy", "SimpleITK", "nibabel", "pydicom", "torch")


def provenance(result: StudyResult) -> dict[str, Any]:
    """Everything about a study but its pixels, as plain values for JSON.

    Paths, which often hold a patient's name, and the identity in DICOM headers are in it only if the
    recipe keeps identifiers; the sha256 of each input tells which file it was.
    """
    return {
        **aligned_facts(result),
        "method": asdict(result.ran),
        "result": _plain({k: v for k, v in result.fused.info.items() if k != "ran"}),
        "scores": {key: _scores(scores) for key, scores in result.scores.items()},
        "noise": None if result.noise is None else _noise(result.noise),
        "truth": _plain(truth_facts(result)),
        "metrics": {key: _metric(METRICS[key]) for key in result.scores[result.ran.key].per_slice},
    }


def score_facts(scores: Scores) -> dict[str, Any]:
    """Scores as plain values, with what each metric is."""
    return {
        "medfuse": __version__,
        "scores": _scores(scores),
        "metrics": {key: _metric(METRICS[key]) for key in scores.per_slice},
    }


def aligned_facts(aligned: Aligned) -> dict[str, Any]:
    """The same of what comes before fusion."""
    pairs = zip(aligned.registrations, aligned.starts, strict=True)
    named = aligned.recipe.keep_identifiers
    return {
        "medfuse": __version__,
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "note": "For research use; not a medical device.",
        "recipe": aligned.recipe.to_mapping(),
        "inputs": _inputs(aligned),
        "grid": asdict(aligned.volumes[0].geometry),
        "common_field": 1.0 if aligned.sources.common is None else float(aligned.sources.common.mean()),
        "registrations": [_registration(one, start, named) for one, start in pairs],
        "noise_on_own_grid": [asdict(one) for one in aligned.removed],
        "noise_of_sources": [{"finding": one.finding, **asdict(one.model)} for one in aligned.known_noise],
        "warnings": _warnings(aligned),
        "seconds": dict(aligned.timings),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
    }


def _warnings(aligned: Aligned) -> list[str]:
    if aligned.recipe.keep_identifiers:
        return list(aligned.notes)
    return list(map(Redaction(aligned.study.paths, aligned.study.other_files), aligned.notes))


def _inputs(result: Aligned) -> list[dict[str, Any]]:
    return [
        {
            "role": label,
            "sha256": digest,
            "modality": volume.modality,
            "window": window.describe(),
            "window_limits": [window.lower, window.upper],
            "measured": 1.0 if volume.valid is None else float(volume.valid.mean()),
            "reading": {name: value for name, value in asked.reading.given().items() if name != "series"},
            **(_identifiers(asked, volume) if result.recipe.keep_identifiers else {}),
        }
        for label, digest, volume, window, asked in zip(
            result.labels, result.hashes, result.volumes, result.windows, result.study.volumes, strict=True
        )
    ]


def _identifiers(asked: InputVolume, volume: Volume) -> dict[str, Any]:
    known = {name: str(volume.metadata[name]) for name in _IDENTITY if name in volume.metadata}
    return {"path": str(asked.path), "series": asked.reading.series, "identity": known}


def _scores(scores: Scores) -> dict[str, Any]:
    consistency = scores.consistency.value if scores.consistency else float("nan")
    result: dict[str, Any] = _plain({**scores.whole, "consistency": consistency})
    return result


def _noise(noise: NoiseScores) -> dict[str, Any]:
    """What noise was found, what is left of it, and the scores against the denoised sources."""
    return {
        "found": list(noise.findings),
        "residual": {key: _plain(one._asdict()) for key, one in noise.residual.items()},
        "scores_denoised": {key: _scores(scores) for key, scores in noise.denoised.items()},
    }


def _metric(one: Metric) -> dict[str, Any]:
    """What a reader needs to judge a score; ``None`` for a range without an end."""
    better = {True: "higher", False: "lower", None: None}[one.higher_is_better]
    return {"name": one.name, "better": better, "range": _plain(one.range), "unit": one.unit}


def _registration(one: Registration, start: Start, named: bool) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "preset": one.preset,
        "start": "landmarks" if start.landmarks else one.start,
        "start_sha256": list(start.hashes),
        "verdict": one.verdict,
        "reasons": list(one.reasons),
        "figures": _plain(dict(one.figures)),
        "seed": one.seed,
        "threads": one.threads,
        "transform": one.transform.GetName(),
        **_numbers(one.transform),
        **({"landmarks": _landmarks(start.landmarks, one.transform, named)} if start.landmarks else {}),
    }


def _numbers(transform: SimpleITK.Transform) -> dict[str, Any]:
    """A linear transform in full; of a deformable one, which has millions of numbers, their sha256."""
    if not transform.IsLinear():
        return {"transform_sha256": digest(transform)}
    return {
        "transform_parameters": list(transform.GetParameters()),
        "transform_fixed_parameters": list(transform.GetFixedParameters()),
    }


def digest(transform: SimpleITK.Transform) -> str:
    """SHA-256 of a transform's name and numbers."""
    numbers = np.array([*transform.GetFixedParameters(), *transform.GetParameters()], dtype="<f8")
    return hashlib.sha256(transform.GetName().encode() + numbers.tobytes()).hexdigest()


def _landmarks(fit: LandmarkFit, transform: SimpleITK.Transform, named: bool) -> dict[str, Any]:
    """Errors in mm: of the landmarks' own fit, and under the transform that was used.

    Labels, which may be a name, only where they are wanted: without, a landmark is told by its number.
    """
    used = fit.errors_under(transform)
    return {
        "labels": list(fit.labels) if named else [""] * len(fit.labels),
        "fit_errors_mm": fit.errors.tolist(),
        "fit_rms_mm": rms(fit.errors),
        "errors_mm": used.tolist(),
        "rms_mm": rms(used),
    }


def _plain(value: Any) -> Any:
    """``value`` in the words of JSON, which has neither numpy's numbers nor NaN."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def write_json(facts: dict[str, Any], path: Path) -> None:
    """Write plain values to a JSON file."""
    write_text(path, json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
