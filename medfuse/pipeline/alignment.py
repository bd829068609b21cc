"""The first half of a study: read, register, resample, rescale."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..errors import RegistrationError
from ..intensity import Window, choose_windows, colour_map_specs, rescale
from ..io import sha256_of_input
from ..io.dicom import can_be_stated, notes_on_patients, notes_on_writing
from ..io.files import existing
from ..noise import Assessment
from ..progress import Progress, shown, subrange
from ..recipe import Recipe
from ..registration import Registration, register
from ..resampling import check_memory, output_grid, resample
from ..sources import Sources
from ..study import Study
from ..volume import Geometry, Volume
from .noise import NoiseFound, noise_on_grid, without_noise
from .sizes import notes_on_sizes
from .starts import Start, choose_start
from .truth import hashes_of_truth, read_truth

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["Aligned", "Clock", "align", "sources_of"]

_RANK = {"ok": 0, "doubtful": 1, "failed": 2}
_BY_EDGES = (
    "of unknown modality: as its values did not lead to a pose, it was registered by its edges, as "
    "ultrasound is; say --modality"
)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Aligned:
    """The volumes of one study on one grid; :func:`medfuse.report.write_aligned` makes a folder of them.

    Parameters
    ----------
    study, recipe:
        What was asked for.
    volumes:
        The fixed volume and the registered moving ones on one grid, in their own units.
    windows:
        How each is mapped to [0, 1].
    registrations:
        One for each moving volume.
    starts:
        Where each search began.
    sources:
        The volumes by their windows, in [0, 1], with the masks of what was measured.
    removed:
        What noise each volume had on its own grid and whether it was removed; empty if not asked for.
    known_noise:
        What noise each source has, known from its volume's own grid; empty where it was to be removed there:
        what is left is not known.
    hashes:
        sha256 of each input, the fixed one first; see :func:`medfuse.io.sha256_of_input`.
    truth:
        The volumes without their noise on the same grid, by the same windows; None where that is not known.
    truth_hashes:
        sha256 of the truth of each volume, "" for one that has none; empty where none has.
    timings:
        Seconds of each stage.
    notes:
        What had to be assumed or repaired.
    """

    study: Study
    recipe: Recipe
    volumes: tuple[Volume, ...]
    windows: tuple[Window, ...]
    registrations: tuple[Registration, ...]
    starts: tuple[Start, ...]
    sources: Sources
    hashes: tuple[str, ...]
    removed: tuple[NoiseFound, ...] = ()
    known_noise: tuple[Assessment, ...] = ()
    truth: Sources | None = None
    truth_hashes: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """One line for people; values are no part of it."""
        verdicts = ", ".join(one.verdict for one in self.registrations)
        grid = self.volumes[0].geometry.describe()
        return f"<{type(self).__name__} {' + '.join(self.labels)} on {grid}; registration {verdicts}>"

    @property
    def labels(self) -> tuple[str, ...]:
        """What to call each volume: ``fixed CT``, ``moving MR``, ``moving 2 US``, or by its own label.

        One whose modality is not known is just ``moving``.
        """
        known = ("" if one.modality == "OT" else one.modality for one in self.volumes)
        labels = (one.label or modality for one, modality in zip(self.study.volumes, known, strict=True))
        pairs = zip(_order(len(self.volumes)), labels, strict=True)
        return tuple(f"{name} {label}".rstrip() for name, label in pairs)

    @property
    def summary(self) -> tuple[str, ...]:
        """Lines for the terminal: the verdict on each registration."""
        pairs = zip(self.labels[1:], self.registrations, strict=True)
        return tuple(f"registration of {label}: {one.verdict}" for label, one in pairs)


def align(study: Study, recipe: Recipe, progress: Progress | None = None) -> Aligned:
    """Read and register the volumes of one study and bring them onto one grid.  Nothing is written.

    Every volume is interpolated at most once, by the whole transform from the fixed volume to it.

    Parameters
    ----------
    study:
        The files.
    recipe:
        What to do; its method and metrics do not matter here.
    progress:
        Called with (fraction, message); raise :class:`medfuse.Cancelled` in it to stop.  None: a bar, where
        stderr is a terminal.

    Raises
    ------
    MedfuseError
        One of its subclasses, with what to do about it.
    """
    with shown(progress) as report:
        return _align(study, recipe, report)


def _align(study: Study, recipe: Recipe, progress: Progress) -> Aligned:
    for path in study.start_files:
        existing(path)
    clock = Clock()
    with clock("read"):
        read = _read(study, subrange(progress, 0.0, 0.2))
        hashes = tuple(sha256_of_input(path) for path in study.paths)
        without = read_truth(study, read)
        windows = choose_windows(read, recipe.windows)
        colour_map_specs(recipe.colour_maps, [one.modality for one in read])  # refused before the search
        _grid(recipe, read, [None] * len(study.moving))  # too large a grid is refused before the search
    cleaned: tuple[Volume, ...] = read
    removed: tuple[NoiseFound, ...] = ()
    if recipe.denoise != "none":
        with clock("denoise"):
            part = subrange(progress, 0.2, 0.5)
            cleaned, removed = without_noise(read, windows, recipe.denoise, recipe.noise, part)
    with clock("register"):
        fixed, *moving = zip(study.volumes, read, strict=True)
        starts = tuple(choose_start(recipe, fixed, one) for one in moving)
        registrations = _register(read, starts, recipe, subrange(progress, 0.5 if removed else 0.2, 0.9))
    with clock("resample"):
        grid = _grid(recipe, read, [one.transform for one in registrations])
        volumes = _onto(grid, read, registrations, recipe.interpolation)
        seen = volumes if cleaned is read else _onto(grid, cleaned, registrations, recipe.interpolation)
        sources = sources_of(seen, windows)
        truth = None
        if without is not None:
            clean = _onto(grid, without, registrations, recipe.interpolation)
            truth = Sources(sources_of(clean, windows).array, sources.valid)
    noise: tuple[Assessment, ...] = ()
    if recipe.denoise == "none":
        with clock("noise"):
            transforms = (None, *(one.transform for one in registrations))
            noise = _noise(read, windows, volumes, transforms, recipe, subrange(progress, 0.9, 1.0))
    progress(1.0, "aligned")
    return Aligned(
        study=study, recipe=recipe, volumes=volumes, windows=windows, registrations=registrations,
        starts=starts, sources=sources, hashes=hashes, timings=clock.seconds,
        notes=(
            *_notes(volumes, starts, registrations, recipe),
            *notes_on_sizes(_order(len(read)), [one.geometry for one in read]),
            *_notes_on_grid(recipe, read[0], grid),
            *(one.note(name, recipe.denoise) for name, one in zip(_order(len(read)), removed, strict=False)),
        ),
        removed=removed,
        known_noise=noise,
        truth=truth,
        truth_hashes=hashes_of_truth(study),
    )  # fmt: skip


def sources_of(volumes: Sequence[Volume], windows: Sequence[Window]) -> Sources:
    """Volumes on one grid in [0, 1] by their windows, with the masks of what was measured."""
    rescaled = [rescale(*pair) for pair in zip(volumes, windows, strict=True)]
    return Sources.of([one.array for one in rescaled], [one.valid for one in rescaled])


def _read(study: Study, progress: Progress) -> tuple[Volume, ...]:
    names = _order(len(study.volumes))
    volumes = []
    for i, (name, one) in enumerate(zip(names, study.volumes, strict=True)):
        progress(i / len(names), f"reading the {name} volume")
        volumes.append(one.read())
    return tuple(volumes)


def _register(
    volumes: Sequence[Volume], starts: Sequence[Start], recipe: Recipe, progress: Progress
) -> tuple[Registration, ...]:
    fixed, *moving = volumes
    registrations = []
    for i, (volume, start) in enumerate(zip(moving, starts, strict=True)):
        part = subrange(progress, i / len(moving), (i + 1) / len(moving))
        found = _search(fixed, volume, start, recipe, part)
        if found.verdict == "failed" and not recipe.accept_registration:
            raise RegistrationError(
                f"registration of the {_order(len(volumes))[i + 1]} volume failed: "
                f"{'; '.join(found.reasons)}. {_remedies((fixed, volume), start)}"
            )
        registrations.append(found)
    return tuple(registrations)


def _remedies(pair: tuple[Volume, Volume], start: Start) -> str:
    """What helps a search that failed."""
    unknown = "Say what the volumes are with --modality (ultrasound is searched for by its edges). "
    hint = unknown if any(one.modality == "OT" for one in pair) else ""
    if start.transform is None:
        ways = (
            "Give --initial-transform, --landmarks or --registration-start header (where the headers place "
            "them roughly right)"
        )
    else:
        ways = "Apply the transform that was given as it stands with --no-registration, give a better one"
    return f"{hint}{ways}, or look at it and go on with --accept-registration"


def _search(fixed: Volume, moving: Volume, start: Start, recipe: Recipe, progress: Progress) -> Registration:
    """Register from ``start``.

    Where only a header said so and is not confirmed, search everywhere too.  From a transform that was given,
    a volume of unknown modality may be ultrasound: where its values fail, its edges are tried.
    """

    def found_from(where: str, part: Progress, preset: str = recipe.registration_preset) -> Registration:
        return register(
            fixed,
            moving,
            kind=recipe.registration,
            preset=preset,
            start=where,
            initial_transform=start.transform,
            seed=recipe.seed,
            progress=part,
        )

    by_edges = _preset_by_edges(fixed, moving, start, recipe)
    ends_early = start.may_search or by_edges
    near = found_from(start.start, subrange(progress, 0.0, 0.5 if ends_early else 1.0))
    if by_edges and near.verdict == "failed":
        found = found_from(start.start, subrange(progress, 0.5, 1.0), by_edges)
        return near if found.verdict == "failed" else replace(found, notes=(*found.notes, _BY_EDGES))
    if not start.may_search or near.verdict in ("ok", "given"):
        return near
    far = found_from("search", subrange(progress, 0.5, 1.0))
    return far if _RANK[far.verdict] < _RANK[near.verdict] else near


def _preset_by_edges(fixed: Volume, moving: Volume, start: Start, recipe: Recipe) -> str:
    """The preset for the pair if one of them were ultrasound, where that may be; else ""."""
    modalities = {fixed.modality, moving.modality}
    asked = recipe.registration == "rigid" and recipe.registration_preset == "auto"
    if start.transform is None or not asked or "OT" not in modalities:
        return ""
    return "ct-us" if "CT" in modalities else "mr-us"


def _grid(recipe: Recipe, volumes: Sequence[Volume], transforms: Sequence[object]) -> Geometry:
    fixed, *moving = [volume.geometry for volume in volumes]
    grid = output_grid(recipe.grid, fixed, list(zip(moving, transforms, strict=True)))
    if grid is not fixed:
        check_memory(grid, len(volumes))
    return grid


def _onto(
    grid: Geometry, volumes: Sequence[Volume], registrations: Sequence[Registration], interpolation: str
) -> tuple[Volume, ...]:
    fixed, *moving = volumes
    moved = (
        resample(volume, grid, registration.transform, interpolation=interpolation)
        for volume, registration in zip(moving, registrations, strict=True)
    )
    own = fixed if grid is fixed.geometry else resample(fixed, grid, interpolation=interpolation)
    return (own, *moved)


def _noise(
    volumes: Sequence[Volume],
    windows: Sequence[Window],
    moved: Sequence[Volume],
    transforms: Sequence[SimpleITK.Transform | None],
    recipe: Recipe,
    progress: Progress,
) -> tuple[Assessment, ...]:
    found = []
    for i, one in enumerate(zip(volumes, windows, moved, transforms, strict=True)):
        progress(i / len(volumes), f"looking for noise in the {_order(len(volumes))[i]} volume")
        found.append(noise_on_grid(*one, recipe))
    return tuple(found)


def _notes(
    volumes: Sequence[Volume],
    starts: Sequence[Start],
    registrations: Sequence[Registration],
    recipe: Recipe,
) -> list[str]:
    order = _order(len(volumes))
    notes = [f"{name}: {note}" for name, volume in zip(order, volumes, strict=True) for note in volume.notes]
    for name, start, found in zip(order[1:], starts, registrations, strict=True):
        notes += [f"{name}: {note}" for note in (*start.notes, *found.notes)]
        if start.may_search and found.start == "search":
            notes.append(f"{name}: the headers' pose was not confirmed, so that many poses were tried")
    known = [volume.metadata for volume in volumes]
    notes += notes_on_patients(known)
    if recipe.dicom:
        notes += notes_on_writing(known, [can_be_stated(one.transform) for one in registrations])
    return notes


def _notes_on_grid(recipe: Recipe, fixed: Volume, grid: Geometry) -> list[str]:
    if grid is fixed.geometry:
        return []
    return [
        f"grid {recipe.grid}: all volumes, the fixed one too, were resampled onto {grid.describe()} "
        f"({recipe.interpolation}); the fixed volume's own grid is {fixed.geometry.describe()}"
    ]


def _order(n: int) -> tuple[str, ...]:
    return ("fixed", "moving") if n == 2 else ("fixed", *(f"moving {i}" for i in range(1, n)))


class Clock:
    """Seconds spent in named stages, after those that ``before`` holds."""

    def __init__(self, before: Mapping[str, float] | None = None) -> None:
        self.seconds: dict[str, float] = dict(before or {})

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a block."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)
