"""The folder that a study leaves behind: volumes, transforms, scores, provenance, and a page to read.

::

    fused.nii.gz         the fused volume, float32 in [0, 1], on the fixed volume's grid
    fused_colour.nii.gz  the same with the chroma of coloured sources, 8-bit RGB; only if there are any
    registered/          fixed and moving volumes on that grid, in their own units, for measuring; beside one
                         that was not measured everywhere fixed_mask.nii.gz, …: 1 where it was, else 0
    transforms/          ITK transforms (fixed to moving points, LPS) that SimpleITK and 3D Slicer read
    maps/                what the method tells about itself: shares, uncertainty, what was taken out
    dicom/               the fused series and the registrations as DICOM; only if asked for
    metrics.csv          scores of the method and the baselines, per slice and whole
    metrics_denoised.csv the same against the denoised sources; only where noise was found in them
    truth.png            the result and its rivals beside the truth; only where that was given
    recipe.toml          what was done, ready to be used again
    provenance.json      recipe, versions, device, seeds, sha256 of the inputs, timings, warnings
    report.html          self-contained page

:func:`write_aligned` leaves the part of it that comes before fusion: ``registered/``, ``transforms/``,
``dicom/``, ``recipe.toml``, ``provenance.json`` and ``report.html``.  Deformable transforms are ``.h5``.
The folder appears whole or not at all: it is written under a temporary name beside its place and
renamed at the end.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..io import write_transform, write_volume
from ..io.records import write_text
from ..pipeline import Aligned, StudyResult
from ..resampling import whole_colours
from ..volume import Volume
from . import names
from .dicom import write_dicom, write_registrations
from .folder import check_output, staged
from .html import render, render_aligned
from .provenance import aligned_facts, provenance, write_json
from .tables import write_metrics
from .truth import truth_picture

__all__ = ["check_output", "write_aligned", "write_result"]


def write_result(result: StudyResult, folder: Path, overwrite: bool = False) -> Path:
    """Write the folder of one study and return the path of its report.

    Parameters
    ----------
    result:
        From :func:`medfuse.run_study`.
    folder:
        Does not exist yet, or is empty; its parent exists.
    overwrite:
        Replace an earlier result.  A folder that holds anything else is never touched.

    Raises
    ------
    WriteError
        If the folder is in use or cannot be written.
    """
    folder = Path(folder)
    with staged(folder, overwrite) as stage:
        _write_registered(result, stage)
        _write_fused(result, stage)
        if result.recipe.dicom:
            write_dicom(result, stage / names.DICOM)
        write_metrics(result.scores, result.sources, stage / names.METRICS)
        if result.noise is not None:
            write_metrics(result.noise.denoised, result.sources, stage / names.METRICS_DENOISED)
        if result.beside_truth is not None:
            (stage / names.TRUTH).write_bytes(truth_picture(result, result.beside_truth))
        result.recipe.write(stage / names.RECIPE)
        facts = provenance(result)
        write_json(facts, stage / names.PROVENANCE)
        write_text(stage / names.REPORT, render(result, facts))
    return folder / names.REPORT


def write_aligned(aligned: Aligned, folder: Path, overwrite: bool = False) -> Path:
    """Write the folder of a registration alone and return the path of its report.

    Parameters and errors are those of :func:`write_result`, ``aligned`` being from
    :func:`medfuse.pipeline.align`.
    """
    folder = Path(folder)
    with staged(folder, overwrite) as stage:
        _write_registered(aligned, stage)
        if aligned.recipe.dicom:
            (stage / names.DICOM).mkdir()
            write_registrations(aligned, stage / names.DICOM)
        aligned.recipe.write(stage / names.RECIPE)
        facts = aligned_facts(aligned)
        write_json(facts, stage / names.PROVENANCE)
        write_text(stage / names.REPORT, render_aligned(aligned, facts))
    return folder / names.REPORT


def _write_registered(aligned: Aligned, stage: Path) -> None:
    registered, transforms = stage / names.REGISTERED, stage / names.TRANSFORMS
    registered.mkdir()
    transforms.mkdir()
    called = names.volume_names(len(aligned.volumes))
    for name, volume in zip(called, aligned.volumes, strict=True):
        write_volume(whole_colours(volume), registered / f"{name}.nii.gz")
        if volume.valid is not None:
            mask = Volume(np.asarray(volume.valid, np.float32), volume.geometry)
            write_volume(mask, registered / f"{names.mask_name(name)}.nii.gz", integers=True)
    for name, registration in zip(called[1:], aligned.registrations, strict=True):
        suffix = ".tfm" if registration.transform.IsLinear() else ".h5"  # as text, a field takes minutes
        write_transform(registration.transform, transforms / f"{name}{suffix}")


def _write_fused(result: StudyResult, stage: Path) -> None:
    maps = stage / names.MAPS
    maps.mkdir()
    write_volume(result.fused_volume, stage / names.FUSED)
    if result.fused_colour is not None:
        write_volume(result.fused_colour, stage / names.FUSED_COLOUR)
    for name, array in result.fused.maps.items():
        write_volume(Volume(array, result.fused_volume.geometry), maps / f"{name}.nii.gz")
