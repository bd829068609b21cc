"""Which reader and writer a path belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..colour import luma_of
from ..errors import ParameterError, ReadError, WriteError
from ..volume import MODALITIES, Volume
from .archive import is_zip, unpacked
from .files import check_finite, check_replaceable, existing, reading
from .formats import VOLUMES, Format, converter_of, format_of, format_of_file, is_picture, pictures
from .options import ReadOptions
from .undeclared_padding import mark_extremes, mark_not_finite

__all__ = ["check_target", "read_volume", "write_volume"]

_PART = 1 << 20
_AIR_HU = -500  # CT has values as low as air's -1000; so may an MR phase image, hence the note


def read_volume(
    path: str | Path,
    *,
    modality: str | None = None,
    series: str | None = None,
    volume: int | None = None,
    allow_uneven: bool = False,
    spacing: Sequence[float] | None = None,
    suv: bool = False,
    to_grey: bool = False,
) -> Volume:
    """Read a volume with its place in the patient.

    Parameters
    ----------
    path:
        A ``.nii``, ``.nii.gz``, ``.nrrd``, ``.nhdr``, ``.mha`` or ``.mhd`` file; a folder or ``.zip``
        with a DICOM series of CT, MR or PET slices or ultrasound, one file of such a series, or a
        DICOMDIR; or a 2-D image, which becomes a volume of one slice.
    modality:
        One of :data:`medfuse.volume.MODALITIES`; overrules what the file says.  Without it, and
        where the file does not say, CT is taken if whole numbers reach down to the HU of air, else
        OT; a note says so.
    series, volume, allow_uneven, spacing, suv, to_grey:
        See :class:`medfuse.io.ReadOptions`.

    Returns
    -------
    Volume
        float32 in the units of the file; ``notes`` say what had to be assumed or repaired.

    Raises
    ------
    ReadError
        If there is nothing to read, or it is damaged, ambiguous or no volume (:class:`SeriesError`
        for a DICOM series that is ambiguous, incomplete or inconsistent).
    ParameterError
        If ``modality`` is unknown, or an option is given that the kind of file does not have.
    """
    path = existing(path)
    if modality is not None and modality not in MODALITIES:
        raise ParameterError(f"modality {modality!r}: expected one of {', '.join(MODALITIES)}")
    given = tuple(spacing) if spacing is not None else None
    options = ReadOptions(series, volume, allow_uneven, given, suv, to_grey)
    with reading(path):
        found = mark_not_finite(_read(path, options))
        check_finite(path, found.array)
    if to_grey and found.is_colour:
        found = found.with_array(luma_of(found.array)).with_notes("in colour: its luma was taken")
    if modality is not None:
        found = replace(found, modality=modality)
        if suv and modality == "PT" and "Units" not in found.metadata:
            raise ParameterError(
                f"{path}: no SUV: only DICOM says what is needed for it; read it without --suv"
            )
        return mark_extremes(found)
    found = mark_extremes(found)  # or −32768 would be taken for the HU of air
    return found if "Modality" in found.metadata else mark_extremes(_with_guessed_modality(found))


def _read(path: Path, options: ReadOptions) -> Volume:
    known = None if path.is_dir() else format_of_file(path)
    if known is not None:
        options.refuse(path, f"a {known[1].name} file", "series", "spacing")
        result: Volume = known[1].function("read")(path, options.volume)
        return result
    if path.is_file() and is_picture(path):
        return pictures.read(path, options)
    from . import dicom

    if is_zip(path):
        with unpacked(path) as folder:
            return dicom.read(folder, options)
    if path.is_file() and not dicom.looks_like_dicom(path):
        if converter := converter_of(path):
            raise ReadError(f"{path}: {converter} and read the NIfTI file")
        raise ReadError(
            f"{path}: not a volume format that is known; expected {', '.join(VOLUMES)}, "
            "or a DICOM file or folder"
        )
    return dicom.read(path, options)


def _with_guessed_modality(volume: Volume) -> Volume:
    values = volume.measured()
    lowest = float(values.min())
    if lowest <= _AIR_HU and _are_whole(values):
        said = f"{lowest:.0f}".replace("-", "−")
        note = f"assumed CT because values reach {said} HU; say --modality otherwise"
        return replace(volume, modality="CT", notes=(*volume.notes, note))
    return volume.with_notes(
        "the file does not say its modality; taken as OT: say --modality CT, MR, US, PT or NM"
    )


def _are_whole(values: np.ndarray) -> bool:
    """Whether all are whole numbers; looked at in parts, for a copy of all would double the memory."""
    parts = (values[start : start + _PART] for start in range(0, len(values), _PART))
    return all(np.array_equal(part, np.rint(part)) for part in parts)


def write_volume(
    volume: Volume, path: str | Path, *, overwrite: bool = False, integers: bool = False
) -> None:
    """Write a volume, whole or not at all; the format is chosen by the suffix.

    Voxels are float32; a colour volume is written to NIfTI as 8-bit RGB.  ``valid``, ``metadata``
    and ``notes`` are not written.

    Parameters
    ----------
    volume:
        What to write.
    path:
        Ends in ``.nii``, ``.nii.gz``, ``.nrrd`` or ``.mha``.
    overwrite:
        Replace an existing file.
    integers:
        Write int32, for label maps, instead of float32.

    Raises
    ------
    WriteError
        If the suffix is not one of these, the file exists, or its place cannot be written.
    ParameterError
        If ``integers`` is asked for values that are not whole, or for colour.
    """
    if integers and (volume.is_colour or not _are_whole(volume.array.reshape(-1))):
        raise ParameterError(f"{path}: cannot be written as integers: colour, or values that are not whole")
    _writable(Path(path)).function("write")(volume, Path(path), overwrite, integers)


def check_target(path: str | Path, overwrite: bool = False) -> None:
    """Refuse a place that :func:`write_volume` would refuse, before any work is done.

    Raises
    ------
    WriteError
        As there.
    """
    _writable(Path(path))
    check_replaceable(Path(path), overwrite)


def _writable(path: Path) -> Format:
    known = format_of(path)
    if known is None or not known[1].writable:
        writable = ", ".join(suffix for suffix, kind in VOLUMES.items() if kind.writable)
        raise WriteError(f"{path}: volumes are written as {writable}; choose one of these suffixes")
    return known[1]
