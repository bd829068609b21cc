"""The result as DICOM: the fused series, and for each moving volume a Spatial Registration object.

::

    dicom/fused/0001.dcm …            the fused volume as a derived MR series of the fixed volume's study
    dicom/registration_moving_1.dcm   where the moving series lies in the fixed one's frame of reference;
                                      a Deformable Spatial Registration object where its transform bends
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..io.dicom import (
    Source,
    deformation_of,
    has_frame_of_reference,
    write_deformation,
    write_registration,
    write_series,
)
from ..pipeline import Aligned, StudyResult
from ..transforms import matrix_of, transform_points
from ..version import __version__
from ..volume import Volume
from .provenance import digest

__all__ = ["write_dicom", "write_registrations"]


def write_dicom(result: StudyResult, folder: Path) -> None:
    """Write the fused volume and the registrations of a study into a new folder.

    A registration object refers to two frames of reference and is written where both volumes are from
    DICOM and the transform is linear, or a displacement field before a linear one;
    :func:`medfuse.run_study` notes where it cannot be.
    """
    folder.mkdir()
    fixed, *moving = result.volumes
    sources = [
        Source(volume.metadata, partial(transform_points, one.transform))
        for volume, one in zip(moving, result.registrations, strict=True)
    ]
    write_series(
        Volume(result.fused.array, fixed.geometry, metadata=fixed.metadata),
        folder / "fused",
        sources=[Source(fixed.metadata), *sources],
        description=_description(result),
        derivation=_derivation(result),
    )
    write_registrations(result, folder)


def write_registrations(aligned: Aligned, folder: Path) -> None:
    """Write the Spatial Registration objects of a study, as far as DICOM can say them, into ``folder``."""
    fixed, *moving = aligned.volumes
    for i, (volume, one) in enumerate(zip(moving, aligned.registrations, strict=True), start=1):
        known = (fixed.metadata, volume.metadata)
        if not all(map(has_frame_of_reference, known)):
            continue
        path = folder / f"registration_moving_{i}.dcm"
        words = f"medfuse, moving {i}, {one.verdict}"
        if one.transform.IsLinear():
            write_registration(path, *known, matrix_of(one.transform), words)
        elif (deformation := deformation_of(one.transform)) is not None:
            write_deformation(path, *known, deformation, words)


def _description(result: StudyResult) -> str:
    modalities = "+".join(dict.fromkeys(volume.modality for volume in result.volumes))
    return f"fused {modalities} ({result.ran.key}), not for diagnosis"


def _derivation(result: StudyResult) -> str:
    transforms = "; ".join(
        f"transform of {label}: sha256 {digest(one.transform)}"
        for label, one in zip(result.labels[1:], result.registrations, strict=True)
    )
    return (
        f"Fused from {', '.join(result.labels)} by medfuse {__version__}, method {result.ran.title}; "
        f"{transforms}. For research use, not for diagnosis."
    )
