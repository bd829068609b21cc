"""Fusion where not every source measured every voxel.  The one place where masks and methods meet.

A method sees whole images, and each voxel of the result shows the sources that were measured there:

- none: 0;
- one: that source, as it is;
- several: what the method makes of these.  Where only some of three or more were measured, the method runs
  once more on those, for the slices that hold such voxels.

A source alone is not shown by the exposure of the result beside it (:mod:`.exposure`): that curve is made for
several sources that are bright together, and would dim by 1/√2 what continues two equal ones.  At the end of
a slab of CT in a T1 of the generated head, soft tissue steps by 0.01 to 0.02 of the grey scale beside what T1
does itself, and by 0.02 to 0.03 if the curve were applied; the fat beside bone steps by 0.28 either way,
because the gains of its patches are those of the bone.

A source that ends within a slice is continued by its mirror image (:attr:`medfuse.Sources.whole`), so that
gains and filters see no edge where a field of view ends.  Slices are not cropped to the common field: where
a pyramid halves its levels, and what lies beside a patch, would change (``benchmarks/masks.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ParameterError
from ..noise import NoiseModel, estimate_noise
from ..progress import Progress, subrange
from ..sources import Sources, Stack
from .types import Fused, FusionMethod, fuse_knowing

__all__ = ["fuse_measured"]

Mask = npt.NDArray[np.bool_]
_OF_A_SOURCE = re.compile(r"(.*(?:weight|removed)_)(\d+)")  # maps that tell of one source
_BLUR = 1.5  # pixels within a slice: the brightness that a noise model is read at


class _Field(NamedTuple):
    """Where just these sources were measured, bool (z, y, x)."""

    members: tuple[int, ...]
    where: Mask

    @property
    def slices(self) -> npt.NDArray[np.intp]:
        """The numbers of the slices that hold some of it."""
        return np.flatnonzero(self.where.any(axis=(1, 2)))

    def put(self, values: np.ndarray, into: np.ndarray) -> None:
        """Write its voxels of ``values``, which are its slices, into a whole volume."""
        into[self.where] = values[self.where[self.slices]]


class _Run(NamedTuple):
    """What the method made of a field."""

    field: _Field
    fused: Fused


def fuse_measured(
    method: FusionMethod,
    sources: Sources,
    progress: Progress,
    noise: Sequence[NoiseModel] | None = None,
) -> Fused:
    """Fuse ``sources`` with ``method``, at each voxel those that were measured; see above.

    The ``noise`` of each source, where it is known, is told to methods that look at it.

    Returns
    -------
    Fused
        Weights add to 1 where a source was measured, and are 0 elsewhere.  Where one source passes through,
        ``uncertainty`` is the standard deviation of its noise, as estimated, and other maps are 0.
        The method's facts are those of the slices ``fused_slices``, if not of all; those of further runs on
        some of the sources stand in ``further_runs``.

    Raises
    ------
    ParameterError
        If no voxel was measured by two sources.
    """
    if sources.valid is None:
        return fuse_knowing(method, sources.array, noise, progress)
    fields = _fields(sources.valid)
    together = [field for field in fields if len(field.members) > 1]
    if not together:
        raise ParameterError(
            "no voxel was measured by two sources: there is nothing to fuse; check where the volumes lie"
        )
    runs = list(_runs(method, sources.whole, together, noise, progress))
    array = np.zeros(sources.array.shape[1:], np.float32)
    maps = {name: np.zeros_like(array) for run in runs for name in run.fused.maps}
    for field, fused in runs:
        field.put(fused.array, array)
        for name, values in fused.maps.items():
            field.put(values, maps[name])
    for field in fields:
        if len(field.members) == 1:
            _pass_through(sources.whole, field, noise, array, maps)
    return Fused(array, maps, _facts(runs, len(array)))


def _fields(valid: Mask) -> list[_Field]:
    """The groups of sources that were measured together, the largest first."""
    codes = np.zeros(valid.shape[1:], np.min_scalar_type(2 ** len(valid) - 1))  # one bit for each source
    for i, mask in enumerate(valid):
        codes |= mask.astype(codes.dtype) << i
    found = set().union(*(np.unique(one).tolist() for one in codes)) - {0}
    groups = [_Field(tuple(i for i in range(len(valid)) if code >> i & 1), codes == code) for code in found]
    return sorted(groups, key=lambda field: (-len(field.members), field.members))


def _runs(
    method: FusionMethod,
    whole: Stack,
    fields: list[_Field],
    noise: Sequence[NoiseModel] | None,
    progress: Progress,
) -> Iterator[_Run]:
    """The method's results, one field after the other; maps bear the numbers of all sources."""
    work = np.cumsum([0, *(field.slices.size for field in fields)])
    for field, start, stop in zip(fields, work / work[-1], work[1:] / work[-1], strict=False):
        members = list(field.members)
        stack = whole[members][:, field.slices]
        known = None if noise is None else [noise[i] for i in members]
        fused = fuse_knowing(method, stack, known, subrange(progress, float(start), float(stop)))
        yield _Run(field, Fused(fused.array, _numbered(fused.maps, members, len(whole)), fused.info))


def _numbered(maps: Mapping[str, Stack], members: list[int], count: int) -> dict[str, Stack]:
    """Maps of some sources by their numbers among all ``count``; of one that is not among them 0."""
    named = {}
    for name, values in maps.items():
        prefix, number = _source_of(name)
        if number is None:
            named[name] = values
            continue
        for other in set(range(count)) - set(members):
            named[f"{prefix}{other}"] = np.zeros_like(values)
        named[f"{prefix}{members[number]}"] = values
    return named


def _source_of(name: str) -> tuple[str, int | None]:
    """``weight_1`` as its prefix and the number of the source that it tells of; None for other maps."""
    found = _OF_A_SOURCE.fullmatch(name)
    return (found[1], int(found[2])) if found else (name, None)


def _pass_through(
    whole: Stack,
    field: _Field,
    noise: Sequence[NoiseModel] | None,
    fused: np.ndarray,
    maps: Mapping[str, np.ndarray],
) -> None:
    """Write one source, its full share and its noise where it alone was measured."""
    (number,) = field.members
    fused[field.where] = whole[number][field.where]
    for name, values in maps.items():
        if "weight_" in name and _source_of(name)[1] == number:
            values[field.where] = 1
        if name == "uncertainty":
            source = whole[number][field.slices]
            field.put(_deviation(source, noise[number] if noise else estimate_noise(source)), values)


def _deviation(source: np.ndarray, model: NoiseModel) -> np.ndarray:
    """Standard deviation (z, y, x) of the noise of a source, by its brightness nearby."""
    from scipy.ndimage import gaussian_filter  # here, for the command line loads this module

    return model.deviation(gaussian_filter(source, (0, _BLUR, _BLUR)))


def _facts(runs: list[_Run], depth: int) -> dict[str, Any]:
    """Facts of the run on the most sources, and what the others tell."""
    first, *others = [{**run.fused.info, **_slices(run.field, depth)} for run in runs]
    notes = dict.fromkeys(note for facts in (first, *others) for note in facts.pop("notes", ()))
    further = [
        {"sources": list(run.field.members), **facts} for run, facts in zip(runs[1:], others, strict=True)
    ]
    return {**first, "notes": list(notes), **({"further_runs": further} if further else {})}


def _slices(field: _Field, depth: int) -> dict[str, list[int]]:
    slices = field.slices.tolist()
    return {} if len(slices) == depth else {"fused_slices": slices}
