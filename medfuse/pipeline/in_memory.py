"""Fusion and scores of what is in memory already, with the defaults of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from ..errors import GeometryError, ParameterError
from ..fusion import METHODS, Fused, FusionMethod, make_method, suited
from ..fusion import fuse as fuse_stack
from ..intensity import luma, rescale
from ..metrics import Scores
from ..metrics import evaluate as evaluate_stack
from ..progress import Progress, ignore, shown
from ..recipe import Recipe
from ..sources import Sources
from ..volume import Volume

__all__ = ["evaluate", "fuse"]

Given: TypeAlias = Sources | np.ndarray | Sequence[np.ndarray] | Sequence[Volume]


def fuse(
    sources: Given,
    method: str | FusionMethod = Recipe.method,
    preset: str = Recipe.preset,
    *,
    parameters: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Fused:
    """Fuse volumes or images of one patient that lie on one grid.

    Parameters
    ----------
    sources:
        Two or more :class:`medfuse.Volume` on one grid, each mapped to [0, 1] by
        :func:`medfuse.rescale` unless all its values lie there, as they do after it; or a stack
        (n, z, y, x), a list of arrays (z, y, x) or (y, x), or :class:`medfuse.Sources`, all in [0, 1].
    method:
        A key of :data:`medfuse.METHODS`, or a configured method such as ``PatchPCA(patch=5)``.
    preset:
        Of a method given by its key; "auto" for the one that suits the device.
    parameters:
        Name -> value of those that differ from the preset; ``medfuse methods show KEY`` lists them.
    progress:
        Called with (fraction, message); raise :class:`medfuse.Cancelled` in it to stop.  None: a bar, where
        stderr is a terminal.

    Returns
    -------
    Fused
        ``volume.with_array(fused.array)`` is the fused volume.

    Raises
    ------
    GeometryError
        If volumes lie on different grids.
    ParameterError
        If there are fewer than two sources, or they are none of these; if ``preset`` or ``parameters`` are
        given beside a method that is configured already.
    UnknownNameError
        For a method, preset or parameter that does not exist.
    """
    chosen = _method(method, preset, parameters or {})
    stack = _sources(sources)
    chosen, notes = suited(chosen, _modalities(sources)) if _modalities(sources) else (chosen, ())
    with shown(progress) as report:
        fused = fuse_stack(stack, chosen, report)
    if not notes:
        return fused
    return replace(fused, info={**fused.info, "notes": [*notes, *fused.info.get("notes", ())]})


def evaluate(
    sources: Given,
    fused: np.ndarray | Fused | Volume,
    metrics: Iterable[str] | str | None = None,
    progress: Progress = ignore,
) -> Scores:
    """Score a fused volume against its sources, which are what :func:`medfuse.fuse` takes.

    The other parameters and the errors are those of :func:`medfuse.metrics.evaluate`.
    """
    stack = sources if isinstance(sources, np.ndarray) else _sources(sources)
    return evaluate_stack(stack, fused, metrics, progress)


def _method(method: str | FusionMethod, preset: str, parameters: Mapping[str, Any]) -> FusionMethod:
    if isinstance(method, str):
        return make_method(METHODS[METHODS.key_of(method)], parameters, preset)
    if isinstance(method, type) or not callable(method):
        raise ParameterError(f"method {method!r}: expected a key such as 'pca', or a configured method")
    if preset != Recipe.preset or parameters:
        raise ParameterError(
            f"a preset or parameters beside {type(method).__name__}, which is configured already: give them "
            "to it, or name the method by its key"
        )
    return method


def _modalities(given: Given) -> list[str]:
    """Those of volumes; nothing of arrays, of which none is known."""
    if isinstance(given, (Sources, np.ndarray)):
        return []
    return [one.modality for one in given if isinstance(one, Volume)]


def _sources(given: object) -> Sources:
    if isinstance(given, Sources):
        return given
    if isinstance(given, np.ndarray):
        return Sources(given)
    if isinstance(given, (str, os.PathLike)) or not isinstance(given, Iterable):
        raise ParameterError(f"sources of type {type(given).__name__}: {_EXPECTED}")
    several = list(given)
    if several and all(isinstance(one, Volume) for one in several):
        return _of_volumes(several)
    if several and all(isinstance(one, np.ndarray) for one in several):
        return _of_arrays(several)
    kinds = ", ".join(sorted({type(one).__name__ for one in several})) or "nothing"
    raise ParameterError(f"sources that hold {kinds}: {_EXPECTED}")


_EXPECTED = (
    "expected two or more Volumes on one grid, or arrays in [0, 1]; read_volume reads files, or fuse them by "
    "run_study(Study(fixed, moving))"
)


def _of_volumes(volumes: Sequence[Volume]) -> Sources:
    first = volumes[0].geometry
    for i, volume in enumerate(volumes[1:], start=2):
        if not volume.geometry.matches(first):
            raise GeometryError(
                f"volume {i} lies on {volume.geometry.describe()}, the first on {first.describe()}: register "
                "it and bring it there by resample(volume, first, registration.transform)"
            )
    scaled = [_rescaled(volume) for volume in volumes]
    return Sources.of([one.array for one in scaled], [one.valid for one in scaled])


def _rescaled(volume: Volume) -> Volume:
    values = volume.measured()
    return luma(volume) if values.min() >= 0 and values.max() <= 1 else rescale(volume)


def _of_arrays(arrays: Sequence[np.ndarray]) -> Sources:
    shapes = sorted({one.shape for one in arrays})
    if len(shapes) > 1:
        raise ParameterError(f"arrays of shapes {', '.join(map(str, shapes))}: all must be of one shape")
    stack = np.stack(arrays)
    return Sources(stack[:, np.newaxis] if stack.ndim == 3 else stack)
