"""One patient's story: read, register, resample, rescale, fuse, score."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import numpy as np

from .colour import combine_chroma, merge_colour, split_colour
from .errors import RegistrationError
from .fusion import METHODS, Fused, FusionMethod, check_sources
from .intensity import Window, choose_window, rescale, window_specs
from .io import ReadOptions, read_transform, read_volume, sha256_of
from .io.dicom import notes_on_patients, notes_on_writing
from .metrics import Scores, evaluate
from .progress import Progress, ignore, subrange
from .recipe import Recipe, Study
from .registration import Registration, register
from .resampling import resample
from .volume import Volume
from .weights import find_weights

__all__ = ["BASELINES", "StudyResult", "run_study"]

BASELINES = ("average", "maximum", "pca")
"""Methods whose scores stand beside the chosen one's, so that a reader sees what it adds."""


@dataclass(frozen=True, eq=False)
class StudyResult:
    """All that came out of one study, in memory; :func:`medfuse.write_result` makes a folder of it.

    Parameters
    ----------
    study, recipe:
        What was asked for.
    method:
        The configured method, after presets.
    volumes:
        The fixed volume and the registered moving ones on its grid, in their own units.
    windows:
        How each was mapped to [0, 1].
    registrations:
        One for each moving volume.
    sources:
        float32 (n, z, y, x) in [0, 1]: what the method saw.
    fused:
        The method's result.
    baselines:
        Key -> result of the other methods shown for comparison.
    scores:
        Key -> scores of the chosen method (first) and of the baselines.
    hashes:
        sha256 of each input, the fixed one first.
    timings:
        Seconds of each stage.
    notes:
        What had to be assumed or repaired.
    """

    study: Study
    recipe: Recipe
    method: FusionMethod
    volumes: tuple[Volume, ...]
    windows: tuple[Window, ...]
    registrations: tuple[Registration, ...]
    sources: np.ndarray
    fused: Fused
    baselines: Mapping[str, np.ndarray]
    scores: Mapping[str, Scores]
    hashes: tuple[str, ...]
    timings: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """What to call each volume: ``fixed CT``, ``moving MR``, ``moving 2 US``."""
        several = len(self.volumes) > 2
        moving = (
            f"moving {i} {volume.modality}" if several else f"moving {volume.modality}"
            for i, volume in enumerate(self.volumes[1:], start=1)
        )
        return (f"fixed {self.volumes[0].modality}", *moving)

    @property
    def fused_volume(self) -> Volume:
        """The fused volume in [0, 1] on the fixed volume's grid; its luma, if a source is coloured."""
        return Volume(self.fused.array, self.volumes[0].geometry, "OT")

    @property
    def fused_colour(self) -> Volume | None:
        """The fused volume (z, y, x, 3), 0 to 255, with the chroma of coloured sources; None without any.

        A source's chroma is scaled as its luma was; where it was not measured, it is grey.
        """
        chromas = [
            _chroma(volume, window)
            for volume, window in zip(self.volumes, self.windows, strict=True)
            if volume.is_colour
        ]
        if not chromas:
            return None
        colours = merge_colour(self.fused.array, combine_chroma(np.stack(chromas)))
        return self.fused_volume.with_array(np.rint(255 * colours))


