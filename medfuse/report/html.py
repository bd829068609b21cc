"""The page that tells a reader what was done, whether to trust it, and how it compares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ..fusion import METHODS, parameters_of
from ..intensity import unit_of
from ..metrics import METRICS, Scores
from ..pipeline import Aligned, StudyResult
from .figures import along_slices, colour_bar, panel
from .methods_text import bibtex, methods_text, repeat_command
from .noise import noise_section
from .planes import central_voxel, plane
from .registration import pictures, registration_rows
from .truth import beside_truth, named
from .viewer import content_policy, script_text, style_text, viewer_of_aligned, viewer_of_result

__all__ = ["render", "render_aligned", "score_text"]


def render(result: StudyResult, facts: dict[str, Any]) -> str:
    """The report of one study as a self-contained HTML page.

    Parameters
    ----------
    result:
        From :func:`medfuse.run_study`.
    facts:
        Its provenance.
    """
    voxel = central_voxel(result.sources.array)
    return _template("report.html").render(
        **_page(facts),
        viewer=viewer_of_result(result, voxel),
        facts=facts,
        title=f"{result.ran.title}: {' + '.join(result.labels)}",
        grid=result.volumes[0].geometry.describe(),
        pictures=_pictures(result, voxel),
        legends=_legends(result),
        comparison=_comparison(result, voxel),
        maps=_maps(result, voxel),
        registrations=registration_rows(result, facts),
        columns=[METRICS[key] for key in _keys(result)],
        scores=_score_rows(result.scores),
        noise=_noise(result),
        truth=beside_truth(result),
        called={key: named(result, key) for key in result.scores},
        noise_found=noise_section(result, voxel),
        plots=_plots(result),
        parameters=_parameters(result),
    )


def render_aligned(aligned: Aligned, facts: dict[str, Any]) -> str:
    """The report of a registration alone, likewise."""
    voxel = central_voxel(aligned.sources.array)
    return _template("aligned.html").render(
        **_page(facts),
        viewer=viewer_of_aligned(aligned, voxel),
        facts=facts,
        title=" + ".join(aligned.labels),
        grid=aligned.volumes[0].geometry.describe(),
        pictures=pictures(aligned, voxel),
        registrations=registration_rows(aligned, facts),
    )


def _page(facts: dict[str, Any]) -> dict[str, str]:
    """What every page has."""
    return {
        "policy": content_policy(),
        "viewer_script": script_text(),
        "viewer_style": style_text(),
        "repeat": repeat_command(facts),
        "methods_text": methods_text(facts),
        "bibtex": bibtex(facts),
    }


def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("medfuse.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _pictures(result: StudyResult, voxel: tuple[int, int, int]) -> list[tuple[str, list[tuple[str, str]]]]:
    """For each plane: caption and picture of sources, fused, and the comparisons of the registration."""
    geometry = result.volumes[0].geometry
    colour = result.fused_colour
    shown = result.fused.array if colour is None else colour.array / 255
    count = len(result.volumes)
    rows = []
    for name, row in pictures(result, voxel):
        fused = (f"fused: {result.ran.title}", panel(plane(shown, geometry, name, voxel)))
        rows.append((name, [*row[:count], fused, *row[count:]]))
    return rows


def _legends(result: StudyResult) -> list[tuple[str, str]]:
    """Caption and colour bar of each volume that is shown by a colour map."""
    shown = zip(result.labels, result.volumes, result.windows, result.colour_maps, strict=True)
    return [
        (f"{label}: {name}", colour_bar(name, window.lower, window.upper, unit_of(volume)))
        for label, volume, window, name in shown
        if name != "none"
    ]


def _comparison(result: StudyResult, voxel: tuple[int, int, int]) -> list[tuple[str, str]]:
    geometry = result.volumes[0].geometry
    images = {result.ran.key: result.fused.array, **result.baselines}
    planes = {key: plane(array, geometry, "axial", voxel) for key, array in images.items()}
    return [(named(result, key), panel(one)) for key, one in planes.items()]


def _maps(result: StudyResult, voxel: tuple[int, int, int]) -> list[tuple[str, str]]:
    geometry = result.volumes[0].geometry
    pictures = []
    for name, array in result.fused.maps.items():
        if name.startswith("removed"):  # shown with the noise
            continue
        top = 1.0 if name.startswith("weight_") else max(float(np.percentile(array, 99.5)), 1e-6)
        caption = f"{name} (0 to {top:.2g} of the grey scale)"
        if name.startswith("weight_"):
            caption = f"share of {result.labels[int(name.removeprefix('weight_'))]} (0 to 1)"
        pictures.append((caption, panel(plane(array, geometry, "axial", voxel), "viridis", top)))
    return pictures


def _score_rows(scores: Mapping[str, Scores]) -> list[tuple[str, list[tuple[str, bool]]]]:
    """For each method: mean ± deviation over slices, and whether it is the best of its column."""
    keys = list(next(iter(scores.values())).per_slice)
    best = {key: _best(key, [one.whole[key] for one in scores.values()]) for key in keys}
    rows = []
    for method, found in scores.items():
        spread = found.spread
        cells = [(score_text(value, spread[key]), value == best[key]) for key, value in found.whole.items()]
        consistency = found.consistency.value if found.consistency else float("nan")
        rows.append((method, [*cells, (score_text(consistency), False)]))
    return rows


def _noise(result: StudyResult) -> dict[str, Any] | None:
    """What the page tells where noise was found: where, how much is left, and scores without it."""
    if result.noise is None:
        return None
    residual = result.noise.residual
    least = np.nanmin([one.noise for one in residual.values()])
    return {
        "found": list(zip(result.labels, result.noise.findings, strict=True)),
        "residual": {
            key: (score_text(one.noise), one.noise == least, score_text(one.contrast_to_noise))
            for key, one in residual.items()
        },
        "scores": _score_rows(result.noise.denoised),
    }


def score_text(value: float, spread: float | None = None) -> str:
    """A score for people: ``0.7123 ± 0.0312``, or ``n/a (why)``."""
    if np.isnan(value):
        return f"n/a ({getattr(value, 'reason', 'not computed')})"
    return f"{value:.4f}" if spread is None else f"{value:.4f} ± {spread:.4f}"


def _keys(result: StudyResult) -> list[str]:
    return list(result.scores[result.ran.key].per_slice)


def _best(key: str, values: list[float]) -> float | None:
    higher = METRICS[key].higher_is_better
    if higher is None or np.isnan(values).all():
        return None
    return float(np.nanmax(values) if higher else np.nanmin(values))


def _plots(result: StudyResult) -> list[tuple[str, str]]:
    if len(result.fused.array) < 2:
        return []
    return [
        (key, along_slices({m: scores.per_slice[key] for m, scores in result.scores.items()}, key))
        for key in _keys(result)
    ]


def _parameters(result: StudyResult) -> list[tuple[str, Any, str, bool]]:
    """Name, value, meaning, and whether it differs from the default."""
    known = parameters_of(METHODS[result.ran.key])
    return [
        (name, value, known[name].doc, value != known[name].default)
        for name, value in result.ran.parameters.items()
    ]