def run_study(study: Study, recipe: Recipe | None = None, progress: Progress = ignore) -> StudyResult:
    """Read, register, fuse and score one study.  Nothing is written.

    Parameters
    ----------
    study:
        The files.
    recipe:
        What to do; None for the defaults.
    progress:
        Called with (fraction, message); raise :class:`medfuse.Cancelled` in it to stop.

    Raises
    ------
    MedfuseError
        One of its subclasses, with what to do about it.
    """
    recipe = recipe or Recipe()
    method = recipe.build_method()  # first, so that a typing error costs no reading
    for name in getattr(method, "required_weights", ()):
        find_weights(name)
    clock = _Clock()
    with clock("read"):
        volumes = _read(study, subrange(progress, 0.0, 0.05))
        hashes = tuple(sha256_of(path) for path in study.paths)
        specs = window_specs(recipe.windows, [volume.modality for volume in volumes])
        windows = tuple(choose_window(*pair) for pair in zip(volumes, specs, strict=True))
    with clock("register"):
        registrations = _register(volumes, study, recipe, subrange(progress, 0.05, 0.25))
    with clock("resample"):
        volumes = _onto_fixed(volumes, registrations)
        sources = np.stack([rescale(*pair).array for pair in zip(volumes, windows, strict=True)])
    with clock("fuse"):
        fused = method(check_sources(sources), subrange(progress, 0.25, 0.9))
        baselines = {key: METHODS[key]()(sources).array for key in BASELINES if key != recipe.method}
    with clock("score"):
        results = {recipe.method: fused.array, **baselines}
        scores = _score(sources, results, recipe.profile, subrange(progress, 0.9, 1.0))
    notes = [
        f"{label}: {note}"
        for label, volume in zip(_order(len(volumes)), volumes, strict=True)
        for note in volume.notes
    ]
    known = [volume.metadata for volume in volumes]
    notes += notes_on_patients(known)
    if recipe.dicom:
        notes += notes_on_writing(known, [one.transform.IsLinear() for one in registrations])
    return StudyResult(
        study, recipe, method, volumes, windows, registrations, sources, fused, baselines, scores,
        hashes, clock.seconds, tuple(notes),
    )  # fmt: skip


def _read(study: Study, progress: Progress) -> tuple[Volume, ...]:
    modalities = study.modalities or ("",) * len(study.paths)
    reading = study.reading or (ReadOptions(),) * len(study.paths)
    volumes = []
    for i, (path, modality, options) in enumerate(zip(study.paths, modalities, reading, strict=True)):
        progress(i / len(study.paths), f"reading the {_order(len(study.paths))[i]} volume")
        volumes.append(read_volume(path, modality=modality or None, **asdict(options)))
    return tuple(volumes)


def _register(
    volumes: tuple[Volume, ...], study: Study, recipe: Recipe, progress: Progress
) -> tuple[Registration, ...]:
    fixed, *moving = volumes
    starts = study.initial_transforms or (None,) * len(moving)
    registrations = []
    for i, (volume, start) in enumerate(zip(moving, starts, strict=True)):
        registration = register(
            fixed,
            volume,
            kind=recipe.registration,
            initial_transform=read_transform(start) if start else None,
            seed=recipe.seed,
            progress=subrange(progress, i / len(moving), (i + 1) / len(moving)),
        )
        if registration.verdict == "failed" and not recipe.accept_registration:
            raise RegistrationError(
                f"registration of the {_order(len(volumes))[i + 1]} volume failed: "
                f"{'; '.join(registration.reasons)}. Give --initial-transform, or look at it and go on "
                "with --accept-registration"
            )
        registrations.append(registration)
    return tuple(registrations)


def _onto_fixed(volumes: tuple[Volume, ...], registrations: tuple[Registration, ...]) -> tuple[Volume, ...]:
    fixed, *moving = volumes
    moved = (
        resample(volume, fixed, registration.transform)
        for volume, registration in zip(moving, registrations, strict=True)
    )
    return (fixed, *moved)


def _score(
    sources: np.ndarray, results: Mapping[str, np.ndarray], profile: str, progress: Progress
) -> dict[str, Scores]:
    scores = {}
    for i, (key, array) in enumerate(results.items()):
        part = subrange(progress, i / len(results), (i + 1) / len(results))
        scores[key] = evaluate(sources, array, profile, part)
    return scores


def _order(n: int) -> tuple[str, ...]:
    return ("fixed", "moving") if n == 2 else ("fixed", *(f"moving {i}" for i in range(1, n)))


def _chroma(volume: Volume, window: Window) -> np.ndarray:
    chroma = split_colour((volume.array - window.lower) / (window.upper - window.lower))[1]
    return chroma if volume.valid is None else np.where(volume.valid[..., None], chroma, 0.5)


class _Clock:
    """Seconds spent in named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)
